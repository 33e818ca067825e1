"""One picture too large for a worker, as several tasks: one looks at the whole, each other composes a region.

What is half done lies in a hidden folder beside the picture: empty levels that regions are written to, what is known of
the whole, and a record of each step that is done. Whoever goes on after an interruption does the steps without one.
"""

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from allfocus._version import __version__
from allfocus.batch.tasks import Task
from allfocus.core.windows import Window
from allfocus.errors import AllFocusError
from allfocus.formats.pixels import limit_pixels
from allfocus.formats.registry import holds_labels
from allfocus.jobs.checks import find_channel, inspect_request, needed_maps
from allfocus.options import FusionOptions
from allfocus.plan import plan_for
from allfocus.run.machine import Machine
from allfocus.sources.expand import list_frames
from allfocus.sources.volume import Volume, VolumeStack
from allfocus.volumes import group_stacks, options_for_volumes

#: Side of a region in pixels: as many whole shards of the picture; and that of pictures with a side beyond the third.
SIDE, LARGER, BEYOND = 4096, 8192, 16384


@dataclass(frozen=True, kw_only=True)
class Share:
    """How one task is shared.

    Attributes:
        task: the task.
        out: the folder of all outputs.
        folder: of what is half done.
        size: height and width of the picture.
        side: of the regions.
        groups: how many pictures, or sets of channels that go by one decision.
    """

    task: Task
    out: Path
    folder: Path
    size: tuple[int, int]
    side: int
    groups: int

    @property
    def regions(self) -> list[Window]:
        """Rows and columns of each region."""
        rows, columns = (divide(length, self.side) for length in self.size)
        return [(a, b) for a in rows for b in columns]

    @property
    def steps(self) -> list["Step"]:
        """All that there is to do, but for the beginning and the end."""
        each = range(len(self.regions))
        return [
            step
            for group in range(self.groups)
            for step in (Step(kind="whole", group=group), *(Step(kind="region", group=group, region=k) for k in each))
        ]

    def record(self, step: "Step") -> Path:
        """The file that says that a step is done."""
        return self.folder / "done" / f"{step.name}.json"

    def whole(self, group: int) -> Path:
        """The folder of what is known of the whole."""
        return self.folder / f"whole-{group}"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One part of a task that is shared: `begin`, `whole` of a group, a `region` of it, `end`."""

    kind: str
    group: int = 0
    region: int = 0

    @property
    def name(self) -> str:
        """What its record is called."""
        return f"{self.kind}-{self.group}-{self.region}"


def divide(length: int, side: int) -> list[slice]:
    """Parts so long; less than half of one makes the last one longer: narrow regions are decided around their edges."""
    count = max(1, (length + side // 2) // side)
    edges = [*range(0, count * side, side), length]
    return [slice(start, stop) for start, stop in pairwise(edges)]


def may_be_shared(task: Task) -> bool:
    """Whether all that is asked of a task can be written region by region: OME-Zarrs of one file's planes."""
    request = task.request
    pictures = request.outputs.pictures
    return (
        bool(pictures) and all(map(holds_labels, pictures)) and not request.outputs.texts and len(request.frames) == 1
    )


def plan_share(task: Task, out: Path, machine: Machine, side: int | None = None) -> Share | None:
    """How to share a task among workers that have so much each; None: it is done as one.

    Args:
        task: one that `may_be_shared`.
        out: the folder of all outputs.
        machine: what the smallest worker has: shared is what it can fuse in parts only.
        side: of the regions; None: by the size of the picture.
    """
    request = task.request
    with suppress(AllFocusError, OSError):  # whoever does the task says what is wrong with it
        volume, groups, options = open_groups(task)
        listing = groups[0][0].listing
        plan = plan_for(listing, options, len(groups[0]) - 1, machine, listing.parts)
        if not plan.in_parts or volume.axes["P"] > 1:
            return None
        size = listing.frame.size
        side = side or (LARGER if max(size) > BEYOND else SIDE)
        known = json.dumps([task.digest, task.inputs, __version__, side])
        image = next(iter(request.outputs.pictures))
        folder = f"{begins(image)}{hashlib.sha256(known.encode()).hexdigest()[:12]}.regions"
        return Share(task=task, out=out, folder=image.parent / folder, size=size, side=side, groups=len(groups))
    return None


def begins(image: Path) -> str:
    """How the names of folders begin that hold what is half done of a picture."""
    return f".{image.name[:40]}."


def open_groups(task: Task) -> tuple[Volume, list[list[VolumeStack]], FusionOptions]:
    """The volume of a task, the groups of its stacks, and the options that it is fused with."""
    request = task.request
    with limit_pixels(request.options.pixel_limit):
        volume = inspect_request(request, list_frames(list(request.frames)))
    if not isinstance(volume, Volume):
        raise AllFocusError(f"{task.name}: expected a volume")
    options = options_for_volumes(request.options, needed_maps(request))
    return volume, group_stacks(volume, find_channel(request, volume)), options
