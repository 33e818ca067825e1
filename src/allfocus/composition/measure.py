"""Measuring the defocus of a stack: how wide its discs are, and which end of it is near."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import cv2
import numpy as np

from allfocus.composition.defocus import Defocus, disc_blur
from allfocus.composition.layers import LayeredWindow
from allfocus.composition.layout import find_layers
from allfocus.core.color import Array, FloatArray, linear_to_srgb, srgb_to_linear, to_unit
from allfocus.run.context import Run

#: Pixels that are looked at, and frames that are compared: evenly many of larger stacks.
PIXELS, FRAMES = 160_000, 8
#: Radii in pixels that are tried.
RADII = np.array([0, 0.6, 1, 1.4, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 10, 12, 14, 17], np.float32)
#: Radii of a step of focus that are tried.
STEPS = np.geomspace(0.15, 16, 48)
#: How far from its frame a thing may lie, in steps of focus, and where that is tried.
BETWEEN = np.linspace(-0.5, 0.5, 11)
#: Pixels that a frame must be the sharpest at, and by what factor of energy.
ENOUGH, LEAD = 300, 1.5
#: Discs must explain this share of the differences between frames.
EXPLAINED = 0.55
#: Sigmas that are tried of a filter, relative to the radius of a disc.
FILTERS = (0.35, 0.425, 0.5, 0.575)
#: One order of near and far must render the frames better than the other by this share of both misfits. From the
#: second share on a first look is enough.
BETTER, CLEARLY = 0.02, 0.1
#: Differences, display-encoded, that mean nothing.
NOTHING = 0.002
#: Of so few frames no disc is wider, in pixels, where that is found out; of more, layers would fall together.
FEW, WIDEST = 3, 4.0
#: Turns in which layers are solved to find out which end is near: for a first look, and after it.
TURNS, MORE_TURNS = 3, 2
#: How far beyond their edges things may be the sharpest ones, in pixels: as far as detail is averaged.
BESIDE = 6.0


def measure_defocus(frames: Sequence[Array], run: Run | None = None) -> Defocus | None:
    """How wide the blur of things is in each frame, and which end of the stack is near.

    The radius of a step is that of the discs by which sharp frames come closest to all others. Near is the end from
    which the frames can be rendered better: things cover what is behind them, not what is before.

    Args:
        frames: N arrays (H, W) or (H, W, 3), registered, in the order of focus or its reverse.
        run: where the frames may lie.

    Returns:
        None where that can't be said: too little detail, differences that no disc explains or that a filter explains
        better, or two ends that fit alike.
    """
    picked = np.unique(np.linspace(0, len(frames) - 1, min(FRAMES, len(frames))).round().astype(int))
    height, width = frames[0].shape[:2]
    scale = max(1.0, float(np.sqrt(height * width / PIXELS)))
    size = max(round(width / scale), 1), max(round(height / scale), 1)
    small = [reduce_to_light(frames[k], size) for k in (run or Run()).in_turn(picked)]
    gray = [image.mean(axis=2) for image in small]
    encoded = [linear_to_srgb(image) for image in gray]
    labels, sure = find_sharpest(encoded)
    masks = find_masks(labels, sure, len(gray))
    rows = compare(gray, encoded, masks)
    if not rows:
        return None
    found = fit(rows, picked.astype(np.float64))
    if found.explained < max(EXPLAINED, explain_by_filter(encoded, masks, found, picked)):
        return None
    counts = np.bincount(labels.ravel(), minlength=len(picked))
    near_first = which_is_near(
        small,
        labels,
        counts,
        Defocus(
            step=found.step * float(np.diff(picked).mean()),
            positions=np.interp(found.positions, picked, np.arange(len(picked))).astype(np.float32),
        ),
    )
    if near_first is None:
        return None
    positions = np.arange(len(frames)) + np.interp(np.arange(len(frames)), picked, found.positions - picked) * (
        len(picked) == len(frames)
    )
    return replace(found, step=found.step * scale, positions=positions.astype(np.float32), near_first=near_first)


def reduce_to_light(frame: Array, size: tuple[int, int]) -> FloatArray:
    """A frame, reduced to this width and height, (h, w, c) in linear light."""
    reduced = srgb_to_linear(to_unit(cv2.resize(frame, size, interpolation=cv2.INTER_AREA)))
    return reduced if reduced.ndim == 3 else reduced[..., None]


def find_sharpest(images: Sequence[FloatArray]) -> tuple[Array, Array]:
    """Which gray picture has the most detail at each pixel, and whether it leads clearly."""
    energies = [cv2.GaussianBlur(np.square(cv2.Laplacian(image, cv2.CV_32F)), (0, 0), 3) for image in images]
    ranked = np.sort(energies, axis=0)
    sure = (ranked[-1] > LEAD * ranked[-2]) & (ranked[-1] > 1e-5)
    return cv2.medianBlur(np.argmax(energies, axis=0).astype(np.uint8), 5).astype(np.intp), sure


def find_masks(labels: Array, sure: Array, count: int) -> dict[int, Array]:
    """Where each of so many frames is clearly the sharpest, (h, w) bool; without those that hardly are anywhere."""
    masks = {k: cv2.erode(((labels == k) & sure).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0 for k in range(count)}
    return {k: mask for k, mask in masks.items() if np.count_nonzero(mask) >= ENOUGH}


def compare(
    images: Sequence[FloatArray], encoded: Sequence[FloatArray], masks: Mapping[int, Array]
) -> dict[int, tuple[int, FloatArray]]:
    """How far each frame, blurred where it is the sharpest, is from each other one.

    Args:
        images: N gray pictures (h, w) in linear light.
        encoded: the same, display-encoded.
        masks: where each is the sharpest.

    Returns:
        By frame: at how many pixels it is the sharpest, and (N, len(RADII)) mean differences, display-encoded.
    """
    found = {}
    for k, mask in masks.items():
        others = np.array([other[mask] for other in encoded])
        apart = [np.abs(linear_to_srgb(disc_blur(images[k], radius)[mask]) - others).mean(axis=1) for radius in RADII]
        found[k] = int(np.count_nonzero(mask)), np.asarray(np.transpose(apart), np.float32)
    return found


def explain_by_filter(
    encoded: Sequence[FloatArray], masks: Mapping[int, Array], found: Defocus, picked: Array
) -> float:
    """Which share of the differences between frames a Gaussian on display-encoded values explains, 0 to 1.

    Pictures whose parts were blurred by a program are such: there nothing covers anything, and there is no veil.

    Args:
        encoded: N gray pictures (h, w), display-encoded.
        masks: where each is the sharpest.
        found: the discs that fit best; a disc has the variance of a Gaussian with half its radius as sigma.
        picked: (N,) in which position of the stack each of the compared frames is.
    """
    left = whole = 0.0
    for k, mask in masks.items():
        image = encoded[k]
        for other, radius in zip(encoded, _radii(np.asarray(found.step), found.positions[k], k, picked), strict=True):
            if other is image:
                continue
            blurred = (cv2.GaussianBlur(image, (0, 0), max(float(radius) * width, 0.1)) for width in FILTERS)
            left += min(float(np.abs(made - other)[mask].sum()) for made in blurred)
            whole += float(np.abs(image - other)[mask].sum())
    return 1 - left / max(whole, 1e-9)


def fit(rows: dict[int, tuple[int, FloatArray]], frames: Array) -> Defocus:
    """The radius of a step, and where things lie between the frames, that fit the comparison best.

    Args:
        rows: of `compare`.
        frames: (N,) in which position of the stack each of the compared frames is.
    """
    misfits, positions = _try_steps(rows, frames)
    best = int(np.argmin(misfits))
    step, places = STEPS[best], positions[best]
    left = whole = 0.0
    for k, (count, apart) in rows.items():
        reached = _interpolate(_radii(step, places[k], k, frames), apart)
        left += count * (sum(reached) - reached[k])
        whole += count * (apart[:, 0].sum() - apart[k, 0])
    return Defocus(step=float(step), positions=places, explained=float(1 - left / max(whole, 1e-9)))


def _try_steps(rows: dict[int, tuple[int, FloatArray]], frames: Array) -> tuple[Array, FloatArray]:
    """How badly each of `STEPS` fits, and (len(STEPS), N) the positions with which it fits best."""
    positions = np.tile(frames.astype(np.float32), (len(STEPS), 1))
    total, weight = np.zeros(len(STEPS)), 0.0
    offs = BETWEEN if len(frames) > 2 else BETWEEN[5:6]
    for k, (count, apart) in rows.items():
        least = np.maximum(apart.min(axis=1), NOTHING)
        places = frames[k] + offs * float(np.diff(frames).mean())
        reached = _interpolate(_radii(STEPS[:, None, None], places[:, None], k, frames), apart)
        misfits = np.delete(reached / least, k, axis=2).mean(axis=2)
        best = np.argmin(misfits, axis=1)
        positions[:, k] = places[best]
        total, weight = total + np.sqrt(count) * misfits.min(axis=1), weight + np.sqrt(count)
    return total / weight, positions


def _interpolate(radii: Array, apart: FloatArray) -> Array:
    """The differences, (..., N), from the N frames once blurred by discs of these radii, (..., N)."""
    return np.stack([np.interp(radii[..., n], RADII, row) for n, row in enumerate(apart)], axis=-1)


def _radii(step: Array, position: Array, sharpest: int, frames: Array) -> Array:
    """By which discs the sharpest frame becomes each of the frames, (..., N): it may itself not be quite sharp."""
    discs = np.square(step * (position - frames))
    return np.asarray(np.sqrt(np.maximum(discs - discs[..., sharpest, None], 0)))


def which_is_near(small: Sequence[FloatArray], labels: Array, counts: Array, defocus: Defocus) -> bool | None:
    """Whether the first frame is focused on the nearest things; None where that can't be told."""
    if len(small) <= FEW:
        small, labels, defocus = reduce_discs(small, labels, defocus)
    windows = []
    for near_first in (True, False):
        ordered = replace(defocus, near_first=near_first)
        layers = find_layers(counts, ordered)
        if len(layers) < 2:
            return None
        windows.append(LayeredWindow({k: small[k] for layer in layers for k in layer.frames}, labels, layers, ordered))
        windows[-1].solve(TURNS, BESIDE)
    apart = compare_misfits(*windows)
    if abs(apart) < CLEARLY:
        for window in windows:
            window.refine(MORE_TURNS)
        apart = compare_misfits(*windows)
    return None if abs(apart) < BETTER else apart > 0


def compare_misfits(one: LayeredWindow, other: LayeredWindow) -> float:
    """How much better the first layers render the frames than the second ones, as a share of both misfits, -1 to 1.

    By square roots, so that few places where both fail don't decide.
    """
    first, second = (float(np.sqrt(window.loss()).sum()) for window in (one, other))
    return (second - first) / max(first + second, 1e-9)


def reduce_discs(
    small: Sequence[FloatArray], labels: Array, defocus: Defocus
) -> tuple[Sequence[FloatArray], Array, Defocus]:
    """Pictures so much smaller that no disc is much wider than `WIDEST`: which end is near shows there as well."""
    scale = defocus.step * float(np.ptp(defocus.positions)) / WIDEST
    if scale <= 1:
        return small, labels, defocus
    size = max(round(labels.shape[1] / scale), 1), max(round(labels.shape[0] / scale), 1)
    few = cv2.resize(labels.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST).astype(np.intp)
    images = [
        np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32).reshape(*few.shape, -1)
        for image in small
    ]
    return images, few, defocus.scaled(scale)
