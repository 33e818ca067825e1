import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import allfocus
from allfocus.decision import model
from allfocus.errors import ModelError, ReadError
from allfocus.train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from allfocus.train.config import NetworkConfig, Recipe, recipe_from
from allfocus.train.data import PhotoSet
from allfocus.train.network.fusion_network import FusionNetwork
from allfocus.train.onnx.export import FORMAT, export, model_card, source_commit
from allfocus.train.onnx.weights import CARD_KEY, WEIGHTS_KEY, fine_tuning, load_start

RECIPE = Recipe(name="tiny", network=NetworkConfig(width=4, depth=1, glance_width=4, glance_depth=1, state=2, heads=2))
PHOTOS = PhotoSet(images=(np.zeros((4, 4, 3), np.uint8),), names=("a.png",), skipped=(), licences={"CC0": 1})


@pytest.fixture(scope="module")
def network() -> FusionNetwork:
    torch.manual_seed(1)
    network = FusionNetwork(RECIPE.network)
    with torch.no_grad():
        for value in network.parameters():  # heads start at zero: give them something to disagree about
            value.add_(0.05 * torch.randn_like(value))
    return network.train()


@pytest.fixture(scope="module")
def card() -> dict[str, Any]:
    return model_card(RECIPE, PHOTOS, {"network": 31.5})


@pytest.fixture(scope="module")
def exported(network: FusionNetwork, card: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "m.onnx"
    export(network, path, card)
    return path


@pytest.mark.slow
def test_file_holds_card_and_runs(network: FusionNetwork, card: dict[str, Any], exported: Path) -> None:
    assert [path.name for path in exported.parent.iterdir()] == ["m.onnx"]
    assert network.training
    model = onnx.load(exported)
    onnx.checker.check_model(model)
    stored = {item.key: item.value for item in model.metadata_props}
    found = json.loads(stored[CARD_KEY])
    assert found.pop("checksum").startswith("sha256:")
    assert found == card
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    assert any(isinstance(side, str) for side in session.get_inputs()[0].shape)


@pytest.mark.slow
def test_a_model_file_carries_the_weights_it_was_made_of(network: FusionNetwork, exported: Path) -> None:
    start = load_start(exported)
    assert start.recipe == RECIPE
    assert start.weights.keys() == network.state_dict().keys()
    assert all(torch.equal(start.weights[name], value) for name, value in network.state_dict().items())
    tuned = fine_tuning(start.recipe, "mine")
    assert (tuned.network, tuned.shuffle, tuned.name) == (RECIPE.network, RECIPE.shuffle, "mine")
    assert tuned.training.learning_rate < RECIPE.training.learning_rate


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["no weights", "half the weights", "no card", "garbage", "missing"])
def test_a_file_without_weights_is_refused_as_a_start(exported: Path, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "m.onnx"
    model = onnx.load(exported)
    stored = {item.key: item.value for item in model.metadata_props}
    if damage == "no weights":
        del stored[WEIGHTS_KEY]
    elif damage == "half the weights":
        stored[WEIGHTS_KEY] = stored[WEIGHTS_KEY][: len(stored[WEIGHTS_KEY]) // 8 * 4]
    elif damage == "no card":
        del stored[CARD_KEY]
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, stored)
    onnx.save(model, path)
    if damage == "garbage":
        path.write_bytes(b"no model at all")
    elif damage == "missing":
        path.unlink()
    with pytest.raises((ModelError, ReadError), match=r"m\.onnx"):
        load_start(path)


def test_card_says_where_a_model_comes_from() -> None:
    card = model_card(RECIPE, PHOTOS, {"network": 31.5})
    assert card["name"] == "tiny"
    assert card["version"] == allfocus.__version__
    assert recipe_from(card["recipe"]) == RECIPE
    assert card["data"] == {"photos": 1, "licences": {"CC0": 1}}
    assert card["figures"] == {"network": 31.5}
    assert card["created"].endswith("+00:00")


@pytest.mark.slow
def test_nothing_is_written_when_torch_and_onnxruntime_disagree(network: FusionNetwork, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="disagree"):
        export(network, tmp_path / "m.onnx", {}, tolerance=float("nan"))
    assert list(tmp_path.iterdir()) == []


def test_commit_is_of_the_repository_that_tracks_this_package(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    source = package / "export.py"
    source.write_text("")
    assert source_commit(source) is None

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        answer = subprocess.run(
            ["git", "-C", tmp_path, *identity, *arguments], check=True, capture_output=True, text=True
        )
        return answer.stdout.strip()

    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "one")
    assert source_commit(source) is None  # there is a repository, but it is not this package's
    git("add", "package/export.py")
    git("commit", "-q", "-m", "two")
    assert source_commit(source) == git("rev-parse", "--short=12", "HEAD")
    source.write_text("changed")
    assert source_commit(source) == git("rev-parse", "--short=12", "HEAD") + "-dirty"


@pytest.mark.parametrize("place", ["data", "recipe", "packed", "text"])
def test_a_damaged_checkpoint_is_one_line(tmp_path: Path, place: str) -> None:
    state = Checkpoint(
        recipe=Recipe(), photos=[], step=0, minutes=0.0, network={"a": torch.ones(2000)}, ema={}, optimizer={}, rows=[],
        losses=[],
    )  # fmt: skip
    path = tmp_path / "c.pt"
    save_checkpoint(path, state)
    assert load_checkpoint(path).recipe == Recipe()
    data = path.read_bytes()
    ones = np.ones(2000, np.float32).tobytes()
    if place == "data":
        data = data.replace(ones, ones[:-1] + b"\x40")
    elif place == "recipe":
        torch.save({**torch.load(path, weights_only=True), "recipe": "name = ?"}, path)
        data = path.read_bytes()
    elif place == "text":
        data = b"no archive"
    else:
        with zipfile.ZipFile(path) as archive, zipfile.ZipFile(tmp_path / "d.pt", "w", zipfile.ZIP_DEFLATED) as packed:
            for name in archive.namelist():
                packed.writestr(name, archive.read(name))
        data = (tmp_path / "d.pt").read_bytes()
    path.write_bytes(data)
    with pytest.raises(ModelError, match=r"c\.pt is (no allfocus checkpoint, or it is )?damaged"):
        load_checkpoint(path)


def test_a_start_from_a_model_with_a_wrong_checksum_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    load_start(tiny_model)
    data = tiny_model.read_bytes()
    place = data.index(b"allfocus.weights") + 400
    (tmp_path / "m.onnx").write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
    with pytest.raises(ModelError, match=r"m\.onnx: its weights or its card are damaged"):
        load_start(tmp_path / "m.onnx")


def test_training_writes_what_inference_reads() -> None:
    assert (CARD_KEY, FORMAT) == (model.CARD_KEY, model.FORMAT)
