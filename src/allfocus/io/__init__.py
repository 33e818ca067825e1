"""Read and write pictures: bit depth, channels and orientation are kept or refused, never guessed; BGR never leaves.

`frames` lists files and reads stacks, `headers` says what they are before that, `decode` reads one picture, `tiff`
the TIFF pages, `png` checks and decodes 16-bit PNG, `pixels` is what all formats share; `write` encodes and
puts whole files in place.
"""

from allfocus.io.decode import read_image
from allfocus.io.frames import Listing, inspect_stack, list_frames, read_stack
from allfocus.io.write import check_output, check_outputs, check_place, write_image, write_images

__all__ = [
    "Listing",
    "check_output",
    "check_outputs",
    "check_place",
    "inspect_stack",
    "list_frames",
    "read_image",
    "read_stack",
    "write_image",
    "write_images",
]
