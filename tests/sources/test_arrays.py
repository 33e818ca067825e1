"""Arrays of every kind that programs hand over are frames, or refused with a line that tells how to pass them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image

from allfocus.core.color import Array
from allfocus.core.stack import FocalStack
from allfocus.errors import StackError
from allfocus.sources.open import open_source
from pictures import picture


class Lazy:
    """An array that is computed when NumPy asks for it, as dask's are."""

    def __init__(self, samples: Array) -> None:
        self.samples = samples

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return self.samples


class Named(Lazy):
    """An array whose axes have names, as xarray's do."""

    def __init__(self, samples: Array, *dims: str) -> None:
        super().__init__(samples)
        self.dims = dims


def pictures(count: int = 3, **options: Any) -> list[Array]:
    return [picture(24, 32, seed=k, **options) for k in range(count)]


def frames_of(source: Any) -> Sequence[Array]:
    stack = open_source(source)
    assert isinstance(stack, FocalStack)
    return stack.frames


def assert_same(found: Sequence[Array], expected: Sequence[Array]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype and one.dtype.isnative
        assert np.array_equal(one, other)


# --- sample types --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float16", ">f4", ">f8", "longdouble"])
def test_other_floats_become_float32(dtype: str) -> None:
    frames = [frame.astype(dtype) for frame in pictures(dtype="float32")]
    assert_same(frames_of(frames), [frame.astype(np.float32) for frame in frames])


def test_bits_become_black_and_white() -> None:
    frames = [frame > 99 for frame in pictures()]
    assert_same(frames_of(frames), [frame * np.uint8(255) for frame in frames])


def test_big_endian_is_turned() -> None:
    frames = pictures(dtype="uint16")
    assert_same(frames_of([frame.astype(">u2") for frame in frames]), frames)


@pytest.mark.parametrize("wide", ["int32", "int64", "uint32", "uint64", ">i4"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_whole_numbers_that_fit_are_taken(wide: str, dtype: str) -> None:
    frames = pictures(dtype=dtype)
    assert_same(frames_of([frame.astype(wide) for frame in frames]), frames)


def test_the_depth_of_whole_numbers_is_that_of_the_brightest_frame() -> None:
    frames = [np.full((8, 8), value, np.int64) for value in (3, 700, 5)]
    assert_same(frames_of(frames), [frame.astype(np.uint16) for frame in frames])


def test_signed_16_bits_are_16_bits() -> None:
    frames = [np.full((8, 8), value, np.int16) for value in (3, 70)]
    assert_same(frames_of(frames), [frame.astype(np.uint16) for frame in frames])


@pytest.mark.parametrize("dtype", ["complex64", "object", "U3"])
def test_what_is_no_number_is_refused(dtype: str) -> None:
    with pytest.raises(StackError, match=r"samples are .*; expected uint8, uint16 or float32"):
        open_source([np.zeros((8, 8)).astype(dtype)] * 2)


def test_frames_that_are_frames_already_are_not_copied() -> None:
    for dtype in ("uint8", "uint16", "float32"):
        frames = pictures(dtype=dtype)
        assert all(one is other for one, other in zip(frames_of(frames), frames, strict=True))


# --- channels ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64", "int32"])
def test_opaque_alpha_is_dropped_and_other_alpha_says_what_is_covered(dtype: str) -> None:
    kept = "float32" if dtype == "float64" else "uint8" if dtype == "int32" else dtype
    frames = pictures(dtype=kept)
    white = {"uint8": 255, "uint16": 65535, "float32": 1}[kept]
    veiled = [np.dstack([frame, np.full((24, 32), white, kept)]).astype(dtype) for frame in frames]
    assert_same(frames_of(veiled), frames)
    veiled[1][3, 3, 3] = 0
    stack = open_source(veiled)
    assert isinstance(stack, FocalStack)
    assert stack.covered[0] is None
    assert stack.covered[1] is not None
    assert np.argwhere(~stack.covered[1]).tolist() == [[3, 3]]


def test_one_channel_is_gray() -> None:
    frames = pictures(gray=True)
    assert_same(frames_of([frame[..., None] for frame in frames]), frames)


@pytest.mark.parametrize("channels", [2, 5])
def test_other_channels_are_refused(channels: int) -> None:
    with pytest.raises(StackError, match=r"frame 1 \(array 1\) has shape \(8, 8, \d\); expected \(H, W\) gray or"):
        open_source([np.zeros((8, 8, channels), np.uint8)] * 2)


# --- what holds the frames -----------------------------------------------------------------------


@pytest.mark.parametrize("wrap", [tuple, iter, np.stack, lambda frames: (frame for frame in frames)])
def test_all_that_yields_frames_is_a_stack(wrap: Callable[[list[Array]], Any]) -> None:
    assert_same(frames_of(wrap(pictures())), pictures())
    assert_same(frames_of(wrap(pictures(gray=True))), pictures(gray=True))


def test_a_sequence_of_the_old_kind_is_a_stack() -> None:
    class Reader:
        def __getitem__(self, position: int) -> Array:
            return pictures()[position]

    assert_same(frames_of(Reader()), pictures())


@pytest.mark.parametrize("mode", ["P", "CMYK", "YCbCr"])
def test_pictures_of_pillow_show_their_colours(mode: str) -> None:
    given = [Image.fromarray(frame).convert(mode) for frame in pictures()]
    assert_same(frames_of(given), [np.asarray(one.convert("RGB")) for one in given])


def test_objects_that_turn_into_arrays_are_taken() -> None:
    assert_same(frames_of(Lazy(np.stack(pictures()))), pictures())
    assert_same(frames_of([Lazy(frame) for frame in pictures()]), pictures())


@pytest.mark.parametrize("dims", [("z", "y", "x"), ("y", "x", "z"), ("x", "z", "y"), ("Y", "X", "focus")])
def test_named_axes_are_heeded_in_any_order(dims: tuple[str, ...]) -> None:
    frames = pictures(gray=True)
    lower = [name.lower() for name in dims]
    places = [(lower.index("y"), 1), (lower.index("x"), 2)]
    source = (set(range(3)) - {place for place, _ in places}).pop()
    order = [0, 0, 0]
    order[source] = 0
    for place, axis in places:
        order[place] = axis
    assert_same(frames_of(Named(np.stack(frames).transpose(order), *dims)), frames)


def test_named_colours_and_axes_of_one() -> None:
    frames = pictures()
    samples = np.stack(frames).transpose(3, 1, 0, 2)[:, None]  # c, t, y, z, x
    assert_same(frames_of(Named(samples, "c", "t", "y", "z", "x")), frames)
    each = [Named(frame.transpose(2, 1, 0), "channel", "x", "y") for frame in frames]
    assert_same(frames_of(each), frames)


@pytest.mark.parametrize(
    ("shape", "dims", "words"),
    [
        ((24, 32), ("y", "x"), "one picture; fusing needs an axis of frames, such as z"),
        ((3, 24, 32), ("c", "y", "x"), "one picture"),
        ((2, 3, 24, 32), ("t", "z", "y", "x"), "choose one of each"),
        ((2, 3, 24, 32), ("channel", "band", "y", "x"), "choose one of each"),
    ],
)
def test_named_axes_that_leave_a_choice_are_refused(shape: tuple[int, ...], dims: tuple[str, ...], words: str) -> None:
    with pytest.raises(StackError, match=words):
        open_source(Named(np.zeros(shape, np.uint8), *dims))


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((200, 260), "is one gray picture"),
        ((200, 260, 1), "taken for one picture, not for 200 frames 1 pixels wide"),
        ((200, 260, 3), "taken for one picture, not for 200 frames 3 pixels wide"),
        ((200, 260, 4), "taken for one picture"),
        ((200, 260, 12), r"taken for 12 planes of 260x200, which come last, not for 200 frames of 12x260"),
        ((512, 512, 300), "taken for 300 planes of 512x512"),
        ((200, 260, 3, 7), "one picture with several planes last"),
        ((2, 3, 4, 24, 32), "choose one channel and one time"),
        ((9,), "choose one channel"),
    ],
)
def test_an_array_whose_first_axis_counts_no_frames_is_refused(shape: tuple[int, ...], words: str) -> None:
    with pytest.raises(StackError, match=words) as caught:
        open_source(np.zeros(shape, np.uint8))
    assert str(shape) in str(caught.value) and "expected (frames, H, W)" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "shape",
    [(3, 24, 32), (100, 64, 48), (40, 32, 32), (2, 500, 20), (12, 24, 32, 3), (9, 9, 9), (2, 5, 1), (2, 1, 1, 3)],
)
def test_an_array_whose_first_axis_counts_frames_is_a_stack(shape: tuple[int, ...]) -> None:
    frames = frames_of(np.zeros(shape, np.uint8))
    assert (len(frames), *frames[0].shape) == shape


def test_a_list_of_one_array_tells_that_narrow_frames_are_meant() -> None:
    strips = np.zeros((200, 260, 12), np.uint8)
    assert frames_of(list(strips))[0].shape == (260, 12)


@pytest.mark.parametrize("nothing", [[], (), iter([])])
def test_no_frames_are_refused(nothing: Any) -> None:
    with pytest.raises(StackError, match="no frames given; fusing needs at least 2"):
        open_source(nothing)


@pytest.mark.parametrize("thing", [7, None, 1.5])
def test_what_is_no_collection_is_refused(thing: Any) -> None:
    with pytest.raises(StackError, match="expected paths or arrays to fuse, found"):
        open_source(thing)


@pytest.mark.parametrize("as_one", [False, True])
def test_masked_values_are_refused_instead_of_fused(as_one: bool) -> None:
    masked = np.ma.masked_array(np.stack(pictures(gray=True)), mask=False)
    assert len(frames_of(masked if as_one else list(masked))) == 3
    masked[1, 2:4, :3] = np.ma.masked
    with pytest.raises(StackError, match="6 masked values; expected a value for every pixel"):
        frames_of(masked if as_one else list(masked))
