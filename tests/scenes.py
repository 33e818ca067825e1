"""Rendered scenes whose answer is known, and what a camera makes of them."""

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np

from allfocus.core.color import Array, FloatArray, from_unit, linear_to_srgb, srgb_to_linear, to_unit

#: Rows and columns of the scenes.
HEIGHT, WIDTH = 256, 320
#: What masks and mattes are painted with, as OpenCV wants its colours.
WHITE = (255.0,)


def texture(seed: int, contrast: float, channels: int = 3) -> FloatArray:
    """(H, W, channels) of mean 0 and standard deviation `contrast`, with about equal strength in every octave."""
    rng = np.random.default_rng(seed)
    detail = np.zeros((HEIGHT, WIDTH, channels), np.float32)
    for octave in range(6):
        layer = smoothed(rng.standard_normal(detail.shape).astype(np.float32), 0.6 * 2**octave).reshape(detail.shape)
        detail += layer / layer.std()
    detail -= detail.mean(axis=(0, 1))
    return np.asarray(contrast / detail.std() * detail, np.float32)


def still_life(seed: int) -> FloatArray:
    """A sharp picture with all that photos have: texture strong and weak, flat things, hard edges, hairs, glints."""
    rng = np.random.default_rng(seed)
    wall = 0.45 + 3 * smoothed(np.abs(texture(seed, 0.1, channels=1)), 20)[..., None] * texture(seed + 1, 0.35)
    picture = np.ascontiguousarray(np.clip(wall, 0.02, 0.98), np.float32)
    for _ in range(8):
        centre = (int(rng.integers(WIDTH)), int(rng.integers(HEIGHT)))
        axes = (int(rng.integers(8, 40)), int(rng.integers(8, 40)))
        cv2.ellipse(picture, centre, axes, float(rng.uniform(0, 180)), 0, 360, tuple(rng.uniform(0.02, 0.98, 3)), -1)
    for _ in range(12):
        start, end = ((int(rng.integers(WIDTH)), int(rng.integers(HEIGHT))) for _ in range(2))
        cv2.line(picture, start, end, tuple(rng.uniform(0.02, 0.98, 3)), int(rng.integers(1, 4)))
    for _ in range(25):
        cv2.circle(picture, (int(rng.integers(WIDTH)), int(rng.integers(HEIGHT))), 1, (1.0, 1.0, 1.0), -1)
    return picture


def night(seed: int) -> FloatArray:
    """A scene in linear light: a lit wall, and lamps 20 times as bright as white in the dark beside it."""
    rng = np.random.default_rng(seed)
    encoded = np.clip(0.06 + texture(seed, 0.004), 0, 1)
    encoded[:, : WIDTH // 3] = np.clip(0.5 + texture(seed + 1, 0.1), 0, 1)[:, : WIDTH // 3]
    linear = srgb_to_linear(encoded)
    for _ in range(25):
        place = (int(rng.integers(WIDTH // 3 + 20, WIDTH)), int(rng.integers(HEIGHT)))
        cv2.circle(linear, place, 1, (20.0, 20.0, 20.0), -1)
    return linear


def smoothed(values: FloatArray, sigma: float) -> FloatArray:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma), np.float32)


@cache
def disc(radius: float) -> FloatArray:
    """What a lens makes of a point out of focus: a disc of that radius in pixels, its rim antialiased."""
    reach, fine = int(np.ceil(radius)), 15
    places = (np.arange((2 * reach + 1) * fine) + 0.5) / fine - reach - 0.5
    is_lit = np.hypot(places[:, None], places) <= max(radius, 0.5)
    cover = is_lit.reshape(2 * reach + 1, fine, 2 * reach + 1, fine).mean(axis=(1, 3))
    return np.asarray(cover / cover.sum(), np.float32)


def defocused(linear: FloatArray, radius: float) -> FloatArray:
    """A scene in linear light, out of focus."""
    spread = cv2.filter2D(linear, -1, disc(radius), borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(spread, np.float32)


def photo(linear: FloatArray) -> Array:
    """What a camera makes of light: what is brighter than white is white."""
    return in_bytes(linear_to_srgb(linear))


def in_bytes(unit: FloatArray) -> Array:
    return from_unit(unit, np.uint8)


def noisy(frames: Sequence[Array], sigma: float, seed: int = 0) -> list[Array]:
    """Each frame with noise of its own, `sigma` of 255."""
    rng = np.random.default_rng(seed)
    return [in_bytes(to_unit(frame) + rng.normal(0, sigma / 255, frame.shape).astype(np.float32)) for frame in frames]


def tilted_plane(sharp: FloatArray, steps: int, farthest: float) -> list[Array]:
    """Photos of a plane that recedes from the first row to the last, focused in even steps from end to end.

    `farthest` is the radius in pixels of the defocus at the one end when the other is in focus. Every row is mixed
    from the two nearest of a ladder of blurs.
    """
    rung = 0.25
    linear = srgb_to_linear(sharp)
    ladder = np.stack([defocused(linear, rung * k) for k in range(int(farthest / rung) + 2)])
    rows = np.arange(HEIGHT)
    frames = []
    for focus in np.linspace(0, 1, steps):
        radii = farthest * np.abs(rows / (HEIGHT - 1) - focus)
        lower, share = (radii / rung).astype(int), (radii / rung % 1).astype(np.float32)[:, None, None]
        frames.append(photo((1 - share) * ladder[lower, rows] + share * ladder[lower + 1, rows]))
    return frames


#: Pixels of the disc of the stalk's blur.
STALK_RADIUS = 6.0


def ground(height: int, width: int, seed: int) -> FloatArray:
    """A rich background, (h, w, 3) in linear light."""
    random = np.random.default_rng(seed)
    coarse = smoothed(random.uniform(0, 1, (height, width, 3)).astype(np.float32), 6)
    fine = smoothed(random.uniform(0, 1, (height, width, 3)).astype(np.float32), 0.8)
    mixed = (coarse - coarse.mean()) * 4 + (fine - fine.mean()) * 1.5 + 0.45
    return srgb_to_linear(np.clip(mixed, 0.05, 0.95).astype(np.float32))


def stalk(height: int, width: int) -> FloatArray:
    """The matte of a slanted stalk."""
    rows, columns = np.mgrid[:height, :width]
    return np.clip(12 - np.abs(columns - width / 2 - (rows - height / 2) * 0.3), 0, 1).astype(np.float32)


def render_stalk(seed: int = 0, height: int = 160, width: int = 200) -> tuple[list[Array], FloatArray, FloatArray]:
    """Two frames of a bright stalk before a rich background; the picture that is sharp everywhere; the stalk's veil."""
    random = np.random.default_rng(seed + 1)
    behind, matte = ground(height, width, seed), stalk(height, width)[..., None]
    grain = smoothed(random.uniform(-1, 1, (height, width, 1)).astype(np.float32), 0.7)[..., None]
    thing = np.clip(np.array([0.7, 0.6, 0.1], np.float32) * (1 + 0.5 * grain), 0, 1)
    near = defocused(behind, STALK_RADIUS) * (1 - matte) + thing * matte
    veil = defocused(np.repeat(matte, 3, axis=2), STALK_RADIUS)
    far = behind * (1 - veil) + defocused(thing * matte, STALK_RADIUS)
    truth = linear_to_srgb(behind * (1 - matte) + thing * matte)
    return [photo(near), photo(far)], truth, np.where(matte[..., 0] > 0, 1, veil[..., 0])
