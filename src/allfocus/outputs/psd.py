"""Layers with masks in Photoshop files, by Adobe's specification of the format (November 2019).

Pixels are packed channel by channel, some rows at a time; lengths are put in once they are known.
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from allfocus.core.color import Array
from allfocus.errors import WriteError
from allfocus.outputs.layered import Layer, LayeredPicture

#: Pixels a side, and bytes of a file, that PSD holds; PSB, the same with longer lengths, holds so many pixels a side.
LONGEST, LARGEST = 30_000, 2**31 - 1
LONGEST_BIG = 300_000
#: Modes: gray, and red, green and blue.
GRAY, RGB = 1, 3
#: Numbers of the colour profile among resources, of a mask among channels, and of ZIP among ways to pack.
PROFILE, MASK, ZIP = 1039, -2, 2


def fill_psd(file: BinaryIO, layered: LayeredPicture, path: Path) -> None:
    """Write a Photoshop file, by the ending of its name PSD or PSB."""
    is_big = path.suffix.lower() == ".psb"
    image = layered.image
    height, width = image.shape[:2]
    channels, bits = (1 if image.ndim == 2 else 3), 8 * image.dtype.itemsize
    mode = GRAY if channels == 1 else RGB
    file.write(struct.pack(">4sH6xHIIHH", b"8BPS", 2 if is_big else 1, channels, height, width, bits, mode))
    file.write(struct.pack(">I", 0))
    file.write(with_length(make_profile(layered.icc)))
    end_section = begin_length(file, is_big)
    if bits == 16:  # 16-bit layers stand behind two empty parts, in a block of their own
        file.write(pack_length(0, is_big) + struct.pack(">I4s4s", 0, b"8BIM", b"Lr16"))
    end_layers = begin_length(file, is_big)
    write_layers(file, layered, channels, is_big)
    end_layers()
    if bits == 8:
        file.write(struct.pack(">I", 0))
    end_section()
    file.write(struct.pack(">H", 0))
    for channel in range(channels):
        for rows in layered.windows():
            file.write(store(image[rows], channel))


def check_psd(path: Path, size: tuple[int, int], nbytes: int) -> None:
    """Raise `WriteError` where a picture of this height and width, and layers of so many bytes, may not fit."""
    if path.suffix.lower() not in (".psd", ".psb"):
        return
    is_big = path.suffix.lower() == ".psb"
    most = LONGEST_BIG if is_big else LONGEST
    if max(size) > most:
        raise WriteError(f"{path}: {path.suffix.lower()} holds at most {most} pixels a side; write .tif or .ora")
    if nbytes > LARGEST and not is_big:
        needed = f"layers may take {nbytes / 2**30:.1f} GiB, .psd holds less than 2"
        raise WriteError(f"{path}: {needed}; name it .psb, .tif or .ora")


def store(pixels: Array, channel: int | None) -> bytes:
    """A channel of some pixels, or a mask, as the format stores it."""
    plane = pixels if channel is None or pixels.ndim == 2 else pixels[..., channel]
    return np.ascontiguousarray(plane, plane.dtype.newbyteorder(">")).tobytes()


def with_length(data: bytes) -> bytes:
    """Bytes behind their number."""
    return struct.pack(">I", len(data)) + data


def begin_length(file: BinaryIO, is_big: bool) -> Callable[[], None]:
    """Leave room for a length; what is returned puts it in, once all that it counts is written, in fours."""
    place = file.tell()
    file.write(pack_length(0, is_big))
    start = file.tell()

    def end() -> None:
        file.write(bytes(-(file.tell() - start) % 4))
        put(file, place, pack_length(file.tell() - start, is_big))

    return end


def pack_length(number: int, is_big: bool) -> bytes:
    """A length as the format stores it."""
    return struct.pack(">Q" if is_big else ">I", number)


def put(file: BinaryIO, place: int, data: bytes) -> None:
    """Write at an earlier place."""
    here = file.tell()
    file.seek(place)
    file.write(data)
    file.seek(here)


def make_profile(icc: bytes | None) -> bytes:
    """The resource that holds a colour profile; nothing where there is none."""
    if not icc:
        return b""
    return struct.pack(">4sHH", b"8BIM", PROFILE, 0) + with_length(icc) + bytes(len(icc) % 2)


def write_layers(file: BinaryIO, layered: LayeredPicture, channels: int, is_big: bool) -> None:
    """Write the records of all layers, and then their channels."""
    numbers = [*range(channels), MASK]
    file.write(struct.pack(">h", len(layered.layers)))
    places: list[list[int]] = []
    for layer in layered.layers:
        record, at = make_record(layer.name, layered.image.shape[:2], numbers, is_big)
        places.append([file.tell() + offset for offset in at])
        file.write(record)
    for layer, own in zip(layered.layers, places, strict=True):
        for number, place in zip(numbers, own, strict=True):
            start = file.tell()
            file.write(struct.pack(">H", ZIP))
            for packed in pack_channel(layer, number, layered):
                file.write(packed)
            put(file, place, pack_length(file.tell() - start, is_big))


def make_record(name: str, size: tuple[int, int], numbers: list[int], is_big: bool) -> tuple[bytes, list[int]]:
    """The record of a layer, and where in it the length of each channel has to be put."""
    place = struct.pack(">iiii", 0, 0, *size)
    start = place + struct.pack(">H", len(numbers))
    entries = [struct.pack(">h", number) + pack_length(0, is_big) for number in numbers]
    short = name.encode("mac_roman", "replace")[:255]
    pascal = bytes([len(short)]) + short
    letters = name.encode("utf-16-be")
    full = struct.pack(">I", len(letters) // 2) + letters
    more = [
        with_length(place + struct.pack(">BBH", 0, 0, 0)),  # the mask: closed outside, and on
        with_length(b""),  # no ranges for blending
        pascal + bytes(-len(pascal) % 4),
        b"8BIMluni" + with_length(full + bytes(-len(full) % 4)),
    ]
    record = (
        start
        + b"".join(entries)
        + struct.pack(">4s4sBBBB", b"8BIM", b"norm", 255, 0, 0, 0)
        + with_length(b"".join(more))
    )
    return record, [len(start) + len(entries[0]) * k + 2 for k in range(len(numbers))]


def pack_channel(layer: Layer, number: int, layered: LayeredPicture) -> Iterator[bytes]:
    """A channel of a layer, or its mask, packed."""
    pack, white = zlib.compressobj(6), np.iinfo(layered.image.dtype).max
    for rows in layered.windows():
        if number == MASK:
            yield pack.compress(store(np.where(layer.mask(rows), white, 0).astype(layered.image.dtype), None))
        else:
            yield pack.compress(store(layer.pixels(rows), number))
    yield pack.flush()
