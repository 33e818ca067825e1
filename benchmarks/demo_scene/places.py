"""Where the demo scene stands: a brick wall, a gravel path, a slate label with engraved words."""

import cv2
import numpy as np
from skimage import data

from optics import FINENESS, Canvas, Floats, Layer, to_linear

Random = np.random.Generator


def clouds(height: int, width: int, scale: float, rng: Random) -> Floats:
    """Smooth noise (H, W), zero mean, unit deviation, with features about `scale` pixels wide."""
    coarse = rng.normal(size=(int(height / scale) + 4, int(width / scale) + 4)).astype(np.float32)
    fine = cv2.resize(
        coarse, (int(coarse.shape[1] * scale), int(coarse.shape[0] * scale)), interpolation=cv2.INTER_CUBIC
    )
    part = fine[:height, :width]
    return np.asarray((part - part.mean()) / part.std(), np.float32)


def wall(width: int, height: int, shadow: Floats, rng: Random) -> Layer:
    """Bricks of many reds in pale mortar, lit from the upper left but for `shadow` (H, W), 0 to 1."""
    long, tall, joint = 86, 31, 5
    y, x = np.mgrid[:height, :width].astype(np.float32)
    x = x + 1.1 * clouds(height, width, 30, rng)
    y = y + 0.9 * clouds(height, width, 40, rng)
    row = np.floor(y / tall)
    x = x + (row % 2) * long / 2 + 40
    column = np.floor(x / long)
    inset_x, inset_y = x - column * long, y - row * tall
    gap = np.minimum(np.minimum(inset_x, long - inset_x), np.minimum(inset_y, tall - inset_y)) - joint / 2
    gap += 0.45 * clouds(height, width, 5, rng)
    brick = np.clip(gap / 1.5 + 0.5, 0, 1)[..., None]
    kinds = np.array([[158, 96, 76], [140, 80, 66], [172, 112, 88], [122, 76, 68], [162, 102, 90], [146, 100, 84]])
    which = rng.integers(0, len(kinds), 4096)[(row * 61 + column).astype(int) % 4096]
    grain = 5 * clouds(height, width, 1.5, rng) + 8 * clouds(height, width, 4, rng) + 7 * clouds(height, width, 14, rng)
    pits = 46 * np.clip(clouds(height, width, 2.2, rng) - 1.7, 0, 1)
    face = kinds[which] + (grain - pits)[..., None]
    rim = np.clip(1 - gap / 3.0, 0, 1)
    face = face + (rim * np.where(np.minimum(inset_x, inset_y) < joint, 24, -26))[..., None]
    mortar = (
        np.array([176, 166, 150]) + (5 * clouds(height, width, 2, rng) + 8 * clouds(height, width, 20, rng))[..., None]
    )
    fall = 1.02 - 0.34 * (np.mgrid[:height, :width][1] / width)[..., None]
    colour = (brick * face + (1 - brick) * mortar * 0.92) * fall
    light = to_linear(np.clip(colour, 0, 255)) * (1 - shadow[..., None] * np.float32([0.62, 0.58, 0.5]))
    return Layer(light=light, cover=np.ones((height, width), np.float32), step=0)


def cast_shadow(things: list[Layer], shift: tuple[float, float]) -> Floats:
    """(H, W) what hides the sun from the wall: the things' outlines, moved by `shift` pixels and softened."""
    outline = np.maximum.reduce([thing.cover for thing in things])
    move = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
    return cv2.GaussianBlur(cv2.warpAffine(outline, move, outline.shape[::-1]), (0, 0), 5).astype(np.float32)


def gravel(width: int, height: int, horizon: int, rng: Random) -> Floats:
    """(H, W, 3) linear light of a gravel path in perspective; only rows below `horizon` are meant to be seen.

    The stones are scikit-image's `gravel` (CC0).
    """
    stones = data.gravel()
    side = stones.shape[0]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    depth = 240 / np.maximum(y - horizon + 72, 16)
    u = (x - width / 2) * depth * 0.8 + width
    v = -depth * 520 + 4000
    tile = cv2.copyMakeBorder(stones, 0, side, 0, side, cv2.BORDER_REFLECT)
    period = np.float32(2 * side)
    gray = cv2.remap(np.pad(tile, ((0, 2), (0, 2)), "wrap"), u % period, v % period, cv2.INTER_LINEAR).astype(
        np.float32
    )
    contrast = (gray - 128) * 0.8 + 122
    warm = 10 * clouds(height, width, 25, rng)
    colour = np.stack([contrast * 1.02 + warm, contrast * 0.95 + 0.6 * warm, contrast * 0.84], -1)
    return to_linear(np.clip(colour, 0, 255))


def path(width: int, height: int, horizon: int, steps: int, bands: int, shadows: Floats, rng: Random) -> list[Layer]:
    """The gravel as `bands` layers from far to near; a row's distance in steps grows evenly down the picture."""
    light = gravel(width, height, horizon, rng) * shadows[..., None]
    edges = np.linspace(horizon, height, bands + 1)
    layers = []
    for k in range(bands):
        ragged = edges[k] + 2.0 * clouds(1, width, 5, rng)[0]
        cover = np.clip(np.mgrid[:height, :width][0] - ragged + 0.5, 0, 1).astype(np.float32)
        step = steps * (k + 0.5) / bands
        layers.append(Layer(light=light * cover[..., None], cover=cover, step=step))
    return layers


def contact_shadows(width: int, height: int, feet: list[tuple[float, float, float, float]]) -> Floats:
    """(H, W) how much light reaches the ground: less round each foot (x, y, radius, darkness)."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    open_sky = np.ones((height, width), np.float32)
    for foot_x, foot_y, radius, darkness in feet:
        gone = ((x - foot_x) / radius) ** 2 + ((y - foot_y) / (0.3 * radius)) ** 2
        open_sky *= 1 - darkness * np.exp(-gone)
    return open_sky


def label(canvas: Canvas, corners: Floats, lines: list[tuple[str, float, float]], rng: Random) -> None:
    """A slate plate with engraved words, drawn flat and put in perspective onto `corners` (4, 2), clockwise."""
    plate_h, plate_w = 640, 1120
    slate = (
        np.array([70, 77, 84])
        + (5 * clouds(plate_h, plate_w, 3, rng) + 7 * clouds(plate_h, plate_w, 60, rng))[..., None]
    )
    slate = slate + 7 * clouds(plate_h // 8, plate_w, 12, rng).repeat(8, 0)[..., None]
    words = np.zeros((plate_h, plate_w), np.uint8)
    for text, scale, down in lines:
        stroke = max(3, round(1.6 * scale))
        (long, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_TRIPLEX, scale, stroke)
        place = ((plate_w - long) // 2, int(plate_h * down))
        cv2.putText(words, text, place, cv2.FONT_HERSHEY_TRIPLEX, scale, 255, stroke, cv2.LINE_AA)
    cv2.rectangle(words, (28, 28), (plate_w - 28, plate_h - 28), 160, 4)
    ink = words[..., None] / 255
    engraved = slate * (1 - ink) + np.array([214, 208, 190]) * ink
    engraved -= 60 * np.clip(np.roll(words, (5, 5), (0, 1))[..., None] / 255 - ink, 0, 1)
    source = np.array([[0, 0], [plate_w, 0], [plate_w, plate_h], [0, plate_h]], np.float32)
    warp = cv2.getPerspectiveTransform(source, (corners * FINENESS).astype(np.float32))
    size = (canvas.cover.shape[1], canvas.cover.shape[0])
    picture = cv2.warpPerspective(np.clip(engraved, 0, 255).astype(np.uint8), warp, size, flags=cv2.INTER_AREA)
    mask = cv2.warpPerspective(np.full((plate_h, plate_w), 255, np.uint8), warp, size, flags=cv2.INTER_NEAREST) > 0
    canvas.colour[mask] = picture[mask]
    canvas.cover[mask] = 255
