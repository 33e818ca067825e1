"""Numbers of all types through a fusion: computed on as values, given back as numbers of the same type and range."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import tifffile

from allfocus import FusionOptions, Outputs, StackError, fuse
from allfocus.core.color import Array
from allfocus.jobs import Job, JobRequest
from allfocus.sources.inspect import read_stack
from allfocus.sources.open import open_source
from pictures import focal_frames

#: For each type, the numbers that black and white of a scene become.
RANGES = {
    "int8": (-100, 127),
    "int16": (-2500, 3400),
    "int32": (-70_000, 90_000),
    "uint32": (0, 1_000_000),
    "float16": (-3, 700),
    "float32": (120, 4020),
    "float64": (-0.5, 0.5),
}


def numbers(dtype: str, low: float, high: float) -> list[Array]:
    """Three frames of a scene in numbers of this type."""
    scene = focal_frames(48, 96, 3, gray=True, dtype="float32")
    scaled = [low + frame.astype(np.float64) * (high - low) for frame in scene]
    return [(np.rint(frame) if dtype[0] in "iu" else frame).astype(dtype) for frame in scaled]


def write_pages(path: Path, frames: list[Array]) -> Path:
    """A TIFF file of these pages."""
    tifffile.imwrite(path, np.stack(frames), photometric="minisblack")
    return path


@pytest.mark.parametrize("dtype", RANGES)
def test_files_of_all_types_are_fused_to_the_same_numbers(tmp_path: Path, dtype: str) -> None:
    frames = numbers(dtype, *RANGES[dtype])
    write_pages(tmp_path / "a.tif", frames)
    result = fuse(tmp_path / "a.tif", method="laplacian", align="none", compose="hard")
    picked = np.take_along_axis(np.stack(frames), result.index_map[None].astype(int), axis=0)[0]
    assert result.image.dtype == dtype
    tolerance = 0 if dtype[0] in "iu" else 1e-6 * max(map(abs, RANGES[dtype]))
    assert np.abs(result.image.astype(float) - picked.astype(float)).max() <= tolerance
    plain = fuse(numbers("float32", 0, 1), method="laplacian", align="none", compose="hard")
    assert (plain.index_map == result.index_map).mean() > 0.97
    assert [note.code for note in result.notes if note.code == "sample-type"] == ["sample-type"] * (dtype != "float32")


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "float32"])
def test_arrays_come_back_in_their_own_numbers_and_stay_unchanged(dtype: str) -> None:
    frames = numbers(dtype, *RANGES[dtype])
    before = [frame.copy() for frame in frames]
    result = fuse(frames, method="laplacian", align="translation")
    assert result.image.dtype == dtype
    assert result.image.min() < RANGES[dtype][0] + 0.2 * (RANGES[dtype][1] - RANGES[dtype][0])
    assert all(np.array_equal(frame, other) for frame, other in zip(frames, before, strict=True))


def test_values_of_a_stack_lie_between_0_and_1() -> None:
    stack = open_source(numbers("float32", -300, 4020))
    assert all(frame.min() >= 0 and frame.max() <= 1 for frame in stack)


def test_ordinary_floats_are_not_touched() -> None:
    frames = [np.ascontiguousarray(frame) for frame in numbers("float32", 0, 1)]
    assert all(frame is other for frame, other in zip(open_source(frames), frames, strict=True))


# --- pixels without a value ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("align", "scale", "mark"),
    [
        *product(["none"], [1, 4000], [np.nan, np.inf, -np.inf, -3.4028235e38, 1e30]),
        pytest.param("translation", 4000, np.nan, marks=pytest.mark.slow),
        pytest.param("translation", 1, -3.4028235e38, marks=pytest.mark.slow),
    ],
)
def test_pixels_without_a_value_are_never_chosen(tmp_path: Path, align: str, scale: float, mark: float) -> None:
    frames = numbers("float32", 0, scale)
    frames[1][10:30, 40:60] = mark
    frames[0][:, :5], frames[1][:, :5], frames[2][:, :5] = mark, mark, mark
    write_pages(tmp_path / "a.tif", frames)
    for given in (tmp_path / "a.tif", frames):
        result = fuse(given, method="laplacian", align=align, keep_canvas=True, halos="keep")
        assert np.isnan(result.image[:, :5]).all()
        assert np.isfinite(result.image[:, 5:]).all()
        assert np.abs(result.image[:, 5:]).max() < 1.2 * scale
        assert not (result.index_map[12:28, 42:58] == 1).any()
        (note,) = [note for note in result.notes if note.code == "partly-covered"]
        assert note.frames == (0, 1, 2) and "NaN" in note.message
        cropped = fuse(given, method="laplacian", align=align, halos="keep")
        assert cropped.image.shape[1] <= 91 and np.isfinite(cropped.image).all()


def test_missing_values_move_with_their_frame() -> None:
    frames = numbers("float32", 0, 1)
    wide = [np.pad(frame, 8, mode="reflect") for frame in frames]
    moved = [wide[0][8:-8, 8:-8], wide[1][8:-8, 8:-8], wide[2][8:-8, 4:-12]]
    moved[2][20:30, 70:80] = np.nan  # in the pixels of the others at columns 66 to 76
    result = fuse(moved, method="laplacian", align="translation", reference=1, keep_canvas=True)
    assert result.alignment is not None and abs(result.alignment.matrices[2][0, 2] - 4) < 0.5
    assert np.isfinite(result.image).all()
    assert not (result.index_map[21:29, 67:75] == 2).any()


def test_files_hold_nan_where_no_frame_has_a_value(tmp_path: Path) -> None:
    frames = numbers("float64", 0, 900)
    for frame in frames:
        frame[:, :5] = np.nan
    request = JobRequest(
        frames=[write_pages(tmp_path / "a.tif", frames)],
        outputs=Outputs(image=tmp_path / "out.tif"),
        options=FusionOptions(method="laplacian", align="none", keep_canvas=True),
    )
    Job(request).run()
    found = tifffile.imread(tmp_path / "out.tif")
    assert found.dtype == np.float64 and np.isnan(found[:, :5]).all() and np.isfinite(found[:, 5:]).all()


def test_a_stack_of_nothing_is_refused() -> None:
    with pytest.raises(StackError, match="shows nothing"):
        fuse([np.full((16, 16), np.nan, np.float32)] * 2)


def test_read_stack_says_what_its_values_stand_for(tmp_path: Path) -> None:
    stack = read_stack(write_pages(tmp_path / "a.tif", numbers("int16", -2500, 3400)))
    assert stack.samples is not None and stack.dtype == np.uint16
    assert np.array_equal(stack.numbers(1), numbers("int16", -2500, 3400)[1])
