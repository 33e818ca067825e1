"""What all puzzles draw at random: strengths and shapes of blur, smooth fields, focus distances."""

import torch
from torch import Tensor
from torch.nn import functional

from allfocus.train.config import ShuffleConfig
from allfocus.train.puzzles.blur import KERNELS, aperture_kernels

#: Radii of a blur that is small, in pixels; share of polygons among the shapes that are neither disc nor soft.
SMALL, POLYGONS = (0.7, 3.0), 0.6


def draw_radius(batch: int, config: ShuffleConfig, rng: torch.Generator, strong: float = 1.0) -> Tensor:
    """(B,) largest blur radius of each group, pixels: log-uniform from 1 to `blur_max`; `strong` < 1: mostly large."""
    uniform = torch.rand(batch, generator=rng, device=rng.device)
    radius = config.blur_max ** (uniform**strong)
    if not config.small_blur:
        return radius
    few, small = torch.rand(2, batch, generator=rng, device=rng.device)
    return torch.where(few < config.small_blur, SMALL[0] * (SMALL[1] / SMALL[0]) ** small, radius)


def draw_kernels(radii: Tensor, rng: torch.Generator, opaque: bool = False, apertures: float = 0.0) -> Tensor:
    """(B, L) radii -> (B, L, K, K) kernels, the shape drawn per item; discs are the most frequent.

    Args:
        radii: in pixels.
        rng: seeded generator.
        opaque: whether to leave out the fringes, which only transparent things have.
        apertures: probability of a polygon or a cat's eye.
    """
    batch = len(radii)
    odds = torch.tensor([0.36, 0.18, 0.18, 0.05, 0.15, 0.08], device=radii.device)
    if opaque:
        odds[KERNELS.index("fringe")] = 0
    kinds = torch.multinomial(odds, batch, replacement=True, generator=rng)
    views = torch.randint(3, 8, (batch,), generator=rng, device=radii.device)
    turn = 5 * torch.rand(batch, generator=rng, device=radii.device) - 2.5
    if not apertures:
        return aperture_kernels(radii, kinds, views, turn)
    chosen, which = torch.rand(2, batch, generator=rng, device=radii.device)
    special = torch.where(which < POLYGONS, KERNELS.index("polygon"), KERNELS.index("cats_eye"))
    kinds = torch.where(chosen < apertures, special, kinds)
    return aperture_kernels(radii, kinds, views, turn, torch.rand(batch, 2, generator=rng, device=radii.device))


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
