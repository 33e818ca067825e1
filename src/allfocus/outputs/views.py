"""Pictures with depth: two views side by side, one for coloured glasses, and one that rocks."""

from collections.abc import Iterator
from math import pi, sin
from typing import NamedTuple

import cv2
import numpy as np

from allfocus.core.color import Array, FloatArray, from_unit, linear_to_srgb, luma, srgb_to_linear, to_unit
from allfocus.outputs.heights import is_near_first, measure_up
from allfocus.outputs.parallax import measure_nearness, shift_view
from allfocus.outputs.wishes import Outputs, StereoView
from allfocus.result import FusionResult

#: Share of the light of the left view's and of the right view's red, green and blue in those of the anaglyph: the
#: nearest colours, by least squares, through red and cyan glasses. E. Dubois, A projection method to generate anaglyph
#: stereo images, ICASSP 2001, doi:10.1109/ICASSP.2001.941256.
DUBOIS_LEFT = np.array(
    [[0.4561, 0.500484, 0.176381], [-0.0400822, -0.0378246, -0.0157589], [-0.0152161, -0.0205971, -0.00546856]],
    np.float32,
)
DUBOIS_RIGHT = np.array(
    [[-0.0434706, -0.0879388, -0.00155529], [0.378476, 0.73364, -0.0184503], [-0.0721527, -0.112961, 1.2264]],
    np.float32,
)
#: Rows worked on at a time.
ROWS = 256
#: Longest side of a moving picture in pixels, pictures in a turn, and pictures in a second.
LONGEST, TURN, RATE = 1024, 24, 12


class Views(NamedTuple):
    """The picture as the two eyes see it: numbers as those of the picture."""

    left: Array
    right: Array


def find_nearness(result: FusionResult, outputs: Outputs, *, is_calibrated: bool) -> FloatArray:
    """How near each pixel is, (H, W) from 0 to 1."""
    near_first = is_near_first(result, outputs, is_calibrated=is_calibrated)
    return measure_nearness(measure_up(result, near_first=near_first))


def make_views(picture: Array, nearness: FloatArray, parallax: float) -> Views:
    """The picture as two eyes see it.

    Args:
        picture: (H, W) or (H, W, 3).
        nearness: (H, W) from 0 to 1.
        parallax: between the two views, from nearest to farthest, in percent of the width.
    """
    shift = parallax / 100 * picture.shape[1] / 2
    return Views(shift_view(picture, nearness, shift), shift_view(picture, nearness, -shift))


def lay_side_by_side(views: Views, how: StereoView) -> Array:
    """Both views in one picture (H, 2 W[, 3]): the left eye's on the left, or crosswise."""
    return np.concatenate(views if how == "parallel" else views[::-1], axis=1)


def make_anaglyph(views: Views, *, is_gray: bool) -> Array:
    """A picture (H, W, 3) for red and cyan glasses, red on the left eye.

    Args:
        views: display-encoded; uint8, uint16 or float32.
        is_gray: the luma of both views, instead of colours by Dubois.
    """
    made = np.empty((*views.left.shape[:2], 3), views.left.dtype)
    for top in range(0, len(made), ROWS):
        left, right = (to_unit(view[top : top + ROWS]) for view in views)
        if is_gray or left.ndim == 2:
            red, cyan = luma(left), luma(right)
            mixed = np.stack([red, cyan, cyan], axis=2)
        else:
            light = srgb_to_linear(left) @ DUBOIS_LEFT.T + srgb_to_linear(right) @ DUBOIS_RIGHT.T
            mixed = linear_to_srgb(np.clip(light, 0, 1))
        made[top : top + ROWS] = from_unit(mixed, made.dtype)
    return made


def rock(picture: Array, nearness: FloatArray, parallax: float) -> Iterator[Array]:
    """One turn from side to side and back, uint8 (h, w, 3), reduced to `LONGEST` and to even sides.

    Args:
        picture: (H, W, 3) uint8.
        nearness: (H, W) from 0 to 1.
        parallax: between the views of both ends, in percent of the width.
    """
    scale = min(1.0, LONGEST / max(picture.shape[:2]))
    size = tuple(max(2, round(side * scale / 2) * 2) for side in picture.shape[1::-1])
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    near = np.asarray(cv2.resize(nearness, size, interpolation=cv2.INTER_AREA), np.float32)
    views: dict[float, Array] = {}
    for step in range(TURN):
        place = round(sin(2 * pi * step / TURN), 6)
        if place not in views:
            views[place] = shift_view(small, near, place * parallax / 100 * size[0] / 2)
        yield views[place]
