"""The picture taken apart into layers: each frame that it is of, with a mask, and what is of no frame alone.

Where the picture is one frame's to the bit, that frame's mask is open, and no other. Where it is blended of several, a
layer on top has the picture itself. So the layers on top of each other are the picture to the bit, and masks can be
painted on.
"""

from collections.abc import Iterator
from threading import Event

import numpy as np

from allfocus.core.color import Array
from allfocus.errors import OptionError
from allfocus.formats.write import Picture
from allfocus.metadata.carry import Metadata
from allfocus.metadata.icc import srgb_profile
from allfocus.outputs.layer_files import fill_ora, fill_tiff
from allfocus.outputs.layered import Layer, LayeredPicture
from allfocus.outputs.psd import check_psd, fill_psd
from allfocus.outputs.wishes import Outputs
from allfocus.registered import Registered
from allfocus.result import FusionResult
from allfocus.sources.listing import Listing


def check_layers(outputs: Outputs, listing: Listing) -> None:
    """Check, before work starts, what layers need.

    Raises:
        OptionError: samples of a kind that layers don't have.
        WriteError: more pixels a side than PSD holds, or more of them.
    """
    path, dtype = outputs.layers, listing.frame.dtype
    if path is None:
        return
    if dtype not in (np.uint8, np.uint16):
        raise OptionError(f"layers: frames have {dtype} samples; layers are made of 8 and 16 bits: leave it out")
    check_psd(path, listing.frame.size, (len(listing) + 2) * listing.frame.nbytes)


def make_layers(
    result: FusionResult,
    registered: Registered,
    outputs: Outputs,
    metadata: Metadata,
    cancelled: Event | None = None,
) -> Iterator[Picture]:
    """The file of layers, if it is wanted: it is written window by window.

    Args:
        result: of all of the registered frames.
        registered: those frames.
        outputs: what goes where.
        metadata: of the reference.
        cancelled: once it is set writing ends with `Cancelled`.
    """
    path = outputs.layers
    if path is None:
        return
    is_linear = result.source is not None and result.source.is_linear
    layered = take_apart(result, registered, srgb_profile() if is_linear else metadata.icc, cancelled)
    fill = {".psd": fill_psd, ".psb": fill_psd, ".ora": fill_ora}.get(path.suffix.lower(), fill_tiff)
    yield Picture(path, lambda file: fill(file, layered, path))


def take_apart(
    result: FusionResult, registered: Registered, icc: bytes | None = None, cancelled: Event | None = None
) -> LayeredPicture:
    """The layers of a picture."""
    image, index_map, run = result.image, result.index_map, registered.run
    used = [position for position in range(result.frame_count) if (index_map == position).any()]
    place = {position: number for number, position in enumerate(registered.positions)}

    def is_own(rows: slice, position: int) -> Array:
        own: Array = index_map[rows] == position
        if own.any():
            same: Array = run.cut(registered.frames[place[position]], (rows, slice(None))) == image[rows]
            own &= same if same.ndim == 2 else same.all(axis=2)
        return own

    def make_layer(position: int) -> Layer:
        return Layer(
            name=result.names[position],
            pixels=lambda rows: run.cut(registered.frames[place[position]], (rows, slice(None))),
            mask=lambda rows: is_own(rows, position),
        )

    def is_blended(rows: slice) -> Array:
        return np.asarray(~np.logical_or.reduce([is_own(rows, position) for position in used]))

    blended = Layer(name="blended", pixels=lambda rows: image[rows], mask=is_blended)
    return LayeredPicture(image=image, layers=(*map(make_layer, used), blended), icc=icc, cancelled=cancelled)
