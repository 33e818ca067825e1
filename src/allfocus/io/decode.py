"""Read one picture; its first bytes, not its name, decide how."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from allfocus.color import Array
from allfocus.errors import AllFocusError, ReadError
from allfocus.io.pixels import check_pixels, drop_opaque_alpha, from_pillow, orient
from allfocus.io.png import SIGNATURE, bit_depth, check_png, decode_png16
from allfocus.io.tiff import read_single_page

ORIENTATION = 0x0112  # the EXIF tag

TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def read_image(path: Path | str) -> Array:
    """Read a JPEG, PNG, WebP, TIFF or BMP picture, turned the way its orientation tag says.

    Returns:
        (H, W) gray or (H, W, 3) RGB in the file's own depth: uint8, uint16 or float32 (TIFF only). Palettes
        are expanded to RGB and single bits to gray; an opaque alpha channel is dropped.

    Raises:
        ReadError: the file is missing, is no such picture, is damaged or cut short, has transparent pixels,
            CMYK or other colours, several pages, or samples of another depth.
    """
    path = Path(path)
    kind = find_kind(path)
    with explained(path, kind):
        picture = read_single_page(path) if kind == "TIFF" else decode_bytes(path.read_bytes(), kind, path.name)
    return drop_opaque_alpha(picture, path.name)


@contextmanager
def explained(path: Path, kind: str) -> Iterator[None]:
    """Turn what decoders raise into a `ReadError` that names the file: damaged bytes cause errors of every type."""
    try:
        yield
    except (AllFocusError, MemoryError):
        raise
    except Exception as error:
        raise ReadError(f"{path} can't be read as {kind}: {first_line(error)}") from error


def find_kind(path: Path) -> str:
    """`JPEG`, `PNG`, `WebP`, `TIFF` or `BMP`, by the first bytes; raises `ReadError` for anything else."""
    if path.is_dir():
        raise ReadError(f"{path} is a folder; expected a picture")
    if not path.exists():
        raise ReadError(f"{path} does not exist")
    if not path.is_file():
        raise ReadError(f"{path} is not an ordinary file; expected a picture")
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        raise ReadError(f"{path} can't be read: {error.strerror}") from error
    if start.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if start.startswith(SIGNATURE):
        return "PNG"
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return "WebP"
    if start.startswith(TIFF_STARTS):
        return "TIFF"
    if start.startswith(b"BM"):
        return "BMP"
    what = "is empty" if not start else "is not a JPEG, PNG, WebP or TIFF picture"
    raise ReadError(f"{path} {what}; export it in one of these formats")


def decode_bytes(data: bytes, kind: str, name: str) -> Array:
    """Samples of a JPEG, PNG, WebP or BMP file, oriented, alpha kept."""
    image = open_pillow(data, kind, name)
    check_pixels(image.width, image.height, name)
    orientation = int(image.getexif().get(ORIENTATION, 1))
    deep = kind == "PNG" and bit_depth(data) == 16
    picture = decode_png16(data, name) if deep else from_pillow(image, name)
    return orient(picture, orientation)


def open_pillow(data: bytes, kind: str, name: str) -> ImageFile.ImageFile:
    """Open a file that is whole and holds one picture.

    The plug-in is called by name: `Image.open` would refuse honest pictures above 179 megapixels, and takes
    the second picture that phones hide in a JPEG for another page.
    """
    if kind == "JPEG":
        check_jpeg(data, name)
        return JpegImageFile(BytesIO(data))
    if kind == "BMP":
        return BmpImageFile(BytesIO(data))
    if kind == "PNG":
        check_png(data, name)
    image = PngImageFile(BytesIO(data)) if kind == "PNG" else WebPImageFile(BytesIO(data))
    if getattr(image, "n_frames", 1) > 1:
        raise ReadError(f"{name} is an animation; expected a single picture")
    return image


def check_jpeg(data: bytes, name: str) -> None:
    """Raise `ReadError` unless the end marker follows the start of the scan.

    Pillow notices most files that were cut short, but not those filled up with zeros by an interrupted copy.
    Inside a scan 0xFF is always escaped, so that the first end marker after its start is the true one.
    """
    place = 2
    while data[place : place + 1] == b"\xff" and data[place + 1 : place + 2] != b"\xda":
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big") if data[place + 1] != 0xFF else 1
    if data.find(b"\xff\xd9", place) < 0:
        raise ReadError(f"{name} is cut short: the JPEG ends after {len(data)} bytes without its end marker")


def first_line(error: BaseException) -> str:
    """The error's message up to its first line break, or its type where it says nothing."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
