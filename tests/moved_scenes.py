"""Generated scenes that a camera moves over, for tests of registration."""

import cv2
import numpy as np

from allfocus.alignment.motion import Matrix, make_motion, to_pixels
from allfocus.alignment.warp import resample_by_matrix
from allfocus.core.color import Array, linear_to_srgb, srgb_to_linear

#: Height and width of a scene unless a test asks for another.
SIZE = (300, 400)


def scene(seed: int = 1, size: tuple[int, int] = SIZE) -> Array:
    """Detail at every scale, smooth enough to be resampled without loss; float32, 0.1 to 0.9."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(*size, 3)).astype(np.float32)
    layers = [cv2.GaussianBlur(noise, (0, 0), sigma) * sigma for sigma in (1.2, 3, 8, 20)]
    texture = sum(layers)
    assert not isinstance(texture, int)
    return (0.5 + 0.12 * texture / texture.std()).clip(0.1, 0.9).astype(np.float32)


def move_camera(frame: Array, parameters: list[float]) -> tuple[Array, Matrix]:
    """The frame after a motion of the camera, and the matrix from its own pixels to those after."""
    matrix = to_pixels(make_motion(parameters), frame.shape[:2])
    return resample_by_matrix(frame, np.linalg.inv(matrix)), matrix


def defocus(frame: Array, sigma: float) -> Array:
    """Blurred as a lens does it: light is spread."""
    return linear_to_srgb(cv2.GaussianBlur(srgb_to_linear(frame), (0, 0), sigma))


def make_parameters(scale: float, degrees: float, shift: float, size: tuple[int, int] = SIZE) -> list[float]:
    """Parameters of a motion that grows by `scale`, rotates, and shifts by a share of the picture's sides."""
    half = np.hypot(*size) / 2
    return [shift * size[1] / half, -shift * size[0] / half, np.deg2rad(degrees), np.log1p(scale)]
