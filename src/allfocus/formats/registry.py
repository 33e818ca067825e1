"""The one list of formats: which there are, what a file is, and how a file of a given name is written.

A format of our own is a module of this package whose name stands in `MODULES`. It is imported when a file may be its,
so that reading a PNG file loads nothing that only TIFF needs. `register` adds one at run time.
"""

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

from allfocus.errors import EndingError, ReadError
from allfocus.formats.filebytes import address_of, is_address, read_start
from allfocus.formats.format import Capacity, Format
from allfocus.run.atomic import explain_missing

#: Modules that hold formats, in the order in which they are asked whether a file is theirs. RAW comes before TIFF,
#: which many RAW files are at heart; the weakest signature comes last.
MODULES = (
    "png",
    "jpeg",
    "webp",
    "raw",
    "dng",
    "tiff",
    "ome_tiff",
    "ome_zarr",
    "heif",
    "czi",
    "lif",
    "nd2",
    "video",
    "gif",
    "bmp",
)

_added: list[Format] = []


def list_formats() -> Iterator[Format]:
    """All formats, those added at run time first."""
    yield from list(_added)
    for module in MODULES:
        yield from load_formats(module)


@cache
def load_formats(module: str) -> tuple[Format, ...]:
    """The formats that one module of this package holds."""
    found: tuple[Format, ...] = import_module(f"allfocus.formats.{module}").FORMATS
    return found


def register(added: Format) -> None:
    """Add a format; it is asked before all others, and takes the place of an added one of the same name."""
    unregister(added.name)
    _added.insert(0, added)


def unregister(name: str) -> None:
    """Take back what `register` added under this name; nothing happens where nothing was."""
    _added[:] = [each for each in _added if each.name != name]


# --- reading -------------------------------------------------------------------------------------


def recognize(path: Path) -> Format | None:
    """The format of a file by its content, or of a folder or address that holds one picture; None where it is unknown.

    Raises:
        ReadError: the file can't be opened.
    """
    try:
        if is_address(path) or path.is_dir():
            return next((each for each in list_formats() if each.is_folder and each.sniff(b"", path)), None)
        start = read_start(path)
        return next((each for each in list_formats() if each.sniff(start, path)), None)
    except OSError as error:
        raise ReadError(f"{path} can't be read: {error.strerror}; make it readable, or choose another one") from error


def find_format(path: Path) -> Format:
    """The format of a picture or video file.

    Raises:
        ReadError: there is no such file, or it is in no format known here.
    """
    if is_address(path):
        found = recognize(path)
        if found is None:
            raise ReadError(
                f"{address_of(path)} is no OME-Zarr, or can't be reached; expected one with zarr.json or .zattrs"
            )
        return found
    try:
        is_folder, is_there = path.is_dir(), path.exists()
    except (OSError, ValueError) as error:
        raise ReadError(f"{path!s:.200} is no name of a file: {error}") from error
    if is_folder:
        found = recognize(path)
        if found is None:
            raise ReadError(f"{path} is a folder; expected a picture")
        return found
    if not is_there:
        raise ReadError(f"{path} {explain_missing(path)}")
    if not path.is_file():
        raise ReadError(f"{path} is not an ordinary file; expected a picture")
    found = recognize(path)
    if found is not None:
        return found
    what = "is not a picture in a known format" if path.stat().st_size else "is empty"
    raise ReadError(f"{path} {what}; export it as JPEG, PNG, WebP or TIFF")


def is_one(path: Path) -> bool:
    """Whether a path is one picture or volume: a file, or a folder or address that holds one, such as OME-Zarr."""
    if is_address(path):
        return True
    return path.is_file() or (path.is_dir() and recognize(path) is not None)


def find_kind(path: Path) -> str:
    """The name of a file's format: `JPEG`, `PNG`, `RAW`, `video`...; raises `ReadError` as `find_format` does."""
    return find_format(path).name


def looks_like_frames(path: Path) -> bool:
    """Whether a file in a folder is meant as a picture or a video: by its content, or by a name that promises one.

    What only its name makes a picture is damaged, or a link that leads nowhere; it is to be reported, not left out. Of
    folders those that hold one picture or volume are meant.
    """
    is_file, leads_nowhere = path.is_file(), path.is_symlink() and not path.exists()
    if not (is_file or leads_nowhere):
        return path.is_dir() and recognize(path) is not None
    suffix = path.suffix.lower()
    return any(suffix in each.extensions for each in list_formats()) or (is_file and recognize(path) is not None)


# --- writing -------------------------------------------------------------------------------------


def find_writer(path: Path) -> tuple[Format, Capacity]:
    """The format in which a file of this name is written, and what it can hold.

    Raises:
        EndingError: the name ends in none that is written here.
    """
    endings = ["".join(path.suffixes[-2:]).lower(), path.suffix.lower()]  # .ome.tif is not .tif
    for ending in endings:
        for each in list_formats():
            if each.capacity is not None and ending in each.extensions:
                return each, each.capacity
    known = [ending for each in list_formats() if each.capacity is not None for ending in each.extensions]
    raise EndingError(f"{path} ends in {endings[-1] or 'nothing'}; expected one of {', '.join(known)}")


def holds_volumes(path: Path) -> bool:
    """Whether a file of this name holds planes along named axes, as OME-TIFF does."""
    try:
        return find_writer(path)[1].volumes
    except EndingError:
        return False


def holds_labels(path: Path | None) -> bool:
    """Whether a volume of this name has label images beside its pictures, as OME-Zarr does."""
    return path is not None and holds_volumes(path) and find_writer(path)[1].labels
