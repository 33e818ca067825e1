"""Initial motion between two frames that are far apart, from matched SIFT features."""

import cv2
import numpy as np

from allfocus.alignment.contrast_pyramid import RegistrationPyramid, pair_levels
from allfocus.alignment.fixed_pattern import fit_mask
from allfocus.alignment.motion import Matrix, from_pixels
from allfocus.core.color import Array, FloatArray

#: Ratio test: a match counts if its distance is below this share of that of the second best.
RATIO = 0.8
#: Most features of a frame, matches that a motion needs, and RANSAC's inlier threshold in pixels of the level.
MAX_FEATURES, MIN_MATCHES, INLIER_PIXELS = 2000, 4, 3.0


def guess_motion(one: RegistrationPyramid, other: RegistrationPyramid, ignored: Array | None = None) -> Matrix:
    """A similarity between two frames from SIFT matches and RANSAC; the identity if too few features match.

    Lowe, 10.1023/B:VISI.0000029664.99615.94; Fischler and Bolles, 10.1145/358669.358692.

    Args:
        one: the first frame.
        other: the second frame.
        ignored: (h, w) bool: where no features are taken, at the finest level that both have; None: nowhere.

    Returns:
        (3, 3), in normalised coordinates, see `motion`.
    """
    levels = pair_levels(one, other)[-1]  # of an earlier frame the finest may not be kept
    (here, described), (there, described_there) = (detect_features(level.planes[..., 0], ignored) for level in levels)
    if min(len(here), len(there)) < MIN_MATCHES:
        return np.eye(3)
    pairs = [(best, second) for best, second in cv2.BFMatcher().knnMatch(described, described_there, k=2)]
    good = [best for best, second in pairs if best.distance < RATIO * second.distance]
    if len(good) < MIN_MATCHES:
        return np.eye(3)
    scale = levels[0].scale
    source, target = here[[match.queryIdx for match in good]], there[[match.trainIdx for match in good]]
    matrix, _ = cv2.estimateAffinePartial2D(
        (source + 0.5) * scale - 0.5, (target + 0.5) * scale - 0.5, ransacReprojThreshold=INLIER_PIXELS * scale
    )
    return np.eye(3) if matrix is None else from_pixels(np.vstack([matrix, [0, 0, 1]]), one.size)


def detect_features(detail: FloatArray, ignored: Array | None = None) -> tuple[Array, Array]:
    """Positions (n, 2), x first, and descriptors (n, 128) of the SIFT features of a plane (h, w) of mean 0."""
    gray = np.clip(128 + 50 * detail, 0, 255).astype(np.uint8)
    mask = np.full_like(gray, 255)
    if ignored is not None:
        mask[fit_mask(ignored, gray.shape)] = 0
    points, descriptors = cv2.SIFT.create(nfeatures=MAX_FEATURES).detectAndCompute(gray, mask)
    if descriptors is None:
        return np.empty((0, 2), np.float32), np.empty((0, 128), np.float32)
    return np.array([point.pt for point in points], np.float32), np.asarray(descriptors)
