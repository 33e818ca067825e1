"""What each frame is, a row each, for a person who wants to know before the work starts."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from allfocus.core.stack import FrameInfo, channels_of, size_of
from allfocus.errors import AllFocusError, ReadError, printable
from allfocus.sources.facts import Facts, read_facts
from allfocus.sources.inspect import inspect_together, preflight
from allfocus.sources.leftovers import leave_out
from allfocus.sources.listing import Listing

#: Titles of a table of frames, see `FrameRow.cells`.
TITLES = ("frame", "kind", "size", "channels", "depth", "profile", "taken", "")


@dataclass(frozen=True, kw_only=True)
class FrameRow:
    """One frame of a stack, in words, all of which can be seen.

    Attributes:
        name: what it is called in messages.
        kind: `JPEG`, `TIFF`, ..., see `find_kind`; empty where it is unknown.
        size: width x height, as it will be fused; empty where it is unknown, and so for what follows.
        channels: `gray` or `RGB`.
        depth: of a sample, such as `uint8`.
        profile: the name of its ICC profile; empty without one.
        date: when it was taken, as EXIF writes it; empty where it is unknown.
        problem: `ok`, or why it can't be used.
    """

    name: str
    kind: str
    size: str
    channels: str
    depth: str
    profile: str
    date: str
    problem: str

    @property
    def cells(self) -> tuple[str, ...]:
        """All of it, a cell for each of the `TITLES`."""
        return astuple(self)


def describe_frames(source: Listing | Sequence[Path | str]) -> list[FrameRow]:
    """Describe each frame of a stack; files that can't be used are rows too, with the reason.

    Args:
        source: what `inspect_stack` found, or files as it takes them.

    Raises:
        MissingExtraError: a format needs a package that is not installed.
        ReadError: the only file holds no stack.
        StackError: the only file holds fewer than two frames.
    """
    if isinstance(source, Listing):
        return describe_listing(source)
    files, _ = leave_out([Path(path) for path in source])
    alone = inspect_together(files)
    if alone is not None:
        return describe_listing(alone)
    found = preflight(files)
    rows = []
    for path, header, frame, problem in zip(found.paths, found.headers, found.frames, found.problems, strict=True):
        facts = Facts() if header is None else read_facts(path)
        kind = "" if header is None else header.format.name
        rows.append(make_row(path.name, kind, frame, problem, facts))
    return rows


def describe_listing(listing: Listing) -> list[FrameRow]:
    """A row for each frame of a stack that is sound; frames that share a file share its metadata."""
    facts = {path: read_facts(path) for path in dict.fromkeys(listing.paths)}
    return [
        make_row(name, listing.kinds[position], listing.frame, None, facts[listing.path_of(position)])
        for position, name in enumerate(listing.names)
    ]


def make_row(name: str, kind: str, frame: FrameInfo | None, problem: AllFocusError | None, facts: Facts) -> FrameRow:
    """One row."""
    return FrameRow(
        name=printable(name),
        kind=kind,
        size="" if frame is None else size_of(frame),
        channels="" if frame is None else channels_of(frame),
        depth="" if frame is None else frame.dtype.name,
        profile=printable(facts.profile),
        date=printable(facts.date),
        problem="ok" if problem is None else str(problem),
    )


def read_dates(listing: Listing) -> list[str]:
    """When each frame was taken, as EXIF writes it; each file is read once.

    Raises:
        ReadError: the date of a frame is unknown.
    """
    dates = {path: read_facts(path).date for path in dict.fromkeys(listing.paths)}
    found = [dates[listing.path_of(position)] for position in range(len(listing))]
    if "" in found:
        silent = listing.names[found.index("")]
        raise ReadError(f"{silent} does not say when it was taken; order the frames by their names or their focus")
    return found
