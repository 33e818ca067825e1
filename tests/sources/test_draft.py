"""Drafts: frames read at a reduced size, and what says so."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import allfocus
from allfocus.core.color import Array
from allfocus.core.stack import FrameInfo
from allfocus.errors import AllFocusError, OptionError
from allfocus.formats.pixels import reduced_by
from allfocus.formats.read import read_picture
from allfocus.io import read_metadata, write_image
from allfocus.jobs import Job, JobRequest
from allfocus.outputs.wishes import Outputs
from allfocus.sources.draft import ALL, ONE, draft_size, shrink
from allfocus.sources.inspect import inspect_stack, read_stack
from allfocus.sources.open import open_source
from pictures import focused_pair, picture

HEIGHT, WIDTH = 700, 1200


def frames(height: int = HEIGHT, width: int = WIDTH, dtype: str = "uint8") -> tuple[Array, Array]:
    """A focused pair whose detail outlives being reduced."""
    coarse = picture(height // 10, width // 10, dtype=dtype)
    return focused_pair(np.repeat(np.repeat(coarse, 10, axis=0), 10, axis=1)[:height, :width])


def write_frames(folder: Path, suffix: str = ".jpg") -> list[Path]:
    """The pair in files."""
    paths = [folder / f"img{k}{suffix}" for k in (1, 2)]
    for path, frame in zip(paths, frames(), strict=True):
        write_image(path, frame)
    return paths


def test_sizes_of_drafts_are_bounded() -> None:
    def area(height: int, width: int, count: int) -> int:
        return int(np.prod(draft_size(FrameInfo(shape=(height, width), dtype=np.dtype(np.uint8)), count)))

    assert area(300, 400, 2) == 300 * 400
    assert area(4000, 6000, 2) == pytest.approx(ONE, rel=0.01)
    assert area(4000, 6000, 100) == pytest.approx(ALL / 100, rel=0.02)
    assert area(1, 10_000_000, 2) >= 1


@pytest.mark.parametrize(("factor", "size"), [(1, (700, 1200)), (3, (350, 600)), (4, (175, 300)), (64, (88, 150))])
def test_jpeg_is_decoded_at_a_reduced_size(tmp_path: Path, factor: int, size: tuple[int, int]) -> None:
    path = write_frames(tmp_path)[0]
    with reduced_by(factor):
        found = read_picture(path)
    assert found.shape[:2] == size
    assert found.mean() == pytest.approx(read_picture(path).mean(), abs=1)


def test_a_jpeg_on_its_side_is_turned_at_a_reduced_size(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(frames()[0]).save(tmp_path / "turned.jpg", exif=exif)
    with reduced_by(2):
        assert read_picture(tmp_path / "turned.jpg").shape == (600, 350, 3)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_draft_is_a_small_picture_that_says_so(tmp_path: Path, suffix: str) -> None:
    paths = write_frames(tmp_path, suffix)
    result = allfocus.fuse(paths, draft=True, method="laplacian", align="none")
    height, width = result.image.shape[:2]
    assert height * width <= ONE * 1.01 and width / height == pytest.approx(WIDTH / HEIGHT, rel=0.01)
    assert (result.index_map[:, : width // 3] == 0).mean() > 0.9 and (
        result.index_map[:, -width // 3 :] == 1
    ).mean() > 0.9
    note = next(note for note in result.notes if note.code == "draft")
    assert f"{width}x{height}" in str(note) and "1200x700" in str(note)
    allfocus.save(result, tmp_path / "out.jpg")
    assert b"draft, reduced from 1200x700, fused from 2 frames" in (read_metadata(tmp_path / "out.jpg").exif or b"")


@pytest.mark.slow
def test_a_draft_shows_what_the_picture_shows(tmp_path: Path) -> None:
    paths = write_frames(tmp_path)
    whole = allfocus.fuse(paths, method="laplacian", align="none", halos="keep").image
    draft = allfocus.fuse(paths, method="laplacian", align="none", draft=True).image
    assert np.abs(shrink(whole, draft.shape[:2]).astype(float) - draft).mean() < 4


def test_a_draft_of_small_frames_is_of_their_size() -> None:
    result = allfocus.fuse(list(focused_pair(picture())), draft=True, method="laplacian")
    assert result.image.shape == (32, 48, 3)
    assert "small copies" not in str(next(note for note in result.notes if note.code == "draft"))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["int32", "float64"])
def test_arrays_of_other_numbers_have_drafts(dtype: str) -> None:
    pair = [frame.astype(dtype) for frame in frames(dtype="uint8")]
    result = allfocus.fuse(pair, draft=True, method="laplacian", align="none")
    whole = allfocus.fuse(pair, method="laplacian", align="none")
    assert result.image.dtype == whole.image.dtype and result.image.shape[0] < HEIGHT
    assert result.image.mean() == pytest.approx(whole.image.mean(), rel=0.02)


@pytest.mark.slow
def test_what_is_not_covered_stays_so_in_a_draft() -> None:
    near, far = (frame.astype(np.float32) / 255 for frame in frames())
    near[:, :300] = np.nan
    result = allfocus.fuse([near, far], draft=True, method="laplacian", align="none", keep_canvas=True)
    assert (result.index_map[:, : result.image.shape[1] // 5] == 1).all() and np.isfinite(result.image).all()


def test_cropped_frames_are_cropped_in_full_before_they_are_reduced(tmp_path: Path) -> None:
    near, far = frames()
    write_image(tmp_path / "a.jpg", near)
    write_image(tmp_path / "b.jpg", far[:-6, :-6])
    stack = read_stack(open_source(tmp_path, draft=True))  # type: ignore[arg-type]
    whole = read_stack(inspect_stack(tmp_path))
    for small, frame in zip(stack.frames, whole.frames, strict=True):
        assert np.abs(shrink(frame, small.shape[:2]).astype(float) - small).mean() < 3


def test_pixels_of_a_draft_are_larger(tmp_path: Path) -> None:
    from allfocus.sources.colours import read_frame_metadata

    exif = Image.Exif()
    exif[0x011A], exif[0x011B], exif[0x0128] = 300.0, 300.0, 2
    for k, frame in enumerate(frames()):
        Image.fromarray(frame).save(tmp_path / f"{k}.jpg", exif=exif)
    listing = open_source(tmp_path, draft=True)
    dpi = read_frame_metadata(listing, 0).dpi  # type: ignore[arg-type]
    assert dpi is not None and dpi[0] == pytest.approx(300 * listing.frame.size[1] / WIDTH, rel=0.01)


@pytest.mark.slow
def test_planes_of_a_volume_are_reduced_and_their_pixels_enlarged(tmp_path: Path) -> None:
    import tifffile

    planes = np.stack([np.stack([frame[..., c] for frame in frames()]) for c in (0, 1)], axis=1)  # Z, C, Y, X
    meta = {"axes": "ZCYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    tifffile.imwrite(tmp_path / "v.ome.tif", planes, ome=True, metadata=meta)
    result = allfocus.fuse_volume(tmp_path / "v.ome.tif", draft=True, method="laplacian", align="none")
    width = result.images.shape[-1]
    assert width < WIDTH and result.volume.pixel_size is not None
    assert result.volume.pixel_size[0] == pytest.approx(0.5 * WIDTH / width)
    assert any("draft" in str(note) for note in result.notes)


def test_what_a_draft_can_not_have_is_refused(tmp_path: Path) -> None:
    paths = write_frames(tmp_path)
    with pytest.raises(OptionError, match="draft: transforms"):
        allfocus.FusionOptions(draft=True, transforms=tmp_path / "t.json")
    outputs = Outputs(image=tmp_path / "o.png", save_transforms=tmp_path / "t.json")
    with pytest.raises(AllFocusError, match="save-transforms"):
        Job(JobRequest(frames=tuple(paths), outputs=outputs, options=allfocus.FusionOptions(draft=True))).check()
