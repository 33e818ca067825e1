"""Alignments in files: saved, and used again for other channels, other light, or another program."""

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from allfocus.align.alignment import Alignment
from allfocus.align.motion import FREEDOM
from allfocus.align.photometric import Tone
from allfocus.core.color import FloatArray
from allfocus.errors import AlignmentError

FORMAT = "allfocus transforms 1"


def dump_transforms(alignment: Alignment, names: Sequence[str], size: tuple[int, int]) -> str:
    """The text of a file of transforms.

    JSON: the model, the position of the reference counted from 0, width and height of the frames, and for each frame
    its name, the matrix from pixels (x, y, 1) of the reference to its own, gain and offset of its linear light, the
    residual in pixels (null if it is not known), why it is left out, if it is, and its field of displacements: rows,
    columns, and x and y of all squares as 32-bit floats, little endian, in base64.
    """
    frames = [
        {
            "name": name,
            "matrix": alignment.matrices[k].tolist(),
            "gain": list(alignment.tones[k].gain),
            "offset": alignment.tones[k].offset,
            "residual": None if np.isnan(alignment.residuals[k]) else round(alignment.residuals[k], 4),
            "left_out": alignment.left_out.get(k),
            "field": packed(alignment.fields[k]) if alignment.fields else None,
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


def packed(field: FloatArray | None) -> dict[str, Any] | None:
    """A field of displacements as JSON can hold it."""
    if field is None:
        return None
    values = base64.b64encode(field.astype("<f4").tobytes()).decode()
    return {"rows": field.shape[1], "columns": field.shape[2], "values": values}


def unpacked(packed: dict[str, Any] | None) -> FloatArray | None:
    """The reverse of `packed`; raises `ValueError` for what is none."""
    if packed is None:
        return None
    values = np.frombuffer(base64.b64decode(packed["values"]), "<f4")
    if not np.isfinite(values).all():
        raise ValueError("displacements must be finite")
    return values.reshape(2, packed["rows"], packed["columns"]).astype(np.float32)


def load_transforms(path: Path, count: int, size: tuple[int, int]) -> Alignment:
    """Read a file of transforms for so many frames of this height and width, taken in order; names may differ.

    Raises:
        AlignmentError: the file can't be read, is none of ours, or is for other frames.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise AlignmentError(f"{path} can't be read: {getattr(error, 'strerror', None) or 'not a text'}") from error
    except json.JSONDecodeError as error:
        raise AlignmentError(f"{path} is not JSON (line {error.lineno}: {error.msg})") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise AlignmentError(f"{path} is no file of transforms; expected one written with --save-transforms")
    try:
        alignment = parsed(document)
        found = (int(document["height"]), int(document["width"]))
    except (KeyError, TypeError, ValueError) as error:
        raise AlignmentError(f"{path} is damaged: {type(error).__name__} {error}") from error
    if len(alignment.matrices) != count:
        raise AlignmentError(f"{path} is for {len(alignment.matrices)} frames; the stack has {count}")
    if found != size:
        raise AlignmentError(f"{path} is for frames of {found[1]}x{found[0]}; these are {size[1]}x{size[0]}")
    return alignment


def parsed(document: dict[str, Any]) -> Alignment:
    """The alignment in a document; raises `ValueError` and its like where that makes no sense."""
    frames = document["frames"]
    matrices = np.array([frame["matrix"] for frame in frames], np.float64)
    reference = int(document["reference"])
    if matrices.shape[1:] != (3, 3) or not np.isfinite(matrices).all() or (np.linalg.det(matrices) <= 0).any():
        raise ValueError("matrices must be 3 x 3 and not turn the picture inside out")
    if document["model"] not in FREEDOM or reference not in range(len(frames)):
        raise ValueError("unknown model or reference")
    tones = [Tone(gain=tuple(map(float, frame["gain"])), offset=float(frame["offset"])) for frame in frames]
    if any(len(tone.gain) not in (1, 3) or min(tone.gain) <= 0 for tone in tones):
        raise ValueError("gains must be one or three positive numbers")
    return Alignment(
        model=document["model"],
        reference=reference,
        matrices=matrices,
        tones=tones,
        residuals=[np.nan if frame["residual"] is None else float(frame["residual"]) for frame in frames],
        fields=[unpacked(frame.get("field")) for frame in frames],
        left_out={k: str(frame["left_out"]) for k, frame in enumerate(frames) if frame["left_out"]},
    )
