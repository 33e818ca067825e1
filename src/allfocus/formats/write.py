"""Write pictures and volumes: checked before work starts, whole or not at all."""

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import BinaryIO, NamedTuple

import cv2

from allfocus.core.color import Array
from allfocus.core.notes import Note
from allfocus.core.samples import Samples
from allfocus.errors import MissingExtraError, WriteError
from allfocus.formats.filebytes import address_of, is_address
from allfocus.formats.fit import check_picture, fit_metadata, fit_picture
from allfocus.formats.format import Content
from allfocus.formats.ome_file import OmeFile, Scale, check_planes
from allfocus.formats.registry import find_writer, holds_volumes
from allfocus.metadata.carry import Metadata
from allfocus.run.atomic import (
    check_folder_place,
    check_name,
    check_no_input,
    check_place,
    disk_errors,
    same_file,
    whole_files,
    write_part,
)
from allfocus.run.install import install_hint
from allfocus.run.workers import in_background

#: What writes the content of a file that is not at hand in one piece.
Fill = Callable[[BinaryIO], object]


class Picture(NamedTuple):
    """A picture, or the content of another file, that goes to `path`, and what is kept beside its pixels.

    `samples` hold the range of the numbers in the stack that it was made of, where that is known. `notes` say what a
    user should know of it; without an image it is these alone, and no file. `labels` are whole numbers (H, W) for each
    pixel, by their names, where the format holds such.
    """

    path: Path
    image: Array | str | bytes | Fill | None
    metadata: Metadata | None = None
    samples: Samples | None = None
    notes: tuple[Note, ...] = ()
    labels: Mapping[str, Array] | None = None


def check_output(path: Path | str, size: tuple[int, int] | None = None) -> None:
    """Make sure, before work starts, that a picture can be written to `path`.

    Args:
        path: where the picture is to go.
        size: its height and width, where they are known.

    Raises:
        WriteError: unknown ending, a size that the format can't store, or a place that `check_place` refuses.
    """
    path = Path(path)
    if is_address(path):
        raise WriteError(f"{address_of(path)} is an address; write to a folder on this machine, and copy it there")
    check_name(path)
    if path.is_dir() and path.suffix.lower() != ".zarr":
        raise WriteError(f"{path} is a folder; name a file in it, such as {path / 'sharp.png'}")
    writer, capacity = find_writer(path)
    if not writer.is_readable() and writer.is_folder:
        raise MissingExtraError(f"{path} is {writer.name}; to write it: {install_hint(writer.extra)}")
    if size is not None and capacity.longest is not None and max(size) > capacity.longest:
        ending = path.suffix.lower()
        raise WriteError(f"{path}: {ending} holds at most {capacity.longest} pixels a side; write .png or .tif")
    if writer.is_folder:
        check_folder_place(path)
    else:
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
        check_no_input([path], inputs)
        if any(same_file(path, other) for other in everything[:position]):
            raise WriteError(f"two outputs go to {path}; name a file for each")


def write_image(path: Path | str, image: Array, metadata: Metadata | None = None) -> tuple[Note, ...]:
    """Write one picture by the ending of its name: whole, or not at all.

    PNG, TIFF and WebP are lossless; JPEG has quality 95 and full colour resolution. A name that ends in .ome.tif
    makes an OME-TIFF.

    Args:
        path: ends in .png, .tif, .tiff, .webp, .jpg or .jpeg.
        image: (H, W) or (H, W, 1) gray, (H, W, 3) RGB or, for PNG, TIFF and WebP, (H, W, 4) RGBA; uint8, uint16 or
            float32 (1 is white).
        metadata: EXIF, colour profile, XMP and what else is kept beside the pixels, as `finish_metadata` returns it.

    Returns:
        Notes on what the format could not keep; mostly none.

    Raises:
        WriteError: the picture has another shape or sample type or is not finite, the format can't hold it, or the
            file can't be written; nothing is left behind.
    """
    if image is None or isinstance(image, str | bytes) or callable(image):
        raise WriteError(f"{path}: expected a picture as an array, found {type(image).__name__}")
    return tuple(write_images([Picture(Path(path), image, metadata)]))


def write_images(
    pictures: Sequence[Picture | tuple[Path, Array | str | bytes | Fill]], cancelled: Event | None = None
) -> list[Note]:
    """Write several pictures and texts, all or none: each goes to a temporary name, and all are renamed at the end.

    Args:
        pictures: where each goes and what it is, see `write_image`; one without metadata may be just a pair.
        cancelled: once it is set, by another thread, nothing is written.

    Returns:
        Notes on what a format could not keep, and on metadata that could not be read.

    Raises:
        WriteError: one can't be written; nothing is left behind.
        Cancelled: `cancelled` was set; nothing is left behind.
    """
    given = [Picture(*picture) for picture in pictures]
    wanted = [check_content(picture) for picture in given if picture.image is not None]
    notes = [note for picture in given for note in picture.notes]
    notes += note_damages(wanted)
    with whole_files([picture.path for picture in wanted]) as parts:
        # in threads, so that Ctrl-C need not wait for an encoder
        encoded = in_background(make_content, wanted, cancelled)
        for picture, part, (content, lost) in zip(wanted, parts, encoded, strict=True):
            write_part(picture.path, part, content)
            notes += lost
    return notes


def write_in_turn(paths: Sequence[Path], pictures: Iterable[Picture]) -> list[Note]:
    """`write_images` of pictures that are made one after the other, so that no more than one is in memory.

    Args:
        paths: where they go.
        pictures: one for each path, in the same order.
    """
    notes: dict[Note, None] = {}
    with whole_files(paths) as parts:
        for part, picture in zip(parts, pictures, strict=True):
            [(content, lost)] = in_background(make_content, [check_content(picture)])
            write_part(picture.path, part, content)
            notes |= dict.fromkeys([*picture.notes, *note_damages([picture]), *lost])
    return list(notes)


def note_damages(pictures: Sequence[Picture]) -> list[Note]:
    """Notes on metadata that could not be read."""
    texts = [text for picture in pictures if picture.metadata is not None for text in picture.metadata.notes]
    return [Note(code="metadata-left-out", message=text) for text in dict.fromkeys(texts)]


def check_content(picture: Picture) -> Picture:
    """The picture as `make_content` takes it; raises `WriteError` where it can't be written to its place."""
    path, image = picture.path, picture.image
    if image is None or isinstance(image, str | bytes) or callable(image):
        check_place(path)
        return picture
    image = check_picture(path, image)
    check_output(path, image.shape[:2])
    return picture._replace(image=image)


def make_content(picture: Picture) -> tuple[Content | str | Fill, list[Note]]:
    """What goes into the file, and notes on what its format could not keep.

    Raises:
        WriteError: the format can't hold the picture, or the metadata is none.
    """
    path, image, metadata, samples, _, labels = picture
    if image is None or isinstance(image, str | bytes) or callable(image):
        return image or b"", []
    writer, capacity = find_writer(path)
    try:
        image, notes = fit_picture(image, capacity, writer.name, samples)
        metadata, more = fit_metadata(metadata or Metadata(), capacity, is_gray=image.ndim == 2)
        metadata, last = writer.fit(metadata)
        content = writer.encode_labelled(image, metadata, labels) if labels else writer.encode(image, metadata)
    except (ValueError, OSError, cv2.error, struct.error) as error:
        raise WriteError(f"{path} can't be encoded: {error}") from error
    return content, [replace(note, message=f"{path.name}: {note}") for note in (*notes, *more, *last)]


def write_ome(path: Path | str, planes: Array, axes: str, scale: Scale | None = None) -> None:
    """Write an OME-TIFF or OME-Zarr: whole, or not at all; BigTIFF where its samples come near to 4 GiB.

    Args:
        path: ends in .ome.tif, .ome.tiff or .ome.zarr.
        planes: uint8, uint16 or float32, a plane for each channel, height and time.
        axes: a letter for each axis of `planes`: T times, C channels, Z heights, then YX, or YXS for RGB.
        scale: names of the channels, size of a pixel, heights, description.

    Raises:
        WriteError: planes and axes don't go together, or it can't be written; nothing is left behind.
    """
    write_ome_files([OmeFile(path=Path(path), planes=[planes], axes=axes, scales=[scale or Scale()])])


def write_ome_files(files: Sequence[OmeFile], others: Sequence[Picture] = ()) -> None:
    """Write several OME-TIFFs and OME-Zarrs, and other files that are no pictures, all or none; see `write_ome`."""
    for wanted in files:
        check_output(wanted.path)
        if not holds_volumes(wanted.path):
            raise WriteError(
                f"{wanted.path} is no name for planes; expected it to end in .ome.tif, .ome.tiff or .ome.zarr"
            )
        for planes, scale in zip(wanted.planes, wanted.scales, strict=True):
            check_planes(wanted.path, planes, wanted.axes, scale)
    with whole_files([*(wanted.path for wanted in files), *(other.path for other in others)]) as parts:
        for wanted, part in zip(files, parts, strict=False):
            with disk_errors(wanted.path):
                find_writer(wanted.path)[0].write_volume(part, wanted)
        for other, part in zip(others, parts[len(files) :], strict=True):
            write_part(other.path, part, make_content(other)[0])
