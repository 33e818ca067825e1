"""The files that a fusion is asked for: which, and where; said before anything heavy is loaded."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from allfocus.core.typed import declared
from allfocus.errors import EndingError, OptionError
from allfocus.formats.filebytes import is_address
from allfocus.options import OUTPUT, FusionOptions
from allfocus.run.atomic import real_path

#: Endings of maps: formats that keep numbers as they are and know gray.
MAP_SUFFIXES = (".png", ".tif", ".tiff", ".zarr")
#: Endings of reports, surfaces, moving pictures and layers.
REPORT_SUFFIXES = (".html", ".json")
SURFACE_SUFFIXES = (".stl", ".ply", ".glb")
MOVING_SUFFIXES = (".mp4", ".webp")
LAYER_SUFFIXES = (".psd", ".psb", ".ora", ".tif", ".tiff")
#: Outputs that are no pictures, and what says how to write them.
TEXTS = ("save_transforms", "report", "beside")
SETTINGS = (
    *("depth_unit", "depth_fill", "z_step", "pixel_size", "near"),
    *("surface_solid", "surface_triangles", "surface_height", "parallax", "stereo_view", "anaglyph_colours"),
)
#: Outputs that are written by no picture format.
SHAPES = ("surface", "rocking", "layers")
#: What the numbers of a depth map count.
DepthUnit = Literal["gray", "frame", "um"]
#: Which frame shows the nearest things sharply.
Near = Literal["first", "last"]
StereoView = Literal["parallel", "cross"]
AnaglyphColours = Literal["dubois", "gray"]
#: Outputs that are made of depth.
FROM_DEPTH = ("depth", "depth_error", "depth_preview", "surface", "stereo", "anaglyph", "rocking")
#: Outputs that the network alone can make.
FROM_NETWORK = (*FROM_DEPTH, "out_of_focus", "veiled")
#: Names that `--outputs` knows, and the field of each; the first of two names is that of the file.
NAMED = {
    "index": "index_map",
    "confidence": "confidence",
    "depth": "depth",
    "depth-error": "depth_error",
    "depth-preview": "depth_preview",
    "out-of-focus": "out_of_focus",
    "veiled": "veiled",
    "veil": "veil",
    "surface": "surface",
    "stereo": "stereo",
    "anaglyph": "anaglyph",
    "rocking": "rocking",
    "scale-bar": "scale_bar",
    "layers": "layers",
}
#: Endings of those among them that are no maps, where they are not named; of the others, that of the picture.
OWN_ENDINGS = {"surface": ".glb", "rocking": ".mp4", "layers": ".psd"}
#: Maps whose numbers count.
MAPS = ("index_map", "confidence", "depth", "depth_error", "out_of_focus", "veiled", "veil")
#: Names of outputs that are called otherwise now; they work for one release.
OLD_NAMES = {"unsharp": "out-of-focus"}


def file_field(help: str, **more: Any) -> Any:
    """A field of `Outputs` that names a file."""
    return declared(None, help=help, group=OUTPUT, metavar="FILE", **more)


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Where each output goes; None: it is not wanted. Flags are made from the fields."""

    image: Path | None = None
    index_map: Path | None = file_field("Write which frame each pixel is from, counted from 0 (.png, .tif).")
    confidence: Path | None = file_field("Write how sure each choice is, white is certain (.png, .tif).")
    depth: Path | None = file_field("Write the depth map, 16-bit gray or what --depth-unit says (.png, .tif).")
    depth_error: Path | None = file_field(
        "Write the standard error of the depth, in the numbers of the depth map (.png, .tif)."
    )
    depth_unit: DepthUnit = declared(
        "gray",
        help="Numbers of the depth map: gray from the first frame to the last, frames above the first, or micrometres "
        "above it (um). Frames and micrometres are 32-bit float (.tif), NaN where nothing decides.",
        group=OUTPUT,
    )
    depth_fill: bool = declared(
        False, help="Fill in unknown depth from around, along edges of the picture; gray maps always are.", group=OUTPUT
    )
    z_step: float | None = declared(
        None,
        help="Distance from frame to frame in micrometres (default: what the file says).",
        group=OUTPUT,
        metavar="UM",
        low=1e-6,
    )
    pixel_size: float | None = declared(
        None,
        help="Width and height of a pixel in micrometres (default: what the file says).",
        group=OUTPUT,
        metavar="UM",
        low=1e-6,
    )
    near: Near | None = declared(
        None,
        help="Which end of the stack is near the camera, for surfaces and stereo (default: what halos show; else the "
        "first frame, or, where pixel size and z-step are known, the last).",
        group=OUTPUT,
    )
    depth_preview: Path | None = file_field("Write the depth map in colours, with a legend.")
    out_of_focus: Path | None = file_field(
        "Write a mask, white where no frame is sharp (.png, .tif).", old_flags=("--unsharp",)
    )
    veiled: Path | None = file_field(
        "Write a mask, white where things are seen through the blur of nearer ones that could not be removed, or "
        "hardly (.png, .tif)."
    )
    veil: Path | None = file_field(
        "Write the light that near, blurred things laid over the picture: its colour, and its share as alpha "
        "(.png, .tif)."
    )
    surface: Path | None = file_field(
        "Write the surface as triangles: .stl, .ply with colours, or .glb with the picture on it; in micrometres "
        "if pixel size and z-step are known, else in pixels."
    )
    surface_solid: bool = declared(
        False, help="Close the surface by walls and a base, so that it can be printed.", group=OUTPUT
    )
    surface_triangles: int = declared(
        1_000_000, help="Largest number of triangles of a surface.", group=OUTPUT, metavar="N", low=12, high=50_000_000
    )
    surface_height: float = declared(
        20.0,
        help="Height of a surface in pixels from the first frame to the last, in percent of the picture's longer side.",
        group=OUTPUT,
        metavar="PERCENT",
        low=0.1,
        high=1000.0,
    )
    stereo: Path | None = file_field("Write two views side by side, for the two eyes.")
    stereo_view: StereoView = declared(
        "parallel", help="Which way to look at them: the left eye's view on the left, or crosswise.", group=OUTPUT
    )
    anaglyph: Path | None = file_field("Write a picture for glasses of red (left) and cyan.")
    anaglyph_colours: AnaglyphColours = declared(
        "dubois", help="Colours of the anaglyph: the nearest that both eyes can see (Dubois), or gray.", group=OUTPUT
    )
    rocking: Path | None = file_field("Write a moving picture that rocks from side to side (.mp4, .webp).")
    parallax: float = declared(
        3.0,
        help="How far near things move against far ones between the two views, in percent of the picture's width.",
        group=OUTPUT,
        metavar="PERCENT",
        low=0.1,
        high=10.0,
    )
    scale_bar: Path | None = file_field(
        "Write a copy of the picture with a bar of a round length; needs the size of a pixel."
    )
    layers: Path | None = file_field(
        "Write the picture as layers, its frames with masks (.psd, .psb, .ora, .tif); flattened they are the picture."
    )
    save_transforms: Path | None = file_field("Write the transforms that were estimated (.json, or .pto for Hugin).")
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
        """What picture formats write."""
        return [path for shows, path in self.named.items() if shows not in SHAPES]

    @property
    def texts(self) -> list[Path]:
        """Files that hold no picture."""
        others = [getattr(self, name) for name in ("save_transforms", *SHAPES)]
        return [*self.report, *(path for path in others if path is not None)]

    @property
    def need_depth(self) -> bool:
        """Whether a depth map has to be made."""
        return any(getattr(self, name) is not None for name in FROM_DEPTH)


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
        NAMED[name]: getattr(outputs, NAMED[name]) or image.with_name(f"{stem}_{name}{OWN_ENDINGS.get(name, suffix)}")
        for name in wanted
        if name != "image"
    }
    for name in ("depth", "depth_error"):
        if name in beside and getattr(outputs, name) is None and outputs.depth_unit != "gray" and suffix == ".png":
            beside[name] = beside[name].with_suffix(".tif")
    return replace(outputs, **beside, image=image if "image" in wanted else None, beside=image)


def check_wishes(outputs: Outputs, options: FusionOptions, slab: str | None = None) -> None:
    """Check what can be known of outputs before any file is opened.

    Raises:
        EndingError: a map or a report in a format that can't hold it.
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
    if outputs.save_transforms and options.draft:
        raise OptionError("save-transforms: those of a draft are for its small copies; leave out one of the two")
    if slab is not None and options.keep_canvas:
        raise OptionError("slab: can't keep the canvas, which its frames may not fill; leave out --keep-canvas")


def check_suffixes(outputs: Outputs) -> None:
    """Raise `EndingError` for a map whose format would change its numbers, and for what is of an unknown kind."""
    for name in MAPS:
        path: Path | None = getattr(outputs, name)
        if path is not None and path.suffix.lower() not in MAP_SUFFIXES:
            raise EndingError(f"{path}: maps are written as {', '.join(MAP_SUFFIXES)}; other formats change numbers")
    for path in (outputs.depth, outputs.depth_error):
        if path is not None and outputs.depth_unit != "gray" and path.suffix.lower() == ".png":
            raise EndingError(f"{path}: PNG holds no floats; name the depth map .tif, or leave out --depth-unit")
    for what, paths, known in (
        ("reports", outputs.report, REPORT_SUFFIXES),
        ("surfaces", [outputs.surface], SURFACE_SUFFIXES),
        ("moving pictures", [outputs.rocking], MOVING_SUFFIXES),
        ("layers", [outputs.layers], LAYER_SUFFIXES),
    ):
        for path in paths:
            if path is not None and path.suffix.lower() not in known:
                raise EndingError(f"{path}: {what} are written as {' or '.join(known)}; choose one of these")


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
