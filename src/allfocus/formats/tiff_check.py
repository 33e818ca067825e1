"""What a TIFF file says of itself, counted before it is believed: directories, tags, planes, and the files it names."""

from collections.abc import Iterator, Sequence
from math import prod
from pathlib import Path, PureWindowsPath

from tifffile import TiffFile, TiffPage, TiffPageSeries

from allfocus.errors import ReadError
from allfocus.formats.filebytes import Data, map_file
from allfocus.metadata import exif, ifd
from allfocus.metadata.budget import LIMIT
from allfocus.metadata.exif import Layout, Reader
from allfocus.metadata.ome_xml import OmePlan, plan_ome
from allfocus.run.atomic import real_path

#: Directories, and planes that are declared, that any file may have; and bytes of the file for each more.
MOST_PLANES, BYTES_A_PLANE = 4096, 1024
#: The same of tags, and of the bytes of their values.
MOST_TAGS, BYTES_A_TAG, BYTES_A_BYTE = 65536, 16, 16
#: Strips or tiles of one page, and pixels of a tile that is larger than its picture.
MOST_STRIPS, MOST_TILE = 1 << 20, 1 << 22
#: Bytes of a description: OME-XML takes some times as much once it is parsed.
MOST_XML = 16 * 2**20

SUBDIRECTORIES = 330  # the TIFF tag


def check_file(path: Path) -> None:
    """Raise `ReadError` for a file whose directories are more, or say more, than its size allows for."""
    with map_file(path) as data:
        check_directories(data, path.name)


def check_directories(data: Data, name: str) -> None:
    """See `check_file`; `ValueError` where it begins like no TIFF file."""
    read, size = exif.make_reader(data), len(data)
    layout, place = ifd.read_head(read)
    pages = tags = values = 0
    for records in walk_directories(read, layout, place):
        sizes = [measure_value(layout, record) for record in records]
        pages += 1 + sum(count for tag, count, _ in sizes if tag == SUBDIRECTORIES)
        tags += len(records)
        values += sum(nbytes for _, _, nbytes in sizes)
        if pages > allowed_planes(size):
            raise ReadError(f"{name} has {pages} directories or more in {size} bytes; expected no more than pictures")
        if tags > MOST_TAGS + size // BYTES_A_TAG or values > LIMIT + size // BYTES_A_BYTE:
            raise ReadError(f"{name} says more of itself than its {size} bytes hold: tags share them; save it anew")


def allowed_planes(size: int) -> int:
    """How many planes a file of so many bytes may hold."""
    return MOST_PLANES + size // BYTES_A_PLANE


def walk_directories(read: Reader, layout: Layout, place: int) -> Iterator[list[bytes]]:
    """The records of each directory along the chain, up to one that is damaged or was there before."""
    seen: set[int] = set()
    while place and place not in seen:
        seen.add(place)
        try:
            records = ifd.read_records(read, layout, place)
        except ValueError:
            return
        yield records
        start = place + (8 if layout.big else 2) + sum(map(len, records))
        link = read(start, layout.inline)
        place = layout.unpack(layout.offset, link)[0] if len(link) == layout.inline else 0


def measure_value(layout: Layout, record: bytes) -> tuple[int, int, int]:
    """A record's tag, how many values it has, and how many bytes of the file they take."""
    tag, kind, count = layout.unpack(f"HH{layout.offset}", record[: -layout.inline])
    size = exif.SIZES.get(kind, 0) * count
    return tag, count, size if size > layout.inline else 0


def check_segments(page: TiffPage, name: str) -> None:
    """Raise `ReadError` for more strips than a picture has, or for tiles far larger than it."""
    if len(page.dataoffsets) > MOST_STRIPS:
        raise ReadError(f"{name} has {len(page.dataoffsets)} strips; expected {MOST_STRIPS} at most: save it anew")
    if page.is_tiled and page.tilelength * page.tilewidth > max(MOST_TILE, page.imagelength * page.imagewidth):
        tile, size = f"{page.tilewidth}x{page.tilelength}", f"{page.imagewidth}x{page.imagelength}"
        raise ReadError(f"{name} has tiles of {tile} for a picture of {size}; expected smaller ones: save it anew")


# --- what is declared in words -------------------------------------------------------------------


def check_described(path: Path, tiff: TiffFile) -> None:
    """Raise `ReadError` where a file's description declares more planes than there can be, or names files elsewhere."""
    if not len(tiff.pages):
        return
    size, first = path.stat().st_size, tiff.pages.first
    length = max((tag.count for tag in first.tags if tag.code == exif.DESCRIPTION), default=0)
    if length > MOST_XML + size // BYTES_A_TAG:
        raise ReadError(f"{path.name} has a description of {length} bytes; expected {MOST_XML} at most")
    if tiff.is_ome and tiff.ome_metadata is not None:
        plan = plan_ome(tiff.ome_metadata)
        others = find_companions(path, plan)
        total = size + sum(other.stat().st_size for other in others)
        check_declared(max(plan.planes, plan.given + plan.spans * len(tiff.pages)), total, path.name)
        for other in others:
            check_file(other)
    elif tiff.is_imagej:
        notes = tiff.imagej_metadata or {}
        counts = [max(int(notes.get(axis, 1)), 1) for axis in ("channels", "slices", "frames")]
        check_declared(max(prod(counts), int(notes.get("images", 1))), size, path.name)


def check_series(path: Path, described: Sequence[TiffPageSeries]) -> tuple[Path, ...]:
    """The files that series of pages lie in, the first one left out; raises `ReadError` as `check_described` does."""
    files = {real_path(path): path}
    for series in described:
        pages = [page for page in series if page is not None]
        files |= {real_path(Path(name)): Path(name) for name in {page.parent.filehandle.path for page in pages}}
        check_declared(prod(series.get_shape(squeeze=False)[:-2]), sum(map(file_size, files)), path.name)
    for other in files.values():
        check_inside(path, other)
    return tuple(other for real, other in files.items() if real != real_path(path))


def check_declared(planes: int, size: int, name: str) -> None:
    """Raise `ReadError` where more planes are declared than files of so many bytes hold."""
    if planes > allowed_planes(size):
        raise ReadError(f"{name} declares {planes} planes; expected no more than its {size} bytes can hold")


def file_size(path: Path) -> int:
    """Bytes of a file; 0 where it is gone."""
    return path.stat().st_size if path.is_file() else 0


def find_companions(path: Path, plan: OmePlan) -> list[Path]:
    """The files beside this one that OME-XML names and that exist; raises `ReadError` for one that lies elsewhere."""
    found = [path.parent / name for name in plan.files]
    for name, other in zip(plan.files, found, strict=True):
        if Path(name).is_absolute() or PureWindowsPath(name).is_absolute() or ".." in PureWindowsPath(name).parts:
            refuse_companion(path, name)
        check_inside(path, other)
    own = real_path(path)
    return [other for other in found if other.is_file() and real_path(other) != own]


def check_inside(path: Path, other: Path) -> None:
    """Raise `ReadError` unless a companion lies in the file's own folder or below it, links followed."""
    if other.exists() and not (other.is_file() and real_path(other).is_relative_to(real_path(path).parent)):
        refuse_companion(path, str(other))


def refuse_companion(path: Path, name: str) -> None:
    """Raise `ReadError` for a file that another one names."""
    raise ReadError(
        f"{path.name} names the file {name}; expected files in its own folder only: put it there, or save anew"
    )
