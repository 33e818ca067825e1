"""Gather the pages of the site in build/pages, from which `make docs` builds it: python docs/make_site.py.

The pages are those of docs/, which read well in a forge too; README's place is taken by docs/index.md. Added are a
reference of the public names, for mkdocstrings, and those files at the top of the repository that pages lead to. Links
are turned to where things lie in the site.
"""

import inspect
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import allfocus

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
TARGET = ROOT / "build/pages"
FILES = "files"

#: Pages that lie outside of docs/.
OTHERS = {
    "CHANGELOG.md": "changes.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "models/README.md": "models.md",
    "models/default.md": "model-default.md",
}
LINK = re.compile(r"(\]\()([^)#:\s]+)((?:#[^)]*)?\))")
CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)

REFERENCE = """\
# Reference

Every public name of `allfocus`, from its docstring. [How they go together](python.md).
"""


def make_site() -> None:
    """Write all pages anew."""
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir(parents=True)
    pages = {path: path.name for path in sorted(DOCS.glob("*.md"))}
    pages |= {ROOT / name: place for name, place in OTHERS.items()}
    places = pages | {ROOT / "README.md": "index.md", ROOT / "src/allfocus/__init__.pyi": "reference.md"}
    for page, place in pages.items():
        (TARGET / place).write_text(turned(page, places), encoding="utf-8")
    (TARGET / "reference.md").write_text(reference(), encoding="utf-8")
    shutil.copytree(DOCS / "images", TARGET / "images")
    shutil.copy(DOCS / "site.css", TARGET / "site.css")


def turned(page: Path, places: dict[Path, str]) -> str:
    """A page whose links lead to where things lie in the site; files that they lead to are copied there."""

    def turn(found: re.Match[str]) -> str:
        target = (page.parent / found[2]).resolve()
        if target in places:
            return f"{found[1]}{places[target]}{found[3]}"
        if not target.is_file():
            sys.exit(f"{page.relative_to(ROOT)}: {found[2]} is no file that the site can hold")
        if target.is_relative_to(DOCS / "images"):
            return f"{found[1]}{target.relative_to(DOCS).as_posix()}{found[3]}"
        copy = TARGET / FILES / target.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(target, copy)
        return f"{found[1]}{copy.relative_to(TARGET).as_posix()}{found[3]}"

    return "".join(part if part.startswith("```") else LINK.sub(turn, part) for part in parts(page))


def parts(page: Path) -> Iterator[str]:
    """A page as prose and blocks of code in turn."""
    text, end = page.read_text(encoding="utf-8"), 0
    for block in CODE.finditer(text):
        yield from (text[end : block.start()], block[0])
        end = block.end()
    yield text[end:]


def reference() -> str:
    """Every public name, by kind, as mkdocstrings reads it."""
    groups: dict[str, list[str]] = {"Functions": [], "Classes": [], "Errors": [], "Modules": []}
    for name in allfocus.__all__:
        value = getattr(allfocus, name)
        if inspect.ismodule(value):
            groups["Modules"].append(f"- `allfocus.{name}`: {(value.__doc__ or '').strip().splitlines()[0]}\n")
        else:
            is_error = inspect.isclass(value) and issubclass(value, Exception)
            kind = "Errors" if is_error else "Classes" if inspect.isclass(value) else "Functions"
            groups[kind].append(f"::: {value.__module__}.{value.__qualname__}\n")
    return "\n".join([REFERENCE, *(f"## {kind}\n\n" + "\n".join(entries) for kind, entries in groups.items())])


if __name__ == "__main__":
    make_site()
    print(TARGET)
