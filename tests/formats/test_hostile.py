"""Files that harm: few bytes that unpack to many, tags that share bytes, slow patterns, files that name other files."""

import io
import re
import resource
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from allfocus.core.color import Array
from allfocus.errors import ReadError, printable
from allfocus.formats.read import read_header
from allfocus.formats.spliced import Spliced
from allfocus.io import inspect_stack, inspect_volume, read_image, read_metadata, write_image
from allfocus.metadata import xmp
from allfocus.metadata.budget import LIMIT, Budget
from allfocus.metadata.carry import Metadata, finish_metadata
from conftest import Cli
from pictures import picture

IMAGE = picture(16, 24)
SLOW_ONE = pytest.mark.slow


@contextmanager
def little(megabytes: int = 400, seconds: float = 5.0) -> Iterator[None]:
    """Within the block no more memory, and time of this process, are taken than this."""
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    yield
    assert time.process_time() - began < seconds
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1024 * megabytes


@cache
def zeros(megabytes: int) -> bytes:
    """So many zeros, packed two hundredfold or more."""
    packer = zlib.compressobj(1)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(megabytes)) + packer.flush()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(before: bytes = b"", after: bytes = b"") -> bytes:
    stored = io.BytesIO()
    Image.fromarray(IMAGE).save(stored, "PNG")
    data = stored.getvalue()
    return data[:33] + before + data[33:-12] + after + data[-12:]


def jpeg(*segments: tuple[int, bytes]) -> bytes:
    stored = io.BytesIO()
    Image.fromarray(IMAGE).save(stored, "JPEG", quality=95)
    data = stored.getvalue()
    return (
        data[:2] + b"".join(struct.pack(">BBH", 0xFF, mark, len(body) + 2) + body for mark, body in segments) + data[2:]
    )


def tiff(compression: int, data: bytes, more: bytes = b"") -> bytes:
    tags = [
        (256, 24), (257, 16), (258, 8), (259, compression), (262, 1), (273, 8 + 2 + 12 * 9 + 4), (277, 1), (278, 16),
        (279, len(data)),
    ]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + data + more


def shared_tags(count: int, size: int) -> bytes:
    """EXIF of many tags, all of which have the same bytes for their value; the orientation says 6."""
    start = 8 + 2 + 12 * (count + 1) + 4
    tags = [struct.pack("<HHII", 0x9000 + k, 7, size, start) for k in range(count)]
    entries = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0) + b"".join(tags)
    return b"II*\0" + struct.pack("<IH", 8, count + 1) + entries + bytes(4) + bytes(size)


# --- bombs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("kind", [b"iTXt", b"zTXt", b"iCCP"])
def test_texts_of_a_png_are_not_unpacked_beyond_a_budget(tmp_path: Path, kind: bytes, where: str) -> None:
    head = {b"iTXt": b"Comment\0\1\0\0\0", b"zTXt": b"Comment\0\0", b"iCCP": b"x\0\0"}[kind]
    (tmp_path / "a.png").write_bytes(png(**{where: chunk(kind, head + zeros(16)) * 6}))
    with little():
        assert np.array_equal(read_image(tmp_path / "a.png"), IMAGE)
        assert "64 MiB" in read_metadata(tmp_path / "a.png").notes[0]


@pytest.mark.slow
@pytest.mark.parametrize("compression", [8, pytest.param(32946, marks=SLOW_ONE), pytest.param(34925, marks=SLOW_ONE)])
def test_a_strip_is_unpacked_to_what_its_page_needs(tmp_path: Path, compression: int) -> None:
    import lzma

    data = lzma.compress(bytes(120 << 20), preset=0) if compression == 34925 else zeros(120)
    (tmp_path / "a.tif").write_bytes(tiff(compression, data))
    with little(50), pytest.raises(ReadError, match=r"a\.tif can't be read as TIFF: a strip goes on"):
        read_image(tmp_path / "a.tif")


def test_fewer_strips_than_a_page_needs_are_refused(tmp_path: Path) -> None:
    data = bytearray(tiff(8, zlib.compress(bytes(24 * 8))))
    data[data.index(struct.pack("<HHI", 278, 4, 1)) + 8] = 8  # rows of a strip: there should be two
    (tmp_path / "a.tif").write_bytes(bytes(data))
    with pytest.raises(ReadError, match="strips"):
        read_image(tmp_path / "a.tif")


def test_a_huge_tile_of_a_small_picture_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", IMAGE, tile=(16, 16), compression="zlib", photometric="rgb")
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
        for tag in (322, 323):
            file.pages[0].aspage().tags[tag].overwrite(40000)
    with little(100), pytest.raises(ReadError, match="tiles of 40000x40000 for a picture of 24x16"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.avif"])
def test_tags_that_share_bytes_cost_no_more_than_others(tmp_path: Path, name: str) -> None:
    size = 40_000 if name == "a.jpg" else 1 << 20
    block = shared_tags(2000, size)
    if name == "a.jpg":
        (tmp_path / name).write_bytes(jpeg((0xE1, b"Exif\0\0" + block)))
    elif name == "a.png":
        (tmp_path / name).write_bytes(png(chunk(b"eXIf", block)))
    elif name == "a.webp":
        Image.fromarray(IMAGE).save(tmp_path / name, lossless=True)
        data = (tmp_path / name).read_bytes()[12:]
        vp8x = b"VP8X" + struct.pack("<I", 10) + bytes([8, 0, 0, 0, 23, 0, 0, 15, 0, 0])
        body = vp8x + data + b"EXIF" + struct.pack("<I", len(block)) + block
        (tmp_path / name).write_bytes(b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body)
    else:
        exif = Image.Exif()
        exif[0x010F] = "x" * len(block)
        Image.fromarray(IMAGE).save(tmp_path / name, exif=exif)
        data = (tmp_path / name).read_bytes()
        place = data.index(b"Exif\0\0", data.index(b"mdat")) if b"Exif\0\0" in data[data.index(b"mdat") :] else None
        start = data.index(exif.tobytes()[6:14], data.index(b"mdat")) if place is None else place + 6
        (tmp_path / name).write_bytes(
            data[:start] + block[: len(exif.tobytes()) - 6] + data[start + len(exif.tobytes()) - 6 :]
        )
    with little(300):
        if name == "a.avif":
            with pytest.raises(ReadError, match="share bytes"):
                read_image(tmp_path / name)
            return
        assert read_image(tmp_path / name).shape == (24, 16, 3)  # turned: one tag is read without the others
        found = read_metadata(tmp_path / name)
    assert found.exif is None
    assert "64 MiB" in " ".join(found.notes)


@pytest.mark.slow
def test_a_thousand_segments_are_read_in_one_go(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(*[(0xED, b"Photoshop 3.0\0" + bytes(60_000))] * 900))
    (tmp_path / "b.jpg").write_bytes(jpeg(*[(0xE1, b"Exif\0\0" + bytes(65_000))] * 1100))
    with little():
        assert read_image(tmp_path / "a.jpg").shape == (16, 24, 3)
        read_metadata(tmp_path / "a.jpg")
        with pytest.raises(ReadError, match="64 MiB"):
            read_image(tmp_path / "b.jpg")


def test_a_hundred_thousand_directories_are_refused(tmp_path: Path) -> None:
    one = lambda place: struct.pack("<HHHIII", 1, 256, 4, 1, 5, place)  # noqa: E731
    data = b"II*\0" + struct.pack("<I", 8) + b"".join(one(8 + 18 * k) for k in range(1, 100_000)) + one(0)
    (tmp_path / "a.tif").write_bytes(data)
    with little(200), pytest.raises(ReadError, match=r"a\.tif has \d+ directories or more"):
        read_image(tmp_path / "a.tif")
    with little(200), pytest.raises(ReadError, match=r"a\.tif has \d+ directories or more"):
        inspect_stack(tmp_path / "a.tif")


def test_directories_that_share_the_bytes_of_their_tags_are_refused(tmp_path: Path) -> None:
    size = 1 << 20
    start = 8 + 3000 * 18
    one = lambda place: struct.pack("<HHHIII", 1, 270, 2, size, start, place)  # noqa: E731
    pages = b"".join(one(8 + 18 * k) for k in range(1, 3000)) + one(0)
    (tmp_path / "a.tif").write_bytes(b"II*\0" + struct.pack("<I", 8) + pages + bytes(size))
    with little(200), pytest.raises(ReadError, match="share"):
        read_image(tmp_path / "a.tif")


def test_a_long_tail_is_not_read(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png", "a.webp", "a.bmp"):
        Image.fromarray(IMAGE).save(tmp_path / name)
        with (tmp_path / name).open("r+b") as file:
            file.truncate(1 << 31)  # takes no room on the disk
        with little(100):
            if name == "a.jpg":
                read_header(tmp_path / name)
            assert read_image(tmp_path / name).shape == (16, 24, 3)


def test_a_budget_counts_pieces_too() -> None:
    budget = Budget()
    with pytest.raises(ValueError, match="64 MiB"):
        for _ in range(LIMIT):
            budget.take(0)


def test_spliced_parts_read_like_the_whole() -> None:
    data = bytes(range(100))
    spliced = Spliced(data, [(0, 10), (20, 20), (30, 60), (90, 100)])
    whole = data[:10] + data[30:60] + data[90:]
    assert spliced.read() == whole
    assert spliced.read() == b""
    for place in range(len(whole)):
        assert spliced.seek(place) == place
        assert spliced.read(7) == whole[place : place + 7]
    assert spliced.seek(-3, io.SEEK_END) == len(whole) - 3
    assert spliced.read(9) == whole[-3:]


def test_opencv_is_given_no_file_but_png() -> None:
    # CVE-2025-53644 is in its JPEG decoder
    from allfocus.formats import png

    root = Path(png.__file__).parents[1]
    used = {path.name for path in root.rglob("*.py") if re.search(r"cv2\.imdecode|cv2\.imread", path.read_text())}
    assert used == {"png.py"}
    with pytest.raises(ReadError, match="can't be decoded"):
        png.decode_16_bit(jpeg(), "a.png")


# --- what is declared ----------------------------------------------------------------------------


def ome(planes: str, size_z: int) -> str:
    return (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:0"><Image ID="Image:0"><Pixels '
        f'ID="P:0" DimensionOrder="XYZCT" Type="uint8" SizeX="24" SizeY="16" SizeZ="{size_z}" SizeC="1" SizeT="1">'
        f'<Channel ID="c:0"/>{planes}</Pixels></Image></OME>'
    )


def write_tiff(path: Path, description: str, plane: Array | None = None) -> None:
    gray = IMAGE[..., 0] if plane is None else plane
    tifffile.imwrite(path, gray, description=description, metadata=None, photometric="minisblack")


@pytest.mark.slow
@pytest.mark.parametrize(
    "description",
    [
        ome("<TiffData/>", 16_000_000),
        pytest.param(ome('<TiffData PlaneCount="900000000"/>', 2), marks=pytest.mark.slow),
        ome('<TiffData IFD="0"/>' * 9000, 2),
        "ImageJ=1.54f\nimages=16000000\nslices=16000000\n",
    ],
    ids=["sizes", "count", "many", "imagej"],
)
def test_planes_are_not_believed_beyond_what_a_file_can_hold(tmp_path: Path, description: str) -> None:
    write_tiff(tmp_path / "a.ome.tif", description)
    with little(100), pytest.raises(ReadError, match=r"a\.ome\.tif .*planes"):
        inspect_volume(tmp_path / "a.ome.tif")


def named(name: str) -> str:
    planes = [(0, "a.ome.tif"), (1, name)]
    return ome(
        "".join(
            f'<TiffData IFD="0" FirstZ="{z}" PlaneCount="1"><UUID FileName="{file}">urn:uuid:{z}</UUID></TiffData>'
            for z, file in planes
        ),
        2,
    )


@pytest.mark.parametrize("name", ["../b.tif", "{outside}", "sub/../../b.tif", "..\\b.tif", "C:\\b.tif", "link.tif"])
def test_a_file_reads_no_other_outside_of_its_folder(tmp_path: Path, name: str) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    write_tiff(tmp_path / "b.tif", "")
    (inside / "link.tif").symlink_to(tmp_path / "b.tif")
    name = name.format(outside=tmp_path / "b.tif")
    write_tiff(inside / "a.ome.tif", named(name))
    with pytest.raises(ReadError, match=r"a\.ome\.tif names the file .*b\.tif|link\.tif"):
        inspect_volume(inside / "a.ome.tif")


def test_companions_below_the_folder_are_read(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    write_tiff(tmp_path / "a.ome.tif", named("sub/b.ome.tif"))
    write_tiff(tmp_path / "sub" / "b.ome.tif", named("a.ome.tif"))
    volume = inspect_volume(tmp_path / "a.ome.tif")
    assert [path.name for path in volume.files] == ["a.ome.tif", "b.ome.tif"]


def test_a_companion_is_never_written_to(tmp_path: Path, cli: Cli) -> None:
    for name in ("a.ome.tif", "b.ome.tif"):
        write_tiff(tmp_path / name, named("b.ome.tif"), picture(16, 24, gray=True, seed=len(name)))
    (tmp_path / "hard.tif").hardlink_to(tmp_path / "b.ome.tif")
    (tmp_path / "soft.tif").symlink_to(tmp_path / "b.ome.tif")
    before = (tmp_path / "b.ome.tif").read_bytes()
    for output in ("b.ome.tif", "hard.tif", "soft.tif"):
        outcome = cli("fuse", tmp_path / "a.ome.tif", "-o", tmp_path / output, "--method", "laplacian")
        assert outcome.code == 1
        assert "is one of the frames" in outcome.err
    assert (tmp_path / "b.ome.tif").read_bytes() == before


# --- slow patterns -------------------------------------------------------------------------------


def packet(inside: bytes = b"", body: bytes = b"", end: bytes = b"") -> bytes:
    return (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/"'
        + inside + b">" + body + b"</rdf:Description></rdf:RDF></x:xmpmeta>" + end
    )  # fmt: skip


SLOW: dict[str, bytes] = {
    "spaces in a tag": packet(b" " * 1_000_000),
    "spaces in the body": packet(body=b" " * 1_000_000),
    "many properties": packet(body=b"<tiff:Orientation>6</tiff:Orientation>" * 10_000),
    "many attributes": packet(b"".join(b' tiff:a%d="x"' % k for k in range(10_000))),
    "padding": packet(end=b" " * 1_000_000 + b'<?xpacket end="w"?>'),
    "padding of no end": packet(end=b" " * 1_000_000),
    "deep": packet(body=b"<tiff:a>" * 20_000 + b"</tiff:a>" * 20_000),
}


@pytest.mark.parametrize("stored", SLOW.values(), ids=SLOW)
def test_xmp_is_read_in_time_that_grows_as_it_does(stored: bytes) -> None:
    with little(seconds=4):
        cleaned = xmp.clean(stored)
        finished = xmp.finish(cleaned, (16, 24), "allfocus")
        with suppress(ValueError):
            xmp.split(finished)
    assert b">6<" not in finished


@pytest.mark.parametrize("rest", [b"<x:RDF " * 200_000, packet(body=b"<tiff:b/>" * 10_000), b"<" * 500_000])
def test_extended_xmp_is_joined_or_refused_quickly(rest: bytes) -> None:
    with little(seconds=4), suppress(ValueError):
        xmp.join(packet(), rest)


def test_padding_is_dropped_where_a_packet_has_to_be_shorter() -> None:
    stored = xmp.clean(packet(end=b" " * 70_000 + b'<?xpacket end="w"?>'))
    kept, rest = xmp.split(stored)
    assert kept == packet(end=b'\n<?xpacket end="w"?>')
    assert rest == b""


def test_a_change_within_one_that_is_removed_changes_nothing_else() -> None:
    inner = b"<rdf:RDF><rdf:Description><tiff:Orientation>6</tiff:Orientation></rdf:Description></rdf:RDF>"
    note = b'<n:x xmlns:n="http://ns.adobe.com/xmp/note/">' + inner + b"</n:x>"
    assert xmp.finish(packet(body=note), (1, 1), "x") == packet()


# --- names and texts -----------------------------------------------------------------------------


def test_what_a_terminal_would_obey_is_spelled_out() -> None:
    said = printable("\x1b]0;T\x07\x9b31m\r\n\u202egnp.exe\udcff é \u2028")
    assert said == r"\x1b]0;T\x07\x9b31m\r\n\u202egnp.exe\udcff é \u2028"
    assert printable(ReadError("a\nb\x1b")) == r"a\nb\x1b"


@pytest.mark.slow
def test_names_and_tags_reach_no_terminal_and_no_page(tmp_path: Path, cli: Cli) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[36867] = "\x1b]0;t\x07\x1b[31m2024"
    Image.fromarray(IMAGE).save(tmp_path / "a.jpg", exif=exif)
    bad = tmp_path / "n\x1b]0;T\x07\u202ea\nme.png"
    write_image(bad, picture(16, 24, seed=1))
    report = tmp_path / "r.html"
    outcomes = [
        cli("fuse", tmp_path / "a.jpg", bad, "--dry-run"),
        cli("fuse", tmp_path / "a.jpg", bad, "--method", "laplacian", "-o", tmp_path / "o.png", "--report", report,
            "--index-map", tmp_path / "i.png"),
        cli("fuse", bad, tmp_path / "missing\x1b[2J.png", "-o", tmp_path / "p.png"),
        cli("fuse", bad, bad, "-o", tmp_path / "p.png"),
        cli("fuse", tmp_path / "a.jpg", bad, "-o", tmp_path / "o\x1b[31m.xyz"),
    ]  # fmt: skip
    assert [outcome.code for outcome in outcomes] == [0, 0, 1, 1, 2]
    for text in (*(outcome.out + outcome.err for outcome in outcomes), report.read_text("utf-8")):
        assert not set(text) & set("\x1b\x07\u202e\x9b")
    assert outcomes[-1].err.count("\n") == 1


def test_damage_of_all_kinds_is_named_in_few_words(tmp_path: Path) -> None:
    data = bytearray(shared_tags(1000, 4))
    for place in range(22, 22 + 12 * 1000, 12):
        data[place + 2] = 99  # no such type
    write_image(tmp_path / "a.png", IMAGE, Metadata(exif=None))
    stored = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(stored[:33] + chunk(b"eXIf", bytes(data)) + stored[33:])
    assert all(len(note) < 300 for note in read_metadata(tmp_path / "a.png").notes)
    finish_metadata(read_metadata(tmp_path / "a.png"), frames=2, size=(1, 1))


# --- limits that are options ---------------------------------------------------------------------


@pytest.mark.parametrize("make", [lambda path: write_image(path, IMAGE)])
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.webp"])
def test_larger_pictures_than_asked_for_are_refused(tmp_path: Path, name: str, make: Callable[[Path], object]) -> None:
    make(tmp_path / name)
    assert read_image(tmp_path / name, max_pixels=24 * 16).shape == (16, 24, 3)
    with pytest.raises(ReadError, match=rf"{name} is 24x16; pictures above 0\.000383 megapixels"):
        read_image(tmp_path / name, max_pixels=24 * 16 - 1)


def test_the_command_takes_the_limit_too(tmp_path: Path, cli: Cli) -> None:
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for number, path in enumerate(paths):
        write_image(path, picture(16, 24, seed=number))
    typed = ("fuse", *paths, "--method", "laplacian", "-o", tmp_path / "o.png", "--max-pixels")
    assert "pictures above 0.0001 megapixels" in cli(*typed, "100").err
    assert cli(*typed, "1M").code == 0
