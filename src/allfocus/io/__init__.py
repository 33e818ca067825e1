"""Read and write pictures: bit depth, channels and orientation are kept or refused, never guessed; BGR never leaves.

`inputs` turns what is typed into files, `kinds` says what a file is, `whole` whether it is all there, `headers` what
it says of its picture. `decode` reads one picture, with `tiff`, `strips`, `png`, `webp`, `heif` and `raw` for what
Pillow can't; `pixels` is what all formats share. `frames` makes stacks of files, `volumes` and `ome` of what
microscopes deliver, `video` of videos; `fitting` mends sizes, `listing` is what a stack in files is, `describe` says
it in words. `metadata` reads what a file says beside its pixels, out of the `blocks` of each format: `exif`, `xmp` and
`profiles`; `encode` and `ome_out` make files of pictures, `ome_kept` says what of a volume's notes goes along, and
`write` puts whole ones in place.
"""

from allfocus.io.decode import read_image
from allfocus.io.describe import FrameRow, describe_frames, in_order_of_time
from allfocus.io.encode import is_ome
from allfocus.io.frames import inspect_stack, read_stack
from allfocus.io.inputs import list_frames
from allfocus.io.kinds import find_kind
from allfocus.io.listing import Listing, read_frame
from allfocus.io.metadata import Metadata, finished, read_metadata
from allfocus.io.ome_out import OmeFile, Scale
from allfocus.io.profiles import linear_srgb_profile, srgb_profile
from allfocus.io.volumes import Volume, VolumeStack, inspect_volume
from allfocus.io.write import (
    Picture,
    check_output,
    check_outputs,
    check_place,
    write_image,
    write_images,
    write_ome,
    write_ome_files,
)

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
