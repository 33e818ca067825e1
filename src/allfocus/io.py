"""Read and write pictures: bit depth, channels and orientation are kept or refused, never guessed; BGR never leaves.

`inputs` turns what is typed into files, `kinds` says what a file is, `whole` whether it is all there, `headers` what
it says of its picture. `decode` reads one picture, with `tiff`, `strips`, `png`, `webp`, `heif` and `raw` for what
Pillow can't; `pixels` is what all formats share. `frames` makes stacks of files, `volumes` and `ome` of what
microscopes deliver, `video` of videos; `fitting` mends sizes, `listing` is what a stack in files is, `describe` says
it in words. `metadata` reads what a file says beside its pixels, out of the `blocks` of each format: `exif`, `xmp` and
`profiles`; `encode` and `ome_out` make files of pictures, `ome_kept` says what of a volume's notes goes along, and
`write` puts whole ones in place.
"""

from allfocus.formats.decode import read_image
from allfocus.formats.encode import is_ome
from allfocus.formats.metadata_blocks import read_metadata
from allfocus.formats.ome_tiff import OmeFile, Scale
from allfocus.formats.sniff import find_kind
from allfocus.formats.write import (
    Picture,
    check_output,
    check_outputs,
    write_image,
    write_images,
    write_ome,
    write_ome_files,
)
from allfocus.metadata.carry import Metadata, finished
from allfocus.metadata.icc import linear_srgb_profile, srgb_profile
from allfocus.run.atomic import check_place
from allfocus.sources.describe import FrameRow, describe_frames, in_order_of_time
from allfocus.sources.expand import list_frames
from allfocus.sources.inspect import inspect_stack, read_stack
from allfocus.sources.listing import Listing, read_frame
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
    "finished",
    "in_order_of_time",
    "inspect_stack",
    "inspect_volume",
    "is_ome",
    "linear_srgb_profile",
    "list_frames",
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
