"""The site: its pages are made from the code and from what was measured, lead somewhere, and do what they show."""

import re
import runpy
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tifffile

import allfocus
from allfocus.io import write_image
from allfocus.outputs.save import save
from conftest import Cli
from pictures import focal_frames
from test_docs import PAGES, command_lines, fenced

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"

#: First words and arguments of what is not run: it needs a person, a cluster, a camera's or a microscope's file, or
#: minutes. That it parses is tested in `test_docs`, that such commands work in the tests of their rooms.
NOT_RUN = re.compile(
    r"^allfocus (studio|watch|train|batch|synth)\b|\.ARW|czi|zarr|\.lif|--project|DCIM|Real-MFF|^allfocus --v|peers"
)


def script(name: str) -> dict[str, Any]:
    """What one of the scripts beside the pages defines."""
    return runpy.run_path(str(DOCS / f"{name}.py"))


@pytest.mark.parametrize("name", ["commands", "formats"])
def test_pages_are_made_from_the_code(name: str) -> None:
    made = script(f"make_{name}")["make_page"]()
    assert made == (DOCS / f"{name}.md").read_text(encoding="utf-8"), f"run python docs/make_{name}.py"


def test_models_have_their_cards() -> None:
    models = script("make_models")
    files = sorted(models["WEIGHTS"].glob("*.onnx"))
    assert {path.stem for path in files} == {path.stem for path in models["CARDS"].glob("*.md")} - {"README"}
    for path in files:
        page = (models["CARDS"] / f"{path.stem}.md").read_text(encoding="utf-8")
        assert models["make_page"](path) == page, "run python docs/make_models.py"
        _, _, by_hand = page.partition(models["MARK"])
        titles = ("What it is for", "How it was trained", "Limits")
        assert all(f"\n## {title}\n" in by_hand for title in titles)


def test_figures_are_those_that_were_measured() -> None:
    figures = script("make_figures")
    assert not figures["stale"](), "run python docs/make_figures.py"
    page = (DOCS / "benchmark.md").read_text(encoding="utf-8")
    changed = re.sub(r"(\| pair of 0.5 MP \|) [\d.]+ \|", r"\1 0.123 |", page, count=1)
    assert changed != page
    assert figures["filled"](changed) == page


def test_every_page_is_in_the_navigation_and_every_link_leads_to_something(tmp_path: Path) -> None:
    site = script("make_site")
    site["make_site"].__globals__["TARGET"] = tmp_path / "pages"
    site["make_site"]()
    pages = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "pages").glob("*.md")}
    listed = set(re.findall(r"[\w-]+\.md", str(tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"])))
    assert listed == set(pages)
    broken = []
    for name, text in pages.items():
        for target, anchor in re.findall(
            r"\]\(([^)#:\s]*)(?:#([^)\s]+))?\)", re.sub(r"(?s)```.*?```|`[^`]*`", "", text)
        ):
            place = target or name
            if place in pages and anchor and anchor not in anchors(pages[place]):
                broken.append(f"{name}: {place}#{anchor}")
            if not (tmp_path / "pages" / place).exists():
                broken.append(f"{name}: {place}")
    assert not broken


def anchors(text: str) -> set[str]:
    """What headings of a page are called in links."""
    titles = re.findall(r"^#+ (.*)$", re.sub(r"(?s)```.*?```", "", text), re.MULTILINE)
    return {re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower()) for title in titles}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that pages speak of, small."""
    folder = tmp_path_factory.mktemp("reader")
    frames = focal_frames(72, 80, 3)
    for name in ("stack", "handheld"):
        (folder / name).mkdir()
        for number, frame in enumerate(frames):
            write_image(folder / name / f"f{number}.png", frame)
    write_image(folder / "near.jpg", frames[0])
    write_image(folder / "far.jpg", frames[2])
    planes = [frame[..., 1] for frame in frames]
    tifffile.imwrite(folder / "stack.tif", planes, photometric="minisblack")
    channels = [[plane, plane] for plane in planes]
    names = {"axes": "ZCYX", "Channel": {"Name": ["DAPI", "GFP"]}}
    tifffile.imwrite(folder / "cells.ome.tif", channels, photometric="minisblack", metadata=names)
    shutil.copy(next((ROOT / "src/allfocus/weights").glob("*.onnx")), folder / "mine.onnx")
    (folder / "macro.toml").write_text('compose = "hard"\n')
    for scene in ("one", "two"):
        (folder / "scenes" / scene).mkdir(parents=True)
        for number, frame in enumerate(frames[:2]):
            write_image(folder / "scenes" / scene / f"image{number + 1}.png", frame)
        write_image(folder / "scenes" / scene / "truth.png", frames[1])
        (folder / "pictures").mkdir(exist_ok=True)
        write_image(folder / "pictures" / f"scenes__{scene}.png", frames[1])
    save(allfocus.fuse(frames, method="laplacian", align="none"), folder / "sharp.png")
    (folder / "project.pto").write_bytes(b"")
    return folder


def runnable() -> Iterator[Any]:
    """Each command line once, with those that need files of earlier ones behind them."""
    seen = {shlex.join(shlex.split(line, comments=True)) for _, line in command_lines()}
    lines = sorted(seen, key=lambda line: ("--transforms" in line or "report-mine" in line, line))
    yield from (line for line in lines if not NOT_RUN.search(line))


@pytest.mark.slow
@pytest.mark.parametrize("line", list(runnable()))
def test_command_lines_run(line: str, workspace: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    monkeypatch.chdir(workspace)
    outcome = cli(*shlex.split(line)[1:])
    assert outcome.code == 0, outcome.err


def test_there_are_command_lines_to_run() -> None:
    assert len(list(runnable())) > 25


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if fenced(page, "python")], ids=lambda page: page.name)
def test_python_of_the_pages_runs(page: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)
    for block in fenced(page, "python"):
        if "slice(0, 100)" in block and page.name == "README.md":
            continue  # run by `test_docs`
        exec(compile(block, page.name, "exec"), {})


def test_the_man_page_names_every_option_and_is_well_formed(tmp_path: Path) -> None:
    commands = script("make_commands")
    page = commands["make_man"]()
    assert page.count("\n.SS ") == len(list(commands["commands"]()))
    assert "\\-\\-halos <remove|keep>" in page
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    (tmp_path / "allfocus.1").write_text(page, encoding="utf-8")
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-K", "utf8", str(tmp_path / "allfocus.1")], capture_output=True, text=True
    )
    assert done.returncode == 0
    assert not done.stderr
    assert "allfocus fuse [OPTIONS]" in re.sub(".\x08", "", done.stdout)
