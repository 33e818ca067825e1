"""`allfocus.save`: one call that writes the same files as the command line."""

from pathlib import Path
from typing import Any

from allfocus.core.notes import Note
from allfocus.core.typed import check_fields
from allfocus.errors import ConfigError, OptionError
from allfocus.formats.write import check_outputs, write_images
from allfocus.outputs.files import check_sizes, make_files, require_sizes
from allfocus.outputs.wishes import FROM_DEPTH, Outputs, check_suffixes
from allfocus.result import FusionResult

#: What each map needs of a result.
NEEDED = dict.fromkeys(FROM_DEPTH, "depth") | {
    "depth_error": "depth_error",
    "out_of_focus": "quality",
    "veiled": "quality",
}


def save(result: FusionResult, path: Path | str, **maps: Any) -> list[Note]:
    """Write a fused picture as the command line does: EXIF, colour profile, XMP and GPS of the reference included.

    Args:
        result: what `fuse` or `compose` returned.
        path: ends in .png, .tif, .tiff, .webp, .jpg or .jpeg; of RAW frames TIFF holds linear light.
        maps: files for index_map, confidence, depth, depth_error, depth_preview, out_of_focus, veiled, veil, surface,
            stereo, anaglyph, rocking, scale_bar or save_transforms; and what says how to write them, such as
            depth_unit and z_step, see `Outputs`.

    Returns:
        What a format could not keep; empty when all is ordinary.

    Raises:
        OptionError: an unknown map, or one that the result does not have.
        WriteError: a file can't be written, or is one of the frames; none is left behind.
    """
    outputs = build_outputs(Path(path), maps)
    check_result(result, outputs)
    check_suffixes(outputs)
    check_sizes(outputs, result.image.shape[:2])
    check_outputs(outputs.pictures, [] if result.source is None else result.source.files, outputs.texts)
    return write_images(make_files(result, outputs))


def check_result(result: FusionResult, outputs: Outputs, *, has_frames: bool = False) -> None:
    """Raise `OptionError` for an output that a result does not have; its frames may be at hand beside it."""
    if not isinstance(result, FusionResult):
        found = type(result).__name__
        raise OptionError(f"expected a result, as fuse returns it, found {found}; write_image writes arrays")
    if outputs.layers is not None and not has_frames:
        raise OptionError("layers: a result holds no frames; they are made by a Job, or on the command line")
    for name, needed in NEEDED.items():
        if getattr(outputs, name) is not None and getattr(result, needed) is None:
            raise OptionError(f"{name}: the result has no {needed}; ask fuse or decide for it")
    require_sizes(outputs, result.source)


def build_outputs(path: Path, maps: dict[str, Any]) -> Outputs:
    """The outputs that keywords ask for; raises `OptionError` for a map that does not exist."""
    try:
        outputs = Outputs(image=path, **maps)
        check_fields(outputs)
    except TypeError:
        known = ", ".join(name for name in Outputs.__dataclass_fields__ if name not in ("image", "report"))
        raise OptionError(f"{', '.join(maps)}: expected maps among {known}") from None
    except ConfigError as error:
        raise OptionError(str(error)) from None
    return outputs
