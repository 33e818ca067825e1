"""Gains of strokes: each pixel's own, as frames are made as bright as the reference."""

import numpy as np
import pytest

from allfocus.alignment.brightness import match_exposure
from allfocus.alignment.photometric import ExposureTransfer
from allfocus.composition.compositor import brighten
from allfocus.decision.decision import GAIN_STEP
from pictures import picture


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("gray", [False, True])
def test_each_pixel_has_its_own_gain(dtype: str, gray: bool) -> None:
    pixels = picture(20, 30, dtype=dtype, gray=gray)
    gains = np.zeros((20, 30), np.int16)
    gains[5:9], gains[12:15, 4:20] = -40, 25
    made = brighten(pixels, gains)
    assert made.dtype == pixels.dtype
    for power in (-40, 0, 25):
        wanted = match_exposure(pixels, ExposureTransfer(gain=(GAIN_STEP**-power,)), pixels.dtype) if power else pixels
        there = gains == power
        np.testing.assert_allclose(made[there], wanted[there], rtol=1e-5)
    assert brighten(pixels, np.zeros_like(gains)) is pixels
