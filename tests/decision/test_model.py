"""Model files: what is ours loads, everything else is refused in one line that names the file."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import allfocus
from allfocus.core.pyramid import ENERGIES, PATCH, PyramidLevel
from allfocus.decision.model import CARD_KEY, FORMAT, INPUTS, OUTPUTS, Answer, ModelCard, load_model
from allfocus.errors import ModelError
from allfocus.options import FusionOptions
from allfocus.train.onnx import export
from conftest import Cli
from pictures import write_pair


def rewritten(source: Path, target: Path, change: Callable[[Any], object]) -> Path:
    """Copy a model file with another card: what `change` makes of the one it has, as JSON or as plain text."""
    model = onnx.load(source)
    (entry,) = (item for item in model.metadata_props if item.key == CARD_KEY)
    card = change(json.loads(entry.value))
    entry.value = card if isinstance(card, str) else json.dumps(card)
    onnx.save(model, target)
    return target


def octave_of(frames: int, height: int, width: int) -> PyramidLevel:
    rng = np.random.default_rng(0)
    energy = rng.random((frames, ENERGIES, height // PATCH, width // PATCH), np.float32)
    return PyramidLevel(pixels=rng.random((frames, 3, height, width), np.float32), energy=energy)


def write_foreign(path: Path, inputs: tuple[str, ...], outputs: tuple[str, ...], card: str | None) -> Path:
    """An ONNX model that has nothing to do with fusion: it passes its first input on."""
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 1]) for name in inputs]
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 1]) for name in outputs]
    nodes = [helper.make_node("Identity", [inputs[0]], [name]) for name in outputs]
    opset = [helper.make_opsetid("", 18)]
    model = helper.make_model(helper.make_graph(nodes, "foreign", infos, results), opset_imports=opset, ir_version=10)
    if card is not None:
        helper.set_model_props(model, {CARD_KEY: card})
    onnx.save(model, path)
    return path


def test_a_trained_file_says_what_it_is_and_answers(tiny_model: Path) -> None:
    model = load_model(tiny_model)
    assert model.card.name == "tiny"
    assert model.card.version == allfocus.__version__
    assert model.card.recipe["network"]["width"] == 8
    glance = model.answer_coarsest(octave_of(3, 24, 40))
    assert glance.logits.shape == (3, 1, 24, 40)
    assert glance.context.shape == (3, 8, 6, 10)
    finer = octave_of(3, 48, 80)
    look = model.refine(finer, glance, 1)
    assert look.logits.shape == (3, 1, 48, 80)
    assert look.context.shape == (3, 8, 12, 20)
    assert model.judge(finer.pixels, Answer(logits=look.logits, context=glance.context)).shape == (2, 12, 20)
    assert np.isfinite(look.logits).all()


def test_training_writes_what_inference_reads() -> None:
    assert (export.CARD_KEY, export.FORMAT) == (CARD_KEY, FORMAT)


def test_the_shipped_weights_load() -> None:
    model = load_model()
    assert model.card.name == "network-2-flaws"
    assert model.card.data["photos"] >= 1
    answer = model.answer_coarsest(octave_of(2, 16, 16))
    assert np.isfinite(answer.logits).all()


def test_a_model_loads_once_and_again_when_its_file_changed(tiny_model: Path, tmp_path: Path) -> None:
    path = rewritten(tiny_model, tmp_path / "m.onnx", lambda card: card)
    first = load_model(path)
    assert load_model(path) is first
    rewritten(tiny_model, path, lambda card: {**card, "name": "other"})
    os.utime(path, ns=(0, 0))
    assert load_model(path).card.name == "other"


def card_with(**figures: object) -> ModelCard:
    return ModelCard(name="mine", version="1", figures=figures)


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (
            29.9,
            "worse than the Laplacian rule: 29.9 dB on held-back groups, the Laplacian rule 30.0, the best choice 36.0",
        ),
        (31.0, "hardly trained: 31.0 dB"),
        (34.0, None),
    ],
)
def test_a_card_warns_of_a_model_that_is_no_better_than_the_rule(network: float, words: str | None) -> None:
    warnings = card_with(network=network, laplacian=30.0, oracle=36.0).warnings()
    assert len(warnings) == (words is not None)
    assert words is None or words in warnings[0]


def test_a_card_with_the_old_name_of_the_laplacian_rule_warns_alike(tiny_model: Path, tmp_path: Path) -> None:
    old = {"network": 29.0, "classic": 30.0, "oracle": 36.0}
    card = load_model(rewritten(tiny_model, tmp_path / "old.onnx", lambda card: {**card, "figures": old})).card
    assert card.figures == {"network": 29.0, "laplacian": 30.0, "oracle": 36.0}
    assert "worse than the Laplacian rule" in card.warnings()[0]


def test_a_card_warns_where_flaws_were_not_learned_and_only_there() -> None:
    assert "sharp in no frame" in card_with(flaws_learned=False).warnings()[0]
    for good in (card_with(flaws_learned=True), card_with(), load_model().card):
        assert good.knows_flaws
        assert good.warnings() == ()


def test_masks_that_a_model_never_learned_are_neither_made_nor_written(
    tiny_model: Path, tmp_path: Path, cli: Cli
) -> None:
    change = {"network": 29.0, "laplacian": 30.0, "oracle": 36.0, "flaws_learned": False}
    model = rewritten(tiny_model, tmp_path / "poor.onnx", lambda card: {**card, "figures": change})
    frames = write_pair(tmp_path, height=64, width=96)
    assert allfocus.fuse(list(map(Path, frames)), options=FusionOptions(model=model)).quality is None
    typed = ["fuse", *frames, "-o", tmp_path / "out.png", "--model", model]
    outcome = cli(*typed)
    assert outcome.code == 0
    notes = [line for line in outcome.out.splitlines() if line.startswith("note: this model ")]
    assert ["worse than" in notes[0], "not learned" in notes[1]] == [True, True]
    assert "sharp in no frame: " not in outcome.out
    (tmp_path / "out.png").unlink()
    refused = cli(*typed, "--out-of-focus", tmp_path / "mask.png")
    assert refused.code == 2
    assert refused.err.count("\n") == 1
    assert "out-of-focus, veiled: " in refused.err and "poor.onnx has not learned them" in refused.err
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("content", [b"", b"no model", b"\x08\x0a" * 50], ids=["empty", "text", "bytes"])
def test_garbage_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "g.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"g\.onnx"):
        load_model(path)


def test_a_file_cut_short_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "half.onnx"
    path.write_bytes(tiny_model.read_bytes()[:-2000])
    with pytest.raises(ModelError, match=r"half\.onnx"):
        load_model(path)


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.onnx.*No such file"):
        load_model(tmp_path / "none.onnx")
    with pytest.raises(ModelError, match="can't be read"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("inputs", "outputs", "card"),
    [
        (("image",), ("label",), None),
        (("image",), ("label",), json.dumps({"format": FORMAT, "name": "a", "version": "1"})),
        (INPUTS, OUTPUTS, None),
    ],
    ids=["no card", "other inputs", "our inputs without a card"],
)
def test_models_of_others_are_refused(
    tmp_path: Path, inputs: tuple[str, ...], outputs: tuple[str, ...], card: str | None
) -> None:
    path = write_foreign(tmp_path / "foreign.onnx", inputs, outputs, card)
    with pytest.raises(ModelError, match=r"foreign\.onnx: (not an allfocus model|no model that allfocus exports)"):
        load_model(path)


def test_a_network_for_other_octaves_is_refused(tmp_path: Path) -> None:
    card = json.dumps({"format": FORMAT, "name": "a", "version": "1"})
    path = write_foreign(tmp_path / "old.onnx", INPUTS, OUTPUTS, card)
    with pytest.raises(ModelError, match=r"other (channels|axes)"):
        load_model(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda card: "{not json",
        lambda card: "[]",
        lambda card: "null",
        lambda card: "3",
        lambda card: {key: value for key, value in card.items() if key != "name"},
        lambda card: {key: value for key, value in card.items() if key != "format"},
        lambda card: {**card, "no_such_key": 1},
        lambda card: {**card, "figures": [1]},
        lambda card: {**card, "figures": {"network": "good", "laplacian": 30.0, "oracle": 36.0}},
    ],
    ids=[
        "no json",
        "list",
        "null",
        "number",
        "no name",
        "no format",
        "unknown key",
        "listed figures",
        "words for figures",
    ],
)
def test_a_damaged_card_is_refused(tiny_model: Path, tmp_path: Path, change: Callable[[Any], object]) -> None:
    path = rewritten(tiny_model, tmp_path / "d.onnx", change)
    with pytest.raises(ModelError, match=r"d\.onnx: its model card is damaged"):
        load_model(path)


def test_another_format_is_refused_and_says_what_to_do(tiny_model: Path, tmp_path: Path) -> None:
    path = rewritten(tiny_model, tmp_path / "f.onnx", lambda card: {**card, "format": FORMAT + 1})
    with pytest.raises(ModelError, match=r"another format.*update allfocus"):
        load_model(path)
