"""Arrays of many kinds as frames: other sample types, named axes, objects that NumPy can read."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from allfocus.core.color import FULL_SCALE, Array, full_scale
from allfocus.errors import StackError

#: Names that axes of colours have, in lower case.
COLOURS = ("c", "s", "channel", "channels", "band", "color", "colour", "rgb", "rgba")

#: Numbers of samples in a pixel.
SAMPLES = (1, 3, 4)

#: Pictures of Pillow whose samples are no gray and no RGB, by their mode, and what shows the same.
OTHER_COLOURS = {"P": "RGB", "PA": "RGBA", "CMYK": "RGB", "YCbCr": "RGB", "LAB": "RGB", "HSV": "RGB", "LA": "RGBA"}

#: A picture is hardly ever more than twice as long as high, or as high as long.
LONG = 2

#: What to do with an array that was meant otherwise.
HINT = "expected (frames, H, W) or (frames, H, W, 3)"


def is_array(frames: object) -> bool:
    """Whether something is one array: of NumPy, or an object that turns into one (dask, xarray, zarr, torch)."""
    return isinstance(frames, np.ndarray) or hasattr(frames, "__array__")


def split_array(array: Any) -> list[Array]:
    """The frames of one array whose first axis counts them, or whose axes have names (xarray), in any order.

    Args:
        array: (N, H, W) or (N, H, W, C), or one with `dims` that hold `y`, `x`, and one more for the frames.

    Raises:
        StackError: it is one picture, or its planes lie along another axis.
    """
    samples, axes = read_samples(array), find_axis_names(array)
    if axes:
        return list(order_axes(samples, axes, has_frames=True))
    check_axes(samples.shape)
    return list(samples)


def read_samples(array: Any) -> Array:
    """The numbers of something that is an array, or turns into one.

    Raises:
        StackError: some are masked: what they hold is no part of the picture.
    """
    samples = np.asanyarray(array)
    masked = np.count_nonzero(np.ma.getmaskarray(samples)) if isinstance(samples, np.ma.MaskedArray) else 0
    if masked:
        raise StackError(
            f"an array of shape {samples.shape} has {masked} masked values; expected a value for every pixel: pass "
            "array.filled(), or mark what a frame does not show by NaN (float32) or alpha"
        )
    return np.asarray(samples)


def find_axis_names(array: Any) -> tuple[str, ...]:
    """Names of an array's axes in lower case, if two of them are `y` and `x`; none otherwise."""
    dims = getattr(array, "dims", None)
    if not isinstance(dims, tuple) or not all(isinstance(name, str) for name in dims):
        return ()
    names = tuple(name.lower() for name in dims)
    return names if {"y", "x"} <= set(names) else ()


def order_axes(samples: Array, axes: Sequence[str], *, has_frames: bool) -> Array:
    """Samples with their axes in the order (frames,) y, x(, colours); axes of length 1 are dropped where in the way.

    Raises:
        StackError: there is no axis for the frames, or there are several that could be.
    """
    colours = [k for k, name in enumerate(axes) if name in COLOURS]
    plane = [axes.index("y"), axes.index("x")]
    rest = [k for k in range(len(axes)) if k not in (*colours, *plane)]
    if len(rest) != has_frames:
        rest = [k for k in rest if samples.shape[k] > 1]
    found = f"axes {tuple(axes)} of {samples.shape}"
    if len(colours) > 1 or len(rest) > has_frames:
        raise StackError(f"an array has {found}; expected z, y, x and at most one axis of colours: choose one of each")
    if len(rest) < has_frames:
        raise StackError(f"an array has {found}: one picture; fusing needs an axis of frames, such as z")
    single = tuple(k for k in range(len(axes)) if k not in (*rest, *plane, *colours))
    ordered = samples.transpose(*single, *rest, *plane, *colours)
    return ordered.reshape(ordered.shape[len(single) :])


def check_axes(shape: tuple[int, ...]) -> None:
    """Raise `StackError` for the shape of an array whose first axis does not count frames."""
    if len(shape) == 2:
        raise StackError(f"an array of shape {shape} is one gray picture; {HINT}: pass a list of pictures")
    if len(shape) not in (3, 4):
        raise StackError(f"an array has shape {shape}; {HINT}: choose one channel and one time, or pass a list")
    if shape[2] in SAMPLES and min(shape[:2]) > max(SAMPLES):
        what = "one picture" if len(shape) == 3 else "one picture with several planes last"
        raise StackError(
            f"an array of shape {shape} is taken for {what}, not for {shape[0]} frames {shape[2]} pixels wide; "
            f"{HINT}: pass a list of pictures, or np.moveaxis(array, -1, 0) where planes come last"
        )
    if len(shape) == 3 and are_planes_last(*shape):
        raise StackError(
            f"an array of shape {shape} is taken for {shape[2]} planes of {shape[1]}x{shape[0]}, which come last, "
            f"not for {shape[0]} frames of {shape[2]}x{shape[1]}; {HINT}: pass np.moveaxis(array, -1, 0), or "
            "list(array) where the first axis does count frames"
        )


def are_planes_last(first: int, second: int, third: int) -> bool:
    """Whether (Y, X, Z) explains a shape and (Z, Y, X) does not: its planes would be strips, or are square so."""
    return third < min(first, second) and (first == second or are_strips(first, second, third))


def are_strips(first: int, second: int, third: int) -> bool:
    """Whether the planes (Y, X) of a shape (Z, Y, X) would be strips, and (Z, Y) would be none."""
    return second > LONG * third and third < first and max(first, second) <= LONG * min(first, second)


def make_frames(items: Sequence[Any]) -> list[Array]:
    """Pictures as arrays (H, W), (H, W, 3) or, with alpha, (H, W, 4), of numbers that `values.make_stack` takes.

    Bits become 0 and 255, float64 becomes float32, whole numbers of other types become 8 bits where all of them are
    255 at most, else 16; where some are negative or larger they stay what they are. Arrays that are so already are not
    copied.

    Args:
        items: a picture each: arrays, or what NumPy makes arrays of.
    """
    arrays = [as_picture(item) for item in items]
    whole = [array for array in arrays if array.dtype.kind in "iu" and array.dtype not in FULL_SCALE and array.size]
    low, high = min((int(a.min()) for a in whole), default=0), max((int(a.max()) for a in whole), default=0)
    depth = np.uint8 if high <= 255 and all(a.dtype != np.int16 for a in whole) else np.uint16
    fits = low >= 0 and high <= full_scale(np.uint16)
    return [convert_samples(array, depth if fits else None) for array in arrays]


def as_picture(item: Any) -> Array:
    """One picture as a NumPy array in this machine's byte order, (H, W) instead of (H, W, 1)."""
    if getattr(item, "mode", None) in OTHER_COLOURS and hasattr(item, "convert"):
        item = item.convert(OTHER_COLOURS[item.mode])
    samples, axes = read_samples(item), find_axis_names(item)
    if axes:
        samples = order_axes(samples, axes, has_frames=False)
    if not samples.dtype.isnative:
        samples = samples.astype(samples.dtype.newbyteorder("="))
    return samples[..., 0] if samples.ndim == 3 and samples.shape[2] == 1 else samples


def convert_samples(samples: Array, depth: type[np.generic] | None) -> Array:
    """Bits, floats and whole numbers as types that hold them; `depth` is for whole numbers, None: they keep theirs."""
    kind = samples.dtype.kind
    if samples.dtype in FULL_SCALE or kind not in "bfiu":
        return samples  # or nothing that can be converted: the stack refuses it
    if kind == "b":
        return samples.astype(np.uint8) * np.uint8(255)
    if kind == "f":
        with np.errstate(over="ignore"):  # what float32 can't hold has no value
            return samples.astype(np.float32)
    return samples if depth is None else samples.astype(depth)
