"""RAW: a sensor's samples developed to linear light, by one white balance and one scale for all frames of a stack.

Needs the extra `raw` (LibRaw). The rest of the program computes on display-encoded values, so that what LibRaw
develops linearly is encoded with the sRGB curve at 16 bit; `Listing.is_linear` marks such frames.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from allfocus.core.color import Array, linear_to_srgb
from allfocus.errors import MissingExtraError, ReadError
from allfocus.formats.filebytes import Data, check_tail, map_file
from allfocus.formats.format import Development, Format, Header
from allfocus.formats.isobmff import CANON_RAW, check_boxes, list_boxes, read_brands
from allfocus.formats.jpeg import find_blocks as find_jpeg_blocks
from allfocus.formats.pixels import check_pixels, describe_frame, reduction
from allfocus.formats.tiff_tags import TIFF_STARTS, find_tags, keep_descriptive
from allfocus.metadata import exif, ifd
from allfocus.metadata.blocks import Blocks
from allfocus.metadata.camera import SRGB_TO_XYZ, CameraColours
from allfocus.metadata.exif import Block
from allfocus.run.install import install_hint

#: RAW formats with a start of their own: Fujifilm, Olympus, Panasonic, Sigma, Minolta, old Canon.
STARTS = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb", b"\0MRM", b"II\x1a\0\0\0HEAP")

FUJI_START = b"FUJIFILMCCD-RAW "

DNG_VERSION = 50706  # a TIFF tag that only RAW files carry

#: Where Canon's newer files, in the ISO base media format, keep their directories: each is a block of its own.
CANON_BOX = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
CANON_DIRECTORIES = {b"CMT1": exif.IMAGE, b"CMT2": exif.EXIF, b"CMT4": exif.GPS}


class Raw(Format):
    """Camera RAW; only read, by LibRaw."""

    name = "RAW"
    #: Without ``.raw``, which is also used for plain numbers, and ``.dng``, which is written too, see `dng`.
    extensions = (
        ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".erf", ".fff", ".iiq", ".k25", ".kdc", ".mef", ".mos",
        ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",
    )  # fmt: skip
    is_raw = True
    by_cameras = True
    extra = "raw"

    def sniff(self, start: bytes, path: Path) -> bool:
        """By its start or brand; files that begin like TIFF by their ending, or by DNG's tag."""
        if start.startswith(STARTS) or read_brands(start)[:1] == [CANON_RAW]:
            return True
        if not start.startswith(TIFF_STARTS):
            return False
        return path.suffix.lower() in (*self.extensions, ".raw", ".dng") or is_dng(path)

    def is_readable(self) -> bool:
        """Whether rawpy is installed."""
        return find_spec("rawpy") is not None

    def check(self, path: Path) -> None:
        """Raise `ReadError` for a CR3 file that ends early; LibRaw knows of the others, and `header` of DNG."""
        with map_file(path) as data:
            if data[4:8] == b"ftyp":
                check_boxes(data, path.name)

    def header(self, path: Path) -> Header:
        """Read by LibRaw; the depth is always 16 bit."""
        with open_raw(path) as raw:
            sizes = raw.sizes
            check_pixels(sizes.iwidth, sizes.iheight, path.name)
            check_pixels(sizes.raw_width, sizes.raw_height, path.name)
            orientation = 6 if sizes.flip & 4 else 1
            frame = describe_frame(sizes.iheight, sizes.iwidth, raw.num_colors == 1, np.uint16, orientation)
        check_dng(path)
        return Header(format=self, frame=frame)

    def read(self, path: Path, development: Development | None = None) -> Array:
        """See `develop`."""
        return develop(path, development or self.develop(path))

    def develop(self, path: Path) -> Development:
        """The camera's white balance, or daylight without one."""
        with open_raw(path) as raw:
            raw.unpack()  # some levels are known only then
            balance = raw.camera_whitebalance if min(raw.camera_whitebalance[:3]) > 0 else raw.daylight_whitebalance
            second_green = balance[3] if balance[3] > 0 else balance[1]
            return Development(
                white_balance=(*balance[:3], second_green),
                black=tuple(raw.black_level_per_channel),
                white=int(raw.white_level),
                colours=find_colours(raw, balance),
            )

    def blocks(self, path: Path) -> Blocks:
        """From where each maker keeps them; of other makers' files none."""
        with map_file(path) as data:
            if data[:16] == FUJI_START:
                return find_fuji_blocks(data)
            if data[:2] in (b"II", b"MM"):
                return find_tags(data)
            return Blocks(tags=find_canon_tags(data)) if data[4:12] == b"ftyp" + CANON_RAW else Blocks()

    def date(self, path: Path) -> str:
        """As LibRaw finds it: 1970 where there is none."""
        with open_raw(path) as raw:
            taken: datetime = raw.other.timestamp
        return taken.strftime("%Y:%m:%d %H:%M:%S") if taken.year > 1970 else ""


FORMATS = (Raw(),)


def open_raw(path: Path) -> Any:
    """Open a RAW file without decoding it.

    Raises:
        MissingExtraError: rawpy is not installed.
    """
    try:
        import rawpy
    except ImportError as error:
        raise MissingExtraError(f"{path} is a RAW picture; to read it: {install_hint('raw')}") from error
    return rawpy.imread(str(path))


def find_colours(raw: Any, balance: Sequence[float]) -> CameraColours | None:
    """What LibRaw knows of a camera's colours; None for sensors without colour filters, and with four colours.

    Its matrix leads from balanced colours to sRGB; by daylight it balances what the camera sees of white.
    """
    matrix = np.asarray(raw.color_matrix, np.float64)[:, :3]
    factors, daylight = (np.array(each[:3], np.float64) for each in (balance, raw.daylight_whitebalance))
    is_known = raw.num_colors == 3 and min(factors.min(), daylight.min()) > 0
    if not is_known or not abs(np.linalg.det(matrix)) > 1e-6:
        return None
    from_xyz = np.diag(1 / daylight) @ np.linalg.inv(matrix) @ np.linalg.inv(np.array(SRGB_TO_XYZ))
    red, green, blue = factors.tolist()
    return CameraColours(white_balance=(red, green, blue), from_xyz=tuple(map(tuple, from_xyz.tolist())))


def is_dng(path: Path) -> bool:
    """Whether a file that begins like TIFF has the tag that only DNG has."""
    with map_file(path) as data:
        try:
            return DNG_VERSION in ifd.list_tags(exif.make_reader(data))
        except ValueError:
            return False


def check_dng(path: Path) -> None:
    """Raise `ReadError` for a DNG file whose samples do not lie within it; other makers' files are left to LibRaw."""
    from tifffile import TiffFile

    from allfocus.formats.tiff_check import check_file

    with map_file(path) as data:
        if not data[:4].startswith(TIFF_STARTS):
            return
    size = path.stat().st_size
    check_file(path)
    with TiffFile(path) as tiff:
        first = tiff.pages.first
        if DNG_VERSION not in first.tags:
            return
        for page in (first, *(first.pages or ())):
            ends = (start + count for start, count in zip(page.dataoffsets, page.databytecounts, strict=True))
            if max(ends, default=0) > size:
                raise ReadError(f"{path.name} is cut short: the file ends at {size} bytes, before its samples do")
            if page.compression != 1 and page.dataoffsets:
                with map_file(path) as data:
                    start = max(page.dataoffsets)
                    length = page.databytecounts[page.dataoffsets.index(start)]
                    check_tail(data, range(start, start + length), path.name)


def develop(path: Path, development: Development) -> Array:
    """Develop a RAW file: linear light in sRGB primaries, encoded with the sRGB curve, turned the right way up.

    What is brighter than white in one of the channels is clipped. LibRaw's own adjustments to each picture, of its
    brightness and of its white level, are left out.

    Args:
        path: the file.
        development: that of its stack.

    Returns:
        (H, W, 3) uint16; (H, W) from a sensor without colour filters.
    """
    black = min(development.black)
    with open_raw(path) as raw:
        linear: Array = raw.postprocess(
            output_bps=16,
            half_size=reduction() > 1,  # a pixel of each four samples: nothing is interpolated
            gamma=(1, 1),
            no_auto_bright=True,
            adjust_maximum_thr=0,
            user_wb=list(development.white_balance),
            user_black=black,
            user_cblack=[level - black for level in development.black],
            user_sat=development.white - black,  # LibRaw means: what is left of it once the black is gone
        )
    if linear.ndim == 3 and linear.shape[2] == 1:
        linear = linear[..., 0]
    return make_encoding()[linear]


@cache
def make_encoding() -> Array:
    """The sRGB curve as a table of 65536 entries."""
    linear = np.arange(65536, dtype=np.float64) / 65535
    encoded: Array = np.rint(linear_to_srgb(linear.astype(np.float32)) * 65535).astype(np.uint16)
    return encoded


# --- metadata ------------------------------------------------------------------------------------


def find_fuji_blocks(data: Data) -> Blocks:
    """The EXIF block of the JPEG picture inside a Fujifilm file, whose header says where that is."""
    start = int.from_bytes(data[84:88], "big")
    return Blocks(exif=find_jpeg_blocks(data[start : start + 2**18]).exif)


def find_canon_tags(data: Data) -> Block:
    """The directories of a CR3 file as one block, but the maker's note, which has a box to itself."""
    movie = next((box.content for box in list_boxes(data) if box.kind == b"moov"), None)
    found = {}
    for kind, _, content in list_boxes(data, movie) if movie else ():
        inside = range(content.start + 16, content.stop)
        if kind == b"uuid" and data[content.start : inside.start] == CANON_BOX:
            for name, _, block in list_boxes(data, inside):
                if name in CANON_DIRECTORIES:
                    found[CANON_DIRECTORIES[name]] = ifd.take_apart(exif.make_reader(data[block.start : block.stop]))
    if exif.IMAGE not in found:
        raise ValueError("no directories found")
    inner = {pointer: block.directory(exif.IMAGE) for pointer, block in found.items()}
    inner[exif.IMAGE] = keep_descriptive(inner[exif.IMAGE])
    damaged = tuple(what for block in found.values() for what in block.damaged)
    return Block(layout=found[exif.IMAGE].layout, directories=inner, damaged=damaged)
