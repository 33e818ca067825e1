"""Provenance: from which files, with which options and versions a picture was made, and what came of each frame."""

import hashlib
import json
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from allfocus._version import __version__
from allfocus.alignment.alignment import Alignment
from allfocus.core.color import Array, FloatArray
from allfocus.core.notes import Note
from allfocus.core.stack import channels_of
from allfocus.decision.model import SHIPPED, load_model
from allfocus.errors import ReadError, StackError
from allfocus.options import FusionOptions
from allfocus.outputs.words import quality_notes
from allfocus.result import FusionResult
from allfocus.sources.listing import Listing

#: What `provenance` returns: values that JSON knows, and no others.
Document = dict[str, Any]

FORMAT = "allfocus report 2"

#: Packages that decide on what a picture becomes; those that only some formats need are named where installed.
PACKAGES = ("numpy", "onnxruntime", "tifffile", "Pillow", "pillow-heif", "rawpy")
#: Rows of the index map that are counted at once.
ROWS = 256


def provenance(
    result: FusionResult,
    options: FusionOptions,
    outputs: Mapping[str, Path],
    seconds: float,
    notes: Sequence[Note] = (),
) -> Document:
    """Gather what is known of a fusion.

    Args:
        result: what came of a fusion of files; all of them are read once more, for their hashes.
        options: how it was done.
        outputs: what each file shows, and where it lies; the fused picture first.
        seconds: how long it took.
        notes: what else to say beside the notes of the result, such as what `write_images` returned.

    Returns:
        Numbers, texts, lists and dictionaries; None for what is not known. Frames are counted from 0, in the order of
        the input, everywhere: in `frames`, `reference`, `order`, `gap` and notes. `matrix` leads from pixels (x, y, 1)
        of the reference to those of a frame, `gain` and `offset` are of its linear light against that of the
        reference, see `motion_at` for `shift`, `scale` and `rotation`.

        Format 2 differs from format 1 in this: `flaws` is called `quality`, and `unsharp` in it `out_of_focus`; `gap`
        has positions instead of names; there is no `advice`, it is the message of the note `out-of-focus`; `notes` are
        objects with `code`, `message` and `frames` instead of texts; `alignment` has the `order` of focus, if that was
        found.

    Raises:
        StackError: the frames came from no files.
        ReadError: a file can't be read any more.
        ModelError: the model can't be loaded any more.
    """
    listing = source_of(result)
    frame = listing.frame
    return {
        "format": FORMAT,
        "allfocus": __version__,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "versions": versions(),
        "options": {name: plain(value) for name, value in asdict(options).items()},
        "method": result.method,
        "model": model_facts(options.model) if result.method == "network" else None,
        "stack": {
            "frames": len(listing),
            "width": frame.size[1],
            "height": frame.size[0],
            "channels": channels_of(frame),
            "samples": str(frame.dtype),
            "is_linear": listing.is_linear,
        },
        "inputs": inputs(listing.paths),
        "alignment": alignment_facts(result.alignment),
        "area": area_facts(result),
        "frames": frames(result, listing),
        "confidence": float(result.confidence.mean(dtype=np.float64)),
        "quality": quality_facts(result),
        "halos": halo_facts(result),
        "outputs": [{"shows": shows, "path": str(path)} for shows, path in outputs.items()],
        "notes": note_facts([*result.notes, *quality_notes(result), *notes]),
    }


def source_of(result: FusionResult) -> Listing:
    """The files that a result was made from; raises `StackError` where there are none."""
    if result.source is None:
        raise StackError("the frames came from no files; a report names files: fuse paths, not arrays")
    return result.source


def dump(document: Document) -> str:
    """The text of a JSON file."""
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def plain(value: object) -> object:
    """A value as JSON knows it: paths become texts, as given, and what is no finite number becomes None."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value


# --- what was used -------------------------------------------------------------------------------


def versions() -> dict[str, str]:
    """Versions of Python, of the packages that matter, and the system."""
    found = {"python": platform.python_version(), "opencv": cv2.__version__}
    installed = {name: version for name in PACKAGES if (version := version_of(name)) is not None}
    return found | installed | {"platform": platform.platform()}


def version_of(package: str) -> str | None:
    """The version of an installed package."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def model_facts(path: Path | None) -> Document:
    """What the model says of itself, and its hash; the path is None for the shipped weights."""
    card = load_model(path).card
    return {
        "name": card.name,
        "version": card.version,
        "created": card.created,
        "commit": card.commit,
        "path": plain(path),
        "sha256": sha256(path or SHIPPED),
    }


def inputs(paths: Sequence[Path]) -> list[Document]:
    """Name, path, size and hash of each file, each once."""
    once = list(dict.fromkeys(paths))
    return [
        {"name": path.name, "path": str(path), "sha256": sha256(path), "bytes": path.stat().st_size} for path in once
    ]


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits; raises `ReadError`."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ReadError(f"{path} can't be read any more, for its hash: {error.strerror}") from error


# --- what came of it -----------------------------------------------------------------------------


def alignment_facts(alignment: Alignment | None) -> Document | None:
    """What all frames' alignment has in common; None where they were taken as registered."""
    if alignment is None:
        return None
    return {"model": alignment.model, "reference": alignment.reference, "order": list(alignment.order) or None}


def area_facts(result: FusionResult) -> Document:
    """Which part of the reference the picture shows."""
    height, width = result.image.shape[:2]
    top, left = (0, 0) if result.window is None else (int(part.start or 0) for part in result.window)
    return {"top": top, "left": left, "height": height, "width": width, "is_cropped": result.is_cropped}


def frames(result: FusionResult, listing: Listing) -> list[Document]:
    """Of each frame: its file, how much of the picture is taken from it, and how it was laid over the reference."""
    once = list(dict.fromkeys(listing.paths))
    each = listing.paths if len(listing.paths) == len(listing) else [listing.paths[0]] * len(listing)
    taken = shares(result.index_map, len(listing))
    return [
        {
            "name": name,
            "input": once.index(each[position]),
            "kind": listing.kinds[position],
            "share": float(taken[position]),
            "left_out": None if result.alignment is None else result.alignment.left_out.get(position),
            **placing(result.alignment, position, listing.frame.size),
        }
        for position, name in enumerate(listing.names)
    ]


def shares(index_map: Array, count: int) -> FloatArray:
    """Which share of the picture is taken from each of so many frames."""
    bands = (index_map[top : top + ROWS].ravel() for top in range(0, len(index_map), ROWS))
    pixels = sum((np.bincount(band, minlength=count) for band in bands), np.zeros(count, np.int64))
    return np.asarray(pixels / index_map.size)


def placing(alignment: Alignment | None, position: int, size: tuple[int, int]) -> Document:
    """How a frame was laid over the reference, and brightened; nothing where it was taken as registered."""
    if alignment is None:
        return {}
    matrix, exposure = alignment.matrices[position], alignment.exposures[position]
    return {
        "matrix": matrix.tolist(),
        **motion_at(matrix, size),
        "gain": [float(gain) for gain in exposure.gain],
        "offset": float(exposure.offset),
        "residual": plain(float(alignment.residuals[position])),
    }


def motion_at(matrix: Array, size: tuple[int, int]) -> Document:
    """What a matrix does in the middle of a picture of this height and width.

    Of its derivative there: `scale` is the root of the determinant, `rotation` the angle of the nearest turn, in
    degrees, clockwise. `shift` is in pixels, to the right and down.
    """
    middle = np.array([(size[1] - 1) / 2, (size[0] - 1) / 2, 1.0])
    weight = matrix[2] @ middle
    point = matrix[:2] @ middle / weight
    slope = (matrix[:2, :2] - np.outer(point, matrix[2, :2])) / weight
    turn = np.arctan2(slope[1, 0] - slope[0, 1], slope[0, 0] + slope[1, 1])
    return {
        "shift": (point - middle[:2]).tolist(),
        "scale": float(np.sqrt(np.linalg.det(slope))),
        "rotation": float(np.degrees(turn)),
    }


def quality_facts(result: FusionResult) -> Document | None:
    """How much of the picture can't be trusted, and where the focus has a gap; None where nothing is known about it."""
    quality = result.quality
    if quality is None:
        return None
    return {
        "out_of_focus": float(quality.out_of_focus.mean()),
        "veiled": float(quality.veiled.mean()),
        "gap": None if quality.gap is None else list(quality.gap),
    }


def halo_facts(result: FusionResult) -> Document | None:
    """Of how much of the picture a veil was removed, and its mean share of the light there; None: not looked for."""
    veil = result.veil
    if veil is None:
        return None
    share = float(veil.share[veil.removed].mean()) if veil.removed.any() else 0.0
    return {"removed": float(veil.removed.mean()), "share": share, "faint": float(veil.faint.mean())}


def note_facts(notes: Sequence[Note]) -> list[Document]:
    """Notes as data, each once."""
    return [{"code": note.code, "message": note.message, "frames": list(note.frames)} for note in dict.fromkeys(notes)]
