"""What a camera and a scene add to the puzzle: mattes of near things, noise, exposure drift, JPEG, gray."""

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from allfocus.core.color import FloatArray, to_unit
from allfocus.train.config import ShuffleConfig
from allfocus.train.puzzles import near_things

#: What mattes are painted with, as OpenCV wants its colours.
WHITE = (255.0,)


#: Shares of red, green and blue in the luma (ITU-R BT.709).
LUMA = torch.tensor([0.2126, 0.7152, 0.0722])


def draw_matte(batch: int, size: int, rng: torch.Generator, shapes: float = 0.0) -> Tensor:
    """(B, 1, S, S) mattes in [0, 1] of near things: blobs, straight edges, hairs, leaves; edges one pixel soft.

    With the probability `shapes` those of `near_things` instead.
    """
    seeds = torch.randint(0, 2**31 - 1, (batch,), generator=rng, device=rng.device).tolist()
    painters = (_blobs, _polygons, _hairs, _leaves)
    mattes = []
    for seed in seeds:
        draw = np.random.default_rng(seed)
        if shapes and draw.uniform() < shapes:
            paint = list(near_things.PAINTERS)[
                draw.choice(len(near_things.PAINTERS), p=[*near_things.PAINTERS.values()])
            ]
        else:
            paint = painters[draw.choice(4, p=[0.2, 0.2, 0.45, 0.15])]
        mattes.append(paint(size, draw))
    return torch.from_numpy(np.stack(mattes))[:, None].to(rng.device)


def _blobs(size: int, draw: np.random.Generator) -> FloatArray:
    cells = int(draw.integers(3, 10))
    field = cv2.resize(draw.random((cells, cells), np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    slope = float(np.abs(np.gradient(field)).mean()) + 1e-6
    level = float(np.quantile(field, draw.uniform(0.45, 0.85)))
    matte: FloatArray = np.clip((field - level) / slope + 0.5, 0, 1).astype(np.float32)
    return matte


def _polygons(size: int, draw: np.random.Generator) -> FloatArray:
    canvas = np.zeros((size, size), np.uint8)
    for _ in range(int(draw.integers(1, 4))):
        centre, reach = draw.uniform(0, size, 2), draw.uniform(0.15, 0.6) * size
        angles = np.sort(draw.uniform(0, 2 * np.pi, int(draw.integers(3, 8))))
        corners = centre + reach * np.stack([np.cos(angles), np.sin(angles)], 1)
        cv2.fillPoly(canvas, [(corners * 16).astype(np.int32)], WHITE, cv2.LINE_AA, shift=4)
    return to_unit(canvas)


def _hairs(size: int, draw: np.random.Generator) -> FloatArray:
    canvas = np.zeros((size, size), np.uint8)
    steps = np.linspace(0, 1, 24)[:, None]
    thickest = int(draw.integers(1, 11))
    for _ in range(int(draw.integers(2, 4 + 40 // thickest))):
        start, bend, end = draw.uniform(-0.2, 1.2, (3, 2)) * size
        curve = (1 - steps) ** 2 * start + 2 * steps * (1 - steps) * bend + steps**2 * end
        width = int(draw.integers(1, thickest + 1))
        cv2.polylines(canvas, [(curve * 16).astype(np.int32)], False, WHITE, width, cv2.LINE_AA, shift=4)
    return to_unit(canvas)


def _leaves(size: int, draw: np.random.Generator) -> FloatArray:
    canvas = np.zeros((size, size), np.uint8)
    for _ in range(int(draw.integers(5, 40))):
        across, down = (int(place) for place in draw.uniform(0, size, 2) * 16)
        short, long = (int(half) for half in np.sort(draw.uniform(0.01, 0.09, 2)) * size * 16)
        turn = float(draw.uniform(0, 180))
        cv2.ellipse(canvas, (across, down), (short, long), turn, 0, 360, WHITE, -1, cv2.LINE_AA, 4)
    return to_unit(canvas)


def damage(truth: Tensor, frames: Tensor, config: ShuffleConfig, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Add a camera's faults to (B, N, 3, S, S) frames, each with its probability; gray also grays the truth."""

    def happens(probability: float) -> Tensor:
        return torch.rand(len(frames), 1, 1, 1, 1, generator=rng, device=frames.device) < probability

    moved = happens(config.misregister).flatten()
    if moved.any():
        frames[moved] = misregister(frames[moved], rng)
    if config.breathing and (breathes := happens(config.breathing).flatten()).any():
        frames[breathes] = breathe(frames[breathes], rng)
    gain = 1 + 0.1 * (torch.rand(*frames.shape[:2], 1, 1, 1, generator=rng, device=frames.device) - 0.5)
    frames = torch.where(happens(config.exposure), (frames * gain).clamp(0, 1), frames)
    strength = 0.06 * torch.rand(len(frames), 1, 1, 1, 1, generator=rng, device=frames.device) ** 2
    noise = torch.randn(frames.shape, generator=rng, device=frames.device)
    # photon noise grows with the square root of light, read noise does not
    grainy = frames + noise * strength * (0.3 + 0.7 * frames.clamp_min(0).sqrt())
    frames = torch.where(happens(config.noise), grainy.clamp(0, 1), frames)
    # after the noise: a gray camera's noise has no colour either
    gray = happens(config.gray)
    truth, frames = torch.where(gray[:, 0], _luma(truth), truth), torch.where(gray, _luma(frames), frames)
    compressed = happens(config.jpeg)
    if compressed.any():
        chosen = compressed.flatten()
        frames[chosen] = jpeg(frames[chosen], rng)
    return truth, torch.where(happens(config.quantise), (frames * 255).round() / 255, frames)


def _luma(rgb: Tensor) -> Tensor:
    gray: Tensor = (rgb * LUMA.to(rgb).view(3, 1, 1)).sum(-3, keepdim=True).expand_as(rgb)
    return gray


def jpeg(frames: Tensor, rng: torch.Generator) -> Tensor:
    """Quantise 8x8 DCT blocks of (B, N, 3, S, S) as JPEG does (ITU-T T.81), quality 60 to 95, no subsampling."""
    quality = 60 + 35 * torch.rand(len(frames), 1, 1, 1, 1, generator=rng, device=frames.device)
    scale = torch.where(quality < 50, 50 / quality, 2 - quality / 50)[..., None]  # B 1 1 1 1 1
    # the standard luminance table (T.81 annex K.1) rises about linearly with the sum of the two frequencies
    steps = torch.arange(8, device=frames.device, dtype=frames.dtype)
    table = (10 + 7 * (steps[:, None] + steps[None, :])) / 255
    basis = torch.cos((2 * steps[None, :] + 1) * steps[:, None] * torch.pi / 16) / 2
    basis[0] /= 2**0.5
    size = frames.shape[-1]
    padded = functional.pad(frames.flatten(0, 1), (0, -size % 8, 0, -size % 8), mode="replicate")
    blocks = padded.unfold(-2, 8, 8).unfold(-2, 8, 8)  # BN 3 h w 8 8
    blocks = blocks.unflatten(0, frames.shape[:2])  # B N 3 h w 8 8
    quantum = (table * scale[..., None]).clamp_min(1 / 255)
    coded = ((basis @ blocks @ basis.T) / quantum).round() * quantum
    restored = (basis.T @ coded @ basis).transpose(-3, -2).flatten(-4, -3).flatten(-2, -1)
    cropped: Tensor = restored[..., :size, :size]
    return cropped.clamp(0, 1)


def misregister(frames: Tensor, rng: torch.Generator) -> Tensor:
    """Shift each of (B, N, 3, S, S) frames by up to 0.7 pixels in x and y (bicubic), as alignment leaves them."""
    batch, n, _, size, _ = frames.shape
    pixels = 1.4 * torch.rand(batch * n, 2, 1, generator=rng, device=frames.device) - 0.7
    unmoved = torch.eye(2, device=frames.device).expand(batch * n, 2, 2)
    return warped(frames, torch.cat([unmoved, pixels * (2 / size)], 2))


def breathe(frames: Tensor, rng: torch.Generator) -> Tensor:
    """Scale each of (B, N, 3, S, S) frames so that the first and the last differ by up to 2 px at the border.

    That much of the lens' breathing may be left by alignment. It grows from frame to frame about a random place.
    """
    batch, n, _, size, _ = frames.shape
    most = (4 / size) * (2 * torch.rand(batch, 1, 1, 1, generator=rng, device=frames.device) - 1)
    step = torch.linspace(-0.5, 0.5, n, device=frames.device).view(1, n, 1, 1)
    centre = torch.rand(batch, 1, 2, 1, generator=rng, device=frames.device) - 0.5
    growth = (most * step).expand(batch, n, 1, 1)
    scale = (1 + growth) * torch.eye(2, device=frames.device)
    return warped(frames, torch.cat([scale, -growth * centre], 3).flatten(0, 1))


def warped(frames: Tensor, affine: Tensor) -> Tensor:
    """Frames (B, N, 3, S, S) under the maps (B * N, 2, 3), as `affine_grid` takes them, bicubic."""
    batch, n, _, size, _ = frames.shape
    grid = functional.affine_grid(affine, [batch * n, 3, size, size], align_corners=False)
    moved = functional.grid_sample(
        frames.flatten(0, 1), grid, mode="bicubic", padding_mode="reflection", align_corners=False
    )
    return moved.clamp(0, 1).view_as(frames)
