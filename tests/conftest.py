"""Small generated pictures, a small untrained model, and the command line called as a person would."""

from __future__ import annotations

import fcntl
import gc
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

import allfocus
from allfocus.cli import main

if TYPE_CHECKING:
    from allfocus.train.network.fusion_network import FusionNetwork

# Processes side by side share the processors: threads of torch that wait for each other would only take turns.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long an example takes says more about the machine than about the code.
settings.register_profile("allfocus", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("allfocus")


#: Files that take the longest: processes side by side begin with them, so that none is left alone with one at the end.
LONGEST = (
    "test_page.py",
    "test_runs.py",
    "test_terminal.py",
    "test_house.py",
    "test_train_loop.py",
    "test_robustness.py",
)


#: CPU seconds beyond which a test ought to be marked slow: many of these, and the fast tests are no quick answer.
FAST = 1.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


def pytest_collection_finish() -> None:
    """Leave what is here to stay, a few thousand tests and all modules, out of every later search for garbage."""
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Note what a test costs, processes that it started and waited for included."""
    before = os.times()
    try:
        return (yield)
    finally:
        cost = sum(os.times()[:4]) - sum(before[:4])
        if cost > FAST and "slow" not in item.keywords:
            item.user_properties.append(("cost", round(cost, 1)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the tests that ought to be marked slow."""
    reports = terminalreporter.getreports("passed")
    rows = [(cost, report.nodeid) for report in reports for name, cost in report.user_properties if name == "cost"]
    if rows:
        terminalreporter.section(f"not marked slow, and yet more than {FAST} seconds of a processor")
        for cost, name in sorted(rows, reverse=True):
            terminalreporter.write_line(f"{cost:5.1f} s {name}")


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


Cli = Callable[..., Outcome]


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Cli:
    """Run the command line in this process; whatever C libraries print counts too."""

    def call(*arguments: object) -> Outcome:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Outcome(code, out, err)

    return call


@pytest.fixture
def no_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever decodes samples fails: what Pillow, OpenCV and tifffile decode with is gone."""
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", None)
    monkeypatch.setattr("cv2.imdecode", None)
    monkeypatch.setattr("tifffile.TiffPage.asarray", None)


@pytest.fixture(scope="session")
def tiny_network() -> FusionNetwork:
    """A network of the real plan, small and untrained; its heads are moved off zero so that every part speaks."""
    import torch

    from allfocus.decision.network import OUT_OF_FOCUS, VEILED
    from allfocus.train.config import NetworkConfig
    from allfocus.train.network.fusion_network import FusionNetwork

    with torch.random.fork_rng():
        torch.manual_seed(5)
        network = FusionNetwork(
            NetworkConfig(width=8, depth=2, glance_width=8, glance_depth=2, state=4, heads=2)
        ).eval()
        for part in (network.glance, network.look):
            torch.nn.init.normal_(part.head.conv.weight, std=0.3)
        assert network.look.flaws.tell.bias is not None
        network.look.flaws.tell.bias.data = torch.tensor([OUT_OF_FOCUS, VEILED]).repeat_interleave(
            4
        )  # about half of all is flawed
    return network


@pytest.fixture(scope="session")
def tiny_model(request: pytest.FixtureRequest) -> Path:
    """`tiny_network` as a model file: what needs a model is tested without the shipped weights.

    torch and the export take seconds: the file is kept for processes side by side and for later runs, as long as all
    that makes it stays the same.
    """
    if find_spec("torch") is None:
        pytest.skip("a small model is made by torch (extra: train)")
    assert request.config.cache is not None
    folder = request.config.cache.mkdir("tiny_model")
    path = folder / f"{fingerprint_of_export()}.onnx"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            from allfocus.train.config import Recipe
            from allfocus.train.onnx.export import card_of, export

            for old in folder.glob("*.onnx"):
                old.unlink()
            network = request.getfixturevalue("tiny_network")
            export(network, path, card_of(Recipe(name="tiny", network=network.config), {"photos": 0}, {}))
    return path


def fingerprint_of_export() -> str:
    """Another one whenever a line changes of what makes `tiny_model`, or torch does."""
    package = Path(allfocus.__file__).parent
    sources = [Path(__file__), *(path for room in ("train", "decision") for path in (package / room).rglob("*.py"))]
    content = b"".join(path.read_bytes() for path in sorted(sources))
    return sha256(content + version("torch").encode()).hexdigest()[:16]


@pytest.fixture(scope="session")
def page_files() -> None:
    """Skips the test where the page was not built."""
    from studio_page import ASSETS

    pytest.importorskip("uvicorn", reason="the page needs the extra web")
    if not (ASSETS / "page.js").exists():
        pytest.skip("the page was not built; run 'make studio'")


@pytest.fixture(scope="session")
def browser(page_files: None) -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright."""
    from studio_page import CHROMIUM

    if not CHROMIUM.exists():
        pytest.skip("chromium is not installed")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()
