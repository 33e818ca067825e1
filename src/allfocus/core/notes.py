"""Notes: what a user should know about a result, as data."""

from dataclasses import dataclass

from allfocus.errors import printable


@dataclass(frozen=True, kw_only=True)
class Note:
    """One thing that a user should know.

    Attributes:
        code: what kind of thing it is, a word or two for programs, such as ``frame-left-out``.
        message: one line for a person, all of which can be seen, see `printable`.
        frames: positions of the frames it is about, in the order of the input, counted from 0; empty: all of them.
    """

    code: str
    message: str
    frames: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", printable(self.message))

    def __str__(self) -> str:
        return self.message
