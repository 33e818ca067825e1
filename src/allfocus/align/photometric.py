"""How bright one frame is against another: flicker, and exposures that drift with focus, in linear light."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import DTypeLike

from allfocus.align.motion import Matrix, in_pixels
from allfocus.core.color import Array, FloatArray, from_unit, full_scale, linear_to_srgb, srgb_to_linear, to_unit

#: Longest side of a frame when light is summed up, and of the means that are compared: larger than any blur.
FINE_SIDE, SHADE_SIDE = 768, 48
#: Encoded values outside of these may be cut off.
DARKEST, BRIGHTEST = 0.02, 0.97
#: Share of the picture that must be known of both frames for a comparison.
ENOUGH = 0.1
#: Gains closer to 1 than this, and than so many standard errors, are left alone; neighbouring means are much alike, so
#: that one in so many counts.
SAME_GAIN, SURE, INDEPENDENT = 0.006, 2.0, 4
#: A kind of means is believed alone if its error is less than so much of the other's.
CLEARER = 0.97
#: An offset must leave this share of the scatter or less, and be larger than this, unit scale of linear light.
WORTH_AN_OFFSET, SAME_OFFSET = 0.6, 0.004
#: Where the curve of a changed exposure begins to bend towards white, so that nothing is cut off: encoded, of what
#: comes out.
SHOULDER = 0.9


@dataclass(frozen=True, kw_only=True)
class Tone:
    """Linear light of a frame against that of the reference: ``light = gain * reference + offset``.

    Attributes:
        gain: for each channel.
        offset: for all, unit scale.
    """

    gain: tuple[float, ...] = (1.0,)
    offset: float = 0.0

    @property
    def is_same(self) -> bool:
        """Whether the frame is as bright as the reference."""
        return all(gain == 1 for gain in self.gain) and self.offset == 0


def shade_of(frame: Array) -> FloatArray:
    """Light of a frame (H, W[, 3]) in large squares, (2, h, w, c) with c = 1 or 3; NaN where values may be cut off.

    First the means of linear light, which no lens's blur changes; then the light of mean encoded values, which the blur
    of most programs does not change.
    """
    fine = to_unit(shrunk_to(frame, FINE_SIDE))
    fine = fine if fine.ndim == 3 else fine[..., None]
    doubtful = np.asarray(((fine > BRIGHTEST) | (fine < DARKEST)).any(axis=2), np.float32)
    light, encoded = shrunk_to(srgb_to_linear(fine), SHADE_SIDE), srgb_to_linear(shrunk_to(fine, SHADE_SIDE))
    shade = np.stack([light, encoded]).reshape(2, *light.shape[:2], -1)
    shade[:, shrunk_to(doubtful, SHADE_SIDE) > 0] = np.nan
    return shade


def shrunk_to(plane: Array, side: int) -> Array:
    """Means over whole squares of pixels, so many that the longest side is `side` or a little more."""
    return shrunk(plane, max(1, max(plane.shape[:2]) // side))


def shrunk(plane: Array, factor: int) -> Array:
    """Means over squares of so many pixels a side; what is left over at the right and the bottom is cut off."""
    if factor == 1:
        return plane
    height, width = (max(1, side // factor) for side in plane.shape[:2])
    whole = plane[: height * factor, : width * factor]
    return np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA))


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """What a comparison of two frames says: a tone in logarithms, and how sure it is.

    Attributes:
        gain: (c,) natural logarithm of the gain of each channel.
        error: (c,) its standard error.
        offset: of light, unit scale.
    """

    gain: FloatArray
    error: FloatArray
    offset: float = 0.0

    def then(self, other: "Likeness") -> "Likeness":
        """From a first frame to a third, where this leads to the second and `other` on from there."""
        offset = self.offset * float(np.exp(other.gain.mean())) + other.offset
        return Likeness(gain=self.gain + other.gain, error=np.hypot(self.error, other.error), offset=offset)

    def back(self) -> "Likeness":
        """The other way round."""
        return Likeness(gain=-self.gain, error=self.error, offset=-self.offset / float(np.exp(self.gain.mean())))

    @property
    def tone(self) -> Tone:
        """The tone, with 1 for gains that can't be told from it."""
        is_sure = np.abs(self.gain) > np.maximum(SAME_GAIN, SURE * self.error)
        return Tone(gain=tuple(map(float, np.exp(np.where(is_sure, self.gain, 0)))), offset=self.offset)


def compare(reference: FloatArray, shade: FloatArray, motion: Matrix, by_channel: bool) -> Likeness:
    """How bright a frame is against another.

    The median of many ratios: what is blurred differently, moved or vignetted does not turn it.

    Args:
        reference: `shade_of` the one frame.
        shade: that of the other.
        motion: from the one to the other, in coordinates of a motion.
        by_channel: whether each channel has a gain of its own: a drift of white balance.
    """
    matrix = in_pixels(motion, (reference.shape[1], reference.shape[2]))
    light, encoded = (
        likeness(one, seen_through(other, matrix), by_channel) for one, other in zip(reference, shade, strict=True)
    )
    # blur scatters the one kind of means, and leaves the other alone
    for one, other in ((light, encoded), (encoded, light)):
        if one.error.mean() < CLEARER * other.error.mean():
            return one
    agree = light.gain * encoded.gain > 0
    less = np.where(np.abs(light.gain) < np.abs(encoded.gain), light.gain, encoded.gain)
    return replace(light, gain=np.where(agree, less, 0), error=np.maximum(light.error, encoded.error))


def surest_tones(
    shades: Sequence[FloatArray],
    motions: Sequence[Matrix],
    parents: Sequence[int | None],
    reference: int,
    group: Collection[int],
    by_channel: bool,
) -> list[Tone]:
    """How bright each frame is against the reference: compared with it, or from neighbour to neighbour.

    Frames far apart differ in their blur, and those between them add up their errors: what is surer counts.

    Args:
        shades: `shade_of` each frame.
        motions: from the reference to each frame, in coordinates of a motion.
        parents: for each frame, an earlier one that it is compared with too; None: no other.
        reference: position of the frame that the others are compared with.
        group: positions of the frames that hang together by their parents.
        by_channel: see `compare`.
    """
    direct = [
        compare(shades[reference], shade, motion, by_channel) for shade, motion in zip(shades, motions, strict=True)
    ]
    nothing = np.zeros_like(direct[reference].gain)
    paths = [Likeness(gain=nothing, error=nothing)] * len(shades)
    for k, parent in enumerate(parents):
        if parent is not None and k in group:
            motion = motions[k] @ np.linalg.inv(motions[parent])
            paths[k] = paths[parent].then(compare(shades[parent], shades[k], motion, by_channel))
    back = paths[reference].back()
    along = [back.then(path) if k in group else direct[k] for k, path in enumerate(paths)]
    surest = (min(pair, key=lambda found: float(found.error.mean())) for pair in zip(direct, along, strict=True))
    return [Tone() if k == reference else found.tone for k, found in enumerate(surest)]


def seen_through(means: FloatArray, matrix: Matrix) -> FloatArray:
    """Means (h, w, c) where a matrix leads from the reference's; NaN beyond them."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    found = cv2.warpPerspective(means, matrix, means.shape[1::-1], flags=flags, borderValue=(np.nan,) * 4)
    return np.asarray(found, np.float32).reshape(means.shape)


def likeness(reference: FloatArray, means: FloatArray, by_channel: bool) -> Likeness:
    """How bright means (h, w, c) are against those of a reference at the same places; unsure where few are known."""
    known = np.isfinite(means).all(axis=2) & np.isfinite(reference).all(axis=2)
    one, other = reference[known], means[known]
    if not by_channel:
        one, other = one.mean(axis=1, keepdims=True), other.mean(axis=1, keepdims=True)
    if len(one) <= ENOUGH * known.size:
        return Likeness(gain=np.zeros(one.shape[1], np.float32), error=np.full(one.shape[1], np.inf, np.float32))
    offset = offset_between(one.mean(axis=1), other.mean(axis=1))
    ratios = np.log(np.maximum(other - offset, 1e-5) / np.maximum(one, 1e-5))
    low, gain, high = np.quantile(ratios, (0.25, 0.5, 0.75), axis=0).astype(np.float32)
    # of a median, if the ratios are spread normally
    error = 1.2533 * (high - low) / 1.349 / np.sqrt(len(ratios) / INDEPENDENT)
    return Likeness(gain=gain, error=error, offset=offset)


def offset_between(one: FloatArray, other: FloatArray) -> float:
    """Light added everywhere, as by a lamp that shines into the lens; 0 unless a gain alone fits much worse."""
    gain = np.exp(np.median(np.log(np.maximum(other, 1e-5) / np.maximum(one, 1e-5))))
    alone = np.median(np.abs(other - gain * one))
    slope, offset = cv2.fitLine(np.stack([one, other], axis=1), cv2.DIST_HUBER, 0, 0.01, 0.01).reshape(2, 2)
    if abs(slope[0]) < 1e-3:
        return 0.0
    steep = float(slope[1] / slope[0])
    added = float(offset[1] - steep * offset[0])
    left = np.median(np.abs(other - steep * one - added))
    # a wide blur takes contrast and leaves the mean: that is no change of light
    is_light = abs(other.mean() - one.mean()) > abs(added) / 2
    return added if is_light and abs(added) > SAME_OFFSET and left < WORTH_AN_OFFSET * alone else 0.0


def brightened(frame: Array, tone: Tone, dtype: DTypeLike) -> Array:
    """The frame (H, W[, 3]) as bright as the reference, in the depth `dtype`.

    Of whole numbers black stays black and white white, and the curve bends before it reaches white: nothing is cut off
    that was not. Floats are not bound to 1.
    """
    if frame.dtype == np.float32:
        gain = np.array(tone.gain, np.float32)
        light = (srgb_to_linear(frame) - np.float32(tone.offset)) / (gain if frame.ndim == 3 else gain[0])
        return linear_to_srgb(light)
    tables = [tone_table(gain, tone.offset, frame.dtype, dtype) for gain in tone.gain]
    if len(tables) == 1:
        return np.asarray(tables[0][frame])
    return np.stack([table[frame[..., channel]] for channel, table in enumerate(tables)], axis=-1)


def tone_table(gain: float, offset: float, source: DTypeLike, target: DTypeLike) -> Array:
    """What each value of the depth `source` becomes."""
    values = np.arange(int(full_scale(source)) + 1, dtype=np.float64)
    encoded = (values / values[-1]).astype(np.float32)
    wanted = linear_to_srgb(np.maximum((srgb_to_linear(encoded) - offset) / gain, 0).astype(np.float32))
    knee = int(np.searchsorted(wanted, SHOULDER))
    if knee < len(values):
        start, left = (encoded[knee], wanted[knee]) if knee else (0.0, 0.0)
        share = np.clip((encoded[knee:] - start) / max(1 - start, 1e-6), 0, 1)
        slope = (wanted[knee] - wanted[max(knee - 1, 0)]) * values[-1] * (1 - start)
        wanted[knee:] = bend(share, left, min(slope, 3 * (1 - left)))
    else:
        wanted = wanted + np.maximum(encoded - SHOULDER, 0) / (1 - SHOULDER) * (1 - wanted[-1])
    wanted[0] = 0
    return from_unit(wanted.astype(np.float32), target)


def bend(share: FloatArray, start: float, slope: float) -> FloatArray:
    """A rising curve over 0 to 1, from `start` with this slope to 1 (Fritsch and Carlson, 10.1137/0717021)."""
    end = min(slope, 3 * (1 - start)) / 2
    cubed, squared = share**3, share**2
    return np.asarray(
        (2 * cubed - 3 * squared + 1) * start
        + (cubed - 2 * squared + share) * slope
        + (3 * squared - 2 * cubed)
        + (cubed - squared) * end
    )


def share_cut_off(shade: FloatArray) -> float:
    """In what share of a frame values may be cut off at black or white."""
    return float(np.isnan(shade[0]).any(axis=2).mean())
