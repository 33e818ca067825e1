"""Read and write pictures, stacks and volumes: the public facade of the rooms `formats`, `metadata` and `sources`.

Pictures are (H, W) gray or (H, W, 3) RGB, in the depth of their file: uint8, uint16 or float32 (1 is white). Depth,
channels and orientation are kept or refused, never guessed.

One picture: `read_image`, `read_metadata`, `write_image`. Several at once, all or none: `write_images`. What to fuse:
`list_frames` turns what is typed into files, `open_stack` looks at them without decoding any, `describe_frames` puts
it into words, `read_frame` and `read_stack` decode. Microscopes' files: `inspect_volume`, `write_ome`,
`write_ome_files`. Before the work starts: `check_output`, `check_outputs`, `check_place`.

Within the package, modules import from the rooms instead.
"""

from allfocus.formats.ome_file import OmeFile, Scale
from allfocus.formats.read import read_image, read_metadata
from allfocus.formats.registry import find_kind, holds_volumes
from allfocus.formats.write import (
    Picture,
    check_output,
    check_outputs,
    write_image,
    write_images,
    write_ome,
    write_ome_files,
)
from allfocus.metadata.carry import Metadata, finish_metadata
from allfocus.metadata.icc import linear_srgb_profile, srgb_profile
from allfocus.run.atomic import check_place
from allfocus.sources.describe import FrameRow, describe_frames
from allfocus.sources.expand import list_frames
from allfocus.sources.inspect import inspect_stack, read_stack
from allfocus.sources.listing import Listing, read_frame
from allfocus.sources.open import open_source, open_stack
from allfocus.sources.volume import Volume, VolumeStack, inspect_volume

__all__ = [
    "FrameRow",
    "Listing",
    "Metadata",
    "OmeFile",
    "Picture",
    "Scale",
    "Volume",
    "VolumeStack",
    "check_output",
    "check_outputs",
    "check_place",
    "describe_frames",
    "find_kind",
    "finish_metadata",
    "holds_volumes",
    "inspect_stack",
    "inspect_volume",
    "linear_srgb_profile",
    "list_frames",
    "open_source",
    "open_stack",
    "read_frame",
    "read_image",
    "read_metadata",
    "read_stack",
    "srgb_profile",
    "write_image",
    "write_images",
    "write_ome",
    "write_ome_files",
]
