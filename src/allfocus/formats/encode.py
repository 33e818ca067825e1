"""Pictures to the bytes of a file, with what is kept beside the pixels; what a format can't hold is said."""

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from allfocus.core.color import Array, from_unit, to_unit
from allfocus.errors import WriteError
from allfocus.formats.blocks import (
    EXTENSION_START,
    ICC_START,
    IPTC_RESOURCE,
    RESOURCE,
    RESOURCES_START,
    XMP_KEYWORD,
    XMP_START,
)
from allfocus.formats.ome_tiff import OME_ENDINGS, ome_options
from allfocus.formats.tiff_write import tiff_bytes
from allfocus.metadata import exif, xmp
from allfocus.metadata import icc as profiles
from allfocus.metadata import ifd as directories
from allfocus.metadata.blocks import EXIF_START, METRES
from allfocus.metadata.carry import KEYWORDS, Metadata

Encoder = Callable[[Array, Metadata], bytes]

#: Bytes that a JPEG segment holds, its own length left out, and how many parts a profile may have.
SEGMENT, PARTS = 65533, 255


@dataclass(frozen=True, kw_only=True)
class Format:
    """How a format is written, and what it can hold.

    Attributes:
        encoder: makes the bytes of a file.
        depths: sample types; what it can't hold becomes the last of them.
        longest: pixels a side.
        colours: whether gray is stored as RGB.
        iptc: whether it holds IPTC records.
        texts: keys of the texts that it holds; None: any.
    """

    encoder: Encoder
    depths: tuple[type[np.generic], ...]
    longest: int | None = None
    colours: bool = False
    iptc: bool = False
    texts: tuple[str, ...] | None = ()


def encode(path: Path, image: Array, metadata: Metadata | None = None) -> tuple[bytes, list[str]]:
    """The bytes of the file that `image` becomes at `path`, and lines saying what the format could not keep."""
    form = FORMATS[path.suffix.lower()]
    notes = []
    if image.dtype.type not in form.depths:
        notes.append(f"{image.dtype} samples were rounded to {np.dtype(form.depths[-1]).name}")
        image = from_unit(to_unit(image), form.depths[-1])
    if form.colours and image.ndim == 2:
        notes.append("WebP has no gray; the picture was stored as RGB")
        image = np.repeat(image[..., None], 3, axis=2)
    metadata, left_out = fit(metadata or Metadata(), form, is_gray=image.ndim == 2)
    encoder = encode_ome if is_ome(path) else form.encoder
    try:
        return encoder(image, metadata), [f"{path.name}: {note}" for note in notes + left_out]
    except (ValueError, OSError, cv2.error, struct.error) as error:
        raise WriteError(f"{path} can't be encoded: {error}") from error


def is_ome(path: Path) -> bool:
    """Whether a name asks for OME-TIFF."""
    return path.name.lower().endswith(OME_ENDINGS)


# --- what fits -----------------------------------------------------------------------------------


def fit(metadata: Metadata, form: Format, *, is_gray: bool) -> tuple[Metadata, list[str]]:
    """Leave out what a format or these colours have no place for, and say so."""
    notes = []
    colours = "gray" if is_gray else "RGB"
    space = profiles.colour_space(metadata.icc) if metadata.icc else colours
    if space != colours:
        notes.append(f"the ICC profile is for {space} and the picture is {colours}; the profile was left out")
        metadata = replace(metadata, icc=None)
    if metadata.iptc and not form.iptc:
        notes.append("the format has no place for IPTC records; they were left out")
        metadata = replace(metadata, iptc=None)
    if form.texts is not None:
        lost = [key for key, _ in metadata.text if key not in (*form.texts, *KEYWORDS, "Software")]
        if lost:
            notes.append(f"the format has no place for the texts {', '.join(lost)}; they were left out")
        metadata = replace(metadata, text=tuple(pair for pair in metadata.text if pair[0] in form.texts))
    if form.encoder is encode_jpeg:
        metadata, said = fit_segments(metadata)
        notes += said
    return metadata, notes


def fit_segments(metadata: Metadata) -> tuple[Metadata, list[str]]:
    """Leave out what JPEG's segments of 64 KB can't hold: the maker's note first, then all EXIF; and say so."""
    notes = []
    room = SEGMENT - len(EXIF_START)
    if metadata.exif and len(metadata.exif) > room:
        shorter = directories.put_together(directories.without_note(directories.take_apart(exif.reader(metadata.exif))))
        what = "the maker's note was" if len(shorter) <= room else "it was"
        notes.append(f"EXIF of {len(metadata.exif)} bytes is more than JPEG holds; {what} left out")
        metadata = replace(metadata, exif=shorter if len(shorter) <= room else None)
    try:
        xmp.split(metadata.xmp or b"")
    except ValueError:
        notes.append(f"XMP of {len(metadata.xmp or b'')} bytes is more than JPEG holds; it was left out")
        metadata = replace(metadata, xmp=None)
    if metadata.icc and len(metadata.icc) > PARTS * (SEGMENT - 14):
        notes.append("the ICC profile is longer than JPEG holds; it was left out")
        metadata = replace(metadata, icc=None)
    if metadata.iptc and len(metadata.iptc) > SEGMENT - 32:
        notes.append("the IPTC records are longer than JPEG holds; they were left out")
        metadata = replace(metadata, iptc=None)
    return metadata, notes


# --- JPEG and WebP -------------------------------------------------------------------------------


def encode_jpeg(image: Array, metadata: Metadata) -> bytes:
    """JPEG, quality 95, colour at full resolution."""
    buffer = BytesIO()
    across, down = metadata.dpi or (0, 0)
    density = (min(round(across), 65535), min(round(down), 65535))
    Image.fromarray(image).save(buffer, "JPEG", quality=95, subsampling=0, dpi=density)
    data = buffer.getbuffer()
    end = 4 + int.from_bytes(data[4:6], "big")  # of the JFIF segment, which comes first
    return b"".join((data[:end], *segments(metadata), data[end:]))


def segments(metadata: Metadata) -> Iterator[bytes]:
    """JPEG segments that hold metadata, in the order in which cameras write them."""
    if metadata.exif:
        yield segment(0xE1, EXIF_START + metadata.exif)
    packet, rest = xmp.split(metadata.xmp or b"")
    if packet:
        yield segment(0xE1, XMP_START + packet)
    for place in range(0, len(rest), xmp.CHUNK):
        about = xmp.digest(rest) + struct.pack(">II", len(rest), place)
        yield segment(0xE1, EXTENSION_START + about + rest[place : place + xmp.CHUNK])
    if metadata.iptc:
        length = len(metadata.iptc).to_bytes(4, "big")
        resource = RESOURCE + IPTC_RESOURCE + b"\0\0" + length + metadata.iptc + bytes(len(metadata.iptc) % 2)
        yield segment(0xED, RESOURCES_START + resource)
    room = SEGMENT - 14
    parts = [metadata.icc[place : place + room] for place in range(0, len(metadata.icc), room)] if metadata.icc else []
    for number, part in enumerate(parts, start=1):
        yield segment(0xE2, ICC_START + bytes((number, len(parts))) + part)
    for _, comment in metadata.text:
        yield segment(0xFE, comment.encode()[:SEGMENT])


def segment(marker: int, body: bytes) -> bytes:
    """One JPEG segment."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def encode_webp(image: Array, metadata: Metadata) -> bytes:
    """Lossless WebP, with the effort (`quality`, `method`) beyond which only time grows."""
    buffer = BytesIO()
    Image.fromarray(image).save(
        buffer,
        "WEBP",
        lossless=True,
        exact=True,
        quality=20,
        method=1,
        icc_profile=metadata.icc or b"",
        exif=metadata.exif or b"",
        xmp=metadata.xmp or b"",
    )
    return buffer.getvalue()


# --- PNG -----------------------------------------------------------------------------------------


def encode_png(image: Array, metadata: Metadata) -> bytes:
    """PNG, 8 or 16 bit."""
    done, data = cv2.imencode(".png", image if image.ndim == 2 else image[..., ::-1])
    if not done:
        raise ValueError("OpenCV's PNG encoder failed")
    stored = data.data
    return b"".join((stored[:33], *chunks(metadata), stored[33:]))  # behind the header


def chunks(metadata: Metadata) -> Iterator[bytes]:
    """PNG chunks that hold metadata; all of them may stand before the samples."""
    if metadata.icc:
        yield chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc))
    if metadata.dpi:
        yield chunk(b"pHYs", struct.pack(">IIB", *(round(side / METRES) for side in metadata.dpi), 1))
    if metadata.exif:
        yield chunk(b"eXIf", metadata.exif)
    if metadata.xmp:
        yield chunk(b"iTXt", XMP_KEYWORD.encode() + bytes(5) + metadata.xmp)
    for key, value in metadata.text:
        name = key.encode("latin-1", "replace")[:79] + b"\0"
        if value.isascii():
            yield chunk(b"tEXt", name + value.encode())
        else:
            yield chunk(b"iTXt", name + bytes(4) + value.encode())


def chunk(kind: bytes, body: bytes) -> bytes:
    """One PNG chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


# --- TIFF ----------------------------------------------------------------------------------------


def encode_tiff(image: Array, metadata: Metadata) -> bytes:
    """TIFF with lossless deflate compression, 8 or 16 bit or 32 bit float."""
    return tiff_bytes(image, metadata, {"metadata": None})


def encode_ome(image: Array, metadata: Metadata) -> bytes:
    """OME-TIFF of one picture: as `encode_tiff`, described by OME-XML instead of EXIF's description."""
    return tiff_bytes(image, metadata, ome_options("YX" if image.ndim == 2 else "YXS"), kept=(exif.DESCRIPTION,))


#: How each ending is written.
TIFF = Format(encoder=encode_tiff, depths=(np.uint8, np.uint16, np.float32), iptc=True)
JPEG = Format(encoder=encode_jpeg, depths=(np.uint8,), longest=65535, iptc=True, texts=("Comment",))
FORMATS = {
    ".png": Format(encoder=encode_png, depths=(np.uint8, np.uint16), texts=None),
    ".tif": TIFF,
    ".tiff": TIFF,
    ".webp": Format(encoder=encode_webp, depths=(np.uint8,), longest=16383, colours=True),
    ".jpg": JPEG,
    ".jpeg": JPEG,
}
