"""Write pictures: checked before work starts, whole or not at all."""

import os
import secrets
import tempfile
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import tifffile
from PIL import Image

from allfocus.color import Array, from_unit, to_unit
from allfocus.errors import WriteError
from allfocus.parallel import in_parallel

Encoder = Callable[[Array], bytes]


def encode_png(image: Array) -> bytes:
    """PNG, 8 or 16 bit."""
    done, data = cv2.imencode(".png", image if image.ndim == 2 else image[..., ::-1])
    if not done:
        raise ValueError("OpenCV's PNG encoder failed")
    return data.tobytes()


def encode_jpeg(image: Array) -> bytes:
    """JPEG, quality 95, colour at full resolution."""
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=95, subsampling=0)
    return buffer.getvalue()


def encode_webp(image: Array) -> bytes:
    """Lossless WebP, with the effort (`quality`, `method`) beyond which only time grows."""
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "WEBP", lossless=True, exact=True, quality=20, method=1)
    return buffer.getvalue()


def encode_tiff(image: Array) -> bytes:
    """TIFF with lossless deflate compression, 8 or 16 bit or 32 bit float."""
    buffer = BytesIO()
    tifffile.imwrite(
        buffer,
        image,
        photometric="minisblack" if image.ndim == 2 else "rgb",
        compression="zlib",
        predictor=image.dtype != np.float32,
        software="allfocus",
        metadata=None,
    )
    return buffer.getvalue()


#: How each ending is written, and the depths that it can hold; what it can't hold becomes the last of them.
ENCODERS: dict[str, tuple[Encoder, tuple[type[np.generic], ...]]] = {
    ".png": (encode_png, (np.uint8, np.uint16)),
    ".tif": (encode_tiff, (np.uint8, np.uint16, np.float32)),
    ".tiff": (encode_tiff, (np.uint8, np.uint16, np.float32)),
    ".webp": (encode_webp, (np.uint8,)),
    ".jpg": (encode_jpeg, (np.uint8,)),
    ".jpeg": (encode_jpeg, (np.uint8,)),
}

#: Longest side that a format can store.
LONGEST = {".webp": 16383, ".jpg": 65535, ".jpeg": 65535}


def check_output(path: Path | str, size: tuple[int, int] | None = None) -> None:
    """Make sure, before work starts, that a picture can be written to `path`.

    Args:
        path: where the picture is to go.
        size: its height and width, where they are known.

    Raises:
        WriteError: unknown ending, a size that the format can't store, or a place that `check_place` refuses.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if path.is_dir():
        raise WriteError(f"{path} is a folder; name a file in it, such as {path / 'sharp.png'}")
    if suffix not in ENCODERS:
        raise WriteError(f"{path} ends in {suffix or 'nothing'}; expected one of {', '.join(ENCODERS)}")
    if size is not None and max(size) > LONGEST.get(suffix, max(size)):
        raise WriteError(f"{path}: {suffix} holds at most {LONGEST[suffix]} pixels a side; write .png or .tif")
    check_place(path)


def check_place(path: Path) -> None:
    """Make sure that a file, whatever it holds, can be written to `path`; leaves nothing behind.

    Raises:
        WriteError: a folder or device in its place, a missing or unwritable folder, or a protected file.
    """
    if path.is_dir():
        raise WriteError(f"{path} is a folder; name a file in it")
    if path.exists() and not path.is_file():
        raise WriteError(f"{path} is not an ordinary file; name another one")
    if path.exists() and not os.access(path, os.W_OK):
        raise WriteError(f"{path} is write-protected; name another file")
    check_folder(path.resolve().parent)


def check_folder(folder: Path) -> None:
    """Raise `WriteError` unless a file can be made in `folder`; leaves nothing behind."""
    if not folder.is_dir():
        what = "is not a folder; name another place" if folder.exists() else "does not exist; make it first"
        raise WriteError(f"{folder} {what}")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise WriteError(f"folder {folder} can't be written to: {error.strerror}") from error


def check_outputs(outputs: Sequence[Path], inputs: Sequence[Path]) -> None:
    """Check every output, and that none replaces an input or another output, be it through links.

    Raises:
        WriteError: see `check_output`.
    """
    for position, path in enumerate(outputs):
        check_output(path)
        if any(same_file(path, source) for source in inputs):
            raise WriteError(f"{path} is one of the frames; name another output")
        if any(same_file(path, other) for other in outputs[:position]):
            raise WriteError(f"two outputs go to {path}; name a file for each")


def same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file, which need not exist."""
    if one.exists() and other.exists():
        return one.samefile(other)
    return one.resolve() == other.resolve()


def write_image(path: Path | str, image: Array) -> str | None:
    """Write one picture by the ending of its name: whole, or not at all.

    PNG, TIFF and WebP are lossless; JPEG has quality 95 and full colour resolution.

    Args:
        path: ends in .png, .tif, .tiff, .webp, .jpg or .jpeg.
        image: (H, W) gray or (H, W, 3) RGB, uint8, uint16 or float32 (1 is white).

    Returns:
        None, or one line saying what the format could not keep.

    Raises:
        WriteError: it can't be written; nothing is left behind.
    """
    notes = write_images([(Path(path), image)])
    return notes[0] if notes else None


def write_images(pictures: Sequence[tuple[Path, Array]]) -> list[str]:
    """Write several pictures, all or none: each goes to a temporary name, and all are renamed at the end.

    Returns:
        Lines saying what a format could not keep.

    Raises:
        WriteError: one can't be written; nothing is left behind.
    """
    notes: list[str] = []
    parts: list[tuple[Path, Path]] = []
    try:
        for path, image in pictures:
            check_output(path, image.shape[:2])
        # in threads, so that Ctrl-C need not wait for an encoder
        encoded = in_parallel(lambda picture: encode(*picture), pictures, workers=2)
        for (path, _), (data, said) in zip(pictures, encoded, strict=True):
            target = path.resolve()
            part = target.with_name(f".{target.stem[:40]}.{secrets.token_hex(6)}.part")
            parts.append((part, target))
            write_part(part, path, data)
            notes += said
        for part, target in parts:
            put_in_place(part, target)
    finally:
        for part, _ in parts:
            part.unlink(missing_ok=True)
    return notes


def encode(path: Path, image: Array) -> tuple[bytes, list[str]]:
    """The bytes of the file that `image` becomes at `path`, and notes as `write_images` returns them."""
    encoder, depths = ENCODERS[path.suffix.lower()]
    notes = []
    if image.dtype.type not in depths:
        notes.append(f"{path.name}: {image.dtype} samples were rounded to {np.dtype(depths[-1]).name}")
        image = from_unit(to_unit(image), depths[-1])
    if encoder is encode_webp and image.ndim == 2:
        notes.append(f"{path.name}: WebP has no gray; the picture was stored as RGB")
    try:
        return encoder(image), notes
    except (ValueError, OSError, cv2.error) as error:
        raise WriteError(f"{path} can't be encoded: {error}") from error


def write_part(part: Path, path: Path, data: bytes) -> None:
    """Write the temporary file for `path`."""
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise WriteError(f"{path} can't be written: {error.strerror}; nothing was kept") from error


def put_in_place(part: Path, target: Path) -> None:
    """Give the finished file its name, in one step that readers never see half done."""
    try:
        part.replace(target)
    except OSError as error:
        raise WriteError(f"{target} can't be written: {error.strerror}; nothing was kept") from error
