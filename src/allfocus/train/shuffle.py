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
Then come a camera's faults, with stated probabilities: noise, exposure drift, JPEG, gray.

Everything is batched tensor code, runs where the tensors are, and draws from one seeded generator.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from allfocus.train import camera
from allfocus.train.blur import KERNELS, aperture_kernels, blur, gaussian_smooth, to_encoded, to_linear
from allfocus.train.config import ShuffleConfig

#: Blur strengths computed per layer; radii between two of them are blends of the two.
BLUR_LEVELS = 8


@dataclass(frozen=True, kw_only=True)
class Groups:
    """A batch of puzzles with their answers.

    Attributes:
        frames: (B, N, 3, S, S) display-encoded [0, 1], what the network sees.
        truth: (B, 3, S, S) the clear picture.
        errors: (B, N, S, S) how wrong each frame is at each position before the camera's faults: the sum over
            channels of |frame - truth|, smoothed as the oracle's (sigma 1), unsmoothed where masks are white noise.
        label: (B, S, S) int64, the frame with the smallest error.
    """

    frames: Tensor
    truth: Tensor
    errors: Tensor
    label: Tensor


def generate(crops: Tensor, config: ShuffleConfig, n: int, rng: torch.Generator) -> Groups:
    """Make one batch of puzzles of `n` frames.

    Args:
        crops: (B, 3, 3, S, S) display-encoded RGB [0, 1]: per item the clear photo and two more for layers.
        config: probabilities and strengths.
        n: frames per group, >= 2.
        rng: seeded generator on the crops' device; the only source of randomness.
    """
    layered = torch.rand(len(crops), generator=rng, device=crops.device) < config.layers
    frames = torch.empty(len(crops), n, *crops.shape[2:], device=crops.device)
    truth = crops[:, 0].clone()
    smooth = torch.ones(len(crops), dtype=torch.bool, device=crops.device)
    if layered.any():
        frames[layered], truth[layered] = layered_stack(crops[layered], config, n, rng)
    if not layered.all():
        flat = ~layered
        grain = draw_grain(int(flat.sum()), config, rng)
        permutation = draw_permutation(grain, n, crops.shape[-1], rng)
        group = sharpen_parts(pixel_group(truth[flat], config, n, rng), config.overlap, rng)
        frames[flat] = shuffle_pixels(group, permutation)
        smooth[flat] = grain != 0
    absolute = (frames - truth[:, None]).abs().sum(2)  # B N S S
    errors = torch.where(smooth[:, None, None, None], gaussian_smooth(absolute, 1.0), absolute)
    truth, frames = camera.damage(truth, frames, config, rng)
    return Groups(frames=frames, truth=truth, errors=errors, label=errors.argmin(1))


def pixel_group(clear: Tensor, config: ShuffleConfig, n: int, rng: torch.Generator) -> Tensor:
    """The clear photo and n - 1 low-passed copies, graded: (B, 3, S, S) -> (B, n, 3, S, S), display-encoded.

    Copy 0 is the photo itself, bit for bit; strengths rise from there to a random maximum, by a random law.
    """
    batch = len(clear)
    strongest = draw_radius(batch, config, rng)
    law = 0.5 + 1.5 * torch.rand(batch, 1, generator=rng, device=clear.device)
    step = torch.arange(1, n, device=clear.device, dtype=clear.dtype) / (n - 1)  # n-1
    copies = blur(to_linear(clear), draw_kernels(strongest[:, None] * step**law, rng))
    return torch.cat([clear[:, None], to_encoded(copies.clamp(0, 1))], 1)


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


def draw_radius(batch: int, config: ShuffleConfig, rng: torch.Generator, strong: float = 1.0) -> Tensor:
    """(B,) largest blur radius of each group, pixels: log-uniform from 1 to `blur_max`; `strong` < 1: mostly large."""
    uniform = torch.rand(batch, generator=rng, device=rng.device)
    return config.blur_max ** (uniform**strong)


def draw_kernels(radii: Tensor, rng: torch.Generator) -> Tensor:
    """(B, L) radii -> (B, L, K, K) kernels, the shape drawn per item: half are discs, a quarter Gaussian."""
    batch = len(radii)
    odds = torch.tensor([0.4, 0.2, 0.2, 0.05, 0.15], device=radii.device)
    assert len(odds) == len(KERNELS)
    kinds = torch.multinomial(odds, batch, replacement=True, generator=rng)
    views = torch.randint(3, 8, (batch,), generator=rng, device=radii.device)
    return aperture_kernels(radii, kinds, views)


def draw_grain(batch: int, config: ShuffleConfig, rng: torch.Generator) -> Tensor:
    """(B,) 0 pixel, 1 region, 2 depth, with the recipe's odds."""
    odds = torch.tensor([config.grain_pixel, config.grain_region, config.grain_depth], device=rng.device)
    return torch.multinomial(odds, batch, replacement=True, generator=rng)


def draw_permutation(grain: Tensor, n: int, size: int, rng: torch.Generator) -> Tensor:
    """(B,) grains -> (B, n, S, S) int64: which of the group's pixels frame k holds at each position.

    Along the second axis every position holds each of 0..n-1 once; 0 is the clear pixel.
    """
    shape = (n, size, size)
    rows = []
    for kind in grain.tolist():
        if kind == 0:
            order = torch.rand(shape, generator=rng, device=rng.device)
        elif kind == 1:
            order = smooth_field(n, size, rng)
        else:
            depth = smooth_field(1, size, rng)
            focus = draw_focus(1, n, rng)[0]
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


def smooth_field(count: int, size: int, rng: torch.Generator) -> Tensor:
    """(count, S, S) random smooth fields, each stretched to [0, 1]; the scale is drawn from 2 to S/6 cells."""
    cells = int(2 * (size / 12) ** torch.rand(1, generator=rng, device=rng.device).item())
    coarse = torch.rand(1, count, cells + 3, cells + 3, generator=rng, device=rng.device)
    field = functional.interpolate(coarse, scale_factor=size / cells, mode="bicubic")[0]
    field = field[:, -size:, -size:]
    low, high = field.amin((1, 2), keepdim=True), field.amax((1, 2), keepdim=True)
    return (field - low) / (high - low).clamp_min(1e-6)


def draw_focus(batch: int, n: int, rng: torch.Generator) -> Tensor:
    """(B, n) focus distances over the depth range [0, 1], evenly spread, jittered, in random order."""
    steps = (torch.arange(n, device=rng.device) + 0.5) / n
    jitter = (torch.rand(batch, n, generator=rng, device=rng.device) - 0.5) * (0.8 / n)
    order = torch.rand(batch, n, generator=rng, device=rng.device).argsort(1)
    return (steps + jitter).gather(1, order)


def aim(focus: Tensor, nearness: Tensor, rng: torch.Generator) -> Tensor:
    """Point the lens at things, as photographers do: in half of the items the first frames focus on the layers.

    Args:
        focus: (B, N) focus distances in random order.
        nearness: (B, layers) mean depth of each layer.
        rng: seeded generator.
    """
    batch, n = focus.shape
    order = torch.rand(nearness.shape, generator=rng, device=focus.device).argsort(1)
    targets = nearness.gather(1, order)[:, :n]
    aimed = torch.cat([targets, focus[:, targets.shape[1] :]], 1)
    return torch.where(torch.rand(batch, 1, generator=rng, device=focus.device) < 0.5, aimed, focus)


def layered_stack(crops: Tensor, config: ShuffleConfig, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Photograph a scene of one to `layers_max` layers with n focus settings.

    Returns:
        (B, n, 3, S, S) frames and (B, 3, S, S) truth (every layer sharp), display-encoded [0, 1].
    """
    batch, _, _, size, _ = crops.shape
    count = config.layers_max
    light = to_linear(crops)
    nearness = torch.sort(torch.rand(batch, count, generator=rng, device=crops.device), dim=1).values
    focus = aim(draw_focus(batch, n, rng), nearness, rng)
    # a defocus of `strongest` pixels across the whole depth range; strong enough, often, to dissolve a hair
    strongest = draw_radius(batch, config, rng, strong=0.5)[:, None]
    level = torch.arange(BLUR_LEVELS, device=crops.device) / (BLUR_LEVELS - 1)
    kernels = draw_kernels(strongest * level**1.5, rng)
    layers = torch.randint(1, count + 1, (batch,), generator=rng, device=crops.device)
    frames = torch.zeros(batch, n, 3, size, size, device=crops.device)
    truth = torch.zeros(batch, 3, size, size, device=crops.device)
    for layer in range(count):
        has = layers > layer  # B: the items that have so many layers
        if not has.any():
            break
        sheet, depth = draw_layer(surface(light[has], layer, config, rng), nearness[has, layer], layer == 0, rng)
        seen = defocus(sheet, depth, focus[has], kernels[has])
        frames[has] = frames[has] * (1 - seen[:, :, 3:]) + seen[:, :, :3]
        truth[has] = truth[has] * (1 - sheet[:, 3:]) + sheet[:, :3]
    return to_encoded(frames.clamp(0, 1)), to_encoded(truth.clamp(0, 1))


def surface(light: Tensor, layer: int, config: ShuffleConfig, rng: torch.Generator) -> Tensor:
    """What a layer looks like: a photo, or one colour with little texture; (B, P, 3, S, S) linear -> (B, 3, S, S).

    A stalk or a hair before a rich background has next to no texture of its own: all that tells is its edges.
    """
    photo = light[:, layer % light.shape[1]]
    if layer >= light.shape[1]:
        photo = photo.flip(-1)
    if layer == 0:
        return photo
    batch = len(light)
    colour = torch.rand(batch, 3, 1, 1, generator=rng, device=light.device) ** 2
    texture = 0.3 * torch.rand(batch, 1, 1, 1, generator=rng, device=light.device) ** 2
    painted = torch.rand(batch, 1, 1, 1, generator=rng, device=light.device) < config.paint
    return torch.where(painted, colour + texture * (photo - photo.mean((2, 3), keepdim=True)), photo).clamp(0, 1)


def draw_layer(light: Tensor, nearness: Tensor, farthest: bool, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Cut one layer out of a photo and give it a relief.

    Args:
        light: (B, 3, S, S) linear RGB.
        nearness: (B,) mean depth in [0, 1], rising from layer to layer.
        farthest: the wall behind everything: it has no holes and may recede over the whole depth range.
        rng: seeded generator.

    Returns:
        (B, 4, S, S) premultiplied linear RGB and alpha, and (B, S, S) depth in [0, 1].
    """
    batch, _, size, _ = light.shape
    relief = torch.cat([smooth_field(1, size, rng) for _ in range(batch)])  # B S S
    spread = torch.rand(batch, 1, 1, generator=rng, device=light.device) ** 2 * (1.0 if farthest else 0.3)
    depth = (nearness[:, None, None] + spread * (relief - 0.5)).clamp(0, 1)
    alpha = torch.ones_like(light[:, :1]) if farthest else camera.draw_matte(batch, size, rng)
    return torch.cat([light * alpha, alpha], 1), depth


def defocus(sheet: Tensor, depth: Tensor, focus: Tensor, kernels: Tensor) -> Tensor:
    """See one layer through a lens at several focus settings.

    Args:
        sheet: (B, 4, S, S) premultiplied linear RGB and alpha.
        depth: (B, S, S) in [0, 1].
        focus: (B, N) in [0, 1].
        kernels: (B, L, K, K), radii rising as (level / (L - 1)) ** 1.5 of the strongest.

    Returns:
        (B, N, 4, S, S).
    """
    levels = blur(sheet, kernels)  # B L 4 S S
    distance = (depth[:, None] - focus[:, :, None, None]).abs()  # B N S S
    position = distance.clamp(0, 1) ** (1 / 1.5) * (levels.shape[1] - 1)
    seen = torch.zeros(*distance.shape[:2], *sheet.shape[1:], device=sheet.device)
    for index in range(levels.shape[1]):
        share = (1 - (position - index).abs()).clamp_min(0)  # B N S S
        seen = seen.addcmul_(share[:, :, None], levels[:, None, index])
    return seen
