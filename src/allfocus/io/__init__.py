"""Read and write pictures: bit depth, channels and orientation are kept or refused, never guessed; BGR never leaves.

`frames` lists files and reads stacks, `headers` says what they are before that, `decode` reads one picture, `tiff`
the TIFF pages, `png` checks and decodes 16-bit PNG, `pixels` is what all formats share; `metadata` reads what a file
says beside its pixels, out of the `blocks` of each format: `exif`, `xmp` and `profiles`; `encode` and `ome_out` make
files of pictures, and `write` puts whole ones in place.
"""

from allfocus.io.decode import read_image
from allfocus.io.frames import Listing, inspect_stack, list_frames, read_stack
from allfocus.io.metadata import Metadata, finished, read_metadata
from allfocus.io.ome_out import Scale
from allfocus.io.profiles import linear_srgb_profile, srgb_profile
from allfocus.io.write import (
    Picture,
    check_output,
    check_outputs,
    check_place,
    write_image,
    write_images,
    write_ome,
)

__all__ = [
    "Listing",
    "Metadata",
    "Picture",
    "Scale",
    "check_output",
    "check_outputs",
    "check_place",
    "finished",
    "inspect_stack",
    "linear_srgb_profile",
    "list_frames",
    "read_image",
    "read_metadata",
    "read_stack",
    "srgb_profile",
    "write_image",
    "write_images",
    "write_ome",
]
