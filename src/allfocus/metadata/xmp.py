"""XMP packets (ISO 16684-1): what has to change is replaced in place, all else stays byte for byte."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import NamedTuple
from xml.parsers import expat

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
TIFF, EXIF = "http://ns.adobe.com/tiff/1.0/", "http://ns.adobe.com/exif/1.0/"
BASIC, NOTE = "http://ns.adobe.com/xap/1.0/", "http://ns.adobe.com/xmp/note/"

#: Properties of these describe what else is in the old file: a video or depth behind a phone's photo, a gain map.
ATTACHED = (
    "http://ns.google.com/photos/1.0/",
    "http://ns.adobe.com/hdr-gain-map/",
    NOTE,
    BASIC + "Thumbnails",
    "http://ns.adobe.com/xap/1.0/g/img/",
)

#: Parts of a start tag, each of which is looked for at one place only and gives nothing back: the time that a walk
#: takes grows as the tag does.
NAME = re.compile(rb"<[^\s/>]++")
ATTRIBUTE = re.compile(rb"\s++([^\s=/>]++)\s*+=\s*+(\"[^\"]*+\"|'[^']*+')")
CLOSE = re.compile(rb"\s*+(/?+)>")

#: White space longer than this before the end of a packet is padding.
PADDING, PACKET_END = 64, b"<?xpacket end"

#: What one JPEG segment holds of a packet, and of the rest of a longer one.
PACKET, CHUNK = 65502, 65400


class Property(NamedTuple):
    """A property of the picture as a whole: its name, the bytes it takes, and those of its value."""

    name: str
    start: int
    end: int
    inner: tuple[int, int]


class StartTag(NamedTuple):
    """A start tag: its attributes, the place behind it, and whether it ends its element too."""

    attributes: Sequence[re.Match[bytes]]
    end: int
    is_empty: bool


class Packet(NamedTuple):
    """What a packet holds: its properties, the places before the first and behind the last, and all namespaces."""

    properties: Sequence[Property]
    start: int
    end: int
    namespaces: Mapping[str, str]


def clean(packet: bytes) -> bytes:
    """The packet in UTF-8, without what some programs put behind it.

    Raises:
        ValueError: it is no whole XMP packet.
    """
    if packet[:2] in (b"\xff\xfe", b"\xfe\xff"):
        packet = packet.decode("utf-16").encode()
    packet = packet.strip(b"\0").removeprefix(b"\xef\xbb\xbf")
    check(packet)
    return packet


def check(packet: bytes) -> None:
    """Raise `ValueError` unless a packet is well-formed, all its prefixes are declared, and there is RDF in it."""
    if not scan(packet).end:
        raise ValueError("no RDF in it")
    try:
        expat.ParserCreate("utf-8", " ").Parse(packet, True)
    except expat.ExpatError as error:
        raise ValueError(str(error)) from error


def scan(packet: bytes) -> Packet:
    """Find the properties of a packet.

    Raises:
        ValueError: it is not well-formed, or declares entities, which no honest packet does.
    """
    walk = Scan(packet)
    try:
        walk.parser.Parse(packet, True)
    except expat.ExpatError as error:
        raise ValueError(str(error)) from error
    return Packet(walk.found, walk.start, walk.end, walk.namespaces)


class Scan:
    """Walks through a packet and notes where its properties are."""

    def __init__(self, packet: bytes) -> None:
        if b"<!" in packet.replace(b"<!--", b"").replace(b"<![CDATA[", b""):
            raise ValueError("it declares a document type")
        self.packet = packet
        self.found: list[Property] = []
        self.start = self.end = 0
        self.namespaces: dict[str, str] = {}
        self.open: list[tuple[str, int]] = []
        self.parser = expat.ParserCreate("utf-8")
        self.parser.StartElementHandler = self.enter
        self.parser.EndElementHandler = self.leave

    def full(self, name: str) -> str:
        """A name with its namespace in place of the prefix."""
        prefix, colon, local = name.partition(":")
        return self.namespaces.get(prefix, "?") + local if colon else name

    def enter(self, name: str, attributes: Mapping[str, str]) -> None:
        """Take note of an element, and of the properties that it holds as attributes."""
        self.namespaces |= {key[6:]: value for key, value in attributes.items() if key.startswith("xmlns:")}
        self.open.append((self.full(name), self.parser.CurrentByteIndex))
        if self.open[-1][0] == RDF + "RDF" and not self.start:
            self.start = read_start_tag(self.packet, self.parser.CurrentByteIndex).end
        if [name for name, _ in self.open[-2:]] == [RDF + "RDF", RDF + "Description"]:
            for match in read_start_tag(self.packet, self.parser.CurrentByteIndex).attributes:
                key = match[1].decode()
                if not key.startswith(("xmlns", "xml:")) and self.full(key) != RDF + "about":
                    inner = (match.start(2) + 1, match.end(2) - 1)
                    self.found.append(Property(self.full(key), match.start(), match.end(), inner))

    def leave(self, _: str) -> None:
        """Take note of a property that is an element."""
        name, start = self.open.pop()
        at = self.parser.CurrentByteIndex
        if name == RDF + "RDF":
            self.end = at
        if [name for name, _ in self.open[-2:]] != [RDF + "RDF", RDF + "Description"]:
            return
        tag = read_start_tag(self.packet, start)
        if tag.is_empty:
            self.found.append(Property(name, start, tag.end, (tag.end, tag.end)))
        else:
            self.found.append(Property(name, start, self.packet.index(b">", at) + 1, (tag.end, at)))


def read_start_tag(packet: bytes, place: int) -> StartTag:
    """The start tag at a place."""
    attributes: list[re.Match[bytes]] = []
    part = NAME.match(packet, place)
    while part is not None:
        place = part.end()
        part = ATTRIBUTE.match(packet, place)
        attributes += [part] if part is not None else []
    close = CLOSE.match(packet, place)
    if close is None:
        raise ValueError("a tag is not well-formed")
    return StartTag(attributes, close.end(), bool(close[1]))


def replace_parts(packet: bytes, changes: Iterable[tuple[int, int, bytes]]) -> bytes:
    """The packet with other bytes in some places, each given by its start and end."""
    pieces, place = [], 0
    for start, end, new in sorted(changes):
        if start < place:  # within one that is replaced already
            continue
        pieces += [packet[place:start], new]
        place = end
    return b"".join((*pieces, packet[place:]))


def finish(packet: bytes, size: tuple[int, int], software: str) -> bytes:
    """Make a frame's packet that of the fused picture, of `size` (height, width).

    Orientation is set to 1, sizes and software to the new ones, where they are named; what describes things that
    were in the old file beside the picture is removed.
    """
    height, width = (str(side).encode() for side in size)
    new = {TIFF + "Orientation": b"1", TIFF + "ImageWidth": width, TIFF + "ImageLength": height}
    new |= {EXIF + "PixelXDimension": width, EXIF + "PixelYDimension": height}
    new |= dict.fromkeys((TIFF + "Software", BASIC + "CreatorTool"), escape(software, quote=False).encode())
    changes = []
    for found in scan(packet).properties:
        if found.name in new and found.inner[1] > found.inner[0]:
            changes.append((*found.inner, new[found.name]))
        elif found.name.startswith(ATTACHED):
            changes.append((found.start, found.end, b""))
    return replace_parts(packet, changes)


def drop_padding(packet: bytes) -> bytes:
    """The packet without the white space that some programs leave before its end, for changes in place."""
    end = packet.rfind(PACKET_END)
    kept = packet[: max(end, 0)].rstrip()
    return packet if end - len(kept) < PADDING else kept + b"\n" + packet[end:]


def split(packet: bytes) -> tuple[bytes, bytes]:
    """A packet that fits into one JPEG segment, and the rest of it, as XMP part 3 (section 1.1.3.1) asks.

    The longest properties go into the rest, which is empty where all fits.

    Raises:
        ValueError: it can't be made to fit.
    """
    packet = drop_padding(packet)
    if len(packet) <= PACKET:
        return packet, b""
    seen = scan(packet)
    length, room = len(packet), PACKET - 256  # for the reference to the rest
    out: list[Property] = []
    elements = [found for found in seen.properties if packet[found.start : found.start + 1] == b"<"]
    for found in sorted(elements, key=lambda each: each.start - each.end):
        if length <= room:
            break
        out.append(found)
        length -= found.end - found.start
    rest = b"".join(packet[each.start : each.end] for each in out)
    packet = replace_parts(packet, ((each.start, each.end, b"") for each in out))
    rest = wrap(rest, seen.namespaces)
    packet = insert(packet, make_reference(rest))
    if len(packet) > PACKET:
        raise ValueError("no part of it can be split off")
    return packet, rest


def wrap(elements: bytes, namespaces: Mapping[str, str]) -> bytes:
    """A packet of its own of some properties."""
    from xml.sax.saxutils import quoteattr  # which loads all of urllib and ssl

    others = {prefix: uri for prefix, uri in namespaces.items() if prefix not in ("rdf", "x")}
    declared = "".join(f" xmlns:{prefix}={quoteattr(uri)}" for prefix, uri in others.items())
    start = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}"><rdf:Description rdf:about=""{declared}>'
    return start.encode() + elements + b"</rdf:Description></rdf:RDF></x:xmpmeta>"


def digest(rest: bytes) -> bytes:
    """What the rest of a packet is known by."""
    return hashlib.md5(rest, usedforsecurity=False).hexdigest().upper().encode()


def make_reference(rest: bytes) -> bytes:
    """The property that leads from the packet to the rest of it."""
    about = f'<rdf:Description rdf:about="" xmlns:rdf="{RDF}" xmlns:xmpNote="{NOTE}"'
    return f'{about} xmpNote:HasExtendedXMP="{digest(rest).decode()}"/>'.encode()


def insert(packet: bytes, descriptions: bytes) -> bytes:
    """Add descriptions behind those that a packet has."""
    end = scan(packet).end
    return packet[:end] + descriptions + packet[end:]


def join(packet: bytes, rest: bytes) -> bytes:
    """Put a packet and the rest of it together again.

    Raises:
        ValueError: they don't fit.
    """
    note = NOTE + "HasExtendedXMP"
    seen, more = scan(packet), scan(rest)
    packet = replace_parts(packet, ((each.start, each.end, b"") for each in seen.properties if each.name == note))
    if not more.start:
        raise ValueError("no RDF in it")
    joined = insert(packet, rest[more.start : more.end])
    check(joined)
    return joined
