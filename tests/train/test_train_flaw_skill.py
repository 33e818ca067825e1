"""Whether flaws were learned is measured, and the measure tells those who know from those who guess."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import allfocus
from allfocus.decision.model import SHIPPED
from allfocus.io import read_image
from allfocus.train.config import Recipe
from allfocus.train.data import CropSampler
from allfocus.train.flaw_skill import FlawSkill, flaw_skill, skill_of
from allfocus.train.network.fusion_network import FusionNetwork
from allfocus.train.onnx.weights import load_start

PHOTO = Path(allfocus.__file__).parent / "demo_stack" / "truth.webp"


@pytest.fixture(scope="module")
def sampler() -> CropSampler:
    recipe = load_start(SHIPPED).recipe
    return CropSampler([np.ascontiguousarray(read_image(PHOTO))], recipe.data, 11)


def test_a_mask_is_worth_what_it_finds_beyond_what_it_makes_up() -> None:
    flawed = torch.arange(100) < 20
    assert skill_of(flawed, flawed) == FlawSkill(found=1, made_up=0)
    assert skill_of(torch.arange(100) < 30, flawed) == FlawSkill(found=1, made_up=0.125)
    for says_nothing in (torch.zeros(100, dtype=torch.bool), torch.ones(100, dtype=torch.bool)):
        assert not skill_of(says_nothing, flawed).is_learned
    assert not skill_of(flawed, torch.zeros(100, dtype=torch.bool)).is_learned  # nothing there to learn from


@pytest.mark.slow
def test_the_shipped_weights_have_learned_flaws_and_untrained_ones_have_not(
    sampler: CropSampler, tiny_network: FusionNetwork
) -> None:
    start = load_start(SHIPPED)
    recipe = replace(start.recipe, data=replace(start.recipe.data, crop=128))
    sampler = CropSampler(sampler.photos, recipe.data, 11)
    assert flaw_skill(start.network(), sampler, recipe).is_learned
    assert not flaw_skill(FusionNetwork(tiny_network.config).eval(), sampler, recipe).is_learned


@pytest.mark.slow
def test_puzzles_without_flaws_teach_none(sampler: CropSampler, tiny_network: FusionNetwork) -> None:
    recipe = Recipe()
    plain = replace(recipe, shuffle=replace(recipe.shuffle, layers=0.0, missing=0.0, frames_max=2))
    small = replace(plain, data=replace(plain.data, crop=64))
    skill = flaw_skill(tiny_network, CropSampler(sampler.photos, small.data, 3), small)
    assert (skill.found, skill.is_learned) == (0, False)
    assert skill.made_up > 0
