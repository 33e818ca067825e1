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
from allfocus.outputs.layered import Layer, LayeredPicture, windows

#: Pixels a side, and bytes of a file, that the format holds.
LONGEST, LARGEST = 30_000, 2**31 - 1
#: Modes: gray, and red, green and blue.
GRAY, RGB = 1, 3
#: Numbers of the colour profile among resources, of a mask among channels, and of ZIP among ways to pack.
PROFILE, MASK, ZIP = 1039, -2, 2


def fill_psd(file: BinaryIO, layered: LayeredPicture, path: Path) -> None:
    """Write a Photoshop file; raises `WriteError` where it gets larger than the format allows."""
    image = layered.image
    height, width = image.shape[:2]
    channels, bits = (1 if image.ndim == 2 else 3), 8 * image.dtype.itemsize
    mode = GRAY if channels == 1 else RGB
    file.write(struct.pack(">4sH6xHIIHH", b"8BPS", 1, channels, height, width, bits, mode))
    file.write(struct.pack(">I", 0))
    file.write(with_length(make_profile(layered.icc)))
    end_section = begin_length(file, path)
    if bits == 16:  # 16-bit layers stand behind two empty parts, in a block of their own
        file.write(struct.pack(">II4s4s", 0, 0, b"8BIM", b"Lr16"))
    end_layers = begin_length(file, path)
    write_layers(file, layered, channels, path)
    end_layers()
    if bits == 8:
        file.write(struct.pack(">I", 0))
    end_section()
    file.write(struct.pack(">H", 0))
    for channel in range(channels):
        for rows in windows(height):
            file.write(store(image[rows], channel))
    check_size(file, path)


def check_size(file: BinaryIO, path: Path) -> None:
    """Raise `WriteError` where a file is larger than the format allows."""
    if file.tell() > LARGEST:
        raise WriteError(f"{path}: its layers take more than the 2 GiB that .psd holds; write .tif or .ora")


def store(pixels: Array, channel: int | None) -> bytes:
    """A channel of some pixels, or a mask, as the format stores it."""
    plane = pixels if channel is None or pixels.ndim == 2 else pixels[..., channel]
    return np.ascontiguousarray(plane, plane.dtype.newbyteorder(">")).tobytes()


def with_length(data: bytes) -> bytes:
    """Bytes behind their number."""
    return struct.pack(">I", len(data)) + data


def begin_length(file: BinaryIO, path: Path) -> Callable[[], None]:
    """Leave room for a length; what is returned puts it in, once all that it counts is written, in fours."""
    place = file.tell()
    file.write(bytes(4))

    def end() -> None:
        file.write(bytes(-(file.tell() - place) % 4))
        check_size(file, path)
        put(file, place, file.tell() - place - 4)

    return end


def put(file: BinaryIO, place: int, number: int) -> None:
    """Write a number at an earlier place."""
    here = file.tell()
    file.seek(place)
    file.write(struct.pack(">I", number))
    file.seek(here)


def make_profile(icc: bytes | None) -> bytes:
    """The resource that holds a colour profile; nothing where there is none."""
    if not icc:
        return b""
    return struct.pack(">4sHH", b"8BIM", PROFILE, 0) + with_length(icc) + bytes(len(icc) % 2)


def write_layers(file: BinaryIO, layered: LayeredPicture, channels: int, path: Path) -> None:
    """Write the records of all layers, and then their channels."""
    numbers = [*range(channels), MASK]
    file.write(struct.pack(">h", len(layered.layers)))
    places: list[list[int]] = []
    for layer in layered.layers:
        record, at = make_record(layer.name, layered.image.shape[:2], numbers)
        places.append([file.tell() + offset for offset in at])
        file.write(record)
    for layer, own in zip(layered.layers, places, strict=True):
        for number, place in zip(numbers, own, strict=True):
            start = file.tell()
            file.write(struct.pack(">H", ZIP))
            for packed in pack_channel(layer, number, layered.image):
                file.write(packed)
            check_size(file, path)
            put(file, place, file.tell() - start)


def make_record(name: str, size: tuple[int, int], numbers: list[int]) -> tuple[bytes, list[int]]:
    """The record of a layer, and where in it the length of each channel has to be put."""
    place = struct.pack(">iiii", 0, 0, *size)
    start = place + struct.pack(">H", len(numbers))
    listed = b"".join(struct.pack(">hI", number, 0) for number in numbers)
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
    record = start + listed + struct.pack(">4s4sBBBB", b"8BIM", b"norm", 255, 0, 0, 0) + with_length(b"".join(more))
    return record, [len(start) + 6 * k + 2 for k in range(len(numbers))]


def pack_channel(layer: Layer, number: int, image: Array) -> Iterator[bytes]:
    """A channel of a layer, or its mask, packed."""
    pack, white = zlib.compressobj(6), np.iinfo(image.dtype).max
    for rows in windows(len(image)):
        pixels, mask = layer.read(rows)
        plane = np.where(mask, white, 0).astype(image.dtype) if number == MASK else pixels
        yield pack.compress(store(plane, None if number == MASK else number))
    yield pack.flush()
