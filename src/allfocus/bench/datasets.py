"""Scenes to measure on: a JSON file that lists frames and, where it is known, the truth."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from allfocus.errors import ConfigError, printable

#: Keys of a scene: the types that each may have, and those that may be left out with what they then are.
KEYS: dict[str, tuple[type, ...]] = {
    "name": (str,),
    "frames": (list,),
    "truth": (str, type(None)),
    "registered": (bool,),
    "border": (int,),
    "kind": (str,),
    "note": (str,),
}
DEFAULTS: dict[str, Any] = {"truth": None, "registered": True, "border": 0, "kind": "photo", "note": ""}

#: How types are called in messages.
WORDS = {str: "text", list: "a list", bool: "true or false", int: "a whole number", type(None): "null"}


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One focal stack to fuse, and what to compare the result with.

    Attributes:
        name: unique; what comes before the first slash is its group.
        frames: two or more picture files, in focus order.
        truth: the sharp picture, or None where nobody knows it.
        registered: whether the frames lie on each other already.
        border: pixels on each side that metrics ignore.
        kind: what is pictured, such as `photo` or `microscopy`.
        note: anything worth knowing.
    """

    name: str
    frames: tuple[Path, ...]
    truth: Path | None = None
    registered: bool = True
    border: int = 0
    kind: str = "photo"
    note: str = ""

    @property
    def group(self) -> str:
        """Scenes of one group are averaged together."""
        return self.name.partition("/")[0]


def read_scenes(path: Path | str) -> list[Scene]:
    """Read a scenes file: a list of objects with the keys of `Scene`, paths relative to the file.

    Unknown keys are left alone, so that a file may carry more for other tools.

    Args:
        path: the JSON file.

    Returns:
        One scene or more, in the order of the file.

    Raises:
        ConfigError: not readable, not JSON, a key missing or of the wrong type, a name twice, a picture missing.
    """
    path = Path(path)
    entries = _load(path)
    if not isinstance(entries, list) or not entries:
        raise ConfigError(f"{path} holds no scenes; expected a list of objects with name, frames and truth")
    scenes = [_scene(entry, f"{path.name}: scene {k}", path.parent) for k, entry in enumerate(entries, start=1)]
    twice = [name for name, count in Counter(scene.name for scene in scenes).items() if count > 1]
    if twice:
        raise ConfigError(f"{path.name}: scene {twice[0]} is listed more than once; give each a name of its own")
    return scenes


def select_scenes(scenes: Sequence[Scene], pattern: str | None) -> list[Scene]:
    """Scenes whose name matches a pattern of the shell; all without one.

    Raises:
        ConfigError: none does.
    """
    chosen = [scene for scene in scenes if pattern is None or fnmatchcase(scene.name, pattern)]
    if not chosen:
        raise ConfigError(f"none of {len(scenes)} scenes is called like {pattern}; the first is {scenes[0].name}")
    return chosen


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not a JSON file: {error}") from error


def _scene(entry: Any, here: str, folder: Path) -> Scene:
    """Check one entry; `here` says where it stands in messages."""
    if not isinstance(entry, dict):
        raise ConfigError(f"{here} is {entry!r:.40}; expected an object with name, frames and truth")
    values = {key: _value(entry, key, here) for key in KEYS}
    values["name"] = printable(values["name"])
    here = f"{here} ({values['name']})"
    names = values["frames"]
    if len(names) < 2 or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"{here}: frames is {names!r:.60}; expected the names of two or more pictures")
    if values["border"] < 0:
        raise ConfigError(f"{here}: border is {values['border']}; expected 0 or more pixels")
    values["frames"] = tuple(_picture(folder / name, here) for name in names)
    values["truth"] = None if values["truth"] is None else _picture(folder / values["truth"], here)
    return Scene(**values)


def _value(entry: dict[str, Any], key: str, here: str) -> Any:
    if key not in entry and key not in DEFAULTS:
        raise ConfigError(f"{here} has no {key}; a scene needs name and frames")
    value = entry.get(key, DEFAULTS.get(key))
    # JSON's true is an int to Python, and no border.
    if not isinstance(value, KEYS[key]) or (isinstance(value, bool) and bool not in KEYS[key]):
        expected = " or ".join(WORDS[kind] for kind in KEYS[key])
        raise ConfigError(f"{here}: {key} is {value!r:.40}; expected {expected}")
    return value


def _picture(path: Path, here: str) -> Path:
    try:
        is_there = path.is_file()
    except (OSError, ValueError):  # no name that a disk knows
        is_there = False
    if not is_there:
        raise ConfigError(f"{here}: {path!s:.200} does not exist; paths are relative to the scenes file")
    return path
