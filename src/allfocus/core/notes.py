"""Notes: what a user should know about a result although nothing failed, as data."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Note:
    """One thing that a user should know.

    Attributes:
        code: what kind of thing it is, the same in every release: ``sizes-fitted``, ``bit-depth-reduced``...
        message: one line of plain English.
        frames: positions of the frames that it is about, in input order, counted from 0; empty where it is about all
            of them or about none.
    """

    code: str
    message: str
    frames: tuple[int, ...] = ()

    def __str__(self) -> str:
        return self.message
