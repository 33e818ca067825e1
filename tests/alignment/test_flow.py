"""Optical flow: parallax is corrected, flat areas stay straight."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from allfocus.alignment import AlignOptions, apply_alignment, dump_transforms, estimate_alignment, load_transforms
from allfocus.core.color import Array, from_unit
from allfocus.core.stack import FocalStack
from moved_scenes import SIZE, scene
from scenes import still_life, tilted_plane


def parallax_pair() -> tuple[list[Array], Array]:
    """A scene whose left half is nearer: in the second frame that half has moved by 4 pixels more; and where it did."""
    far, near = scene(3), scene(8)
    share = np.clip((200 - np.arange(SIZE[1], dtype=np.float32)) / 40, 0, 1)[None, :, None]
    x, y = np.meshgrid(np.arange(SIZE[1], dtype=np.float32), np.arange(SIZE[0], dtype=np.float32))
    mixed = far * (1 - share) + near * share
    other = cv2.remap(mixed, x - 4 * share[..., 0], y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return [from_unit(mixed, "uint8"), from_unit(other, "uint8")], 4 * np.repeat(share[..., 0], SIZE[0], axis=0)


@pytest.mark.slow
def test_parallax_is_found_place_by_place_if_that_is_wanted(tmp_path: Path) -> None:
    frames, _ = parallax_pair()
    stack = FocalStack(frames=frames)

    def error(wanted: AlignOptions) -> float:
        alignment = estimate_alignment(stack, wanted)
        laid, _ = apply_alignment(stack, alignment, keep_canvas=True)
        inner = slice(20, -20), slice(20, -20)
        return float(np.abs(laid.frames[1][inner].astype(float) - laid.frames[0][inner]).mean())

    whole = AlignOptions(reference=0, model="similarity", exposure="keep")
    assert error(AlignOptions(reference=0, model="similarity", exposure="keep", refine=True)) < 0.5 * error(whole)
    refined = estimate_alignment(stack, AlignOptions(reference=0, refine=True))
    path = tmp_path / "t.json"
    path.write_text(dump_transforms(refined, stack.names, SIZE))
    again = load_transforms(path, 2, SIZE)
    assert again.flows[0] is None
    assert refined.flows[1] is not None
    assert again.flows[1] is not None
    np.testing.assert_array_equal(again.flows[1], refined.flows[1])


@pytest.mark.slow
def test_nothing_bends_where_nothing_says_so() -> None:
    flat = np.full((150, 200, 3), 120, np.uint8)
    flat[:, 90:110] = 20  # a straight post, the same in both, before nothing
    registered = [frame[:, :160] for frame in tilted_plane(still_life(7), 3, 12.0)]
    for frames in ([flat, flat.copy()], registered):
        found = estimate_alignment(FocalStack(frames=frames), AlignOptions(refine=True))
        assert all(field is None or np.abs(field).max() < 0.6 for field in found.flows)
