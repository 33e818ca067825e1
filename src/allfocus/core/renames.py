"""Old names of public things: they work for one release, and warn where they were written."""

import sys
import warnings


class RenamedWarning(DeprecationWarning):
    """An old name was used; the message names the new one."""


def warn_renamed(old: str, new: str) -> None:
    """Warn of an old name, at the nearest line outside of this package: Python shows it if that is the user's own."""
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and is_ours(frame.f_globals.get("__name__", "")):
        frame, level = frame.f_back, level + 1
    warnings.warn(f"{old} is called {new} now", RenamedWarning, stacklevel=level)


def is_ours(module: str) -> bool:
    """Whether a module is of this package, or `dataclasses`, which makes copies of its values."""
    return module.partition(".")[0] in ("allfocus", "dataclasses")
