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
        depth: (B, S, S) in [0, 1] of what the truth shows, 1 is nearest; None where there is none.
        mattes: (B, layers - 1, S, S) how much each layer covers, all but the farthest, which covers all.
    """

    radius: Tensor
    veil: Tensor
    depth: Tensor | None = None
    mattes: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How a scene is photographed.

    Attributes:
        nearness: (B, layers) mean depth of each layer in [0, 1], rising.
        focus: (B, N) depth that each frame is focused on.
        strongest: (B, 1) blur radius in pixels of what is the whole range of depth out of focus.
        kernels: (B, BLUR_LEVELS, K, K), see `blur_kernels`.
        layers: (B,) how many layers each scene has.
        relief: largest range of depth within the farthest layer, and within each nearer one.
    """

    nearness: Tensor
    focus: Tensor
    strongest: Tensor
    kernels: Tensor
    layers: Tensor
    relief: tuple[float, float] = (1.0, 0.3)


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
    light = to_linear(crops)
    if config.highlights:
        light = with_highlights(light, config.highlights, rng)
    return photograph(light, draw_setting(len(crops), config, n, rng), config, rng)


def draw_setting(batch: int, config: ShuffleConfig, n: int, rng: torch.Generator) -> Setting:
    """Draw what training photographs scenes with."""
    nearness = torch.sort(torch.rand(batch, config.layers_max, generator=rng, device=rng.device), dim=1).values
    focus = aim(draw_focus(batch, n, rng), nearness, rng)
    focus = focus.sort(1).values if config.ordered else focus
    # a defocus of `strongest` pixels across the whole depth range; strong enough, often, to dissolve a hair
    strongest = draw_radius(batch, config, rng, strong=0.5)[:, None]
    kernels = blur_kernels(strongest, config, rng)
    layers = torch.randint(1, config.layers_max + 1, (batch,), generator=rng, device=rng.device)
    return Setting(nearness=nearness, focus=focus, strongest=strongest, kernels=kernels, layers=layers)


def blur_kernels(strongest: Tensor, config: ShuffleConfig, rng: torch.Generator) -> Tensor:
    """Kernels of `BLUR_LEVELS` strengths up to the strongest radius (B, 1), their shape drawn per item."""
    level = torch.arange(BLUR_LEVELS, device=rng.device) / (BLUR_LEVELS - 1)
    return draw_kernels(strongest * level**1.5, rng, opaque=True, apertures=config.apertures)


def photograph(
    light: Tensor, setting: Setting, config: ShuffleConfig, rng: torch.Generator
) -> tuple[Tensor, Tensor, Optics]:
    """Draw the layers of a scene from linear photos (B, P, 3, S, S), and photograph it; see `layered_stack`."""
    batch, _, _, size, _ = light.shape
    n, count = setting.focus.shape[1], setting.nearness.shape[1]
    frames = torch.zeros(batch, n, 3, size, size, device=light.device)
    truth = torch.zeros(batch, 3, size, size, device=light.device)
    radius, veil = torch.zeros(2, batch, n, size, size, device=light.device)
    depth, mattes = torch.zeros_like(truth[:, 0]), torch.zeros(batch, count, size, size, device=light.device)
    for layer in range(count):
        has = setting.layers > layer  # B: the items that have so many layers
        if not has.any():
            break
        cover = surface(light[has], truth[has], layer, config, rng)
        most = setting.relief[min(layer, 1)]
        sheet, relief = draw_layer(cover, setting.nearness[has, layer], layer == 0, most, config, rng)
        distance = (relief[:, None] - setting.focus[has][:, :, None, None]).abs()  # B N S S
        seen = defocus(sheet, distance, setting.kernels[has])
        frames[has] = frames[has] * (1 - seen[:, :, 3:]) + seen[:, :, :3]
        truth[has] = truth[has] * (1 - sheet[:, 3:]) + sheet[:, :3]
        own, blurred = sheet[:, 3:], seen[:, :, 3]  # B 1 S S, B N S S
        radius[has] = radius[has] * (1 - own) + own * distance * setting.strongest[has][:, :, None, None]
        foreign = ((blurred - own) / (1 - own).clamp_min(1e-3)).clamp(0, 1)
        veil[has] = (1 - own) * (1 - (1 - veil[has]) * (1 - foreign))
        depth[has] = torch.where(own[:, 0] >= 0.5, relief, depth[has])
        mattes[has, layer] = own[:, 0]
    optics = Optics(radius=radius, veil=veil, depth=depth, mattes=mattes[:, 1:])
    return to_encoded(frames.clamp(0, 1)), to_encoded(truth.clamp(0, 1)), optics


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
    light: Tensor, nearness: Tensor, farthest: bool, most: float, config: ShuffleConfig, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Cut one layer out of a photo and give it a relief.

    Args:
        light: (B, 3, S, S) linear RGB.
        nearness: (B,) mean depth in [0, 1], rising from layer to layer.
        farthest: the wall behind everything: it has no holes.
        most: largest range of depth of its relief.
        config: which shapes.
        rng: seeded generator.

    Returns:
        (B, 4, S, S) premultiplied linear RGB and alpha, and (B, S, S) depth in [0, 1].
    """
    batch, _, size, _ = light.shape
    relief = torch.cat([smooth_field(1, size, rng) for _ in range(batch)])  # B S S
    spread = torch.rand(batch, 1, 1, generator=rng, device=light.device) ** 2 * most
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
