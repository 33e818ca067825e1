"""Listing: what a focal stack in files is, found out without decoding it, and how to decode each frame."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

from allfocus.core.color import Array
from allfocus.core.coverage import split_coverage
from allfocus.core.notes import Note
from allfocus.core.stack import FrameInfo, channels_of, size_of
from allfocus.errors import AllFocusError, ReadError, StackError
from allfocus.formats.format import PlaneParts
from allfocus.metadata.camera import CameraColours
from allfocus.metadata.colours import convert_colours

#: Decodes one frame; where pixels are not opaque their alpha is the last channel.
Reader = Callable[[], Array]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Listing:
    """What a stack in files is, found out without decoding it.

    Attributes:
        paths: one for each frame, or one for all: a TIFF file of several pages, or a video.
        names: what to call each frame in messages.
        frame: shape and depth of every frame.
        readers: for each frame, what decodes it; `read_frame` calls it.
        kinds: for each frame, the name of its file's format, see `find_kind`.
        notes: what was done to make a stack of these files; empty when all is ordinary. Frames are counted as here.
        is_linear: whether the files hold linear light (RAW): frames are display-encoded all the same.
        profiles: for each frame the ICC profile of its colours, None where it has none; empty where all are the same.
        conversions: profiles of frames whose colours are converted to `profile` as they are read, by their positions.
        profile: of all frames once they are read, where it is not simply that of their files.
        others: further files that the frames lie in, companions of the one in `paths`.
        pixel_size, z_step: width and height of a pixel, and from frame to frame, in µm, where the file says it of this
            stack; None: what each file says of itself counts.
        order: `time` once the frames have been put into the order in which they were taken.
        whole: shape and depth of the frames in the files, where a draft reads them at a reduced size.
        colours: of the camera, where the files are RAW and it is known.
        parts: how all frames are read in parts; None: one by one, as a whole.
    """

    paths: Sequence[Path]
    names: Sequence[str]
    frame: FrameInfo
    readers: Sequence[Reader]
    kinds: Sequence[str]
    notes: tuple[Note, ...] = ()
    is_linear: bool = False
    profiles: Sequence[bytes | None] = ()
    conversions: Mapping[int, bytes] = field(default_factory=dict)
    profile: bytes | None = None
    others: Sequence[Path] = ()
    pixel_size: tuple[float, float] | None = None
    z_step: float | None = None
    order: Literal["names", "time"] = "names"
    whole: FrameInfo | None = None
    colours: CameraColours | None = None
    parts: PlaneParts | None = None

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, position: int) -> Array:
        return read_frame(self, range(len(self))[position])

    def __repr__(self) -> str:
        where = self.paths[0].parent if len(self.paths) == len(self) else self.paths[0]
        size = f"{size_of(self.frame)} {channels_of(self.frame)} {self.frame.dtype}"
        return f"<Listing of {len(self)} frames, {size}, in {where}>"

    @property
    def files(self) -> list[Path]:
        """All files that the frames come from: none of them may be written to."""
        return [*self.paths, *self.others]

    def path_of(self, position: int) -> Path:
        """The file that holds a frame, counted from 0."""
        return self.paths[position if len(self.paths) == len(self) else 0]

    def pick(self, positions: Sequence[int]) -> "Listing":
        """The listing of some of these frames, counted from 0, in the order given."""
        paths = [self.paths[k] for k in positions] if len(self.paths) == len(self) else self.paths
        places = {position: place for place, position in enumerate(positions)}
        return replace(
            self,
            paths=paths,
            names=[self.names[k] for k in positions],
            readers=[self.readers[k] for k in positions],
            kinds=[self.kinds[k] for k in positions],
            profiles=[self.profiles[k] for k in positions] if self.profiles else (),
            conversions={places[k]: own for k, own in self.conversions.items() if k in places},
            parts=self.parts if list(positions) == list(range(len(self))) else None,
            notes=tuple(
                replace(note, frames=tuple(sorted(places[k] for k in note.frames if k in places)))
                for note in self.notes
            ),
        )


#: By what a change of a file shows: its size, and when it was written.
Stamp = tuple[int, int]


def stamp(path: Path) -> Stamp | None:
    """By what a change of a file will show; None where there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def watch(reader: Reader, path: Path, seen: Stamp | None) -> Reader:
    """A reader that notices if the file is no longer the one that was looked at."""
    return partial(read_unchanged, reader, path, seen)


def read_unchanged(reader: Reader, path: Path, seen: Stamp | None) -> Array:
    """Decode a frame; raises `ReadError` where its file has changed since it had this stamp."""
    try:
        picture = reader()
    except AllFocusError:
        check_unchanged(path, seen)
        raise
    check_unchanged(path, seen)
    return picture


def watch_parts(parts: PlaneParts, path: Path, seen: Stamp | None) -> PlaneParts:
    """Parts that notice if the file is no longer the one that was looked at."""
    return replace(parts, read=lambda planes, rows: read_unchanged(lambda: parts.read(planes, rows), path, seen))


def check_unchanged(path: Path, seen: Stamp | None) -> None:
    """Raise `ReadError` where a file has changed, or is gone."""
    now = stamp(path)
    if now != seen:
        what = "is gone" if now is None else "has changed"
        raise ReadError(f"{path} {what} since it was looked at; start again once it stays as it is")


def read_frame(listing: Listing, position: int) -> Array:
    """Decode one frame of a stack, counted from 0; where it shows nothing, its edges are repeated.

    Raises:
        ReadError: it is damaged, or not what its header says.
        StackError: it shows nothing at all.
    """
    return read_covered(listing, position)[0]


def read_covered(listing: Listing, position: int) -> tuple[Array, Array | None]:
    """`read_frame`, and where that frame shows something, see `split_coverage`."""
    frame, covered = split_coverage(listing.readers[position](), listing.names[position])
    own = listing.conversions.get(position)
    if own is None or listing.profile is None:
        return frame, covered
    try:
        return convert_colours(frame, own, listing.profile), covered
    except ValueError as error:
        raise StackError(
            f"{listing.names[position]}: its colours can't be converted ({error}); export all frames with one profile"
        ) from None
