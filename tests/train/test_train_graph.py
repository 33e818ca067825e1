"""onnxruntime computes what torch computes: octave by octave, and over whole pictures of odd sizes."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch.nn import functional

from allfocus.core.color import Array, FloatArray, to_unit
from allfocus.core.pyramid import ValueRange, count_levels, padded_size
from allfocus.decision.candidates import CandidateRule
from allfocus.decision.coarse_to_fine import CoarseToFine
from allfocus.decision.model import FusionModel, load_model
from allfocus.decision.search_rule import SearchRule
from allfocus.decision.stack_pyramid import StackPyramid
from allfocus.run.context import Run
from allfocus.train.config import NetworkConfig, Recipe
from allfocus.train.network.fusion_network import FusionNetwork
from allfocus.train.onnx.export import FORMAT, card_of, export
from allfocus.train.onnx.graph import build, disagreement
from pictures import focal_frames

#: Every frame is refined everywhere, as the network does it in one go.
EVERYTHING = CandidateRule(most=100, least=0.0)
EVERYWHERE = SearchRule(least_gain=-1.0, in_cells=EVERYTHING, in_blocks=EVERYTHING)


def by_onnxruntime(model: FusionModel, frames: list[Array]) -> FloatArray:
    """Logits (N, H, W) as `fuse` computes them."""
    run = Run()
    pyramid = StackPyramid(frames, run, ValueRange(), by_focus=model.wants_order)
    search = CoarseToFine(model, pyramid, margin=0, rule=EVERYWHERE, run=run)
    logits = np.empty((len(frames), *frames[0].shape[:2]), np.float32)
    for cell in search.cells():
        found = search.refine(cell)
        for frame, plane in zip(pyramid.order[found.frames], found.logits, strict=True):
            logits[(frame, *cell)] = plane
    return logits


def by_torch(network: FusionNetwork, frames: list[Array]) -> FloatArray:
    """Logits (N, H, W) of the same picture, padded, in one go."""
    height, width = frames[0].shape[:2]
    octaves = count_levels(height, width)
    rows, columns = padded_size(height, width, octaves)
    planes = torch.from_numpy(np.stack([to_unit(frame) for frame in frames])).permute(0, 3, 1, 2)
    padded = functional.pad(planes, (0, columns - width, 0, rows - height), mode="replicate")
    with torch.no_grad():
        logits: FloatArray = network(padded[None], octaves)[0][-1][0, :, :height, :width].numpy()
    return logits


def assert_same_logits(network: FusionNetwork, model: FusionModel, frames: list[Array]) -> None:
    expected, found = by_torch(network, frames), by_onnxruntime(model, frames)
    assert np.ptp(expected, axis=0).max() > 1  # there is something to agree on
    np.testing.assert_allclose(found, expected, atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize("count", [2, *(pytest.param(count, marks=pytest.mark.slow) for count in (3, 7, 12))])
def test_pictures_of_an_odd_size(tiny_network: FusionNetwork, tiny_model: Path, count: int) -> None:
    assert_same_logits(tiny_network, load_model(tiny_model), focal_frames(97, 131, count))


@pytest.mark.slow
@pytest.mark.parametrize(("height", "width"), [(1, 1), (5, 43), (331, 97), (9, 700)])
def test_pictures_of_other_sizes_and_more_octaves(
    tiny_network: FusionNetwork, tiny_model: Path, height: int, width: int
) -> None:
    frames = [frame[:height, :width] for frame in focal_frames(max(height, 16), max(width, 16), 2)]
    expected, found = by_torch(tiny_network, frames), by_onnxruntime(load_model(tiny_model), frames)
    np.testing.assert_allclose(found, expected, atol=2e-3, rtol=1e-3)


@pytest.mark.slow
def test_the_network_of_the_default_recipe(tmp_path: Path) -> None:
    torch.manual_seed(2)
    network = FusionNetwork(NetworkConfig()).eval()
    for part in (network.glance, network.look):
        torch.nn.init.normal_(part.head.conv.weight, std=0.05)
    export(network, tmp_path / "full.onnx", {"format": FORMAT, "name": "full", "version": "0"})
    model = load_model(tmp_path / "full.onnx")
    for count, size in ((2, (97, 131)), (5, (69, 227))):
        assert_same_logits(network, model, focal_frames(*size, count))


TWO_LOOKS = {"fine_width": 6, "fine_depth": 2, "trust": True, "order": 3}
THREE_LOOKS = {**TWO_LOOKS, "second_width": 5, "second_depth": 3}


@pytest.mark.slow
@pytest.mark.parametrize("looks", [TWO_LOOKS, THREE_LOOKS])
def test_a_network_with_looks_of_their_own_for_the_finest_levels_that_knows_the_order(
    tmp_path: Path, looks: dict[str, object]
) -> None:
    torch.manual_seed(6)
    parts = {"width": 8, "depth": 1, "glance_width": 8, "glance_depth": 1, "state": 2, "heads": 2, **looks}
    network = FusionNetwork(NetworkConfig(**parts)).eval()  # type: ignore[arg-type]
    with torch.no_grad():
        for value in network.parameters():
            value.add_(0.1 * torch.randn_like(value))
    card = card_of(Recipe(name="two", network=network.config), {"photos": 0}, {})
    export(network, tmp_path / "two.onnx", card)
    model = load_model(tmp_path / "two.onnx")
    assert model.wants_order
    assert model.reach(2) < model.reach(0)
    assert (model.reach(1) == model.reach(2)) == ("second_width" not in looks)
    for count, width in ((2, 131), (5, 331), (3, 700)):
        assert_same_logits(network, model, focal_frames(97, width, count))


@pytest.mark.slow
@pytest.mark.parametrize("parts", [{"use_scan": False}, {"use_exchange": False}, {"glance_depth": 0}])
def test_networks_without_one_of_their_parts_export_too(parts: dict[str, object]) -> None:
    torch.manual_seed(3)
    size = {"width": 4, "depth": 1, "glance_width": 4, "glance_depth": 1, "state": 2, "heads": 2}
    network = FusionNetwork(NetworkConfig(**{**size, **parts})).eval()  # type: ignore[arg-type]
    assert disagreement(network, build(network).SerializeToString()) < 1e-3


@pytest.mark.slow
def test_a_model_of_other_weights_disagrees(tiny_network: FusionNetwork, tiny_model: Path) -> None:
    content = tiny_model.read_bytes()
    assert disagreement(tiny_network, content) < 1e-3
    torch.manual_seed(4)
    assert disagreement(FusionNetwork(tiny_network.config).eval(), content) > 0.01


def test_the_graph_is_small_standard_and_holds_no_sample_size(tiny_model: Path) -> None:
    model = onnx.load(tiny_model)
    assert {entry.domain for entry in model.opset_import} == {""}
    (node,) = (node for node in model.graph.node if node.op_type == "If")
    branches = [attribute.g for attribute in node.attribute]
    assert len(branches) == 2
    operators = {node.op_type for branch in branches for node in branch.node}
    assert not operators & {"Loop"}
    named = [dimension.dim_param for value in model.graph.input for dimension in value.type.tensor_type.shape.dim]
    assert {"n", "h", "w"} <= set(named)
    assert tiny_model.stat().st_size < 1_000_000
