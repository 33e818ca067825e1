"""FusionResult: what comes out of a fusion."""

from dataclasses import dataclass

from allfocus.align.alignment import Alignment
from allfocus.core.color import Array, FloatArray
from allfocus.core.windows import Place


@dataclass(frozen=True, kw_only=True)
class Flaws:
    """Where the picture can't be trusted, because no choice among the frames is good.

    Attributes:
        unsharp: (H, W) bool, sharp in no frame: in a gap between two focus steps, or beyond the last.
        veiled: (H, W) bool, seen only through the blur of something nearer.
        gap: positions, counted from 0, of the two frames between which most of what is unsharp would be sharp; twice
            the same one if it alone is near it, as at the ends of the stack; None if nothing is unsharp.
    """

    unsharp: Array
    veiled: Array
    gap: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class FusionResult:
    """One picture, sharp everywhere, and where each pixel came from.

    Attributes:
        image: the fused picture, shape and dtype of the frames.
        index_map: (H, W) uint16, the frame with the largest weight at each pixel, counted from 0.
        confidence: (H, W) float32 in [0, 1]. Of the network: the probability that no frame's pixel would have been
            visibly better. Of the Laplacian rule: by what share of its detail the picked frame leads.
        depth: (H, W) float32 in [0, N - 1], at which place of the stack the pixel is in focus, between two frames
            too, in the order of focus if that was found out (`alignment.order`); None unless asked for.
        flaws: where no frame was good enough; None from the Laplacian rule, and from a model that has not learned it.
        frame_count: how many frames went in.
        method: `network` or `classic`.
        alignment: how the frames were laid over each other; None if they were taken as they are.
        area: which rows and columns of the reference the picture shows; None: all of them.
        is_cropped: whether that is less than all of them.
        notes: what a user should know about this result, one line each; empty when all is ordinary.
        companions: the pictures of other channels, made by the same decision, in the order in which they were given.
    """

    image: Array
    index_map: Array
    confidence: FloatArray
    frame_count: int
    method: str
    depth: FloatArray | None = None
    flaws: Flaws | None = None
    alignment: Alignment | None = None
    area: Place | None = None
    is_cropped: bool = False
    notes: tuple[str, ...] = ()
    companions: tuple[Array, ...] = ()
