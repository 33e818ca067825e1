"""The files that a fusion is asked for: which, and where; said before anything heavy is loaded."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from allfocus.core.typed import declared
from allfocus.errors import OptionError, WriteError
from allfocus.formats.filebytes import is_address
from allfocus.options import OUTPUT, FusionOptions
from allfocus.run.atomic import real_path

#: Endings of maps: formats that keep numbers as they are and know gray.
MAP_SUFFIXES = (".png", ".tif", ".tiff", ".zarr")
#: Endings of reports.
REPORT_SUFFIXES = (".html", ".json")
#: Outputs that are no pictures, and what says how to write them.
TEXTS = ("save_transforms", "report", "beside")
SETTINGS = ("depth_unit", "z_step")
#: What the numbers of a depth map count.
DepthUnit = Literal["gray", "frame", "um"]
#: Maps that the network alone can make.
FROM_NETWORK = ("depth", "depth_preview", "out_of_focus", "veiled")
#: Names that `--outputs` knows, and the field of each; the first of two names is that of the file.
NAMED = {
    "index": "index_map",
    "confidence": "confidence",
    "depth": "depth",
    "depth-preview": "depth_preview",
    "out-of-focus": "out_of_focus",
    "veiled": "veiled",
    "veil": "veil",
}
#: Names of outputs that are called otherwise now; they work for one release.
OLD_NAMES = {"unsharp": "out-of-focus"}


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Where each output goes; None: it is not wanted. Flags are made from the fields."""

    image: Path | None = None
    index_map: Path | None = declared(
        None, help="Write which frame each pixel is from, counted from 0 (.png, .tif).", group=OUTPUT, metavar="FILE"
    )
    confidence: Path | None = declared(
        None, help="Write how sure each choice is, white is certain (.png, .tif).", group=OUTPUT, metavar="FILE"
    )
    depth: Path | None = declared(
        None,
        help="Write the depth map, 16-bit gray or what --depth-unit says (.png, .tif).",
        group=OUTPUT,
        metavar="FILE",
    )
    depth_unit: DepthUnit = declared(
        "gray",
        help="Numbers of the depth map: gray from the first frame to the last, frames above the first, or micrometres "
        "above it (um). Frames and micrometres are 32-bit float (.tif).",
        group=OUTPUT,
    )
    z_step: float | None = declared(
        None,
        help="Distance from frame to frame in micrometres (default: what the file says).",
        group=OUTPUT,
        metavar="UM",
        low=1e-6,
    )
    depth_preview: Path | None = declared(
        None, help="Write the depth map in colours, with a legend.", group=OUTPUT, metavar="FILE"
    )
    out_of_focus: Path | None = declared(
        None,
        help="Write a mask, white where no frame is sharp (.png, .tif).",
        group=OUTPUT,
        metavar="FILE",
        old_flags=("--unsharp",),
    )
    veiled: Path | None = declared(
        None,
        help="Write a mask, white where things are seen through the blur of nearer ones that could not be removed, or "
        "hardly (.png, .tif).",
        group=OUTPUT,
        metavar="FILE",
    )
    veil: Path | None = declared(
        None,
        help="Write the light that near, blurred things laid over the picture: its colour, and its share as alpha "
        "(.png, .tif).",
        group=OUTPUT,
        metavar="FILE",
    )
    save_transforms: Path | None = declared(
        None, help="Write the transforms that were estimated (.json).", group=OUTPUT, metavar="FILE"
    )
    report: tuple[Path, ...] = declared(
        (),
        help="Write a report: a page (.html), or all facts for programs (.json). May be given twice.",
        group=OUTPUT,
        metavar="FILE",
    )

    #: The name that those of other files are made of where the picture itself is not wanted.
    beside: Path | None = None

    @property
    def base(self) -> Path | None:
        """The name that those of other files are made of."""
        return self.image or self.beside

    @property
    def named(self) -> dict[str, Path]:
        """What each picture shows, and where it goes."""
        found = {
            field.name: getattr(self, field.name) for field in fields(self) if field.name not in (*TEXTS, *SETTINGS)
        }
        return {name.replace("_", " "): path for name, path in found.items() if path is not None}

    @property
    def pictures(self) -> list[Path]:
        """Everything but texts."""
        return list(self.named.values())

    @property
    def texts(self) -> list[Path]:
        """Files that hold no picture."""
        return [*self.report, *([] if self.save_transforms is None else [self.save_transforms])]

    @property
    def need_depth(self) -> bool:
        """Whether a depth map has to be made."""
        return self.depth is not None or self.depth_preview is not None


def add_listed(outputs: Outputs, names: str | None) -> Outputs:
    """The outputs with those added that a list such as ``image,index,depth`` names, beside the picture.

    Files that were named already stay; the picture is left out if the list does not hold it.

    Raises:
        OptionError: an unknown name.
    """
    if names is None or outputs.image is None:
        return outputs
    wanted = [OLD_NAMES.get(name.strip(), name.strip()) for name in names.split(",")]
    for name in wanted:
        if name != "image" and name not in NAMED:
            raise OptionError(f"outputs {name!r}: expected some of image, {', '.join(NAMED)}, with commas between them")
    image = outputs.image
    stem, suffix = image.stem, image.suffix if image.suffix.lower() in MAP_SUFFIXES else ".png"
    if stem.lower().endswith(".ome"):
        stem, suffix = stem[: -len(".ome")], ".ome.zarr" if suffix == ".zarr" else ".ome.tif"
    beside: dict[str, Any] = {
        NAMED[name]: getattr(outputs, NAMED[name]) or image.with_name(f"{stem}_{name}{suffix}")
        for name in wanted
        if name != "image"
    }
    if "depth" in wanted and outputs.depth is None and outputs.depth_unit != "gray":
        beside["depth"] = beside["depth"].with_suffix(suffix if suffix == ".zarr" else ".tif")
    return replace(outputs, **beside, image=image if "image" in wanted else None, beside=image)


def check_wishes(outputs: Outputs, options: FusionOptions, slab: str | None = None) -> None:
    """Check what can be known of outputs before any file is opened.

    Raises:
        WriteError: a map or a report in a format that can't hold it.
        OptionError: outputs and options that contradict each other.
    """
    check_suffixes(outputs)
    asked = [name.replace("_", "-") for name in FROM_NETWORK if getattr(outputs, name) is not None]
    if options.method == "laplacian" and asked:
        raise OptionError(f"{', '.join(asked)}: only the network makes it; leave it out or choose --method network")
    if outputs.veil is not None and options.halos == "keep":
        raise OptionError("veil: it is found where halos are removed; leave out --halos keep")
    if outputs.save_transforms and options.align == "none" and options.transforms is None:
        raise OptionError("save-transforms: without alignment there are none; leave out --no-align")
    if slab is not None and options.keep_canvas:
        raise OptionError("slab: can't keep the canvas, which its frames may not fill; leave out --keep-canvas")


def check_suffixes(outputs: Outputs) -> None:
    """Raise `WriteError` for a map whose format would change its numbers, and for a report of an unknown kind."""
    for name in NAMED.values():
        path: Path | None = getattr(outputs, name)
        if path is not None and name != "depth_preview" and path.suffix.lower() not in MAP_SUFFIXES:
            raise WriteError(f"{path}: maps are written as {', '.join(MAP_SUFFIXES)}; other formats change numbers")
    if outputs.depth is not None and outputs.depth_unit != "gray" and outputs.depth.suffix.lower() == ".png":
        raise WriteError(f"{outputs.depth}: PNG holds no floats; name the depth map .tif, or leave out --depth-unit")
    for path in outputs.report:
        if path.suffix.lower() not in REPORT_SUFFIXES:
            raise WriteError(f"{path}: reports are written as {' or '.join(REPORT_SUFFIXES)}; choose one of these")


#: Endings of the picture by those of the frames; of all other frames it is lossless.
VOLUMES = {".czi": ".ome.tif", ".lif": ".ome.tif", ".nd2": ".ome.tif", ".zarr": ".ome.zarr"}
ENDINGS = {".jpg": ".jpg", ".jpeg": ".jpg", ".png": ".png", ".webp": ".webp"}


def name_output(given: Sequence[Path], paths: Sequence[Path], *, holds_volume: bool = False) -> Path:
    """Where the picture goes if nobody says so: ``STACK.fused.EXT`` beside the stack.

    Args:
        given: what was typed: one folder or file, or several.
        paths: the frames, or the one file that holds them.
        holds_volume: whether they are the files of an OME-TIFF set.
    """
    first = paths[0]
    if len(paths) == 1 and first.suffix.lower() in VOLUMES:
        stem = first.name.removesuffix(first.suffix).removesuffix(".ome")
        beside = Path(stem) if is_address(first) else first.with_name(stem)
        return beside.with_name(f"{stem}.fused{VOLUMES[first.suffix.lower()]}")
    suffix = ".ome.tif" if holds_volume else ENDINGS.get(first.suffix.lower(), ".tif")
    if first.name.lower().endswith((".ome.tif", ".ome.tiff")) and len(paths) == 1:
        return first.with_name(f"{first.name.rpartition('.ome.')[0]}.fused.ome.tif")
    if len(given) == 1 and given[0].is_dir():
        folder = given[0] if given[0].name not in ("", "..") else real_path(given[0])
        return folder.with_name(f"{folder.name}.fused{suffix}")
    if len(paths) == 1:
        return first.with_name(f"{first.stem}.fused{suffix}")
    return first.with_name(f"{real_path(first).parent.name}.fused{suffix}")
