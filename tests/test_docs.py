"""What README and docs show is true: their Python runs, their command lines parse, their tables are the code's."""

import re
import runpy
import shlex
import tomllib
from pathlib import Path

import pytest
import typer

import allfocus
from allfocus.cli.entry import app
from allfocus.io import write_image
from pictures import focal_frames

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "models").glob("*.md"))]
#: What a file of the Citation File Format may hold at its top, by the schema of version 1.2.0.
CITATION_KEYS = set(
    re.findall(
        r"[\w-]+",
        "abstract authors cff-version commit contact date-released doi identifiers keywords license license-url "
        "message preferred-citation references repository repository-artifact repository-code title type url version",
    )
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def fenced(page: Path, *kinds: str) -> list[str]:
    """The blocks of a page that are in one of some languages."""
    return [text for kind, text in FENCE.findall(page.read_text(encoding="utf-8")) if kind in kinds]


def command_lines() -> list[tuple[str, str]]:
    """Every `allfocus ...` line of every page, without its comment."""
    found = []
    for page in PAGES:
        for line in "\n".join(fenced(page, "sh", "bash", "", "console")).splitlines():
            for part in line.split("&&"):
                if part.strip().startswith("allfocus "):
                    found.append((page.name, part.strip()))
    return found


@pytest.mark.parametrize(("page", "line"), command_lines())
def test_command_lines_parse(page: str, line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    if words == ["--version", "--verbose"]:
        return  # no command; run by `test_program`
    command = typer.main.get_command(app).commands[words[0]]
    try:
        command.make_context(words[0], words[1:])
    except typer.Exit as stop:  # help
        assert stop.exit_code == 0


def test_there_are_command_lines_to_check() -> None:
    assert len([page for page, _ in command_lines() if page == "README.md"]) > 8


def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stack").mkdir()
    for number, frame in enumerate(focal_frames(140, 140, 3)):
        write_image(tmp_path / "stack" / f"f{number}.png", frame)
    monkeypatch.chdir(tmp_path)
    blocks = fenced(ROOT / "README.md", "python")
    assert blocks
    for block in blocks:
        values: dict[str, object] = {}
        exec(compile(block, "README.md", "exec"), values)
        assert isinstance(values["part"], allfocus.FusionResult)
        assert values["part"].image.shape[:2] == (100, 100)
    assert {"sharp.jpg", "index.png", "confidence.png"} <= {path.name for path in tmp_path.iterdir()}


def test_the_option_table_is_made_from_the_options() -> None:
    made = runpy.run_path(str(ROOT / "docs/make_options.py"))["make_page"]()
    assert made == (ROOT / "docs/options.md").read_text(encoding="utf-8"), "run python docs/make_options.py"


def test_the_floors_in_the_architecture_are_those_that_are_checked() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    listed = re.search(r"<!-- floors -->\n```\n(.*?)```", page, re.DOTALL)
    assert listed is not None
    assert listed[1].splitlines() == layers


def test_every_room_stands_in_the_architecture() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    rooms = {path.parent.name for path in (ROOT / "src/allfocus").glob("*/__init__.py")}
    assert not [room for room in rooms if f"\n  {room}/" not in page]


def test_every_module_stands_in_its_room() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    tree = page.partition("\nsrc/allfocus/\n")[2].partition("\n```")[0]
    named = {part.partition("/")[0]: set(re.findall(r"\w+", part)) for part in re.split(r"\n  (?=\S)", "\n" + tree)[1:]}
    paths = [path.relative_to(ROOT / "src/allfocus") for path in (ROOT / "src/allfocus").glob("*/*.py")]
    assert not [path for path in paths if path.stem != "__init__" and path.stem not in named[path.parts[0]]]


def test_links_between_pages_lead_somewhere() -> None:
    broken = []
    for page in [*PAGES, *(ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"))]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if not (page.parent / target).exists():
                broken.append(f"{page.name}: {target}")
    assert not broken


def test_the_citation_names_this_version() -> None:
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {allfocus.__version__}\n" in text
    assert text.startswith("cff-version: 1.2.0\n")
    # what version 1.2.0 of the Citation File Format requires, of the file and of each thing it refers to
    keys = set(re.findall(r"^([\w-]+):", text, re.MULTILINE))
    assert {"cff-version", "message", "title", "authors"} <= keys <= CITATION_KEYS
    references = re.split(r"^  - ", text.partition("\nreferences:\n")[2], flags=re.MULTILINE)[1:]
    assert references
    for reference in references:
        assert {"type", "title", "authors"} <= set(re.findall(r"^(?: {4})?([\w-]+):", reference, re.MULTILINE))
    assert re.search(r"^authors:\n  - (name|family-names|given-names|alias): \S", text, re.MULTILINE)
