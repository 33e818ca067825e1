import csv
import math
import os
import pickle
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from allfocus.decision.laplacian import local_laplacian_energy
from allfocus.decision.model import load_model
from allfocus.errors import ConfigError, ModelError, ReadError, WriteError
from allfocus.run.atomic import write_file
from allfocus.train.checkpoint import RunFiles, load_checkpoint, save_checkpoint
from allfocus.train.config import (
    DataConfig,
    NetworkConfig,
    Recipe,
    ShuffleConfig,
    TrainingConfig,
)
from allfocus.train.curves import COLUMNS, write_curve
from allfocus.train.data import CropSampler
from allfocus.train.events import Listener, TrainingEvent, TrainingInterrupted, ignore
from allfocus.train.puzzles.pixel_groups import generate
from allfocus.train.rehearsal import rehearse
from allfocus.train.step import PATIENCE, TrainState, learning_rate, plan_step, schedule_fraction
from allfocus.train.train import TrainingReport, choose_device, torch_threads, train
from allfocus.train.trainer import Trainer
from allfocus.train.validate import laplacian_energy, measure, picked, psnr, validation_groups

TINY = Recipe(
    name="tiny",
    seed=3,
    data=DataConfig(crop=32, validation_groups=2),
    shuffle=ShuffleConfig(frames_max=3, blur_max=2.0),
    network=NetworkConfig(width=4, depth=1, glance_width=4, glance_depth=1, state=2, heads=2),
    training=TrainingConfig(steps=6, batch=1, warmup=1, validate_every=4, octaves_max=2, threads=1),
)


def scheduled(**changes: object) -> Recipe:
    return replace(TINY, training=replace(TINY.training, **changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(2)
    coarse = rng.integers(0, 256, (9, 12, 3), np.uint8)
    texture = np.kron(coarse, np.ones((8, 8, 1), np.uint8)) // 2 + rng.integers(0, 128, (72, 96, 3), np.uint8)
    path = tmp_path_factory.mktemp("photos") / "photo.png"
    Image.fromarray(texture).save(path)
    return path


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """All runs compute alike, those without `train` too."""
    with torch_threads(1):
        yield


class Clock:
    """A clock that events move: each kind takes so many seconds."""

    def __init__(self, **seconds: float) -> None:
        self.now, self.seconds = 1000.0, seconds
        self.heard: list[TrainingEvent] = []

    def __call__(self) -> float:
        return self.now

    def listen(self, event: TrainingEvent) -> None:
        self.heard.append(event)
        self.now += self.seconds.get(event.kind, 0.0)


def begin(
    photo: Path,
    output: Path,
    recipe: Recipe = TINY,
    listener: Listener = ignore,
    *,
    resume: Path | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Trainer:
    """A run that is ready to learn: what `train` does, but for the export, which takes longer than all the rest."""
    trainer = Trainer(recipe, torch.device("cpu"), RunFiles.beside(output), listener, clock=clock)
    trainer.read([photo])
    trainer.start_from(resume, None)
    return trainer


@pytest.fixture(scope="module")
def finished(photo: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingReport:
    return train([photo], tmp_path_factory.mktemp("whole") / "model.onnx", TINY, device="cpu")


def stop_at(step: int, number: signal.Signals) -> Callable[[TrainingEvent], None]:
    def listen(event: TrainingEvent) -> None:
        if event.kind == "step" and event.done == step:
            os.kill(os.getpid(), number)

    return listen


def curve(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as lines:
        return [{key: value for key, value in row.items() if key != "minutes"} for row in csv.DictReader(lines)]


def same(one: object, other: object) -> bool:
    """Bit equality of nested dicts and lists of tensors and plain values."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.equal(other)
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    return one == other


@pytest.mark.slow
def test_a_run_leaves_model_log_curve_and_checkpoint(finished: TrainingReport) -> None:
    assert {path.name for path in finished.output.parent.iterdir()} == {
        "model.onnx",
        "model.log.csv",
        "model.curve.png",
        "model.checkpoint.pt",
    }
    assert finished.steps == 6
    rows = curve(finished.files.log)
    assert list(rows[0]) == [name for name in COLUMNS if name != "minutes"]
    assert [row["step"] for row in rows] == ["4", "6"]
    assert float(rows[-1]["network"]) == pytest.approx(finished.scores.network)
    assert math.isfinite(finished.loss)
    assert max(asdict(finished.scores).values()) == finished.scores.oracle
    with Image.open(finished.files.curve) as picture:
        assert picture.size[0] > 500


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_and_resumed_equals_uninterrupted_bit_by_bit(
    photo: Path, finished: TrainingReport, tmp_path: Path, number: signal.Signals
) -> None:
    handler = signal.getsignal(number)
    output = tmp_path / "model.onnx"
    with pytest.raises(TrainingInterrupted, match=r"after 3 steps.*--resume .*model\.checkpoint\.pt") as caught:
        train([photo], output, TINY, device="cpu", progress=stop_at(3, number))
    assert signal.getsignal(number) is handler
    assert not output.exists()
    assert load_checkpoint(caught.value.checkpoint).step == 3
    again = begin(photo, output, resume=caught.value.checkpoint)
    again.learn()
    whole, parts = load_checkpoint(finished.files.checkpoint), load_checkpoint(again.files.checkpoint)
    for item in fields(whole):
        if item.name not in ("minutes", "rows"):
            assert same(getattr(whole, item.name), getattr(parts, item.name)), item.name
    assert curve(again.files.log) == curve(finished.files.log)


@pytest.mark.slow
def test_another_seed_gives_another_curve(photo: Path, finished: TrainingReport, tmp_path: Path) -> None:
    other = begin(photo, tmp_path / "model.onnx", replace(TINY, seed=4))
    other.learn()
    assert curve(other.files.log) != curve(finished.files.log)


@pytest.mark.slow
def test_resuming_a_finished_run_only_exports_again(photo: Path, finished: TrainingReport, tmp_path: Path) -> None:
    events: list[str] = []
    report = train(
        [photo],
        tmp_path / "again.onnx",
        TINY,
        device="cpu",
        resume=finished.files.checkpoint,
        progress=lambda event: events.append(event.kind),
    )
    assert "step" not in events
    assert events[-1] == "export"
    assert report.scores == finished.scores
    assert report.loss == finished.loss
    assert report.output.exists()


@pytest.mark.slow
def test_resuming_needs_the_same_recipe_and_notes_other_photos(
    photo: Path, finished: TrainingReport, tmp_path: Path
) -> None:
    output = tmp_path / "model.onnx"
    wider = replace(TINY, network=replace(TINY.network, width=8))
    with pytest.raises(ConfigError, match=r"network\.width 4 there, 8 here"):
        train([photo], output, wider, device="cpu", resume=finished.files.checkpoint)
    with pytest.raises(ConfigError, match=r"network\.width 4 there, 8 here"):
        train([photo], output, wider, device="cpu", init=finished.files.checkpoint)
    with pytest.raises(ConfigError, match="seed 3 there, 4 here"):
        train([photo], output, replace(TINY, seed=4), device="cpu", resume=finished.files.checkpoint)
    with pytest.raises(ConfigError, match="one of them"):
        train([photo], output, TINY, device="cpu", resume=finished.files.checkpoint, init=finished.files.checkpoint)
    assert list(tmp_path.iterdir()) == []
    other = tmp_path / "other.png"
    Image.open(photo).rotate(90, expand=True).save(other)
    notes: list[str] = []
    begin(other, output, listener=lambda event: notes.append(event.message), resume=finished.files.checkpoint)
    assert any("not exactly" in note for note in notes)


@pytest.mark.slow
def test_a_checkpoint_with_the_old_name_of_the_laplacian_rule_goes_on(
    photo: Path, finished: TrainingReport, tmp_path: Path
) -> None:
    state = load_checkpoint(finished.files.checkpoint)
    old = [{("classic" if name == "laplacian" else name): value for name, value in row.items()} for row in state.rows]
    save_checkpoint(tmp_path / "old.pt", replace(state, rows=old))
    assert same(load_checkpoint(tmp_path / "old.pt").rows, state.rows)
    run = begin(photo, tmp_path / "m.onnx", resume=tmp_path / "old.pt")
    run.learn()
    assert curve(run.files.log) == curve(finished.files.log)


@pytest.mark.slow
def test_init_starts_a_new_run_from_the_averaged_weights(photo: Path, finished: TrainingReport, tmp_path: Path) -> None:
    trainer = Trainer(replace(TINY, seed=9), torch.device("cpu"), RunFiles.beside(tmp_path / "new.onnx"))
    trainer.start_from(None, finished.files.checkpoint)
    weights = load_checkpoint(finished.files.checkpoint).ema
    assert trainer.step == 0
    assert same(dict(trainer.state.network.state_dict()), dict(weights))
    assert same(dict(trainer.state.ema.state_dict()), dict(weights))
    # the model file carries the same weights
    trainer.start_from(None, finished.output)
    assert same(dict(trainer.state.network.state_dict()), dict(weights))


@pytest.mark.slow
@pytest.mark.parametrize("way", ["resume", "init"])
def test_weights_of_a_network_with_other_parts_are_refused(
    photo: Path, finished: TrainingReport, tmp_path: Path, way: str
) -> None:
    state = load_checkpoint(finished.files.checkpoint)
    fewer = {name: value for name, value in state.ema.items() if "flaws" not in name}
    older = tmp_path / "older.pt"
    save_checkpoint(older, replace(state, ema=fewer, network=fewer))
    with pytest.raises(ModelError, match=r"older\.pt.*another version.*look\.flaws"):
        train([photo], tmp_path / "m.onnx", TINY, device="cpu", **{way: older})
    assert not (tmp_path / "m.onnx").exists()


@pytest.mark.slow
def test_minutes_end_a_run_that_steps_would_not(photo: Path, tmp_path: Path) -> None:
    clock = Clock(step=0.1)
    run = begin(photo, tmp_path / "m.onnx", scheduled(steps=1_000_000, minutes=0.02), clock.listen, clock=clock)
    run.learn()
    fractions = [event.fraction for event in clock.heard if event.kind == "step"]
    assert run.step == 12
    assert fractions == sorted(fractions)
    assert fractions[-1] >= 0.9
    assert float(curve(run.files.log)[-1]["learning_rate"]) < 0.1 * TINY.training.learning_rate


@pytest.mark.slow
def test_minutes_include_the_last_measurement_and_the_export(photo: Path, tmp_path: Path) -> None:
    clock = Clock(step=8.0, validation=9.0, export=12.0)
    recipe = scheduled(steps=1_000_000, validate_every=1_000)
    started = clock.now - 3  # importing took so long
    report = train(
        [photo],
        tmp_path / "m.onnx",
        recipe,
        device="cpu",
        minutes=2.0,
        progress=clock.listen,
        clock=clock,
        started=started,
    )
    assert (clock.now - started) / 60 == pytest.approx(2.0, rel=0.1)
    assert report.minutes == pytest.approx((clock.now - started) / 60)
    assert float(curve(report.files.log)[-1]["learning_rate"]) < 0.1 * TINY.training.learning_rate
    assert report.card["recipe"]["training"]["minutes"] == 2.0  # type: ignore[index]


@pytest.mark.slow
def test_an_end_that_takes_longer_than_all_the_time_leaves_half_of_it_to_learn(photo: Path, tmp_path: Path) -> None:
    clock = Clock(step=2.0, validation=30.0, export=20.0)
    recipe = scheduled(steps=1_000_000, validate_every=1_000, minutes=1.2)
    run = begin(photo, tmp_path / "m.onnx", recipe, clock.listen, clock=clock)
    rehearse(run)
    run.learn()
    assert run.step == 6  # half of what 72 seconds leave when the rehearsal is over


@pytest.mark.slow
def test_a_model_that_cannot_be_exported_is_found_out_before_hours_of_training(
    photo: Path, finished: TrainingReport, tmp_path: Path
) -> None:
    state = load_checkpoint(finished.files.checkpoint)
    broken = tmp_path / "broken.pt"
    save_checkpoint(broken, replace(state, ema={name: value * math.nan for name, value in state.ema.items()}))
    steps: list[int] = []
    with pytest.raises(ModelError, match="can't be exported"):
        train(
            [photo],
            tmp_path / "m.onnx",
            TINY,
            device="cpu",
            minutes=60,
            init=broken,
            progress=lambda event: steps.append(event.done) if event.kind == "step" else None,
        )
    assert steps == []


@pytest.mark.slow
def test_what_a_model_lacks_is_said_at_the_end_and_in_its_card(finished: TrainingReport) -> None:
    card = load_model(finished.output).card
    assert card.figures["network"] == pytest.approx(finished.scores.network)
    assert card.figures["flaws_learned"] is False
    assert card.warnings() == finished.warnings
    assert any("sharp in no frame" in warning for warning in finished.warnings)


@pytest.mark.slow
def test_minutes_that_are_over_at_once_are_an_error(photo: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="before the first step"):
        train([photo], tmp_path / "m.onnx", TINY, device="cpu", minutes=1e-9)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_checkpoints_come_as_often_as_asked(photo: Path, tmp_path: Path) -> None:
    clock = Clock(step=30.0)
    recipe = scheduled(checkpoint_minutes=1.0, steps=4, validate_every=1_000)
    begin(photo, tmp_path / "m.onnx", recipe, clock.listen, clock=clock).learn()
    kinds = [event.kind for event in clock.heard if event.kind in ("step", "checkpoint")]
    assert kinds == ["step", "step", "checkpoint", "step", "step", "checkpoint", "checkpoint"]  # and one at the end


@pytest.mark.slow
def test_a_new_run_keeps_the_checkpoint_of_an_earlier_one(photo: Path, tmp_path: Path) -> None:
    earlier = tmp_path / "m.checkpoint.pt"
    earlier.write_bytes(b"days of work")
    begin(photo, tmp_path / "m.onnx", scheduled(steps=1)).learn()
    assert (tmp_path / "m.checkpoint.previous.pt").read_bytes() == b"days of work"
    assert load_checkpoint(earlier).step == 1


@pytest.mark.parametrize(
    ("output", "words"),
    [("model.pt", r"\.onnx"), ("none/model.onnx", "does not exist"), ("taken.onnx", "ordinary file")],
)
def test_bad_outputs_are_refused_before_photos_are_read(tmp_path: Path, output: str, words: str) -> None:
    (tmp_path / "taken.onnx").mkdir()
    with pytest.raises(WriteError, match=words):
        train([tmp_path / "no photo.png"], tmp_path / output, TINY)


def test_devices() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    with pytest.raises(ConfigError, match="tpu"):
        choose_device("tpu")
    if not torch.cuda.is_available():
        assert choose_device("auto") == torch.device("cpu")
        with pytest.raises(ConfigError, match="no CUDA GPU"):
            choose_device("cuda")


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.pt"
    path.write_bytes(b"old")

    def fill_the_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fill_the_disk)
    with pytest.raises(WriteError, match="No space left"):
        write_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.slow
def test_checkpoints_that_are_none_are_refused_and_never_executed(tmp_path: Path, finished: TrainingReport) -> None:
    garbage, foreign, cut = tmp_path / "garbage.pt", tmp_path / "foreign.pt", tmp_path / "cut.pt"
    garbage.write_bytes(b"not a checkpoint")
    torch.save({"format": "something else"}, foreign)
    cut.write_bytes(finished.files.checkpoint.read_bytes()[:2000])
    for path in (garbage, foreign, cut):
        with pytest.raises(ModelError, match=path.name):
            load_checkpoint(path)
    with pytest.raises(ReadError, match=r"none\.pt"):
        load_checkpoint(tmp_path / "none.pt")
    hostile, trace = tmp_path / "hostile.pt", tmp_path / "trace"
    hostile.write_bytes(pickle.dumps(Hostile(trace), protocol=2))
    with pytest.raises(ModelError):
        load_checkpoint(hostile)
    assert not trace.exists()


class Hostile:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.trace,)


def test_schedule_rises_then_falls_to_zero_whichever_limit_comes_first() -> None:
    config = TrainingConfig(steps=1000, warmup=50, learning_rate=0.1, minutes=10.0)
    assert schedule_fraction(config, 250, 1.0) == 0.25
    assert schedule_fraction(config, 250, 5.0) == 0.5
    assert schedule_fraction(config, 2000, 0.0) == 1.0
    assert schedule_fraction(replace(config, minutes=None), 0, 1e9) == 0.0
    rates = [learning_rate(config, step, step / 1000) for step in range(1001)]
    assert rates[0] == pytest.approx(0.1 / 50)
    assert rates[:50] == sorted(rates[:50])
    assert rates[50:] == sorted(rates[50:], reverse=True)
    assert max(rates) == pytest.approx(0.1, rel=0.01)
    assert rates[-1] == pytest.approx(0, abs=1e-9)
    assert learning_rate(replace(config, warmup=100_000), 100, 0.1) > 0.09  # short runs don't only warm up


def test_steps_cost_about_the_same_and_cover_the_ranges() -> None:
    recipe = replace(
        TINY,
        shuffle=ShuffleConfig(frames_min=2, frames_max=6),
        training=TrainingConfig(batch=6, octaves_min=2, octaves_max=3),
    )
    plans = [plan_step(recipe, step) for step in range(200)]
    assert {plan.frames for plan in plans} == {2, 3, 4, 5, 6}
    assert {plan.octaves for plan in plans} == {2, 3}
    assert all(abs(plan.groups * plan.frames - 24) <= plan.frames / 2 for plan in plans)
    assert len({plan.seed for plan in plans}) == 200
    assert plan_step(recipe, 17) == plans[17]


def test_large_crops_come_as_often_as_asked_and_cost_no_more() -> None:
    recipe = replace(
        TINY,
        data=replace(TINY.data, crop=32, large_crop=64, large_share=0.25),
        shuffle=ShuffleConfig(frames_min=2, frames_max=16, blur_max=8.0),
        training=replace(TINY.training, batch=3),
    )
    plans = [plan_step(recipe, step) for step in range(400)]
    large = [plan for plan in plans if plan.crop == 64]
    assert len(large) == pytest.approx(100, abs=30)
    assert {plan.crop for plan in plans} == {32, 64}
    pixels = [plan.groups * plan.frames * plan.crop**2 for plan in plans]
    assert max(pixels) <= 1.5 * 27 * 32**2
    assert max(plan.frames for plan in large) > 4


@pytest.mark.slow
def test_learning_on_one_batch_lowers_its_loss_and_moves_the_average() -> None:
    state = TrainState(scheduled(ema=0.9), torch.device("cpu"))
    start = {name: value.clone() for name, value in state.ema.state_dict().items()}
    rng = torch.Generator().manual_seed(1)
    groups = generate(torch.rand(2, 3, 3, 32, 32, generator=rng), TINY.shuffle, 2, rng)
    losses = [state.update(groups, 2, 6e-3, step) for step in range(20)]
    assert losses[-1] < 0.9 * losses[0]
    assert not same(start, dict(state.ema.state_dict()))


@pytest.mark.slow
def test_steps_without_a_finite_gradient_are_skipped_until_patience_ends() -> None:
    state = TrainState(TINY, torch.device("cpu"))
    before = {name: value.clone() for name, value in state.network.state_dict().items()}
    rng = torch.Generator().manual_seed(1)
    groups = generate(torch.rand(1, 3, 3, 32, 32, generator=rng), TINY.shuffle, 2, rng)
    broken = replace(groups, errors=groups.errors * math.nan)
    for step in range(PATIENCE - 1):
        state.update(broken, 2, 1e-3, step)
    assert same(before, dict(state.network.state_dict()))
    with pytest.raises(ConfigError, match="diverged"):
        state.update(broken, 2, 1e-3, PATIENCE - 1)


def test_the_laplacian_rule_on_tensors_is_the_one_of_focus() -> None:
    frames = np.random.default_rng(4).random((2, 3, 3, 40, 56), np.float32)
    energy = laplacian_energy(torch.from_numpy(frames))
    assert energy.shape == (2, 3, 40, 56)
    for k in range(2):
        for n in range(3):
            expected = local_laplacian_energy(np.ascontiguousarray(frames[k, n].transpose(1, 2, 0)))
            np.testing.assert_allclose(energy[k, n].numpy(), expected, rtol=1e-4)


def test_psnr_and_picking() -> None:
    truth = torch.zeros(2, 3, 8, 8)
    assert psnr(truth + 0.1, truth).tolist() == pytest.approx([20.0, 20.0])
    assert psnr(truth, truth).tolist() == pytest.approx([60.0, 60.0])
    frames = torch.arange(3.0).view(1, 3, 1, 1, 1).expand(1, 3, 3, 2, 2)
    index = torch.tensor([[[0, 1], [2, 1]]])
    assert picked(frames, index).equal(index[:, None].expand(1, 3, 2, 2).float())


@pytest.mark.slow
def test_validation_groups_never_change_and_cover_all_frame_counts(photo: Path) -> None:
    sampler = CropSampler([np.asarray(Image.open(photo))], TINY.data, 5)
    first, second = validation_groups(sampler, TINY), validation_groups(sampler, TINY)
    assert [groups.frames.shape[1] for groups in first] == [2, 3]
    assert all(one.frames.equal(two.frames) for one, two in zip(first, second, strict=True))
    untrained = measure(TrainState(TINY, torch.device("cpu")).ema, first, 2)
    assert untrained.oracle >= max(untrained.pick, untrained.laplacian)


@pytest.mark.slow
def test_curve_is_drawn_from_any_log(tmp_path: Path) -> None:
    empty = dict.fromkeys(COLUMNS)
    write_curve(tmp_path / "c.png", [{**empty, "step": 1.0, "loss": 2.0}, {**empty, "step": 2.0, "network": 30.0}])
    with Image.open(tmp_path / "c.png") as picture:
        assert picture.format == "PNG"
