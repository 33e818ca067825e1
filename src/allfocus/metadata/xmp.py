"""XMP packets (ISO 16684-1): what has to change is replaced in place, all else stays byte for byte."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

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

ATTRIBUTE = re.compile(rb"\s+([^\s=]+)\s*=\s*(\"[^\"]*\"|'[^']*')")
START_TAG = re.compile(rb"<[^\s/>]+(?:\s+[^\s=]+\s*=\s*(?:\"[^\"]*\"|'[^']*'))*\s*(/?)>")
PADDING = re.compile(rb"\s{64,}(?=<\?xpacket end)")

#: What one JPEG segment holds of a packet, and of the rest of a longer one.
PACKET, CHUNK = 65502, 65400


class Property(NamedTuple):
    """A property of the picture as a whole: its name, the bytes it takes, and those of its value."""

    name: str
    start: int
    end: int
    inner: tuple[int, int]


class Packet(NamedTuple):
    """What a packet holds: its properties, the place behind the last, and all namespaces."""

    properties: Sequence[Property]
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
    return Packet(walk.found, walk.end, walk.namespaces)


class Scan:
    """Walks through a packet and notes where its properties are."""

    def __init__(self, packet: bytes) -> None:
        if b"<!" in packet.replace(b"<!--", b"").replace(b"<![CDATA[", b""):
            raise ValueError("it declares a document type")
        self.packet = packet
        self.found: list[Property] = []
        self.end = 0
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
        if [name for name, _ in self.open[-2:]] == [RDF + "RDF", RDF + "Description"]:
            tag = self.start_tag(self.parser.CurrentByteIndex)
            for match in ATTRIBUTE.finditer(self.packet, tag.start(), tag.end()):
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
        tag = self.start_tag(start)
        if tag[1]:
            self.found.append(Property(name, start, tag.end(), (tag.end(), tag.end())))
        else:
            self.found.append(Property(name, start, self.packet.index(b">", at) + 1, (tag.end(), at)))

    def start_tag(self, place: int) -> re.Match[bytes]:
        """The start tag at a place."""
        match = START_TAG.match(self.packet, place)
        if match is None:
            raise ValueError("a tag is not well-formed")
        return match


def finish(packet: bytes, size: tuple[int, int], software: str) -> bytes:
    """Make a frame's packet that of the fused picture, of `size` (height, width).

    Orientation is set to 1, sizes and software to the new ones, where they are named; what describes things that
    were in the old file beside the picture is removed.
    """
    height, width = (str(side).encode() for side in size)
    new = {TIFF + "Orientation": b"1", TIFF + "ImageWidth": width, TIFF + "ImageLength": height}
    new |= {EXIF + "PixelXDimension": width, EXIF + "PixelYDimension": height}
    new |= dict.fromkeys((TIFF + "Software", BASIC + "CreatorTool"), escape(software).encode())
    for found in sorted(scan(packet).properties, key=lambda each: each.start, reverse=True):
        if found.name in new and found.inner[1] > found.inner[0]:
            packet = packet[: found.inner[0]] + new[found.name] + packet[found.inner[1] :]
        elif found.name.startswith(ATTACHED):
            packet = packet[: found.start] + packet[found.end :]
    return packet


def split(packet: bytes) -> tuple[bytes, bytes]:
    """A packet that fits into one JPEG segment, and the rest of it, as XMP part 3 (section 1.1.3.1) asks.

    The longest properties go into the rest, which is empty where all fits.

    Raises:
        ValueError: it can't be made to fit.
    """
    packet = PADDING.sub(b"\n", packet)
    if len(packet) <= PACKET:
        return packet, b""
    seen = scan(packet)
    room = PACKET - 256  # for the reference to the rest
    out: list[Property] = []
    elements = [found for found in seen.properties if packet[found.start : found.start + 1] == b"<"]
    for found in sorted(elements, key=lambda each: each.start - each.end):
        if len(packet) - sum(each.end - each.start for each in out) <= room:
            break
        out.append(found)
    rest = b"".join(packet[each.start : each.end] for each in out)
    for each in sorted(out, key=lambda each: each.start, reverse=True):
        packet = packet[: each.start] + packet[each.end :]
    rest = wrap(rest, seen.namespaces)
    packet = insert(packet, make_reference(rest))
    if len(packet) > PACKET:
        raise ValueError("no part of it can be split off")
    return packet, rest


def wrap(elements: bytes, namespaces: Mapping[str, str]) -> bytes:
    """A packet of its own of some properties."""
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
    for found in reversed(scan(packet).properties):
        if found.name == NOTE + "HasExtendedXMP":
            packet = packet[: found.start] + packet[found.end :]
    start = re.search(rb"<[\w-]+:RDF\b[^>]*>", rest)
    if start is None:
        raise ValueError("no RDF in it")
    joined = insert(packet, rest[start.end() : scan(rest).end])
    check(joined)
    return joined
