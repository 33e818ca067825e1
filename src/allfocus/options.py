"""How to fuse: all that a user may choose, with one name in the library and on the command line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from allfocus.errors import ConfigError

#: How weights become a picture; see `compose.blend.compose`.
Composition = Literal["band", "soft", "hard", "guided"]
COMPOSITIONS: tuple[Composition, ...] = get_args(Composition)

#: What is done about brightness: one gain for a frame, one for each of its channels, or nothing.
Exposure = Literal["match", "match-colour", "keep"]
EXPOSURES: tuple[Exposure, ...] = get_args(Exposure)

#: How frames may have moved against each other: nested models of motion.
MotionModel = Literal["none", "translation", "similarity", "affine", "homography"]
MOTIONS: tuple[MotionModel, ...] = get_args(MotionModel)


@dataclass(frozen=True, kw_only=True)
class FusionOptions:
    """How to fuse; the same names as the options of the command line.

    Attributes:
        method: `network`, or `classic`: the frame with the largest local Laplacian energy.
        model: model file for the network; None: the shipped weights.
        compose: how the network's weights become a picture, see `fusion.compose`. The classic method picks.
        prefer: `near` or `far`: where the network is in doubt, as where hairs cross, lean towards the first or the
            last frames; the frames must come in order from near to far.
        align: how frames may have moved against each other: `auto`, the simplest model that explains it, or one of
            them; `none`: they are registered, and taken as they are.
        refine: `local`: look, after that, for what no motion of the whole can do, such as the parallax of a hand.
        reference: position, counted from 0, of the frame that the others are laid over; None: the middle one.
        transforms: a file of transforms to use instead of looking for any.
        order: which frame is nearer than which, for depth and `prefer`: in the order of their names, or as they are
            given; of the `time` at which they were taken; or as is found out from what is sharp in them: `focus`.
        exposure: `match` the brightness of the frames, that of each of their channels, or `keep` it.
        keep_canvas: whether to keep all that the reference saw, not only what all frames saw.
        keep_all: whether to use frames too that are blurred everywhere, badly exposed or of another scene.
        depth: whether to make a depth map too; only the network can.
        fast: whether to look closer only where much can be gained by it: two thirds of the time, less exact.
        max_tile: longest side in pixels of what the network looks at at once; None: what fits the memory. It does
            not change the picture.
        max_memory: bytes of memory that may be used; None: most of what is free.
        spool: folder for what does not fit into memory; None: that for temporary files.

    Raises:
        ConfigError: an unknown method, composition or preference, a depth map from the classic rule, or a `max_tile` or
            `max_memory` below 1.
    """

    method: Literal["network", "classic"] = "network"
    model: Path | None = None
    compose: Composition = "band"
    prefer: Literal["near", "far"] | None = None
    align: Literal["auto", "none", "translation", "similarity", "affine", "homography"] = "auto"
    refine: Literal["none", "local"] = "none"
    reference: int | None = None
    transforms: Path | None = None
    order: Literal["names", "time", "focus"] = "names"
    exposure: Exposure = "match"
    keep_canvas: bool = False
    keep_all: bool = False
    depth: bool = False
    fast: bool = False
    max_tile: int | None = None
    max_memory: int | None = None
    spool: Path | None = None

    def __post_init__(self) -> None:
        if self.method not in ("network", "classic"):
            raise ConfigError(f"method {self.method!r}: expected 'network' or 'classic'")
        if self.compose not in COMPOSITIONS:
            raise ConfigError(f"compose {self.compose!r}: expected one of {', '.join(COMPOSITIONS)}")
        if self.prefer not in (None, "near", "far"):
            raise ConfigError(f"prefer {self.prefer!r}: expected 'near', 'far' or None")
        if self.align not in ("auto", *MOTIONS):
            raise ConfigError(f"align {self.align!r}: expected 'auto' or one of {', '.join(MOTIONS)}")
        if self.refine not in ("none", "local"):
            raise ConfigError(f"refine {self.refine!r}: expected 'none' or 'local'")
        if self.order not in ("names", "time", "focus"):
            raise ConfigError(f"order {self.order!r}: expected 'names', 'time' or 'focus'")
        if self.order == "focus" and (self.align == "none" or self.transforms is not None):
            raise ConfigError("order 'focus': it is found out when the frames are aligned; leave --align as it is")
        if self.exposure not in EXPOSURES:
            raise ConfigError(f"exposure {self.exposure!r}: expected one of {', '.join(EXPOSURES)}")
        if self.depth and self.method == "classic":
            raise ConfigError("depth: only the network knows it; leave it out or choose the method 'network'")
        if self.max_tile is not None and self.max_tile < 1:
            raise ConfigError(f"max_tile {self.max_tile}: expected at least 1 pixel")
        if self.max_memory is not None and self.max_memory < 1:
            raise ConfigError(f"max_memory {self.max_memory}: expected at least 1 byte")
