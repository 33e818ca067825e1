"""A scale bar: a bar of a round length, with that length beside it, drawn into a copy of the picture."""

from math import floor, log10
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from allfocus.core.color import FULL_SCALE, Array, FloatArray
from allfocus.core.samples import Samples, widest

#: The longest share of the width that a bar may have: it is the longest round length below.
LONGEST = 0.25
#: The picture's smaller side divided by this is the size of the text, which is at least so many pixels high.
TEXT, SMALLEST = 24, 9
#: How wide the strokes of Pillow's font are, as a share of its size.
STEM = 0.09
#: Units of lengths from small to large, and how many µm they have.
UNITS = {"nm": 1e-3, "µm": 1.0, "mm": 1e3, "m": 1e6}


def round_length(most: float) -> float:
    """The largest of 1, 2 or 5 times a power of ten that is not above `most`."""
    power = 10.0 ** floor(log10(most))
    return max(step * power for step in (1, 2, 5) if step * power <= most * (1 + 1e-9))


def name_length(micrometres: float) -> str:
    """A length in the unit in which it is 1 or more and below 1000."""
    fitting = [unit for unit, size in UNITS.items() if size <= micrometres * (1 + 1e-9)]
    unit = fitting[-1] if fitting else "nm"
    return f"{micrometres / UNITS[unit]:g} {unit}"


def draw_scale_bar(image: Array, pixel_width: float, samples: Samples | None = None) -> Array:
    """A copy of a picture with a bar: white with a black rim, in the lower right corner.

    Args:
        image: (H, W) or (H, W, 3), of any numbers.
        pixel_width: in µm.
        samples: the range of the numbers; their largest is white.
    """
    length = round_length(LONGEST * image.shape[1] * pixel_width)
    white, rim = draw_masks(image.shape[:2], length / pixel_width, name_length(length))
    low, high = (
        (0.0, FULL_SCALE[image.dtype]) if image.dtype in FULL_SCALE else widest(Samples(dtype=image.dtype), image)
    )
    if samples is not None:
        known = widest(samples, image)
        low, high = (low, max(known[1], 1)) if image.dtype.kind == "u" else known
    drawn = image.copy()
    rows, columns = (slice(found.min(), found.max() + 1) for found in np.nonzero(rim))
    part = np.nan_to_num(drawn[rows, columns].astype(np.float64), nan=low)
    for mask, level in ((rim, low), (white, high)):
        share = mask[rows, columns].reshape(mask[rows, columns].shape + (1,) * (image.ndim - 2))
        part = part + share * (level - part)
    drawn[rows, columns] = (part if image.dtype.kind == "f" else np.rint(part)).astype(image.dtype)
    return drawn


def draw_masks(size: tuple[int, int], length: float, text: str) -> tuple[FloatArray, FloatArray]:
    """How much of each pixel is bar or text, and how much is that or its rim: (H, W) from 0 to 1."""
    height, width = size
    points = max(min(size) / TEXT, SMALLEST)
    font = ImageFont.load_default(points)
    while (font.getlength(text) > width - 2 or 2 * points > height) and points > 4:
        points -= 1
        font = ImageFont.load_default(points)
    thick, margin, rim = max(1, round(points / 5)), max(1, round(points / 2)), max(1, round(points / 12))
    right, bottom = width - 1 - margin, height - 1 - margin
    left = right - max(round(length), 1) + 1
    middle = min((left + right) / 2, width - 1 - font.getlength(text) / 2 - rim)
    masks = []
    for grow in (0, rim):
        mask = Image.new("L", (width, height))
        draw = ImageDraw.Draw(mask)
        draw.rectangle((left - grow, bottom - thick + 1 - grow, right + grow, bottom + grow), fill=255)
        draw_label(draw, (middle - font.getlength(text) / 2, bottom - thick - margin / 2), text, font, grow)
        masks.append(np.asarray(mask, np.float32) / np.float32(255))
    return masks[0], masks[1]


def draw_label(draw: ImageDraw.ImageDraw, place: tuple[float, float], text: str, font: Any, rim: int) -> None:
    """Draw a text, grown by a rim, whose left end and foot are at `place`; Pillow's font has no µ: an u with a foot."""
    plain = text.replace("µ", "u")
    foot = font.getbbox("g", anchor="ls")[3]
    base = round(place[1]) - foot
    draw.text((place[0], base), plain, fill=255, font=font, anchor="ls", stroke_width=rim)
    if plain != text:
        left = place[0] + font.getlength(text.partition("µ")[0])
        left += font.getbbox("u", anchor="ls")[0]
        stem = max(1, round(font.size * STEM))
        draw.rectangle((left - rim, base - foot, left + stem - 1 + rim, base + foot - 1 + rim), fill=255)
