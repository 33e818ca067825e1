"""Two processes that train one network together, as torchrun starts them."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from allfocus.errors import ConfigError
from allfocus.train.checkpoint import RunFiles, load_checkpoint
from allfocus.train.config import DataConfig, NetworkConfig, Recipe, ShuffleConfig, TrainingConfig, recipe_text
from allfocus.train.data import CropSampler
from allfocus.train.processes import Processes, here
from allfocus.train.train import choose_device
from allfocus.train.trainer import Trainer
from conftest import Cli

SMALL = Recipe(
    name="small",
    seed=3,
    data=DataConfig(crop=32, validation_groups=2),
    shuffle=ShuffleConfig(frames_max=3, blur_max=2.0),
    network=NetworkConfig(width=4, depth=1, glance_width=4, glance_depth=1, state=2, heads=2),
    training=TrainingConfig(steps=3, batch=1, warmup=1, validate_every=2, octaves_max=3, threads=1),
)


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "photo.png"
    Image.fromarray(np.random.default_rng(2).integers(0, 256, (72, 96, 3), np.uint8)).save(path)
    return path


def place(rank: int, count: int, port: int) -> dict[str, str]:
    """What torchrun tells each process that it starts."""
    told = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return {name: str(value) for name, value in told.items()}


def typed(rank: int, photo: Path) -> list[str]:
    """What is typed after `allfocus`."""
    return ["train", str(photo), "-o", f"{rank}.onnx", "--recipe", "recipe.toml", "--device", "cpu"]


@pytest.mark.slow
def test_two_processes_train_one_network_and_one_of_them_writes(
    tmp_path: Path, photo: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("recipe.toml").write_text(recipe_text(SMALL))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    program = [sys.executable, "-m", "allfocus", *typed(0, photo)]
    environment = {**os.environ, **place(0, 2, port)}
    first = subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # torch sets one that names the process
    with monkeypatch.context() as here:  # the other is this process: torch takes long enough to load once
        for name, value in place(1, 2, port).items():
            here.setenv(name, value)
        second = cli(*typed(1, photo))
    out, err = first.communicate(timeout=240)
    assert (first.returncode, second.code) == (0, 0), (err, second.err)
    assert {path.name for path in tmp_path.glob("*.*")} == {
        "recipe.toml",
        "0.onnx",
        "0.checkpoint.pt",
        "0.curve.png",
        "0.log.csv",
    }
    assert "0.onnx: 3 steps" in out
    assert second.out == ""
    # not what one process alone learns: the other's puzzles count as well
    together = load_checkpoint(tmp_path / "0.checkpoint.pt")
    alone = Trainer(SMALL, choose_device("cpu"), RunFiles.beside(tmp_path / "alone.onnx"))
    alone.read([photo])
    alone.start_from(None, None)
    alone.learn()
    own, shared = alone.state.network.state_dict(), together.network
    assert any(not torch.equal(own[name], shared[name]) for name in own)


def test_every_process_draws_crops_and_puzzles_of_its_own(tmp_path: Path, photo: Path) -> None:
    trainers = [
        Trainer(SMALL, choose_device("cpu"), RunFiles.beside(tmp_path / "m.onnx"), processes=Processes(rank=k, count=2))
        for k in (0, 1)
    ]
    for trainer in trainers:
        trainer.sampler = CropSampler([np.asarray(Image.open(photo))], SMALL.data, 1)
    drawn = [trainer.draw_crops(step) for step in (0, 1) for trainer in trainers]
    assert all(
        not torch.equal(drawn[a], drawn[b]) for a in range(4) for b in range(a) if drawn[a].shape == drawn[b].shape
    )


def test_one_process_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert here() == Processes()
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert here().leads
    assert not here().any(False)
    assert here().leading(0.25) == 0.25


def test_nonsense_of_the_environment_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "two")
    with pytest.raises(ConfigError, match="expected numbers, as torchrun sets them"):
        here()


def test_processes_take_gpus_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [choose_device("auto", k).index for k in range(4)] == [0, 1, 0, 1]
