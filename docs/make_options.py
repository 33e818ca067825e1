"""Write docs/options.md from the fields of the option classes: python docs/make_options.py [FILE].

A test compares the committed file with what this makes.
"""

import sys
from collections.abc import Iterator
from dataclasses import Field, fields
from math import inf
from pathlib import Path
from typing import Any, get_type_hints

from allfocus import FusionOptions, Outputs
from allfocus.core.typed import alternatives, choices
from allfocus.options import ALIGNMENT, FUSION, MACHINE, OUTPUT

HERE = Path(__file__).parent

HEADER = """\
# Options

<!-- made by `python docs/make_options.py` from `FusionOptions` and `Outputs`; change their fields, not this file -->

Every option has one name. It is a keyword of `fuse`, `align`, `decide` and `compose`, a field of
`allfocus.FusionOptions`, a key in an option file (`--options FILE`, TOML or JSON), and a flag of `allfocus fuse`.
Flags override option files. All of them are checked by the same rules.

"""

OUTPUTS = """\
## Files

Fields of `allfocus.Outputs`, which a job takes; `allfocus.save` takes them as keywords, reports excepted.

"""


def make_page() -> str:
    """The whole page."""
    parts = [HEADER]
    for group in (FUSION, ALIGNMENT, OUTPUT, MACHINE):
        rows = [row(FusionOptions, item) for item in fields(FusionOptions) if item.metadata["group"] == group]
        parts.append(f"## {group}\n\n{table(rows)}\n")
    rows = [row(Outputs, item) for item in fields(Outputs) if "help" in item.metadata]
    return "".join([*parts, OUTPUTS, table(rows)])


def table(rows: list[list[str]]) -> str:
    """Rows as a Markdown table."""
    lines = [["name", "flag", "value", "default", "what it does"], ["---"] * 5, *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def row(kind: type[Any], item: "Field[Any]") -> list[str]:
    """The cells for one field."""
    hint = get_type_hints(kind)[item.name]
    cells = [f"`{item.name}`", ", ".join(flags(item)), describe_value(item, hint), describe_default(item.default)]
    return [*cells, item.metadata["help"].replace("|", "\\|")]


def flags(item: "Field[Any]") -> Iterator[str]:
    """The flags of a field, old names last."""
    metavar = " FILE" if item.metadata.get("is_map") else ""
    for name in item.metadata.get("flags", (f"--{item.name.replace('_', '-')}",)):
        yield f"`{name}{metavar}`"
    for name in item.metadata.get("old_flags", ()):
        yield f"`{name}` (old name)"


def describe_value(item: "Field[Any]", hint: Any) -> str:
    """What a field may be."""
    allowed = choices(hint)
    if allowed:
        return ", ".join(f"`{value}`" for value in allowed)
    kinds = [kind for kind in alternatives(hint) if kind is not type(None)]
    if kinds == [bool]:
        return "true or false"
    value = item.metadata.get("metavar", "text")
    if "range" in item.metadata:
        low, high = item.metadata["range"]
        return f"{value}, at least {low}" if high == inf else f"{value}, {low} to {high}"
    return str(value)


def describe_default(default: Any) -> str:
    """The default, as it would be typed."""
    if default is None or default == ():
        return "none"
    return "`false`" if default is False else f"`{default}`"


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "options.md"
    target.write_text(make_page(), encoding="utf-8")
    print(target)
