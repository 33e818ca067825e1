"""OME-Zarr whose largest level is written region by region, by several processes: each region has shards of its own."""

from pathlib import Path
from typing import Any

import numpy as np

from allfocus.core.color import Array
from allfocus.core.windows import Window
from allfocus.errors import WriteError
from allfocus.formats.ome_file import OmeFile
from allfocus.formats.ome_zarr_levels import CHUNK, IN_SHARD, count_axes, create
from allfocus.formats.ome_zarr_write import RGB, arrange
from allfocus.run.atomic import disk_errors, sync

#: Sides of regions are multiples of this many pixels, or reach to the end of the picture.
STEP = CHUNK


def lay_out(part: Path, wanted: OmeFile, side: int) -> None:
    """Make the largest level of a picture and of its labels, empty.

    Args:
        part: the folder.
        wanted: what it will be: one position, whose planes need have shape and type alone.
        side: of the regions in pixels.
    """
    import zarr
    from zarr.storage import LocalStore

    if side % STEP:
        raise WriteError(f"{part}: regions of {side} px; expected a multiple of {STEP}")
    in_shard = next(count for count in range(IN_SHARD, 0, -1) if side % (count * CHUNK) == 0)
    with disk_errors(part):
        root = zarr.open_group(LocalStore(part), mode="w", zarr_format=3)
        planes, axes = arrange(wanted, 0)
        create(root, "0", planes.dtype, count_axes(planes, axes), in_shard)
        for name, (label, *_) in wanted.labels.items():
            inside = root.require_group("labels").require_group(name)
            create(inside, "0", label.dtype, count_axes(label, "tcyx"), in_shard)


def write_region(part: Path, label: str | None, time: int, channel: int, window: Window, picture: Array) -> None:
    """Write a region of one plane, whole shards, so that they are on the disk.

    Args:
        part: the folder that was laid out.
        label: name of the label image; None: the picture itself.
        time: of the plane, counted from 0.
        channel: of the plane, counted from 0.
        window: rows and columns of the region.
        picture: (h, w), or (h, w, 3), whose samples are the channels.
    """
    import zarr
    from zarr.storage import LocalStore

    place = "0" if label is None else f"labels/{label}/0"
    with disk_errors(part):
        array: Any = zarr.open_group(LocalStore(part), mode="r+", zarr_format=3)[place]
        samples = [(channel, picture)] if picture.ndim == 2 else [(k, picture[..., k]) for k in range(3)]
        for number, plane in samples:
            array[(time, number, 0, *window)] = plane
            grid = [
                range(a.start // side, -(-a.stop // side)) for a, side in zip(window, array.shards[-2:], strict=True)
            ]
            for row in grid[0]:
                for column in grid[1]:
                    sync(part / place / "c" / f"{time}/{number}/0/{row}/{column}")


def read_small(part: Path, least: int = 160) -> Array:
    """The first picture of an OME-Zarr that was written, as small as it is there with so many pixels a side at least.

    Returns:
        (h, w), or (h, w, 3) where the channels are samples of a colour picture.
    """
    import zarr
    from zarr.storage import LocalStore

    group: Any = zarr.open_group(LocalStore(part), mode="r", zarr_format=3)
    names = [level["path"] for level in group.attrs["ome"]["multiscales"][0]["datasets"]]
    array = next((group[name] for name in reversed(names) if min(group[name].shape[-2:]) >= least), group[names[0]])
    labels = [channel["label"] for channel in group.attrs["ome"]["omero"]["channels"]]
    if labels == [name for name, _ in RGB]:
        return np.moveaxis(np.asarray(array[0, :, 0]), 0, -1)
    return np.asarray(array[0, 0, 0])
