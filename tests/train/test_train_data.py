from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from allfocus.errors import ReadError
from allfocus.train import data
from allfocus.train.config import DataConfig
from allfocus.train.data import CropSampler, hold_back, mirrored, prepare, read_photos
from allfocus.train.files import find_photos

RNG = np.random.default_rng(5)
PHOTO = RNG.integers(0, 256, (72, 80, 3), np.uint8)


def save(path: Path, image: np.ndarray = PHOTO) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.startswith(".tif"):
        tifffile.imwrite(path, image, photometric="rgb")
    else:
        Image.fromarray(image).save(path)
    return path


def test_photos_are_found_recursively_once_and_in_order(tmp_path: Path) -> None:
    one = save(tmp_path / "b.png")
    two = save(tmp_path / "a" / "c.webp")
    three = save(tmp_path / "a" / "deep" / "d.JPG")
    four = save(tmp_path / "x.tiff")
    (tmp_path / "notes.txt").write_text("no photo")
    save(tmp_path / ".hidden.png")
    found = find_photos([tmp_path, one])
    assert found == [two, three, one, four]
    assert find_photos([one, tmp_path]) == [one, two, three, four]


def test_a_named_file_is_taken_whatever_its_ending(tmp_path: Path) -> None:
    (tmp_path / "photo.dat").write_bytes(save(tmp_path / "photo.png").read_bytes())
    assert find_photos([tmp_path / "photo.dat"]) == [tmp_path / "photo.dat"]


def test_all_kinds_become_rgb_of_8_bits(tmp_path: Path) -> None:
    save(tmp_path / "1.png")
    save(tmp_path / "2.png", PHOTO[..., 0])
    save(tmp_path / "3.tif", PHOTO.astype(np.uint16) * 257)
    save(tmp_path / "4.tif", (PHOTO / 255).astype(np.float32))
    photos = read_photos([tmp_path], 32)
    assert photos.names == ("1.png", "2.png", "3.tif", "4.tif")
    assert photos.skipped == ()
    gray = np.repeat(PHOTO[..., :1], 3, axis=2)
    for image, expected in zip(photos.images, [PHOTO, gray, PHOTO, PHOTO], strict=True):
        assert image.dtype == np.uint8
        np.testing.assert_array_equal(image, expected)


def test_unreadable_files_are_listed_and_skipped(tmp_path: Path) -> None:
    save(tmp_path / "good.png")
    (tmp_path / "bad.jpg").write_bytes(b"no picture at all")
    whole = save(tmp_path / "cut.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    save(tmp_path / "nan.tif", np.full((40, 40, 3), np.nan, np.float32))
    seen: list[tuple[int, int]] = []
    photos = read_photos([tmp_path], 32, lambda stage, done, total: seen.append((done, total)))
    assert photos.names == ("good.png",)
    assert [next(name for name in ("bad", "cut", "nan") if name in line) for line in photos.skipped] == [
        "bad",
        "cut",
        "nan",
    ]
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="no photos"):
        read_photos([tmp_path], 32)
    with pytest.raises(ReadError, match=r"missing\.png does not exist"):
        read_photos([tmp_path / "missing.png"], 32)
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    with pytest.raises(ReadError, match=r"none of the 1 files.*bad\.jpg"):
        read_photos([tmp_path], 32)


@given(height=st.integers(1, 70), width=st.integers(1, 70))
@settings(max_examples=25, deadline=None)
def test_small_photos_are_continued_by_their_mirror_image(height: int, width: int) -> None:
    photo = PHOTO[:height, :width]
    grown = mirrored(photo, 32)
    assert grown.shape == (max(32, height), max(32, width), 3)
    top, left = (grown.shape[0] - height) // 2, (grown.shape[1] - width) // 2
    np.testing.assert_array_equal(grown[top : top + height, left : left + width], photo)
    if top:
        np.testing.assert_array_equal(grown[top - 1], grown[top])


def test_photos_above_their_share_of_memory_are_reduced() -> None:
    small = prepare(PHOTO, 32, PHOTO.nbytes // 2)
    assert small.nbytes <= PHOTO.nbytes // 2
    assert small.shape[1] / small.shape[0] == pytest.approx(80 / 72, rel=0.03)
    assert prepare(PHOTO, 32, PHOTO.nbytes) is PHOTO


def test_licences_of_a_manifest_beside_the_folder_are_counted(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png", "d.png"):
        save(tmp_path / "photos" / name)
    (tmp_path / "photos_manifest.csv").write_text("file,licence\na.png,CC0\nb.png,CC-BY-4.0\nc.png,CC0\nz.png,none\n")
    assert read_photos([tmp_path / "photos"], 32).licences == {"CC0": 2, "CC-BY-4.0": 1}
    assert read_photos([tmp_path / "photos" / "d.png"], 32).licences == {}


def test_batches_depend_on_nothing_but_seed_and_number() -> None:
    config = DataConfig(crop=32)
    other = RNG.integers(0, 256, (50, 33, 3), np.uint8)
    sampler = CropSampler([PHOTO, other], config, 7)
    third = sampler.batch(3, 2)
    assert third.shape == (2, 3, 3, 32, 32)
    assert third.dtype.is_floating_point
    assert third.min() >= 0
    assert third.max() <= 1
    assert CropSampler([PHOTO, other], config, 7).batch(3, 2).equal(third)
    assert not sampler.batch(4, 2).equal(third)
    assert not CropSampler([PHOTO, other], config, 8).batch(3, 2).equal(third)


def test_without_jitter_crops_are_pieces_of_the_photo() -> None:
    sampler = CropSampler([PHOTO], DataConfig(crop=32, scale_min=1.0, flips=False), 1)
    for crop in np.rint(sampler.batch(0, 2).numpy().reshape(6, 3, 32, 32) * 255).transpose(0, 2, 3, 1):
        places = np.argwhere((crop[0, 0].astype(np.uint8) == PHOTO).all(2))
        assert any(np.array_equal(PHOTO[y : y + 32, x : x + 32], crop) for y, x in places)


def test_a_photo_just_as_large_as_the_crop_is_enough() -> None:
    assert CropSampler([PHOTO[:32, :32]], DataConfig(crop=32, scale_min=0.1), 1).batch(0, 3).shape == (3, 3, 3, 32, 32)

    assert CropSampler([PHOTO], DataConfig(crop=32), 1).batch(0, 2, 24).shape == (2, 3, 3, 24, 24)


@given(count=st.integers(10, 60), share=st.floats(0.01, 0.5), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_held_back_photos_are_not_trained_on(count: int, share: float, seed: int) -> None:
    photos = [np.full((1, 1, 3), k, np.uint8) for k in range(count)]
    learning, measuring = ({int(photo[0, 0, 0]) for photo in part} for part in hold_back(photos, share, seed))
    assert not learning & measuring
    assert learning | measuring == set(range(count))
    assert len(measuring) == max(1, round(share * count))


def test_few_photos_serve_both() -> None:
    photos = [PHOTO] * (data.ENOUGH_TO_SHARE - 1)
    learning, measuring = hold_back(photos, 0.5, 1)
    assert len(learning) == len(measuring) == len(photos)
