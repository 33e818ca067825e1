"""The one door: paths, folders, arrays and what makes them become a listing of files or a checked stack."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from allfocus.core.coverage import split_coverage
from allfocus.core.samples import Measure, as_working, measure
from allfocus.core.stack import FocalStack, FrameInfo, check_alike
from allfocus.errors import StackError
from allfocus.formats.pixels import most_pixels
from allfocus.formats.read import read_picture
from allfocus.options import Order
from allfocus.sources.arrays import is_array, make_frames, split_array
from allfocus.sources.describe import read_dates
from allfocus.sources.draft import reduce_source
from allfocus.sources.expand import list_frames
from allfocus.sources.inspect import inspect_stack
from allfocus.sources.listing import Listing
from allfocus.sources.values import make_stack as make_values_stack
from allfocus.sources.values import needs_change

#: What can be fused; see `open_source`.
Frames = FocalStack | Listing | str | PathLike[str] | Iterable[Any]


def open_source(
    frames: Frames, order: Order = "names", stack: int | str | None = None, *, draft: bool = False
) -> Listing | FocalStack:
    """What can be fused, found out without decoding files; the door of every command and function.

    Args:
        frames: a `FocalStack` or `Listing`; the path of a folder, a TIFF file of several planes, or a video; several
            paths or several pictures, as a list, generator or other iterable, mixed if need be; or one array
            (N, H, W) or (N, H, W, 3), see `split_array`. Pictures are what `make_frames` takes.
        order: `time` puts files into the order in which they were taken, once; with the others, files come in natural
            order of their names, and pictures and listings as they are.
        stack: which to take where files form several, see `choose_stack`.
        draft: whether small copies of the frames are enough, see `reduce_source`.

    Raises:
        StackError: fewer than two frames, frames that can't be fused together, or an array of other axes.
        ReadError: a path can't be read as a picture, or has no date to order it by.
        MissingExtraError: a format needs a package that is not installed.
    """
    source = open_whole(frames, order, stack)
    return reduce_source(source) if draft else source


def open_whole(frames: Frames, order: Order = "names", stack: int | str | None = None) -> Listing | FocalStack:
    """`open_source`, whose frames are as large as they are."""
    if isinstance(frames, FocalStack):
        return frames
    if isinstance(frames, Listing | str | PathLike):
        return open_stack(frames, order, stack)
    if is_array(frames):
        items: list[Any] = [*split_array(frames)]
    else:
        try:
            items = list(iter(frames))
        except TypeError:
            raise StackError(f"expected paths or arrays to fuse, found {type(frames).__name__}") from None
    if items and all(isinstance(item, str | PathLike) for item in items):
        return open_stack(items, order, stack)
    return make_stack(items)


def open_stack(
    frames: Listing | str | PathLike[str] | Sequence[str | PathLike[str]],
    order: Order = "names",
    stack: int | str | None = None,
) -> Listing:
    """Look at files without decoding them; see `open_source`, of which this is the part for files."""
    if isinstance(frames, str | PathLike):
        frames = [frames]
    if isinstance(frames, Listing):
        listing = frames
    else:
        listing = inspect_stack(list_frames([Path(frame) for frame in frames]), stack)
    return order_by_time(listing) if order == "time" and listing.order != "time" else listing


def order_by_time(listing: Listing) -> Listing:
    """The listing in the order in which its frames were taken; of those taken in one second, in the order given.

    Raises:
        ReadError: the date of a frame is unknown.
    """
    dates = read_dates(listing)
    return replace(listing.pick(sorted(range(len(listing)), key=dates.__getitem__)), order="time")


def make_stack(items: Sequence[Any]) -> FocalStack:
    """A stack of pictures in memory, and of files among them, which are read."""
    names = [
        Path(item).name if isinstance(item, str | PathLike) else f"array {k}" for k, item in enumerate(items, start=1)
    ]
    pictures = [
        read_picture(Path(item), max_pixels=most_pixels()) if isinstance(item, str | PathLike) else item
        for item in items
    ]
    found = []
    for item, picture, name in zip(items, make_frames(pictures), names, strict=True):
        # of arrays two channels may be anything, of files they are gray and alpha
        is_other = picture.shape[2:] == (2,) and not isinstance(item, str | PathLike)
        found.append((picture, None) if is_other else split_coverage(picture, name))
    frames = [frame for frame, _ in found]
    check_alike([FrameInfo(shape=frame.shape, dtype=frame.dtype) for frame in frames], names)
    measures = [Measure() if frame.dtype == np.uint8 else measure(frame) for frame in frames]
    working = [as_working(frame) for frame in frames]
    if needs_change(working, frames[0].dtype, measures):
        working = [np.array(frame) for frame in working]  # the arrays that were given stay as they are
    return make_values_stack(working, names, frames[0].dtype, measures, [covered for _, covered in found])
