"""Layers: flattened they are the picture to the bit, in every kind of file; masks and names are those of the frames."""

import io
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
import tifffile

import allfocus
from allfocus.core.color import Array
from allfocus.errors import OptionError
from allfocus.io import read_image, write_image
from allfocus.outputs.wishes import Outputs
from pictures import focal_frames


def fuse_layers(folder: Path, name: str, *, gray: bool, dtype: str, **options: Any) -> tuple[Array, Path]:
    """Fuse a small stack; the picture, and the file of layers."""
    for number, frame in enumerate(focal_frames(70, 90, 3, gray=gray, dtype=dtype)):
        write_image(folder / f"f{number}.tif", frame)
    outputs = Outputs(image=folder / "o.tif", layers=folder / name)
    options = {"method": "laplacian", "align": "none", **options}
    request = allfocus.JobRequest(
        frames=[str(folder / f"f{number}.tif") for number in range(3)],
        outputs=outputs,
        options=allfocus.FusionOptions(**options),
    )
    made = allfocus.Job(request).run()
    assert made.files[folder / name] == "layers"
    return read_image(folder / "o.tif"), folder / name


def flatten(layers: list[tuple[Array, Array]]) -> Array:
    """Layers from the lowest up, pixels and masks of 0 or 1, on nothing."""
    flat = np.zeros_like(layers[0][0], np.float64)
    for pixels, mask in layers:
        share = mask.astype(np.float64).reshape(mask.shape + (1,) * (pixels.ndim - 2))
        flat = share * pixels + (1 - share) * flat
    return flat


def split(page: Array) -> tuple[Array, Array]:
    """Pixels and mask of a page whose last channel is alpha."""
    mask = page[..., -1] / np.iinfo(page.dtype).max
    return (page[..., 0] if page.shape[-1] == 2 else page[..., :-1]), mask


def read_tiff(path: Path) -> tuple[Array, list[str], list[tuple[Array, Array]]]:
    with tifffile.TiffFile(path) as file:
        merged, *pages = [page.asarray() for page in file.pages]
        return merged, [page.tags[285].value for page in file.pages[1:]], [split(page) for page in pages]


def read_ora(path: Path) -> tuple[Array, list[str], list[tuple[Array, Array]]]:
    with zipfile.ZipFile(path) as archive:
        first = archive.infolist()[0]
        assert (first.filename, first.compress_type) == ("mimetype", zipfile.ZIP_STORED)
        assert archive.read("mimetype") == b"image/openraster"
        assert archive.testzip() is None
        root = ElementTree.fromstring(archive.read("stack.xml"))
        listed = [*root.iter("layer")][::-1]

        def decode(name: str) -> Array:
            found = cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), cv2.IMREAD_UNCHANGED)
            return found if found.ndim == 2 else found[..., [2, 1, 0, *range(3, found.shape[2])]]

        merged, *pages = [decode(name) for name in ("mergedimage.png", *(item.attrib["src"] for item in listed))]
        assert root.attrib["w"] == str(merged.shape[1])
        assert max(decode("Thumbnails/thumbnail.png").shape) <= 256
        if merged.ndim == 2:  # OpenCV hands gray with alpha out as colours
            pages = [page[..., [0, 3]] for page in pages]
        return merged, [item.attrib["name"] for item in listed], [split(page) for page in pages]


def read_psd(path: Path) -> tuple[Array, list[str], list[tuple[Array, Array]]]:
    psd_tools = pytest.importorskip("psd_tools", reason="psd-tools reads Photoshop files back")
    psd = psd_tools.PSDImage.open(path)
    white = 2**psd.depth - 1

    def whole(values: Array) -> Array:
        found = np.rint(np.asarray(values, np.float64) * white)
        return found[..., 0] if found.shape[-1] == 1 else found

    layers = [(whole(layer.numpy("color")), whole(layer.numpy("mask")) / white) for layer in psd]
    return whole(psd.numpy("color")), [layer.name for layer in psd], layers


READERS = {"tif": read_tiff, "ora": read_ora, "psd": read_psd, "psb": read_psd}


@pytest.mark.parametrize("ending", READERS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("gray", [False, True])
def test_flattened_they_are_the_picture_to_the_bit(tmp_path: Path, ending: str, dtype: str, gray: bool) -> None:
    picture, path = fuse_layers(tmp_path, f"l.{ending}", gray=gray, dtype=dtype)
    merged, names, layers = READERS[ending](path)
    assert np.array_equal(merged, picture)
    assert np.array_equal(flatten(layers), picture)
    assert names == ["f0.tif", "f1.tif", "f2.tif", "blended"]
    for number, (pixels, mask) in enumerate(layers[:3]):
        assert np.array_equal(pixels, read_image(tmp_path / f"f{number}.tif"))
        assert set(np.unique(mask)) == {0, 1}
    assert np.array_equal(sum(mask for _, mask in layers), np.ones(picture.shape[:2]))


@pytest.mark.slow
def test_psd_tools_composes_the_same(tmp_path: Path) -> None:
    psd_tools = pytest.importorskip("psd_tools", reason="psd-tools reads Photoshop files back")
    picture, path = fuse_layers(tmp_path, "l.psd", gray=False, dtype="uint8")
    composed = psd_tools.PSDImage.open(path).composite(force=True)
    assert np.array_equal(np.asarray(composed.convert("RGB")), picture)


@pytest.mark.slow
def test_blended_pixels_and_registered_frames(tmp_path: Path) -> None:
    picture, path = fuse_layers(tmp_path, "l.tif", gray=False, dtype="uint16", method="network", align="translation")
    merged, _, layers = read_tiff(path)
    assert np.array_equal(merged, picture)
    assert np.array_equal(flatten(layers), picture)
    assert layers[-1][1].any()


def test_profiles_go_along(tmp_path: Path) -> None:
    from allfocus.metadata.icc import srgb_profile
    from allfocus.outputs.layer_files import fill_ora, fill_tiff
    from allfocus.outputs.layered import Layer, LayeredPicture
    from allfocus.outputs.psd import fill_psd

    image = np.zeros((5, 7, 3), np.uint8)
    opaque = Layer(
        name="ä" * 300, pixels=lambda rows: image[rows], mask=lambda rows: np.ones(image[rows].shape[:2], bool)
    )
    layered = LayeredPicture(image=image, layers=(opaque,), icc=srgb_profile())
    for fill in (fill_ora, fill_tiff, fill_psd):
        buffer = io.BytesIO()
        fill(buffer, layered, Path("a"))
        if fill is fill_ora:
            with zipfile.ZipFile(buffer) as archive:
                assert b"iCCP" in archive.read("mergedimage.png")
        else:
            assert srgb_profile() in buffer.getvalue()


def test_what_layers_can_not_hold_is_said_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="frames have float32 samples"):
        fuse_layers(tmp_path, "l.psd", gray=False, dtype="float32")
    made = allfocus.fuse(focal_frames(32, 32, 2), method="laplacian")
    with pytest.raises(OptionError, match="a result holds no frames"):
        allfocus.save(made, tmp_path / "o.png", layers=tmp_path / "l.psd")
    with pytest.raises(allfocus.WriteError, match=r"layers are written as \.psd or \.psb"):
        fuse_layers(tmp_path, "l.xcf", gray=False, dtype="uint8")
    assert {path.suffix for path in tmp_path.iterdir()} == {".tif"}


def test_more_than_psd_holds_is_refused_before_the_work(tmp_path: Path) -> None:
    from allfocus.outputs.psd import check_psd

    with pytest.raises(allfocus.WriteError, match=r"layers may take 3\.0 GiB, \.psd holds less than 2; name it \.psb"):
        check_psd(tmp_path / "l.psd", (100, 100), 3 * 2**30)
    with pytest.raises(allfocus.WriteError, match="at most 30000 pixels a side"):
        check_psd(tmp_path / "l.psd", (30_001, 5), 5)
    check_psd(tmp_path / "l.psb", (100, 30_001), 3 * 2**30)
    check_psd(tmp_path / "l.ora", (100, 400_000), 3 * 2**30)


def test_cancelled_writing_leaves_nothing(tmp_path: Path) -> None:
    from threading import Event

    from allfocus.formats.write import write_images
    from allfocus.outputs.layer_files import fill_ora, fill_tiff
    from allfocus.outputs.layered import Layer, LayeredPicture
    from allfocus.outputs.psd import fill_psd

    image, called_off, path = np.zeros((300, 7, 3), np.uint8), Event(), tmp_path / "l.psd"

    def read(rows: slice) -> Array:
        called_off.set()
        return image[rows]

    layer = Layer(name="a", pixels=read, mask=lambda rows: np.ones(image[rows].shape[:2], bool))
    for fill in (fill_psd, fill_ora, fill_tiff):
        called_off.clear()
        layered = LayeredPicture(image=image, layers=(layer,), icc=None, cancelled=called_off)
        with pytest.raises(allfocus.Cancelled):
            write_images([(path, lambda file, fill=fill, layered=layered: fill(file, layered, path))])
        assert not list(tmp_path.iterdir())
