"""Names of frames and channels, as people give them."""

import re
from collections.abc import Sequence


def find_name(names: Sequence[str], asked: str) -> int | None:
    """Position from 0 of what is asked for by its name, or its number from 1; None if there is none."""
    if asked in names:
        return list(names).index(asked)
    return int(asked) - 1 if asked.isdecimal() and 1 <= int(asked) <= len(names) else None


def slug(name: str) -> str:
    """A text as part of a file's name, on any system."""
    return re.sub(r"[^\w.() -]+", "_", name).strip(" ._")[:80] or "stack"
