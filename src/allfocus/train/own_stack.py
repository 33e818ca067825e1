"""Puzzles from a user's own stack: the fused picture, defocused again by its depth as strongly as the frames are.

What it looks like, how deep it is and how strongly its lens blurs are the stack's own; the truth is known, since it was
rendered: that is as near to a proof on the user's own subject as there can be without one. What the fused picture gets
wrong becomes part of the truth, so that this measures telling sharp from blurred, not halos.
"""

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from allfocus.core.color import Array, to_unit
from allfocus.errors import ConfigError
from allfocus.pipeline import align, compose, decide
from allfocus.train.config import Recipe
from allfocus.train.proof import GROUPS
from allfocus.train.puzzles.blur import aperture_kernels, gaussian_smooth, to_encoded, to_linear
from allfocus.train.puzzles.layered_scenes import BLUR_LEVELS, Optics, defocus, flaws_of
from allfocus.train.puzzles.pixel_groups import Groups

#: Blur radii in pixels over the whole stack that are tried, and how many places are looked at.
RADII = tuple(float(radius) for radius in np.geomspace(1, 24, 10))
PLACES = 60


def stack_puzzles(stack: Path, recipe: Recipe) -> list[Groups]:
    """Puzzles rendered from a stack: squares where its depth varies most.

    Args:
        stack: a folder of frames, or a file that holds them; fused with the shipped network.
        recipe: side of the squares, most frames of a puzzle, and the seed.

    Raises:
        ReadError, StackError: it is no focal stack.
        ConfigError: its frames are smaller than a square.
    """
    registered = align([stack], keep_all=False)
    result = compose(registered, decide(registered, halos="keep"), halos="keep")
    frames = [colour(frame) for frame in registered.stack.frames]
    picture, side = colour(result.image), recipe.data.crop
    if min(picture.shape[:2]) < side:
        raise ConfigError(
            f"{stack} has frames of {picture.shape[1]}x{picture.shape[0]}; expected sides of {side} or more"
        )
    index = np.searchsorted(np.asarray(registered.positions), result.index_map)
    depth = smooth_depth(index, len(frames))
    corners = choose_places(depth, side, recipe.seed)
    radius = find_radius(frames, picture, depth, corners, side)
    return [render(picture, depth, corner, side, len(frames), radius, recipe) for corner in corners]


def colour(frame: Array) -> Array:
    """Any frame as (H, W, 3) float32 in [0, 1]."""
    unit = np.asarray(to_unit(frame), np.float32)
    return unit if unit.ndim == 3 else np.repeat(unit[..., None], 3, axis=2)


def smooth_depth(index: Array, count: int) -> Array:
    """Depth in [0, 1] from the frame that each pixel is from: without specks and steps."""
    levels = cv2.medianBlur(np.clip(index, 0, 255).astype(np.uint8), 5)
    return np.asarray(cv2.GaussianBlur(levels.astype(np.float32) / max(count - 1, 1), (0, 0), 2))


def choose_places(depth: Array, side: int, seed: int) -> list[tuple[int, int]]:
    """Top and left of squares where depth varies most, of some drawn at random."""
    rng = np.random.default_rng(seed)
    tops = rng.integers(0, depth.shape[0] - side + 1, PLACES)
    lefts = rng.integers(0, depth.shape[1] - side + 1, PLACES)
    places = sorted(zip(tops.tolist(), lefts.tolist(), strict=True))
    spread = [float(depth[top : top + side, left : left + side].std()) for top, left in places]
    return [places[k] for k in sorted(np.argsort(spread, kind="stable")[::-1][:GROUPS])]


def find_radius(frames: list[Array], picture: Array, depth: Array, corners: list[tuple[int, int]], side: int) -> float:
    """The blur radius over the whole stack by which rendered frames come nearest to those that were taken."""
    ends = sorted({0, len(frames) - 1})
    focus = torch.tensor([k / max(len(frames) - 1, 1) for k in ends])
    errors = np.zeros(len(RADII))
    for top, left in corners[::4]:
        here = (slice(top, top + side), slice(left, left + side))
        wanted = torch.from_numpy(np.stack([frames[k][here].transpose(2, 0, 1) for k in ends]))
        for k, radius in enumerate(RADII):
            seen = defocused(planes(picture[here]), torch.from_numpy(depth[here].copy()), focus, radius)
            errors[k] += float((seen[0] - wanted).square().mean())
    return RADII[int(errors.argmin())]


def planes(picture: Array) -> Tensor:
    """(H, W, 3) as (1, 3, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None]


def defocused(picture: Tensor, depth: Tensor, focus: Tensor, radius: float) -> Tensor:
    """A picture (1, 3, S, S) focused at each of N depths, by discs of up to `radius` pixels: (1, N, 3, S, S)."""
    level = torch.arange(BLUR_LEVELS) / (BLUR_LEVELS - 1)
    kernels = aperture_kernels(radius * level[None] ** 1.5, torch.tensor([0]), torch.tensor([3]), torch.zeros(1))
    sheet = torch.cat([to_linear(picture), torch.ones_like(picture[:, :1])], 1)
    distance = (depth[None, None] - focus[None, :, None, None]).abs()
    return to_encoded(defocus(sheet, distance, kernels)[:, :, :3].clamp(0, 1))


def render(
    picture: Array, depth: Array, corner: tuple[int, int], side: int, count: int, radius: float, recipe: Recipe
) -> Groups:
    """One puzzle: a square of the picture, and the frames between the nearest and the farthest depth in it."""
    here = (slice(corner[0], corner[0] + side), slice(corner[1], corner[1] + side))
    truth, inside = planes(picture[here]), torch.from_numpy(depth[here].copy())
    n = max(2, min(count, recipe.shuffle.frames_max))
    focus = torch.linspace(float(inside.min()), float(inside.max()), n)
    frames = defocused(truth, inside, focus, radius)
    errors = gaussian_smooth((frames - truth[:, None]).abs().sum(2), 1.0)
    blur = radius * (inside[None, None] - focus[None, :, None, None]).abs()
    flaws = flaws_of(Optics(radius=blur, veil=torch.zeros_like(blur)))
    return Groups(frames=frames, truth=truth, errors=errors, label=errors.argmin(1), flaws=flaws)
