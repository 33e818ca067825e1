"""Boxes in which next to nothing would change are left as they are, after a first look."""

import numpy as np
import pytest

from allfocus.composition import veil
from allfocus.composition.defocus import Defocus, disc_blur
from allfocus.composition.veil import VeilRemover
from allfocus.core.color import Array, from_unit, linear_to_srgb
from allfocus.run.context import Run
from scenes import ground

SIZE, STEP = (96, 128), 6.0


def test_a_box_without_promise_keeps_its_pixels_and_one_with_promise_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    behind, matte = ground(*SIZE, seed=3), np.zeros((*SIZE, 1), np.float32)
    matte[:, 50:70] = 1
    soft = disc_blur(matte[..., 0], STEP)[..., None]
    light = disc_blur(behind, STEP) * (1 - matte) + 0.9 * matte, behind * (1 - soft) + 0.9 * soft
    frames = [from_unit(linear_to_srgb(np.asarray(one.clip(0, 1), np.float32)), np.dtype(np.uint8)) for one in light]
    index_map = np.where(matte[..., 0] > 0, 0, 1).astype(np.uint16)
    picked = np.where(matte > 0, frames[0], frames[1])
    whole = slice(0, SIZE[0]), slice(0, SIZE[1])

    def remove(promising: float) -> Array:
        monkeypatch.setattr(veil, "PROMISING", promising)
        image, defocus = picked.copy(), Defocus(step=STEP, positions=np.array([0, 1], np.float32))
        VeilRemover(frames, defocus, Run()).remove(image, index_map, whole, whole)
        return image

    np.testing.assert_array_equal(remove(promising=1.0), picked)
    assert (remove(promising=1e-3) != picked).mean() > 0.01
    np.testing.assert_array_equal(remove(promising=1e-3), remove(promising=0.0))
