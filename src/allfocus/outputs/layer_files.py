"""Layers in OpenRaster files (a ZIP of PNG), and as pages of TIFF files.

Masks are alpha there: colours below are stored too, so that uncovering a place brings them back.
"""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO
from xml.sax.saxutils import quoteattr

import numpy as np
import tifffile
from PIL import Image

from allfocus._version import __version__
from allfocus.core.color import Array, from_unit, to_unit
from allfocus.core.shrink import shrunk
from allfocus.metadata.carry import MAP
from allfocus.outputs.layered import ROWS, Layer, LayeredPicture

#: Longest side of the thumbnail in an OpenRaster file.
THUMBNAIL = 256
#: Colour types of PNG by the number of samples a pixel.
COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
#: Dates of files in a ZIP: the same input makes the same bytes.
DATE = (1980, 1, 1, 0, 0, 0)


def read_with_alpha(layer: Layer, rows: slice) -> Array:
    """Rows of a layer, its mask as the last channel."""
    pixels, mask = layer.pixels(rows), layer.mask(rows)
    return np.dstack([pixels, np.where(mask, np.iinfo(pixels.dtype).max, 0).astype(pixels.dtype)])


# --- OpenRaster ----------------------------------------------------------------------------------


def fill_ora(file: BinaryIO, layered: LayeredPicture, path: Path) -> None:
    """Write an OpenRaster file (freedesktop.org, version 0.0.3)."""
    image, layers = layered.image, layered.layers
    height, width = image.shape[:2]
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo("mimetype", DATE), "image/openraster")
        for number, layer in enumerate(layers):
            rows = (read_with_alpha(layer, part) for part in layered.windows())
            add_png(archive, f"data/layer{number}.png", rows, image, layered.icc, has_alpha=True)
        rows = (image[part] for part in layered.windows())
        add_png(archive, "mergedimage.png", rows, image, layered.icc)
        archive.writestr(zipfile.ZipInfo("Thumbnails/thumbnail.png", DATE), encode_thumbnail(image))
        listed = "".join(
            f'<layer name={quoteattr(layer.name)} src="data/layer{number}.png" x="0" y="0"/>'
            for number, layer in reversed([*enumerate(layers)])
        )
        text = f'<?xml version="1.0" encoding="UTF-8"?><image version="0.0.3" w="{width}" h="{height}"><stack>'
        archive.writestr(zipfile.ZipInfo("stack.xml", DATE), f"{text}{listed}</stack></image>")


def add_png(
    archive: zipfile.ZipFile,
    name: str,
    parts: Iterator[Array],
    image: Array,
    icc: bytes | None,
    *,
    has_alpha: bool = False,
) -> None:
    """Add a PNG file to an archive, some rows at a time."""
    channels = (1 if image.ndim == 2 else 3) + has_alpha
    header = struct.pack(
        ">IIBBBBB", image.shape[1], image.shape[0], 8 * image.dtype.itemsize, COLOUR_TYPES[channels], 0, 0, 0
    )
    pack = zlib.compressobj(6)
    with archive.open(zipfile.ZipInfo(name, DATE), "w", force_zip64=True) as file:
        file.write(b"\x89PNG\r\n\x1a\n" + make_chunk(b"IHDR", header))
        if icc:
            file.write(make_chunk(b"iCCP", b"icc\0\0" + zlib.compress(icc)))
        for part in parts:
            packed = pack.compress(filter_rows(part))
            if packed:
                file.write(make_chunk(b"IDAT", packed))
        file.write(make_chunk(b"IDAT", pack.flush()) + make_chunk(b"IEND", b""))


def make_chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def filter_rows(part: Array) -> bytes:
    """Rows as PNG stores them: each byte less that of the pixel on its left (filter 1)."""
    step = (1 if part.ndim == 2 else part.shape[2]) * part.dtype.itemsize
    stored = part.astype(part.dtype.newbyteorder(">")).reshape(len(part), -1).view(np.uint8)
    filtered = np.ones((len(part), stored.shape[1] + 1), np.uint8)
    filtered[:, 1:] = stored
    filtered[:, 1 + step :] -= stored[:, :-step]
    return filtered.tobytes()


def encode_thumbnail(image: Array) -> bytes:
    """A small PNG of a picture, 8 bits."""
    eight = from_unit(to_unit(shrunk(image, THUMBNAIL)), "uint8")
    buffer = BytesIO()
    Image.fromarray(eight).save(buffer, "PNG")
    return buffer.getvalue()


# --- TIFF ----------------------------------------------------------------------------------------


def fill_tiff(file: BinaryIO, layered: LayeredPicture, path: Path) -> None:
    """Write a TIFF file: the picture, and behind it a page for each layer with its mask as alpha."""
    image, layers = layered.image, layered.layers
    nbytes = image.nbytes * (len(layers) + 1) + image.nbytes * len(layers)
    kind = "minisblack" if image.ndim == 2 else "rgb"
    with tifffile.TiffWriter(file, bigtiff=nbytes > 2**31) as writer:
        common = {"photometric": kind, "compression": "zlib", "predictor": True, "metadata": None}
        common |= {"iccprofile": layered.icc, "rowsperstrip": ROWS, "software": f"allfocus {__version__}"}
        writer.write(image, description=f"{MAP}: the picture, and its layers", **common)  # type: ignore[arg-type]
        for layer in layers:
            page = np.concatenate([read_with_alpha(layer, part) for part in layered.windows()])
            named = [(285, "s", 0, layer.name.encode(), True)]  # PageName
            writer.write(page, extrasamples=["unassalpha"], extratags=named, **common)  # type: ignore[arg-type]
