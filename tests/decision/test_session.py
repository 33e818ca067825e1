"""Where the network computes: what this onnxruntime knows, the best of it, and one line where it is not there."""

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, get_args

import numpy as np
import pytest

import allfocus
from allfocus.core.pyramid import ENERGIES, PATCH, PyramidLevel
from allfocus.decision.model import SHIPPED, load_model
from allfocus.decision.session import ACCELERATORS, choose_device, open_session
from allfocus.errors import MissingExtraError, ModelError
from allfocus.options import Device
from conftest import Cli
from pictures import focal_frames, write_pair

CPU, CUDA, COREML, DML = (f"{name}ExecutionProvider" for name in ("CPU", "CUDA", "CoreML", "Dml"))
Install = Callable[..., list[list[Any]]]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """An onnxruntime with these providers, of which some are without their libraries or can't open a model."""

    def do(*providers: str, broken: Sequence[str] = (), silent: Sequence[str] = ()) -> list[list[Any]]:
        asked: list[list[Any]] = []

        class Session:
            def __init__(self, content: bytes, options: Any, providers: list[Any], **more: Any) -> None:
                asked.append(providers)
                self._names = [name if isinstance(name, str) else name[0] for name in providers]
                if set(self._names) & set(broken):
                    raise RuntimeError("no driver\nat line 3")

            def get_providers(self) -> list[str]:
                return [name for name in self._names if name not in silent]

        monkeypatch.setattr("onnxruntime.get_available_providers", lambda: [*providers, CPU])
        monkeypatch.setattr("onnxruntime.InferenceSession", Session)
        return asked

    return do


def opened(device: Device) -> Any:
    return open_session(Path("m.onnx"), b"", is_large=False, is_ours=True, device=device)


def test_every_device_that_can_be_asked_for_is_known() -> None:
    assert {"auto", "cpu", *ACCELERATORS} == set(get_args(Device))


@pytest.mark.parametrize(
    ("there", "expected"),
    [([], "cpu"), (["AzureExecutionProvider"], "cpu"), ([COREML], "cpu"), ([DML, CUDA], "cuda"), ([DML], "dml")],
)
def test_auto_is_the_best_there_is(install: Install, there: list[str], expected: str) -> None:
    install(*there)
    assert choose_device("auto") == expected
    assert choose_device("cpu") == "cpu"


def test_an_accelerator_comes_first_and_the_processor_has_the_rest(install: Install) -> None:
    asked = install(CUDA)
    assert (opened("auto").device, opened("auto").note) == ("cuda", "")
    assert asked[0] == [(CUDA, dict(ACCELERATORS["cuda"].settings)), CPU]
    assert opened("cpu").device == "cpu"
    assert asked[-1] == [CPU]


def test_threads_take_turns_where_a_session_is_not_to_be_shared(install: Install) -> None:
    install(CUDA, DML)
    assert isinstance(opened("dml").one_at_a_time, type(Lock()))
    assert not isinstance(opened("cuda").one_at_a_time, type(Lock()))


def test_a_device_that_is_not_there_is_one_line_that_says_what_to_install(install: Install) -> None:
    install(COREML)
    with pytest.raises(MissingExtraError, match=r"device cuda: .* computes on coreml, cpu alone; .*onnxruntime-gpu"):
        opened("cuda")


@pytest.mark.parametrize(
    ("how", "why"), [({"broken": [CUDA]}, r"\(no driver\)"), ({"silent": [CUDA]}, "no such device, or not all of its")]
)
def test_a_device_that_fails_is_left_for_the_processor_with_a_note_unless_it_was_named(
    install: Install, how: dict[str, list[str]], why: str
) -> None:
    install(CUDA, **how)
    found = opened("auto")
    assert found.device == "cpu"
    assert "device cuda: it can't be used here" in found.note and "processor" in found.note
    with pytest.raises(MissingExtraError, match=f"device cuda: .*{why}"):
        opened("cuda")


def test_a_damaged_model_is_not_blamed_on_the_device(install: Install) -> None:
    install(CUDA, broken=[CUDA, CPU])
    with pytest.raises(ModelError, match="corrupt"):
        opened("auto")


def test_the_note_reaches_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: [CUDA, CPU])
    load_model.__globals__["_load"].cache_clear()
    frames = [np.random.default_rng(k).random((40, 56, 3), np.float32) for k in range(2)]
    result = allfocus.fuse(frames, align="none", halos="keep")
    load_model.__globals__["_load"].cache_clear()
    assert [note.code for note in result.notes if note.code == "device"] == ["device"]


def test_the_command_line_says_it_in_a_line(cli: Cli, tmp_path: Path, install: Install) -> None:
    install(DML)
    write_pair(tmp_path)
    done = cli("fuse", str(tmp_path), "-o", str(tmp_path / "o.png"), "--device", "coreml")
    assert done.code == 1
    assert done.err.count("\n") == 1 and "device coreml" in done.err and "dml, cpu" in done.err
    assert not (tmp_path / "o.png").exists()


@pytest.fixture
def accelerator() -> Device:
    """The best device of this machine."""
    device = choose_device("auto")
    if device == "cpu" or load_model(device="auto").device == "cpu":
        pytest.skip("onnxruntime knows no device but the processor here")
    return device  # type: ignore[return-value]


@pytest.mark.gpu
def test_an_accelerator_says_what_the_processor_says(accelerator: Device) -> None:
    rng = np.random.default_rng(0)

    def level(side: int) -> PyramidLevel:
        energy = rng.random((5, ENERGIES, side // PATCH, side // PATCH), np.float32)
        return PyramidLevel(pixels=rng.random((5, 3, side, side), np.float32), energy=energy)

    coarse, fine = level(64), level(128)
    answers = []
    for device in ("cpu", accelerator):
        model = load_model(SHIPPED, is_large=True, device=device)
        coarsest = model.answer_coarsest(coarse)
        answers.append((coarsest, *(model.refine(fine, coarsest, octave) for octave in (2, 1, 0))))
    for own, other in zip(*answers, strict=True):
        np.testing.assert_allclose(own.logits, other.logits, atol=1e-3)


@pytest.mark.gpu
def test_an_accelerator_picks_the_frames_that_the_processor_picks(accelerator: Device) -> None:
    frames = focal_frames(600, 800, 4)
    own, other = (allfocus.fuse(frames, align="none", device=device) for device in ("cpu", accelerator))
    assert (own.index_map == other.index_map).mean() >= 0.9999
