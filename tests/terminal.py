"""A command in a real pseudo-terminal, and what a person sees there."""

import os
import re
import select
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

#: Takes the terminal over, as a shell's foreground job has it, so that Ctrl-C typed there reaches the program; then
#: runs the command once for each width. One process for all: importing takes longer than most commands.
LAUNCH = """
import fcntl, signal, struct, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGINT, signal.default_int_handler)
from allfocus.cli import main
widths = sys.argv.pop(1).split()
for width in widths:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, int(width), 0, 0))
    code = main()
    sys.stdout.write("\\x1c")
    sys.stdout.flush()
    if code:
        sys.exit(code)
"""
#: What the above sends after each command.
SEPARATOR = "\x1c"
CTRL_C = b"\x03"
ESCAPE = re.compile(r"\x1b\[(\?)?([\d;]*)([A-Za-z])")
PATIENCE = 120.0

#: What only a bar has.
OF_A_BAR = re.compile("[━╸╺]")
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


@dataclass
class Screen:
    """What a terminal of so many columns shows; lines that scrolled out are kept, those it folded are joined."""

    width: int
    rows: list[str] = field(default_factory=lambda: [""])
    folded: set[int] = field(default_factory=set)
    row: int = 0
    column: int = 0
    is_cursor_shown: bool = True

    def feed(self, text: str) -> None:
        """Take what a program sends."""
        position = 0
        while position < len(text):
            escape = ESCAPE.match(text, position)
            if escape:
                self.obey(*escape.groups())
                position = escape.end()
            else:
                self.put(text[position])
                position += 1

    def put(self, character: str) -> None:
        """Take one character."""
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self.move(self.row + 1)
        elif character >= " ":
            if self.column == self.width:
                self.move(self.row + 1)
                self.column = 0
                self.folded.add(self.row)
            line = self.rows[self.row].ljust(self.column)
            self.rows[self.row] = line[: self.column] + character + line[self.column + 1 :]
            self.column += 1

    def obey(self, private: str | None, numbers: str, command: str) -> None:
        """Take one escape sequence; colours don't matter here."""
        count = int(numbers.split(";")[0] or 0)
        if command == "A":
            self.move(max(0, self.row - max(1, count)))
        elif command == "K":
            self.rows[self.row] = self.rows[self.row][: self.column] if count == 0 else ""
            if count == 2:
                self.folded.discard(self.row)
        elif private and count == 25:
            self.is_cursor_shown = command == "h"
        else:
            assert command == "m", f"unknown to this terminal: {numbers}{command}"

    def move(self, row: int) -> None:
        """Go to another row."""
        self.row = row
        self.rows += [""] * (row + 1 - len(self.rows))

    @property
    def lines(self) -> list[str]:
        """The lines as they were printed, without those that are empty."""
        joined: list[str] = []
        for number, row in enumerate(self.rows):
            if number in self.folded:
                joined[-1] += row
            else:
                joined.append(row)
        return [line.rstrip() for line in joined if line.strip()]


@dataclass(kw_only=True)
class Seen:
    """How a command ended, and what it left on the terminal.

    Attributes:
        code: its exit code.
        sent: all that it sent, escape sequences included.
        width: columns of the terminal.
        is_restored: whether the terminal works as it did before.
    """

    code: int
    sent: str
    width: int
    is_restored: bool

    @cached_property
    def screen(self) -> Screen:
        """What that made of the screen."""
        screen = Screen(self.width)
        screen.feed(self.sent)
        return screen

    @property
    def lines(self) -> list[str]:
        """What stands there in the end."""
        return self.screen.lines


def on_terminal(
    *arguments: object,
    folder: Path,
    widths: Sequence[int] = (80,),
    interrupt_at: str | None = None,
    python: str | Path = sys.executable,
    **environment: str,
) -> list[Seen]:
    """Run a command of allfocus in a pseudo-terminal.

    Args:
        arguments: as typed after `allfocus`.
        folder: where to run it.
        widths: columns of the terminal; the command runs once for each.
        interrupt_at: type Ctrl-C as soon as this is to be seen.
        python: the interpreter whose allfocus it is.
        environment: variables on top of those of this process.
    """
    terminal, inside = os.openpty()
    try:
        before = termios.tcgetattr(inside)
        process = subprocess.Popen(
            [python, "-c", LAUNCH, " ".join(map(str, widths)), *map(str, arguments)],
            stdin=inside,
            stdout=inside,
            stderr=inside,
            cwd=folder,
            env={**plain_environment(), "TERM": "xterm-256color", **environment},
            start_new_session=True,
        )
        try:
            sent = listen(terminal, process, interrupt_at)
        finally:
            process.kill()
            code = process.wait()
        is_restored = termios.tcgetattr(inside) == before
    finally:
        os.close(terminal)
        os.close(inside)
    parts = sent.removesuffix(SEPARATOR).split(SEPARATOR)
    return [
        Seen(code=code, sent=part, width=width, is_restored=is_restored)
        for part, width in zip(parts, widths, strict=False)
    ]


def assert_is_tidy(seen: Seen) -> None:
    """No bar is left or was folded, the cursor is there, and the terminal is as it was."""
    assert not [line for line in seen.lines if OF_A_BAR.search(line)]
    assert seen.screen.is_cursor_shown
    assert seen.is_restored
    assert "Traceback" not in seen.sent


def assert_drew_bars(seen: Seen) -> None:
    """Bars were drawn, each as wide as the terminal, all but what Ctrl-C takes, and nothing is left of them."""
    assert HIDE_CURSOR in seen.sent  # it would flicker in the bar
    assert_is_tidy(seen)
    bars = bars_in(seen.sent)
    assert bars
    assert all(len(bar) == seen.width - len("^C") and "…" not in bar for bar in bars)
    assert re.search(r"[━╸╺] +\d+ % +[\d-]+:[\d-]{2}$", bars[-1])


def bars_in(sent: str) -> list[str]:
    """Each bar that was drawn, without colours."""
    parts = re.split(r"[\r\n]", re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", sent))
    return [part for part in parts if OF_A_BAR.search(part)]


def plain_environment() -> dict[str, str]:
    """The variables of this process, without those that speak of terminals."""
    about_terminals = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
    return {key: value for key, value in os.environ.items() if key not in about_terminals}


def listen(terminal: int, process: "subprocess.Popen[bytes]", interrupt_at: str | None) -> str:
    """All that a process sends until it ends; Ctrl-C is typed once, when the words for it come."""
    sent, deadline = b"", time.monotonic() + PATIENCE
    while True:
        is_over = process.poll() is not None  # asked first: what it sent last is read below
        while select.select([terminal], [], [], 0 if is_over else 0.05)[0]:
            sent += os.read(terminal, 65536)
            if interrupt_at is not None and interrupt_at.encode() in sent:
                os.write(terminal, CTRL_C)
                interrupt_at = None
        if is_over:
            return sent.decode()
        assert time.monotonic() < deadline, f"still running; so far:\n{sent.decode(errors='replace')}"
