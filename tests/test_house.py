"""Rules of the house: what importing costs, what the public names are, what the wheel holds, how long code may get."""

import ast
import dataclasses
import inspect
import os
import re
import statistics
import subprocess
import sys
import typing
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import allfocus
from terminal import assert_drew_bars, on_terminal
from trees import ROOT, SOURCES, trees

HEAVY = ("torch", "onnxruntime", "cv2", "rich", "dask", "distributed")
MEBI = 2**20


def python(code: str) -> str:
    """Run `code` in an interpreter of its own and return what it prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout


def test_nothing_heavy_loads_before_it_is_needed() -> None:
    uses = ["import allfocus; from allfocus.cli import main"]
    uses += [
        f"main({typed})"
        for typed in (
            ["--version"],
            [],
            *([*word, "--help"] for word in ([], ["fuse"], ["batch"], ["watch"], ["train"])),
        )
    ]
    report = f"print('LOADED', [name for name in {HEAVY} if name in sys.modules])"
    lines = python("\n".join(["import sys", *(f"{use}\n{report}" for use in uses)])).splitlines()
    assert [line for line in lines if line.startswith("LOADED")] == len(uses) * ["LOADED []"]


@pytest.mark.slow
def test_importing_and_helping_cost_as_much_as_before() -> None:
    unit = cpu_seconds("import numpy")  # a bare interpreter takes less than the clock of the system tells apart
    assert cpu_seconds("import allfocus; allfocus.__all__") < unit
    assert cpu_seconds("from allfocus.cli import main; main(['fuse', '--help'])") < 4 * unit


def cpu_seconds(code: str) -> float:
    """Of a new interpreter that runs `code`: the least of three, since others use this machine too."""
    times = []
    for _ in range(3):
        before = os.times()
        python(code)
        after = os.times()
        times.append(after.children_user - before.children_user + after.children_system - before.children_system)
    return min(times)


def test_public_names_are_sorted_and_there() -> None:
    assert sorted(allfocus.__all__) == sorted(set(allfocus.__all__))
    for name in allfocus.__all__:
        assert getattr(allfocus, name) is not None
    assert set(allfocus.__all__) < set(dir(allfocus)) | {"__version__"}
    with pytest.raises(AttributeError, match="no_such_name"):
        allfocus.no_such_name  # noqa: B018


def test_public_names_stand_once_and_in_order() -> None:
    tree = ast.parse((ROOT / "src/allfocus/__init__.pyi").read_text())
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    seen = sorted(alias.name for node in imports for alias in node.names)
    listed = next(node.value for node in tree.body if isinstance(node, ast.Assign))
    assert ast.literal_eval(listed) == seen == sorted(allfocus.__all__)


def test_every_error_that_a_docstring_names_is_public() -> None:
    from allfocus import errors

    classes = {name for name, one in vars(errors).items() if isinstance(one, type) and issubclass(one, Exception)}
    assert classes <= set(allfocus.__all__)
    named = {
        word for path in SOURCES for word in re.findall(r"^ {8}(\w+(?:Error|Cancelled)): ", path.read_text(), re.M)
    }
    assert {name for name in named if not hasattr(__builtins__, name) and name in classes} <= set(allfocus.__all__)


def test_flags_are_made_from_options_and_outputs() -> None:
    from allfocus.cli.fuse import fuse
    from allfocus.core.typed import choices
    from allfocus.outputs.wishes import Outputs

    flags = inspect.signature(fuse).parameters
    hints = typing.get_type_hints(allfocus.FusionOptions)
    outputs = {item.name for item in dataclasses.fields(Outputs)} - {"image", "beside"}
    options = {item.name for item in dataclasses.fields(allfocus.FusionOptions)} - {
        "depth"
    }  # the map's flag names a file
    for item in dataclasses.fields(allfocus.FusionOptions):
        if item.name in options:
            assert flags[item.name].default == item.default
            assert flag_choices(flags[item.name]) == choices(hints[item.name])
            assert flag_help(flags[item.name]) == item.metadata["help"]
    own = {
        "context",
        "frames",
        "output",
        "channel_for_focus",
        "no_align",
        "outputs",
        "slab",
        "options",
        "progress",
        "project",
    }
    own |= {"dry_run", "quiet", "debug", "old_unsharp"}
    assert set(flags) == options | outputs | own


def flag_choices(flag: inspect.Parameter) -> tuple[str, ...]:
    """What a flag may be: of its type, or of the words between the brackets of its metavar."""
    from allfocus.core.typed import choices

    kind, option = typing.get_args(flag.annotation)
    found = choices(kind)
    return found or tuple((option.metavar or "").strip("[]").split("|") if "|" in (option.metavar or "") else ())


def flag_help(flag: inspect.Parameter) -> str:
    return str(typing.get_args(flag.annotation)[1].help)


def test_the_command_line_stays_small() -> None:
    lines = sum(len(path.read_text().splitlines()) for path in SOURCES if "cli" in path.parts)
    assert lines <= 1200


def test_every_module_says_what_it_is_for() -> None:
    silent = [str(path.relative_to(ROOT)) for path, tree in trees().items() if not ast.get_docstring(tree)]
    assert not silent


def test_functions_and_files_stay_short() -> None:
    lengths = sorted(length for tree in trees().values() for length in body_lengths(tree))
    assert statistics.median(lengths) <= 12
    assert lengths[int(0.9 * len(lengths))] < 30
    long_files = [path.name for path in SOURCES if len(path.read_text().splitlines()) > 300]
    assert not long_files


def body_lengths(tree: ast.Module) -> Iterator[int]:
    """Lines of each function's body, its docstring left out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            yield (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_no_file_names_a_place_on_one_machine() -> None:
    # Joined here so that this file does not hold what it looks for.
    places = re.compile(r"(?<![\w.])/(?:" + "|".join(("work", "root", "home", "Users", "tmp")) + r")/\w")
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


def pip(*arguments: str) -> None:
    """Run pip; its words show when it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments],
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
    assert {Path(name).suffix for name in package} <= {
        *(".py", ".pyi", ".typed", ".webp", ".md", ".onnx", ".css", ".js"),
        *(".html", ".txt"),  # the page, where it was built
        ".yaml",  # the manifest for napari
    }
    assert {f"allfocus/{path.relative_to(ROOT / 'src/allfocus').as_posix()}" for path in SOURCES} <= package
    assert {f"allfocus/outputs/report/static/{name}" for name in ("report.css", "report.js")} <= package
    weights = [size for name, size in sizes.items() if re.fullmatch(r"allfocus/weights/\w+\.onnx", name)]
    assert weights
    assert sum(weights) <= 10e6
    assert sum(sizes.values()) <= 20 * MEBI


@pytest.mark.slow
def test_the_same_sources_make_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path), str(ROOT))
    assert next(tmp_path.glob("*.whl")).read_bytes() == wheel.read_bytes()


@pytest.mark.slow
def test_the_core_alone_runs_the_demo_and_stays_small(wheel: Path, tmp_path: Path) -> None:
    venv, core = tmp_path / "venv", core_packages()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    site = next(venv.glob("lib/python*/site-packages"))
    link_packages(core, site)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    assert not (site / "torch").exists()
    assert not (site / "dask").exists()
    delivered = sum(path.stat().st_size for package in core for path in files_of(package) if path.suffix != ".pyc")
    assert delivered + sum(path.stat().st_size for path in (site / "allfocus").rglob("*.*")) <= 300e6

    [seen] = on_terminal("demo", "-o", "out", folder=tmp_path, python=venv / "bin/python", PYTHONPATH="")
    assert seen.code == 0, seen.lines
    assert_drew_bars(seen)
    assert any("Laplacian rule" in line for line in seen.lines)
    assert any(line.startswith("before and after: ") for line in seen.lines)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "before_after.png",
        "index_map.png",
        "sharp.png",
    ]


@pytest.mark.slow
def test_a_plain_install_stays_small_too(wheel: Path, tmp_path: Path) -> None:
    """What anyone gets who knows nothing of constraints.txt, whatever was released since."""
    pip("download", "--only-binary", ":all:", "--dest", str(tmp_path), str(wheel))
    sizes = [entry.file_size for path in tmp_path.glob("*.whl") for entry in zipfile.ZipFile(path).infolist()]
    assert 150e6 < sum(sizes) <= 300e6


def core_packages() -> list[Distribution]:
    """What allfocus needs without any extra, directly or not, as it is installed here."""
    found, waiting = dict[str, Distribution](), ["allfocus"]
    while waiting:
        for line in distribution(waiting.pop()).requires or ():
            wanted = Requirement(line)
            if wanted.name not in found and (wanted.marker is None or wanted.marker.evaluate({"extra": ""})):
                found[wanted.name] = distribution(wanted.name)
                waiting.append(wanted.name)
    return list(found.values())


def files_of(package: Distribution) -> Iterator[Path]:
    """The files of an installed package, without the programs it brings."""
    paths = (Path(str(package.locate_file(file))) for file in package.files or () if ".." not in file.parts)
    return (path for path in paths if path.is_file())


def link_packages(packages: list[Distribution], site: Path) -> None:
    """Make installed packages, and no others, importable from another folder."""
    for package in packages:
        for top in {file.parts[0] for file in package.files or ()} - {".."}:
            if not (site / top).exists():
                (site / top).symlink_to(str(package.locate_file(top)))
