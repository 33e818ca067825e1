"""Inter-image pixel shuffling: one clear photo becomes a puzzle whose answer is known.

A pixel group is the clear photo and its low-passed copies, graded in strength. At every position the
group's pixels are permuted across the N images; the network must find the clear one. Only the permutation's
grain changes:

    pixel    white noise, a new permutation at every position (the paper's own, arXiv 2603.07120)
    region   one permutation over each patch of random size and shape
    depth    a smooth random depth field: the image focused nearest to that depth gets the clear pixel,
             the next nearest the least blurred copy, and so on

`layers` goes one step towards optics: frames of a scene of a few layers, each with its own depth
field and each blurred by its distance from focus, the nearer ones through a blurred matte, so that a
defocused edge spreads over what lies behind it, which no permutation of the photo's own pixels can show.
Some groups lack the clear photo, as stacks with too wide steps do; what is sharp nowhere is known, and so is what
shows only through the blur of something nearer.
Then comes what a camera does, with stated probabilities: tone curves and sharpening of frames and truth alike, and
faults of the frames: noise, exposure drift, JPEG, gray, what alignment leaves.

Everything is batched tensor code, runs where the tensors are, and draws from one seeded generator.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from allfocus.train.config import ShuffleConfig
from allfocus.train.puzzles import camera
from allfocus.train.puzzles.blur import blur, gaussian_smooth, to_encoded, to_linear
from allfocus.train.puzzles.layered_scenes import Optics, flaws_of, layered_stack
from allfocus.train.puzzles.light import develop, softened, with_highlights
from allfocus.train.puzzles.sampling import draw_focus, draw_kernels, draw_radius, smooth_field

#: Share of the region-wise permutations with one region.
WHOLE = 0.15


@dataclass(frozen=True, kw_only=True)
class Groups:
    """A batch of puzzles with their answers.

    Attributes:
        frames: (B, N, 3, S, S) display-encoded [0, 1], what the network sees.
        truth: (B, 3, S, S) the clear picture.
        errors: (B, N, S, S) how wrong each frame is at each position before the camera's faults: the sum over
            channels of |frame - truth|, smoothed as the oracle's (sigma 1), unsmoothed where masks are white noise.
        label: (B, S, S) int64, the frame with the smallest error.
        flaws: (B, 2, S, S) in [0, 1]: sharp in no frame; veiled, see `flaws_of`.
    """

    frames: Tensor
    truth: Tensor
    errors: Tensor
    label: Tensor
    flaws: Tensor


def generate(crops: Tensor, config: ShuffleConfig, n: int, rng: torch.Generator) -> Groups:
    """Make one batch of puzzles of `n` frames.

    Args:
        crops: (B, 3, 3, S, S) display-encoded RGB [0, 1]: per item the clear photo and two more for layers.
        config: probabilities and strengths.
        n: frames per group, >= 2.
        rng: seeded generator on the crops' device; the only source of randomness.
    """
    crops = softened(crops, config.soft, rng) if config.soft else crops
    layered = torch.rand(len(crops), generator=rng, device=crops.device) < config.layers
    frames = torch.empty(len(crops), n, *crops.shape[2:], device=crops.device)
    truth = crops[:, 0].clone()
    smooth = torch.ones(len(crops), dtype=torch.bool, device=crops.device)
    flaws = torch.zeros(len(crops), 2, *crops.shape[-2:], device=crops.device)
    if layered.any():
        frames[layered], truth[layered], optics = layered_stack(crops[layered], config, n, rng)
        flaws[layered] = flaws_of(optics)
    if not layered.all():
        flat = ~layered
        grain = draw_grain(int(flat.sum()), config, rng)
        permutation = draw_permutation(grain, n, crops.shape[-1], rng, config.ordered)
        group, least = pixel_group(truth[flat], config, n, rng)
        frames[flat] = shuffle_pixels(sharpen_parts(group, config.overlap, rng), permutation)
        smooth[flat] = grain != 0
        nowhere_sharp = least[:, None, None, None].expand(-1, n, *crops.shape[-2:])
        flaws[flat] = flaws_of(Optics(radius=nowhere_sharp, veil=torch.zeros_like(nowhere_sharp)))
    truth, frames = develop(truth, frames, config, rng)
    absolute = (frames - truth[:, None]).abs().sum(2)  # B N S S
    errors = torch.where(smooth[:, None, None, None], gaussian_smooth(absolute, 1.0), absolute)
    truth, frames = camera.damage(truth, frames, config, rng)
    return Groups(frames=frames, truth=truth, errors=errors, label=errors.argmin(1), flaws=flaws)


def pixel_group(
    clear: Tensor, config: ShuffleConfig, n: int, rng: torch.Generator, strongest: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The clear photo and n - 1 low-passed copies, graded.

    Strengths rise from copy 0 to a random maximum, by a random law. Copy 0 is the photo itself, bit for bit, but in
    groups that miss it: there all copies are blurred.

    Args:
        clear: (B, 3, S, S) display-encoded.
        config: probabilities and strengths.
        n: copies, >= 2.
        rng: seeded generator.
        strongest: (B,) largest blur radius in pixels; None: drawn as the recipe says.

    Returns:
        (B, n, 3, S, S) display-encoded, and (B,) the blur radius of copy 0 in pixels, 0 for the photo itself.
    """
    batch = len(clear)
    strongest = draw_radius(batch, config, rng) if strongest is None else strongest
    law = 0.5 + 1.5 * torch.rand(batch, 1, generator=rng, device=clear.device)
    missing = torch.rand(batch, generator=rng, device=clear.device) < config.missing
    least = torch.where(missing, strongest * torch.rand(batch, generator=rng, device=clear.device), 0)
    step = torch.arange(n, device=clear.device, dtype=clear.dtype) / (n - 1)
    radii = least[:, None] + (strongest - least)[:, None] * step**law
    light = to_linear(clear)
    if config.highlights:
        light = with_highlights(light[:, None], config.highlights, rng)[:, 0]
    copies = to_encoded(blur(light, draw_kernels(radii, rng, apertures=config.apertures)).clamp(0, 1))
    copies[~missing, 0] = clear[~missing]
    return copies, least


def sharpen_parts(group: Tensor, probability: float, rng: torch.Generator) -> Tensor:
    """Make some groups (B, n, 3, S, S) clear in all their copies over part of the picture, up to a hard seam.

    Real frames share sharp parts, and where a frame's blur ends abruptly (frames that were cut and pasted) the
    seam itself is the strongest detail around: the network has to learn not to take it for sharpness.
    """
    batch, size = len(group), group.shape[-1]
    if probability == 0:
        return group
    chosen = torch.rand(batch, generator=rng, device=group.device) < probability
    share = 0.2 + 0.6 * torch.rand(batch, 1, 1, generator=rng, device=group.device)
    fields = torch.cat([smooth_field(1, size, rng) for _ in range(batch)])  # B S S
    part = (fields < share) & chosen[:, None, None]
    return torch.where(part[:, None, None], group[:, :1], group)


def draw_grain(batch: int, config: ShuffleConfig, rng: torch.Generator) -> Tensor:
    """(B,) 0 pixel, 1 region, 2 depth, with the recipe's odds."""
    odds = torch.tensor([config.grain_pixel, config.grain_region, config.grain_depth], device=rng.device)
    return torch.multinomial(odds, batch, replacement=True, generator=rng)


def draw_permutation(grain: Tensor, n: int, size: int, rng: torch.Generator, ordered: bool = False) -> Tensor:
    """(B,) grains -> (B, n, S, S) int64: which of the group's pixels frame k holds at each position.

    With `ordered` the frames of a depth field are in the order of focus. One region in `WHOLE` is the whole picture:
    in many a stack one frame is best nearly everywhere.

    Along the second axis every position holds each of 0..n-1 once; 0 is the clear pixel.
    """
    shape = (n, size, size)
    rows = []
    for kind in grain.tolist():
        if kind == 0:
            order = torch.rand(shape, generator=rng, device=rng.device)
        elif kind == 1 and torch.rand(1, generator=rng, device=rng.device) < WHOLE:
            order = torch.rand(n, 1, 1, generator=rng, device=rng.device).expand(shape)
        elif kind == 1:
            order = smooth_field(n, size, rng)
        else:
            depth = smooth_field(1, size, rng)
            focus = draw_focus(1, n, rng)[0]
            focus = focus.sort().values if ordered else focus
            order = (depth - focus[:, None, None]).abs()
        rows.append(rank(order))
    return torch.stack(rows)


def rank(order: Tensor) -> Tensor:
    """How many of the n values at each position are smaller: (n, S, S) -> (n, S, S) int64, each of 0..n-1 once.

    Equal values are told apart by their index. Comparing all pairs beats sorting for a handful of frames.
    """
    ranks = torch.zeros(order.shape, dtype=torch.int64, device=order.device)
    for low in range(len(order)):
        for high in range(low + 1, len(order)):
            smaller = order[high] < order[low]
            ranks[low] += smaller
            ranks[high] += ~smaller
    return ranks


def shuffle_pixels(group: Tensor, permutation: Tensor) -> Tensor:
    """Permute the group's pixels across its images: (B, N, 3, S, S) by (B, N, S, S) -> (B, N, 3, S, S)."""
    return group.gather(1, permutation[:, :, None].expand_as(group))


def unshuffle_pixels(frames: Tensor, permutation: Tensor) -> Tensor:
    """Undo `shuffle_pixels`: the group again, its clear photo first."""
    return frames.gather(1, permutation.argsort(1)[:, :, None].expand_as(frames))
