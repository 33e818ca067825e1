"""JPEG (ITU-T T.81) with the segments that JFIF, EXIF, XMP, ICC and Photoshop put before the samples."""

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from allfocus.core.color import Array
from allfocus.core.notes import Note
from allfocus.errors import ReadError
from allfocus.formats.filebytes import START, Data, map_file
from allfocus.formats.format import Capacity, Development, Format, Header
from allfocus.formats.pixels import inspect_pillow, read_orientation, read_pillow, reduce_pillow
from allfocus.formats.several import MPF_START, find_pictures, read_part
from allfocus.formats.spliced import splice
from allfocus.metadata import exif, ifd, iptc, xmp
from allfocus.metadata.blocks import CENTIMETRES, EXIF_START, XMP_START, Blocks
from allfocus.metadata.budget import Budget
from allfocus.metadata.carry import Metadata

SIGNATURE = b"\xff\xd8\xff"

#: Second bytes of markers: start of the picture's scan, a byte that fills up, comments, applications' segments.
SCAN, FILL, COMMENT = 0xDA, 0xFF, 0xFE
#: Second bytes of what begins no segment: an escaped 0xFF, restarts, a second start or end, and a mark for private use.
BARE = (0x00, 0x01, *range(0xD0, 0xDA))
JFIF, EXIF, ICC, PHOTOSHOP, ADOBE = 0xE0, 0xE1, 0xE2, 0xED, 0xEE

ICC_START = b"ICC_PROFILE\0"
EXTENSION_START = b"http://ns.adobe.com/xmp/extension/\0"
PHOTOSHOP_START = b"Photoshop 3.0\0"

#: Bytes that a segment holds, its own length left out, and how many parts a profile may have.
SEGMENT, PARTS = 65533, 255

#: How far from its end a file's end marker is looked for first; behind it phones hide further pictures.
TAIL = 1 << 16


class Jpeg(Format):
    """JPEG; written with quality 95 and colour at full resolution."""

    name = "JPEG"
    extensions = (".jpg", ".jpeg")
    by_cameras = True
    capacity = Capacity(depths=(np.uint8,), longest=65535, iptc=True, texts=("Comment",))

    def sniff(self, start: bytes, path: Path) -> bool:
        """By its first two markers, a few bytes behind the start if need be."""
        return start.startswith(SIGNATURE) or (path.suffix.lower() in self.extensions and SIGNATURE in start)

    def check(self, path: Path) -> None:
        """See `check_end`."""
        with map_file(path) as data:
            check_end(data, path.name)

    def header(self, path: Path) -> Header:
        """Read by Pillow."""
        with map_file(path) as data, JpegImageFile(picture_alone(data)) as image:
            frame = inspect_pillow(image, path.name, np.uint8, read_orientation(lambda: find_blocks(data)))
        return Header(format=self, frame=frame)

    def read(self, path: Path, development: Development | None = None) -> Array:
        """Decoded by Pillow.

        Its plug-in is called by name: `Image.open` would refuse honest pictures above 179 megapixels, and takes the
        second picture that phones hide in a JPEG for another page.
        """
        with map_file(path) as data:
            check_end(data, path.name)
            image = JpegImageFile(picture_alone(data))
            reduce_pillow(image, path.name)
            return read_pillow(image, path.name, read_orientation(lambda: find_blocks(data)))

    def count_frames(self, path: Path) -> int:
        """How many full pictures it holds, see `find_pictures`."""
        with map_file(path) as data:
            return len(find_pictures(data, list_ends(data))) if is_mpo(data) else 1

    def frame_reader(self, path: Path, positions: Sequence[int]) -> Callable[[int], Array]:
        """Decodes any of its full pictures."""
        with map_file(path) as data:
            places = find_pictures(data, list_ends(data))
        return lambda position: read_part(path, places[position])

    def blocks(self, path: Path) -> Blocks:
        """See `find_blocks`."""
        with map_file(path) as data:
            return find_blocks(data)

    def fit(self, metadata: Metadata) -> tuple[Metadata, list[Note]]:
        """See `fit_segments`."""
        return fit_segments(metadata)

    def encode(self, image: Array, metadata: Metadata) -> bytes:
        """Encoded by Pillow; metadata goes behind the JFIF segment, which comes first."""
        buffer = BytesIO()
        across, down = metadata.dpi or (0, 0)
        density = (round(across), round(down)) if max(across, down) < 65535 else (0, 0)  # EXIF holds more
        Image.fromarray(image).save(buffer, "JPEG", quality=95, subsampling=0, dpi=density)
        data = buffer.getbuffer()
        end = 4 + int.from_bytes(data[4:6], "big")
        return b"".join((data[:end], *make_segments(metadata), data[end:]))


FORMATS = (Jpeg(),)


# --- segments ------------------------------------------------------------------------------------


def list_segments(data: Data, start: int = 0) -> Iterator[tuple[int, int, int]]:
    """Each segment before the samples of the picture at `start`: its marker, and where its content starts and ends.

    Bytes between segments that begin none are skipped, as decoders do: old editors and scanners leave some there, or
    write lengths that are too short. The start of the scan, if it is reached, comes last, with the place of its marker
    as start and end.

    Raises:
        ValueError: they exceed a budget.
    """
    place, budget = (start or find_start(data)) + 2, Budget()
    while 0 <= (place := data.find(b"\xff", place)) < len(data) - 1:
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        if marker == SCAN:
            yield SCAN, place, place
            return
        if marker == FILL:
            place += 1
        elif marker in BARE or length < 2:  # which counts itself
            budget.take(0)
            place += 2
        else:
            end = place + 2 + length
            budget.take(end - place)
            yield marker, place + 4, end
            place = end


def find_start(data: Data) -> int:
    """Where the picture begins: some programs put a few bytes before it."""
    return max(data[:START].find(SIGNATURE), 0)


def is_mpo(data: Data) -> bool:
    """Whether a JPEG file names further pictures in it (CIPA DC-007)."""
    return any(marker == ICC and data[start : start + 4] == MPF_START for marker, start, _ in list_segments(data))


def list_ends(data: Data) -> Iterator[int]:
    """Where each of the JPEG pictures in a file ends, one after the other."""
    start = 0
    while start >= 0:
        place = start + 2
        for _, _, place in list_segments(data, start):  # noqa: B007 (the last one counts)
            pass
        end = data.find(b"\xff\xd9", place)
        if end < 0:
            return
        yield end + 2
        start = data.find(SIGNATURE, end)


def picture_alone(data: Data) -> BinaryIO:
    """The picture without what applications say of it; colours depend on two of their segments, which stay."""
    start = find_start(data)
    parts, last = [(start, start + 2)], start + 2
    for marker, start, end in list_segments(data):
        if marker not in range(JFIF + 1, ADOBE) and marker not in (*range(ADOBE + 1, JFIF + 16), COMMENT, SCAN):
            parts.append((start - 4, end))
        last = end
    return splice(data, [*parts, (last, len(data))])


def check_end(data: Data, name: str) -> None:
    """Raise `ReadError` unless the end marker follows the start of the scan.

    Pillow notices most files that were cut short, but not those filled up with zeros by an interrupted copy.
    Inside a scan 0xFF is always escaped, so that the first end marker after its start is the true one.
    """
    scan = next((place for marker, place, _ in list_segments(data) if marker == SCAN), None)
    if scan is None:
        raise ReadError(f"{name} is damaged or cut short: none of its {len(data)} bytes begins the JPEG's samples")
    # nearly always it is at the very end, where it is found without reading the whole file
    if data.find(b"\xff\xd9", max(scan, len(data) - TAIL)) < 0 and data.find(b"\xff\xd9", scan) < 0:
        raise ReadError(f"{name} is cut short: the JPEG ends after {len(data)} bytes without its end marker")


# --- metadata ------------------------------------------------------------------------------------


def find_blocks(data: Data) -> Blocks:
    """The metadata of a JPEG file, which stands before its samples."""
    found = Blocks()
    profile: dict[int, bytes] = {}
    rest: dict[int, bytes] = {}
    resources: list[bytes] = []
    for marker, start, end in list_segments(data):
        if marker == SCAN:
            break
        body = data[start:end]
        if marker == JFIF and body.startswith(b"JFIF\0"):
            found.dpi = read_density(body)
        elif marker == EXIF:
            take_exif_or_xmp(found, rest, body)
        elif marker == ICC and body.startswith(ICC_START) and len(body) > 14:
            profile[body[12]] = body[14:]
        elif marker == PHOTOSHOP and body.startswith(PHOTOSHOP_START):
            resources.append(body[len(PHOTOSHOP_START) :])
        elif marker == COMMENT:
            found.text.append(("Comment", body.rstrip(b"\0").decode("utf-8", "replace")))
    found.icc = b"".join(profile[number] for number in sorted(profile)) or None
    found.rest = b"".join(rest[place] for place in sorted(rest)) or None
    found.iptc = iptc.find_records(b"".join(resources))
    return found


def take_exif_or_xmp(found: Blocks, rest: dict[int, bytes], body: bytes) -> None:
    """Keep what one of the segments holds that EXIF and XMP share; of a long packet, a part of its rest."""
    if body.startswith(EXIF_START):
        found.exif = found.exif or body
    elif body.startswith(XMP_START):
        found.xmp = found.xmp or body[len(XMP_START) :]
    elif body.startswith(EXTENSION_START):
        rest[int.from_bytes(body[71:75], "big")] = body[75:]


def read_density(body: bytes) -> tuple[float, float] | None:
    """Pixels for an inch from a JFIF segment, or None where it only holds their shape."""
    scale = {1: 1.0, 2: CENTIMETRES}.get(body[7])
    if scale is None:
        return None
    return int.from_bytes(body[8:10], "big") * scale, int.from_bytes(body[10:12], "big") * scale


def make_segments(metadata: Metadata) -> Iterator[bytes]:
    """Segments that hold metadata, in the order in which cameras write them."""
    if metadata.exif:
        yield make_segment(EXIF, EXIF_START + metadata.exif)
    packet, rest = xmp.split(metadata.xmp or b"")
    if packet:
        yield make_segment(EXIF, XMP_START + packet)
    for place in range(0, len(rest), xmp.CHUNK):
        about = xmp.digest(rest) + struct.pack(">II", len(rest), place)
        yield make_segment(EXIF, EXTENSION_START + about + rest[place : place + xmp.CHUNK])
    if metadata.iptc:
        yield make_segment(PHOTOSHOP, PHOTOSHOP_START + iptc.wrap_records(metadata.iptc))
    room = SEGMENT - 14
    parts = [metadata.icc[place : place + room] for place in range(0, len(metadata.icc), room)] if metadata.icc else []
    for number, part in enumerate(parts, start=1):
        yield make_segment(ICC, ICC_START + bytes((number, len(parts))) + part)
    for _, comment in metadata.text:
        yield make_segment(COMMENT, comment.encode()[:SEGMENT])


def make_segment(marker: int, body: bytes) -> bytes:
    """One segment."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def fit_segments(metadata: Metadata) -> tuple[Metadata, list[Note]]:
    """Leave out what segments of 64 KB can't hold: the maker's note first, then all of EXIF."""
    metadata, notes = fit_exif(metadata)
    try:
        xmp.split(metadata.xmp or b"")
    except ValueError:
        size = len(metadata.xmp or b"")
        notes.append(note_left_out("xmp", f"XMP of {size} bytes is more than JPEG holds; it was left out"))
        metadata = replace(metadata, xmp=None)
    if metadata.icc and len(metadata.icc) > PARTS * (SEGMENT - 14):
        notes.append(note_left_out("icc", "the ICC profile is longer than JPEG holds; it was left out"))
        metadata = replace(metadata, icc=None)
    if metadata.iptc and len(metadata.iptc) > SEGMENT - 32:
        notes.append(note_left_out("iptc", "the IPTC records are longer than JPEG holds; they were left out"))
        metadata = replace(metadata, iptc=None)
    return metadata, notes


def fit_exif(metadata: Metadata) -> tuple[Metadata, list[Note]]:
    """Make EXIF fit into one segment."""
    room = SEGMENT - len(EXIF_START)
    if not metadata.exif or len(metadata.exif) <= room:
        return metadata, []
    shorter = ifd.put_together(ifd.drop_note(ifd.take_apart(exif.make_reader(metadata.exif))))
    what = "the maker's note was" if len(shorter) <= room else "it was"
    note = note_left_out("exif", f"EXIF of {len(metadata.exif)} bytes is more than JPEG holds; {what} left out")
    return replace(metadata, exif=shorter if len(shorter) <= room else None), [note]


def note_left_out(what: str, message: str) -> Note:
    """A note on metadata that the file does not hold."""
    return Note(code=f"{what}-left-out", message=message)
