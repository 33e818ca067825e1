"""Registration: how frames lie over each other and how bright they are, found out; then each is resampled once.

`motion` is what may have happened between two frames, `pair` finds it out, `chain` does so along a stack, `photometric`
compares brightness, `registration` decides what follows for each frame, `warp` lays them over the reference,
`transforms` saves and loads it, `companion` carries it over to another channel.
"""

from allfocus.align.alignment import Alignment, Wanted
from allfocus.align.channels import carried_over
from allfocus.align.estimate import estimate_alignment, lay_over
from allfocus.align.motion import FREEDOM
from allfocus.align.transforms_file import dump_transforms, load_transforms

__all__ = [
    "FREEDOM",
    "Alignment",
    "Wanted",
    "carried_over",
    "dump_transforms",
    "estimate_alignment",
    "lay_over",
    "load_transforms",
]
