"""Mattes of what stands near in photographs: stalks of any width, foliage, lattices, letters.

Most of what a network gets wrong lies inside and beside such things: a plain stalk shows no detail of its own, and the
background shows plenty through its blur.
"""

import string
from collections.abc import Callable

import cv2
import numpy as np

from allfocus.core.color import Array, FloatArray, to_unit

#: What mattes are painted with, as OpenCV wants its colours; and bits behind the point of its coordinates.
WHITE, SHIFT = (255.0,), 4
#: Widest stalk, in pixels.
WIDEST = 40.0
#: Points of a curve.
POINTS = 24


def stalks(size: int, draw: np.random.Generator) -> FloatArray:
    """One to a dozen bent bars that taper, 1 to 40 px wide, all widths alike on a scale of ratios: (S, S) in [0, 1]."""
    canvas = np.zeros((size, size), np.uint8)
    widest = WIDEST ** draw.uniform()
    for _ in range(int(draw.integers(1, 3 + round(10 / widest**0.5)))):
        start, bend, end = draw.uniform(-0.3, 1.3, (3, 2)) * size
        middle = (start + end) / 2 + draw.uniform(0, 0.7) * (bend - (start + end) / 2)
        width = max(1.0, widest * draw.uniform(0.4, 1.0))
        paint_stalk(canvas, curve(start, middle, end), width, width * draw.uniform(0.3, 1.0))
    return to_unit(canvas)


def foliage(size: int, draw: np.random.Generator) -> FloatArray:
    """Twigs with leaves on both sides, (S, S) in [0, 1]."""
    canvas = np.zeros((size, size), np.uint8)
    for _ in range(int(draw.integers(1, 5))):
        start, bend, end = draw.uniform(-0.2, 1.2, (3, 2)) * size
        twig = curve(start, bend, end)
        paint_stalk(canvas, twig, draw.uniform(1, 6), 1.0)
        long = draw.uniform(0.03, 0.14) * size
        slim = draw.uniform(0.15, 0.6)
        for place in draw.choice(POINTS - 1, int(draw.integers(3, 16))):
            along = twig[place + 1] - twig[place]
            angle = np.degrees(np.arctan2(along[1], along[0])) + draw.choice((-1, 1)) * draw.uniform(20, 80)
            half = long * draw.uniform(0.6, 1.0)
            toward = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
            paint_ellipse(canvas, twig[place] + half * toward, (half, half * slim), angle)
    return to_unit(canvas)


def lattice(size: int, draw: np.random.Generator) -> FloatArray:
    """A fence or a net: two sets of parallel bars, turned and slightly bent, (S, S) in [0, 1]."""
    apart = draw.uniform(8, 48)
    thick = max(1.0, apart * draw.uniform(0.05, 0.4))
    turn, skew = draw.uniform(0, np.pi), draw.uniform(np.pi / 3, 2 * np.pi / 3)
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    bent = 0.06 * size * np.sin(2 * np.pi * (rows + columns) / (size * draw.uniform(0.8, 3)) + draw.uniform(0, 6))
    matte = np.zeros((size, size), np.float32)
    for angle in (turn, turn + skew):
        across = rows * np.cos(angle) + columns * np.sin(angle) + bent * draw.uniform(0, 1)
        away = np.abs((across + draw.uniform(0, apart)) % apart - apart / 2)
        np.maximum(matte, np.clip(thick / 2 + 0.5 - away, 0, 1), out=matte)
        if draw.uniform() < 0.2:  # blinds: one set of bars
            break
    return matte


def letters(size: int, draw: np.random.Generator) -> FloatArray:
    """Lines of random letters, turned, (S, S) in [0, 1]."""
    canvas = np.zeros((size, size), np.uint8)
    height = draw.uniform(0.4, 3.5)
    thick = int(draw.integers(1, 3 + round(3 * height)))
    alphabet = list(string.ascii_letters + string.digits)
    for row in np.arange(draw.uniform(10, 30 * height), size, 36 * height):
        text = "".join(draw.choice(alphabet, int(draw.integers(1, 14))))
        place = int(draw.uniform(-0.2, 0.7) * size), int(row)
        cv2.putText(canvas, text, place, int(draw.integers(0, 8)), height, WHITE, thick, cv2.LINE_AA)
    middle = (size - 1) / 2
    turned = cv2.getRotationMatrix2D((middle, middle), draw.uniform(0, 360), 1.0)
    return to_unit(np.asarray(cv2.warpAffine(canvas, turned, (size, size), flags=cv2.INTER_LINEAR), np.uint8))


#: Painters and how often each is asked.
PAINTERS: dict[Callable[[int, np.random.Generator], FloatArray], float] = {
    stalks: 0.5,
    foliage: 0.2,
    lattice: 0.15,
    letters: 0.15,
}


def curve(start: FloatArray, bend: FloatArray, end: FloatArray) -> FloatArray:
    """Points of a Bezier curve of second degree, (POINTS, 2)."""
    steps = np.linspace(0, 1, POINTS)[:, None]
    return np.asarray((1 - steps) ** 2 * start + 2 * steps * (1 - steps) * bend + steps**2 * end)


def paint_stalk(canvas: Array, middle: FloatArray, wide: float, narrow: float) -> None:
    """Paint a bar along a curve (POINTS, 2), so wide in pixels at its start and at its end."""
    along = np.gradient(middle, axis=0)
    normal = np.stack([-along[:, 1], along[:, 0]], 1) / np.maximum(np.hypot(*along.T)[:, None], 1e-6)
    half = np.linspace(wide, narrow, len(middle))[:, None] / 2
    outline = np.concatenate([middle + half * normal, (middle - half * normal)[::-1]])
    cv2.fillPoly(canvas, [(outline * (1 << SHIFT)).astype(np.int32)], WHITE, cv2.LINE_AA, shift=SHIFT)


def paint_ellipse(canvas: Array, centre: FloatArray, axes: tuple[float, float], angle: float) -> None:
    """Paint an ellipse of half axes in pixels, the first turned by so many degrees."""
    across, down = (int(place * (1 << SHIFT)) for place in centre)
    long, short = (max(1, int(half * (1 << SHIFT))) for half in axes)
    cv2.ellipse(canvas, (across, down), (long, short), angle, 0, 360, WHITE, -1, cv2.LINE_AA, SHIFT)
