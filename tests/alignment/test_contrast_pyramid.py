"""The pyramid that registration compares: sizes, and what it is blind to."""

import numpy as np
import pytest

from allfocus.alignment.contrast_pyramid import build_pyramid
from allfocus.core.color import from_unit, linear_to_srgb, srgb_to_linear
from moved_scenes import SIZE, scene


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_levels_halve_from_fine_to_coarse(dtype: str) -> None:
    pyramid = build_pyramid(from_unit(scene(), dtype))
    assert pyramid.size == SIZE
    assert [level.scale for level in pyramid.levels] == [8, 4, 2, 1]
    sizes = [(SIZE[0] // scale, SIZE[1] // scale, 4) for scale in (8, 4, 2, 1)]
    assert [level.planes.shape for level in pyramid.levels] == sizes
    assert pyramid.sharpness.shape == (4, 24, 33)


def test_a_darker_frame_has_the_same_detail_and_sharpness() -> None:
    bright = scene()
    dark = linear_to_srgb(srgb_to_linear(bright) * np.float32(0.5))
    one, other = build_pyramid(bright), build_pyramid(dark)
    np.testing.assert_allclose(one.levels[-1].planes, other.levels[-1].planes, atol=1e-3)
    np.testing.assert_allclose(one.sharpness, other.sharpness, rtol=1e-3)
