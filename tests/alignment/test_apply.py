"""Applying an alignment: registered frames stay what they are, moved ones lie over the reference."""

import threading
from pathlib import Path

import numpy as np
import pytest

from allfocus import FusionOptions, fuse
from allfocus.alignment import (
    Alignment,
    AlignOptions,
    ExposureTransfer,
    apply_alignment,
    dump_transforms,
    estimate_alignment,
)
from allfocus.alignment.brightness import match_exposure
from allfocus.alignment.warp import find_seen, resample_by_matrix
from allfocus.core.color import Array, from_unit, to_unit
from allfocus.core.stack import FocalStack
from allfocus.errors import Cancelled
from allfocus.run.context import Run
from allfocus.run.scratch import Scratch
from moved_scenes import defocus, make_parameters, move_camera, scene
from pictures import focal_frames
from scenes import still_life, tilted_plane

MOVED = (180, 240)


@pytest.mark.slow
def test_registered_frames_stay_what_they_are() -> None:
    stacks = [
        tilted_plane(still_life(7), 5, 12.0),
        focal_frames(200, 300, 3),
        focal_frames(40, 30, 2, gray=True, dtype="uint16"),
        [from_unit(scene(), "uint8"), from_unit(defocus(scene(), 6), "uint8")],
    ]
    for frames in stacks:
        alignment = estimate_alignment(FocalStack(frames=frames))
        assert alignment.model == "none"
        assert not alignment.left_out
        assert not alignment.notes
        assert all(exposure.is_same for exposure in alignment.exposures)
        laid, area = apply_alignment(FocalStack(frames=frames), alignment)
        assert all(np.shares_memory(one, other) for one, other in zip(laid.frames, frames, strict=True))
        assert laid.frames[0].shape == frames[0].shape
        assert area == (slice(0, frames[0].shape[0]), slice(0, frames[0].shape[1]))


@pytest.mark.slow
def test_aligned_frames_give_nearly_the_picture_of_registered_ones(tmp_path: Path) -> None:
    steps = [frame[:, :240] for frame in tilted_plane(still_life(2), 5, 12.0)]
    moved_steps = []
    for k, frame in enumerate(steps):
        after, _ = move_camera(frame, make_parameters(0.012 * (k - 2), 0.4 * (k - 2), 0.006 * (k - 2), frame.shape[:2]))
        moved_steps.append(match_exposure(after, ExposureTransfer(gain=(1 + 0.04 * (k % 2),)), np.uint8))
    plain = fuse(steps, options=FusionOptions(method="laplacian", halos="keep", align="none"))
    loose = fuse(moved_steps, options=FusionOptions(method="laplacian", halos="keep", align="none", keep_canvas=True))
    found = fuse(moved_steps, options=FusionOptions(method="laplacian", halos="keep", keep_canvas=True))
    inner = slice(30, -30), slice(30, -30)

    def error(image: Array) -> float:
        return float(np.abs(to_unit(image)[inner] - to_unit(plain.image)[inner]).mean())

    assert error(found.image) < 0.25 * error(loose.image)
    assert not found.is_cropped
    assert found.alignment is not None
    transforms = tmp_path / "transforms.json"
    transforms.write_text(dump_transforms(found.alignment, found.names, steps[0].shape[:2]))
    cropped = fuse(moved_steps, options=FusionOptions(method="laplacian", halos="keep", transforms=transforms))
    assert cropped.is_cropped
    assert cropped.window is not None
    np.testing.assert_array_equal(cropped.image.shape[:2], [part.stop - part.start for part in cropped.window])


@pytest.mark.slow
def test_a_slight_motion_does_not_change_the_size_of_the_picture() -> None:
    frame = from_unit(scene(size=MOVED), "uint8")
    for shift, is_cropped in ((1.3, False), (6.0, True)):
        matrix = np.array([[1.0, 0, shift], [0, 1, -shift], [0, 0, 1]])
        stack = FocalStack(frames=[frame, resample_by_matrix(frame, np.linalg.inv(matrix))])
        alignment = estimate_alignment(stack, AlignOptions(reference=0))
        laid, area = apply_alignment(stack, alignment)
        assert (laid.frames[0].shape[:2] != MOVED) == is_cropped
        assert laid.frames[0].shape[:2] == tuple(part.stop - part.start for part in area)
        np.testing.assert_array_equal(laid.frames[0], frame[area])


def moved_stack() -> FocalStack:
    """Three frames of one scene, each shifted and brightened a little."""
    still = scene(size=MOVED)
    frames = [move_camera(still, [0.02 * k, -0.01 * k, 0.0, 0.01 * k])[0] * np.float32(1 - 0.1 * k) for k in range(3)]
    return FocalStack(frames=[from_unit(frame, "uint8") for frame in frames])


@pytest.fixture(scope="module")
def alignment() -> Alignment:
    """That of these frames."""
    return estimate_alignment(moved_stack(), AlignOptions(reference=0))


def test_workers_scratch_files_and_place_change_no_pixel(alignment: Alignment, tmp_path: Path) -> None:
    stack = moved_stack()
    expected, area = apply_alignment(stack, alignment)
    calls: list[tuple[str, int, int]] = []
    run = Run(workers=2, scratch=Scratch(tmp_path), progress=lambda *call: calls.append(call))
    in_files, _ = apply_alignment(stack, alignment, run)
    assert calls == [("warp", done, 3) for done in range(4)]
    untouched = [frame.copy() for frame in stack.frames]
    part = (slice(area[0].start + 5, area[0].stop - 40), slice(area[1].start + 30, area[1].stop - 7))
    cut, shown = apply_alignment(stack, alignment, area=part)
    assert shown == part
    for frame, before in zip(stack.frames, untouched, strict=True):
        np.testing.assert_array_equal(frame, before)
    in_place, _ = apply_alignment(stack, alignment, in_place=True)
    for k in range(3):
        assert np.shares_memory(in_place.frames[k], stack.frames[k])
        np.testing.assert_array_equal(in_files.frames[k], expected.frames[k])
        np.testing.assert_array_equal(in_place.frames[k], expected.frames[k])
        np.testing.assert_array_equal(cut.frames[k], expected.frames[k][5:-40, 30:-7])


def test_the_full_frame_is_filled_from_the_reference(alignment: Alignment) -> None:
    stack = moved_stack()
    kept, area = apply_alignment(stack, alignment, keep_canvas=True)
    assert area == (slice(0, MOVED[0]), slice(0, MOVED[1]))
    common, window = apply_alignment(stack, alignment)
    assert window != area
    for k in range(3):
        np.testing.assert_array_equal(kept.frames[k][window], common.frames[k])
    outside = ~find_seen(alignment.matrices[2], MOVED)
    assert outside.any()
    np.testing.assert_array_equal(kept.frames[2][outside], stack.frames[0][outside])


def test_a_cancelled_run_warps_nothing(alignment: Alignment) -> None:
    stack = moved_stack()
    cancelled = threading.Event()
    cancelled.set()
    before = [frame.copy() for frame in stack.frames]
    with pytest.raises(Cancelled):
        apply_alignment(stack, alignment, Run(cancelled=cancelled), in_place=True)
    for frame, unchanged in zip(stack.frames, before, strict=True):
        np.testing.assert_array_equal(frame, unchanged)
