"""ICC profiles: what they are for, and how they are made."""

import struct
from collections.abc import Iterable, Mapping, Sequence

#: Primaries of sRGB in the profile connection space (D50), rows X, Y, Z, columns red, green, blue, as published by
#: Bruce Lindbloom, "RGB/XYZ Matrices": IEC 61966-2-1 primaries, Bradford adaptation. The rows add up to D50.
COLORANTS = ((0.4360747, 0.3850649, 0.1430804), (0.2225045, 0.7168786, 0.0606169), (0.0139322, 0.0971045, 0.7141733))

#: Bradford adaptation from D65, the white of sRGB, to D50; same source.
ADAPTATION = (1.0478112, 0.0228866, -0.0501270, 0.0295424, 0.9904844, -0.0170491, -0.0092345, 0.0150436, 0.7521316)

D50 = (0.9642, 1.0, 0.8249)

#: The sRGB curve of IEC 61966-2-1 as an ICC parametric curve of type 3: exponent, a, b, c, d.
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)

SPACES = {b"RGB ": "RGB", b"GRAY": "gray", b"CMYK": "CMYK", b"Lab ": "Lab"}


def srgb_profile() -> bytes:
    """sRGB, 0.6 KB, ICC version 4.3."""
    return build_profile("sRGB", make_curve(3, SRGB_CURVE))


def linear_srgb_profile() -> bytes:
    """The primaries of sRGB with values that are proportional to light, 0.6 KB, ICC version 4.3."""
    return build_profile("Linear sRGB", make_curve(0, (1.0,)))


def read_colour_space(profile: bytes) -> str:
    """`RGB`, `gray` or what else a profile is for.

    Raises:
        ValueError: it is no whole ICC profile.
    """
    if len(profile) < 132 or profile[36:40] != b"acsp":
        raise ValueError("no ICC header")
    if int.from_bytes(profile[:4], "big") > len(profile):
        raise ValueError("cut short")
    return SPACES.get(profile[16:20], profile[16:20].decode("ascii", "replace").strip())


def build_profile(
    name: str, curve: bytes, colorants: Sequence[Sequence[float]] = COLORANTS, codes: bytes = b""
) -> bytes:
    """A display profile with one curve for all three primaries (ICC.1:2010, sections 7.2 and 8.3).

    Args:
        name: what it calls itself.
        curve: see `make_curve`.
        colorants: rows X, Y, Z, columns red, green, blue, relative to D50; sRGB's by default.
        codes: primaries, transfer, matrix and range by ITU-T H.273 (the tag `cicp` of ICC.1:2022); none: not stored.
    """
    red, green, blue = zip(*colorants, strict=True)
    tags = {
        **make_texts(name),
        b"chad": b"sf32" + bytes(4) + pack_fixed(ADAPTATION),
        b"rXYZ": make_xyz(red),
        b"gXYZ": make_xyz(green),
        b"bXYZ": make_xyz(blue),
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
        **({b"cicp": b"cicp" + bytes(4) + codes} if codes else {}),
    }
    return put_together(tags, b"RGB ")


def make_gray_profile(name: str, curve: bytes) -> bytes:
    """A profile for gray (ICC.1:2010, section 8.3.4)."""
    return put_together({**make_texts(name), b"kTRC": curve}, b"GRAY")


def make_texts(name: str) -> dict[bytes, bytes]:
    """The tags that every profile has."""
    return {
        b"desc": make_text(f"{name} (allfocus)"),
        b"cprt": make_text("No copyright, use freely"),
        b"wtpt": make_xyz(D50),
    }


def put_together(tags: Mapping[bytes, bytes], space: bytes) -> bytes:
    """A profile of these tags; equal ones are stored once."""
    places: dict[bytes, int] = {}
    end = 128 + 4 + 12 * len(tags)
    for data in tags.values():
        if data not in places:
            places[data] = end
            end += len(data) + -len(data) % 4
    table = b"".join(kind + struct.pack(">II", places[data], len(data)) for kind, data in tags.items())
    rest = struct.pack(">I", len(tags)) + table + b"".join(data + bytes(-len(data) % 4) for data in places)
    return make_header(128 + len(rest), space) + rest


def make_header(size: int, space: bytes) -> bytes:
    """The first 128 bytes; the date is that of the standard, so that one profile is always the same bytes."""
    start = struct.pack(
        ">I4sI4s4s4s6H4s", size, b"", 0x04300000, b"mntr", space, b"XYZ ", 2010, 12, 1, 0, 0, 0, b"acsp"
    )
    return start.ljust(68, b"\0") + pack_fixed(D50) + bytes(48)


def pack_fixed(values: Sequence[float]) -> bytes:
    """Numbers as s15Fixed16."""
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def make_xyz(values: Sequence[float]) -> bytes:
    """A colour in XYZ."""
    return b"XYZ " + bytes(4) + pack_fixed(values)


def make_curve(kind: int, parameters: Sequence[float]) -> bytes:
    """A curve given by a formula."""
    return b"para" + struct.pack(">IHH", 0, kind, 0) + pack_fixed(parameters)


def make_table(light: Iterable[float]) -> bytes:
    """A curve given by linear light, 0 to 1, at evenly spaced values."""
    entries = [round(value * 65535) for value in light]
    return b"curv" + struct.pack(f">II{len(entries)}H", 0, len(entries), *entries)


def make_text(text: str) -> bytes:
    """A text in one language."""
    letters = text.encode("utf-16-be")
    return b"mluc" + struct.pack(">III2s2sII", 0, 1, 12, b"en", b"US", len(letters), 28) + letters
