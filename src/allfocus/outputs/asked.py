"""What else is asked of a fusion from files to files, beside `FusionOptions` and `Outputs`; flags are made from it."""

from dataclasses import dataclass
from pathlib import Path

from allfocus.core.typed import declared
from allfocus.options import ALIGNMENT, FUSION, OUTPUT
from allfocus.outputs.wishes import NAMED


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a command that fuses takes, by the names of its flags; see `jobs.requests`."""

    channel_for_focus: str | None = declared(
        None,
        help="Fuse all channels by the focus of this one (default: each by its own).",
        group=FUSION,
        metavar="NAME|NUMBER",
    )
    no_align: bool = declared(False, help="Take the frames as registered: --align none.", group=ALIGNMENT)
    outputs: str | None = declared(
        None, help=f"Write these beside the picture: image,{','.join(NAMED)}.", group=OUTPUT, metavar="LIST"
    )
    slab: str | None = declared(
        None,
        help="Also fuse sub-stacks of SIZE frames that share OVERLAP of them, and save them beside the picture.",
        group=OUTPUT,
        metavar="SIZE:OVERLAP",
    )
    options: Path | None = declared(
        None, help="Read options from this file (.toml, .json); flags override it.", metavar="FILE"
    )
