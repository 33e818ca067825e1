"""What a format can't hold is changed or left out before it is written, with a note for each; the rest is refused."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from allfocus.core.color import FULL_SCALE, Array, from_unit, full_scale, to_unit
from allfocus.core.notes import Note
from allfocus.core.samples import WORKING, Samples, stretch, widest
from allfocus.errors import WriteError
from allfocus.formats.format import Capacity
from allfocus.metadata import icc
from allfocus.metadata.carry import KEYWORDS, MOST_NAMED, Metadata
from allfocus.metadata.colours import make_rgb_profile

#: Samples whose brightest would come to a level below the first are stretched to all levels: 12 bits in 16 would keep
#: 16 of the 256 levels of 8 bits. If fewer levels than the second are used that is worth a word.
FEW, SOME = 16, 64


def check_picture(path: Path, image: Array) -> Array:
    """The picture as encoders take it: (H, W), (H, W, 3) or (H, W, 4), in this machine's byte order.

    Raises:
        WriteError: it has another shape or sample type, no pixels, or infinite values; NaN stands for no value.
    """
    image = np.asarray(image)
    shape, expected = image.shape, "expected (H, W) gray, (H, W, 3) RGB or (H, W, 4) RGBA"
    if image.ndim not in (2, 3) or (image.ndim == 3 and shape[2] not in (1, 3, 4)):
        raise WriteError(f"{path}: the picture has shape {shape}; {expected}")
    if 0 in shape:
        raise WriteError(f"{path}: the picture has shape {shape}, which holds no pixels; {expected}")
    if image.dtype.newbyteorder("=") not in WORKING:
        known = "whole or real numbers of 8 to 64 bits, such as uint8, uint16 or float32 (1 is white): convert it first"
        raise WriteError(f"{path}: the picture has shape {shape} and {image.dtype} samples; expected {known}")
    if image.dtype.kind == "f" and np.isinf(image).any():
        raise WriteError(
            f"{path}: the picture has shape {shape} and holds infinite values; expected finite numbers, or NaN where "
            "there is no value: mask or fill them first"
        )
    image = image.astype(image.dtype.newbyteorder("="), copy=False)
    return image[..., 0] if shape[2:] == (1,) else image


def fit_picture(
    image: Array, capacity: Capacity, name: str, samples: Samples | None = None
) -> tuple[Array, list[Note]]:
    """Bring samples into a depth that the format knows, and store gray as RGB where it has no gray.

    Args:
        image: the picture.
        capacity: of the format.
        name: of the format.
        samples: the range of the numbers in the stack that the picture is of; None: that of the picture.

    Raises:
        ValueError: the picture has an alpha channel and the format has none.
    """
    notes = []
    if image.shape[2:] == (4,) and not capacity.alpha:
        raise ValueError(
            f"it has shape {image.shape}, and {name} holds no alpha channel; write image[..., :3], or a .png or .tif"
        )
    if image.dtype.type not in capacity.depths:
        image, note = fit_samples(image, [np.dtype(depth) for depth in capacity.depths], samples)
        notes.append(note)
    if image.ndim == 2 and not capacity.gray:
        image = np.repeat(image[..., None], 3, axis=2)
    return image, notes


def fit_samples(image: Array, depths: Sequence[np.dtype[Any]], samples: Samples | None) -> tuple[Array, Note]:
    """Samples of a type that a format does not know as one of those that it does.

    Floats stay floats, and whole numbers that fit stay what they are. Unsigned ones of 8 or 16 bits, and floats from 0
    to 1, keep black and white, unless they are so dark that hardly a level would be left. All others are stretched.
    """
    low, high = widest(samples or Samples(dtype=image.dtype), image)
    exact = find_exact(image.dtype, low, high, depths)
    if exact is not None:
        kept = image if exact.kind == "f" else np.clip(image, np.iinfo(exact).min, np.iinfo(exact).max)
        return kept.astype(exact), reduced(f"{image.dtype} samples from {low:g} to {high:g} were written as {exact}")
    depth, kind = depths[-1], image.dtype
    image = image.astype(np.float32) if kind.kind == "f" else image
    holes = "; pixels without a value are 0" if kind.kind == "f" and np.isnan(image).any() else ""
    white, levels = FULL_SCALE.get(image.dtype, 0.0), full_scale(depth)
    if low >= 0 and high <= white and (levels * high / white >= FEW or low == high):
        used = round(levels * (high - low) / white) + 1
        left = f"; they use {used} of its {levels + 1:.0f} levels" if used < SOME else ""
        values = from_unit(np.nan_to_num(to_unit(image)), depth)
        return values, reduced(f"{kind} samples were rounded to {depth}{left}{holes}")
    message = f"{kind} samples from {low:g} to {high:g} were stretched to 0 to {levels:g} ({depth}), TIFF keeps them"
    return from_unit(stretch(image, low, high), depth), Note(code="samples-stretched", message=f"{message}{holes}")


def find_exact(dtype: np.dtype[Any], low: float, high: float, depths: Sequence[np.dtype[Any]]) -> np.dtype[Any] | None:
    """The type among `depths` that holds numbers of another one from `low` to `high` as they are; None: there is none.

    Of uint16 there is none: its white would become another gray.
    """
    if dtype.kind == "f":
        return next((depth for depth in reversed(depths) if depth.kind == "f"), None)
    whole = [np.iinfo(depth) for depth in depths if depth.kind in "iu"] if dtype not in FULL_SCALE else []
    return next((each.dtype for each in whole if each.min <= low and high <= each.max), None)


def reduced(message: str) -> Note:
    """A note on samples of another type."""
    return Note(code="bit-depth-reduced", message=message)


def fit_metadata(metadata: Metadata, capacity: Capacity, *, is_gray: bool) -> tuple[Metadata, list[Note]]:
    """Leave out what a format, or a picture of these colours, has no place for."""
    notes = []
    colours = "gray" if is_gray else "RGB"
    space = icc.read_colour_space(metadata.icc) if metadata.icc else colours
    if metadata.icc and (space, colours) == ("gray", "RGB") and not capacity.gray:
        with suppress(ValueError, KeyError):  # gray that is stored as RGB keeps its curve
            metadata, space = replace(metadata, icc=make_rgb_profile(metadata.icc)), "RGB"
    if space != colours:
        message = f"the ICC profile is for {space} and the picture is {colours}; the profile was left out"
        notes.append(Note(code="icc-left-out", message=message))
        metadata = replace(metadata, icc=None)
    if metadata.iptc and not capacity.iptc:
        message = "the format has no place for IPTC records; they were left out"
        notes.append(Note(code="iptc-left-out", message=message))
        metadata = replace(metadata, iptc=None)
    if capacity.texts is not None:
        lost = [key for key, _ in metadata.text if key not in (*capacity.texts, *KEYWORDS, "Software")]
        if lost:
            more = f" and {len(lost) - MOST_NAMED} more" if len(lost) > MOST_NAMED else ""
            message = f"the format has no place for the texts {', '.join(lost[:MOST_NAMED])}{more}; they were left out"
            notes.append(Note(code="texts-left-out", message=message))
        metadata = replace(metadata, text=tuple(pair for pair in metadata.text if pair[0] in capacity.texts))
    return metadata, notes
