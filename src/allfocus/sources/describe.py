"""What each frame is, a row each, for a person who wants to know before the work starts."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import ImageCms
from PIL.Image import Exif
from PIL.PngImagePlugin import PngImageFile
from tifffile import TiffFile

from allfocus.core.stack import FrameInfo, channels_of, size_of
from allfocus.errors import AllFocusError, ReadError
from allfocus.formats.headers import PILLOW, exif_from, explained
from allfocus.formats.heif import open_avif, open_heic
from allfocus.formats.integrity import mapped
from allfocus.formats.png import read_exif
from allfocus.formats.raw import open_raw
from allfocus.formats.sniff import find_kind
from allfocus.sources.inspect import inspect_alone, preflight
from allfocus.sources.listing import Listing

EXIF_BLOCK, TAKEN, CHANGED = 0x8769, 36867, 306  # the EXIF directory; DateTimeOriginal in it; DateTime
ICC_PROFILE = 34675  # the TIFF tag


@dataclass(frozen=True, kw_only=True)
class FrameRow:
    """One frame of a stack, in words.

    Attributes:
        name: what it is called in messages.
        kind: `JPEG`, `TIFF`, ..., see `find_kind`; empty where that can't be told.
        size: width x height, as it will be fused; empty where it can't be told, and so for what follows.
        channels: `gray` or `RGB`.
        depth: of a sample, such as `uint8`.
        profile: the name of its ICC profile; empty without one.
        date: when it was taken, as EXIF writes it; empty where the file does not say.
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


def describe_frames(source: Listing | Sequence[Path | str]) -> list[FrameRow]:
    """Describe each frame of a stack; files that can't be used are rows too, and say why.

    Args:
        source: what `inspect_stack` found, or files as it takes them.

    Raises:
        MissingExtraError: a format needs a package that is not installed.
        ReadError: the only file holds no stack.
        StackError: the only file holds fewer than two frames.
    """
    if isinstance(source, Listing):
        return rows_of(source)
    files = [Path(path) for path in source]
    alone = inspect_alone(files[0]) if len(files) == 1 else None
    if alone is not None:
        return rows_of(alone)
    found = preflight(files)
    kinds = ["" if header is None else header.kind for header in found.headers]
    rows = zip(found.paths, kinds, found.frames, found.problems, strict=True)
    return [row_of(path.name, path, kind, frame, problem) for path, kind, frame, problem in rows]


def rows_of(listing: Listing) -> list[FrameRow]:
    """A row for each frame of a stack that is sound; where they share a file, they share what it says."""
    paths = listing.paths if len(listing.paths) == len(listing) else [listing.paths[0]] * len(listing)
    says = {path: says_of(path, kind) for path, kind in dict(zip(paths, listing.kinds, strict=True)).items()}
    named = zip(listing.names, paths, listing.kinds, strict=True)
    return [row_of(name, path, kind, listing.frame, None, says[path]) for name, path, kind in named]


def row_of(
    name: str,
    path: Path,
    kind: str,
    frame: FrameInfo | None,
    problem: AllFocusError | None,
    says: tuple[str, str] | None = None,
) -> FrameRow:
    """One row."""
    profile, date = says or (says_of(path, kind) if frame is not None else ("", ""))
    return FrameRow(
        name=name,
        kind=kind,
        size="" if frame is None else size_of(frame),
        channels="" if frame is None else channels_of(frame),
        depth="" if frame is None else frame.dtype.name,
        profile=profile,
        date=date,
        problem="ok" if problem is None else str(problem),
    )


def says_of(path: Path, kind: str) -> tuple[str, str]:
    """The name of a file's ICC profile and the date it was taken, both empty where what it says of them is damaged."""
    with suppress(ReadError), explained(path, kind):
        return ABOUT.get(kind, of_pillow)(path)
    return "", ""


def of_pillow(path: Path) -> tuple[str, str]:
    """The same of a JPEG, WebP, BMP or AVIF file."""
    with open_image(path) as image:
        return profile_name(image.info.get("icc_profile")), date_of(image.getexif())


def open_image(path: Path) -> Any:
    """Open a file with Pillow, without decoding it."""
    kind = find_kind(path)
    return open_avif(path) if kind == "AVIF" else PILLOW[kind](path)


def of_png(path: Path) -> tuple[str, str]:
    """The same of a PNG file, which Pillow would decode to find its EXIF."""
    with PngImageFile(path) as image, mapped(path) as data:
        return profile_name(image.info.get("icc_profile")), date_of(exif_from(read_exif(data, path.name)))


def of_heic(path: Path) -> tuple[str, str]:
    """The same of a HEIC file."""
    about = open_heic(path).info
    return profile_name(about.get("icc_profile")), date_of(exif_from(about.get("exif") or b""))


def of_raw(path: Path) -> tuple[str, str]:
    """The date of a RAW file; LibRaw says 1970 where there is none."""
    with open_raw(path) as raw:
        taken: datetime = raw.other.timestamp
        return "", taken.strftime("%Y:%m:%d %H:%M:%S") if taken.year > 1970 else ""


def of_video(path: Path) -> tuple[str, str]:
    """A video's frames say nothing of themselves."""
    return "", ""


def of_tiff(path: Path) -> tuple[str, str]:
    """The same of a TIFF file's first page."""
    with TiffFile(path) as tiff:
        tags = tiff.pages.first.tags
        block: dict[str, Any] = tags.valueof(EXIF_BLOCK, {})
        taken = str(block.get("DateTimeOriginal") or tags.valueof(CHANGED, ""))
        return profile_name(tags.valueof(ICC_PROFILE)), taken


def date_of(exif: Exif) -> str:
    """When the picture was taken, or else when the file was last changed, as EXIF writes it; empty without either."""
    return str(exif.get_ifd(EXIF_BLOCK).get(TAKEN) or exif.get(CHANGED) or "").strip("\0 ")


def profile_name(profile: bytes | None) -> str:
    """What an ICC profile calls itself; `damaged` for one that can't be read, empty for none."""
    if not profile:
        return ""
    try:
        return ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(BytesIO(profile))).strip()
    except (ImageCms.PyCMSError, OSError):
        return "damaged"


#: Where each kind says it; the others by Pillow.
ABOUT = {"PNG": of_png, "TIFF": of_tiff, "HEIC": of_heic, "RAW": of_raw, "video": of_video}


def in_order_of_time(listing: Listing) -> Listing:
    """The listing in the order in which its frames were taken; of those taken in one second, in the order given.

    Raises:
        ReadError: a frame does not say when it was taken.
    """
    rows = describe_frames(listing)
    silent = [row.name for row in rows if not row.date]
    if silent:
        raise ReadError(f"{silent[0]} does not say when it was taken; order the frames by their names or their focus")
    return listing.pick(sorted(range(len(rows)), key=lambda position: rows[position].date))
