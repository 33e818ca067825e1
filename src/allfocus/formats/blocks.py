"""Where each format keeps what is not pixels: blocks are found and taken out, neither judged nor decoded."""

import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from allfocus.formats.png import SIGNATURE
from allfocus.formats.sniff import AVIF_BRANDS, HEIF_BRANDS
from allfocus.metadata.blocks import CENTIMETRES, EXIF_START, METRES, Blocks
from allfocus.metadata.exif import LIMIT, Reader

XMP_START, ICC_START = b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0"
EXTENSION_START = b"http://ns.adobe.com/xmp/extension/\0"
RESOURCES_START, RESOURCE, IPTC_RESOURCE = b"Photoshop 3.0\0", b"8BIM", b"\x04\x04"
XMP_KEYWORD = "XML:com.adobe.xmp"


def file_reader(file: BinaryIO) -> Reader:
    """A `Reader` of an open file."""

    def read(place: int, size: int) -> bytes:
        file.seek(min(place, 2**62))
        return file.read(size)

    return read


# --- JPEG ----------------------------------------------------------------------------------------


def of_jpeg(file: BinaryIO) -> Blocks:
    """The blocks of a JPEG file, which stand before its samples."""
    found = Blocks()
    profile: dict[int, bytes] = {}
    rest: dict[int, bytes] = {}
    resources = b""
    for marker, body in segments(file):
        if marker == 0xE0 and body.startswith(b"JFIF\0"):
            found.dpi = jfif_density(body)
        elif marker == 0xE1 and body.startswith(EXIF_START):
            found.exif = found.exif or body
        elif marker == 0xE1 and body.startswith(XMP_START):
            found.xmp = found.xmp or body[len(XMP_START) :]
        elif marker == 0xE1 and body.startswith(EXTENSION_START):
            rest[int.from_bytes(body[71:75], "big")] = body[75:]
        elif marker == 0xE2 and body.startswith(ICC_START):
            profile[body[12]] = body[14:]
        elif marker == 0xED and body.startswith(RESOURCES_START):
            resources += body[len(RESOURCES_START) :]
        elif marker == 0xFE:
            found.text.append(("Comment", body.rstrip(b"\0").decode("utf-8", "replace")))
    found.icc = b"".join(profile[number] for number in sorted(profile)) or None
    found.rest = b"".join(rest[place] for place in sorted(rest)) or None
    found.iptc = iptc_of(resources)
    return found


def segments(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Marker and content of each segment before the samples."""
    file.seek(2)
    while (head := file.read(2))[:1] == b"\xff" and head[1:] not in (b"\xd9", b"\xda", b""):
        if head[1] == 0xFF:  # a fill byte
            file.seek(-1, 1)
            continue
        length = int.from_bytes(file.read(2), "big")
        yield head[1], file.read(max(length - 2, 0))


def jfif_density(body: bytes) -> tuple[float, float] | None:
    """Pixels for an inch, or None where only their shape is known."""
    scale = {1: 1.0, 2: CENTIMETRES}.get(body[7])
    if scale is None:
        return None
    return int.from_bytes(body[8:10], "big") * scale, int.from_bytes(body[10:12], "big") * scale


def iptc_of(resources: bytes) -> bytes | None:
    """The IPTC records among Photoshop's resources, each of which has a kind, a name, a length and content."""
    place = 0
    while resources[place : place + 4] == RESOURCE:
        name_end = place + 7 + resources[place + 6]
        name_end += name_end % 2 != place % 2  # padded to an even length
        start = name_end + 4
        length = int.from_bytes(resources[name_end:start], "big")
        if resources[place + 4 : place + 6] == IPTC_RESOURCE:
            return resources[start : start + length]
        place = start + length + length % 2
    return None


# --- PNG -----------------------------------------------------------------------------------------


def of_png(file: BinaryIO) -> Blocks:
    """The blocks of a PNG file, wherever they stand in it."""
    found = Blocks()
    for kind, body in chunks(file):
        if kind == b"iCCP":
            found.icc = inflate(body.partition(b"\0")[2][1:])
        elif kind == b"eXIf":
            found.exif = body
        elif kind == b"pHYs" and body[8:9] == b"\1":
            # whole pixels for a metre: more digits would be those of rounding
            sides = (int.from_bytes(body[place : place + 4], "big") for place in (0, 4))
            across, down = (round(side * METRES, 1) for side in sides)
            found.dpi = across, down
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            take_text(found, *text_of(kind, body))
    return found


def chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of each chunk but the samples."""
    place = len(SIGNATURE)
    while True:
        file.seek(place)
        head = file.read(8)
        if len(head) < 8 or head[4:] == b"IEND":
            return
        length = int.from_bytes(head[:4], "big")
        if head[4:] != b"IDAT" and length <= LIMIT:
            yield head[4:], file.read(length)
        place += 12 + length


def inflate(data: bytes) -> bytes:
    """Decompress, up to a size that no honest block has."""
    return zlib.decompressobj().decompress(data, LIMIT)


def text_of(kind: bytes, body: bytes) -> tuple[str, str]:
    """Key and value of a text chunk."""
    key, _, value = body.partition(b"\0")
    if kind == b"tEXt":
        return key.decode("latin-1"), value.decode("latin-1")
    if kind == b"zTXt":
        return key.decode("latin-1"), inflate(value[1:]).decode("latin-1")
    packed, (_, _, value) = value[0], value[2:].partition(b"\0")
    value = value.partition(b"\0")[2]
    return key.decode("latin-1"), (inflate(value) if packed else value).decode("utf-8", "replace")


def take_text(found: Blocks, key: str, value: str) -> None:
    """Keep a text, or what an older program stored as one: a packet, or another block as hexadecimal digits."""
    raw = re.fullmatch(r"Raw profile type (\w+)", key)
    if key == XMP_KEYWORD:
        found.xmp = value.encode()
    elif raw is None:
        found.text.append((key, value))
    else:
        block = bytes.fromhex("".join(value.split("\n")[3:]))
        if raw[1] in ("exif", "APP1") and block.startswith(EXIF_START):
            found.exif = found.exif or block
        elif raw[1] in ("xmp", "APP1"):
            found.xmp = found.xmp or block.removeprefix(XMP_START)
        elif raw[1] in ("icc", "icm"):
            found.icc = found.icc or block
        elif raw[1] == "iptc":
            found.iptc = iptc_of(block)


# --- WebP and what decoders hand out -------------------------------------------------------------


def of_webp(file: BinaryIO) -> Blocks:
    """The blocks of a WebP file."""
    found: dict[bytes, bytes] = {}
    file.seek(12)
    while len(head := file.read(8)) == 8:
        length = int.from_bytes(head[4:], "little")
        if head[:4] in (b"ICCP", b"EXIF", b"XMP ") and length <= LIMIT:
            found[head[:4]] = file.read(length)
            file.seek(length % 2, 1)
        else:
            file.seek(length + length % 2, 1)
    return Blocks(icc=found.get(b"ICCP"), exif=found.get(b"EXIF"), xmp=found.get(b"XMP "))


def of_heif(path: Path, start: bytes) -> Blocks:
    """The blocks of an AVIF or HEIC file, as its decoder finds them; of a file that is neither, none."""
    length = int.from_bytes(start[:4], "big")
    brands = [start[8:12], *(start[place : place + 4] for place in range(16, min(length, 64), 4))]
    if start[4:8] != b"ftyp" or brands[0] not in HEIF_BRANDS | AVIF_BRANDS:
        return Blocks()
    if b"avif" in brands:
        from PIL.AvifImagePlugin import AvifImageFile

        with AvifImageFile(path) as image:
            info: dict[Any, Any] = dict(image.info)
    else:
        from pillow_heif import open_heif

        info = open_heif(path).info
    return Blocks(icc=info.get("icc_profile"), exif=info.get("exif"), xmp=info.get("xmp"))
