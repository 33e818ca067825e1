"""Opening: from what was typed or chosen to the one stack that is looked at, or to those that can be chosen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from allfocus.core.names import slug
from allfocus.jobs import JobRequest
from allfocus.jobs.project import SUFFIX, Project, load_project, name_project
from allfocus.options import FusionOptions, build_options, plain_options
from allfocus.outputs.wishes import Outputs
from allfocus.sources.expand import list_frames
from allfocus.sources.leftovers import leave_out
from allfocus.sources.stacks import TOGETHER, FoundStack, find_stack, find_volume, group_files
from allfocus.sources.volume import Volume, holds_planes, inspect_volume
from allfocus.volumes import options_for_volumes


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One stack that can be looked at.

    Attributes:
        label: what tells it from the others.
        count: how many frames it has.
        paths: its files.
        project: where its project lies.
        plane: of a volume, position, time and channel.
    """

    label: str
    count: int
    paths: tuple[Path, ...]
    project: Path
    plane: tuple[int, int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class Opened:
    """One stack, ready to be fused.

    Attributes:
        request: what to fuse, and how.
        project: where its project lies.
        loaded: the project, if there is one already.
    """

    request: JobRequest
    project: Path
    loaded: Project | None = None


def find_choices(given: Sequence[Path], stack: int | str | None = None) -> list[Choice]:
    """The stacks that files, folders or patterns hold, one or several.

    Args:
        given: what was typed or chosen.
        stack: the one to take, by name or number; `together`: all files are one.

    Raises:
        AllFocusError: they hold none, or not the one that is asked for.
    """
    paths = list_frames(given)
    beside = name_project(given, paths)
    if stack == TOGETHER:
        return [Choice(label="", count=len(paths), paths=tuple(paths), project=beside)]
    volume = find_planes(paths)
    if volume is not None and len(volume.stacks) > 1:
        return list_planes(volume, paths, beside)
    found = group_files(leave_out(paths)[0] or paths)
    if stack is not None:
        found = [found[find_stack([each.name for each in found], stack)]]
    elif len(found) == 1:
        return [Choice(label="", count=len(paths), paths=tuple(paths), project=beside)]
    return [
        Choice(
            label=each.name,
            count=len(each.paths),
            paths=each.paths,
            project=each.paths[0].with_name(name_stack(each) + SUFFIX),
        )
        for each in found
    ]


def name_stack(stack: FoundStack) -> str:
    """What files that belong to a stack are called."""
    return slug(stack.name.rpartition("/")[2].removesuffix(stack.paths[0].suffix).replace("*", ""))


def find_planes(paths: Sequence[Path]) -> Volume | None:
    """The volume in a file of planes, or in a set of files; None where there is none."""
    kept, _ = leave_out(paths)
    found = find_volume(kept)
    main = found.main if found is not None else kept[0] if len(kept) == 1 else None
    return inspect_volume(main) if main is not None and main.is_file() and holds_planes(main) else None


def list_planes(volume: Volume, paths: Sequence[Path], beside: Path) -> list[Choice]:
    """A choice for each position, time and channel."""
    stem = beside.name.removesuffix(SUFFIX)
    return [
        Choice(
            label=stack.label,
            count=len(stack.listing),
            paths=tuple(paths),
            project=beside.with_name(f"{stem} {slug(stack.label)}{SUFFIX}"),
            plane=(stack.position, stack.time, stack.channel),
        )
        for stack in volume.stacks
    ]


def open_choice(choice: Choice, options: Mapping[str, Any]) -> Opened:
    """The stack of a choice; one that has a project beside it goes on with that, and with these options over its own.

    Raises:
        AllFocusError: the project or the options make no sense.
    """
    if choice.project.is_file():
        return open_project(choice.project, options)
    chosen = build_options({k: value for k, value in options.items() if k != "stack" or value == TOGETHER})
    if choice.plane is not None:
        chosen = options_for_volumes(chosen, ["depth"] if chosen.depth else [])
    request = JobRequest(frames=choice.paths, outputs=Outputs(), options=without_depth(chosen), plane=choice.plane)
    return Opened(request=request, project=choice.project)


def open_project(path: Path, options: Mapping[str, Any]) -> Opened:
    """The stack of a project; raises `AllFocusError` where it can't be read, or its frames have changed."""
    project = load_project(path)
    request = project.request()
    request = replace(request, options=without_depth(build_options(plain_options(request.options) | dict(options))))
    return Opened(request=request, project=path, loaded=project)


def without_depth(options: FusionOptions) -> FusionOptions:
    """The options without a depth map: the page measures that once somebody looks; the picture is the same."""
    return replace(options, depth=False)
