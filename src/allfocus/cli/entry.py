"""Where every command starts and every error ends: one line on stderr and an exit code."""

import json
import os
import sys
import traceback
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer

from allfocus._version import __version__
from allfocus.cli.align import align
from allfocus.cli.batch import batch
from allfocus.cli.demo import demo
from allfocus.cli.evaluate import evaluate
from allfocus.cli.flags import Session
from allfocus.cli.fuse import fuse
from allfocus.cli.help import PlainCommand
from allfocus.cli.info import info
from allfocus.cli.studio import studio
from allfocus.cli.synth import synth
from allfocus.cli.train import train
from allfocus.cli.watch import watch
from allfocus.errors import AllFocusError, BadFramesError, OptionError, PreflightError
from allfocus.run.allocator import keep_freed_memory
from allfocus.run.signals import terminations_as_interrupts
from allfocus.run.streams import claim_streams, quiet_libraries, say, silence, unsaid

FAILED, USAGE, INTERRUPTED, PIPE_CLOSED = 1, 2, 130, 141  # the last two: 128 + the signal's number

#: The variable by which a shell asks what can be typed next.
COMPLETING = "_ALLFOCUS_COMPLETE"
SETTINGS = {"help_option_names": ["-h", "--help"]}
app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None, context_settings=SETTINGS)
for command in (fuse, align, info, batch, watch, studio, train, evaluate, synth, demo):
    app.command(cls=PlainCommand, context_settings=SETTINGS)(command)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="With --version: all that a bug report needs.")] = False,
) -> None:
    """Turn photos focused at different distances into one picture that is sharp everywhere."""
    if version:
        say(f"allfocus {__version__}")
        if verbose:
            from allfocus.jobs.about import describe_surroundings

            say("\n".join(describe_surroundings()))
        raise typer.Exit
    if verbose:
        raise OptionError("--verbose goes with --version; commands say all there is to say by themselves")
    if context.invoked_subcommand is None:
        say(context.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 failed, 2 wrong usage, 130 interrupted, 141 pipe closed.

    Args:
        arguments: as typed after `allfocus`; by default those of this process.
    """
    # NumPy's BLAS would start a thread for every core, which costs a tenth of a second and is never used here
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    claim_streams()
    keep_freed_memory()
    session = Session()
    unsaid.clear()
    try:
        with quiet_libraries(), terminations_as_interrupts():
            code = run(sys.argv[1:] if arguments is None else arguments, session)
    except (Exception, KeyboardInterrupt) as error:
        if session.debug:
            traceback.print_exc()
        line, code = explain(error)
        several = isinstance(error, BadFramesError | PreflightError)  # a line for each, already in order
        line = line if several else " ".join(line.split())
        if session.as_json:
            kind = "interrupted" if code == INTERRUPTED else "error"
            line = json.dumps({"event": kind, "message": line.removeprefix(f"{kind}: ")})
        say(line, err=True)
        if code == INTERRUPTED and arguments is None:
            os._exit(code)  # Python would wait for what the workers have begun
    return answer_for_stdout(code)


def answer_for_stdout(code: int) -> int:
    """The exit code of a command that ended with `code`, once all that it printed has arrived or was found lost."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        silence(sys.stdout)
        unsaid.append(error)
    if code or not unsaid:
        return code
    if isinstance(unsaid[0], BrokenPipeError):
        return PIPE_CLOSED
    say(f"error: stdout: {unsaid[0].strerror}; all else was done", err=True)
    return FAILED


def run(arguments: Sequence[str], session: Session) -> int:
    """Parse and call, without Typer's own boxes round errors; or answer a shell."""
    if instruction := os.environ.get(COMPLETING):
        from typer.completion import shell_complete

        return shell_complete(program(), {}, "allfocus", COMPLETING, instruction)
    check_dashes(arguments)
    if "" in arguments or any(word.startswith("--") and word.endswith("=") for word in arguments):
        raise OptionError("an argument is empty; expected a name or a value: is a variable of the shell not set?")
    try:
        with program().make_context("allfocus", list(arguments), obj=session) as context:
            program().invoke(context)
    except typer.Exit as stop:
        return stop.exit_code
    return 0


@cache
def program() -> Any:
    """All commands, made from the signatures once a process."""
    return typer.main.get_command(app)


def check_dashes(arguments: Sequence[str]) -> None:
    """Raise `OptionError` for a file whose name begins like an option, as `*.jpg` may give one."""
    typed = list(arguments[: arguments.index("--")] if "--" in arguments else arguments)
    for before, word in pairwise(["", *typed]):
        if word.startswith("-") and before not in ("-o", "--output") and Path(word).is_file():
            raise OptionError(
                f"{word} is a file whose name begins like an option; type -- before the frames: -- {word}"
            )


def explain(error: BaseException) -> tuple[str, int]:
    """The line to print and the exit code to return for an error that ended a command."""
    if isinstance(error, KeyboardInterrupt):
        return f"interrupted: {error}" if str(error) else "interrupted", INTERRUPTED
    if isinstance(error, typer.TyperException):
        command = getattr(getattr(error, "ctx", None), "command_path", "allfocus")
        said = error.format_message().rstrip(".").replace("valid int range", "whole number")
        return f"error: {said.replace('valid float range', 'number')}. See '{command} --help'.", USAGE
    if isinstance(error, AllFocusError):
        return f"error: {error}", USAGE if isinstance(error, OptionError) else FAILED
    if isinstance(error, MemoryError):
        return "error: out of memory; close other programs, or fuse fewer or smaller frames", FAILED
    if isinstance(error, OSError) and error.strerror:
        return f"error: {error.filename or 'input or output'}: {error.strerror}", FAILED
    return f"error: internal error ({type(error).__name__}: {error}); run with --debug and report it", FAILED
