"""A thin-lens camera for flat layers: disc defocus in linear light, near layers occluding far ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

#: Columns and rows of the photo.
PHOTO = (768, 512)
#: The painter's own units across and down: plants are drawn in these, whatever the photo's size.
EASEL = (960, 640)
#: Pixels of paint per unit; they are averaged down to the photo's pixels in linear light.
FINENESS = 4


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Something flat at one distance.

    Attributes:
        light: (H, W, 3) linear light, premultiplied by `cover`.
        cover: (H, W) how much of the pixel the layer hides, 0 to 1.
        step: its distance, in focus steps: frame k of the stack is focused on step k.
    """

    light: Floats
    cover: Floats
    step: float


def disc(radius: float) -> Floats:
    """Kernel of a circle of confusion of `radius` pixels: a disc with smooth rim, summing to 1."""
    reach = int(np.ceil(radius)) + 1
    fine = (np.arange((2 * reach + 1) * 8) + 0.5) / 8 - reach - 0.5
    inside = (fine[:, None] ** 2 + fine[None] ** 2 <= max(radius, 0.5) ** 2).astype(np.float32)
    kernel = cv2.resize(inside, (2 * reach + 1, 2 * reach + 1), interpolation=cv2.INTER_AREA)
    return np.asarray(kernel / kernel.sum(), np.float32)


def defocus(plane: Floats, radius: float) -> Floats:
    """Spread linear light or cover over a disc of `radius` pixels; less than half a pixel changes nothing."""
    if radius < 0.5:
        return plane
    return np.asarray(cv2.filter2D(plane, -1, disc(radius), borderType=cv2.BORDER_REFLECT_101), np.float32)


def photograph(layers: Sequence[Layer], focus: float | None, spread: float) -> Floats:
    """Expose `layers`, ordered from far to near, with the lens focused on step `focus`.

    Args:
        layers: what stands before the lens; the first one covers the whole picture.
        focus: the step in focus; None gives the truth, every layer sharp.
        spread: growth of the circle of confusion's radius, in pixels per step of distance.

    Returns:
        (H, W, 3) linear light.
    """
    picture = np.zeros_like(layers[0].light)
    for layer in layers:
        radius = 0.0 if focus is None else spread * abs(layer.step - focus)
        picture = picture * (1 - defocus(layer.cover, radius)[..., None]) + defocus(layer.light, radius)
    return picture


class Canvas:
    """Where one layer is painted: places in units of the easel, colours 0 to 255."""

    def __init__(self) -> None:
        fine = (EASEL[1] * FINENESS, EASEL[0] * FINENESS)
        self.colour = np.zeros((*fine, 3), np.uint8)
        self.cover = np.zeros(fine, np.uint8)

    def polygon(self, corners: Floats, colour: Floats) -> None:
        """Fill the convex polygon with `corners` (K, 2), x before y."""
        points = np.rint(corners * (FINENESS * 16)).astype(np.int32)
        cv2.fillConvexPoly(self.colour, points, shade(colour), cv2.LINE_8, 4)
        cv2.fillConvexPoly(self.cover, points, 255, cv2.LINE_8, 4)

    def ribbon(self, path: Floats, widths: Floats, colours: Floats) -> None:
        """Fill a strip along `path` (K, 2), `widths` (K,) units wide, in `colours` (K, 3)."""
        along = np.gradient(path, axis=0)
        across = np.stack([-along[:, 1], along[:, 0]], -1) / (np.linalg.norm(along, axis=1, keepdims=True) + 1e-6)
        left, right = path + across * widths[:, None] / 2, path - across * widths[:, None] / 2
        for k in range(len(path) - 1):
            self.polygon(np.stack([left[k], left[k + 1], right[k + 1], right[k]]), colours[k])

    def layer(self, step: float) -> Layer:
        """Average the painting down to the photo's pixels, in linear light."""
        cover = self.cover.astype(np.float32) / 255
        light = to_linear(self.colour) * cover[..., None]
        small = [cv2.resize(plane, PHOTO, interpolation=cv2.INTER_AREA) for plane in (light, cover)]
        return Layer(light=np.asarray(small[0], np.float32), cover=np.asarray(small[1], np.float32), step=step)


def shade(colour: Floats) -> tuple[float, float, float]:
    """Colour as OpenCV wants it, clipped to 0..255."""
    red, green, blue = np.clip(colour, 0, 255)
    return float(red), float(green), float(blue)


def to_linear(encoded: NDArray[np.uint8] | Floats) -> Floats:
    """Colours 0 to 255 to linear light 0 to 1 (a plain power of 2.2: the scene is painted by eye)."""
    return np.asarray((encoded.astype(np.float32) / 255) ** 2.2, np.float32)
