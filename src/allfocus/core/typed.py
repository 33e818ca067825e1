"""Frozen dataclasses whose fields are declared once: types, ranges, choices and help.

Recipes, option files, keywords and flags all end here: every key known, every value of its type and in its range.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import field, fields, is_dataclass
from difflib import get_close_matches
from math import inf
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from allfocus.errors import ConfigError

#: How a message calls each type that a value may have.
WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text in quotes",
    Path: "a path",
}

#: How JSON schema calls them.
JSON_TYPES: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean", Path: "string"}


def bounded(default: Any, low: float, high: float) -> Any:
    """A dataclass field whose value a recipe may set between `low` and `high`, both included."""
    return field(default=default, metadata={"range": (low, high)})


def declared(
    default: Any, *, help: str, group: str = "", low: float | None = None, high: float = inf, **more: Any
) -> Any:
    """A dataclass field that says all there is to say about an option.

    Args:
        default: its value unless somebody says otherwise.
        help: one or two plain sentences, for flags, forms and docs.
        group: which options it is listed with.
        low: its least value.
        high: its largest value, where there is a least one.
        more: for those who make flags: `metavar`, `flags`, `deprecated`.
    """
    limits = {} if low is None else {"range": (low, high)}
    return field(default=default, metadata={"help": help, "group": group, **limits, **more})


def toml_line(key: str, value: Any) -> str:
    """`key = value`; for the strings, numbers and truth values of a recipe TOML and JSON agree."""
    return f"{key} = {json.dumps(value, ensure_ascii=False)}"


def build(kind: type[Any], values: Mapping[str, Any], prefix: str = "") -> Any:
    """An instance of the dataclass `kind` from `values`; `prefix` is where we are, for messages."""
    known = {item.name: item for item in fields(kind)}
    hints = get_type_hints(kind)
    for key in values:
        if key not in known:
            raise ConfigError(unknown_key(prefix + key, key, list(known)))
    return kind(
        **{
            key: check_value(prefix + key, value, hints[key], known[key].metadata.get("range"))
            for key, value in values.items()
            if value is not None
        }
    )


def check_fields(instance: Any) -> None:
    """Check every field of a dataclass against its type, its choices and its range; paths may come as texts.

    Raises:
        ConfigError: a value of another type, none of the choices, or out of range.
    """
    hints = get_type_hints(type(instance))
    for item in fields(instance):
        value = getattr(instance, item.name)
        found = check_value(item.name, value, hints[item.name], item.metadata.get("range"))
        if found is not value:
            object.__setattr__(instance, item.name, found)


def unknown_key(place: str, key: str, known: list[str]) -> str:
    """The message for a key that does not exist, with the nearest one that does."""
    near = get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(known)}"
    return f"unknown key {place}: {hint}"


def alternatives(hint: Any) -> tuple[Any, ...]:
    """The types of a union; of another type itself."""
    return get_args(hint) if get_origin(hint) in (UnionType, Union) else (hint,)


def choices(hint: Any) -> tuple[str, ...]:
    """The values of a Literal, be it in a union; empty for other types."""
    return tuple(value for kind in alternatives(hint) if get_origin(kind) is Literal for value in get_args(kind))


def check_value(place: str, value: Any, hint: Any, limits: tuple[float, float] | None = None) -> Any:
    """Return `value` as the type `hint`, or raise `ConfigError` naming the key, what was expected and found."""
    kinds = alternatives(hint)
    if value is None and type(None) in kinds:
        return None
    kinds = tuple(kind for kind in kinds if kind is not type(None))
    if is_dataclass(kinds[0]):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{place}: expected a table [{place}], found {value!r}")
        return build(kinds[0], value, f"{place}.")  # type: ignore[arg-type]
    if get_origin(kinds[0]) is tuple:
        if isinstance(value, str) or not isinstance(value, Iterable):
            raise ConfigError(f"{place}: expected a list, found {value!r}")
        return tuple(check_value(place, one, get_args(kinds[0])[0], limits) for one in value)
    if any(get_origin(kind) is Literal for kind in kinds):
        return check_choice(place, value, choices(hint))
    kind = next((kind for kind in kinds if accepts(kind, value)), None)
    if kind is None:
        raise ConfigError(f"{place}: expected {' or '.join(WORDS[kind] for kind in kinds)}, found {value!r}")
    if limits is not None and not limits[0] <= value <= limits[1]:
        wanted = f"at least {limits[0]:g}" if limits[1] == inf else f"{limits[0]} to {limits[1]}"
        raise ConfigError(f"{place}: expected {wanted}, found {value!r}")
    if kind is Path and ("\0" in str(value) or not str(value)):
        raise ConfigError(f"{place}: expected a path, found {value!r}")
    return value if isinstance(value, kind) and kind is not float else kind(value)


def accepts(kind: Any, value: Any) -> bool:
    """Whether a value may stand for this type. In Python a bool is an int; in a recipe `steps = true` is a mistake."""
    wider = {float: (int, float), Path: (str, Path)}.get(kind, (kind,))
    return isinstance(value, wider) and (kind is bool) == isinstance(value, bool)


def check_choice(place: str, value: Any, allowed: tuple[str, ...]) -> str:
    """Return one of the allowed words, or raise `ConfigError` with the nearest one."""
    if value in allowed:
        return str(value)
    near = get_close_matches(str(value), allowed, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(allowed)}"
    raise ConfigError(f"{place} {value!r}: {hint}")


def describe_fields(kind: type[Any], title: str) -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of a dataclass whose fields are `declared`."""
    hints = get_type_hints(kind)
    properties = {}
    for item in fields(kind):
        allowed, kinds = choices(hints[item.name]), alternatives(hints[item.name])
        names = [JSON_TYPES[one] for one in kinds if one in JSON_TYPES]
        is_optional = type(None) in kinds
        described: dict[str, Any] = {"title": item.name.replace("_", " "), "description": item.metadata["help"]}
        if allowed:
            described["enum"] = [*allowed, *([None] if is_optional else [])]
        else:
            types = [*names, *(["null"] if is_optional else [])]
            described["type"] = types[0] if len(types) == 1 else types
        if "range" in item.metadata:
            low, high = item.metadata["range"]
            described |= {"minimum": low} if high == inf else {"minimum": low, "maximum": high}
        properties[item.name] = {**described, "default": item.default, "group": item.metadata["group"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }
