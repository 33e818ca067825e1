"""Project files: a fusion with all that was chosen and painted, to go on with later or to repeat without a page."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from os.path import relpath
from pathlib import Path
from typing import Any

from allfocus._version import __version__
from allfocus.alignment.transforms_file import dump_transforms, parse_document
from allfocus.core.typed import build
from allfocus.decision.painted import Stroke
from allfocus.errors import AllFocusError, ConfigError, OptionError, ReadError
from allfocus.jobs.checks import open_request
from allfocus.jobs.events import Aligned, JobRequest
from allfocus.options import FusionOptions, build_options, plain_options
from allfocus.outputs.report.provenance import sha256
from allfocus.outputs.wishes import Outputs, name_output
from allfocus.run.atomic import write_file
from allfocus.sources.listing import Listing

#: First entry of every project file, and how their names end.
FORMAT, SUFFIX = "allfocus project 1", ".allfocus.json"
#: Largest file that is read: some ten thousand long strokes.
SIZE_LIMIT = 200_000_000
#: How to get a file that can be used.
REMEDY = "expected a file that allfocus studio saved"


@dataclass(frozen=True, kw_only=True)
class Project:
    """A fusion of frames in files, and what was painted over it.

    Attributes:
        frames: files in their order.
        hashes: SHA-256 of each.
        leave_out: names of frames that are not used.
        options: how to fuse.
        layers: other results that strokes take pixels from: options by name.
        strokes: see `JobRequest`.
        plane: see `JobRequest`.
        aligned: see `JobRequest`.
    """

    frames: tuple[Path, ...]
    hashes: tuple[str, ...]
    leave_out: tuple[str, ...] = ()
    options: FusionOptions = field(default_factory=FusionOptions)
    layers: Mapping[str, FusionOptions] = field(default_factory=dict)
    strokes: tuple[Stroke, ...] = ()
    plane: tuple[int, int, int] | None = None
    aligned: Aligned | None = None

    def request(self, outputs: Outputs | None = None) -> JobRequest:
        """The job that makes the project's picture."""
        return JobRequest(
            frames=self.frames,
            outputs=outputs or Outputs(),
            options=self.options,
            leave_out=self.leave_out,
            strokes=self.strokes,
            layers=self.layers,
            plane=self.plane,
            aligned=self.aligned,
        )


def make_project(request: JobRequest, known: Mapping[Path, str] | None = None) -> Project:
    """The project of a request whose frames are files.

    Args:
        request: its frames are listed one by one.
        known: SHA-256 of files that were hashed already.

    Raises:
        ReadError: a file can't be read any more.
    """
    hashes = {path: sha256(path) for path in request.frames if path not in (known or {})} | dict(known or {})
    used = {stroke.source for stroke in request.strokes}
    return Project(
        frames=tuple(request.frames),
        hashes=tuple(hashes[path] for path in request.frames),
        leave_out=request.leave_out,
        options=request.options,
        layers={name: options for name, options in request.layers.items() if name in used},
        strokes=request.strokes,
        plane=request.plane,
        aligned=request.aligned,
    )


def save_project(path: Path, project: Project, names: Sequence[str] | None = None) -> None:
    """Write a project file; the paths of frames are relative to it.

    Args:
        path: where to; ends in .allfocus.json.
        project: what goes into it.
        names: of the frames that are used, in their order, if they are known.

    Raises:
        OptionError: its name does not end in .allfocus.json.
        WriteError: it can't be written; nothing is left behind.
    """
    if not path.name.endswith(SUFFIX):
        raise OptionError(f"{path}: project files end in {SUFFIX}")
    write_file(path, dump_project(project, path.resolve().parent, names))


def dump_project(project: Project, folder: Path, names: Sequence[str] | None = None) -> str:
    """The text of a project file in a folder: JSON; frames in strokes are named, so that the order may change."""
    if names is None:
        names = list_names(project) if any(stroke.frame is not None for stroke in project.strokes) else []
    files = zip(project.frames, project.hashes, strict=True)
    document = {
        "format": FORMAT,
        "software": f"allfocus {__version__}",
        "frames": [{"path": place_of(path, folder), "sha256": digest} for path, digest in files],
        "leave_out": list(project.leave_out),
        "options": plain_options(project.options),
        "plane": None if project.plane is None else list(project.plane),
        "layers": {name: plain_options(options) for name, options in project.layers.items()},
        "transforms": describe_alignment(project.aligned),
        "strokes": [describe_stroke(stroke, names) for stroke in project.strokes],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def place_of(path: Path, folder: Path) -> str:
    """A path as it is written into a file in `folder`."""
    try:
        return Path(relpath(path.resolve(), folder)).as_posix()
    except ValueError:  # on another drive
        return path.resolve().as_posix()


def list_names(project: Project) -> list[str]:
    """Names of the frames that strokes count."""
    listing = open_request(project.request())
    if not isinstance(listing, Listing):
        raise OptionError(f"{listing}: strokes are painted on one focal stack")
    return list(listing.names)


def describe_stroke(stroke: Stroke, names: Sequence[str]) -> dict[str, Any]:
    """A stroke in values that JSON knows; what is the default is left out."""
    values = {name: value for name, value in asdict(stroke).items() if value != DEFAULTS.get(name, NotImplemented)}
    values["points"] = [list(point) for point in stroke.points]
    return values | ({} if stroke.frame is None else {"frame": names[stroke.frame]})


#: Values of a stroke that need not be written.
DEFAULTS = {"frame": None, "source": "", "gain": 1.0, "visible": True}


# --- reading -------------------------------------------------------------------------------------


def load_project(path: Path | str) -> Project:
    """Read a project file, and check that its frames are those that it was made of.

    Raises:
        ConfigError: it can't be read, is no project, or holds something that makes no sense.
        ReadError: a frame is missing, or is another file than the one that the project was made of.
    """
    path = Path(path)
    document = read_document(path)
    try:
        project, strokes = parse_project(document, path.resolve().parent), document.get("strokes", [])
        check_hashes(project)
        names = list_names(project) if any("frame" in stroke for stroke in strokes) else []
        return replace(project, strokes=tuple(parse_stroke(stroke, names) for stroke in strokes))
    except ReadError as error:
        raise ReadError(f"{path}: {error}") from None
    except AllFocusError as error:
        raise ConfigError(f"{path}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"{path} is damaged ({type(error).__name__}: {error}); {REMEDY}") from error


def read_document(path: Path) -> dict[str, Any]:
    """The JSON in a project file; raises `ConfigError`."""
    try:
        if path.stat().st_size > SIZE_LIMIT:
            raise ConfigError(f"{path} is too large for a project; {REMEDY}")
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is no project ({error}); {REMEDY}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ConfigError(f"{path} is no project of this version; {REMEDY}")
    return document


def parse_project(document: dict[str, Any], folder: Path) -> Project:
    """What a document says but for its strokes."""
    options = build_options(document.get("options", {}))
    return Project(
        frames=tuple((folder / str(frame["path"])).resolve() for frame in document["frames"]),
        hashes=tuple(str(frame["sha256"]) for frame in document["frames"]),
        leave_out=tuple(str(name) for name in document.get("leave_out", ())),
        options=options,
        layers={str(name): build_options(options) for name, options in document.get("layers", {}).items()},
        plane=parse_plane(document.get("plane")),
        aligned=parse_alignment(document.get("transforms"), options),
    )


def describe_alignment(aligned: Aligned | None) -> dict[str, Any] | None:
    """An alignment in values that JSON knows: those of a file of transforms, and the order of focus."""
    if aligned is None:
        return None
    alignment = aligned.alignment
    names = [str(k + 1) for k in range(len(alignment.matrices))]
    values: dict[str, Any] = json.loads(dump_transforms(alignment, names, aligned.size))
    return {**values, "order": [int(k) for k in alignment.order]}


def parse_alignment(values: Any, options: FusionOptions) -> Aligned | None:
    """The inverse of `describe_alignment`; raises `ValueError` and the like where the values make no sense."""
    if values is None:
        return None
    alignment = parse_document(values)
    order = [int(k) for k in values.get("order", ())]
    if order and sorted(order) != list(alignment.used):
        raise ValueError("the order of focus is none of the frames that are used")
    size = int(values["height"]), int(values["width"])
    return Aligned(alignment=replace(alignment, order=order), options=options, size=size)


def parse_plane(values: Any) -> tuple[int, int, int] | None:
    """Position, time and channel; raises `ValueError` for anything else."""
    if values is None:
        return None
    position, time, channel = (int(value) for value in values)
    return position, time, channel


def check_hashes(project: Project) -> None:
    """Raise `ReadError` unless all frames are there and unchanged."""
    remedy = "or remove the project to start anew"
    for path, digest in zip(project.frames, project.hashes, strict=True):
        if not path.is_file():
            raise ReadError(f"{path} is missing; expected a frame that the project was made of: put it back, {remedy}")
        if sha256(path) != digest:
            raise ReadError(f"{path} has changed since the project was saved; put the old file back, {remedy}")


def parse_stroke(values: dict[str, Any], names: Sequence[str]) -> Stroke:
    """A stroke from a file or a page, whose frame is named.

    Raises:
        ConfigError: it makes no sense.
    """
    values = dict(values)
    name = values.pop("frame", None)
    if name is not None and name not in names:
        raise ConfigError(f"stroke from {name!r}: there is no such frame that is used")
    values["points"] = [(round(float(x), 2), round(float(y), 2)) for x, y in values["points"]]
    stroke: Stroke = build(Stroke, {**values, "frame": None if name is None else list(names).index(name)})
    return stroke


def name_project(given: Sequence[Path], paths: Sequence[Path]) -> Path:
    """Where the project of a stack lies: beside it, as ``STACK.allfocus.json``; see `name_output`."""
    picture = name_output(given, paths)
    return picture.with_name(picture.name.partition(".fused.")[0] + SUFFIX)


def name_project_output(path: Path, frames: Sequence[Path]) -> Path:
    """Where the picture of a project goes if nobody says so: ``NAME.fused.EXT`` beside it."""
    ending = name_output([], frames).suffix
    return path.with_name(f"{path.name.removesuffix(SUFFIX)}.fused{ending}")
