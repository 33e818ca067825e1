"""The pyramid that inference builds, against the one that training builds."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from allfocus.core.color import to_unit
from allfocus.core.pyramid import (
    ENERGIES,
    ENERGY_FLOOR,
    PATCH,
    ValueRange,
    build_levels,
    pad,
    padded_size,
    stretch_into,
)
from allfocus.decision.model import LOGIT_RANGE
from allfocus.train.network import features
from allfocus.train.network import fusion_network as network
from pictures import picture


def test_training_and_inference_mean_the_same() -> None:
    assert (PATCH, ENERGIES, ENERGY_FLOOR) == (features.PATCH, features.ENERGIES, features.ENERGY_FLOOR)
    assert LOGIT_RANGE == network.LOGIT_RANGE


@pytest.mark.parametrize(
    ("height", "width", "octaves"),
    [(8, 8, 2), (97, 131, 2), (97, 131, 4), (1, 1, 2), (3, 700, 4), (200, 33, 3), (300, 40, 3)],
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_octaves_equal_those_of_training(height: int, width: int, octaves: int, dtype: str) -> None:
    frame = picture(height, width, dtype=dtype)
    rows, columns = padded_size(height, width, octaves)
    planes = torch.from_numpy(to_unit(frame)).permute(2, 0, 1)[None]
    padded = functional.pad(planes, (0, columns - width, 0, rows - height), mode="replicate")
    expected = features.build_octaves(padded, octaves)
    found = list(build_levels(frame, octaves))
    assert len(found) == octaves
    for level, ((pixels, energy), other) in enumerate(zip(found, expected, strict=True)):
        shown = np.empty(other.pixels[0].shape, np.float32)
        stretch_into(pixels if level else pad(pixels, rows, columns), ValueRange(), shown)
        np.testing.assert_allclose(shown, other.pixels[0].numpy(), atol=4e-5)  # rounded to 16 bits, level by level
        np.testing.assert_allclose(energy, other.energy[0].numpy(), rtol=2e-3, atol=1e-5)
