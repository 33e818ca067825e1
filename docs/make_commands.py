"""Write docs/commands.md and the man page from the commands themselves.

    python docs/make_commands.py          writes docs/commands.md
    python docs/make_commands.py --man    writes build/allfocus.1

A test compares the committed page with what this makes.
"""

import datetime
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import typer

from allfocus import __version__
from allfocus.cli.entry import app

HERE = Path(__file__).parent

HEADER = """\
# Command line

<!-- made by `python docs/make_commands.py` from the commands; change those, not this file -->

What `allfocus COMMAND --help` says, for all commands. The options of a fusion stand once, under `allfocus fuse`, with
their names in option files [on a page of their own](options.md). `python -m allfocus` is the same program.

Exit codes: 0 done, 1 input that can't be used, 2 wrong usage, 130 interrupted, 141 the pipe it wrote to was closed.

## Completion

`allfocus --install-completion` teaches bash, zsh, fish or PowerShell, whichever it is called from, to complete
commands, options and their values; `allfocus --show-completion` prints what it would install. `make man` writes a man
page, `build/allfocus.1`.
"""


class Entry(NamedTuple):
    """One line of a command's help."""

    group: str
    names: str
    text: str


class Command(NamedTuple):
    """A command as its help shows it."""

    name: str
    usage: str
    text: list[str]
    example: str
    entries: list[Entry]


def commands() -> Iterator[Command]:
    """All commands, in the order of `allfocus --help`."""
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        context = command.context_class(command, info_name=f"allfocus {name}")
        prose, _, example = (command.help or "").partition("\b\n")
        paragraphs = [" ".join(part.split()) for part in prose.split("\n\n")]
        yield Command(
            name,
            f"allfocus {name} {' '.join(command.collect_usage_pieces(context))}",
            [part for part in paragraphs if part],
            "\n".join(line.strip() for line in example.strip().splitlines()[1:]),
            list(entries(command, context)),
        )


def entries(command: Any, context: Any) -> Iterator[Entry]:
    """What a command takes, `--help` excepted."""
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and "--help" not in record[0]:
            usual = "Arguments" if parameter.param_type_name == "argument" else "Options"
            yield Entry(getattr(parameter, "rich_help_panel", None) or usual, *record)


def make_page() -> str:
    """The whole page, as Markdown."""
    shown: dict[str, list[Entry]] = {}
    parts = [HEADER]
    for command in commands():
        parts.append(f"\n## allfocus {command.name}\n\n```text\n{command.usage}\n```\n\n")
        parts += [f"{inline(part)}\n\n" for part in command.text]
        if command.example:
            parts.append(f"```sh\n{command.example}\n```\n\n")
        parts += tables(command, shown)
    return "".join(parts).rstrip() + "\n"


def tables(command: Command, shown: dict[str, list[Entry]]) -> Iterator[str]:
    """A table for each group of options; a group that an earlier command has just so is pointed to."""
    groups: dict[str, list[Entry]] = {}
    for entry in command.entries:
        groups.setdefault(entry.group, []).append(entry)
    same = []
    for group, lines in groups.items():
        if len(lines) > 3 and shown.setdefault(group, lines) is not lines and set(lines) <= set(shown[group]):
            same.append(group)
            continue
        rows = [f"| {cell(entry.names)} | {inline(entry.text)} |" for entry in lines]
        yield "\n".join([f"| {group} | |", "| --- | --- |", *rows]) + "\n\n"
    if same:
        yield f"Options of {', '.join(same)}: those of that name [above](#allfocus-fuse).\n\n"


def cell(names: str) -> str:
    """Names of an option as code."""
    return f"`{names}`".replace("|", "\\|")


def inline(text: str) -> str:
    """Text that Markdown shows as it is."""
    for mark in "|<*_[":
        text = text.replace(mark, f"\\{mark}")
    return text


def make_man() -> str:
    """The man page, for `man -l build/allfocus.1`."""
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH", "0")) or None
    day = datetime.datetime.fromtimestamp(seconds, datetime.UTC).date() if seconds else datetime.date.today()
    lines = [f'.TH ALLFOCUS 1 "{day}" "allfocus {__version__}" "User Commands"', ".ad l", ".SH NAME"]
    lines += ["allfocus \\- turn photos focused at different distances into one picture that is sharp everywhere"]
    lines += [".SH SYNOPSIS", ".B allfocus", ".I COMMAND", "[OPTIONS] ARGUMENTS", ".SH COMMANDS"]
    for command in commands():
        lines += [f".SS {roff(command.usage)}", *(f"{roff(part)}\n.PP" for part in command.text)]
        if command.example:
            lines += [".EX", *(roff(line) for line in command.example.splitlines()), ".EE"]
        for _, names, text in command.entries:
            lines += [".TP", f".B {roff(names)}", roff(text)]
    lines += [".SH EXIT STATUS", "0 done, 1 input that can't be used, 2 wrong usage, 130 interrupted, 141 pipe closed."]
    return "\n".join(lines) + "\n"


def roff(text: str) -> str:
    """Text that roff shows as it is."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text.startswith((".", "'")) else text


def main() -> None:
    """Write one of the two."""
    man = "--man" in sys.argv[1:]
    target = HERE.parent / "build/allfocus.1" if man else HERE / "commands.md"
    target.parent.mkdir(exist_ok=True)
    target.write_text(make_man() if man else make_page(), encoding="utf-8")
    print(target)


if __name__ == "__main__":
    main()
