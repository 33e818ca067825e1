"""Flags made from the fields of option classes: each is declared once, with its help, group, choices and range."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import Field, dataclass, fields
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal, get_origin, get_type_hints

import typer

from allfocus.core.renames import warn_renamed
from allfocus.core.sizes import parse_size
from allfocus.core.typed import alternatives, choices
from allfocus.errors import OptionError
from allfocus.options import OLD_VALUES

OptionClass = type[Any]
Command = Callable[..., None]


@dataclass
class Session:
    """What `entry.main` has to know when a command fails.

    Attributes:
        debug: whether to show the traceback.
        as_json: whether a program reads stderr, as lines of JSON.
    """

    debug: bool = False
    as_json: bool = False


def note_debug(context: typer.Context, value: bool) -> bool:
    """Tell the session that `--debug` was given."""
    if value and isinstance(context.obj, Session):
        context.obj.debug = True
    return value


def make_parameter(name: str, default: Any, kind: Any, option: Any = None) -> inspect.Parameter:
    """A parameter of a command, as Typer understands it."""
    annotation = kind if option is None else Annotated[kind, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


CONTEXT = make_parameter("context", inspect.Parameter.empty, typer.Context)
DEBUG = make_parameter(
    "debug",
    False,
    bool,
    typer.Option("--debug", callback=note_debug, is_eager=True, help="Show the traceback of an error."),
)


def command(*kinds: OptionClass, skip: tuple[str, ...] = ()) -> Callable[[Command], Command]:
    """Make a command of a function: its own parameters, a flag for each field of some classes, and `--debug`.

    Of those flags the function is given what was typed, by the names of the fields; what was not typed has the default
    that its class declares.

    Args:
        kinds: classes of options; where two have a field of one name, the flag is that of the later one.
        skip: fields without a flag.
    """
    items = {item.name: (kind, item) for kind in kinds for item in fields(kind) if item.name not in skip}
    declared = [(kind, item) for kind, item in items.values() if "help" in item.metadata]
    hints = {kind: get_type_hints(kind) for kind in kinds}
    made = [flag for kind, item in declared for flag in make_flags(item, hints[kind][item.name])]

    def decorate(function: Command) -> Command:
        parameters = inspect.signature(function).parameters.values()
        own = [
            one.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for one in parameters
            if one.kind is not inspect.Parameter.VAR_KEYWORD
        ]
        count = sum(one.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD for one in parameters)

        def run(context: typer.Context, debug: bool, **values: Any) -> None:
            if isinstance(context.obj, Session):
                context.obj.as_json = values.get("progress") == "json"
            given = {flag.name: values.pop(flag.name) for flag in made}
            typed = {name: as_given(value) for name, value in given.items() if is_typed(context, name)}
            function(**values, **dict(by_new_names(typed, (item for _, item in declared))))

        run.__name__, run.__doc__ = function.__name__, function.__doc__
        every = [CONTEXT, *own[:count], *made, *own[count:], DEBUG]
        run.__signature__ = inspect.Signature(every)  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in every}
        return run

    return decorate


def as_given(value: Any) -> Any:
    """A value of a flag as its field holds it: several in a tuple."""
    return tuple(value) if isinstance(value, list) else value


def is_typed(context: typer.Context, name: str) -> bool:
    """Whether a value comes from the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def by_new_names(typed: Mapping[str, Any], items: Iterable["Field[Any]"]) -> Iterator[tuple[str, Any]]:
    """What was typed, old names of flags replaced by the new ones, with a warning; the new one wins."""
    for item in items:
        for old in item.metadata.get("old_flags", ()):
            if old_name(old) in typed:
                warn_renamed(old, f"--{item.name.replace('_', '-')}")
                yield item.name, typed[old_name(old)]
        if item.name in typed:
            yield item.name, typed[item.name]


def old_name(flag: str) -> str:
    """What the value of an old flag is called among a command's parameters."""
    return f"old_{flag.removeprefix('--').replace('-', '_')}"


def make_flags(item: "Field[Any]", hint: Any) -> Iterator[inspect.Parameter]:
    """The flag for one field, and a hidden one for each old name, which works for one release."""
    names = item.metadata.get("flags", (f"--{item.name.replace('_', '-')}",))
    kind, more = flag_type(item, hint)
    default = None if item.default == () else item.default
    option = typer.Option(*names, help=item.metadata["help"], rich_help_panel=item.metadata["group"] or None, **more)
    yield make_parameter(item.name, default, kind, option)
    for name in item.metadata.get("old_flags", ()):
        yield make_parameter(old_name(name), None, Path | None, typer.Option(name, hidden=True, readable=False))


def flag_type(item: "Field[Any]", hint: Any) -> tuple[Any, dict[str, Any]]:
    """What a flag takes, and what else Typer wants to know."""
    kinds = [kind for kind in alternatives(hint) if kind is not type(None)]
    more: dict[str, Any] = {} if "metavar" not in item.metadata else {"metavar": item.metadata["metavar"]}
    old = [value for name, value in OLD_VALUES if name == item.name]
    if old:
        more = {"metavar": f"[{'|'.join(choices(hint))}]", "autocompletion": lambda: list(choices(hint))}
        return str, {**more, "parser": choice_parser(choices(hint), old)}
    if choices(hint):
        allowed = Literal[choices(hint)]  # type: ignore[valid-type]
        return (allowed | None if item.default is None else allowed), more
    if item.name in ("max_memory", "max_pixels"):
        return (int | None if item.default is None else int), {**more, "parser": size_parser}
    if get_origin(kinds[0]) is tuple:
        return list[Path] | None, {**more, "readable": False}
    if Path in kinds:
        return Path | None, {**more, "readable": False}
    if str in kinds:
        return str | None, more
    if "range" in item.metadata:
        more |= {name: end for name, end in zip(("min", "max"), item.metadata["range"], strict=True) if isfinite(end)}
    kind = kinds[0]
    return (kind if item.default is not None else kind | None), more


def choice_parser(allowed: tuple[str, ...], old: list[str]) -> Callable[[str], str]:
    """Takes one of some words; old ones too, of which `FusionOptions` warns."""

    def parse(text: str) -> str:
        if text not in (*allowed, *old):
            raise typer.BadParameter(f"{text!r} is not one of {', '.join(map(repr, allowed))}.")
        return text

    return parse


def size_parser(text: str | int) -> int:
    """`parse_size`, whose errors Typer understands; a default is a number already."""
    try:
        return parse_size(str(text))
    except OptionError as error:
        raise typer.BadParameter(str(error)) from None
