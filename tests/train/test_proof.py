"""Whether training helped: claimed where the figures say so, on puzzles of photos and of a stack, and not elsewhere."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from allfocus.core.color import FloatArray
from allfocus.errors import ConfigError
from allfocus.metrics.statistics import Interval, bootstrap, signed_rank_test
from allfocus.train import own_stack
from allfocus.train.config import DataConfig, NetworkConfig, Recipe, ShuffleConfig, TrainingConfig
from allfocus.train.data import CropSampler
from allfocus.train.network.fusion_network import FusionNetwork
from allfocus.train.proof import Gain, fresh_puzzles, prove
from allfocus.train.validate import validation_groups

TINY = Recipe(
    data=DataConfig(crop=32, validation_groups=2),
    shuffle=ShuffleConfig(frames_max=3, blur_max=4.0),
    network=NetworkConfig(width=4, depth=1, glance_width=4, glance_depth=1, state=2, heads=2),
    training=TrainingConfig(octaves_max=2),
)


def gain_of(apart: list[float]) -> Gain:
    return Gain(
        place="held-back puzzles",
        over="the Laplacian rule",
        groups=len(apart),
        interval=bootstrap(apart),
        p=signed_rank_test(apart),
    )


def sharp_picture(height: int = 48, width: int = 64) -> FloatArray:
    noise = np.random.default_rng(0).random((height, width, 3)).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 0.7), np.float32)


def test_a_gain_is_claimed_where_it_is_more_than_chance() -> None:
    assert str(gain_of([1.0, 1.2, 0.9, 1.1, 1.3, 0.8, 1.05])).startswith(
        "gain over the Laplacian rule on held-back puzzles: +1.05 dB (+0."
    )
    assert gain_of([1.0, 1.2, 0.9, 1.1, 1.3, 0.8, 1.05]).is_shown


@pytest.mark.parametrize(
    ("apart", "words"),
    [
        ([1.0, -1.1, 0.9, -0.8, 0.2, -0.1, 0.3], "no sure gain"),
        ([1.0, 1.2, 0.9], "no sure gain"),  # three puzzles can't say
        ([-1.0, -1.2, -0.9, -1.1, -1.3, -0.8], "a loss over"),
        ([0.01, 0.012, 0.009, 0.011, 0.013, 0.008, 0.01], "no sure gain"),  # sure, and not worth having
        ([0.0] * 8, "no sure gain"),
    ],
)
def test_nothing_is_claimed_where_there_is_none(apart: list[float], words: str) -> None:
    assert str(gain_of(apart)).startswith(words)
    assert not gain_of(apart).is_shown


def test_a_network_that_is_the_start_has_gained_nothing_over_it() -> None:
    network = FusionNetwork(TINY.network).eval()
    photo = np.rint(255 * sharp_picture()).astype(np.uint8)
    sampler = CropSampler([photo], TINY.data, 5)
    fresh = fresh_puzzles(sampler, TINY)
    looked_at = validation_groups(sampler, TINY)
    assert not torch.equal(fresh[0].truth[0], looked_at[0].truth[0])
    over_rule, over_start = prove(network, network, {"held-back puzzles": fresh}, 2)
    assert (over_rule.over, over_rule.groups) == ("the Laplacian rule", 16)
    assert (over_start.interval, over_start.p, over_start.is_shown) == (Interval(0, 0, 0), 1, False)
    assert len(prove(network, None, {"held-back puzzles": fresh}, 2)) == 1


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """Two frames of a slope: the left sharp in one, the right in the other, blurred by discs of 4 px at the far end."""
    picture, depth = sharp_picture(), np.tile(np.linspace(0, 1, 64, dtype=np.float32), (48, 1))
    frames = own_stack.defocused(own_stack.planes(picture), torch.from_numpy(depth), torch.tensor([0.0, 1.0]), 4.0)
    folder = tmp_path / "stack"
    folder.mkdir()
    for k, frame in enumerate(frames[0]):
        cv2.imwrite(str(folder / f"{k}.png"), np.rint(255 * frame.numpy().transpose(1, 2, 0)))
    return folder


def test_a_stack_is_rendered_again_as_strongly_blurred_as_it_is() -> None:
    picture = sharp_picture()
    depth = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (48, 1))
    frames = own_stack.defocused(own_stack.planes(picture), torch.from_numpy(depth), torch.tensor([0.0, 1.0]), 4.0)
    taken = [frame.numpy().transpose(1, 2, 0) for frame in frames[0]]
    assert 3.2 < own_stack.find_radius(taken, picture, depth, [(0, 0), (8, 16)], 32) < 5


@pytest.mark.slow
def test_puzzles_of_a_stack_show_it(stack: Path) -> None:
    puzzles = own_stack.stack_puzzles(stack, TINY)
    assert len(puzzles) == 16
    assert puzzles[0].frames.shape == (1, 2, 3, 32, 32)
    oracle = [float(groups.errors.min(1).values.mean()) for groups in puzzles]
    worst = [float(groups.errors.max(1).values.mean()) for groups in puzzles]
    assert sum(oracle) < 0.5 * sum(worst)
    with pytest.raises(ConfigError, match=r"has frames of 64x48; expected sides of 64 or more"):
        own_stack.stack_puzzles(stack, replace(TINY, data=DataConfig(crop=64)))
