"""What light and the camera's own processing do to a picture: highlights beyond white, tone curves, sharpening."""

import torch
from torch import Tensor

from allfocus.train.config import ShuffleConfig
from allfocus.train.puzzles.blur import gaussian_smooth
from allfocus.train.puzzles.camera import LUMA

#: How many times white the brightest highlights are.
BRIGHTEST = 20.0
#: Share of the pixels that highlights take at most, and least luma of one, linear.
RAREST, LEAST_LUMA = 0.03, 0.3
#: Standard deviations in pixels of the blur that photos have which lost their finest detail.
SOFT = 0.6, 3.0


def with_highlights(light: Tensor, probability: float, rng: torch.Generator) -> Tensor:
    """Let what is brightest in some pictures be brighter than white: lamps, sun on water and metal.

    The camera clips it, after the blur: a small highlight out of focus is a large bright disc, and takes more light
    from what is beside it than its own picture tells.

    Args:
        light: (B, P, 3, S, S) linear light in [0, 1].
        probability: of each item.
        rng: seeded generator.

    Returns:
        The same with values up to `BRIGHTEST`.
    """
    shape = (len(light), 1, 1, 1, 1)
    chosen = torch.rand(shape, generator=rng, device=light.device) < probability
    share = RAREST * torch.rand(shape, generator=rng, device=light.device) ** 2
    gain = BRIGHTEST ** torch.rand(shape, generator=rng, device=light.device)
    luma = (light * LUMA.to(light).view(3, 1, 1)).sum(2, keepdim=True)
    level = torch.stack(
        # a sixteenth of the pixels tells where the brightest of them begin
        [
            torch.quantile(plane[..., ::4, ::4].flatten(1), float(1 - part), dim=1)
            for plane, part in zip(luma, share, strict=True)
        ]
    )[:, :, None, None, None].clamp_min(LEAST_LUMA)
    # a slope, not a step: the rim of a highlight is not cut out
    above = ((luma - level) / (1.01 - level)).clamp(0, 1)
    return torch.where(chosen, light * (1 + (gain - 1) * above), light)


def softened(crops: Tensor, probability: float, rng: torch.Generator) -> Tensor:
    """Some photos (B, P, 3, S, S) without their detail finer than 0.6 to 3 px: sharpest, and yet soft."""
    result = crops.clone()
    for place in (torch.rand(crops.shape[:2], generator=rng, device=crops.device) < probability).nonzero():
        width = float(torch.rand(1, generator=rng, device=crops.device))
        result[*place] = gaussian_smooth(crops[*place][None], SOFT[0] * (SOFT[1] / SOFT[0]) ** width)[0]
    return result


def develop(truth: Tensor, frames: Tensor, config: ShuffleConfig, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """What a camera does to every picture after the lens: a tone curve of its own, and sharpening.

    Args:
        truth: (B, 3, S, S) display-encoded.
        frames: (B, N, 3, S, S).
        config: how likely each is.
        rng: seeded generator.

    Returns:
        Both, through the same processing.
    """
    pictures = torch.cat([truth[:, None], frames], 1)
    if config.tone:
        pictures = toned(pictures, config.tone, rng)
    if config.sharpen:
        pictures = sharpened(pictures, config.sharpen, rng)
    return pictures[:, 0], pictures[:, 1:]


def toned(pictures: Tensor, probability: float, rng: torch.Generator) -> Tensor:
    """Some groups (B, M, 3, S, S) through a tone curve: a power of 0.6 to 1.6, and up to half of an S-curve."""
    result = pictures.clone()
    for place in (torch.rand(len(pictures), generator=rng, device=pictures.device) < probability).nonzero()[:, 0]:
        steep, bent = torch.rand(2, generator=rng, device=pictures.device).tolist()
        raised = pictures[place].clamp_min(1e-4) ** (0.6 * (1.6 / 0.6) ** steep)
        result[place] = torch.lerp(raised, raised.square() * (3 - 2 * raised), 0.5 * bent).clamp(0, 1)
    return result


def sharpened(pictures: Tensor, probability: float, rng: torch.Generator) -> Tensor:
    """Some groups (B, M, 3, S, S) with 0.3 to 1.5 of their detail finer than 0.5 to 1.5 px on top, clipped."""
    result = pictures.clone()
    for place in (torch.rand(len(pictures), generator=rng, device=pictures.device) < probability).nonzero()[:, 0]:
        amount, width = torch.rand(2, generator=rng, device=pictures.device).tolist()
        detail = pictures[place] - gaussian_smooth(pictures[place], 0.5 + width)
        result[place] = (pictures[place] + (0.3 + 1.2 * amount) * detail).clamp(0, 1)
    return result
