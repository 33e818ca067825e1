"""Flags made from the fields of option classes: each is declared once, with its help, group, choices and range."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import Field, fields
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_origin, get_type_hints

import typer

from allfocus.core.sizes import parse_size
from allfocus.core.typed import alternatives, choices
from allfocus.errors import OptionError
from allfocus.options import OLD_VALUES, FusionOptions, read_option_values
from allfocus.outputs.wishes import Outputs

Command = TypeVar("Command", bound=Callable[..., Any])
OptionClass = type[Any]
Options = TypeVar("Options")


def option_flags(kind: OptionClass, skip: tuple[str, ...] = ()) -> list[inspect.Parameter]:
    """A parameter for each field of a class of options, as Typer understands them.

    Args:
        kind: the class.
        skip: fields without a flag.
    """
    hints = get_type_hints(kind)
    found = []
    for item in fields(kind):
        if item.name in skip or "help" not in item.metadata:
            continue
        found.append(option_flag(item, hints[item.name]))
        found += [old_flag(item, name) for name in item.metadata.get("old_flags", ())]
    return found


def option_flag(item: "Field[Any]", hint: Any) -> inspect.Parameter:
    """The parameter for one field."""
    names = item.metadata.get("flags", (f"--{item.name.replace('_', '-')}",))
    kind, more = flag_type(item, hint)
    default = None if item.default == () else item.default
    option = typer.Option(*names, help=item.metadata["help"], rich_help_panel=item.metadata["group"], **more)
    return inspect.Parameter(
        item.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option]
    )


def old_flag(item: "Field[Any]", name: str) -> inspect.Parameter:
    """A hidden flag: the old name of another, which works for one release."""
    option = typer.Option(name, hidden=True, readable=False)
    return inspect.Parameter(
        old_name(name), inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[Path | None, option]
    )


def old_name(flag: str) -> str:
    """What the value of an old flag is called among a command's parameters."""
    return f"old_{flag.removeprefix('--').replace('-', '_')}"


def flag_type(item: "Field[Any]", hint: Any) -> tuple[Any, dict[str, Any]]:
    """What a flag takes, and what else Typer wants to know."""
    kinds = [kind for kind in alternatives(hint) if kind is not type(None)]
    more: dict[str, Any] = {} if "metavar" not in item.metadata else {"metavar": item.metadata["metavar"]}
    old = [value for name, value in OLD_VALUES if name == item.name]
    if old:
        return str, {"metavar": f"[{'|'.join(choices(hint))}]", "parser": choice_parser(choices(hint), old)}
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


def with_flags(*parameters: inspect.Parameter) -> Callable[[Command], Command]:
    """Give a command whose last parameter is ``**flags`` these flags; they come behind its own."""

    def decorate(command: Command) -> Command:
        own = [
            parameter
            for parameter in inspect.signature(command).parameters.values()
            if parameter.kind is not inspect.Parameter.VAR_KEYWORD
        ]
        positional = [parameter for parameter in own if parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
        named = [parameter for parameter in own if parameter.kind is inspect.Parameter.KEYWORD_ONLY]

        def run(**values: Any) -> Any:
            return command(**values)

        run.__name__, run.__doc__ = command.__name__, command.__doc__
        run.__signature__ = inspect.Signature([*positional, *parameters, *named])  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *parameters)}
        return run  # type: ignore[return-value]

    return decorate


def given_options(context: typer.Context, flags: Mapping[str, Any]) -> dict[str, Any]:
    """The options among a command's flags that were typed, not left at their defaults."""
    names = {item.name for item in fields(FusionOptions)} - {item.name for item in fields(Outputs)}
    typed = {name for name in names & set(flags) if is_typed(context, name)}
    return {name: flags[name] for name in typed}


def chosen_options(
    context: typer.Context, flags: Mapping[str, Any], file: Path | None, no_align: bool = False
) -> dict[str, Any]:
    """The options that were asked for: those of an option file, if any, and over them those that were typed."""
    chosen = ({} if file is None else read_option_values(file)) | given_options(context, flags)
    return chosen | {"align": "none"} if no_align else chosen


def own_options(kind: type[Options], flags: Mapping[str, Any]) -> Options:
    """The options of another class among a command's flags."""
    return kind(**{item.name: flags[item.name] for item in fields(kind)})  # type: ignore[arg-type]


def is_typed(context: typer.Context, name: str) -> bool:
    """Whether a value comes from the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
