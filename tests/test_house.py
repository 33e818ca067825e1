"""Rules of the house: what importing costs, what the public names are, what the wheel holds, how long code may get."""

import ast
import dataclasses
import inspect
import os
import re
import statistics
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import allfocus

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src" / "allfocus").rglob("*.py"))
HEAVY = ("torch", "onnxruntime", "cv2")
MEBI = 2**20


def python(code: str) -> str:
    """Run `code` in an interpreter of its own and return what it prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout


@pytest.mark.parametrize(
    "use",
    [
        "import allfocus",
        "from allfocus.cli import main; main(['--help'])",
        "from allfocus.cli import main; main(['fuse', '--help'])",
        "from allfocus.cli import main; main(['train', '--help'])",
        "from allfocus.cli import main; main([])",
    ],
)
def test_nothing_heavy_loads_before_it_is_needed(use: str) -> None:
    report = f"import sys; print('LOADED', [name for name in {HEAVY} if name in sys.modules])"
    assert python(f"{use}\n{report}").splitlines()[-1] == "LOADED []"


def test_public_names_are_sorted_complete_and_there() -> None:
    assert allfocus.__all__ == sorted(allfocus.__all__)
    assert set(allfocus.__all__) == set(allfocus._HOMES)
    for name in allfocus.__all__:
        assert getattr(allfocus, name).__name__ == name
    assert set(allfocus.__all__) < set(dir(allfocus))
    with pytest.raises(AttributeError, match="no_such_name"):
        allfocus.no_such_name  # noqa: B018


def test_type_checkers_and_the_running_program_see_the_same_names() -> None:
    tree = ast.parse((ROOT / "src/allfocus/__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    seen = {alias.name: node.module for node in imports for alias in node.names}
    assert seen == {name: f"allfocus.{home}" for name, home in allfocus._HOMES.items()}


def test_options_are_the_flags_of_fuse() -> None:
    from allfocus.cli.fuse import fuse

    flags = inspect.signature(fuse).parameters
    for option in dataclasses.fields(allfocus.FusionOptions):
        assert option.name in flags
        # a map that is asked for by naming its file is not made unless it is
        assert flags[option.name].default == (None if option.name == "depth" else option.default)
    files = {"frames", "output", "index_map", "confidence", "depth_preview", "unsharp", "veiled", "save_transforms"}
    files_and_talk = files | {
        "channel_for_focus",
        "no_align",
        "outputs",
        "slab",
        "report",
        "dry_run",
        "progress",
        "quiet",
        "debug",
    }
    assert set(flags) == files_and_talk | {option.name for option in dataclasses.fields(allfocus.FusionOptions)}


def test_every_module_says_what_it_is_for() -> None:
    silent = [str(path.relative_to(ROOT)) for path in SOURCES if not ast.get_docstring(ast.parse(path.read_text()))]
    assert not silent


def test_functions_and_files_stay_short() -> None:
    lengths = sorted(length for path in SOURCES for length in body_lengths(path))
    assert statistics.median(lengths) <= 12
    assert lengths[int(0.9 * len(lengths))] < 30
    long_files = [path.name for path in SOURCES if len(path.read_text().splitlines()) > 300]
    assert not long_files


def body_lengths(path: Path) -> Iterator[int]:
    """Lines of each function's body, its docstring left out."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            yield (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_no_file_names_a_place_on_one_machine() -> None:
    # Joined here so that this file does not hold what it looks for.
    places = re.compile("|".join(f"(?<![\\w.])/{top}/\\w" for top in ("work", "root", "home", "Users", "tmp")))
    found = [path for path in tracked_files() if places.search(path.read_text(errors="replace"))]
    assert not found


def tracked_files() -> list[Path]:
    """The text files that git tracks; of a source archive without git, all of them."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    names = listed.stdout.split("\0") if listed.returncode == 0 else [str(p) for p in SOURCES]
    binary = {".webp", ".png", ".jpg", ".onnx", ".tif"}
    paths = [ROOT / name for name in names if name]
    return [path for path in paths if path.is_file() and path.suffix not in binary]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as it would be published."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT))
    return next(folder.glob("allfocus-*.whl"))


def pip(*arguments: str, interpreter: str = sys.executable) -> None:
    """Run pip; its words show when it fails."""
    done = subprocess.run(
        [interpreter, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_wheel_holds_the_program_and_its_data_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    package = {name for name in sizes if name.startswith("allfocus/")}
    assert all(name.startswith(("allfocus/", f"allfocus-{allfocus.__version__}.dist-info/")) for name in sizes)
    assert {"allfocus/py.typed", "allfocus/demo_stack/frame1.webp", "allfocus/demo_stack/truth.webp"} <= package
    assert {Path(name).suffix for name in package} <= {".py", ".typed", ".webp", ".md", ".onnx"}
    assert {f"allfocus/{path.relative_to(ROOT / 'src/allfocus').as_posix()}" for path in SOURCES} <= package
    weights = [size for name, size in sizes.items() if re.fullmatch(r"allfocus/weights/\w+\.onnx", name)]
    assert weights
    assert sum(weights) <= 10e6
    assert sum(sizes.values()) <= 20 * MEBI


@pytest.mark.slow
def test_the_core_alone_runs_the_demo_and_stays_small(wheel: Path, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    pip("install", "-c", str(ROOT / "constraints.txt"), str(wheel), interpreter=str(venv / "bin/python"))
    site = next(venv.glob("lib/python*/site-packages"))
    assert not (site / "torch").exists()
    assert installed_size(site) <= 300 * MEBI

    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [str(venv / "bin/allfocus"), "demo", "-o", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=clean, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "classic rule" in done.stdout
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "before_after.png",
        "index_map.png",
        "sharp.png",
    ]


def installed_size(site: Path) -> int:
    """Bytes of a site-packages folder as the wheels deliver it: without bytecode and what venv itself puts there."""
    venv_own = ("pip", "setuptools", "_distutils_hack", "pkg_resources")
    files = [path for path in site.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    return sum(path.stat().st_size for path in files if not path.relative_to(site).parts[0].startswith(venv_own))
