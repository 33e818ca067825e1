"""How to fuse: all that a user may choose, each option declared once.

Keywords, option files, flags, forms and docs are made from the fields of `FusionOptions`: name, type, choices, default,
range, group and help stand here and nowhere else.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from allfocus.core.renames import warn_renamed
from allfocus.core.sizes import parse_size
from allfocus.core.typed import check_fields, declared, describe_fields, unknown_key
from allfocus.errors import ConfigError, OptionError

#: What decides which frame is in focus.
Method = Literal["network", "laplacian"]

#: How weights become a picture; see `compose.blend.blend`.
Composition = Literal["band", "soft", "hard", "guided"]
COMPOSITIONS: tuple[Composition, ...] = get_args(Composition)

#: What is done about brightness: one gain for a frame, one for each of its channels, or nothing.
Exposure = Literal["match", "match-colour", "keep"]
EXPOSURES: tuple[Exposure, ...] = get_args(Exposure)

#: How frames may have moved against each other: nested models of motion.
MotionModel = Literal["none", "translation", "similarity", "affine", "homography"]
MOTIONS: tuple[MotionModel, ...] = get_args(MotionModel)

#: In which order the frames are focused.
Order = Literal["names", "time", "focus"]

#: Where the network computes.
Device = Literal["auto", "cpu", "cuda", "coreml", "dml"]

#: Groups of options, as help and forms list them.
FUSION, ALIGNMENT, OUTPUT, MACHINE = "Fusion", "Alignment", "More output", "Time and memory"

#: The steps of a fusion, and the options that matter for each; a change asks for that step and those after it. Options
#: about time and memory matter for none.
STEPS: Mapping[str, tuple[str, ...]] = {
    "align": ("draft", "align", "refine", "reference", "transforms", "order", "exposure", "keep_canvas", "keep_all"),
    "decide": ("method", "model", "prefer", "fast", "depth"),
    "compose": ("compose",),
}

#: Values that have another name now; the old ones work for one release.
OLD_VALUES = {("method", "classic"): "laplacian"}


@dataclass(frozen=True, kw_only=True)
class FusionOptions:
    """How to fuse; the same names as the flags of the command line. `help(allfocus.FusionOptions)` lists the fields.

    Raises:
        OptionError: a value of another type, none of the choices or out of range, or two that contradict each other.
    """

    method: Method = declared(
        "network",
        help="What decides: the trained network, or the Laplacian rule (the frame with the most local detail).",
        group=FUSION,
    )
    model: Path | None = declared(
        None, help="Model file (.onnx) for the network (default: the shipped one).", group=FUSION, metavar="FILE"
    )
    compose: Composition = declared(
        "band",
        help="How the network's weights become a picture: in two frequency bands, as a mean, as a hard choice, or as a "
        "mean guided by edges.",
        group=FUSION,
    )
    prefer: Literal["near", "far"] | None = declared(
        None, help="Where frames are equally sharp, prefer near (first) or far (last) ones.", group=FUSION
    )
    halos: Literal["remove", "keep"] = declared(
        "remove",
        help="Remove the halos beside near things, which are their blur in frames behind; volumes always keep them.",
        group=FUSION,
    )
    fast: bool = declared(
        False, help="Refine only where much is gained: about two thirds of the time, slightly less exact.", group=FUSION
    )
    draft: bool = declared(
        False, help="Fuse small copies of the frames, and keep halos: a smaller picture, in seconds.", group=FUSION
    )
    align: Literal["auto", MotionModel] = declared(
        "auto",
        help="Motion between frames: auto picks the simplest model that fits; none takes frames as registered.",
        group=ALIGNMENT,
    )
    refine: Literal["none", "local"] = declared(
        "none",
        help="After global alignment, correct local parallax by optical flow (handheld stacks).",
        group=ALIGNMENT,
    )
    reference: int | str | None = declared(
        None,
        help="Frame that the others are registered to: its name, or its number counted from 1 (default: the middle "
        "one).",
        group=ALIGNMENT,
        metavar="FRAME",
    )
    transforms: Path | None = declared(
        None,
        help="Use the transforms of this file (.json, or .pto of Hugin) instead of estimating them.",
        group=ALIGNMENT,
        metavar="FILE",
    )
    order: Order = declared(
        "names",
        help="Order of focus, for depth and --prefer: by name, by time taken, or found from the content.",
        group=ALIGNMENT,
    )
    exposure: Exposure = declared(
        "match",
        help="Match the brightness of frames to the reference, also channel by channel, or keep it.",
        group=ALIGNMENT,
    )
    keep_canvas: bool = declared(
        False,
        help="Keep the reference's full frame (default: crop to the area seen in every frame).",
        group=ALIGNMENT,
    )
    keep_all: bool = declared(
        False,
        help="Use all frames, also those blurred everywhere, badly exposed or of another scene.",
        group=ALIGNMENT,
    )
    stack: int | str | None = declared(
        None,
        help="Where the files form several stacks: the one to fuse, by its name or its number counted from 1; together "
        "takes all for one stack.",
        group=FUSION,
        metavar="STACK",
    )
    depth: bool = declared(False, help="Make a depth map too; needs the network.", group=OUTPUT, is_map=True)
    max_tile: int | None = declared(
        None,
        help="Longest side in pixels of what the network is given at once; does not change the picture.",
        group=MACHINE,
        low=1,
        metavar="PX",
        flags=("--max-tile", "--tile"),
    )
    device: Device = declared(
        "auto",
        help="Where the network computes: the processor, or what another build of onnxruntime knows (NVIDIA, Apple, "
        "DirectX 12); auto takes NVIDIA or DirectX where installed.",
        group=MACHINE,
    )
    max_memory: int | str | None = declared(
        None, help="Memory to use, such as 2GB (default: most of what is free).", group=MACHINE, metavar="SIZE"
    )
    max_pixels: int | str = declared(
        1_000_000_000,
        help="Largest picture to read, in pixels, such as 250M; larger ones are refused before they are decoded.",
        group=MACHINE,
        metavar="PIXELS",
    )
    spool: Path | None = declared(
        None,
        help="Scratch folder for data larger than memory (default: the system's temporary folder).",
        group=MACHINE,
        metavar="FOLDER",
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "method", rename_value("method", self.method))
        try:
            check_fields(self)
            for name in ("max_memory", "max_pixels"):
                if isinstance(value := getattr(self, name), str):
                    object.__setattr__(self, name, parse_size(value))
        except ConfigError as error:
            raise OptionError(str(error)) from None
        check_together(self)

    @property
    def memory_limit(self) -> int | None:
        """`max_memory` in bytes."""
        return None if self.max_memory is None else int(self.max_memory)

    @property
    def pixel_limit(self) -> int:
        """`max_pixels` as a number."""
        return int(self.max_pixels)


def rename_value(name: str, value: Any) -> Any:
    """The value of an option, by its new name if it was renamed; warns of the old one."""
    new = OLD_VALUES.get((name, value)) if isinstance(value, str) else None
    if new is None:
        return value
    warn_renamed(f"{name} {value!r}", repr(new))
    return new


def check_together(options: FusionOptions) -> None:
    """Raise `OptionError` for values that are fine by themselves but not together."""
    if options.order == "focus" and (options.align == "none" or options.transforms is not None):
        raise OptionError("order 'focus': it is found when the frames are aligned; leave --align as it is")
    if options.draft and options.transforms is not None:
        raise OptionError("draft: transforms are for frames in their own size; leave out one of the two")
    if options.depth and options.method == "laplacian":
        raise OptionError("depth: only the network knows it; leave it out or choose the method 'network'")
    if isinstance(options.max_memory, int) and options.max_memory < 1:
        raise OptionError(f"max_memory: expected at least 1 byte, found {options.max_memory}")
    if options.pixel_limit < 1:
        raise OptionError(f"max_pixels: expected at least 1, found {options.max_pixels}")
    if isinstance(options.reference, int) and options.reference < 0:
        raise OptionError(f"reference: expected a position counted from 0, found {options.reference}")


def is_same_for(step: str, one: FusionOptions, other: FusionOptions) -> bool:
    """Whether two sets of options agree in all that matters for one of the `STEPS`."""
    return all(getattr(one, name) == getattr(other, name) for name in STEPS[step])


def plain_options(options: FusionOptions) -> dict[str, Any]:
    """The options that are not the default, in values that JSON knows: the inverse of `build_options`."""
    values = {item.name: getattr(options, item.name) for item in fields(options)}
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in values.items()
        if value != FusionOptions.__dataclass_fields__[name].default
    }


def with_options(options: FusionOptions | None, changes: Mapping[str, Any]) -> FusionOptions:
    """Options with some of them changed by keywords.

    Raises:
        OptionError: an unknown keyword, or a value that makes no sense.
    """
    known = [item.name for item in fields(FusionOptions)]
    for name in changes:
        if name not in known:
            raise OptionError(unknown_key(name, name, known).replace("unknown key", "unknown option"))
    return replace(options or FusionOptions(), **changes)


def load_options(path: Path | str) -> FusionOptions:
    """Read options from a TOML or JSON file: a table of their names and values.

    Raises:
        ConfigError: the file can't be read; `OptionError` for an unknown option or a value that makes no sense.
    """
    return build_options(read_option_values(path))


def read_option_values(path: Path | str) -> dict[str, Any]:
    """The checked values in a TOML or JSON file; raises `ConfigError`."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        values = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is no {'JSON' if path.suffix.lower() == '.json' else 'TOML'}: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected a table of options, found {type(values).__name__}")
    try:
        build_options(values)
    except OptionError as error:
        raise OptionError(f"{path}: {error}") from None
    return values


def build_options(values: Mapping[str, Any]) -> FusionOptions:
    """Options from a mapping, such as a form or a file gives; the same checks as everywhere."""
    return with_options(None, {name.replace("-", "_"): value for name, value in values.items() if value is not None})


def describe_options(kind: type[Any] = FusionOptions) -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of a dataclass of options: what forms and documentation are made from."""
    return describe_fields(kind, "allfocus options")
