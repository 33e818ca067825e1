"""What a file is: its first bytes decide, not its name; only RAW that looks like TIFF is told by its ending."""

from pathlib import Path
from typing import BinaryIO, Literal

from allfocus.errors import ReadError

TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

#: RAW formats with a start of their own: Fujifilm, Olympus, Panasonic, Sigma, Minolta, old Canon.
RAW_STARTS = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb", b"\0MRM", b"II\x1a\0\0\0HEAP")

#: Endings of RAW formats that are TIFF files at heart, and of the others.
RAW_SUFFIXES = {
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".k25", ".kdc", ".mef", ".mos",
    ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",
}  # fmt: skip
VIDEO_SUFFIXES = {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm"}
PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".avif", ".heic", ".heif", ".hif"}

#: Brands of the ISO base media format that stand for still pictures (ISO/IEC 23008-12); all others are video.
HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"mif2"}
AVIF_BRANDS = {b"avif", b"avis"}

#: First boxes of QuickTime files from before they said what they are.
QUICKTIME_BOXES = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")

DNG_VERSION = 50706  # a TIFF tag that only RAW files carry


def find_kind(path: Path) -> str:
    """`JPEG`, `PNG`, `WebP`, `TIFF`, `BMP`, `AVIF`, `HEIC`, `RAW` or `video`; raises `ReadError` for anything else."""
    if path.is_dir():
        raise ReadError(f"{path} is a folder; expected a picture")
    if not path.exists():
        raise ReadError(f"{path} does not exist")
    if not path.is_file():
        raise ReadError(f"{path} is not an ordinary file; expected a picture")
    kind, is_empty = look(path)
    if kind:
        return kind
    what = "is empty" if is_empty else "is not a picture in a known format"
    raise ReadError(f"{path} {what}; export it as JPEG, PNG, WebP or TIFF")


def look(path: Path) -> tuple[str | None, bool]:
    """The kind of a file, None where it is unknown, and whether the file is empty; raises `ReadError`."""
    try:
        with path.open("rb") as file:
            start = file.read(64)
            kind = kind_of(start, path.suffix.lower())
            return "RAW" if kind == "TIFF" and is_raw_tiff(file, path.suffix.lower()) else kind, not start
    except OSError as error:
        raise ReadError(f"{path} can't be read: {error.strerror}") from error


def kind_of(start: bytes, suffix: str) -> str | None:
    """What a file with these first bytes is; None for what is not known here."""
    if start.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if start.startswith(b"RIFF"):
        return {b"WEBP": "WebP", b"AVI ": "video"}.get(start[8:12])
    if start.startswith(TIFF_STARTS):
        return "TIFF"
    if start.startswith(RAW_STARTS):
        return "RAW"
    if start[4:8] == b"ftyp":
        return kind_of_media(start)
    if start.startswith(b"\x1aE\xdf\xa3") or (start[4:8] in QUICKTIME_BOXES and suffix in VIDEO_SUFFIXES):
        return "video"
    return "BMP" if start.startswith(b"BM") else None


def kind_of_media(start: bytes) -> str:
    """The kind of a file in the ISO base media format, by its brands: the major one, then the compatible ones."""
    length = int.from_bytes(start[:4], "big")
    brands = [start[8:12], *(start[place : place + 4] for place in range(16, min(length, len(start)), 4))]
    if brands[0] == b"crx ":
        return "RAW"
    if brands[0] in AVIF_BRANDS or (brands[0] in HEIF_BRANDS and AVIF_BRANDS.intersection(brands)):
        return "AVIF"
    return "HEIC" if brands[0] in HEIF_BRANDS else "video"


def is_raw_tiff(file: BinaryIO, suffix: str) -> bool:
    """Whether a TIFF file holds a sensor's samples: by its ending, or because it says that it is a DNG."""
    if suffix in RAW_SUFFIXES:
        return True
    file.seek(0)
    start = file.read(8)
    order: Literal["little", "big"] = "little" if start.startswith(b"II") else "big"
    if int.from_bytes(start[2:4], order) != 42:
        return False
    file.seek(int.from_bytes(start[4:8], order))
    count = int.from_bytes(file.read(2), order)
    tags = file.read(12 * min(count, 500))
    return any(int.from_bytes(tags[k : k + 2], order) == DNG_VERSION for k in range(0, len(tags), 12))


def looks_like_frames(path: Path) -> bool:
    """Whether a file in a folder is meant as a picture or a video: by content, or by a name that promises one.

    What only its name makes a picture is damaged; it is to be named, not left out.
    """
    promising = PICTURE_SUFFIXES | VIDEO_SUFFIXES | RAW_SUFFIXES - {".raw"}  # which is also used for plain numbers
    return path.suffix.lower() in promising or look(path)[0] is not None
