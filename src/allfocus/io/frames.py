"""From names on a command line to a focal stack."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tifffile import TiffFile

from allfocus.color import Array
from allfocus.errors import AllFocusError, ReadError
from allfocus.io.decode import find_kind, first_line, read_image
from allfocus.io.pixels import drop_opaque_alpha
from allfocus.io.tiff import list_pages, read_page
from allfocus.progress import Progress, silent
from allfocus.stack import FocalStack

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


def read_stack(paths: Sequence[Path | str], progress: Progress = silent) -> FocalStack:
    """Read frames in the order given; a multi-page TIFF given alone is a stack of its pages.

    Reading stops at the first frame that does not fit the others, before the rest is decoded.

    Args:
        paths: files, see `list_frames` for folders and order.
        progress: called as ``progress("read", done, total)``.

    Raises:
        ReadError: a file can't be read, see `read_image`.
        StackError: fewer than two frames, or frames of different size, channels or depth.
    """
    files = [Path(path) for path in paths]
    if len(files) == 1 and find_kind(files[0]) == "TIFF":
        return read_pages(files[0], progress)
    frames: list[Array] = []
    for file in files:
        frames.append(read_image(file))
        progress("read", len(frames), len(files))
        if not fits(frames):
            break
    return FocalStack(frames=frames, names=[file.name for file in files[: len(frames)]])


def read_pages(path: Path, progress: Progress = silent) -> FocalStack:
    """Read all pages of one TIFF file as a stack, see `read_stack`."""
    frames: list[Array] = []
    try:
        with TiffFile(path) as tiff:
            pages = list_pages(tiff, path.name)
            for page in pages:
                frames.append(drop_opaque_alpha(read_page(path, page), path.name))
                progress("read", len(frames), len(pages))
                if not fits(frames):
                    break
    except (AllFocusError, MemoryError):
        raise
    except Exception as error:  # as in read_image: damaged bytes cause errors of every type
        raise ReadError(f"{path} can't be read as TIFF: {first_line(error)}") from error
    names = [path.name] if len(frames) == 1 else [f"{path.name} page {k}" for k in range(1, len(frames) + 1)]
    return FocalStack(frames=frames, names=names)


def fits(frames: Sequence[Array]) -> bool:
    """Whether the last frame has the first one's shape and depth."""
    return frames[-1].shape == frames[0].shape and frames[-1].dtype == frames[0].dtype
