"""From what a command was given to the request of a job."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

from allfocus.errors import OptionError
from allfocus.jobs.events import JobRequest
from allfocus.jobs.project import load_project, name_project_output
from allfocus.options import FusionOptions, build_options, plain_options, read_option_values
from allfocus.outputs.asked import Asked
from allfocus.outputs.wishes import Outputs, add_listed, name_output
from allfocus.sources.expand import list_frames
from allfocus.sources.leftovers import leave_out
from allfocus.sources.stacks import find_volume

Options = TypeVar("Options")


def begin_request(frames: Sequence[Path], project: Path | None = None) -> tuple[JobRequest, Path]:
    """What frames or a project ask for, and where the picture goes if nobody says so.

    Raises:
        AllFocusError: neither or both are given, or one of them can't be used.
    """
    if (project is None) != bool(frames):
        raise OptionError("give either frames, a folder of them, or --project FILE; see allfocus fuse --help")
    if project is None:
        paths = list_frames(list(frames))
        used = leave_out(paths)[0] or paths
        place = name_output(frames, used, holds_volume=find_volume(used) is not None)
        return JobRequest(frames=paths, outputs=Outputs()), place
    loaded = load_project(project)
    return loaded.request(), name_project_output(project, loaded.frames)


def complete_request(begun: JobRequest, typed: Mapping[str, Any], image: Path | None = None) -> JobRequest:
    """A request with what was typed: over its own options those of an option file, and over these single ones.

    Args:
        begun: frames, and what a project says of them.
        typed: values by the names of fields of `FusionOptions`, `Outputs` and `Asked`.
        image: where the picture goes; None: each stack's is named later.

    Raises:
        OptionError: a value that makes no sense.
        ConfigError: the option file can't be used.
    """
    asked = pick_options(Asked, typed)
    outputs = Outputs(image=image, **{name: typed[name] for name in names_of(Outputs) & typed.keys()})
    return replace(
        begun,
        outputs=add_listed(outputs, asked.outputs),
        options=build_options(plain_options(begun.options) | chosen_options(typed)),
        slab=asked.slab,
        channel_for_focus=asked.channel_for_focus,
        options_file=asked.options,
    )


def request_for_all(typed: Mapping[str, Any]) -> JobRequest:
    """What is asked for each of many stacks, which workers in other folders may fuse; see `complete_request`."""
    request = complete_request(JobRequest(frames=(), outputs=Outputs()), typed)
    file = request.options_file
    return replace(request, options_file=None if file is None else file.absolute())


def chosen_options(typed: Mapping[str, Any]) -> dict[str, Any]:
    """Options of fusions by their names: those of an option file, if one was typed, and over them single ones."""
    file = typed.get("options")
    single = {name: typed[name] for name in (names_of(FusionOptions) - names_of(Outputs)) & typed.keys()}
    none = {"align": "none"} if typed.get("no_align") else {}
    return ({} if file is None else read_option_values(file)) | single | none


def pick_options(kind: type[Options], typed: Mapping[str, Any]) -> Options:
    """The options of one class among all that was typed."""
    return kind(**{name: typed[name] for name in names_of(kind) & typed.keys()})


def names_of(kind: type[Any]) -> set[str]:
    """The names of a dataclass's fields."""
    return {item.name for item in fields(kind)}
