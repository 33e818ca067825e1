"""The files that a fusion is asked for: which, where, and what goes into each."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from allfocus.errors import ConfigError, WriteError

if TYPE_CHECKING:
    from allfocus.core.color import Array
    from allfocus.formats.write import Picture
    from allfocus.metadata.carry import Metadata
    from allfocus.options import FusionOptions
    from allfocus.result import FusionResult
    from allfocus.sources.listing import Listing

#: Endings of maps: formats that keep numbers as they are and know gray.
MAP_SUFFIXES = (".png", ".tif", ".tiff")
#: Endings of formats that hold linear light well enough: 16 bits without loss.
LINEAR_SUFFIXES = (".tif", ".tiff")
#: Outputs that are no pictures, and endings of reports.
TEXTS = ("save_transforms", "reports")
REPORT_SUFFIXES = (".html", ".json")
#: What --outputs knows, and the name of each file beside the picture's.
NAMED = {
    "index": "index_map",
    "confidence": "confidence",
    "depth": "depth",
    "depth-preview": "depth_preview",
    "unsharp": "unsharp",
    "veiled": "veiled",
}


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Where each output goes; None: it is not wanted.

    Attributes:
        image: the picture.
        index_map, confidence, depth, depth_preview, unsharp, veiled: maps.
        save_transforms: the transforms, JSON.
        reports: reports, .html or .json.
    """

    image: Path | None
    index_map: Path | None = None
    confidence: Path | None = None
    depth: Path | None = None
    depth_preview: Path | None = None
    unsharp: Path | None = None
    veiled: Path | None = None
    save_transforms: Path | None = None
    reports: tuple[Path, ...] = ()

    @property
    def named(self) -> dict[str, Path]:
        """What each picture shows, and where it goes."""
        found = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in TEXTS}
        return {name.replace("_", " "): path for name, path in found.items() if path is not None}

    @property
    def pictures(self) -> list[Path]:
        """Everything but texts."""
        return list(self.named.values())

    @property
    def texts(self) -> list[Path]:
        """Files that hold no picture."""
        return [*self.reports, *([] if self.save_transforms is None else [self.save_transforms])]

    @property
    def need_depth(self) -> bool:
        """Whether a depth map has to be made."""
        return self.depth is not None or self.depth_preview is not None


def listed(outputs: Outputs, names: str | None) -> Outputs:
    """The outputs with those added that a list such as ``image,index,depth`` names, beside the picture.

    Files that were named already stay; the picture is left out if the list does not hold it.

    Raises:
        ConfigError: an unknown name.
    """
    if names is None or outputs.image is None:
        return outputs
    wanted = [name.strip() for name in names.split(",")]
    for name in wanted:
        if name != "image" and name not in NAMED:
            raise ConfigError(f"outputs {name!r}: expected some of image, {', '.join(NAMED)}, with commas between them")
    image = outputs.image
    stem, suffix = image.stem, image.suffix if image.suffix.lower() in MAP_SUFFIXES else ".png"
    if stem.lower().endswith(".ome"):
        stem, suffix = stem[: -len(".ome")], ".ome.tif"
    beside: dict[str, Any] = {
        NAMED[name]: getattr(outputs, NAMED[name]) or image.with_name(f"{stem}_{name}{suffix}")
        for name in wanted
        if name != "image"
    }
    return replace(outputs, **beside, image=image if "image" in wanted else None)


def check_maps(outputs: Outputs) -> None:
    """Raise `WriteError` for a map whose ending stands for a format that would change its numbers."""
    for path in (outputs.index_map, outputs.confidence, outputs.depth, outputs.unsharp, outputs.veiled):
        if path is not None and path.suffix.lower() not in MAP_SUFFIXES:
            raise WriteError(f"{path}: maps are written as {', '.join(MAP_SUFFIXES)}; other formats change numbers")


def check_reports(outputs: Outputs) -> None:
    """Raise `WriteError` for a report of an unknown kind."""
    for path in outputs.reports:
        if path.suffix.lower() not in REPORT_SUFFIXES:
            raise WriteError(f"{path}: reports are written as {' or '.join(REPORT_SUFFIXES)}; choose one of these")


def reports(
    result: "FusionResult", outputs: Outputs, listing: "Listing", options: "FusionOptions", seconds: float
) -> "list[Picture]":
    """The reports that are wanted."""
    from allfocus.formats.read import read_metadata
    from allfocus.formats.write import Picture
    from allfocus.outputs.report import dump, provenance, report_page
    from allfocus.sources.listing import read_frame

    if not outputs.reports:
        return []
    document = provenance(result, listing, options, outputs.named, seconds)
    reference = reference_of(result)
    icc = None if result.image.ndim == 2 else read_metadata(listing.path_of(reference)).icc

    def report(path: Path) -> str:
        if path.suffix.lower() == ".json":
            return dump(document)
        frame = read_frame(listing, reference)
        return report_page(result, listing, options, outputs.named, seconds, frame, icc=icc, document=document)

    return [Picture(path, report(path)) for path in outputs.reports]


def reference_of(result: "FusionResult") -> int:
    """Position of the frame that the picture lies over, or of the middle one."""
    return result.frame_count // 2 if result.alignment is None else result.alignment.reference


def contents(result: "FusionResult", outputs: Outputs, listing: "Listing") -> "list[Picture]":
    """What goes into each file."""
    from allfocus.align import dump_transforms
    from allfocus.formats.write import Picture

    wanted = [] if outputs.image is None else [picture_of(result, outputs.image, listing)]
    wanted += [Picture(path, plane) for path, plane in maps(result, outputs) if path is not None]
    if outputs.save_transforms is not None and result.alignment is not None:
        text = dump_transforms(result.alignment, listing.names, listing.frame.size)
        wanted.append(Picture(outputs.save_transforms, text))
    return wanted


def picture_of(result: "FusionResult", path: Path, listing: "Listing") -> "Picture":
    """The fused picture with what the reference says of itself."""
    from allfocus.formats.read import read_metadata

    metadata = read_metadata(listing.path_of(reference_of(result)))
    return finished_picture(result, path, metadata, listing.is_linear)


def finished_picture(result: "FusionResult", path: Path, metadata: "Metadata", is_linear: bool) -> "Picture":
    """The fused picture with this metadata; of RAW frames linear light, where the format holds it well."""
    from allfocus import io

    frames = result.frame_count if result.alignment is None else len(result.alignment.used)
    metadata = io.finish_metadata(metadata, frames=frames, size=result.image.shape[:2])
    if not is_linear:
        return io.Picture(path, result.image, metadata)
    if path.suffix.lower() in LINEAR_SUFFIXES:
        return io.Picture(path, linear(result.image), replace(metadata, icc=io.linear_srgb_profile()))
    return io.Picture(path, result.image, replace(metadata, icc=io.srgb_profile()))


def linear(image: "Array") -> "Array":
    """Display-encoded values as linear light of the same depth, strip by strip."""
    import numpy as np

    from allfocus.core.color import from_unit, srgb_to_linear, to_unit

    return np.concatenate([from_unit(srgb_to_linear(to_unit(strip)), image.dtype) for strip in row_strips(image)])


def row_strips(image: "Array", rows: int = 256) -> "Sequence[Array]":
    """The picture in strips of so many rows."""
    return [image[top : top + rows] for top in range(0, len(image), rows)]


def maps(result: "FusionResult", outputs: Outputs) -> "list[tuple[Path | None, Array]]":
    """What to write where: indices as they are in 8 bits where those do, confidence and depth as 16-bit gray."""
    from allfocus.compose.depth import depth_preview
    from allfocus.core.color import from_unit

    found: list[tuple[Path | None, Array]] = []
    if outputs.index_map is not None:
        few = result.frame_count <= 256
        found.append((outputs.index_map, result.index_map.astype("uint8" if few else "uint16")))
    if outputs.confidence is not None:
        found.append((outputs.confidence, from_unit(result.confidence, "uint16")))
    if result.depth is not None and outputs.depth is not None:
        share = (result.depth / (result.frame_count - 1)).astype("float32")
        found.append((outputs.depth, from_unit(share, "uint16")))
    if result.depth is not None and outputs.depth_preview is not None:
        found.append((outputs.depth_preview, depth_preview(result.depth, result.frame_count)))
    if result.flaws is not None:
        found.append((outputs.unsharp, result.flaws.unsharp.astype("uint8") * 255))
        found.append((outputs.veiled, result.flaws.veiled.astype("uint8") * 255))
    return found
