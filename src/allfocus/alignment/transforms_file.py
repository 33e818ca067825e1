"""Alignments as JSON files: saved, and applied again to other channels, other exposures, or in another program."""

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from allfocus.alignment.alignment import Alignment
from allfocus.alignment.motion import DEGREES_OF_FREEDOM
from allfocus.alignment.photometric import ExposureTransfer
from allfocus.core.color import FloatArray
from allfocus.errors import AlignmentError

#: First entry of every transforms file.
FORMAT = "allfocus transforms 1"
#: How to get a file that can be used.
REMEDY = "save one for this stack with --save-transforms"


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


def unpack_flow(packed: dict[str, Any] | None) -> FloatArray | None:
    """The inverse of `pack_flow`; raises `ValueError` if the values are damaged."""
    if packed is None:
        return None
    values = np.frombuffer(base64.b64decode(packed["values"]), "<f4")
    if not np.isfinite(values).all():
        raise ValueError("displacements must be finite")
    return values.reshape(2, packed["rows"], packed["columns"]).astype(np.float32)


def load_transforms(path: Path, count: int, size: tuple[int, int]) -> Alignment:
    """Read a transforms file for `count` frames of this height and width, matched in order; names may differ.

    Raises:
        AlignmentError: the file can't be read, is no transforms file, is damaged, or is for other frames.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text"
        raise AlignmentError(f"{path} can't be read: {reason}; {REMEDY}") from error
    except json.JSONDecodeError as error:
        raise AlignmentError(f"{path} is not JSON (line {error.lineno}: {error.msg}); {REMEDY}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise AlignmentError(f"{path} is no file of transforms; expected one written with --save-transforms")
    try:
        alignment = parse_document(document)
        found = (int(document["height"]), int(document["width"]))
    except (KeyError, TypeError, ValueError) as error:
        raise AlignmentError(f"{path} is damaged: {type(error).__name__} {error}; {REMEDY}") from error
    if len(alignment.matrices) != count:
        raise AlignmentError(f"{path} is for {len(alignment.matrices)} frames; the stack has {count}: {REMEDY}")
    if found != size:
        sizes = f"{path} is for frames of {found[1]}x{found[0]}; these are {size[1]}x{size[0]}"
        raise AlignmentError(f"{sizes}: {REMEDY}")
    return alignment


def parse_document(document: dict[str, Any]) -> Alignment:
    """The alignment in a document; raises `KeyError`, `TypeError` or `ValueError` if it is damaged."""
    frames = document["frames"]
    matrices = np.array([frame["matrix"] for frame in frames], np.float64)
    reference = int(document["reference"])
    if matrices.shape[1:] != (3, 3) or not np.isfinite(matrices).all() or (np.linalg.det(matrices) <= 0).any():
        raise ValueError("matrices must be 3 x 3 and not turn the picture inside out")
    if document["model"] not in DEGREES_OF_FREEDOM or reference not in range(len(frames)):
        raise ValueError("unknown model or reference")
    exposures = [
        ExposureTransfer(gain=tuple(map(float, frame["gain"])), offset=float(frame["offset"])) for frame in frames
    ]
    if any(len(exposure.gain) not in (1, 3) or min(exposure.gain) <= 0 for exposure in exposures):
        raise ValueError("gains must be one or three positive numbers")
    return Alignment(
        model=document["model"],
        reference=reference,
        matrices=matrices,
        exposures=exposures,
        residuals=[np.nan if frame["residual"] is None else float(frame["residual"]) for frame in frames],
        flows=[unpack_flow(frame.get("field")) for frame in frames],
        left_out={k: str(frame["left_out"]) for k, frame in enumerate(frames) if frame["left_out"]},
    )
