"""From files to a focal stack: all that is wrong is found before the first is decoded, and reported together."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from allfocus.core.notes import Note
from allfocus.core.samples import Measure, as_working, measure
from allfocus.core.stack import FocalStack, FrameInfo, check_alike, difference
from allfocus.errors import AllFocusError, MissingExtraError, ReadError, StackError, raise_all
from allfocus.formats.filebytes import explain_errors
from allfocus.formats.format import Development, Header
from allfocus.formats.read import read_header, read_image
from allfocus.formats.registry import recognize
from allfocus.run.context import Run
from allfocus.sources.conform import conform_frames, find_typical
from allfocus.sources.expand import drop_twins, list_frames
from allfocus.sources.listing import Listing, Reader, read_frame
from allfocus.sources.values import make_stack
from allfocus.sources.video import inspect_video
from allfocus.sources.volume import inspect_volume


@dataclass(frozen=True, kw_only=True)
class Preflight:
    """What was found out about files before any is decoded.

    Attributes:
        paths: of the files to use.
        headers: of each; None where it can't be read.
        frames: what each is once it has been made to fit the others; of those that can be read.
        readers: what decodes each, as it then is.
        problems: for each, why it can't be used; None where it can.
        notes: what was done.
    """

    paths: Sequence[Path]
    headers: Sequence[Header | None]
    frames: Sequence[FrameInfo | None]
    readers: Sequence[Reader]
    problems: Sequence[AllFocusError | None]
    notes: tuple[Note, ...]


def inspect_stack(paths: Sequence[Path | str] | Path | str) -> Listing:
    """Look at all files, in the order given, and find out whether they are one focal stack.

    One path stands for what `list_frames` finds there: the pictures of a folder, in natural order of their names.
    A file of several planes or a video given alone is a stack of its own, see `inspect_volume` and
    `inspect_video`. RAW files beside pictures of the same name, frames that lie on their side and slightly different
    sizes are dealt with, see the listing's notes.

    Raises:
        ReadError: a file is missing, no picture, cut short, or its header is damaged.
        StackError: fewer than two frames, or frames of different size, channels or depth.
        BadFramesError: both, where several files can't be used: all are named.
        MissingExtraError: a format needs a package that is not installed.
    """
    files = list_frames([paths]) if isinstance(paths, str | Path) else [Path(path) for path in paths]
    alone = inspect_alone(files[0]) if len(files) == 1 else None
    if alone is not None:
        return alone
    found = preflight(files)
    raise_all([problem for problem in found.problems if problem is not None], len(found.paths))
    frames = [frame for frame in found.frames if frame is not None]
    names = [path.name for path in found.paths]
    check_alike(frames, names)
    formats = [header.format for header in found.headers if header is not None]
    return Listing(
        paths=found.paths,
        names=names,
        frame=frames[0],
        readers=found.readers,
        kinds=[each.name for each in formats],
        notes=found.notes,
        is_linear=all(each.is_raw for each in formats),
    )


def inspect_alone(path: Path) -> Listing | None:
    """The stack in a single file: planes of a TIFF file, frames of a video; None for other files.

    Raises:
        ReadError: the file holds several channels or times; see `inspect_volume`.
    """
    found = recognize(path) if path.is_file() else None
    if found is None or found.contains == "picture":
        return None
    if found.contains == "frames":
        return inspect_video(path)
    volume = inspect_volume(path)
    if len(volume.stacks) > 1:
        raise ReadError(
            f"{path.name} holds several channels or times ({volume}), a stack each; "
            "choose one, or export one channel and one time as a stack"
        )
    return volume.stacks[0].listing


def preflight(files: Sequence[Path]) -> Preflight:
    """Look at each file, then make those fit that nearly do; raises `MissingExtraError` only."""
    paths, notes = drop_twins(files)
    looked = [examine(path) for path in paths]
    development = develop_alike(paths, looked)
    headers = [found if isinstance(found, Header) else None for found in looked]
    problems = [found if isinstance(found, AllFocusError) else None for found in looked]
    frames = [None if header is None else header.frame for header in headers]
    readers: list[Reader] = [partial(read_image, path, development) for path in paths]
    known = {position: frame for position, frame in enumerate(frames) if frame is not None}
    if known:
        names = [paths[position].name for position in known]
        fitted, through, done = conform_frames(list(known.values()), [readers[position] for position in known], names)
        unlike = find_differences(fitted, [f"frame {position + 1} ({paths[position].name})" for position in known])
        for position, frame, reader, problem in zip(known, fitted, through, unlike, strict=True):
            frames[position], readers[position], problems[position] = frame, reader, problem
        notes += done
    return Preflight(
        paths=paths,
        headers=headers,
        frames=frames,
        readers=readers,
        problems=problems,
        notes=(*notes, *note_losses(paths, headers)),
    )


def examine(path: Path) -> Header | AllFocusError:
    """The header of a file, or why it can't be used; raises `MissingExtraError`."""
    try:
        return read_header(path)
    except MissingExtraError:
        raise
    except AllFocusError as error:
        return error


def develop_alike(paths: Sequence[Path], looked: list[Header | AllFocusError]) -> Development | None:
    """How to develop RAW files: by the one in the middle; one that turns out to be damaged is put down as such."""
    raw = {k: found.format for k, found in enumerate(looked) if isinstance(found, Header) and found.format.is_raw}
    for position in sorted(raw, key=lambda position: abs(position - [*raw][len(raw) // 2])):
        try:
            with explain_errors(paths[position], raw[position].name):
                return raw[position].develop(paths[position])
        except ReadError as error:
            looked[position] = error
    return None


def find_differences(frames: Sequence[FrameInfo], names: Sequence[str]) -> list[StackError | None]:
    """Why each frame does not go with the others, where it does not: most of them decide."""
    typical = find_typical(frames)
    model = names[list(frames).index(typical)]
    return [difference(frame, typical, name, model) for frame, name in zip(frames, names, strict=True)]


def note_losses(paths: Sequence[Path], headers: Sequence[Header | None]) -> list[Note]:
    """What reading will lose, one note for all files that lose the same."""
    lost: dict[str, list[int]] = {}
    for position, header in enumerate(headers):
        if header is not None and header.loss:
            lost.setdefault(header.loss, []).append(position)
    notes = []
    for loss, positions in lost.items():
        more = f" and {len(positions) - 1} more" if positions[1:] else ""
        message = f"{loss} ({paths[positions[0]].name}{more})"
        notes.append(Note(code="bit-depth-reduced", message=message, frames=tuple(positions)))
    return notes


def read_stack(paths: Sequence[Path | str] | Path | str | Listing, run: Run | None = None) -> FocalStack:
    """Read frames in the order given; a multi-page TIFF given alone is a stack of its pages.

    All headers are read before the first frame is decoded.

    Args:
        paths: files, a folder, or what `inspect_stack` found, see there.
        run: workers, and scratch files to keep the frames in; the stage is called `read`.

    Raises:
        ReadError: a file can't be read, see `read_image`.
        StackError: fewer than two frames, or frames of different size, channels or depth.
        WriteError: the scratch folder has no room for them.
    """
    listing = paths if isinstance(paths, Listing) else inspect_stack(paths)
    run = run or Run()
    frames = run.empty((len(listing), *listing.frame.shape), listing.frame.working.dtype)

    def read(position: int) -> Measure:
        found = read_frame(listing, position)
        check_alike([listing.frame, FrameInfo(shape=found.shape, dtype=found.dtype)], ["", listing.names[position]])
        frames[position] = as_working(found)
        return Measure() if found.dtype == np.uint8 else measure(found)

    measures = list(run.each("read", read, range(len(listing))))
    return make_stack(list(frames), listing.names, listing.frame.dtype, measures)
