"""Registration: how the frames of a stack have moved and how bright they are, estimated; then each is warped once.

`motion` holds the motion models and `contrast_pyramid` the pyramid that is compared; `pair` registers two frames, with
`sift` where they are far apart; `chain` links the frames of a stack; `photometric` compares brightness; `screening`
finds useless frames; `estimate` concludes an `Alignment`, with `flow` for local parallax and `focus_order`. `apply`
warps the frames by it (`warp`, `lanczos`), `channels` transfers it to another channel, `transforms_file` stores it.
"""

from allfocus.alignment.alignment import Alignment, AlignOptions, notes_of
from allfocus.alignment.apply import apply_alignment
from allfocus.alignment.channels import transfer_alignment
from allfocus.alignment.defects import find_defects, note_defects
from allfocus.alignment.estimate import estimate_alignment
from allfocus.alignment.motion import DEGREES_OF_FREEDOM
from allfocus.alignment.photometric import ExposureTransfer
from allfocus.alignment.transforms_file import dump_transforms, load_transforms

__all__ = [
    "DEGREES_OF_FREEDOM",
    "AlignOptions",
    "Alignment",
    "ExposureTransfer",
    "apply_alignment",
    "dump_transforms",
    "estimate_alignment",
    "find_defects",
    "load_transforms",
    "note_defects",
    "notes_of",
    "transfer_alignment",
]
