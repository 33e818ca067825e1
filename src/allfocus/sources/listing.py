"""Listing: what a focal stack in files is, found out without decoding it, and how to decode each frame."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from allfocus.core.color import Array
from allfocus.core.notes import Note
from allfocus.core.stack import FrameInfo

#: Decodes one frame.
Reader = Callable[[], Array]


@dataclass(frozen=True, kw_only=True)
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
        others: further files that the frames lie in, companions of the one in `paths`.
        order: `time` once the frames have been put into the order in which they were taken.
    """

    paths: Sequence[Path]
    names: Sequence[str]
    frame: FrameInfo
    readers: Sequence[Reader]
    kinds: Sequence[str]
    notes: tuple[Note, ...] = ()
    is_linear: bool = False
    others: Sequence[Path] = ()
    order: Literal["names", "time"] = "names"

    def __len__(self) -> int:
        return len(self.names)

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
            notes=tuple(
                replace(note, frames=tuple(sorted(places[k] for k in note.frames if k in places)))
                for note in self.notes
            ),
        )


def read_frame(listing: Listing, position: int) -> Array:
    """Decode one frame of a stack, counted from 0.

    Raises:
        ReadError: it is damaged, or not what its header says.
    """
    return listing.readers[position]()
