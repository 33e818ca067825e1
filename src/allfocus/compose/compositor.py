"""What tiles are painted on: the picture and its maps, from the network's logits to finished pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from allfocus.compose.blend import NOISY, calmed, compose_alike, confidence_of, noise_of, sharpness_in
from allfocus.compose.depth import expected_position, fill_depth
from allfocus.compose.quality import FLAWED, flaws_from
from allfocus.core.color import Array, FloatArray, luma, to_unit
from allfocus.core.pyramid import Levels
from allfocus.core.weights import softmax_weights, winner
from allfocus.decide.coarse_to_fine import Selected
from allfocus.decide.stack_pyramid import Survey
from allfocus.options import Composition
from allfocus.result import FusionResult

#: How many frames the noise is measured in.
NOISE_FRAMES = 4


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How to paint.

    Attributes:
        compose: how weights become a picture, see `fusion.compose`.
        bias: (N,) what to add to the logits of each frame, in the order of the survey.
        depth: whether to make a depth map too.
    """

    compose: Composition
    bias: FloatArray
    depth: bool


class Canvas:
    """The picture and its maps, as large as a frame; tiles may be painted on it in any order, and side by side.

    Args:
        survey: of the stack that decides.
        manner: how to paint.
        companions: frames of other channels of the same stack, in the order in which the survey was given its own:
            the same decision makes a picture of each.
    """

    def __init__(self, survey: Survey, manner: Manner, companions: Sequence[Sequence[Array]] = ()) -> None:
        self._survey, self._manner = survey, manner
        self._companions = [[frames[position] for position in survey.order] for frames in companions]
        self._noise = float(np.median([noise_of(frame) for frame in survey.frames[:NOISE_FRAMES]]))
        size = survey.frames[0].shape[:2]
        self._images = [np.empty_like(frames[0]) for frames in (survey.frames, *self._companions)]
        self._index_map = np.empty(size, np.uint16)
        self._confidence = np.empty(size, np.float32)
        self._unsharp, self._veiled = np.empty((2, *size), np.bool_)
        self._depth, self._certainty = np.empty((2, *size) if manner.depth else (2, 0, 0), np.float32)

    def paint(self, tile: Selected) -> None:
        """Decide and compose one tile."""
        order, noise = self._survey.order[tile.frames], self._noise
        around = [self._survey.cut(frame, tile.around) for frame in tile.frames]
        logits = calmed(around, tile.logits + self._manner.bias[tile.frames, None, None], noise)
        weights = softmax_weights(logits, sharpness_in(noise))
        # in noise, frames that can't win still count where they are the same
        others = tile.others if noise >= NOISY and self._manner.compose != "hard" else ()
        mixed = [[*around, *(self._survey.cut(frame, tile.around) for frame in others)]]
        mixed += [[frames[k][tile.around].copy() for k in (*tile.frames, *others)] for frames in self._companions]
        shares = np.concatenate([weights, np.zeros((len(others), *weights.shape[1:]), np.float32)])
        composed = compose_alike(mixed, shares, self._manner.compose, noise, tile.own)
        for image, part in zip(self._images, composed, strict=True):
            image[tile.here] = part
        own = logits[(slice(None), *tile.own)]
        chances, best = softmax_weights(own, sharpness=1), winner(own)
        self._index_map[tile.here] = order[best]
        picked = [frame[tile.own] for frame in around]
        self._confidence[tile.here] = confidence_of(picked, chances, best, self._survey.levels.span)
        for mask, plane, bound in zip((self._unsharp, self._veiled), tile.flaws, FLAWED, strict=True):
            mask[tile.here] = plane > bound
        if self._manner.depth:
            found = expected_position(chances, order, order[best])
            self._depth[tile.here], self._certainty[tile.here] = found

    def result(self) -> FusionResult:
        """The finished picture."""
        image, *companions = self._images
        guide = luma(to_unit(image)) if self._manner.depth else None
        frames = len(self._survey.frames)
        return FusionResult(
            image=image,
            companions=tuple(companions),
            index_map=self._index_map,
            confidence=self._confidence,
            depth=None if guide is None else fill_depth(self._depth, self._certainty, guide),
            flaws=flaws_from(self._unsharp, self._veiled, self._index_map, frames),
            frame_count=frames,
            method="network",
            notes=notes_on(self._survey.levels),
        )


def notes_on(levels: Levels) -> tuple[str, ...]:
    """What a user should know about how the frames were seen."""
    if not levels.are_stretched:
        return ()
    used = f"{levels.black:.2%} to {levels.white:.2%}"
    return (f"the frames' values lie within {used} of their range: for the decision they were stretched to all of it",)
