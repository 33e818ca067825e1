"""Metadata as a file stores it: found and taken out, neither judged nor decoded."""

from dataclasses import dataclass, field

from allfocus.metadata.exif import Block

#: Letters that JPEG puts before an EXIF block.
EXIF_START = b"Exif\0\0"
#: Letters that stand before an XMP packet.
XMP_START = b"http://ns.adobe.com/xap/1.0/\0"
#: An inch.
CENTIMETRES, METRES, MICROMETRES = 2.54, 0.0254, 25400.0


@dataclass(kw_only=True)
class Blocks:
    """Metadata as a file stores it.

    Attributes:
        exif: with or without the letters before it.
        tags: taken apart already, where a file has tags of its own rather than an EXIF block.
        icc: the profile.
        xmp: the packet.
        rest: of a packet too long for one JPEG segment.
        iptc: IPTC-IIM records.
        dpi: pixels for an inch across and down, where the container itself holds that.
        pixel_size, z_step: width and height of a pixel, and from plane to plane, in µm, as microscopy programs note it.
        text: keys and values.
    """

    exif: bytes | None = None
    tags: Block | None = None
    icc: bytes | None = None
    xmp: bytes | None = None
    rest: bytes | None = None
    iptc: bytes | None = None
    dpi: tuple[float, float] | None = None
    pixel_size: tuple[float, float] | None = None
    z_step: float | None = None
    text: list[tuple[str, str]] = field(default_factory=list)
