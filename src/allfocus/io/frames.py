"""From names on a command line to a focal stack."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tifffile import TiffFile

from allfocus.color import Array
from allfocus.errors import ReadError
from allfocus.io.decode import explained, find_kind, read_image
from allfocus.io.headers import page_headers, read_header
from allfocus.io.pixels import drop_opaque_alpha
from allfocus.io.tiff import list_pages, read_page
from allfocus.parallel import in_parallel
from allfocus.progress import Progress, silent
from allfocus.spool import Spool
from allfocus.stack import FocalStack, FrameInfo, check_alike

#: Endings that count as pictures when a folder is listed; a file named by itself may have any.
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")


def natural_key(path: Path) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key by which img2 comes before img10 and upper case does not matter; ties go by the whole path."""
    pieces = re.findall(r"[0-9]+|[^0-9]+", path.name.casefold())
    return [(0, int(piece), "") if piece[0] in "0123456789" else (1, 0, piece) for piece in pieces], str(path)


def list_frames(inputs: Sequence[Path | str]) -> list[Path]:
    """Files named in `inputs`, with folders replaced by the pictures directly inside, in natural order of names.

    Hidden files in folders are left out.

    Raises:
        ReadError: an input does not exist, a folder holds no pictures, or one file is named twice.
    """
    found: list[Path] = []
    for source in map(Path, inputs):
        if not source.exists():
            raise ReadError(f"{source} does not exist")
        found += pictures_in(source) if source.is_dir() else [source]
    times = Counter(path.resolve() for path in found)
    for path in found:
        if times[path.resolve()] > 1:
            raise ReadError(f"{path} is given {times[path.resolve()]} times; name every frame once")
    return sorted(found, key=natural_key)


def pictures_in(folder: Path) -> list[Path]:
    """Pictures directly inside `folder`, by their endings; raises `ReadError` when there are none."""
    try:
        inside = list(folder.iterdir())
    except OSError as error:
        raise ReadError(f"{folder} can't be listed: {error.strerror}") from error
    pictures = [p for p in inside if p.suffix.lower() in SUFFIXES and not p.name.startswith(".") and p.is_file()]
    if not pictures:
        raise ReadError(f"{folder} holds no pictures; expected files ending in {', '.join(SUFFIXES)}")
    return pictures


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What a stack in files is, found out without decoding it.

    Attributes:
        paths: one for each frame, or one for all: a TIFF file of several pages.
        names: what to call each frame in messages.
        frame: shape and depth of every frame.
    """

    paths: Sequence[Path]
    names: Sequence[str]
    frame: FrameInfo

    def __len__(self) -> int:
        return len(self.names)


def inspect_stack(paths: Sequence[Path | str]) -> Listing:
    """Look at the headers of all frames, in the order given; a multi-page TIFF given alone is a stack of its pages.

    Raises:
        ReadError: a file is missing or no picture, or its header is damaged.
        StackError: fewer than two frames, or frames of different size, channels or depth.
    """
    files = [Path(path) for path in paths]
    if len(files) == 1 and find_kind(files[0]) == "TIFF":
        headers = page_headers(files[0])
        names = [files[0].name] if len(headers) == 1 else [f"{files[0].name} page {k + 1}" for k in range(len(headers))]
    else:
        headers, names = [read_header(file) for file in files], [file.name for file in files]
    check_alike(headers, names)
    return Listing(paths=files, names=names, frame=headers[0])


def read_stack(
    paths: Sequence[Path | str] | Listing, progress: Progress = silent, spool: Spool | None = None, workers: int = 1
) -> FocalStack:
    """Read frames in the order given; a multi-page TIFF given alone is a stack of its pages.

    All headers are looked at before the first frame is decoded.

    Args:
        paths: files, see `list_frames` for folders and order; or what `inspect_stack` found.
        progress: called as ``progress("read", done, total)``.
        spool: where to keep the frames; None: in memory.
        workers: how many to decode at a time.

    Raises:
        ReadError: a file can't be read, see `read_image`.
        StackError: fewer than two frames, or frames of different size, channels or depth.
        WriteError: the spool has no room for them.
    """
    listing = paths if isinstance(paths, Listing) else inspect_stack(paths)
    spool = spool or Spool()
    frames = spool.empty((len(listing), *listing.frame.shape), listing.frame.dtype)

    def read(position: int) -> None:
        found = read_frame(listing, position)
        check_alike([listing.frame, FrameInfo(shape=found.shape, dtype=found.dtype)], ["", listing.names[position]])
        frames[position] = found
        spool.release()

    progress("read", 0, len(listing))
    for done, _ in enumerate(in_parallel(read, range(len(listing)), workers), start=1):
        progress("read", done, len(listing))
    return FocalStack(frames=list(frames), names=listing.names)


def read_frame(listing: Listing, position: int) -> Array:
    """Decode one frame of a stack, counted from 0."""
    if len(listing.paths) == len(listing):
        return read_image(listing.paths[position])
    path = listing.paths[0]
    with explained(path, "TIFF"), TiffFile(path) as tiff:
        return drop_opaque_alpha(read_page(path, list_pages(tiff, path.name)[position]), path.name)
