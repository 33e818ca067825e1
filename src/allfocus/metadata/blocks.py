"""What a file holds beside its pixels, as it is stored: neither judged nor decoded."""

from dataclasses import dataclass, field

#: Letters that JPEG puts before an EXIF block.
EXIF_START = b"Exif\0\0"
#: An inch.
CENTIMETRES, METRES = 2.54, 0.0254


@dataclass(kw_only=True)
class Blocks:
    """What a file holds beside its pixels, as it is stored.

    Attributes:
        exif: with or without the letters before it.
        icc: the profile.
        xmp: the packet.
        rest: of a packet too long for one JPEG segment.
        iptc: IPTC-IIM records.
        dpi: pixels for an inch across and down, where the container itself says so.
        text: keys and values.
    """

    exif: bytes | None = None
    icc: bytes | None = None
    xmp: bytes | None = None
    rest: bytes | None = None
    iptc: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: list[tuple[str, str]] = field(default_factory=list)
