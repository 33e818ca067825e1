"""Files that are nearly sound: a few changes to a seed, drawn by a number, so that every one can be made again."""

import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from io import BytesIO

#: Numbers that break sums and sizes.
ODD = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 62, (1 << 64) - 1)
#: Texts that break readers of texts.
WORDS = (
    b"-1", b"0", b"1e308", b"-1e308", b"1e-320", b"nan", b"NaN", b"Infinity", b"99999999999999999999", b"16000000",
    b"\x1b[31m", b"null", b"true", b"[]", b"{}", b'""', b"\xff\xfe", b"\xe2\x80\xae", b"\0", b"[" * 3000, b"../../x",
    b"<!DOCTYPE x>", b"&amp;", b" " * 5000, b"\r\n", b"'", b'"',
)  # fmt: skip

PNG = b"\x89PNG\r\n\x1a\n"


def mutate(seed: bytes, others: Mapping[str, bytes], rng: random.Random) -> bytes:
    """A seed with one to six changes; checksums of PNG and ZIP files are mostly made right again."""
    data = bytearray(unzip(seed)) if seed[:2] == b"PK" and rng.random() < 0.8 else bytearray(seed)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        rng.choice(CHANGES)(data, others, rng)
    made = bytes(data[: 1 << 22])
    if rng.random() < 0.8:
        made = mend_png(made) if made.startswith(PNG) else made
    return rezip(made) if seed[:2] == b"PK" and made[:4] == MARK else made


def flip(data: bytearray, others: Mapping[str, bytes], rng: random.Random) -> None:
    """Turn single bits, near the start more often than elsewhere."""
    for _ in range(rng.choice((1, 1, 4, 16))):
        if data:
            reach = len(data) if rng.random() < 0.5 else min(len(data), 512)
            data[rng.randrange(reach)] ^= 1 << rng.randrange(8)


def put_number(data: bytearray, others: Mapping[str, bytes], rng: random.Random) -> None:
    """Write an odd number over some bytes."""
    width, order = rng.choice(((1, "<B"), (2, "<H"), (2, ">H"), (4, "<I"), (4, ">I"), (8, "<Q"), (8, ">Q")))
    if len(data) > width:
        place = rng.randrange((len(data) if rng.random() < 0.5 else min(len(data), 512)) - width or 1)
        data[place : place + width] = struct.pack(order, rng.choice(ODD) & ((1 << 8 * width) - 1))


def cut(data: bytearray, others: Mapping[str, bytes], rng: random.Random) -> None:
    """Leave out a part, mostly the end."""
    if data:
        start = rng.randrange(len(data))
        del data[start : rng.choice((len(data), start + rng.randrange(1, 64)))]


def repeat(data: bytearray, others: Mapping[str, bytes], rng: random.Random) -> None:
    """Repeat a part, up to some thousand times."""
    if data:
        start = rng.randrange(len(data))
        part = data[start : start + rng.choice((1, 4, 12, 64, 400))]
        data[start:start] = part * min(rng.choice((1, 2, 16, 2000)), 200_000 // max(len(part), 1))


def mix(data: bytearray, others: Mapping[str, bytes], rng: random.Random) -> None:
    """Put a part of another seed into this one."""
    other = others[rng.choice(list(others))]
    start, place = rng.randrange(len(other)), rng.randrange(len(data) + 1)
    part = other[start : start + rng.choice((8, 64, 1024))]
    data[place : place + rng.choice((0, len(part)))] = part


def put_word(data: bytearray, others: Mapping[str, bytes], rng: random.Random) -> None:
    """Replace a number or a word in a text, or put one anywhere."""
    words = [found.span() for found in re.finditer(rb"[-+.\w]+", data[:20_000])]
    start, end = rng.choice(words) if words and rng.random() < 0.8 else (rng.randrange(len(data) + 1),) * 2
    data[start:end] = rng.choice(WORDS)


def blank(data: bytearray, others: Mapping[str, bytes], rng: random.Random) -> None:
    """Fill a part with one byte."""
    if data:
        start = rng.randrange(len(data))
        end = min(len(data), start + rng.choice((4, 64, 100_000)))
        data[start:end] = bytes([rng.choice((0, 0xFF, 0x20, 0x0A))]) * (end - start)


Change = Callable[[bytearray, Mapping[str, bytes], random.Random], None]
CHANGES: tuple[Change, ...] = (flip, flip, put_number, put_number, put_number, cut, repeat, mix, put_word, blank)


def mend_png(data: bytes) -> bytes:
    """A PNG file whose checksums are right, as far as its chunks can be followed."""
    out, place = bytearray(data), len(PNG)
    while place + 12 <= len(data):
        end = place + 8 + int.from_bytes(data[place : place + 4], "big")
        if end + 4 > len(data):
            break
        out[end : end + 4] = struct.pack(">I", zlib.crc32(data[place + 4 : end]))
        place = end + 4
    return bytes(out)


#: Before each part of an archive that was taken apart.
MARK = b"\1ZP\1"


def unzip(data: bytes) -> bytes:
    """The parts of an archive behind each other, so that changes go into what is packed."""
    with zipfile.ZipFile(BytesIO(data)) as archive:
        return b"".join(MARK + name.encode() + b"\n" + archive.read(name) for name in archive.namelist())


def rezip(data: bytes) -> bytes:
    """An archive of the parts that `unzip` laid out."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in data.split(MARK)[1:]:
            name, _, content = part.partition(b"\n")
            entry = zipfile.ZipInfo(name.decode("latin-1")[:60].replace("\0", "_") or "x")  # dated 1980
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
