"""Where the outputs of each stack go: names below OUT, in the shape of the folders or by a pattern."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path, PurePosixPath
from string import Formatter
from typing import Any

from allfocus.batch.find import TreeStack
from allfocus.batch.labels import clean, strip
from allfocus.errors import OptionError, WriteError
from allfocus.formats.registry import find_writer
from allfocus.outputs.wishes import SETTINGS, Outputs, add_listed, name_output
from allfocus.run.atomic import real_path

#: What a pattern may hold beside named groups of --group.
KNOWN = ("folder", "stack", "root", "first", "ext")
#: The pattern of pictures unless another is given.
SHAPE = "{folder}/{stack}{ext}"


def name_outputs(
    stacks: Sequence[TreeStack], out: Path, pattern: str | None, outputs: Outputs, listed: str | None
) -> list[Outputs]:
    """The outputs of each stack.

    Args:
        stacks: all of them: no two get the same name.
        out: the folder for all outputs.
        pattern: of the pictures' names; None: the shape of the folders.
        outputs: maps and reports, whose files are patterns as well; what is said there about the picture is ignored.
        listed: a list as `--outputs` takes it.

    Raises:
        OptionError: a pattern that can't be filled in, leads out of `out`, or names two stacks alike.
    """
    values = [describe(stack, len({one.root for one in stacks}) > 1) for stack in stacks]
    images = [fill(pattern or SHAPE, value, "name") for value in values]
    images = [
        image if has_writer(image) else f"{image}{value['ext']}" for image, value in zip(images, values, strict=True)
    ]
    images = tell_apart(images, stacks) if pattern is None else images
    found = [add_listed(place(outputs, value, out, image), listed) for image, value in zip(images, values, strict=True)]
    check_different(found, stacks)
    return found


def describe(stack: TreeStack, by_root: bool) -> dict[str, str]:
    """What the fields of a pattern stand for."""
    root = clean(real_path(stack.root).name)
    parts = [clean(part) for part in stack.folder.parts]
    folder = "/".join([root, *parts] if by_root else parts)
    named = {name: clean(value) for name, value in stack.fields.items()}
    own = {"folder": folder or ".", "stack": stack.label, "root": root, "first": clean(strip(stack.paths[0].name))}
    return {**named, **own, "ext": find_ending(stack)}


def find_ending(stack: TreeStack) -> str:
    """The ending of the picture: that of the frames, or what holds a volume."""
    is_within = stack.told_by == "positions" and stack.position is None  # an image of an OME-Zarr, even if it is lost
    if (is_within or stack.paths[0].is_dir()) and has_writer("picture.ome.zarr"):
        return ".ome.zarr"
    if is_within or stack.holds_volume or stack.paths[0].is_dir():
        return ".ome.tif"
    named = name_output(stack.paths, stack.paths).name
    return ".ome.tif" if named.endswith(".ome.tif") else Path(named).suffix


def fill(pattern: str, values: Mapping[str, str], option: str) -> str:
    """A pattern with its fields filled in; raises `OptionError` for one that does not exist."""
    filled = []
    try:
        parsed = list(Formatter().parse(pattern))
    except ValueError as error:
        raise OptionError(f"{option} {pattern!r}: {error}") from None
    for text, field, spec, conversion in parsed:
        filled.append(text)
        if field is None:
            continue
        if field not in values or spec or conversion:
            known = ", ".join(f"{{{name}}}" for name in (*KNOWN, *(name for name in values if name not in KNOWN)))
            raise OptionError(f"{option} {pattern!r}: unknown field {{{field}}}; expected some of {known}")
        filled.append(values[field])
    name = PurePosixPath("".join(filled))
    if name.is_absolute() or ".." in name.parts or not name.name:
        raise OptionError(f"{option} {pattern!r}: {name} leads out of OUT; expected a name below it")
    return str(name)


def has_writer(name: str) -> bool:
    """Whether a picture of this name can be written."""
    try:
        find_writer(Path(name))
    except WriteError:
        return False
    return True


def place(outputs: Outputs, values: Mapping[str, str], out: Path, image: str) -> Outputs:
    """The outputs of one stack."""
    filled: dict[str, Any] = {"image": out / image}
    for item in fields(Outputs):
        value = getattr(outputs, item.name)
        option = item.name.replace("_", "-")
        if item.name in ("image", "beside", *SETTINGS) or not value:
            continue
        if isinstance(value, tuple):
            filled[item.name] = tuple(out / fill(str(one), values, option) for one in value)
        else:
            filled[item.name] = out / fill(str(value), values, option)
    return replace(outputs, **filled)


def tell_apart(images: Sequence[str], stacks: Sequence[TreeStack]) -> list[str]:
    """Names of which those that several stacks would have are told apart by their first files, or else by numbers."""
    named, counts = list(images), count(images)
    for k, (image, stack) in enumerate(zip(images, stacks, strict=True)):
        if counts[image.casefold()] > 1:
            named[k] = add_to_stem(image, clean(strip(stack.paths[0].name)))
    seen: defaultdict[str, int] = defaultdict(int)
    for k, image in enumerate(named):
        seen[image.casefold()] += 1
        if seen[image.casefold()] > 1:
            named[k] = add_to_stem(image, str(seen[image.casefold()]))
    return named


def count(names: Sequence[str]) -> Mapping[str, int]:
    """How often each name is there, in lower case."""
    found: defaultdict[str, int] = defaultdict(int)
    for name in names:
        found[name.casefold()] += 1
    return found


def add_to_stem(name: str, more: str) -> str:
    """A name with something added before its ending."""
    path = PurePosixPath(name)
    ending = ".ome" + path.suffix if path.stem.lower().endswith(".ome") else path.suffix
    return f"{name[: len(name) - len(ending)]}_{more}{ending}"


def check_different(outputs: Sequence[Outputs], stacks: Sequence[TreeStack]) -> None:
    """Raise `OptionError` where two stacks would write the same file."""
    owner: dict[str, int] = {}
    for k, one in enumerate(outputs):
        for path in (*one.pictures, *one.texts):
            other = owner.setdefault(str(path).casefold(), k)
            if other != k:
                raise OptionError(
                    f"{path} would be written for {stacks[other].label} and for {stacks[k].label}; "
                    "name them apart, with {folder} and {stack} in the pattern"
                )
