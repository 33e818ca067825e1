"""Render the focal stack that ships with allfocus, and its truth: python benchmarks/demo_scene [FOLDER]."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from optics import PHOTO, Canvas, Floats, Layer, photograph
from places import cast_shadow, contact_shadows, label, path, wall
from plants import barley, blade, bloom, clock, curve, ladybird, stalk, tuft

HORIZON = 314  #: the photo's row where the path meets the wall
STEPS = 4  #: the nearest thing's distance; frame k is focused on step k
SPREAD = 3.0  #: pixels of blur radius per step
BANDS = 24  #: slices of the path, each at its own distance
GREEN_STEM, DRY_STEM = np.array([150, 156, 92], np.float32), np.array([158, 140, 96], np.float32)
#: Where plants keep light from the ground: x, y, radius in the photo, darkness.
FEET = [
    (522.0, 462.0, 70.0, 0.5),
    (268.0, 413.0, 40.0, 0.55),
    (140.0, 362.0, 50.0, 0.6),
    (660.0, 362.0, 80.0, 0.55),
    (384.0, 314.0, 900.0, 0.35),
]


def main(folder: Path) -> None:
    """Write frame1.webp ... frame5.webp and truth.webp, lossless."""
    layers = scene(np.random.default_rng(4))
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(STEPS + 1):
        save(photograph(layers, float(k), SPREAD), folder / f"frame{k + 1}.webp")
    save(photograph(layers, None, SPREAD), folder / "truth.webp")


def scene(rng: np.random.Generator) -> list[Layer]:
    """Everything before the lens, from far to near."""
    ground = path(*PHOTO, HORIZON, STEPS, BANDS, contact_shadows(*PHOTO, FEET), rng)
    far, middle = blooms(rng), clockwork(rng)
    things = [far, middle, plate(rng), near_grass(rng)]
    back = wall(*PHOTO, cast_shadow([far, middle], (52, 34)), rng)
    return [back, *sorted([*ground, *things], key=lambda layer: layer.step)]


def blooms(rng: np.random.Generator) -> Layer:
    """Two dandelions in flower and grass, close to the wall."""
    canvas = Canvas()
    for x, count, tall in ((790, 18, 190), (870, 14, 150), (150, 16, 170), (60, 10, 120)):
        tuft(canvas, (x, 456), count, tall, 9, rng)
    stalk(canvas, curve((700, 458), (690, 330), (716, 214)), 6, GREEN_STEM)
    stalk(canvas, curve((196, 458), (200, 360), (176, 290)), 5, GREEN_STEM)
    bloom(canvas, (716, 208), 52, rng)
    bloom(canvas, (176, 284), 40, rng)
    return canvas.layer(1)


def clockwork(rng: np.random.Generator) -> Layer:
    """The dandelion clock."""
    canvas = Canvas()
    tuft(canvas, (330, 516), 9, 120, 12, rng)
    stalk(canvas, curve((336, 518), (300, 390), (384, 196), 60), 7.5, DRY_STEM)
    clock(canvas, (384, 190), 128, rng)
    return canvas.layer(2)


def plate(rng: np.random.Generator) -> Layer:
    """The slate label on its post."""
    canvas = Canvas()
    stalk(canvas, curve((652, 578), (650, 520), (648, 470)), 16, np.array([128, 104, 78], np.float32))
    corners = np.array([[520, 372], [770, 352], [776, 486], [526, 510]], np.float32)
    words = [
        ("TARAXACUM", 4.2, 0.32),
        ("officinale", 3.6, 0.56),
        ("common dandelion", 2.2, 0.74),
        ("2.8 / 100  no. 5", 1.7, 0.88),
    ]
    label(canvas, corners, words, rng)
    return canvas.layer(3)


def near_grass(rng: np.random.Generator) -> Layer:
    """Closest to the lens: an ear of barley, leaves of grass, a ladybird."""
    canvas = Canvas()
    stalk(canvas, curve((862, 650), (880, 420), (812, 262), 60), 4, np.array([176, 160, 98], np.float32))
    barley(canvas, curve((814, 268), (790, 200), (748, 150), 17), rng)
    greens = np.array([[90, 120, 46], [110, 138, 60], [78, 104, 44], [120, 142, 66]], np.float32)
    leaves = [
        ((-20, 660), (40, 430), (236, 330), 26),
        ((60, 670), (70, 420), (22, 196), 22),
        ((930, 670), (950, 470), (880, 330), 24),
        ((990, 650), (940, 560), (770, 520), 22),
        ((180, 680), (190, 560), (300, 486), 20),
    ]
    for k, (start, bend, end, width) in enumerate(leaves):
        blade(canvas, curve(start, bend, end, 80), width, greens[k % 4], rng)
    ladybird(canvas, (122, 398), 19)
    return canvas.layer(4)


def save(linear: Floats, file: Path) -> None:
    """Encode linear light as sRGB, 8 bit, and write it lossless."""
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)
    samples = np.rint(np.clip(encoded, 0, 1) * 255).astype(np.uint8)
    Image.fromarray(samples).save(file, lossless=True, quality=100, method=6)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("src/allfocus/demo_stack"))
