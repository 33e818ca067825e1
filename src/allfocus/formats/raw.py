"""RAW: a sensor's samples developed to linear light, by one white balance and one scale for all frames of a stack.

Needs the extra `raw` (LibRaw). The rest of the program computes on display-encoded values, so that what LibRaw
develops linearly is encoded with the sRGB curve at 16 bit; `Listing.is_linear` says that it was light.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from tifffile import TiffFile

from allfocus.core.color import Array, linear_to_srgb
from allfocus.core.stack import FrameInfo
from allfocus.errors import MissingExtraError, ReadError
from allfocus.formats.sniff import DNG_VERSION, TIFF_STARTS
from allfocus.run.install import install_hint


@dataclass(frozen=True, kw_only=True)
class Development:
    """What is the same for all frames of a stack, lest their colours or brightness jump.

    Attributes:
        white_balance: factors of red, green, blue and the second green.
        black: the sensor's level for no light, one for each of them.
        white: its level for the brightest light.
    """

    white_balance: tuple[float, ...]
    black: tuple[int, ...]
    white: int


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


def has_raw() -> bool:
    """Whether RAW files can be read."""
    from importlib.util import find_spec

    return find_spec("rawpy") is not None


def raw_frame(path: Path) -> FrameInfo:
    """Shape and depth of a RAW file once developed and turned; raises `ReadError` where its samples are cut short."""
    with open_raw(path) as raw:
        sizes = raw.sizes
        height, width = sizes.iheight, sizes.iwidth
        size = (width, height) if sizes.flip & 4 else (height, width)
        check_dng(path)
        return FrameInfo(shape=size if raw.num_colors == 1 else (*size, 3), dtype=np.dtype(np.uint16))


def check_dng(path: Path) -> None:
    """Raise `ReadError` for a DNG file whose samples do not lie within it; other makers' files are left to LibRaw."""
    with path.open("rb") as file:
        if not file.read(4).startswith(TIFF_STARTS):
            return
    size = path.stat().st_size
    with TiffFile(path) as tiff:
        first = tiff.pages.first
        if DNG_VERSION not in first.tags:
            return
        for page in (first, *(first.pages or ())):
            ends = (start + count for start, count in zip(page.dataoffsets, page.databytecounts, strict=True))
            if max(ends, default=0) > size:
                raise ReadError(f"{path.name} is cut short: the file ends at {size} bytes, before its samples do")


def development_of(path: Path) -> Development:
    """How to develop a stack of which this is the reference: the camera's white balance, or daylight without one."""
    with open_raw(path) as raw:
        raw.unpack()  # some levels are known only then
        balance = raw.camera_whitebalance if min(raw.camera_whitebalance[:3]) > 0 else raw.daylight_whitebalance
        second_green = balance[3] if balance[3] > 0 else balance[1]
        return Development(
            white_balance=(*balance[:3], second_green),
            black=tuple(raw.black_level_per_channel),
            white=int(raw.white_level),
        )


def read_raw(path: Path, development: Development | None = None) -> Array:
    """Develop a RAW file: linear light in sRGB primaries, encoded with the sRGB curve, turned the right way up.

    Whatever is brighter than white in one of the channels is clipped. LibRaw's own adjustments to each picture,
    of its brightness and of its white level, are left out.

    Args:
        path: the file.
        development: that of its stack; None: its own.

    Returns:
        (H, W, 3) uint16; (H, W) from a sensor without colour filters.
    """
    development = development or development_of(path)
    black = min(development.black)
    with open_raw(path) as raw:
        linear: Array = raw.postprocess(
            output_bps=16,
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
    return encoding()[linear]


@cache
def encoding() -> Array:
    """The sRGB curve as a table of 65536 entries."""
    linear = np.arange(65536, dtype=np.float64) / 65535
    encoded: Array = np.rint(linear_to_srgb(linear.astype(np.float32)) * 65535).astype(np.uint16)
    return encoded
