"""Model files of anybody: operators, constants and cards that no model of ours has are refused in one line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from allfocus.core.pyramid import ENERGIES, PyramidLevel
from allfocus.decision.model import CARD_KEY, SHIPPED, load_model
from allfocus.decision.onnx_file import check_graph, digest, read_properties
from allfocus.errors import ModelError
from fuzz.seeds import make_model

LEVEL = PyramidLevel(pixels=np.zeros((2, 3, 8, 8), np.float32), energy=np.zeros((2, ENERGIES, 2, 2), np.float32))


def changed(path: Path, change: Callable[[Any], object]) -> Path:
    """A small model of ours with something changed."""
    model = onnx.load_from_string(make_model())
    change(model)
    path.write_bytes(model.SerializeToString())
    return path


def put_loop(model: Any) -> None:
    """A loop that goes on for ever."""
    condition = [helper.make_tensor_value_info(name, TensorProto.BOOL, []) for name in ("go", "on")]
    count = helper.make_tensor_value_info("k", TensorProto.INT64, [])
    body = helper.make_graph([helper.make_node("Identity", ["go"], ["on"])], "b", [count, condition[0]], condition[1:])
    model.graph.node.append(helper.make_node("Loop", ["", "is_finest"], [], body=body))


def put_large_constant(model: Any) -> None:
    """A shape from which 40 GB of ones would be made."""
    model.graph.initializer.append(numpy_helper.from_array(np.array([10_000_000_000], np.int64), "shape"))
    model.graph.node.append(helper.make_node("ConstantOfShape", ["shape"], ["ones"]))


def put_many_small_numbers(model: Any) -> None:
    """The same by two numbers, none of which is too large by itself."""
    model.graph.initializer.append(numpy_helper.from_array(np.array([60_000, 60_000], np.int64), "shape"))
    model.graph.node.append(helper.make_node("ConstantOfShape", ["shape"], ["ones"]))
    model.graph.node.append(helper.make_node("ReduceMax", ["ones"], ["most"], keepdims=0))
    model.graph.node[0].output[0] = "logits_before"
    model.graph.node.append(helper.make_node("Add", ["logits_before", "most"], ["logits"]))


def put_elsewhere(model: Any) -> None:
    """A constant in another file."""
    constant = model.graph.initializer[0]
    constant.ClearField("raw_data")
    constant.data_location = TensorProto.EXTERNAL
    constant.external_data.add(key="location", value="../secret.bin")


def put_in_a_branch(model: Any) -> None:
    """The loop within a branch."""
    put_loop(model)
    inner = helper.make_graph([model.graph.node.pop()], "i", [], [helper.make_empty_tensor_value_info("logits")])
    node = helper.make_node("If", ["is_finest"], [], then_branch=inner, else_branch=inner)
    model.graph.node.append(node)


def put_function(model: Any) -> None:
    model.functions.add(name="f", domain="x")


def put_domain(model: Any) -> None:
    model.graph.node[0].domain = "com.example"


def take_an_axis(model: Any) -> None:
    """An input of three axes, on which onnxruntime would end the process."""
    model.graph.input[1].type.tensor_type.shape.dim.pop(0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (take_an_axis, "other axes"),
        (put_loop, "it uses the operator Loop"),
        (put_in_a_branch, "it uses the operator Loop"),
        (put_large_constant, "larger numbers"),
        (put_elsewhere, "another file"),
        (put_function, "functions of its own"),
        (put_domain, "operators of com.example"),
    ],
)
def test_graphs_unlike_ours_are_refused(tmp_path: Path, change: Callable[[Any], object], words: str) -> None:
    with pytest.raises(ModelError, match=rf"m\.onnx: no model that allfocus exports \(.*{words}"):
        load_model(changed(tmp_path / "m.onnx", change))


def test_a_model_that_needs_more_memory_than_there_is_ends_in_one_line(tmp_path: Path) -> None:
    model = load_model(changed(tmp_path / "m.onnx", put_many_small_numbers), is_large=True)
    with pytest.raises(ModelError, match="the model x can't compute this"):
        model.answer_coarsest(LEVEL)


def test_answers_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    def spoil(model: Any) -> None:
        model.graph.initializer[0].raw_data = np.full(27, np.nan, np.float32).tobytes()

    with pytest.raises(ModelError, match="gives no answer that makes sense"):
        load_model(changed(tmp_path / "m.onnx", spoil)).answer_coarsest(LEVEL)


def card(**changes: object) -> Callable[[Any], object]:
    """Change entries of the card."""

    def change(model: Any) -> None:
        stored = json.loads(model.metadata_props[0].value) | changes
        model.metadata_props[0].value = json.dumps(stored)

    return change


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ["x"]},
        {"name": "x" * 10_000},
        {"recipe": [1]},
        {"recipe": {"network": 3}},
        {"recipe": {"network": {"depth": 10**9}}},
        {"recipe": {"network": {"depth": "many"}}},
        {"figures": {"network": "a", "laplacian": 1, "oracle": 2}},
        {"figures": {"network": float("nan"), "laplacian": 1, "oracle": 2}},
        {"unknown": 1},
        {"format": [5]},
        {"checksum": 5},
    ],
    ids=str,
)
def test_cards_that_make_no_sense_are_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(ModelError, match=r"m\.onnx: (its model card is damaged|a model of another format)"):
        load_model(changed(tmp_path / "m.onnx", card(**changes)))


def test_a_card_that_is_no_text_or_too_deep_is_refused(tmp_path: Path) -> None:
    deep = "[" * 100_000

    def change(model: Any) -> None:
        model.metadata_props[0].value = deep

    with pytest.raises(ModelError, match="its model card is damaged"):
        load_model(changed(tmp_path / "m.onnx", change))
    content = make_model().replace(b'"format"', b'"\xff\xfemat"')
    (tmp_path / "n.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=r"n\.onnx: corrupt"):
        load_model(tmp_path / "n.onnx")


def test_a_checksum_is_looked_at_and_may_be_missing(tmp_path: Path) -> None:
    content = make_model()
    good = changed(tmp_path / "a.onnx", card(checksum=digest(content, CARD_KEY)))
    assert load_model(good).card.checksum == digest(good.read_bytes(), CARD_KEY)
    load_model(changed(tmp_path / "b.onnx", lambda model: None))
    spoiled = bytearray(good.read_bytes())
    spoiled[spoiled.index(np.float32(1 / 27).tobytes())] ^= 1
    (tmp_path / "c.onnx").write_bytes(bytes(spoiled))
    with pytest.raises(ModelError, match=r"c\.onnx: damaged, its checksum"):
        load_model(tmp_path / "c.onnx")


def test_an_exported_model_has_a_checksum_that_holds(tiny_model: Path) -> None:
    found = load_model(tiny_model).card.checksum
    assert found is not None
    assert found == digest(tiny_model.read_bytes(), CARD_KEY)


def test_the_shipped_weights_pass() -> None:
    content = SHIPPED.read_bytes()
    check_graph(content)
    assert load_model().card.checksum == digest(content, CARD_KEY)
    assert read_properties(content)[CARD_KEY] == {
        entry.key: entry.value for entry in onnx.load_from_string(content).metadata_props
    }[CARD_KEY]  # fmt: skip


@pytest.mark.parametrize("content", [b"\x3a", b"\x3a\xff\xff\xff\xff\x0f", b"\xff" * 40, b"\x3b", b"\x3a\x02\x0a\x05"])
def test_messages_that_are_cut_are_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"cut|end|kind"):
        check_graph(content)
