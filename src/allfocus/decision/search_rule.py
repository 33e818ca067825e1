"""What the network refines, and in pieces of which size."""

from dataclasses import dataclass, field, replace

from allfocus.decision.candidates import CandidateRule

#: Bounds of what the network is given fall on whole patches of the next coarser level.
STEP = 8
#: Side of the cells: the same frames are candidates all over one. A multiple of `STEP`.
CELL = 512
#: Pixels of all frames together that the network is given at once: about 0.2 GB.
PIXELS_AT_ONCE = 2_500_000
#: The same for places of the two finest levels, where there are no more frames than candidates: what the network takes
#: is kept for as long as it is loaded.
PIXELS_OF_PLACE = 1_350_000


@dataclass(frozen=True, kw_only=True)
class SearchRule:
    """What is refined, and where.

    Attributes:
        cell: side of the cells in pixels, a multiple of `STEP`.
        block: side of the blocks of a cell that the finest level is refined in or not: a multiple of `STEP`, and a
            divisor of `cell` by a power of two.
        least_gain: squared error, unit scale, that refining the finest level in a block has to promise to save.
        least_gain_if_empty: the same where the finest level holds next to no detail, as in most photos of many pixels.
        least_detail: what share of the energy of the second finest level's detail it has to hold, or be next to none.
        max_tile: longest side in pixels of what the network is given at once; None: what fits the memory.
        in_tiles: which frames of a long stack are candidates in a tile of the finest level that is answered whole.
        in_cells: which frames are candidates in a cell.
        in_blocks: which of them are in a block, by the second finest level.
    """

    cell: int = CELL
    block: int = 128
    least_gain: float = 5e-6
    least_gain_if_empty: float = 1e-4
    least_detail: float = 0.28
    max_tile: int | None = None
    in_tiles: CandidateRule = field(default_factory=lambda: CandidateRule(least=0.1, most=12, uncovered=0.0005))
    in_cells: CandidateRule = field(default_factory=CandidateRule)
    in_blocks: CandidateRule = field(default_factory=lambda: CandidateRule(least=0.35))

    @classmethod
    def of(cls, *, fast: bool = False, max_tile: int | None = None) -> "SearchRule":
        """The rule for a fast or a thorough search."""
        return replace(cls(max_tile=max_tile), least_gain=5e-4) if fast else cls(max_tile=max_tile)


def tile_side(frames: int, max_tile: int | None, reach: int, pixels: int) -> int:
    """Side of square tiles: with `reach` around it so many pixels of all frames together, and within `max_tile`."""
    affordable = int((pixels / frames) ** 0.5) - 2 * reach
    wanted = affordable if max_tile is None else min(affordable, max_tile)
    return max(STEP, wanted - wanted % STEP)
