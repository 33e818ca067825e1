"""Photos to learn from and the file to write, looked at before torch, which takes seconds to load."""

import os
from collections.abc import Sequence
from pathlib import Path

from allfocus.errors import EndingError, ReadError, WriteError
from allfocus.run.atomic import check_folder, explain_missing, real_path

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff"}


def check_target(output: Path) -> None:
    """Raise `EndingError` unless `output` is called as an ONNX file, `WriteError` unless it can be written."""
    if output.suffix.lower() != ".onnx":
        raise EndingError(f"{output}: expected a name that ends in .onnx")
    if output.exists() and not output.is_file():
        raise WriteError(f"{output} is not an ordinary file; name another one")
    check_folder(real_path(output).parent)


def find_photos(inputs: Sequence[Path]) -> list[Path]:
    """Files named in `inputs` and photos in its folders, recursively, each once, in a fixed order.

    Raises:
        ReadError: an input does not exist, or there is no photo in any of them.
    """
    found: dict[Path, Path] = {}
    for source in inputs:
        if not source.exists():
            raise ReadError(f"{source} {explain_missing(source)}; expected a photo or a folder of photos")
        for path in photos_below(source) if source.is_dir() else [source]:
            found.setdefault(path.resolve(), path)
    if not found:
        raise ReadError(
            f"no photos in {', '.join(map(str, inputs)) or 'an empty list'}; expected JPEG, PNG, WebP or TIFF"
        )
    return list(found.values())


def photos_below(folder: Path) -> list[Path]:
    """Photos in `folder` and its sub-folders, hidden ones left out, sorted by path."""
    return sorted(
        Path(place) / name
        for place, _, names in os.walk(folder)
        for name in names
        if Path(name).suffix.lower() in SUFFIXES and not name.startswith(".")
    )
