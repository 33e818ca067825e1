"""From files to a focal stack: all that is wrong is found before the first is decoded, and reported together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from allfocus.core.color import Array
from allfocus.core.notes import Note
from allfocus.core.samples import Measure, as_working, measure
from allfocus.core.stack import FocalStack, FrameInfo, check_alike, difference, size_of
from allfocus.errors import AllFocusError, MissingExtraError, ReadError, StackError, raise_all
from allfocus.formats.filebytes import explain_errors
from allfocus.formats.format import Development, Header
from allfocus.formats.pixels import most_pixels
from allfocus.formats.read import read_header, read_picture
from allfocus.formats.registry import is_one, recognize
from allfocus.run.context import Run
from allfocus.sources.colours import bring_to, find_obstacles, find_profiles
from allfocus.sources.conform import conform_frames, find_typical
from allfocus.sources.expand import list_frames
from allfocus.sources.leftovers import leave_out
from allfocus.sources.listing import Listing, Reader, read_covered, stamp, watch
from allfocus.sources.losses import note_losses, note_several
from allfocus.sources.name_groups import find_missing
from allfocus.sources.ome_sets import check_complete
from allfocus.sources.parts import read_parts
from allfocus.sources.stacks import TOGETHER, FoundStack, choose_scene, choose_stack, find_stack, find_whole
from allfocus.sources.upright import turn_upright
from allfocus.sources.values import make_stack
from allfocus.sources.video import inspect_video
from allfocus.sources.volume import inspect_volume

#: How many missing files a note lists.
MOST_NAMED = 8


@dataclass(frozen=True, kw_only=True)
class Preflight:
    """What was found out about files before any is decoded.

    Attributes:
        paths: of the files to use.
        headers: of each; None where it can't be read.
        frames: what each is once it has been made to fit the others; of those that can be read.
        readers: what decodes each, as it then is.
        problems: for each, why it can't be used; None where it can.
        profiles: for each, the ICC profile of its colours; None without.
        notes: what was done.
        development: of all RAW files.
    """

    paths: Sequence[Path]
    headers: Sequence[Header | None]
    frames: Sequence[FrameInfo | None]
    readers: Sequence[Reader]
    problems: Sequence[AllFocusError | None]
    profiles: Sequence[bytes | None]
    notes: tuple[Note, ...]
    development: Development | None = None


def inspect_stack(paths: Sequence[Path | str] | Path | str, stack: int | str | None = None) -> Listing:
    """Look at all files, in the order given, and find out whether they are one focal stack.

    One path stands for what `list_frames` finds there: the pictures of a folder, in natural order of their names.
    A file of several planes or a video given alone is a stack of its own, see `inspect_volume` and
    `inspect_video`, and so are the files of a set of OME-TIFF. What is no frame is left out, see `leave_out`; frames
    that lie on their side and slightly different sizes are dealt with, see the listing's notes.

    Args:
        paths: the files, or one folder.
        stack: which of several stacks, see `choose_stack`.

    Raises:
        ReadError: a file is missing, no picture, cut short, or its header is damaged.
        StackError: fewer than two frames, several stacks, or frames of different size, channels or depth.
        BadFramesError: both, where several files can't be used: all are named.
        MissingExtraError: a format needs a package that is not installed.
    """
    files = list_frames([paths]) if isinstance(paths, str | Path) else [Path(path) for path in paths]
    kept, left_out = leave_out(files)
    alone = inspect_together(kept, stack)
    if alone is not None:
        return replace(alone, notes=(*left_out, *alone.notes))
    chosen = choose_stack(kept, stack) if kept else FoundStack(name="", paths=())
    if len(chosen.paths) < len(kept):  # positions in notes are those of all files
        left_out = [replace(note, frames=()) for note in left_out]
    found = preflight(chosen.paths)
    raise_all([problem for problem in found.problems if problem is not None], len(found.paths))
    frames = [frame for frame in found.frames if frame is not None]
    names = [path.name for path in found.paths]
    check_count(found, left_out)
    check_alike(frames, names)
    formats = [header.format for header in found.headers if header is not None]
    listing = Listing(
        paths=found.paths,
        names=names,
        frame=frames[0],
        readers=found.readers,
        kinds=[each.name for each in formats],
        notes=(*left_out, *note_names(chosen), *found.notes),
        is_linear=all(each.is_raw for each in formats),
        profiles=found.profiles if len(set(found.profiles)) > 1 else (),
        colours=None if found.development is None else found.development.colours,
    )
    if chosen.is_choice_open and stack is not None:
        listing = choose_scene(listing, stack, chosen.name)
    return bring_to(listing, len(listing) // 2)


def inspect_together(files: Sequence[Path], stack: int | str | None = None) -> Listing | None:
    """The stack in a single file, or in all files of a set, if it is one; None for other files."""
    if len(files) == 1:
        return inspect_alone(files[0], stack)
    found = find_whole(files) if stack is None else None
    if found is None:
        return None
    check_complete(found)
    if not found.is_embedded:
        return None
    volume = inspect_volume(found.main)
    return volume.stacks[0].require() if len(volume.stacks) == 1 else None


def check_count(found: Preflight, left_out: Sequence[Note]) -> None:
    """Raise `StackError` where there are fewer than two frames, with what there is and what was left out."""
    if len(found.paths) > 1:
        return
    given = "1 frame given" if found.paths else "no frames given"
    named = zip(found.paths, found.headers, strict=True)
    parts = [f"{path} is one {head.format.name} picture of {size_of(head.frame)}" for path, head in named if head]
    parts += map(str, left_out)
    more = f" ({'; '.join(parts)})" if parts else ""
    raise StackError(f"{given}; fusing needs at least 2 frames focused differently{more}")


def note_names(stack: FoundStack) -> list[Note]:
    """What the names of the frames say: that they count no planes, or that some are missing."""
    notes = []
    if stack.planes:
        message = f"the names count {stack.planes}s; they are taken for the planes of one focal stack"
        notes.append(Note(code=f"{stack.planes}s-as-planes", message=message))
    missing = find_missing([path.name for path in stack.paths])
    if missing:
        more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
        message = f"by their numbers frames are missing: {', '.join(missing[:MOST_NAMED])}{more}"
        notes.append(Note(code="frames-missing", message=message))
    return notes


def inspect_alone(path: Path, stack: int | str | None = None) -> Listing | None:
    """The stack in a single file: planes of a TIFF file, frames of a video, a burst; None for other files.

    Args:
        path: the file.
        stack: of a file with several channels or times, which: its label, or its number counted from 1.

    Raises:
        ReadError: the file holds several channels or times; see `inspect_volume`.
        OptionError: there is no such stack in it.
    """
    found = recognize(path) if is_one(path) else None
    if found is None:
        return None
    with explain_errors(path, found.name):
        is_several = found.contains == "frames" or (found.is_readable() and found.count_frames(path) > 1)
    if is_several:
        return choose_part(inspect_video(path), stack)
    if found.contains == "picture":
        return None
    volume = inspect_volume(path, together=stack == TOGETHER)
    labels = [each.label for each in volume.stacks]
    if len(labels) > 1 and stack is not None:
        return volume.stacks[find_stack(labels, stack)].require()
    if len(labels) > 1:
        raise ReadError(
            f"{path.name} holds several channels or times ({volume}), a stack each; "
            f"choose one, such as --stack '{labels[0]}', or export one channel and one time as a stack"
        )
    return choose_part(volume.stacks[0].require(), stack, labels[0])


def choose_part(listing: Listing, stack: int | str | None, label: str = "") -> Listing:
    """The frames in one file, or those of the scene that is asked for."""
    return listing if stack is None or stack == TOGETHER else choose_scene(listing, stack, label)


def preflight(files: Sequence[Path]) -> Preflight:
    """Look at each file, then make those fit that nearly do; raises `MissingExtraError` only."""
    paths, notes = list(files), list[Note]()
    stamps = [stamp(path) for path in paths]
    looked = [examine(path) for path in paths]
    development = develop_alike(paths, looked)
    headers = [found if isinstance(found, Header) else None for found in looked]
    problems = [found if isinstance(found, AllFocusError) else None for found in looked]
    frames = [None if header is None else header.frame for header in headers]
    readers: list[Reader] = [
        watch(partial(read_picture, path, development, max_pixels=most_pixels()), path, seen)
        for path, seen in zip(paths, stamps, strict=True)
    ]
    upright, done = turn_upright(
        paths, [None if head is None else read for head, read in zip(headers, readers, strict=True)]
    )
    readers = [upright.get(position, reader) for position, reader in enumerate(readers)]
    notes += done
    known = {position: frame for position, frame in enumerate(frames) if frame is not None}
    if known:
        names = [paths[position].name for position in known]
        fitted, through, done = conform_frames(list(known.values()), [readers[position] for position in known], names)
        unlike = find_differences(fitted, [f"frame {position + 1} ({paths[position].name})" for position in known])
        for position, frame, reader, problem in zip(known, fitted, through, unlike, strict=True):
            frames[position], readers[position], problems[position] = frame, reader, problem
        notes += done
    profiles = find_profiles(paths, frames)
    obstacles = find_obstacles(profiles, frames, [path.name for path in paths])
    problems = [problem or obstacle for problem, obstacle in zip(problems, obstacles, strict=True)]
    return Preflight(
        paths=paths,
        headers=headers,
        frames=frames,
        readers=readers,
        problems=problems,
        profiles=profiles,
        notes=(*notes, *note_losses(paths, headers), *note_several(paths, headers)),
        development=development,
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
    if run.in_parts and listing.parts is not None:
        found = read_parts(listing, listing.parts, frames, run)
        return make_stack(list(frames), listing.names, listing.frame.dtype, found, [None] * len(frames))

    def read(position: int) -> tuple[Measure, Array | None]:
        found, covered = read_covered(listing, position)
        check_alike([listing.frame, FrameInfo(shape=found.shape, dtype=found.dtype)], ["", listing.names[position]])
        frames[position] = as_working(found)
        measured = Measure() if found.dtype == np.uint8 else measure(found)
        return measured, None if covered is None else keep(covered, run)

    measures, covered = zip(*run.each("read", read, range(len(listing))), strict=True)
    return make_stack(list(frames), listing.names, listing.frame.dtype, measures, covered)


def keep(mask: Array, run: Run) -> Array:
    """A mask where the run keeps what may be larger than memory."""
    kept = run.empty(mask.shape, mask.dtype)
    kept[...] = mask
    return kept
