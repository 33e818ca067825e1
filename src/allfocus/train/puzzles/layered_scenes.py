"""Scenes of a few layers, photographed with several focus settings: what no permutation of a photo's pixels can show.

Each layer has its own depth field and is blurred by its distance from focus, the nearer ones through a blurred matte,
so that a defocused edge spreads over what lies behind it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from allfocus.train.config import ShuffleConfig
from allfocus.train.puzzles import camera
from allfocus.train.puzzles.blur import blur, gaussian_smooth, to_encoded, to_linear
from allfocus.train.puzzles.light import with_highlights
from allfocus.train.puzzles.sampling import draw_focus, draw_kernels, draw_radius, smooth_field

#: Blur strengths computed per layer; radii between two of them are blends of the two.
BLUR_LEVELS = 8
#: Circle of confusion, as a radius in pixels, from which on a place counts as out of focus.
UNSHARP_RADIUS = 1.25
#: Share of foreign light from which on a place counts as veiled.
VEILED_SHARE = 0.2


@dataclass(frozen=True, kw_only=True)
class Optics:
    """How each frame of a stack shows each place, whatever that looks like.

    Attributes:
        radius: (B, N, S, S) circle-of-confusion radius in pixels of what the truth shows there.
        veil: (B, N, S, S) share of the light that comes from something nearer instead.
    """

    radius: Tensor
    veil: Tensor


def flaws_of(optics: Optics) -> Tensor:
    """Where the best is not good, (B, 2, S, S) in [0, 1]: sharp in no frame; veiled in the frame that is sharpest."""
    radius, sharpest = optics.radius.min(1, keepdim=True)
    unsharp = torch.sigmoid((radius - UNSHARP_RADIUS) * 4)
    veiled = ((optics.veil.gather(1, sharpest) - VEILED_SHARE / 2) / VEILED_SHARE).clamp(0, 1)
    return torch.cat([unsharp, veiled], 1)


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


def layered_stack(crops: Tensor, config: ShuffleConfig, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor, Optics]:
    """Photograph a scene of one to `layers_max` layers with n focus settings.

    Returns:
        (B, n, 3, S, S) frames and (B, 3, S, S) truth (every layer sharp), display-encoded [0, 1], and the optics.
    """
    batch, _, _, size, _ = crops.shape
    count = config.layers_max
    light = to_linear(crops)
    if config.highlights:
        light = with_highlights(light, config.highlights, rng)
    nearness = torch.sort(torch.rand(batch, count, generator=rng, device=crops.device), dim=1).values
    focus = aim(draw_focus(batch, n, rng), nearness, rng)
    focus = focus.sort(1).values if config.ordered else focus
    # a defocus of `strongest` pixels across the whole depth range; strong enough, often, to dissolve a hair
    strongest = draw_radius(batch, config, rng, strong=0.5)[:, None]
    level = torch.arange(BLUR_LEVELS, device=crops.device) / (BLUR_LEVELS - 1)
    kernels = draw_kernels(strongest * level**1.5, rng, opaque=True, apertures=config.apertures)
    layers = torch.randint(1, count + 1, (batch,), generator=rng, device=crops.device)
    frames = torch.zeros(batch, n, 3, size, size, device=crops.device)
    truth = torch.zeros(batch, 3, size, size, device=crops.device)
    radius, veil = torch.zeros(2, batch, n, size, size, device=crops.device)
    for layer in range(count):
        has = layers > layer  # B: the items that have so many layers
        if not has.any():
            break
        cover = surface(light[has], truth[has], layer, config, rng)
        sheet, depth = draw_layer(cover, nearness[has, layer], layer == 0, config, rng)
        distance = (depth[:, None] - focus[has][:, :, None, None]).abs()  # B N S S
        seen = defocus(sheet, distance, kernels[has])
        frames[has] = frames[has] * (1 - seen[:, :, 3:]) + seen[:, :, :3]
        truth[has] = truth[has] * (1 - sheet[:, 3:]) + sheet[:, :3]
        own, blurred = sheet[:, 3:], seen[:, :, 3]  # B 1 S S, B N S S
        radius[has] = radius[has] * (1 - own) + own * distance * strongest[has][:, :, None, None]
        foreign = ((blurred - own) / (1 - own).clamp_min(1e-3)).clamp(0, 1)
        veil[has] = (1 - own) * (1 - (1 - veil[has]) * (1 - foreign))
    return to_encoded(frames.clamp(0, 1)), to_encoded(truth.clamp(0, 1)), Optics(radius=radius, veil=veil)


def surface(light: Tensor, behind: Tensor, layer: int, config: ShuffleConfig, rng: torch.Generator) -> Tensor:
    """What a layer looks like: a photo, one colour with little texture, or what is behind it in another hue.

    A stalk or a hair before a rich background has next to no texture of its own: all that tells is its edges; and
    sometimes those tell by their hue alone.

    Args:
        light: (B, P, 3, S, S) linear photos.
        behind: (B, 3, S, S) linear, the scene so far.
        layer: number of the layer; 0 is the farthest, and a photo.
        config: probabilities.
        rng: seeded generator.

    Returns:
        (B, 3, S, S) linear.
    """
    photo = light[:, layer % light.shape[1]]
    if layer >= light.shape[1]:
        photo = photo.flip(-1)
    if layer == 0:
        return photo
    batch = len(light)
    hue = torch.randn(batch, 3, 1, 1, generator=rng, device=light.device)
    hue = hue - (hue * camera.LUMA.to(hue).view(3, 1, 1)).sum(1, keepdim=True)  # no luma
    tint = 0.2 * torch.rand(batch, 1, 1, 1, generator=rng, device=light.device) * hue
    tinted = torch.rand(batch, 1, 1, 1, generator=rng, device=light.device) < config.tint
    photo = torch.where(tinted, (gaussian_smooth(behind, 1.5) + tint).clamp(0, 1), photo)
    colour = torch.rand(batch, 3, 1, 1, generator=rng, device=light.device) ** 2
    texture = 0.3 * torch.rand(batch, 1, 1, 1, generator=rng, device=light.device) ** 2
    painted = torch.rand(batch, 1, 1, 1, generator=rng, device=light.device) < config.paint
    painted &= ~tinted
    flat = colour + texture * (photo - photo.mean((2, 3), keepdim=True))
    if config.blotches:
        flat = blotched(flat, config.blotches, rng)
    return torch.where(painted, flat.clamp(0, 1), photo)


def blotched(flat: Tensor, probability: float, rng: torch.Generator) -> Tensor:
    """Some of the surfaces (B, 3, S, S) with blotches of another colour, edges a few pixels soft."""
    batch, size = len(flat), flat.shape[-1]
    chosen = torch.rand(batch, 1, 1, 1, generator=rng, device=flat.device) < probability
    other = torch.rand(batch, 3, 1, 1, generator=rng, device=flat.device) ** 2
    share = 0.3 + 0.4 * torch.rand(batch, 1, 1, 1, generator=rng, device=flat.device)
    fields = torch.cat([smooth_field(1, size, rng) for _ in range(batch)])[:, None]  # B 1 S S
    cover = ((fields - share) * 20 + 0.5).clamp(0, 1)
    return torch.where(chosen, flat + cover * (other - flat), flat)


def draw_layer(
    light: Tensor, nearness: Tensor, farthest: bool, config: ShuffleConfig, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Cut one layer out of a photo and give it a relief.

    Args:
        light: (B, 3, S, S) linear RGB.
        nearness: (B,) mean depth in [0, 1], rising from layer to layer.
        farthest: the wall behind everything: it has no holes and may recede over the whole depth range.
        config: which shapes.
        rng: seeded generator.

    Returns:
        (B, 4, S, S) premultiplied linear RGB and alpha, and (B, S, S) depth in [0, 1].
    """
    batch, _, size, _ = light.shape
    relief = torch.cat([smooth_field(1, size, rng) for _ in range(batch)])  # B S S
    spread = torch.rand(batch, 1, 1, generator=rng, device=light.device) ** 2 * (1.0 if farthest else 0.3)
    depth = (nearness[:, None, None] + spread * (relief - 0.5)).clamp(0, 1)
    alpha = torch.ones_like(light[:, :1]) if farthest else camera.draw_matte(batch, size, rng, config.shapes)
    return torch.cat([light * alpha, alpha], 1), depth


def defocus(sheet: Tensor, distance: Tensor, kernels: Tensor) -> Tensor:
    """See one layer through a lens at several focus settings.

    Args:
        sheet: (B, 4, S, S) premultiplied linear RGB and alpha.
        distance: (B, N, S, S) from focus, in [0, 1].
        kernels: (B, L, K, K), radii rising as (level / (L - 1)) ** 1.5 of the strongest.

    Returns:
        (B, N, 4, S, S).
    """
    levels = blur(sheet, kernels)  # B L 4 S S
    position = distance.clamp(0, 1) ** (1 / 1.5) * (levels.shape[1] - 1)
    seen = torch.zeros(*distance.shape[:2], *sheet.shape[1:], device=sheet.device)
    for index in range(levels.shape[1]):
        share = (1 - (position - index).abs()).clamp_min(0)  # B N S S
        seen = seen.addcmul_(share[:, :, None], levels[:, None, index])
    return seen
