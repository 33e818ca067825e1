"""Write pictures: checked before work starts, whole or not at all."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from allfocus.core.color import Array
from allfocus.errors import WriteError
from allfocus.formats.encode import FORMATS, encode
from allfocus.formats.ome_tiff import OME_ENDINGS, OmeFile, Scale, check_planes, save_file
from allfocus.metadata.carry import Metadata
from allfocus.run.atomic import check_place, disk_errors, same_file, whole_files
from allfocus.run.workers import in_parallel


class Picture(NamedTuple):
    """A picture, or the text of another file, that goes to `path`, and what is kept beside its pixels."""

    path: Path
    image: Array | str
    metadata: Metadata | None = None


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
    if suffix not in FORMATS:
        raise WriteError(f"{path} ends in {suffix or 'nothing'}; expected one of {', '.join(FORMATS)}")
    longest = FORMATS[suffix].longest
    if size is not None and longest is not None and max(size) > longest:
        raise WriteError(f"{path}: {suffix} holds at most {longest} pixels a side; write .png or .tif")
    check_place(path)


def check_outputs(outputs: Sequence[Path], inputs: Sequence[Path], texts: Sequence[Path] = ()) -> None:
    """Check every output, pictures and texts, and that none replaces an input or another output, be it through links.

    Raises:
        WriteError: see `check_output`.
    """
    everything = [*outputs, *texts]
    for position, path in enumerate(everything):
        if position < len(outputs):
            check_output(path)
        else:
            check_place(path)
        if any(same_file(path, source) for source in inputs):
            raise WriteError(f"{path} is one of the frames; name another output")
        if any(same_file(path, other) for other in everything[:position]):
            raise WriteError(f"two outputs go to {path}; name a file for each")


def write_image(path: Path | str, image: Array, metadata: Metadata | None = None) -> str | None:
    """Write one picture by the ending of its name: whole, or not at all.

    PNG, TIFF and WebP are lossless; JPEG has quality 95 and full colour resolution. A name that ends in .ome.tif
    makes an OME-TIFF.

    Args:
        path: ends in .png, .tif, .tiff, .webp, .jpg or .jpeg.
        image: (H, W) gray or (H, W, 3) RGB, uint8, uint16 or float32 (1 is white).
        metadata: EXIF, colour profile, XMP and what else is kept beside the pixels, as `finished` returns it.

    Returns:
        None, or one line saying what the format could not keep.

    Raises:
        WriteError: it can't be written; nothing is left behind.
    """
    notes = write_images([Picture(Path(path), image, metadata)])
    return "; ".join(notes) or None


def write_images(pictures: Sequence[Picture | tuple[Path, Array | str]]) -> list[str]:
    """Write several pictures and texts, all or none: each goes to a temporary name, and all are renamed at the end.

    Args:
        pictures: where each goes and what it is; one without metadata may be just a pair.

    Returns:
        Lines saying what a format could not keep.

    Raises:
        WriteError: one can't be written; nothing is left behind.
    """
    wanted = [Picture(*picture) for picture in pictures]
    for picture in wanted:
        if isinstance(picture.image, str):
            check_place(picture.path)
        else:
            check_output(picture.path, picture.image.shape[:2])
    notes: list[str] = []
    with whole_files([picture.path for picture in wanted]) as parts:
        # in threads, so that Ctrl-C need not wait for an encoder
        encoded = in_parallel(bytes_of, wanted, workers=2)
        for picture, part, (data, said) in zip(wanted, parts, encoded, strict=True):
            with disk_errors(picture.path), part.open("xb") as file:
                file.write(data)
            notes += said
    return notes


def bytes_of(picture: Picture) -> tuple[bytes, list[str]]:
    """What goes into the file, and notes as `write_images` returns them."""
    path, image, metadata = picture
    return (image.encode(), []) if isinstance(image, str) else encode(path, image, metadata)


def write_ome(path: Path | str, planes: Array, axes: str, scale: Scale | None = None) -> None:
    """Write an OME-TIFF: whole, or not at all; BigTIFF where its samples come near to 4 GiB.

    Args:
        path: ends in .ome.tif or .ome.tiff.
        planes: uint8, uint16 or float32, a plane for each channel, height and time.
        axes: a letter for each axis of `planes`: T times, C channels, Z heights, then YX, or YXS for RGB.
        scale: names of the channels, size of a pixel, heights, description.

    Raises:
        WriteError: planes and axes don't go together, or it can't be written; nothing is left behind.
    """
    write_ome_files([OmeFile(path=Path(path), planes=[planes], axes=axes, scales=[scale or Scale()])])


def write_ome_files(files: Sequence[OmeFile]) -> None:
    """Write several OME-TIFFs, all or none; see `write_ome`."""
    for wanted in files:
        check_output(wanted.path)
        if not wanted.path.name.lower().endswith(OME_ENDINGS):
            expected = " or ".join(OME_ENDINGS)
            raise WriteError(f"{wanted.path} is no name for an OME-TIFF; expected it to end in {expected}")
        for planes, scale in zip(wanted.planes, wanted.scales, strict=True):
            check_planes(wanted.path, planes, wanted.axes, scale)
    with whole_files([wanted.path for wanted in files]) as parts:
        for wanted, part in zip(files, parts, strict=True):
            with disk_errors(wanted.path):
                save_file(part, wanted)
