"""Files that hold several full pictures: fused if given alone, said otherwise; previews and maps in them are none."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from allfocus.errors import ReadError, StackError
from allfocus.io import inspect_stack, read_image, read_stack, write_image
from pictures import focal_frames, picture

FRAMES = focal_frames(48, 64, 4)


def save_all(path: Path, kind: str, pictures: list[Image.Image], **how: object) -> None:
    pictures[0].save(path, kind, save_all=True, append_images=pictures[1:], **how)


def images() -> list[Image.Image]:
    return [Image.fromarray(frame) for frame in FRAMES]


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("a.mpo", {"quality": 95}),
        ("a.webp", {"lossless": True}),
        ("a.png", {}),
        ("a.gif", {}),
        ("a.avif", {"quality": 95}),
    ],
)
def test_all_pictures_of_a_file_are_frames(tmp_path: Path, name: str, how: dict[str, object]) -> None:
    kind = {"mpo": "MPO", "webp": "WEBP", "png": "PNG", "gif": "GIF", "avif": "AVIF"}[name[2:]]
    save_all(tmp_path / name, kind, images(), **how)
    stack = read_stack(tmp_path / name)
    assert list(stack.names) == [f"{name} picture {k}" for k in (1, 2, 3, 4)]
    tolerance = 0 if name in ("a.webp", "a.png") else 25
    for read, frame in zip(stack, FRAMES, strict=True):
        assert np.abs(read.astype(int) - frame).mean() <= tolerance


def test_the_pictures_of_a_burst_are_frames(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    file = pillow_heif.HeifFile()
    for image in images():
        file.add_from_pillow(image)
    file.save(tmp_path / "a.heic", quality=95)
    stack = read_stack(tmp_path / "a.heic")
    assert len(stack) == 4
    assert np.abs(stack[3].astype(int) - FRAMES[3]).mean() < 15


def test_of_several_files_the_first_picture_is_used_and_said(tmp_path: Path) -> None:
    save_all(tmp_path / "f0.jpg", "MPO", images())
    for k in (1, 2):
        Image.fromarray(FRAMES[k]).save(tmp_path / f"f{k}.jpg")
    (note,) = inspect_stack(tmp_path).notes
    assert str(note) == "f0.jpg holds 4 full pictures, of which the first is used; give it alone to fuse them"
    assert note.frames == (0,)


def half(image: Image.Image) -> Image.Image:
    return image.resize((32, 24))


def with_gain_map(image: Image.Image) -> Image.Image:
    image.info["xmp"] = b'<x xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"/>'
    return image


@pytest.mark.parametrize("change", [half, with_gain_map])
def test_previews_and_gain_maps_are_no_pictures(tmp_path: Path, change: Callable[[Image.Image], Image.Image]) -> None:
    first, second = images()[:2]
    path = tmp_path / "a.jpg"
    save_all(path, "MPO", [first, second.resize((32, 24))])
    changed = change(second)
    changed.save(tmp_path / "b.jpg", "JPEG", xmp=changed.info.get("xmp", b""))
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"\xff\xd9") + 2] + (tmp_path / "b.jpg").read_bytes())
    (tmp_path / "b.jpg").unlink()
    with pytest.raises(StackError, match=r"1 frame given; .*a\.jpg is one JPEG picture of 64x48"):
        inspect_stack(path)


@pytest.mark.parametrize("name", ["a.webp", "a.png", "a.gif", "a.avif"])
def test_an_animation_among_others_is_counted(tmp_path: Path, name: str) -> None:
    save_all(tmp_path / name, name[2:].upper(), images())
    write_image(tmp_path / "f1.png", FRAMES[0])
    with pytest.raises(ReadError, match="is an animation of 4 pictures; expected one: give it alone"):
        inspect_stack(tmp_path)


def test_a_single_gif_is_a_picture(tmp_path: Path) -> None:
    flat = np.zeros((8, 8, 3), np.uint8)
    flat[2:5] = (200, 10, 30)
    Image.fromarray(flat).save(tmp_path / "a.gif")
    assert np.array_equal(read_image(tmp_path / "a.gif"), flat)


# --- planes along other axes ---------------------------------------------------------------------

PLANES = np.stack(focal_frames(48, 64, 6, gray=True, dtype="uint16"))


@pytest.mark.parametrize(("planar", "compression"), [("separate", None), ("contig", None), ("contig", "zlib")])
def test_samples_are_taken_for_planes(tmp_path: Path, planar: str, compression: str | None) -> None:
    stored = PLANES if planar == "separate" else np.moveaxis(PLANES, 0, -1).copy()
    tifffile.imwrite(tmp_path / "a.tif", stored, planarconfig=planar, photometric="minisblack", compression=compression)
    listing = inspect_stack(tmp_path / "a.tif")
    assert str(listing.notes[0]) == "a.tif has 6 samples a pixel: each is taken for a plane of a focal stack"
    assert np.array_equal(read_stack(listing).frames, PLANES)


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif"])
def test_channels_are_planes_if_that_is_asked_for(tmp_path: Path, name: str) -> None:
    is_ome = name.endswith(".ome.tif")
    tifffile.imwrite(tmp_path / name, PLANES, imagej=not is_ome, metadata={"axes": "CYX"})
    with pytest.raises(StackError, match=r"has 1 plane; .* --stack together takes them so"):
        inspect_stack(tmp_path / name)
    assert np.array_equal(read_stack(inspect_stack(tmp_path / name, "together")).frames, PLANES)


def test_one_channel_of_a_file_can_be_chosen(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.stack([PLANES, PLANES[::-1]], 1), imagej=True, metadata={"axes": "ZCYX"})
    for asked in (2, "channel 2"):
        assert np.array_equal(read_stack(inspect_stack(tmp_path / "a.tif", asked)).frames, PLANES[::-1])


def test_planes_along_the_last_axis_are_told(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.moveaxis(PLANES, 0, -1).copy(), photometric="minisblack")
    with pytest.raises(ReadError, match=r"48 pages of 6x64, which seem to be rows of 6 planes of 64x48"):
        inspect_stack(tmp_path / "a.tif")
    assert len(inspect_stack(tmp_path / "a.tif", "together")) == 48


def test_a_single_plane_is_said_to_be_one(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", picture(gray=True))
    with pytest.raises(StackError, match=r"1 frame given; .*a\.tif holds one TIFF picture of 48x32"):
        inspect_stack(tmp_path / "a.tif")
