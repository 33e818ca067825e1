"""What a format can't hold is changed or left out before it is written, with a note for each; the rest is refused."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from allfocus.core.color import FULL_SCALE, Array, from_unit, to_unit
from allfocus.core.notes import Note
from allfocus.errors import WriteError
from allfocus.formats.format import Capacity
from allfocus.metadata import icc
from allfocus.metadata.carry import KEYWORDS, MOST_NAMED, Metadata
from allfocus.metadata.colours import make_rgb_profile


def check_picture(path: Path, image: Array) -> Array:
    """The picture as encoders take it: (H, W), (H, W, 3) or (H, W, 4), in this machine's byte order.

    Raises:
        WriteError: it has another shape or sample type, no pixels, or values that are not finite.
    """
    image = np.asarray(image)
    shape, expected = image.shape, "expected (H, W) gray, (H, W, 3) RGB or (H, W, 4) RGBA"
    if image.ndim not in (2, 3) or (image.ndim == 3 and shape[2] not in (1, 3, 4)):
        raise WriteError(f"{path}: the picture has shape {shape}; {expected}")
    if 0 in shape:
        raise WriteError(f"{path}: the picture has shape {shape}, which holds no pixels; {expected}")
    if image.dtype.newbyteorder("=") not in FULL_SCALE:
        known = "uint8, uint16 or float32 (1 is white): convert it first"
        raise WriteError(f"{path}: the picture has shape {shape} and {image.dtype} samples; expected {known}")
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        raise WriteError(
            f"{path}: the picture has shape {shape} and holds NaN or infinite values; expected finite numbers: "
            "mask or fill them first"
        )
    image = image.astype(image.dtype.newbyteorder("="), copy=False)
    return image[..., 0] if shape[2:] == (1,) else image


def fit_picture(image: Array, capacity: Capacity, name: str) -> tuple[Array, list[Note]]:
    """Round samples to a depth that the format knows, and store gray as RGB where it has no gray.

    Raises:
        ValueError: the picture has an alpha channel and the format has none.
    """
    notes = []
    if image.shape[2:] == (4,) and not capacity.alpha:
        raise ValueError(
            f"it has shape {image.shape}, and {name} holds no alpha channel; write image[..., :3], or a .png or .tif"
        )
    if image.dtype.type not in capacity.depths:
        depth = np.dtype(capacity.depths[-1]).name
        notes.append(Note(code="bit-depth-reduced", message=f"{image.dtype} samples were rounded to {depth}"))
        image = from_unit(to_unit(image), capacity.depths[-1])
    if image.ndim == 2 and not capacity.gray:
        image = np.repeat(image[..., None], 3, axis=2)
    return image, notes


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
