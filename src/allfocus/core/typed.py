"""Frozen dataclasses from plain mappings, strictly: every key known, every value of its type and in its range."""

import json
from collections.abc import Mapping
from dataclasses import field, fields, is_dataclass
from difflib import get_close_matches
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from allfocus.errors import ConfigError

#: How a message calls each type that a value may have.
WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text in quotes"}


def bounded(default: Any, low: float, high: float) -> Any:
    """A dataclass field whose value a recipe may set between `low` and `high`, both included."""
    return field(default=default, metadata={"range": (low, high)})


def toml_line(key: str, value: Any) -> str:
    """`key = value`; for the strings, numbers and truth values of a recipe TOML and JSON agree."""
    return f"{key} = {json.dumps(value, ensure_ascii=False)}"


def build(kind: type[Any], values: Mapping[str, Any], prefix: str) -> Any:
    """An instance of the dataclass `kind` from `values`; `prefix` is where we are, for messages."""
    known = {item.name: item for item in fields(kind)}
    hints = get_type_hints(kind)
    for key in values:
        if key not in known:
            raise ConfigError(unknown_key(prefix + key, key, list(known)))
    return kind(
        **{
            key: checked(prefix + key, value, hints[key], known[key].metadata.get("range"))
            for key, value in values.items()
            if value is not None
        }
    )


def unknown_key(place: str, key: str, known: list[str]) -> str:
    """The message for a key that no recipe has, with the nearest one that exists."""
    near = get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(known)}"
    return f"unknown key {place}: {hint}"


def checked(place: str, value: Any, hint: Any, limits: tuple[float, float] | None) -> Any:
    """Return `value` as the type `hint`, or raise `ConfigError` naming the key, what was expected and found."""
    options = get_args(hint) if get_origin(hint) is UnionType else (hint,)
    kind = next(option for option in options if option is not type(None))
    if isinstance(kind, type) and is_dataclass(kind):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{place}: expected a table [{place}], found {value!r}")
        return build(kind, value, f"{place}.")
    # In Python a bool is an int; in a recipe `steps = true` is a mistake.
    accepted = isinstance(value, (int, float) if kind is float else kind) and (kind is bool) == isinstance(value, bool)
    if not accepted:
        raise ConfigError(f"{place}: expected {WORDS[kind]}, found {value!r}")
    if limits is not None and not limits[0] <= value <= limits[1]:
        raise ConfigError(f"{place}: expected {limits[0]} to {limits[1]}, found {value!r}")
    return kind(value)
