"""The memory that a fusion needs, stage by stage: measured by benchmarks/speed/memory.py."""

from allfocus.core.stack import FrameInfo
from allfocus.decision.cells import FADE, count_waiting_bytes
from allfocus.decision.logit_store import count_stored_bytes
from allfocus.decision.search_rule import CELL, PIXELS_AT_ONCE, PIXELS_OF_PLACE
from allfocus.decision.stack_pyramid import KEPT, count_kept_bytes
from allfocus.options import FusionOptions

#: Python, the libraries, the network, and what the allocator keeps; and how much of that goes back before halos are
#: removed.
BASE, GIVEN_BACK = 245_000_000, 95_000_000
#: Bytes that a worker needs for each pixel that the network is given: its features, a few times over; and in the finest
#: levels, with what is made of its answer.
COARSE_PIXEL, FINE_PIXEL = 56, 110
#: Bytes that it needs to blend a pixel of each of more than the first number of frames; a cell has no more candidates,
#: and others that help against noise, than the second. Of frames in scratch files it is within what is mapped of them.
BLENDING, FEW, MOST = 10, 8, 32
#: Bytes of pages that are mapped of frames in scratch files, by all workers together, and of what is cut from them.
MAPPED = 250_000_000
#: Bytes that a worker needs to measure the depth of a cell.
MEASURING = 20_000_000
#: Copies of a frame that a worker has at once while it is decoded, aligned and made a pyramid; and that are there while
#: the picture is written.
DECODING, ALIGNING, BUILDING, WRITING = 3.0, 5.0, 2.5, 2.5
#: Bytes a pixel of the index map, the confidence and two masks; of the depth and its error; and while
#: depth is filled in.
MAPS, DEPTH, FILLING = 8, 8, 24
#: Bytes a pixel of the veil's share and of its two masks; its colour takes as much as a frame. And what a worker needs
#: to solve one cell, of so many layers at most.
VEIL, SOLVING = 6, 130_000_000


class Needs:
    """What a fusion needs, by stage.

    Args:
        frames, frame, options, are_files, channels, held: see `plan.plan_fusion`.

    Attributes:
        kept: bytes of frames and pyramids.
        removes: whether halos are removed.
    """

    def __init__(
        self,
        frames: int,
        frame: FrameInfo,
        options: FusionOptions,
        *,
        are_files: bool,
        channels: int,
        held: int = 0,
    ) -> None:
        self._frame, self._are_files = frame, are_files
        self._has_network, self._aligns = options.method == "network", options.align != "none"
        self.removes = options.halos == "remove" and not options.draft
        kept = (1 + channels) * frame.nbytes if are_files else 0
        kept += count_kept_bytes(frame) + count_stored_bytes(frame, KEPT) if self._has_network else 0
        self.kept = frames * kept
        self._coarse = COARSE_PIXEL * min(PIXELS_AT_ONCE, frames * frame.pixels >> 2 * KEPT)
        self._fine = FINE_PIXEL * min(PIXELS_OF_PLACE, frames * frame.pixels) + MEASURING * options.depth
        self._blending = BLENDING * max(0, min(frames, MOST) - FEW) * min(frame.pixels, (CELL + 2 * FADE) ** 2)
        self._results = frame.pixels * (MAPS + DEPTH * options.depth) + (1 + channels) * frame.nbytes
        self._results += (VEIL * frame.pixels + frame.nbytes) if self.removes else 0
        self._finishing = held + max(FILLING * frame.pixels * options.depth, int(WRITING * frame.nbytes))

    def memory(self, workers: int, to_files: bool) -> int:
        """Bytes at most, with so many workers: of the stage that needs most.

        Args:
            workers: how many.
            to_files: whether what is kept is kept in scratch files.
        """
        copies = max(DECODING * self._are_files, ALIGNING * self._aligns, BUILDING * self._has_network)
        waiting = count_waiting_bytes(self._frame.size, CELL) if self._has_network else 0
        stages = (
            workers * int(copies * self._frame.nbytes),
            workers * self._coarse,
            self._results + waiting + workers * self._fine + (MAPPED if to_files else workers * self._blending),
            self._results + workers * SOLVING * self.removes - GIVEN_BACK,
            self._results + self._finishing,
        )
        return BASE + (0 if to_files else self.kept) + max(stages)
