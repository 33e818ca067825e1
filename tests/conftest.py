"""Small generated pictures, a small untrained model, and the command line called as a person would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from hypothesis import settings

from allfocus.cli import main
from allfocus.color import Array, from_unit
from allfocus.io import write_image

if TYPE_CHECKING:
    from allfocus.train.network import FusionNetwork

# How long an example takes says more about the machine than about the code.
settings.register_profile("allfocus", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("allfocus")


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


Cli = Callable[..., Outcome]


def picture(height: int = 32, width: int = 48, *, gray: bool = False, dtype: str = "uint8", seed: int = 0) -> Array:
    """A texture with detail at every scale, darkest and brightest values included."""
    rng = np.random.default_rng(seed)
    shape = (height, width) if gray else (height, width, 3)
    texture = rng.random(shape, np.float32)
    texture.flat[0], texture.flat[-1] = 0, 1
    return from_unit(texture, dtype)


def focused_pair(sharp: Array) -> tuple[Array, Array]:
    """Two frames of one scene: the first is sharp in the left half, the second in the right."""
    blurred = cv2.GaussianBlur(sharp, (0, 0), 3)
    half = sharp.shape[1] // 2
    return (
        np.concatenate([sharp[:, :half], blurred[:, half:]], axis=1),
        np.concatenate([blurred[:, :half], sharp[:, half:]], axis=1),
    )


def write_pair(folder: Path, suffix: str = ".png", **options: object) -> tuple[str, str]:
    """Write a focused pair as img2 and img10; returns their paths as typed on a command line."""
    near, far = focused_pair(picture(**options))  # type: ignore[arg-type]
    write_image(folder / f"img2{suffix}", near)
    write_image(folder / f"img10{suffix}", far)
    return str(folder / f"img2{suffix}"), str(folder / f"img10{suffix}")


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Cli:
    """Run the command line in this process; whatever C libraries print counts too."""

    def call(*arguments: object) -> Outcome:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Outcome(code, out, err)

    return call


def focal_frames(
    height: int, width: int, count: int, *, gray: bool = False, dtype: str = "uint8", seed: int = 0
) -> list[Array]:
    """Frames of a picture that recedes from left to right: each is sharp in its own band of columns."""
    rng = np.random.default_rng(seed)
    sharp = rng.random((height, width) if gray else (height, width, 3), np.float32)
    sharp = 0.6 * sharp + 0.4 * cv2.GaussianBlur(sharp, (0, 0), 4)
    depth = np.linspace(0, 1, width, dtype=np.float32)
    blurs = np.stack([sharp, *(cv2.GaussianBlur(sharp, (0, 0), sigma) for sigma in (0.8, 1.6, 3.2))])
    frames = []
    for focus in (np.arange(count) + 0.5) / count:
        level = np.clip(6 * np.maximum(np.abs(depth - focus) - 0.5 / count, 0), 0, 2.999)
        low, share = level.astype(int), level % 1
        columns = np.arange(width)
        if not gray:
            share = share[:, None]
        near, far = (blurs[low + step, :, columns].swapaxes(0, 1) for step in (0, 1))
        frames.append(from_unit((1 - share) * near + share * far, dtype))
    return frames


@pytest.fixture(scope="session")
def tiny_network() -> FusionNetwork:
    """A network of the real plan, small and untrained; its heads are moved off zero so that every part speaks."""
    import torch

    from allfocus.flaws import FLAWED
    from allfocus.train.config import NetworkConfig
    from allfocus.train.network import FusionNetwork

    with torch.random.fork_rng():
        torch.manual_seed(5)
        network = FusionNetwork(
            NetworkConfig(width=8, depth=2, glance_width=8, glance_depth=2, state=4, heads=2)
        ).eval()
        for part in (network.glance, network.look):
            torch.nn.init.normal_(part.head.conv.weight, std=0.3)
        assert network.look.flaws.tell.bias is not None
        network.look.flaws.tell.bias.data = torch.tensor(FLAWED).repeat_interleave(4)  # about half of all is flawed
    return network


@pytest.fixture(scope="session")
def tiny_model(tiny_network: FusionNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tiny_network` as a model file: what needs a model is tested without the shipped weights."""
    from allfocus.train.config import Recipe
    from allfocus.train.export import card_of, export

    path = tmp_path_factory.mktemp("model") / "tiny.onnx"
    export(tiny_network, path, card_of(Recipe(name="tiny", network=tiny_network.config), {"photos": 0}, {}))
    return path
