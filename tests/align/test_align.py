"""Registration: known motions are found, frames that lie over each other stay, useless ones are named."""

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from allfocus import FusionOptions, fuse
from allfocus.align import Wanted, dump_transforms, estimate_alignment, lay_over, load_transforms
from allfocus.align.lanczos import can_resample, resample
from allfocus.align.motion import FREEDOM, Matrix, displacement, from_pixels, in_pixels, motion_of, moved, velocities
from allfocus.align.photometric import Tone, brightened, tone_table
from allfocus.align.warp import common_area, laid_over, resampled, seen
from allfocus.core.color import Array, from_unit, linear_to_srgb, srgb_to_linear, to_unit
from allfocus.core.stack import FocalStack
from allfocus.errors import AlignmentError, ConfigError
from allfocus.io import read_image, write_image
from conftest import Cli
from pictures import focal_frames
from test_robustness import still_life, tilted_plane

SIZE = (300, 400)


def scene(seed: int = 1, size: tuple[int, int] = SIZE) -> Array:
    """Detail at every scale, smooth enough to be resampled without loss; float32, 0.1 to 0.9."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(*size, 3)).astype(np.float32)
    layers = [cv2.GaussianBlur(noise, (0, 0), sigma) * sigma for sigma in (1.2, 3, 8, 20)]
    texture = sum(layers)
    assert not isinstance(texture, int)
    return (0.5 + 0.12 * texture / texture.std()).clip(0.1, 0.9).astype(np.float32)


def seen_after(frame: Array, numbers: list[float]) -> tuple[Array, Matrix]:
    """The frame after a motion of the camera, and the matrix from its own pixels to those after."""
    matrix = in_pixels(motion_of(numbers), frame.shape[:2])
    return resampled(frame, np.linalg.inv(matrix)), matrix


def out_of_focus(frame: Array, sigma: float) -> Array:
    """Blurred as a lens does it: light is spread."""
    return linear_to_srgb(cv2.GaussianBlur(srgb_to_linear(frame), (0, 0), sigma))


def numbers_of(scale: float, degrees: float, shift: float, size: tuple[int, int] = SIZE) -> list[float]:
    """Generators' numbers for a growth, a turn and a shift, as shares of the picture's sides."""
    half = np.hypot(*size) / 2
    return [shift * size[1] / half, -shift * size[0] / half, np.deg2rad(degrees), np.log1p(scale)]


@given(st.lists(st.floats(-0.2, 0.2), min_size=1, max_size=8))
def test_motions_are_undone_by_their_opposites(numbers: list[float]) -> None:
    there, back = motion_of(numbers), motion_of([-number for number in numbers])
    np.testing.assert_allclose(there @ back / (there @ back)[2, 2], np.eye(3), atol=1e-9)
    np.testing.assert_allclose(from_pixels(in_pixels(there, SIZE), SIZE), there, atol=1e-9)


@pytest.mark.parametrize("generator", range(8))
def test_velocities_are_the_derivative_of_the_motion(generator: int) -> None:
    points = np.random.default_rng(0).uniform(-0.7, 0.7, (20, 2)).astype(np.float32)
    step = 1e-4
    numbers = [0.0] * 8
    numbers[generator] = step
    found = (moved(motion_of(numbers), points) - points) / step
    np.testing.assert_allclose(velocities(points, 8)[:, generator], found, atol=1e-3)


@pytest.mark.parametrize("scale", [-0.07, 0.03, 0.07])
@pytest.mark.parametrize("degrees", [-2.0, 2.0])
@pytest.mark.parametrize("shift", [-0.03, 0.03])
def test_a_known_warp_is_recovered(scale: float, degrees: float, shift: float) -> None:
    frame = scene()
    after, matrix = seen_after(frame, numbers_of(scale, degrees, shift))
    blurred = to_unit(from_unit(cv2.GaussianBlur(after, (0, 0), 1.5), "uint8"))
    for other in (after, blurred):
        found = estimate_alignment(FocalStack(frames=[frame, other]), Wanted(reference=0))
        assert found.model == "similarity"
        assert displacement(found.matrices[1], matrix, SIZE).mean() < 0.1


def test_a_chain_of_warps_in_a_receding_scene_is_recovered() -> None:
    steps = tilted_plane(still_life(3), 6, 12.0)
    size = steps[0].shape[:2]
    after = [
        seen_after(frame, numbers_of(0.01 * (k - 3), 0.3 * (k - 3), 0.004 * (3 - k), size))
        for k, frame in enumerate(steps)
    ]
    found = estimate_alignment(FocalStack(frames=[frame for frame, _ in after]))
    assert (found.model, found.reference) == ("similarity", 3)
    for matrix, (_, expected) in zip(found.matrices, after, strict=True):
        assert displacement(matrix, expected, size).mean() < 0.15


@pytest.mark.parametrize("model", ["translation", "similarity", "affine", "homography"])
def test_the_simplest_model_that_explains_the_motion_is_found(model: str) -> None:
    frame = scene(5)
    freedom = list(FREEDOM.values())[list(FREEDOM).index(model)]  # type: ignore[arg-type]
    numbers = [0.02, -0.015, 0.02, 0.02, 0.02, -0.02, 0.04, -0.04][:freedom]
    after, matrix = seen_after(frame, numbers)
    found = estimate_alignment(FocalStack(frames=[frame, after]), Wanted(reference=0))
    assert found.model == model
    assert displacement(found.matrices[1], matrix, SIZE).mean() < 0.15


def test_registered_frames_stay_what_they_are() -> None:
    stacks = [
        tilted_plane(still_life(7), 7, 24.0),
        focal_frames(200, 300, 3),
        focal_frames(40, 30, 2, gray=True, dtype="uint16"),
        [from_unit(scene(), "uint8"), from_unit(out_of_focus(scene(), 6), "uint8")],
    ]
    for frames in stacks:
        alignment = estimate_alignment(FocalStack(frames=frames))
        assert alignment.model == "none"
        assert not alignment.left_out
        assert not alignment.notes
        assert all(tone.is_same for tone in alignment.tones)
        laid, area = lay_over(FocalStack(frames=frames), alignment)
        assert all(np.shares_memory(one, other) for one, other in zip(laid.frames, frames, strict=True))
        assert laid.frames[0].shape == frames[0].shape
        assert area == (slice(0, frames[0].shape[0]), slice(0, frames[0].shape[1]))


def test_aligned_frames_give_nearly_the_picture_of_registered_ones() -> None:
    steps = [from_unit(frame, "uint8") for frame in map(to_unit, tilted_plane(still_life(2), 5, 12.0))]
    moved_steps = []
    for k, frame in enumerate(steps):
        after, _ = seen_after(frame, numbers_of(0.012 * (k - 2), 0.4 * (k - 2), 0.006 * (k - 2), frame.shape[:2]))
        moved_steps.append(brightened(after, Tone(gain=(1 + 0.04 * (k % 2),)), np.uint8))
    plain = fuse(steps, options=FusionOptions(method="laplacian", align="none"))
    loose = fuse(moved_steps, options=FusionOptions(method="laplacian", align="none", keep_canvas=True))
    found = fuse(moved_steps, options=FusionOptions(method="laplacian", keep_canvas=True))
    inner = slice(30, -30), slice(30, -30)

    def error(image: Array) -> float:
        return float(np.abs(to_unit(image)[inner] - to_unit(plain.image)[inner]).mean())

    assert error(found.image) < 0.25 * error(loose.image)
    assert not found.is_cropped
    cropped = fuse(moved_steps, options=FusionOptions(method="laplacian"))
    assert cropped.is_cropped
    assert cropped.area is not None
    np.testing.assert_array_equal(cropped.image.shape[:2], [part.stop - part.start for part in cropped.area])


def test_useless_frames_are_named_and_left_out_unless_all_are_wanted() -> None:
    frames = [from_unit(to_unit(frame), "uint8") for frame in tilted_plane(still_life(4), 5, 12.0)]
    size = frames[0].shape[:2]
    other_scene = from_unit(scene(9, size), "uint8")
    bumped = cv2.blur(frames[2], (25, 3))
    flash = brightened(frames[1], Tone(gain=(0.3,)), np.uint8)
    spoiled = [*frames[:2], other_scene, frames[2], bumped, flash, *frames[3:]]
    found = estimate_alignment(FocalStack(frames=spoiled))
    assert set(found.left_out) == {2, 4, 5}
    for position, word in ((2, "scene"), (4, "blurred by a motion"), (5, "exposed")):
        assert word in found.left_out[position]
    result = fuse(spoiled, options=FusionOptions(method="laplacian"))
    assert set(np.unique(result.index_map)) <= {0, 1, 3, 6, 7}
    assert sum("left out" in note for note in result.notes) == 3
    kept = estimate_alignment(FocalStack(frames=spoiled), Wanted(keep_all=True))
    assert not kept.left_out
    assert len(kept.notes) == 3


def test_frames_of_two_scenes_are_fused_as_they_are_and_that_is_said() -> None:
    frames = [from_unit(scene(seed), "uint8") for seed in (1, 2)]
    result = fuse(frames, options=FusionOptions(method="laplacian"))
    assert any("not aligned" in note for note in result.notes)
    assert result.image.shape == frames[0].shape


@pytest.mark.parametrize("gain", [0.6, 0.9, 1.1, 1.7])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_tones_are_undone_and_nothing_is_cut_off(gain: float, dtype: str) -> None:
    table = tone_table(gain, 0.0, dtype, dtype)
    white = len(table) - 1
    values = np.arange(len(table)) / white
    assert table[0] == 0
    assert table[-1] == white
    assert (np.diff(table.astype(int)) >= 0).all()
    assert np.count_nonzero(table == white) <= max(2, white // 400)  # only white becomes white
    below = (table < 0.85 * white) & (values < 0.88)  # beyond, the curve bends towards white
    expected = linear_to_srgb(srgb_to_linear(values.astype(np.float32)) / np.float32(gain))
    np.testing.assert_allclose(table[below] / white, expected[below], atol=1 / white)


def test_flicker_is_found_and_matched() -> None:
    frames = [from_unit(to_unit(frame), "uint8") for frame in tilted_plane(still_life(6), 5, 12.0)]
    gains = [0.9, 1.05, 1.0, 0.97, 1.12]
    flickering = [
        brightened(frame, Tone(gain=(1 / gain,)), np.uint8) for frame, gain in zip(frames, gains, strict=True)
    ]
    found = estimate_alignment(FocalStack(frames=flickering))
    np.testing.assert_allclose([tone.gain[0] for tone in found.tones], gains, atol=0.015)
    kept = estimate_alignment(FocalStack(frames=flickering), Wanted(exposure="keep"))
    assert all(tone.is_same for tone in kept.tones)
    tinted = [frame.copy() for frame in frames]
    tinted[4][..., 2] = tone_table(1 / 1.1, 0.0, "uint8", "uint8")[tinted[4][..., 2]]
    by_colour = estimate_alignment(FocalStack(frames=tinted), Wanted(exposure="match-colour")).tones[4].gain
    np.testing.assert_allclose(by_colour, (1, 1, 1.1), atol=0.015)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("gray", [False, True])
def test_frames_keep_their_depth_and_channels(dtype: str, gray: bool) -> None:
    frame = from_unit(scene()[..., 0] if gray else scene(), dtype)
    matrix = in_pixels(motion_of([0.01, 0.01, 0.01, 0.01]), SIZE)
    for tone in (Tone(), Tone(gain=(1.1,))):
        laid = laid_over(frame, matrix, tone, beyond=frame)
        assert (laid.dtype, laid.shape) == (frame.dtype, frame.shape)
        unseen = ~seen(matrix, SIZE)
        assert unseen.any()
        np.testing.assert_array_equal(laid[unseen], frame[unseen])


def test_a_slight_motion_does_not_change_the_size_of_the_picture() -> None:
    frame = from_unit(scene(), "uint8")
    for shift, is_cropped in ((1.3, False), (6.0, True)):
        matrix = np.array([[1.0, 0, shift], [0, 1, -shift], [0, 0, 1]])
        stack = FocalStack(frames=[frame, resampled(frame, np.linalg.inv(matrix))])
        alignment = estimate_alignment(stack, Wanted(reference=0))
        laid, area = lay_over(stack, alignment)
        assert (laid.frames[0].shape[:2] != SIZE) == is_cropped
        assert laid.frames[0].shape[:2] == tuple(part.stop - part.start for part in area)
        np.testing.assert_array_equal(laid.frames[0], frame[area])


def by_hand(frame: Array, matrix: Matrix, x: int, y: int) -> Array:
    """One pixel by Lanczos's kernel over 8 x 8 pixels, as it is written in books."""
    (from_x, from_y) = moved(matrix, np.array([[x, y]], np.float64))[0]
    columns, rows = (np.floor(place) + np.arange(-3, 5) for place in (from_x, from_y))

    def weights(distances: Array) -> Array:
        found = np.sinc(distances) * np.sinc(distances / 4)
        return np.asarray(found / found.sum())

    part = to_unit(frame)[np.ix_(rows.astype(int), columns.astype(int))]
    return np.einsum("y,x,yxc->c", weights(rows - from_y), weights(columns - from_x), part)


@pytest.mark.parametrize("numbers", [(0.01, -0.02), (0.003, 0.01, 0.002, -0.01), (0, 0, -0.001, 0.05, 0.004, 0.001)])
def test_two_passes_are_lanczos(numbers: tuple[float, ...]) -> None:
    frame = scene(4)
    matrix = in_pixels(motion_of(numbers), SIZE)
    assert can_resample(matrix)
    found = resample(frame, matrix)
    points = np.random.default_rng(0).integers(30, 270, (50, 2))
    expected = np.stack([by_hand(frame, matrix, x, y) for x, y in points])
    np.testing.assert_allclose(found[points[:, 1], points[:, 0]], expected, atol=0.004)
    coarse = from_unit(frame, "uint8")
    flags = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
    opencv = cv2.warpAffine(coarse, matrix[:2], SIZE[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
    assert np.abs(resample(coarse, matrix).astype(int) - opencv).mean() < 0.5  # of 255; edges too


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize(("right", "down"), [(0, 0), (3, -5), (-40, 260), (500, 0)])
def test_whole_shifts_are_exact_and_edges_repeated(dtype: str, gray: bool, right: int, down: int) -> None:
    frame = from_unit(scene()[..., 0] if gray else scene(), dtype)
    rows, columns = (np.clip(np.arange(side) + by, 0, side - 1) for side, by in zip(SIZE, (down, right), strict=True))
    found = resample(frame, np.array([[1.0, 0, right], [0, 1, down], [0, 0, 1]]))
    assert found.dtype == frame.dtype
    np.testing.assert_allclose(found, frame[np.ix_(rows, columns)], atol=1e-6)


def test_what_all_frames_saw_is_as_large_as_can_be() -> None:
    shift = np.array([[1.0, 0, 12], [0, 1, -7], [0, 0, 1]])
    assert common_area([np.eye(3), shift], SIZE) == (slice(7, 300), slice(0, 388))
    turned = in_pixels(motion_of([0, 0, 0.05, 0]), SIZE)
    rows, columns = common_area([np.eye(3), turned], SIZE)
    assert seen(turned, SIZE)[rows, columns].all()
    for wider in ((slice(rows.start - 9, rows.stop), columns), (rows, slice(columns.start, columns.stop + 9))):
        assert not seen(turned, SIZE)[wider].all()


def test_transforms_are_saved_and_used_again(tmp_path: Path, cli: Cli) -> None:
    frames = tilted_plane(still_life(2), 3, 12.0)
    size = frames[0].shape[:2]
    for k, frame in enumerate(frames):
        after, _ = seen_after(from_unit(to_unit(frame), "uint8"), numbers_of(0.01 * k, 0.2 * k, 0, size))
        write_image(tmp_path / f"img{k}.png", after)
    base = ["fuse", "--method", "laplacian", *sorted(tmp_path.glob("img*.png"))]
    first = cli(*base, "-o", tmp_path / "one.png", "--save-transforms", tmp_path / "t.json")
    assert first.code == 0, first.err
    assert "similarity, laid over img1.png" in first.out
    document = json.loads((tmp_path / "t.json").read_text())
    assert [frame["name"] for frame in document["frames"]] == ["img0.png", "img1.png", "img2.png"]
    again = cli(
        *base, "-o", tmp_path / "two.png", "--transforms", tmp_path / "t.json", "--save-transforms", tmp_path / "u.json"
    )
    assert again.code == 0, again.err
    assert (tmp_path / "t.json").read_text() == (tmp_path / "u.json").read_text()
    np.testing.assert_array_equal(read_image(tmp_path / "one.png"), read_image(tmp_path / "two.png"))


def parallax_pair() -> tuple[list[Array], Array]:
    """A scene whose left half is nearer: in the second frame that half has moved by 4 pixels more; and where it did."""
    far, near = scene(3), scene(8)
    share = np.clip((200 - np.arange(SIZE[1], dtype=np.float32)) / 40, 0, 1)[None, :, None]
    x, y = np.meshgrid(np.arange(SIZE[1], dtype=np.float32), np.arange(SIZE[0], dtype=np.float32))
    mixed = far * (1 - share) + near * share
    other = cv2.remap(mixed, x - 4 * share[..., 0], y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return [from_unit(mixed, "uint8"), from_unit(other, "uint8")], 4 * np.repeat(share[..., 0], SIZE[0], axis=0)


def test_parallax_is_found_place_by_place_if_that_is_wanted(tmp_path: Path) -> None:
    frames, _ = parallax_pair()
    stack = FocalStack(frames=frames)

    def error(wanted: Wanted) -> float:
        alignment = estimate_alignment(stack, wanted)
        laid, _ = lay_over(stack, alignment, keep_canvas=True)
        inner = slice(20, -20), slice(20, -20)
        return float(np.abs(laid.frames[1][inner].astype(float) - laid.frames[0][inner]).mean())

    whole = Wanted(reference=0, model="similarity", exposure="keep")
    assert error(Wanted(reference=0, model="similarity", exposure="keep", refine=True)) < 0.5 * error(whole)
    refined = estimate_alignment(stack, Wanted(reference=0, refine=True))
    path = tmp_path / "t.json"
    path.write_text(dump_transforms(refined, stack.names, SIZE))
    again = load_transforms(path, 2, SIZE)
    assert again.fields[0] is None
    assert refined.fields[1] is not None
    assert again.fields[1] is not None
    np.testing.assert_array_equal(again.fields[1], refined.fields[1])


def test_nothing_bends_where_nothing_says_so() -> None:
    flat = np.full((*SIZE, 3), 120, np.uint8)
    flat[:, 190:210] = 20  # a straight post, the same in both, before nothing
    registered = tilted_plane(still_life(7), 3, 12.0)
    for frames in ([flat, flat.copy()], registered):
        found = estimate_alignment(FocalStack(frames=frames), Wanted(refine=True))
        assert all(field is None or np.abs(field).max() < 0.6 for field in found.fields)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda text: "{", "is not JSON"),
        (lambda text: "[]", "no file of transforms"),
        (lambda text: text.replace('"reference": 1', '"reference": 9'), "damaged"),
        (lambda text: text.replace('"model"', '"modell"'), "damaged"),
        (lambda text: text.replace('"width": 30', '"width": 31'), "frames of 31x20"),
    ],
)
def test_bad_transforms_are_refused_in_one_line(tmp_path: Path, damage: object, words: str) -> None:
    stack = FocalStack(frames=focal_frames(20, 30, 2))
    text = dump_transforms(estimate_alignment(stack), stack.names, (20, 30))
    path = tmp_path / "t.json"
    path.write_text(text)
    assert len(load_transforms(path, 2, (20, 30)).matrices) == 2
    path.write_text(damage(text))  # type: ignore[operator]
    with pytest.raises(AlignmentError, match=words):
        load_transforms(path, 2, (20, 30))
    with pytest.raises(AlignmentError, match=r"t\.json"):
        load_transforms(path, 3, (20, 30))


def test_the_reference_is_named_by_name_or_number(tmp_path: Path, cli: Cli) -> None:
    for k, frame in enumerate(focal_frames(64, 96, 3)):
        write_image(tmp_path / f"img{k}.png", frame)
    base = [
        "fuse",
        "--method",
        "classic",
        tmp_path,
        "-o",
        tmp_path / "out.tif",
        "--save-transforms",
        tmp_path / "t.json",
    ]
    for given_as, position in (("img0.png", 0), ("3", 2)):
        assert cli(*base, "--reference", given_as).code == 0
        assert json.loads((tmp_path / "t.json").read_text())["reference"] == position
        (tmp_path / "out.tif").unlink()
    wrong = cli(*base, "--reference", "4")
    assert (wrong.code, wrong.err) == (1, "error: reference 4: expected the name of a frame, or a number from 1 to 3\n")
    with pytest.raises(AlignmentError, match="reference 8: the stack has frames 1 to 3"):
        fuse(focal_frames(64, 96, 3), options=FusionOptions(method="laplacian", reference=7))


@pytest.mark.parametrize("seed", range(4))
def test_frames_in_any_order_are_put_in_that_of_their_focus(seed: int) -> None:
    steps = tilted_plane(still_life(5), 7, 16.0)
    mixed = np.random.default_rng(seed).permutation(7)
    found = estimate_alignment(FocalStack(frames=[steps[k] for k in mixed]), Wanted(order=True)).order
    in_focus = [int(mixed[k]) for k in found]
    assert in_focus in (list(range(7)), list(range(7))[::-1])


def test_depth_counts_the_frames_in_the_order_of_their_focus(tiny_model: Path) -> None:
    steps = tilted_plane(still_life(5), 5, 16.0)
    mixed = [3, 0, 4, 1, 2]
    options = FusionOptions(model=tiny_model, depth=True)
    straight = fuse(steps, options=options)
    found = fuse([steps[k] for k in mixed], options=dataclasses.replace(options, order="focus"))
    np.testing.assert_array_equal(found.image, straight.image)
    np.testing.assert_array_equal(np.array(mixed)[found.index_map], straight.index_map)
    assert found.depth is not None
    assert straight.depth is not None
    same, turned = (np.abs(found.depth - depth).mean() for depth in (straight.depth, 4 - straight.depth))
    assert min(same, turned) < 1e-3
    with pytest.raises(ConfigError, match="order 'focus'"):
        FusionOptions(order="focus", align="none")


def test_frames_are_ordered_by_when_they_were_taken(tmp_path: Path, cli: Cli) -> None:
    for k, (name, frame) in enumerate(zip("cab", focal_frames(64, 96, 3), strict=True)):
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9003] = f"2026:01:02 10:00:0{k}"
        Image.fromarray(frame).save(tmp_path / f"{name}.jpg", quality=98, exif=exif)
    base = ["fuse", "--method", "laplacian", tmp_path, "-o", tmp_path / "o.png", "--index-map", tmp_path / "i.png"]
    outcome = cli(*base, "--order", "time")
    assert outcome.code == 0, outcome.err
    assert "0 = c.jpg, 1 = a.jpg, 2 = b.jpg" in outcome.out
    Image.fromarray(focal_frames(64, 96, 3)[0]).save(tmp_path / "d.jpg")
    for made in ("o.png", "i.png"):
        (tmp_path / made).unlink()
    refused = cli(*base, "--order", "time")
    assert refused.code == 1
    assert "d.jpg does not say when it was taken" in refused.err
