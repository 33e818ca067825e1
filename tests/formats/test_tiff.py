"""TIFF in every layout: strips and tiles, planar, compressed, predicted, big, either byte order, signed."""

import struct
import zlib
from io import BytesIO
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

from allfocus.core.color import Array
from allfocus.errors import ReadError
from allfocus.formats.read import read_header
from allfocus.formats.tiff_strips import unpredict
from allfocus.io import read_image, read_stack
from pictures import picture

CODES = {"lzw": 5, "packbits": 32773, "zstd": 50000, "lzma": 34925, "deflate": 8}
NAMES = {"lzw": "tiff_lzw", "packbits": "packbits", "zstd": "zstd", "lzma": "lzma"}


def compress(data: bytes, row: int, scheme: str) -> bytes:
    """Bytes in rows of so many, as libtiff compresses a strip of them."""
    if scheme == "deflate":
        return zlib.compress(data)
    file = BytesIO()
    gray = Image.frombytes("L", (row, len(data) // row), data)
    tags = ImageFileDirectory_v2()
    tags[278] = gray.height
    gray.save(file, "TIFF", compression=NAMES[scheme], tiffinfo=tags)
    file.seek(0)
    with TiffImageFile(file) as image:
        (start,), (count,) = image.tag_v2[273], image.tag_v2[279]
    return file.getvalue()[start : start + count]


def predict(block: Array, predictor: int, order: str) -> bytes:
    """A block (rows, columns, samples) with a predictor applied: an independent reference, slow and plain."""
    if predictor == 2:
        steps = block.copy()
        steps[:, 1:] = block[:, 1:] - block[:, :-1]
        block = steps
    if predictor < 3:
        return block.astype(block.dtype.newbyteorder(order)).tobytes()
    rows = []
    for row in block:
        planes = np.frombuffer(row.astype(">f4").tobytes(), np.uint8).reshape(-1, 4).T.reshape(-1, block.shape[2])
        rows.append(np.concatenate([planes[:1], planes[1:] - planes[:-1]]).tobytes())
    return b"".join(rows)


def blocks(image: Array, tile: int | None, rows: int) -> list[Array]:
    """Strips of so many rows, or square tiles filled up with zeros, plane by plane."""
    pieces = []
    for plane in image:
        if tile is None:
            pieces += [plane[top : top + rows] for top in range(0, plane.shape[0], rows)]
            continue
        padding = [(0, -side % tile) for side in plane.shape[:2]] + [(0, 0)]
        padded = np.pad(plane, padding)
        for top, left in product(range(0, padded.shape[0], tile), range(0, padded.shape[1], tile)):
            pieces.append(padded[top : top + tile, left : left + tile])
    return pieces


def tiff(
    image: Array, *, scheme: str, predictor: int = 1, tile: int | None = None, order: str = "<", planar: bool = False
) -> bytes:
    """A TIFF file written by hand."""
    samples = 1 if image.ndim == 2 else image.shape[2]
    planes = image.reshape(*image.shape[:2], samples)
    planes = np.moveaxis(planes, 2, 0)[..., None] if planar else planes[None]
    stored = []
    for block in blocks(planes, tile, rows=5):
        data = predict(block, predictor, order)
        stored.append(compress(data, block[0].nbytes, scheme))
    floating = 3 if image.dtype.kind == "f" else 1
    tags: list[tuple[int, list[int]]] = [
        (256, [image.shape[1]]), (257, [image.shape[0]]), (258, [image.itemsize * 8] * samples),
        (259, [CODES[scheme]]), (262, [2 if samples == 3 else 1]), (277, [samples]), (284, [2 if planar else 1]),
        (317, [predictor]), (339, [floating] * samples),
    ]  # fmt: skip
    tags += [(278, [5])] if tile is None else [(322, [tile]), (323, [tile])]
    starts, counts = (273, 279) if tile is None else (324, 325)
    size = 8 + 2 + 12 * (len(tags) + 2) + 4
    extra = 4 * sum(len(values) for _, values in tags if len(values) > 1) + (8 * len(stored) if len(stored) > 1 else 0)
    offsets = [size + extra + sum(map(len, stored[:k])) for k in range(len(stored))]
    tags = sorted([*tags, (starts, offsets), (counts, [len(piece) for piece in stored])])
    entries, behind = b"", b""
    for tag, values in tags:
        packed = struct.pack(f"{order}{len(values)}I", *values)
        value = packed if len(values) == 1 else struct.pack(f"{order}I", size + len(behind))
        behind += packed if len(values) > 1 else b""
        entries += struct.pack(f"{order}HHI", tag, 4, len(values)) + value
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
    return head + struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + behind + b"".join(stored)


def same(one: Array, other: Array) -> bool:
    return one.dtype == other.dtype and np.array_equal(one, other)


@pytest.mark.parametrize("scheme", ["lzw", "packbits", "zstd", "lzma", "deflate"])
@pytest.mark.parametrize(
    ("dtype", "predictor"), [("uint8", 1), ("uint16", 1), ("uint16", 2), ("float32", 1), ("float32", 3)]
)
@pytest.mark.parametrize("gray", [False, True], ids=["rgb", "gray"])
def test_compressions_at_every_depth(tmp_path: Path, scheme: str, dtype: str, predictor: int, gray: bool) -> None:
    image = picture(23, 37, gray=gray, dtype=dtype)
    (tmp_path / "a.tif").write_bytes(tiff(image, scheme=scheme, predictor=predictor))
    assert same(read_image(tmp_path / "a.tif"), image)


@pytest.mark.parametrize(
    "options", [{"tile": 16}, {"order": ">"}, {"planar": True}, {"planar": True, "tile": 16, "order": ">"}], ids=str
)
@pytest.mark.parametrize(("dtype", "predictor"), [("uint16", 2), ("float32", 3)])
@pytest.mark.parametrize("scheme", ["lzw", "zstd", "deflate"])
def test_layouts_of_compressed_files(
    tmp_path: Path, options: dict[str, object], dtype: str, predictor: int, scheme: str
) -> None:
    image = picture(23, 37, dtype=dtype)
    (tmp_path / "a.tif").write_bytes(tiff(image, scheme=scheme, predictor=predictor, **options))  # type: ignore[arg-type]
    assert same(read_image(tmp_path / "a.tif"), image)


def test_libtiff_agrees_with_the_reference(tmp_path: Path) -> None:
    image = picture(23, 37)
    (tmp_path / "a.tif").write_bytes(tiff(image, scheme="zstd", predictor=2, tile=16))
    with TiffImageFile(tmp_path / "a.tif") as seen:
        assert np.array_equal(np.asarray(seen), image)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_big_tiff_and_big_endian_pages(tmp_path: Path, dtype: str) -> None:
    pages = np.stack([picture(dtype=dtype, seed=k) for k in range(3)])
    tifffile.imwrite(tmp_path / "z.tif", pages, photometric="rgb", bigtiff=True, byteorder=">", compression="zlib")
    assert all(same(frame, page) for frame, page in zip(read_stack([tmp_path / "z.tif"]).frames, pages, strict=True))


@pytest.mark.parametrize("tile", [None, (32, 32)])
def test_jpeg_in_tiff(tmp_path: Path, tile: tuple[int, int] | None) -> None:
    smooth = np.dstack([np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)] * 3)
    Image.fromarray(smooth).save(tmp_path / "a.tif", compression="jpeg", quality=95)
    assert np.abs(read_image(tmp_path / "a.tif").astype(int) - smooth).max() < 6


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "uint32", "float16", "float64"])
@pytest.mark.parametrize("predictor", [False, True])
def test_samples_of_all_types_are_read(tmp_path: Path, dtype: str, predictor: bool) -> None:
    image = np.linspace(-120 if dtype[0] != "u" else 0, 127, 40 * 30).reshape(40, 30).astype(dtype)
    options = {"compression": "zlib", "predictor": True} if predictor and dtype[0] != "f" else {}
    tifffile.imwrite(tmp_path / "a.tif", image, **options)  # type: ignore[arg-type]
    assert same(read_image(tmp_path / "a.tif"), image)
    assert read_header(tmp_path / "a.tif").frame.dtype == dtype


def packed_tiff(image: Array, bits: int, scheme: int = 1) -> bytes:
    """A TIFF file of one strip of samples that take so many bits each, rows starting at whole bytes."""
    rows = image.reshape(len(image), -1, 1) >> np.arange(bits - 1, -1, -1) & 1
    data = np.packbits(rows.reshape(len(image), -1).astype(np.uint8), axis=1).tobytes()
    data = zlib.compress(data) if scheme == 8 else data
    samples = image.shape[2] if image.ndim == 3 else 1
    tags = [(256, image.shape[1]), (257, len(image)), (258, bits), (259, scheme), (262, 2 if samples == 3 else 1)]
    tags += [(273, 8 + 2 + 12 * 9 + 4 + 6), (277, samples), (278, len(image)), (279, len(data))]
    entries = b"".join(struct.pack("<HHII", tag, 3 if tag == 258 else 4, 1, value) for tag, value in tags)
    if samples == 3:
        three = struct.pack("<HHII", 258, 3, 3, 8 + 2 + 12 * 9 + 4)
        entries = entries[:24] + three + entries[36:]
    header = struct.pack("<2sHIH", b"II", 42, 8, len(tags))
    return header + entries + bytes(4) + struct.pack("<3H", bits, bits, bits) + data


@pytest.mark.parametrize("bits", [2, 4, 6, 10, 12, 14])
@pytest.mark.parametrize("scheme", [1, 8])
@pytest.mark.parametrize("gray", [True, False])
def test_samples_that_fill_no_whole_bytes_are_widened(tmp_path: Path, bits: int, scheme: int, gray: bool) -> None:
    white = 2**bits - 1
    image = np.random.default_rng(0).integers(0, white + 1, (9, 11) if gray else (9, 11, 3))
    image.flat[:2] = 0, white
    (tmp_path / "a.tif").write_bytes(packed_tiff(image, bits, scheme))
    found = read_image(tmp_path / "a.tif")
    full = 255 if bits <= 8 else 65535
    assert found.dtype == ("uint8" if bits <= 8 else "uint16") and found.shape == image.shape
    assert np.abs(found - image * full / white).max() <= 0.5


def test_the_number_that_gdal_calls_no_data_is_no_number(tmp_path: Path) -> None:
    image = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    image[0] = -9999
    tifffile.imwrite(tmp_path / "a.tif", image, extratags=[(42113, 2, 0, "-9999", True)])
    found = read_image(tmp_path / "a.tif")
    assert np.isnan(found[0]).all() and np.array_equal(found[1:], image[1:])


@pytest.mark.parametrize("scheme", ["lzw", "zstd", "packbits", "lzma"])
def test_strips_that_are_cut_off_are_refused(tmp_path: Path, scheme: str) -> None:
    (tmp_path / "a.tif").write_bytes(tiff(picture(dtype="uint16"), scheme=scheme)[:-9])
    with pytest.raises(ReadError, match=r"a\.tif is cut short"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("scheme", ["zstd", "lzma", "deflate"])  # others have nothing that could be wrong
def test_strips_that_hold_something_else_are_refused(tmp_path: Path, scheme: str) -> None:
    data = tiff(picture(dtype="float32"), scheme=scheme, predictor=3)
    (tmp_path / "a.tif").write_bytes(data[:-300] + b"\xff" * 300)
    with pytest.raises(ReadError, match=r"a\.tif can't be read as TIFF"):
        read_image(tmp_path / "a.tif")


def test_deep_jpeg_is_refused_with_advice(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", picture(dtype="uint16"), photometric="rgb")
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
        file.pages[0].aspage().tags[259].overwrite(34712)  # JPEG 2000
    with pytest.raises(ReadError, match=r"a\.tif can't be decoded \(JPEG2000\); save it with LZW, deflate"):
        read_image(tmp_path / "a.tif")


def test_a_predictor_undone_twice_over_would_show() -> None:
    steps = np.array([[[1], [1], [65535]]], np.uint16)
    assert unpredict(steps.tobytes(), (1, 3, 1), 2, np.dtype("<u2")).ravel().tolist() == [1, 2, 1]


def test_a_stack_that_imagej_describes_on_one_page_is_no_single_picture(tmp_path: Path) -> None:
    planes = np.stack([picture(gray=True, dtype="uint16", seed=k) for k in range(4)])
    tifffile.imwrite(tmp_path / "z.tif", planes, imagej=True, metadata={"axes": "ZYX"})
    with tifffile.TiffFile(tmp_path / "z.tif", mode="r+") as file:  # as ImageJ itself does above 4 GB
        second = file.pages[1].offset
        place = file.pages.first.offset
        data = bytearray((tmp_path / "z.tif").read_bytes())
    order = ">" if data[:2] == b"MM" else "<"
    (count,) = struct.unpack_from(f"{order}H", data, place)
    assert struct.unpack_from(f"{order}I", data, place + 2 + 12 * count)[0] == second
    struct.pack_into(f"{order}I", data, place + 2 + 12 * count, 0)
    (tmp_path / "z.tif").write_bytes(data)
    with pytest.raises(ReadError, match="holds 4 pages"):
        read_image(tmp_path / "z.tif")
    assert all(same(frame, plane) for frame, plane in zip(read_stack([tmp_path / "z.tif"]).frames, planes, strict=True))
    (tmp_path / "cut.tif").write_bytes(data[:-1000])
    with pytest.raises(ReadError, match="cut"):
        read_stack([tmp_path / "cut.tif"])
