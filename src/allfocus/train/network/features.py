"""Features that the network works on: the pyramid, patches as channels, and frames seen beside each other.

Symbols in shape comments as in `network`.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

#: Pixels along the side of the patch that one feature vector describes.
PATCH = 4
#: Focus measures of a level per patch: its own Laplacian energy, and what was handed down from finer levels.
ENERGIES = 2
#: Laplacian energy of an 8-bit picture's rounding noise: below this there is nothing to see.
ENERGY_FLOOR = 1e-6


def laplacian_energy(rgb: Tensor, side: int = 1) -> Tensor:
    """Squared 4-neighbour Laplacian, summed over channels: (F, 3, h, w) -> (F, 1, h, w), edges repeated.

    With a `side`, its mean over squares of so many pixels: (F, 1, h / side, w / side).
    """
    kernel = rgb.new_tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]]).expand(3, 1, 3, 3)
    padded = functional.pad(rgb, (1, 1, 1, 1), mode="replicate")
    squares = functional.conv2d(padded, kernel, groups=3).square()
    return functional.avg_pool2d(squares, side).sum(1, keepdim=True)


class Octave(NamedTuple):
    """One level of the pyramid.

    Attributes:
        pixels: (F, 3, h, w), red, green, blue.
        energy: (F, 2, h/P, w/P), mean Laplacian energy of each patch, in this level and summed over all finer ones.
    """

    pixels: Tensor
    energy: Tensor


def build_octaves(frames: Tensor, octaves: int) -> list[Octave]:
    """The pyramid, fine to coarse: (F, 3, H, W) -> `octaves` levels of size H / 2^k, W / 2^k.

    The energy of all finer levels is handed down, so that the coarsest one knows where fine detail is in focus.
    H and W must be multiples of 2^(octaves - 1) * PATCH.
    """
    pixels, finer = frames, None
    pyramid: list[Octave] = []
    for octave in range(octaves):
        here = laplacian_energy(pixels, PATCH)
        finer = torch.zeros_like(here) if finer is None else finer
        pyramid.append(Octave(pixels, torch.cat([here, finer], 1)))
        if octave < octaves - 1:
            pixels, finer = functional.avg_pool2d(pixels, 2), functional.avg_pool2d(here + finer, 2)
    return pyramid


def by_stack(features: Tensor, stacks: int) -> Tensor:
    """(F, C, h, w) -> (B, N, C, h, w). Not `unflatten`, which would fix the traced size in the exported graph."""
    return features.reshape(stacks, -1, *features.shape[1:])


def over_frames(features: Tensor, stacks: int) -> tuple[Tensor, Tensor]:
    """Mean and maximum over the frames of each stack: (F, C, h, w) -> two (B, C, h, w)."""
    if stacks == 1:  # the exported graph: no shapes to look up, and `onnx.over_frames` knows this form
        return features.mean(0, keepdim=True), features.amax(0, keepdim=True)
    grouped = by_stack(features, stacks)
    return grouped.mean(1), grouped.amax(1)


def summed(features: Tensor, stacks: int) -> Tensor:
    """Sum over the frames of each stack: (F, C, h, w) -> (B, C, h, w)."""
    return features.sum(0, keepdim=True) if stacks == 1 else by_stack(features, stacks).sum(1)


def shares(weights: Tensor, stacks: int) -> Tensor:
    """Weights divided by their sum over the frames of the same stack, shape unchanged."""
    if stacks == 1:
        return weights / weights.sum(0, keepdim=True)
    grouped = by_stack(weights, stacks)
    return (grouped / grouped.sum(1, keepdim=True)).flatten(0, 1)


def told(features: Tensor, shared: Tensor, stacks: int) -> Tensor:
    """Add to the features of every frame (F, C, h, w) what its stack has in common, (B, C, h, w)."""
    if stacks == 1:
        return features + shared
    return (by_stack(features, stacks) + shared[:, None]).flatten(0, 1)


def scaled(features: Tensor, shared: Tensor, stacks: int) -> Tensor:
    """Multiply the features of every frame (F, C, h, w) with what its stack has in common, (B, C, h, w)."""
    if stacks == 1:
        return features * shared
    return (by_stack(features, stacks) * shared[:, None]).flatten(0, 1)


def relative(features: Tensor, stacks: int) -> Tensor:
    """Deviation from the mean over the frames of the same stack, shape unchanged."""
    return told(features, -over_frames(features, stacks)[0], stacks)


def patch_kernel(weight: Tensor, side: int) -> Tensor:
    """The kernel on pixels that does in one step, `side` pixels at a time, what `weight` does on patches as channels.

    (O, C * side^2, k, k) on the result of `patches_to_channels` -> (O, C, k * side, k * side) on the pixels themselves.
    """
    out, channels, rows, columns = weight.shape
    split = weight.reshape(out, channels // side**2, side, side, rows, columns)  # O C P P k k
    return split.permute(0, 1, 4, 2, 5, 3).reshape(out, -1, rows * side, columns * side)


def patches_to_channels(pixels: Tensor, side: int) -> Tensor:
    """Pixel unshuffle, (F, C, h, w) -> (F, C * side^2, h / side, w / side), in a form that exports for any size."""
    height, width = pixels.shape[-2] // side, pixels.shape[-1] // side
    split = pixels.reshape(-1, pixels.shape[1], height, side, width, side)  # F C h/P P w/P P
    return split.permute(0, 1, 3, 5, 2, 4).reshape(-1, pixels.shape[1] * side**2, height, width)


def normalised(features: Tensor) -> Tensor:
    """Features of unit root mean square over the channels at each place, shape unchanged.

    The look is recursive: without it a gain above one would grow with every level, and training diverges.
    """
    return features * torch.rsqrt(features.square().mean(1, keepdim=True) + 1e-2)
