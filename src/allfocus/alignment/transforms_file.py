"""Alignments as files: saved, and applied again to other channels, other exposures, or in another program.

JSON of our own, which holds all of it, or projects of Hugin, see `hugin`.
"""

import base64
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from allfocus.alignment.alignment import Alignment
from allfocus.alignment.hugin import UNSEEN, dump_project, read_project
from allfocus.alignment.motion import DEGREES_OF_FREEDOM
from allfocus.alignment.photometric import ExposureTransfer
from allfocus.core.color import Array, FloatArray
from allfocus.core.notes import Note
from allfocus.errors import AlignmentError
from allfocus.run.atomic import real_path

#: First entry of every transforms file.
FORMAT = "allfocus transforms 1"
#: By how much frames of one stack may differ in scale, and in brightness.
MOST_SCALE, MOST_GAIN = 8, 256
#: Bytes of a file for each frame, and for each pixel of it where it has a field.
LONGEST_FRAME, BYTES_A_PIXEL = 1 << 16, 12
#: How to get a file that can be used.
REMEDY = "save one for this stack with --save-transforms"


#: Ending of Hugin's projects.
HUGIN = ".pto"


def make_text(
    path: Path, alignment: Alignment, files: Sequence[Path], names: Sequence[str], size: tuple[int, int]
) -> tuple[str, tuple[Note, ...]]:
    """What goes into a file of transforms by the ending of its name, and what it can't hold.

    Args:
        path: where it goes; `.pto` is a project of Hugin, everything else JSON.
        alignment: of a stack.
        files: of all its frames, or the one that holds them all.
        names: of all its frames.
        size: height and width of the frames.
    """
    if path.suffix.lower() != HUGIN:
        return dump_transforms(alignment, names, size), ()
    alone = len(files) == len(names)
    seen = [os.path.relpath(real_path(file), real_path(path).parent) for file in files] if alone else names
    text, error = dump_project(alignment, seen, size)
    lost = (
        [f"points are up to {error:.2f} pixels off, which Hugin's lens model can't express"] if error > UNSEEN else []
    )
    lost += ["the local flow is left out"] if any(flow is not None for flow in alignment.flows) else []
    notes = [Note(code="transforms-simplified", message=f"{path.name}: {', and '.join(lost)}")] if lost else []
    return text, tuple(notes)


def dump_transforms(alignment: Alignment, names: Sequence[str], size: tuple[int, int]) -> str:
    """An alignment as the text of a transforms file.

    JSON: the model, the position of the reference counted from 0, width and height of the frames, and for each frame
    its name, the matrix from pixels (x, y, 1) of the reference to its own, gain and offset of its linear light, the
    residual in pixels (null if unknown), why it is left out (null if it is used), and its optical flow, as ``field``:
    rows, columns, and the x and y of all patches as 32-bit floats, little endian, in base64.

    Args:
        alignment: of a stack.
        names: of all its frames.
        size: height and width of the frames.
    """
    frames = [
        {
            "name": name,
            "matrix": alignment.matrices[k].tolist(),
            "gain": list(alignment.exposures[k].gain),
            "offset": alignment.exposures[k].offset,
            "residual": None if np.isnan(alignment.residuals[k]) else round(alignment.residuals[k], 4),
            "left_out": alignment.left_out.get(k),
            "field": pack_flow(alignment.flows[k]) if alignment.flows else None,
        }
        for k, name in enumerate(names)
    ]
    document = {
        "format": FORMAT,
        "model": alignment.model,
        "reference": alignment.reference,
        "width": size[1],
        "height": size[0],
        "frames": frames,
    }
    return json.dumps(document, indent=2) + "\n"


def pack_flow(flow: FloatArray | None) -> dict[str, Any] | None:
    """An optical flow (2, h, w) in JSON's types."""
    if flow is None:
        return None
    values = base64.b64encode(flow.astype("<f4").tobytes()).decode()
    return {"rows": flow.shape[1], "columns": flow.shape[2], "values": values}


def unpack_flow(packed: dict[str, Any] | None, size: tuple[int, int]) -> FloatArray | None:
    """The inverse of `pack_flow`, for frames of this size; raises `ValueError` if the values are damaged."""
    if packed is None:
        return None
    rows, columns = (read_count(packed[key]) for key in ("rows", "columns"))
    if not (0 < rows <= size[0] and 0 < columns <= size[1]):
        raise ValueError(f"a field of {columns}x{rows} is no field of the frames")
    content = decode(packed["values"])
    if len(content) != 8 * rows * columns:
        raise ValueError(f"a field of {columns}x{rows} holds {len(content)} bytes, expected {8 * rows * columns}")
    values = np.frombuffer(content, "<f4")
    if not (np.abs(values) <= max(size)).all():  # NaN is refused too
        raise ValueError("displacements must be finite, and shorter than the frames")
    return values.reshape(2, rows, columns).astype(np.float32)


def decode(text: Any) -> bytes:
    """Bytes from base64; raises `ValueError` for anything else."""
    try:
        return base64.b64decode(text, validate=True)
    except (TypeError, ValueError):
        raise ValueError("the values of a field are not base64") from None


def load_transforms(path: Path, count: int, size: tuple[int, int]) -> Alignment:
    """Read a transforms file for `count` frames of this height and width, matched in order; names may differ.

    It is JSON, or a project of Hugin if its name ends in `.pto`.

    Raises:
        AlignmentError: the file can't be read, is no transforms file, is damaged, or is for other frames.
    """
    document = load_project(path, count, size) if path.suffix.lower() == HUGIN else load_json(path, count, size)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise AlignmentError(f"{path} is no file of transforms; expected one written with --save-transforms")
    try:
        alignment = parse_document(document)
        found = (read_count(document["height"]), read_count(document["width"]))
    except KeyError as error:
        raise AlignmentError(f"{path} is damaged: it has no entry {error}; {REMEDY}") from error
    except (TypeError, AttributeError) as error:
        raise AlignmentError(
            f"{path} is damaged: an entry is of another kind than such files have; {REMEDY}"
        ) from error
    except (ValueError, ArithmeticError) as error:
        raise AlignmentError(f"{path} is damaged: {error}; {REMEDY}") from error
    if len(alignment.matrices) != count:
        raise AlignmentError(f"{path} is for {len(alignment.matrices)} frames; the stack has {count}: {REMEDY}")
    if found != size:
        sizes = f"{path} is for frames of {found[1]}x{found[0]}; these are {size[1]}x{size[0]}"
        raise AlignmentError(f"{sizes}: {REMEDY}")
    return alignment


def load_project(path: Path, count: int, size: tuple[int, int]) -> dict[str, Any]:
    """What a project of Hugin says, in the values of our own files; raises `AlignmentError`."""
    try:
        return {"format": FORMAT, **read_project(read_text(path, count, size))}
    except (ValueError, ArithmeticError) as error:
        raise AlignmentError(f"{path} can't be used: {error}; save one from Hugin without it, or {REMEDY}") from error


def load_json(path: Path, count: int, size: tuple[int, int]) -> Any:
    """What a file of JSON holds; raises `AlignmentError`."""
    try:
        return json.loads(read_text(path, count, size))
    except json.JSONDecodeError as error:
        raise AlignmentError(f"{path} is not JSON (line {error.lineno}: {error.msg}); {REMEDY}") from error
    except (ValueError, RecursionError) as error:
        raise AlignmentError(f"{path} is no file of transforms ({error}); {REMEDY}") from error


def read_text(path: Path, count: int, size: tuple[int, int]) -> str:
    """A text file; raises `AlignmentError`, also where it is longer than a file of transforms can be."""
    longest = count * (LONGEST_FRAME + BYTES_A_PIXEL * size[0] * size[1])
    try:
        if path.stat().st_size > longest:
            raise AlignmentError(f"{path} is longer than {longest} bytes, which such a file never is; {REMEDY}")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text"
        raise AlignmentError(f"{path} can't be read: {reason}; {REMEDY}") from error


def parse_document(document: dict[str, Any]) -> Alignment:
    """The alignment in a document; raises `KeyError`, `TypeError` or `ValueError` if it is damaged."""
    frames, size = document["frames"], (read_count(document["height"]), read_count(document["width"]))
    if not isinstance(frames, list) or not frames or not all(isinstance(frame, dict) for frame in frames):
        raise ValueError("expected a list of frames")
    reference = read_count(document["reference"])
    if document["model"] not in DEGREES_OF_FREEDOM or reference not in range(len(frames)):
        raise ValueError("unknown model or reference")
    left_out = {k: str(frame["left_out"]) for k, frame in enumerate(frames) if frame["left_out"]}
    if reference in left_out:
        raise ValueError("the reference is left out")
    return Alignment(
        model=document["model"],
        reference=reference,
        matrices=np.stack([read_matrix(frame["matrix"], size) for frame in frames]),
        exposures=[read_exposure(frame) for frame in frames],
        residuals=[np.nan if frame["residual"] is None else read_number(frame["residual"], 0, 1e6) for frame in frames],
        flows=[unpack_flow(frame.get("field"), size) for frame in frames],
        left_out=left_out,
    )


def read_count(value: Any) -> int:
    """A whole number, 0 or more."""
    if type(value) is not int or not 0 <= value < 1 << 31:
        raise ValueError(f"expected a whole number, found {value!s:.40}")
    return value


def read_number(value: Any, low: float, high: float) -> float:
    """A number in a range; JSON's NaN and truth values are none."""
    if type(value) not in (int, float) or not low <= value <= high:
        raise ValueError(f"expected a number from {low:g} to {high:g}, found {value!s:.40}")
    return float(value)


def read_matrix(rows: Any, size: tuple[int, int]) -> Array:
    """A matrix that leads from frames of a size to another, all of which it sees from the front and at a like scale."""
    if not isinstance(rows, list) or [len(row) if isinstance(row, list) else 0 for row in rows] != [3, 3, 3]:
        raise ValueError("matrices must be 3 x 3 numbers")
    matrix = np.array([[read_number(value, -1e9, 1e9) for value in row] for row in rows], np.float64)
    height, width = size
    corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]], np.float64) @ matrix.T
    if (corners[:, 2] <= 0).any():
        raise ValueError("a matrix turns part of the picture away")
    points = corners[:, :2] / corners[:, 2:]
    across, down = points - points.mean(axis=0), np.roll(points - points.mean(axis=0), -1, axis=0)
    scale = (across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0]).sum() / 2 / max(width * height, 1)
    if not 1 / MOST_SCALE**2 <= scale <= MOST_SCALE**2:
        raise ValueError(f"a matrix scales by more than {MOST_SCALE}, or turns the picture inside out")
    return matrix


def read_exposure(frame: dict[str, Any]) -> ExposureTransfer:
    """Gain and offset of a frame."""
    gains = frame["gain"]
    if not isinstance(gains, list) or len(gains) not in (1, 3):
        raise ValueError("gains must be one or three numbers")
    gain = tuple(read_number(value, 1 / MOST_GAIN, MOST_GAIN) for value in gains)
    return ExposureTransfer(gain=gain, offset=read_number(frame["offset"], -1, 1))
