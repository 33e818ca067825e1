"""The exception tree.

    AllFocusError
    ├── StackError(ValueError)          frames that can't be fused together; values out of range
    ├── AlignmentError                  frames that can't be laid over each other as asked
    ├── ReadError(OSError)              a file that can't be read as a picture
    │   └── BadFramesError(StackError)  several frames can't be used: one line for each
    ├── WriteError(OSError)             a result that can't be written
    │   └── EndingError(OptionError)    a name whose ending says nothing that can hold the result
    ├── ModelError                      a model file that is not ours, is corrupt or disagrees
    ├── PreflightError                  frames and outputs, both at fault
    ├── ResourceError                   not enough memory or disk for it
    ├── BatchError                      the ledger, scheduler or workers of a batch can't be used
    ├── ConfigError(ValueError)         a recipe or scenes file that makes no sense
    │   └── OptionError                 an option whose value makes no sense, or that contradicts another
    ├── MissingExtraError(ImportError)  an optional dependency is not installed
    └── Cancelled                       the work was called off, by another thread

Every message is one line: which input, what was expected, what was found, what to do. Only `BadFramesError` has more.
The command line catches the root once and turns it into one line and an exit code: 2 for `OptionError`, 1
for all others.

Names of files and what stands in them may hold characters that a terminal obeys: messages show those spelled out, see
`printable`.
"""

import re
from collections.abc import Sequence

#: What no terminal, log or page is to be given: control characters, line breaks that are none of ours, marks that turn
#: the direction of writing (Unicode TR 9) or show nothing, and halves of characters.
UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e0fff]"
)


def printable(value: object) -> str:
    r"""A value as text in one line, in which every character that is not to be seen is spelled out, as in ``\x1b``."""
    return UNPRINTABLE.sub(spell_out, str(value))


def spell_out(found: re.Match[str]) -> str:
    """One character as a Python literal would hold it."""
    return ascii(found[0])[1:-1]


def in_lines(error: Exception) -> str:
    """The message of an error that has a line for each of several problems."""
    return "\n".join(map(printable, Exception.__str__(error).split("\n")))


class AllFocusError(Exception):
    """Root of all errors that allfocus raises on purpose."""

    def __str__(self) -> str:
        return printable(super().__str__())


class StackError(AllFocusError, ValueError):
    """The frames can't form one focal stack (sizes, depths, channels, values)."""


class AlignmentError(AllFocusError):
    """The frames can't be laid over each other the way that was asked for."""


class ReadError(AllFocusError, OSError):
    """A file can't be read as a picture."""


class BadFramesError(ReadError, StackError):
    """Several frames can't be used.

    Attributes:
        problems: one for each of them; the message has a line for each, below one that counts them.
    """

    def __init__(self, problems: Sequence[AllFocusError], count: int) -> None:
        self.problems = tuple(problems)
        lines = [f"  {' '.join(str(problem).split())}" for problem in problems]
        super().__init__("\n".join([f"{len(problems)} of {count} frames can't be used:", *lines]))

    def __str__(self) -> str:
        return in_lines(self)


class PreflightError(AllFocusError):
    """Frames and outputs are both at fault; found out before the work starts.

    Attributes:
        problems: all of them; the message has a line for each, below one that counts them.
    """

    def __init__(self, problems: Sequence[AllFocusError]) -> None:
        every = [one for problem in problems for one in getattr(problem, "problems", (problem,))]
        self.problems = tuple(every)
        lines = [f"  {' '.join(str(problem).split())}" for problem in every]
        super().__init__("\n".join([f"{len(every)} problems:", *lines]))

    def __str__(self) -> str:
        return in_lines(self)


class WriteError(AllFocusError, OSError):
    """A result can't be written to the place asked for."""


class ModelError(AllFocusError):
    """A model file is not an allfocus model, is corrupt, or disagrees with its twin."""


class ResourceError(AllFocusError):
    """There is not enough memory, or not enough room on the disk; found out before the work starts."""


class BatchError(AllFocusError):
    """The ledger, the scheduler or the workers of a batch can't be used; what was done stays done."""


class ConfigError(AllFocusError, ValueError):
    """A recipe, a scenes file or an option makes no sense."""


class OptionError(ConfigError):
    """An option has a value that makes no sense, or contradicts another: wrong usage, exit code 2."""


class EndingError(WriteError, OptionError):
    """A result's name ends in what can't hold it: wrong usage, exit code 2."""


class MissingExtraError(AllFocusError, ImportError):
    """An optional dependency is missing; the message names the extra to install."""


class Cancelled(AllFocusError):  # as in concurrent.futures: nothing is wrong
    """The work was called off; nothing is left behind."""

    def __init__(self) -> None:
        super().__init__("cancelled; nothing was written")


def raise_all(problems: Sequence[AllFocusError], count: int) -> None:
    """Raise the problems of some of so many frames, if there are any: one by itself, several together."""
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise BadFramesError(problems, count)
