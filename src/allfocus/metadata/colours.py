"""Colours of frames: ICC profiles read as primaries and curves, compared, and converted into each other."""

import struct
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from allfocus.core.color import Array, FloatArray, from_unit, to_unit
from allfocus.metadata.icc import (
    SRGB_CURVE,
    build_profile,
    make_curve,
    make_gray_profile,
    read_colour_space,
    srgb_profile,
)

Matrix = NDArray[np.float64]

#: Transfers of H.273 whose light exceeds white: no conversion is right.
PQ, HLG = 16, 18
BRIGHTER_THAN_WHITE = "high dynamic range"

#: Values of a curve that is kept as a table, and how far colours may differ, white is 1, and count as the same.
ENTRIES, SAME = 65536, 0.002

#: Bytes of a profile's header that say nothing about colours: size, makers, date, flags, identity (ICC.1, section 7.2).
INDIFFERENT = (slice(0, 8), slice(24, 36), slice(40, 100))

#: Rows that are converted at a time.
STRIP = 256


@dataclass(frozen=True, kw_only=True, eq=False)
class Colours:
    """What samples mean.

    Attributes:
        curves: (1, n) or (3, n) linear light at evenly spaced values from 0 to 1, rising.
        matrix: (3, 3) from linear red, green and blue to XYZ of the profile connection space; None for gray.
    """

    curves: NDArray[np.float64]
    matrix: Matrix | None


# --- profiles as colours -------------------------------------------------------------------------


@lru_cache(16)
def read_colours(profile: bytes) -> Colours:
    """Primaries and curves of a profile.

    Raises:
        ValueError: it is damaged, or holds neither; of light beyond white, no conversion is right.
    """
    space, tags = read_colour_space(profile), read_tags(profile)
    if b"cicp" in tags and tags[b"cicp"][9] in (PQ, HLG):
        raise ValueError(BRIGHTER_THAN_WHITE)
    if space == "gray" and b"kTRC" in tags:
        return Colours(curves=read_curve(tags[b"kTRC"])[None], matrix=None)
    if space != "RGB" or not {b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC"} <= set(tags):
        raise ValueError("neither primaries nor curves")
    columns = [struct.unpack(">3i", tags[name][8:20]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
    matrix = np.array(columns).T / 65536
    if abs(np.linalg.det(matrix)) < 1e-6:
        raise ValueError("primaries of one colour")
    return Colours(curves=np.stack([read_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC")]), matrix=matrix)


def read_tags(profile: bytes) -> dict[bytes, bytes]:
    """The tags of a profile; raises `ValueError` where it is damaged."""
    count = int.from_bytes(profile[128:132], "big")
    if count > 200 or 132 + 12 * count > len(profile):
        raise ValueError("a damaged table of tags")
    entries = (struct.unpack_from(">4sII", profile, 132 + 12 * k) for k in range(count))
    tags = {name: profile[place : place + size] for name, place, size in entries}
    if any(len(tag) < 12 for tag in tags.values()):
        raise ValueError("a tag that is cut short")
    return tags


def make_rgb_profile(gray: bytes) -> bytes:
    """The profile for gray that is stored as red, green and blue; raises `ValueError` or `KeyError` without a curve."""
    return build_profile("gray as RGB", read_tags(gray)[b"kTRC"])


def read_codes(profile: bytes) -> bytes:
    """Code points of ITU-T H.273 in a profile: primaries, transfer, matrix and range; none where it has none."""
    try:
        return read_tags(profile).get(b"cicp", b"")[8:12]
    except (ValueError, struct.error):
        return b""


def read_curve(tag: bytes) -> NDArray[np.float64]:
    """A curve as `ENTRIES` values, from 0 to 1; raises `ValueError` where it is none (ICC.1, 10.6 and 10.18)."""
    values = np.linspace(0, 1, ENTRIES)
    if tag[:4] == b"curv":
        (count,) = struct.unpack(">I", tag[8:12])
        stored = np.frombuffer(tag[12 : 12 + 2 * count], ">u2")
        if len(stored) < count:
            raise ValueError("a curve that is cut short")
        if count < 2:
            return values ** (float(stored[0]) / 256 if count else 1.0)
        return np.maximum.accumulate(np.interp(values, np.linspace(0, 1, count), stored / 65535))
    if tag[:4] != b"para" or tag[9] > 4 or len(tag) < 12 + 4 * (1, 3, 4, 5, 7)[tag[9]]:
        raise ValueError("a curve of an unknown kind")
    kind = tag[9]
    numbers = [
        number / 65536
        for number in struct.unpack(f">{(1, 3, 4, 5, 7)[kind]}i", tag[12 : 12 + 4 * (1, 3, 4, 5, 7)[kind]])
    ]
    g, a, b, c, d, e, f = [*numbers, *[0.0] * 7][:7]
    if kind == 0:
        a = 1.0
    if kind in (1, 2):  # below the place where the power begins they are flat
        c, d, e, f = 0.0, -b / (a or 1.0), c, c
    elif kind == 3:
        e, f = 0.0, 0.0
    light = np.where(values >= d, np.maximum(a * values + b, 0) ** g + e, c * values + f)
    return np.maximum.accumulate(np.clip(light, 0, 1))


def are_same(one: bytes | None, other: bytes | None, *, is_gray: bool) -> bool:
    """Whether two profiles mean the same colours: equal but for date and maker, or hardly different; None is sRGB."""
    one, other = (profile or default_profile(is_gray) for profile in (one, other))
    if strip_header(one) == strip_header(other):
        return True
    try:
        steps = np.linspace(0, 1, 7, dtype=np.float32)
        colours = steps[:, None] if is_gray else np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 1, 3)
        there = convert_unit(colours, read_colours(one), read_colours(other))
        return bool(np.abs(there - colours).max() < SAME)
    except ValueError:
        return False


def default_profile(is_gray: bool) -> bytes:
    """What pictures without a profile are taken for."""
    return make_gray_profile("sRGB gray", make_curve(3, SRGB_CURVE)) if is_gray else srgb_profile()


def strip_header(profile: bytes) -> bytes:
    """A profile without what its header says about others than colours."""
    bare = bytearray(profile)
    for part in INDIFFERENT:
        bare[part] = bytes(len(bare[part]))
    return bytes(bare)


# --- conversion ----------------------------------------------------------------------------------


def explain_obstacle(source: bytes, target: bytes, depth: np.dtype[Any], *, is_gray: bool) -> str:
    """Why samples of this depth can't be converted from one profile to another; empty where they can."""
    try:
        convert_colours(np.zeros((1, 1) if is_gray else (1, 1, 3), depth), source, target)
    except ValueError as error:
        return str(error)
    return ""


def convert_colours(picture: Array, source: bytes, target: bytes) -> Array:
    """Samples (H, W) or (H, W, 3) by one profile as samples by another, in their depth, relative colorimetric.

    Profiles of primaries and curves are computed in float; those of tables by Little CMS, at 8 bit.

    Raises:
        ValueError: `explain_obstacle` says why.
    """
    try:
        one, other = read_colours(source), read_colours(target)
    except ValueError as error:
        if picture.dtype != np.uint8 or str(error) == BRIGHTER_THAN_WHITE:
            raise
        return convert_by_lcms(picture, source, target)
    made = np.empty_like(picture)
    for top in range(0, len(picture), STRIP):
        rows = slice(top, top + STRIP)
        made[rows] = from_unit(convert_unit(to_unit(picture[rows]), one, other), picture.dtype)
    return made


def convert_unit(values: FloatArray, source: Colours, target: Colours) -> FloatArray:
    """Values (h, w) or (h, w, 3), 1 is white, from one meaning to another."""
    planes = [values] if values.ndim == 2 else list(np.moveaxis(values, -1, 0))
    grid = np.linspace(0, 1, ENTRIES)
    light = [np.interp(plane, grid, curve) for plane, curve in zip(planes, source.curves, strict=True)]
    if source.matrix is not None and target.matrix is not None:
        mixing = np.linalg.solve(target.matrix, source.matrix)
        light = [sum(share * plane for share, plane in zip(row, light, strict=True)) for row in mixing]
    encoded = [np.interp(plane, curve, grid) for plane, curve in zip(light, target.curves, strict=True)]
    return np.stack(encoded, axis=-1).astype(np.float32).reshape(values.shape)


def convert_by_lcms(picture: Array, source: bytes, target: bytes) -> Array:
    """`convert_colours` by Little CMS, 8 bit; raises `ValueError` where it can't."""
    try:
        profiles = [ImageCms.ImageCmsProfile(BytesIO(profile)) for profile in (source, target)]
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        made = ImageCms.profileToProfile(Image.fromarray(picture), profiles[0], profiles[1], renderingIntent=intent)
    except (ImageCms.PyCMSError, OSError) as error:
        raise ValueError("a profile that Little CMS can't use") from error
    return np.asarray(made)
