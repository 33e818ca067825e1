"""Recipes: one TOML file that says everything a training run depends on, read into frozen values."""

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from allfocus.core.typed import bounded, build, toml_line
from allfocus.errors import ConfigError

#: Blocks of the look that inference allows for, see `allfocus.decision.coarse_to_fine.REACH`.
MOST_BLOCKS = 6


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """How photos become crops.

    Attributes:
        crop: side of the square crops, in pixels.
        large_crop, large_share: side of larger crops, which show the network more of a picture at once, and the share
            of the steps that learn from those; a side of 0: none do.
        scale_min: crops are cut from the photo reduced by a random factor between this and 1.
        flips: mirror crops and turn them by multiples of 90 degrees, at random.
        held_back: share of the photos that training never sees; the PSNRs of the log are measured on
            them. With too few photos to share, validation uses crops of the training photos.
        validation_groups: how many groups, fixed by the seed, the PSNRs are measured on.
    """

    crop: int = bounded(192, 32, 1024)
    large_crop: int = bounded(0, 0, 1024)
    large_share: float = bounded(0.0, 0.0, 1.0)
    scale_min: float = bounded(0.5, 0.1, 1.0)
    flips: bool = True
    held_back: float = bounded(0.05, 0.0, 0.5)
    validation_groups: int = bounded(8, 1, 256)


@dataclass(frozen=True, kw_only=True)
class ShuffleConfig:
    """How a clear crop becomes a shuffled group of frames.

    Attributes:
        frames_min, frames_max: frames a group may have; each training step draws one number.
        grain_pixel, grain_region, grain_depth: probability that the permutation varies as white noise,
            as a piecewise constant map, or as a smooth depth field; they sum to 1.
        overlap: probability that part of a shuffled group is sharp in all its frames, up to a hard seam.
        layers: probability of a scene of layers, the nearer ones occluding, instead of a shuffled group.
        layers_max: most layers of such a scene.
        paint: probability of a nearer layer in one colour with little texture, instead of a photo's.
        tint: probability of a nearer layer that differs from what is behind it in hue alone.
        missing: probability that a shuffled group lacks the clear photo.
        shapes: probability that a nearer layer is a stalk of up to 40 px, foliage, a lattice or letters, instead of
            what older recipes drew.
        blotches: probability that a painted layer has blotches of another colour.
        apertures: probability of a blur through a polygon of blades or a cat's eye, instead of what older recipes drew.
        highlights: probability that what is brightest is brighter than white, and clipped after the blur.
        small_blur: probability that the blur of a group is small, as a light field's: a radius of 0.7 to 3 pixels.
        ordered: whether the frames of a group come in the order of focus, where there is one.
        blur_max: strongest defocus, as a radius in pixels.
        soft: probability that a photo has lost its finest detail: enlarged, a light field, out of focus already.
        noise, exposure, jpeg, gray, misregister, quantise: probability of each disturbance of the frames
            (misregister: shifted by up to 0.7 px; quantise: rounded to 8 bits).
        breathing: probability that the frames' scales, from first to last, differ by up to 2 pixels at the border.
        tone, sharpen: probability of a tone curve, and of sharpening, after the blur, of frames and truth alike.
    """

    frames_min: int = bounded(2, 2, 32)
    frames_max: int = bounded(6, 2, 32)
    grain_pixel: float = bounded(0.2, 0.0, 1.0)
    grain_region: float = bounded(0.2, 0.0, 1.0)
    grain_depth: float = bounded(0.6, 0.0, 1.0)
    overlap: float = bounded(0.0, 0.0, 1.0)
    layers: float = bounded(0.5, 0.0, 1.0)
    layers_max: int = bounded(4, 1, 6)
    paint: float = bounded(0.5, 0.0, 1.0)
    tint: float = bounded(0.1, 0.0, 1.0)
    missing: float = bounded(0.15, 0.0, 1.0)
    shapes: float = bounded(0.0, 0.0, 1.0)
    blotches: float = bounded(0.0, 0.0, 1.0)
    apertures: float = bounded(0.0, 0.0, 1.0)
    highlights: float = bounded(0.0, 0.0, 1.0)
    small_blur: float = bounded(0.0, 0.0, 1.0)
    ordered: bool = False
    blur_max: float = bounded(10.0, 0.5, 64.0)
    noise: float = bounded(0.25, 0.0, 1.0)
    exposure: float = bounded(0.2, 0.0, 1.0)
    jpeg: float = bounded(0.1, 0.0, 1.0)
    gray: float = bounded(0.1, 0.0, 1.0)
    misregister: float = bounded(0.1, 0.0, 1.0)
    quantise: float = bounded(0.5, 0.0, 1.0)
    breathing: float = bounded(0.0, 0.0, 1.0)
    soft: float = bounded(0.0, 0.0, 1.0)
    tone: float = bounded(0.0, 0.0, 1.0)
    sharpen: float = bounded(0.0, 0.0, 1.0)

    def __post_init__(self) -> None:
        require_order("shuffle.frames", self.frames_min, self.frames_max)
        total = self.grain_pixel + self.grain_region + self.grain_depth
        if abs(total - 1) > 1e-6:
            raise ConfigError(
                "shuffle.grain_pixel, grain_region and grain_depth: "
                f"expected probabilities that sum to 1, found a sum of {total:g}"
            )


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Size and parts of the cross-image fusion network.

    Attributes:
        width, depth: channels and blocks of the part that every octave runs; each block sees a patch further,
            and tiles overlap by as much as `MOST_BLOCKS` of them need.
        fine_width, fine_depth: channels and blocks of a look of its own for the finest octave, where most of the work
            is; a width of 0: the same look serves every octave.
        second_width, second_depth: the same for the second finest octave, beside a look of its own for the finest.
        trust: whether the features of the coarser octave say how far a look may go against it, place by place.
        order: channels of the state of a scan along the order of focus, in every block but those of these two looks;
            0: frames are told apart by nothing but what they show.
        glance_width, glance_depth: channels and blocks of the part that sees the whole picture.
        state: states per channel of the state-space scan.
        heads: heads of the scan; they divide `glance_width`.
        use_scan: False leaves the state-space scan out (ablation).
        use_exchange: False leaves the cross-image exchange out (ablation).
    """

    width: int = bounded(32, 4, 512)
    depth: int = bounded(4, 1, MOST_BLOCKS)
    fine_width: int = bounded(0, 0, 512)
    fine_depth: int = bounded(2, 1, MOST_BLOCKS)
    second_width: int = bounded(0, 0, 512)
    second_depth: int = bounded(2, 1, MOST_BLOCKS)
    trust: bool = False
    order: int = bounded(0, 0, 256)
    glance_width: int = bounded(48, 4, 512)
    glance_depth: int = bounded(3, 0, 32)
    state: int = bounded(16, 1, 256)
    heads: int = bounded(4, 1, 64)
    use_scan: bool = True
    use_exchange: bool = True

    def __post_init__(self) -> None:
        if self.glance_width % self.heads:
            raise ConfigError(
                f"network.heads: expected a divisor of glance_width = {self.glance_width}, found {self.heads}"
            )


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """The schedule.

    Attributes:
        steps: optimiser steps of a full run.
        batch: groups in a step whose groups have the middle number of frames; with more frames there are
            fewer groups, and the other way round, so that each step costs about the same.
        learning_rate: its peak, reached after `warmup` steps and decayed to zero along a cosine.
        warmup: steps of linear rise.
        weight_decay: of AdamW, on matrices and kernels only.
        gradient_clip: largest norm of the gradient.
        ema: decay per step of the averaged weights, which are what gets measured and exported.
        octaves_min, octaves_max: levels of the octave recursion; each step draws one number.
        checkpoint_minutes: longest time between checkpoints.
        validate_every: steps between measurements on held-back groups.
        minutes: wall-clock limit; the schedule is compressed to finish within it. None: no limit.
        threads: CPU threads for torch; None: torch decides.
        flaws_only: whether to leave all weights as they are but those of the flaws.
        finest_only: the same, but those of the looks that the two finest octaves have for themselves, and of the flaws.
    """

    steps: int = bounded(6000, 1, 10_000_000)
    batch: int = bounded(4, 1, 4096)
    learning_rate: float = bounded(2e-3, 1e-8, 1.0)
    warmup: int = bounded(100, 0, 100_000)
    weight_decay: float = bounded(0.01, 0.0, 1.0)
    gradient_clip: float = bounded(1.0, 1e-6, 1e6)
    ema: float = bounded(0.999, 0.0, 0.999999)
    octaves_min: int = bounded(2, 2, 8)
    octaves_max: int = bounded(4, 2, 8)
    checkpoint_minutes: float = bounded(5.0, 0.0, 1440.0)
    validate_every: int = bounded(250, 1, 10_000_000)
    minutes: float | None = bounded(None, 0.001, 1e6)
    threads: int | None = bounded(None, 1, 1024)
    flaws_only: bool = False
    finest_only: bool = False

    def __post_init__(self) -> None:
        require_order("training.octaves", self.octaves_min, self.octaves_max)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything a training run depends on, except the photos."""

    name: str = "custom"
    seed: int = bounded(0, 0, 2**31 - 1)
    data: DataConfig = field(default_factory=DataConfig)
    shuffle: ShuffleConfig = field(default_factory=ShuffleConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def __post_init__(self) -> None:
        # the coarsest octave describes patches of 4x4 pixels, and each octave above it doubles that
        unit = 4 * 2 ** (self.training.octaves_max - 1)
        for key, side in (("crop", self.data.crop), ("large_crop", self.data.large_crop)):
            if side % unit:
                raise ConfigError(
                    f"data.{key}: expected a multiple of {unit}, which training.octaves_max = "
                    f"{self.training.octaves_max} asks for, found {side}"
                )
        if self.data.large_share and self.data.large_crop < self.data.crop:
            raise ConfigError(
                f"data.large_crop: expected at least data.crop = {self.data.crop}, found {self.data.large_crop}"
            )
        if self.shuffle.blur_max + 3 > self.data.crop:
            raise ConfigError(
                f"shuffle.blur_max: expected at most data.crop - 3 = {self.data.crop - 3}, "
                f"found {self.shuffle.blur_max:g}: a blur has to fit into the crop"
            )


def require_order(stem: str, low: int, high: int) -> None:
    """Raise `ConfigError` when the `_min` of a pair of keys exceeds its `_max`."""
    if low > high:
        raise ConfigError(f"{stem}_min: expected at most {stem}_max = {high}, found {low}")


def load_recipe(path: Path) -> Recipe:
    """Read a recipe from a TOML file; what it leaves out keeps its default.

    Raises:
        ConfigError: the file is missing or no TOML, a key is unknown, or a value has the wrong type or range.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise ConfigError(f"recipe {path} can't be read: {reason}") from error
    try:
        return recipe_from(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"recipe {path} is not valid TOML: {error}") from error
    except ConfigError as error:
        raise ConfigError(f"recipe {path}: {error}") from error


def recipe_from(values: Mapping[str, Any]) -> Recipe:
    """Build a recipe from nested mappings, as TOML, JSON or `recipe_values` give them; None means the default.

    Raises:
        ConfigError: a key is unknown, or a value has the wrong type or range.
    """
    recipe: Recipe = build(Recipe, values, "")
    return recipe


def recipe_values(recipe: Recipe) -> dict[str, Any]:
    """The recipe with every default filled in, as nested plain values."""
    return asdict(recipe)


def recipe_text(recipe: Recipe) -> str:
    """The recipe with every default filled in, as TOML that `load_recipe` reads back to the same value."""
    values = recipe_values(recipe)
    plain = [toml_line(key, value) for key, value in values.items() if not isinstance(value, dict)]
    tables = [
        "\n".join([f"\n[{key}]", *(toml_line(*item) for item in value.items() if item[1] is not None)])
        for key, value in values.items()
        if isinstance(value, dict)
    ]
    return "\n".join([*plain, *tables]) + "\n"
