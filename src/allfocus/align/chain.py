"""A stack as a chain: each frame is compared with one before it, as they come, and nothing large is kept."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from allfocus.align.contrast_pyramid import View
from allfocus.align.flow import comparable
from allfocus.align.motion import FREEDOM, Matrix, grid, in_pixels, moved
from allfocus.align.pair import AGREED, Move, finest_comparison, judged, register
from allfocus.align.photometric import Tone, surest_tones
from allfocus.core.color import Array, FloatArray
from allfocus.options import MotionModel

#: Earlier frames that are known: a frame is linked to the last of them that it agrees with, and a slow drift shows
#: against the first.
REACH = 4
#: Longest side of what is kept of those before the last.
KEPT_SIDE = 800
#: A model explains a motion if it leaves at most this share more difference than better ones: than a similarity,
#: and than those with more freedom, which fit blur too; and so much more for each point that there is not.
EXPLAINED, EXPLAINED_FREELY, DOUBT = 0.01, 0.04, 30.0
#: What a single link may leave more than all do on average, as a multiple: a frame that was bumped.
ONE_LINK = 5
#: What a camera may do between two frames: make things larger or smaller by this, and still show this share of them.
LARGEST_GROWTH, SMALLEST_OVERLAP = 1.3, 0.5


@dataclass(frozen=True, kw_only=True)
class Link:
    """A frame compared with an earlier one.

    Attributes:
        parent: position of the earlier frame.
        move: from that frame to this one.
    """

    parent: int
    move: Move


class Chain:
    """What is known of the frames so far.

    Attributes:
        links: of each frame to one before it; None: it agrees with none of them.
        roots: of each frame, the first one that it hangs together with.
        paths: of each frame, the motion from its root to it, by every model.
        shades, sharpness: of each frame, see `View`.
        size: height and width of every frame.
        details: of each frame, what can be compared place by place; empty unless it is to be kept.
    """

    def __init__(self, keep_details: bool = False) -> None:
        self._keep_details = keep_details
        self.details: list[Array] = []
        self.links: list[Link | None] = []
        self.roots: list[int] = []
        self.paths: list[dict[MotionModel, Matrix]] = []
        self.shades: list[FloatArray] = []
        self.sharpness: list[FloatArray] = []
        self.size = (0, 0)
        self._recent: list[tuple[int, View]] = []
        self._over_a_while: list[Move] = []

    def add(self, view: View) -> None:
        """Compare the next frame with those before it."""
        position = len(self.links)
        self.size = view.size
        link = next(self._agreeing(view), None)
        self.links.append(link)
        if link is None:
            self.roots.append(position)
            self.paths.append({model: np.eye(3) for model in FREEDOM})
        else:
            self.roots.append(self.roots[link.parent])
            before = self.paths[link.parent]
            self.paths.append({model: link.move.motions[model] @ before[model] for model in FREEDOM})
            self._look_back(view)
        if self._keep_details:
            self.details.append(comparable(without_finest(view).levels[-1].planes[..., 0]))
        self.shades.append(view.shade)
        self.sharpness.append(view.sharpness)
        self._recent = [(k, without_finest(earlier)) for k, earlier in self._recent[1 - REACH :]]
        self._recent.append((position, view))

    def _agreeing(self, view: View) -> Iterator[Link]:
        for parent, earlier in reversed(self._recent):
            move = register(earlier, view)
            if move.agreement >= AGREED and is_plausible(in_pixels(move.motions["similarity"], view.size), view.size):
                yield Link(parent=parent, move=move)

    def _look_back(self, view: View) -> None:
        """What each model leaves between this frame, the last, and the earliest that is known."""
        first, earlier = self._recent[0]
        if len(self._recent) < REACH or self.roots[first] != self.roots[-1]:
            return
        motions = {model: self.paths[-1][model] @ np.linalg.inv(self.paths[first][model]) for model in FREEDOM}
        self._over_a_while.append(judged(finest_comparison(earlier, view), motions))

    def simplest(self, group: Sequence[int]) -> MotionModel:
        """The model of least freedom that leaves hardly more than the best one, among the frames of a group."""
        links = [excesses(link.move) for k in group if (link := self.links[k]) is not None]
        over_a_while = [excesses(move) for move in self._over_a_while]

        def left(model: MotionModel) -> float:
            near, far = ([found[model] for found in pairs] or [0.0] for pairs in (links, over_a_while))
            return float(max(np.mean(near), np.max(near) / ONE_LINK, np.mean(far)))

        return next(model for model in FREEDOM if model == "homography" or left(model) <= 0)

    def largest_group(self) -> list[int]:
        """Positions of the frames that hang together with most others; of groups as large, the first."""
        root = max(dict.fromkeys(self.roots), key=self.roots.count)
        return [position for position, own in enumerate(self.roots) if own == root]

    def motions(self, model: MotionModel, reference: int, group: Sequence[int]) -> list[Matrix]:
        """From the reference to each frame of a group; frames that are not in it stay where they are."""
        back = np.linalg.inv(self.paths[reference][model])
        return [self.paths[k][model] @ back if k in group else np.eye(3) for k in range(len(self.links))]

    def tones(self, model: MotionModel, reference: int, group: Sequence[int], by_channel: bool) -> list[Tone]:
        """How bright each frame is against the reference."""
        parents = [None if link is None else link.parent for link in self.links]
        return surest_tones(self.shades, self.motions(model, reference, group), parents, reference, group, by_channel)


def excesses(move: Move) -> dict[MotionModel, float]:
    """By what share each model leaves more than better ones, beyond what may be chance: 0 and less is as good."""
    models = list(FREEDOM)
    free = models.index("similarity") + 1

    def excess(place: int) -> float:
        own, doubt = move.losses[models[place]], DOUBT / (move.points + 1)
        tamed = [own / move.losses[model] - 1 - EXPLAINED - doubt for model in models[place:free]]
        freely = [own / move.losses[model] - 1 - EXPLAINED_FREELY - doubt for model in models[max(place, free) :]]
        return max([*tamed, *freely])

    return {model: excess(place) for place, model in enumerate(models)}


def without_finest(view: View) -> View:
    """The view without what takes most of its memory."""
    small = [level for level in view.levels if max(level.planes.shape) <= KEPT_SIDE]
    return replace(view, levels=small or view.levels)


def is_plausible(matrix: Matrix, size: tuple[int, int]) -> bool:
    """Whether a camera may have moved so: nothing much larger or smaller, and most still in the picture."""
    growth = float(np.sqrt(abs(np.linalg.det(matrix[:2, :2]))))
    points = moved(matrix, grid(size))
    inside = np.mean(np.all((points >= 0) & (points <= np.array([size[1] - 1, size[0] - 1])), axis=1))
    return 1 / LARGEST_GROWTH <= growth <= LARGEST_GROWTH and bool(inside >= SMALLEST_OVERLAP)
