"""Where to begin when two frames are far apart: by features that look alike in both."""

import cv2
import numpy as np

from allfocus.align.contrast_pyramid import View
from allfocus.align.motion import Matrix, from_pixels
from allfocus.core.color import Array, FloatArray

#: How much better than the second best a match of features must be.
DISTINCT = 0.8
#: Features of a frame at most, pairs that a motion needs at least, and by how many pixels they may miss it.
FEATURES, PAIRS, MISS = 2000, 4, 3.0


def guess_motion(one: View, other: View) -> Matrix:
    """A similarity by features that can be told apart (SIFT, RANSAC); no motion if too few are alike.

    Lowe, 10.1023/B:VISI.0000029664.99615.94; Fischler and Bolles, 10.1145/358669.358692.
    """
    (here, told_here), (there, told_there) = (features_of(view.levels[-1].planes[..., 0]) for view in (one, other))
    if min(len(here), len(there)) < PAIRS:
        return np.eye(3)
    pairs = [(best, next_best) for best, next_best in cv2.BFMatcher().knnMatch(told_here, told_there, k=2)]
    good = [best for best, next_best in pairs if best.distance < DISTINCT * next_best.distance]
    if len(good) < PAIRS:
        return np.eye(3)
    scale = one.levels[-1].scale
    source, target = here[[match.queryIdx for match in good]], there[[match.trainIdx for match in good]]
    matrix, _ = cv2.estimateAffinePartial2D(
        (source + 0.5) * scale - 0.5, (target + 0.5) * scale - 0.5, ransacReprojThreshold=MISS * scale
    )
    return np.eye(3) if matrix is None else from_pixels(np.vstack([matrix, [0, 0, 1]]), one.size)


def features_of(detail: FloatArray) -> tuple[Array, Array]:
    """Places (n, 2) and descriptions of features of a plane of mean 0."""
    gray = np.clip(128 + 50 * detail, 0, 255).astype(np.uint8)
    points, descriptions = cv2.SIFT.create(nfeatures=FEATURES).detectAndCompute(gray, np.full_like(gray, 255))
    if descriptions is None:
        return np.empty((0, 2), np.float32), np.empty((0, 128), np.float32)
    return np.array([point.pt for point in points], np.float32), np.asarray(descriptions)
