"""PNG (ISO/IEC 15948): proof that a file is whole, the 16-bit samples that Pillow would cut to 8, metadata chunks."""

import re
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from PIL.PngImagePlugin import PngImageFile

from allfocus.core.color import Array
from allfocus.errors import ReadError
from allfocus.formats.filebytes import Data, map_file
from allfocus.formats.format import Capacity, Development, Format, Header
from allfocus.formats.pixels import check_pixels, inspect_pillow, orient, read_orientation, read_pillow
from allfocus.formats.quiet import catch_lines
from allfocus.formats.several import Animation
from allfocus.formats.spliced import splice
from allfocus.metadata import iptc
from allfocus.metadata.blocks import EXIF_START, METRES, XMP_START, Blocks
from allfocus.metadata.budget import LIMIT, PIECE, Budget
from allfocus.metadata.carry import Metadata
from allfocus.metadata.colours import read_codes
from allfocus.metadata.profiles import profile_of_codes, profile_of_png

SIGNATURE = b"\x89PNG\r\n\x1a\n"

#: Length and name, in front of each chunk.
CHUNK = struct.Struct(">I4s")

XMP_KEYWORD = "XML:com.adobe.xmp"

#: Chunks of which the picture is made, those that show that it is an animation among them.
PICTURE = (b"IHDR", b"PLTE", b"tRNS", b"acTL", b"fcTL", b"IDAT", b"IEND")

#: Colour types of gray, without alpha and with it.
GRAY = (0, 4)


class Png(Format):
    """PNG, 8 or 16 bit."""

    name = "PNG"
    extensions = (".png",)
    capacity = Capacity(depths=(np.uint8, np.uint16), alpha=True, texts=None)

    def sniff(self, start: bytes, path: Path) -> bool:
        """By its signature."""
        return start.startswith(SIGNATURE)

    def check(self, path: Path) -> None:
        """Raise `ReadError` where the last chunk is missing; checksums are left to `read`."""
        with map_file(path) as data:
            check_last(data, path.name)

    def header(self, path: Path) -> Header:
        """Pillow would decode the file to find its EXIF, and calls 16-bit RGB 8-bit."""
        with map_file(path) as data, PngImageFile(picture_alone(data)) as image:
            depth = np.uint16 if data[24] == 16 else np.uint8
            frame = inspect_pillow(image, path.name, depth, read_orientation(lambda: find_blocks(data)))
        return Header(format=self, frame=frame)

    def read(self, path: Path, development: Development | None = None) -> Array:
        """Decoded by Pillow at 8 bits, and by OpenCV at 16."""
        with map_file(path) as data:
            check_chunks(data, path.name)
            image, orientation = PngImageFile(picture_alone(data)), read_orientation(lambda: find_blocks(data))
            if data[24] != 16:
                return read_pillow(image, path.name, orientation)
            check_pixels(image.width, image.height, path.name)
            return orient(decode_16_bit(picture_alone(data).read(), path.name), orientation)

    def count_frames(self, path: Path) -> int:
        """Of an animation (APNG), as Pillow counts them; else 1."""
        with map_file(path) as data:
            is_animated = any(kind == b"acTL" for kind, _, _ in list_chunks(data))
        if not is_animated:
            return 1
        with PngImageFile(path) as image:
            return image.n_frames

    def frame_reader(self, path: Path, positions: Sequence[int]) -> Callable[[int], Array]:
        """See `Animation`."""
        return Animation(PngImageFile, path).read

    def blocks(self, path: Path) -> Blocks:
        """See `find_blocks`."""
        with map_file(path) as data:
            return find_blocks(data)

    def encode(self, image: Array, metadata: Metadata) -> bytes:
        """Encoded by OpenCV; metadata goes behind the header, before the samples."""
        order = [2, 1, 0, 3][: image.shape[2]] if image.ndim == 3 else []
        done, data = cv2.imencode(".png", image[..., order] if order else image)
        if not done:
            raise ValueError("OpenCV's PNG encoder failed")
        stored = data.data
        return b"".join((stored[:33], *make_chunks(metadata), stored[33:]))


FORMATS = (Png(),)


# --- chunks --------------------------------------------------------------------------------------


def list_chunks(data: Data) -> Iterator[tuple[bytes, int, int]]:
    """Each chunk that is whole: its name, and where its content starts and ends. The last one is named IEND.

    Raises:
        ValueError: there are more short ones than a budget allows.
    """
    place, size, budget = len(SIGNATURE), len(data), Budget()
    while place + 12 <= size:
        length, kind = CHUNK.unpack_from(data, place)
        budget.take(0, pieces=length < PIECE)
        end = place + 8 + length
        if end + 4 > size:
            return
        yield kind, place + 8, end
        if kind == b"IEND":
            return
        place = end + 4


def picture_alone(data: Data) -> BinaryIO:
    """The chunks that the picture needs (ISO/IEC 15948), and none that only say something of it."""
    kept = [(start - 8, end + 4) for kind, start, end in list_chunks(data) if kind in PICTURE]
    return splice(data, [(0, len(SIGNATURE)), *kept])


def check_last(data: Data, name: str) -> None:
    """Raise `ReadError` where the last chunk is missing."""
    if not any(kind == b"IEND" for kind, _, _ in list_chunks(data)):
        raise ReadError(f"{name} is cut short: the PNG ends after {len(data)} bytes without its last chunk")


def check_chunks(data: Data, name: str) -> None:
    """Raise `ReadError` unless all chunks are there and their checksums hold.

    Decoders differ in what they make of a file that was cut short; libpng also writes to stderr by itself.
    """
    for kind, start, end in list_chunks(data):
        if zlib.crc32(data[start - 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            raise ReadError(f"{name} is damaged: its {kind.decode('ascii', 'replace')} chunk has a wrong checksum")
    check_last(data, name)


def decode_16_bit(data: bytes, name: str) -> Array:
    """Samples (H, W), (H, W, 2), (H, W, 3) or (H, W, 4) uint16 of a 16-bit PNG: gray or RGB, alpha last."""
    is_png = data.startswith(SIGNATURE)  # OpenCV's other decoders are never reached, see SECURITY.md
    with catch_lines():
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if is_png else None
    if picture is None or picture.dtype != np.uint16:
        raise ReadError(f"{name} is damaged: its 16-bit PNG samples can't be decoded")
    if picture.ndim == 2:
        return picture
    colours = picture[..., 2::-1]
    if data[25] in GRAY:  # OpenCV repeats gray to carry the alpha channel
        colours = colours[..., :1]
    return np.concatenate([colours, picture[..., 3:]], axis=2)


# --- metadata ------------------------------------------------------------------------------------


def find_blocks(data: Data) -> Blocks:
    """The metadata of a PNG file, wherever it stands in it; raises `ValueError` where it exceeds a budget."""
    found, colours, budget = Blocks(), {}, Budget()
    for kind, start, end in list_chunks(data):
        if kind in (b"iCCP", b"eXIf", b"pHYs", b"tEXt", b"zTXt", b"iTXt") and end - start <= LIMIT:
            budget.take(end - start)
            take_chunk(found, kind, data[start:end], budget)
        elif kind in (b"cICP", b"sRGB", b"gAMA", b"cHRM"):
            colours[kind] = data[start : min(end, start + 32)]
    found.icc = find_profile(colours, found.icc, is_gray=data[25] in GRAY)
    return found


def find_profile(chunks: Mapping[bytes, bytes], icc: bytes | None, *, is_gray: bool) -> bytes | None:
    """The profile for what chunks say about colours: cICP, else iCCP, else sRGB, else gAMA with cHRM."""
    if len(chunks.get(b"cICP", b"")) == 4:
        return profile_of_codes(*chunks[b"cICP"][:2], is_gray=is_gray)
    if icc or b"sRGB" in chunks:
        return icc or profile_of_codes(1, 13, is_gray=is_gray)
    gamma, points = chunks.get(b"gAMA", b""), chunks.get(b"cHRM", b"")
    return profile_of_png(
        int.from_bytes(gamma, "big") if len(gamma) == 4 else None,
        struct.unpack(">8I", points) if len(points) == 32 else None,
        is_gray=is_gray,
    )


def take_chunk(found: Blocks, kind: bytes, body: bytes, budget: Budget) -> None:
    """Keep what a chunk of metadata holds."""
    if kind == b"iCCP":
        found.icc = budget.inflate(body.partition(b"\0")[2][1:])
    elif kind == b"eXIf":
        found.exif = body
    elif kind != b"pHYs":
        take_text(found, *read_text(kind, body, budget))
    elif body[8:9] == b"\1":
        # whole pixels for a metre: more digits would be those of rounding
        sides = (int.from_bytes(body[place : place + 4], "big") for place in (0, 4))
        across, down = (round(side * METRES, 1) for side in sides)
        found.dpi = across, down


def read_text(kind: bytes, body: bytes, budget: Budget) -> tuple[str, str]:
    """Key and value of a text chunk."""
    key, _, value = body.partition(b"\0")
    if kind == b"tEXt":
        return key.decode("latin-1"), value.decode("latin-1")
    if kind == b"zTXt":
        return key.decode("latin-1"), budget.inflate(value[1:]).decode("latin-1")
    packed, (_, _, value) = value[0], value[2:].partition(b"\0")
    value = value.partition(b"\0")[2]
    return key.decode("latin-1"), (budget.inflate(value) if packed else value).decode("utf-8", "replace")


def take_text(found: Blocks, key: str, value: str) -> None:
    """Keep a text, or what an older program stored as one: a packet, or another block as hexadecimal digits."""
    raw = re.fullmatch(r"Raw profile type (\w+)", key)
    if key == XMP_KEYWORD:
        found.xmp = value.encode()
    elif raw is None:
        found.text.append((key, value))
    else:
        block = bytes.fromhex("".join(value.split("\n", 3)[3:]))
        if raw[1] in ("exif", "APP1") and block.startswith(EXIF_START):
            found.exif = found.exif or block
        elif raw[1] in ("xmp", "APP1"):
            found.xmp = found.xmp or block.removeprefix(XMP_START)
        elif raw[1] in ("icc", "icm"):
            found.icc = found.icc or block
        elif raw[1] == "iptc":
            found.iptc = iptc.find_records(block)


def make_chunks(metadata: Metadata) -> Iterator[bytes]:
    """Chunks that hold metadata; all of them may stand before the samples."""
    codes = read_codes(metadata.icc) if metadata.icc else b""
    if codes:
        yield make_chunk(b"cICP", codes)
    if metadata.icc:
        yield make_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc))
    if metadata.dpi:
        yield make_chunk(b"pHYs", struct.pack(">IIB", *(round(side / METRES) for side in metadata.dpi), 1))
    if metadata.exif:
        yield make_chunk(b"eXIf", metadata.exif)
    if metadata.xmp:
        yield make_chunk(b"iTXt", XMP_KEYWORD.encode() + bytes(5) + metadata.xmp)
    for key, value in metadata.text:
        name = key.encode("latin-1", "replace")[:79] + b"\0"
        if value.isascii():
            yield make_chunk(b"tEXt", name + value.encode())
        else:
            yield make_chunk(b"iTXt", name + bytes(4) + value.encode())


def make_chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
