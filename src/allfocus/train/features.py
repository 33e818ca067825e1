"""Features that the network works on: the pyramid of octaves, patches as channels, and frames seen beside each other.

Symbols in shape comments as in `network`.
"""

import torch
from torch import Tensor
from torch.nn import functional

#: Pixels along the side of the patch that one feature vector describes.
PATCH = 4
#: Channels of an octave: red, green, blue, and the detail lost on the way down from finer octaves.
OCTAVE_CHANNELS = 4
#: Laplacian energy of an 8-bit picture's rounding noise: below this there is nothing to see.
ENERGY_FLOOR = 1e-6


def laplacian_energy(rgb: Tensor) -> Tensor:
    """Sum over channels of the squared 4-neighbour Laplacian: (F, 3, h, w) -> (F, 1, h, w), edges repeated."""
    kernel = rgb.new_tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]]).expand(3, 1, 3, 3)
    padded = functional.pad(rgb, (1, 1, 1, 1), mode="replicate")
    return functional.conv2d(padded, kernel, groups=3).square().sum(1, keepdim=True)


def build_octaves(frames: Tensor, octaves: int) -> list[Tensor]:
    """The pyramid, fine to coarse: (F, 3, H, W) -> `octaves` tensors (F, 4, H / 2^k, W / 2^k).

    The fourth channel carries down the Laplacian energy of all finer octaves, so that the coarsest one knows
    where fine detail is in focus. H and W must be multiples of 2^(octaves - 1) * PATCH.
    """
    octave = functional.pad(frames, (0, 0, 0, 0, 0, 1))  # F 4 H W, no finer detail yet
    pyramid = [octave]
    for _ in range(octaves - 1):
        rgb, finer = octave.split([3, 1], 1)
        octave = functional.avg_pool2d(torch.cat([rgb, finer + laplacian_energy(rgb)], 1), 2)
        pyramid.append(octave)
    return pyramid


def by_stack(features: Tensor, stacks: int) -> Tensor:
    """(F, C, h, w) -> (B, N, C, h, w). Not `unflatten`, which would fix the traced size in the exported graph."""
    return features.reshape(stacks, -1, *features.shape[1:])


def over_frames(features: Tensor, stacks: int) -> tuple[Tensor, Tensor]:
    """Mean and maximum over the frames of each stack: (F, C, h, w) -> two (B, 1, C, h, w)."""
    grouped = by_stack(features, stacks)
    return grouped.mean(1, keepdim=True), grouped.amax(1, keepdim=True)


def relative(features: Tensor, stacks: int) -> Tensor:
    """Deviation from the mean over the frames of the same stack, shape unchanged."""
    grouped = by_stack(features, stacks)
    return (grouped - grouped.mean(1, keepdim=True)).flatten(0, 1)


def patches_to_channels(pixels: Tensor, side: int) -> Tensor:
    """Pixel unshuffle, (F, C, h, w) -> (F, C * side^2, h / side, w / side), in a form that exports for any size."""
    height, width = pixels.shape[-2] // side, pixels.shape[-1] // side
    split = pixels.reshape(-1, pixels.shape[1], height, side, width, side)  # F C h/P P w/P P
    return split.permute(0, 1, 3, 5, 2, 4).reshape(-1, pixels.shape[1] * side**2, height, width)


def normalised(features: Tensor) -> Tensor:
    """Features of unit root mean square over the channels at each place, shape unchanged.

    The look is recursive: without it a gain above one would grow with every octave, and training diverges.
    """
    return features * torch.rsqrt(features.square().mean(1, keepdim=True) + 1e-2)
