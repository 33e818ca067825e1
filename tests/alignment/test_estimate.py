"""Estimating an alignment: known motions are found, useless frames are named."""

import threading
from itertools import product

import cv2
import numpy as np
import pytest

from allfocus import FusionOptions, fuse
from allfocus.alignment import DEGREES_OF_FREEDOM, AlignOptions, ExposureTransfer, comparison, estimate_alignment
from allfocus.alignment.brightness import match_exposure
from allfocus.alignment.motion import measure_displacement
from allfocus.core.color import from_unit, to_unit
from allfocus.core.stack import FocalStack
from allfocus.errors import AlignmentError, Cancelled
from allfocus.run.context import Run
from moved_scenes import SIZE, make_parameters, move_camera, scene
from pictures import focal_frames
from scenes import still_life, tilted_plane

#: Height and width that are enough to find a motion to a tenth of a pixel.
SMALL = (150, 200)


@pytest.mark.parametrize(
    ("scale", "degrees", "shift", "blur"),
    [
        (-0.07, -2.0, 0.03, 1.5),
        (0.07, 2.0, -0.03, 0.0),
        *(
            pytest.param(*warp, 1.5, marks=pytest.mark.slow)
            for warp in product((-0.07, 0.03, 0.07), (-2.0, 2.0), (-0.03, 0.03))
            if warp != (-0.07, -2.0, 0.03)
        ),
    ],
)
def test_a_known_warp_is_recovered(scale: float, degrees: float, shift: float, blur: float) -> None:
    frame = scene(size=SMALL)
    after, matrix = move_camera(frame, make_parameters(scale, degrees, shift, SMALL))
    if blur:
        after = to_unit(from_unit(cv2.GaussianBlur(after, (0, 0), blur), "uint8"))
    found = estimate_alignment(FocalStack(frames=[frame, after]), AlignOptions(reference=0))
    assert found.model == "similarity"
    assert measure_displacement(found.matrices[1], matrix, SMALL).mean() < 0.1


def test_fewer_points_find_a_motion_roughly(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = scene(size=SMALL)
    after, matrix = move_camera(frame, make_parameters(0.03, 2.0, 0.03, SMALL))
    monkeypatch.setattr("allfocus.alignment.estimate.FEW_POINTS", 300)
    compared = []
    choose = comparison.choose_points
    monkeypatch.setattr(comparison, "choose_points", lambda *given: compared.append(given[1]) or choose(*given))
    found = estimate_alignment(
        FocalStack(frames=[frame, after]), AlignOptions(model="similarity", reference=0, roughly=True)
    )
    assert max(compared) == 300
    assert measure_displacement(found.matrices[1], matrix, SMALL).mean() < 0.35


@pytest.mark.slow
def test_a_chain_of_warps_in_a_receding_scene_is_recovered() -> None:
    steps = tilted_plane(still_life(3), 6, 12.0)
    size = steps[0].shape[:2]
    after = [
        move_camera(frame, make_parameters(0.01 * (k - 3), 0.3 * (k - 3), 0.004 * (3 - k), size))
        for k, frame in enumerate(steps)
    ]
    found = estimate_alignment(FocalStack(frames=[frame for frame, _ in after]))
    assert (found.model, found.reference) == ("similarity", 3)
    for matrix, (_, expected) in zip(found.matrices, after, strict=True):
        assert measure_displacement(matrix, expected, size).mean() < 0.15


@pytest.mark.slow
@pytest.mark.parametrize("model", ["translation", "similarity", "affine", "homography"])
def test_the_simplest_model_that_explains_the_motion_is_found(model: str) -> None:
    frame = scene(5)
    freedom = list(DEGREES_OF_FREEDOM.values())[list(DEGREES_OF_FREEDOM).index(model)]  # type: ignore[arg-type]
    numbers = [0.02, -0.015, 0.02, 0.02, 0.02, -0.02, 0.04, -0.04][:freedom]
    after, matrix = move_camera(frame, numbers)
    found = estimate_alignment(FocalStack(frames=[frame, after]), AlignOptions(reference=0))
    assert found.model == model
    assert measure_displacement(found.matrices[1], matrix, SIZE).mean() < 0.15


@pytest.mark.slow
def test_useless_frames_are_named_and_left_out_unless_all_are_wanted() -> None:
    frames = [frame[32:224, :160] for frame in tilted_plane(still_life(4), 5, 12.0)]
    size = frames[0].shape[:2]
    other_scene = from_unit(scene(9, size), "uint8")
    bumped = cv2.blur(frames[2], (25, 3))
    flash = match_exposure(frames[1], ExposureTransfer(gain=(0.3,)), np.uint8)
    spoiled = [*frames[:2], other_scene, frames[2], bumped, flash, *frames[3:]]
    result = fuse(spoiled, options=FusionOptions(method="laplacian", halos="keep"))
    found = result.alignment
    assert found is not None
    assert set(found.left_out) == {2, 4, 5}
    for position, word in ((2, "scene"), (4, "blurred by a motion"), (5, "exposed")):
        assert word in found.left_out[position]
    assert set(np.unique(result.index_map)) <= {0, 1, 3, 6, 7}
    assert sum("left out" in str(note) for note in result.notes) == 3
    names = [f"img{k}.png" for k in range(8)]
    kept = estimate_alignment(FocalStack(frames=spoiled, names=names), AlignOptions(keep_all=True))
    assert not kept.left_out
    assert len(kept.notes) == 3
    assert [(note.code, note.frames) for note in kept.notes] == [("frame-kept-although", (k,)) for k in (2, 4, 5)]
    for note, position in zip(kept.notes, (2, 4, 5), strict=True):
        assert note.message == f"img{position}.png was kept although {found.left_out[position]}"


@pytest.mark.slow
def test_frames_of_two_scenes_are_fused_unaligned_and_a_note_says_so() -> None:
    frames = [from_unit(scene(seed, SMALL), "uint8") for seed in (1, 2)]
    result = fuse(frames, options=FusionOptions(method="laplacian", halos="keep"))
    assert any("alignment skipped: no two frames match (1 of 2)" in str(note) for note in result.notes)
    assert result.image.shape == frames[0].shape


@pytest.mark.parametrize("position", [-1, 3, 7])
@pytest.mark.parametrize("size", [(64, 96), (12, 12)])
def test_a_reference_beyond_the_stack_is_refused(position: int, size: tuple[int, int]) -> None:
    words = rf"reference {position}: expected a frame from 1 to 3, by its position counted from 0: 0 to 2$"
    with pytest.raises(AlignmentError, match=words):
        estimate_alignment(FocalStack(frames=focal_frames(*size, 3)), AlignOptions(reference=position))


@pytest.mark.slow
def test_a_reference_that_matches_no_other_frame_is_refused_by_name() -> None:
    frames = [from_unit(scene(seed, (96, 128)), "uint8") for seed in (1, 1, 2)]
    stack = FocalStack(frames=frames, names=["a.png", "b.png", "c.png"])
    with pytest.raises(AlignmentError, match=r"reference c\.png \(frame 3\): expected .*, found .*; choose another"):
        estimate_alignment(stack, AlignOptions(reference=2))
    assert estimate_alignment(stack, AlignOptions(reference=0)).reference == 0


def test_tiny_frames_are_not_registered_and_keep_their_reference() -> None:
    found = estimate_alignment(FocalStack(frames=focal_frames(12, 12, 3)), AlignOptions(reference=2))
    assert (found.model, found.reference, found.left_out) == ("none", 2, {})


@pytest.mark.slow
def test_workers_change_nothing_and_progress_is_reported_by_frame() -> None:
    stack = FocalStack(frames=[move_camera(scene(size=SMALL), [0.01 * k, 0.0])[0] for k in range(4)])
    calls: list[tuple[str, int, int]] = []
    several = Run(workers=3, progress=lambda *call: calls.append(call))
    alone, together = estimate_alignment(stack), estimate_alignment(stack, run=several)
    np.testing.assert_array_equal(alone.matrices, together.matrices)
    assert calls == [("align", done, 4) for done in range(5)]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_cancelled_run_ends_at_once(workers: int) -> None:
    cancelled = threading.Event()
    cancelled.set()
    stack = FocalStack(frames=focal_frames(64, 96, 3))
    with pytest.raises(Cancelled):
        estimate_alignment(stack, run=Run(workers=workers, cancelled=cancelled))
