"""A stack as a chain of links: each frame is registered to an earlier one as it arrives, and little is kept."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from allfocus.alignment.comparison import MIN_CHECKED
from allfocus.alignment.contrast_pyramid import RegistrationPyramid
from allfocus.alignment.fixed_pattern import widen
from allfocus.alignment.flow import to_gray
from allfocus.alignment.motion import DEGREES_OF_FREEDOM, Matrix, map_points, spread_points, to_pixels
from allfocus.alignment.pair import (
    MIN_AGREEMENT,
    PairMotion,
    compare_finest_level,
    evaluate_motions,
    find_fixed,
    register_pair,
)
from allfocus.alignment.photometric import ExposureTransfer, estimate_exposures
from allfocus.alignment.still import check_still
from allfocus.core.color import Array, FloatArray
from allfocus.options import MotionModel

#: Earlier frames whose pyramids are kept: a frame is linked to the last of them that it matches, and slow drift shows
#: against the first.
REACH = 4
#: Longest side, in pixels, of the levels that are kept of those before the last.
KEPT_SIDE = 800
#: A model explains a motion if its loss exceeds by at most this share those of better models: up to a similarity, and
#: of more freedom, which fit blur as well; and by so much more for each point that is missing.
TOLERANCE, FREE_TOLERANCE, POINT_TOLERANCE = 0.01, 0.04, 30.0
#: The excess loss of a single link may be so many times the mean of all: the frame may have been bumped.
ONE_LINK = 5
#: A fixed pattern is believed where so large a share of the pairs of frames that show one agree.
VOTES = 0.3
#: Largest change of scale between two frames, and the smallest share of the picture that both must show.
MAX_SCALE, MIN_OVERLAP = 1.3, 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class Link:
    """A frame registered to an earlier one.

    Attributes:
        parent: position of the earlier frame.
        motion: from that frame to this one.
    """

    parent: int
    motion: PairMotion


class Chain:
    """Links between the frames so far.

    Args:
        keep_details: whether to keep what optical flow needs.
        ignored: (h, w) bool of any size: what stays put in every frame and is not compared; None: not known yet.

    Attributes:
        links: of each frame to an earlier one; None: it matches none of them.
        roots: of each frame, the first frame that it is connected with.
        paths: of each frame, the motion from its root to it, by every model, in normalised coordinates.
        lights, sharpness: of each frame, see `RegistrationPyramid`.
        size: height and width of every frame.
        details: of each frame, (h, w) uint8, see `flow.to_gray`; empty without `keep_details`.
    """

    def __init__(self, keep_details: bool = False, ignored: Array | None = None) -> None:
        self._keep_details, self._ignored = keep_details, ignored
        self._votes: FloatArray | None = None
        self._voters = 0
        self.details: list[Array] = []
        self.links: list[Link | None] = []
        self.roots: list[int] = []
        self.paths: list[dict[MotionModel, Matrix]] = []
        self.lights: list[FloatArray] = []
        self.sharpness: list[FloatArray] = []
        self.size = (0, 0)
        self._recent: list[tuple[int, RegistrationPyramid]] = []
        self._drifts: list[PairMotion] = []
        #: what was compared last: useless frames are looked for by the exposures that are used later
        self._exposures: dict[tuple[object, ...], list[ExposureTransfer]] = {}

    def add(self, pyramid: RegistrationPyramid) -> None:
        """Register the next frame to those before it."""
        self.size = pyramid.size
        self._append(pyramid, next(self._find_links(pyramid), None))

    def add_still(self, pyramid: RegistrationPyramid) -> bool:
        """Add the next frame if it is clear that it lies where those before it do; returns whether it was added."""
        self.size = pyramid.size
        link = None
        if self._recent:
            (first, earliest), (last, latest) = self._recent[0], self._recent[-1]
            motion = check_still(latest, pyramid)
            is_far = last - first >= REACH - 2 and len(self.links) % (REACH - 1) == 0
            if motion is None or (is_far and check_still(earliest, pyramid, is_far=True) is None):
                return False
            link = Link(parent=last, motion=motion)
        self._append(pyramid, link, is_still=True)
        return True

    def _append(self, pyramid: RegistrationPyramid, link: Link | None, is_still: bool = False) -> None:
        position = len(self.links)
        self.links.append(link)
        if link is None:
            self.roots.append(position)
            self.paths.append({model: np.eye(3) for model in DEGREES_OF_FREEDOM})
        else:
            self.roots.append(self.roots[link.parent])
            before = self.paths[link.parent]
            self.paths.append({model: link.motion.motions[model] @ before[model] for model in DEGREES_OF_FREEDOM})
            if not is_still:
                self._vote(link.motion.fixed)
                self._measure_drift(pyramid)
        if self._keep_details:
            self.details.append(to_gray(drop_finest(pyramid).levels[-1].planes[..., 0]))
        self.lights.append(pyramid.light)
        self.sharpness.append(pyramid.sharpness)
        self._recent = [(k, drop_finest(earlier)) for k, earlier in self._recent[1 - REACH :]]
        self._recent.append((position, pyramid))

    def _find_links(self, pyramid: RegistrationPyramid) -> Iterator[Link]:
        """Yield links to recent frames that the new one matches, the last first."""
        for parent, earlier in reversed(self._recent):
            motion = register_pair(earlier, pyramid, self._ignored)
            matrix = to_pixels(motion.motions["similarity"], pyramid.size)
            if motion.agreement >= MIN_AGREEMENT and is_plausible(matrix, pyramid.size):
                yield Link(parent=parent, motion=motion)

    def _measure_drift(self, pyramid: RegistrationPyramid) -> None:
        """Evaluate each model between the new frame and the earliest whose pyramid is kept."""
        first, earlier = self._recent[0]
        if len(self._recent) < 2 or self.roots[first] != self.roots[-1]:
            return
        last = self.paths[-1]
        motions = {model: last[model] @ np.linalg.inv(self.paths[first][model]) for model in DEGREES_OF_FREEDOM}
        comparison = compare_finest_level(earlier, pyramid, self._ignored)
        if self._ignored is None:
            found = find_fixed(earlier, pyramid, comparison, motions["similarity"])
            self._vote(None if found is None else found.pattern)
        if len(self._recent) == REACH:
            check = compare_finest_level(earlier, pyramid, self._ignored, "check")
            self._drifts.append(evaluate_motions(check if check.count >= MIN_CHECKED else comparison, motions))

    def _vote(self, fixed: Array | None) -> None:
        """Count a fixed pattern that was found between two frames."""
        if fixed is None:
            return
        if self._votes is None:
            self._votes = np.zeros(fixed.shape, np.float32)
        self._votes += cv2.resize(fixed.astype(np.float32), self._votes.shape[::-1], interpolation=cv2.INTER_LINEAR)
        self._voters += 1

    def find_fixed_pattern(self) -> Array | None:
        """What stays put in the whole stack while the scene moves, with what is near: (h, w) bool; None: nothing."""
        if self._votes is None:
            return None
        return widen(self._votes > VOTES * self._voters)

    def choose_model(self, group: Sequence[int]) -> MotionModel:
        """The model of least freedom that explains the motions between the frames of a group."""
        links = [measure_excess(link.motion) for k in group if (link := self.links[k]) is not None]
        drifts = [measure_excess(motion) for motion in self._drifts]

        def excess(model: MotionModel) -> float:
            near, far = ([found[model] for found in pairs] or [0.0] for pairs in (links, drifts))
            return float(max(np.mean(near), np.max(near) / ONE_LINK, np.mean(far)))

        return next(model for model in DEGREES_OF_FREEDOM if model == "homography" or excess(model) <= 1)

    def find_largest_group(self) -> list[int]:
        """Positions of the largest set of connected frames; of sets of equal size, the first."""
        root = max(dict.fromkeys(self.roots), key=self.roots.count)
        return [position for position, own in enumerate(self.roots) if own == root]

    def compose_motions(self, model: MotionModel, reference: int, group: Sequence[int]) -> list[Matrix]:
        """Motions from the reference to each frame of a group, normalised coordinates; the identity for the others."""
        back = np.linalg.inv(self.paths[reference][model])
        return [self.paths[k][model] @ back if k in group else np.eye(3) for k in range(len(self.links))]

    def compare_exposures(
        self, model: MotionModel, reference: int, group: Sequence[int], by_channel: bool
    ) -> list[ExposureTransfer]:
        """The exposure of each frame against the reference, see `photometric.estimate_exposures`."""
        wanted = (len(self.links), model, reference, tuple(group), by_channel)
        if wanted not in self._exposures:
            parents = [None if link is None else link.parent for link in self.links]
            motions = self.compose_motions(model, reference, group)
            found = estimate_exposures(self.lights, motions, parents, reference, group, by_channel)
            self._exposures = {wanted: found}
        return list(self._exposures[wanted])


def measure_excess(motion: PairMotion) -> dict[MotionModel, float]:
    """By what share each model's loss exceeds those of better ones, in units of what is tolerated."""
    models = list(DEGREES_OF_FREEDOM)
    free = models.index("similarity") + 1
    doubt = POINT_TOLERANCE / (motion.points + 1)

    def excess(index: int) -> float:
        own = motion.losses[models[index]]
        rigid = [(own / motion.losses[model] - 1 - doubt) / TOLERANCE for model in models[index:free]]
        freer = [(own / motion.losses[model] - 1 - doubt) / FREE_TOLERANCE for model in models[max(index, free) :]]
        return max([*rigid, *freer])

    return {model: excess(index) for index, model in enumerate(models)}


def drop_finest(pyramid: RegistrationPyramid) -> RegistrationPyramid:
    """The pyramid without its large levels, which take most of its memory."""
    small = [level for level in pyramid.levels if level.side <= KEPT_SIDE]
    return replace(pyramid, levels=small or pyramid.levels)


def is_plausible(matrix: Matrix, size: tuple[int, int]) -> bool:
    """Whether a pixel matrix is one between frames of a stack: its scale is near 1, and the frames overlap."""
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:2, :2]))))
    points = map_points(matrix, spread_points(size))
    inside = np.mean(np.all((points >= 0) & (points <= np.array([size[1] - 1, size[0] - 1])), axis=1))
    return 1 / MAX_SCALE <= scale <= MAX_SCALE and bool(inside >= MIN_OVERLAP)
