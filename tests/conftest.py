"""Small generated pictures, and the command line called as a person would."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from allfocus.cli import main
from allfocus.color import Array, from_unit
from allfocus.io import write_image


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
