"""The exception tree.

    AllFocusError
    ├── StackError(ValueError)          frames that can't be fused together; values out of range
    ├── AlignmentError                  frames that can't be laid over each other as asked
    ├── ReadError(OSError)              a file that can't be read as a picture
    │   └── BadFramesError(StackError)  several frames can't be used: one line for each
    ├── WriteError(OSError)             a result that can't be written
    ├── ModelError                      a model file that is not ours, is corrupt or disagrees
    ├── PreflightError                  frames and outputs, both at fault
    ├── ResourceError                   not enough memory or disk for it
    ├── ConfigError(ValueError)         a recipe or scenes file that makes no sense
    │   └── OptionError                 an option whose value makes no sense, or that contradicts another
    ├── MissingExtraError(ImportError)  an optional dependency is not installed
    └── Cancelled                       the work was called off, by another thread

Every message is one line: which input, what was expected, what was found, what to do. Only `BadFramesError` has more.
The command line catches the root once and turns it into one line and exit code 1.
"""

from collections.abc import Sequence


class AllFocusError(Exception):
    """Root of all errors that allfocus raises on purpose."""


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


class WriteError(AllFocusError, OSError):
    """A result can't be written to the place asked for."""


class ModelError(AllFocusError):
    """A model file is not an allfocus model, is corrupt, or disagrees with its twin."""


class ResourceError(AllFocusError):
    """There is not enough memory, or not enough room on the disk; found out before the work starts."""


class ConfigError(AllFocusError, ValueError):
    """A recipe, a scenes file or an option makes no sense."""


class OptionError(ConfigError):
    """An option has a value that makes no sense, or contradicts another: wrong usage, exit code 2."""


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
