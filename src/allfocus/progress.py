"""Progress: a callback that long work calls; silent unless somebody listens."""

from collections.abc import Callable

#: Called as ``progress(stage, done, total)``: a word for the stage, and how many of its steps are done.
Progress = Callable[[str, int, int], None]


def silent(stage: str, done: int, total: int) -> None:
    """Ignore progress: the default of every function that takes a `Progress`."""
