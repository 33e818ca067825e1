"""Scenes rendered from photos, with all that is known of them: truth, depth, index, mattes and veils.

The same scenes that training learns from, without a camera's faults, in the order of focus, nearest first:

    veil     a near thing before a far picture, strongly blurred in most frames: its light lies over what is behind it
    layered  two to four layers, each with a relief of its own
    shuffle  inter-image pixel shuffling along a smooth depth field: no occlusion, each pixel is perfect in one frame
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from allfocus._version import __version__
from allfocus.core.color import Array, from_unit
from allfocus.errors import ConfigError, OptionError, WriteError
from allfocus.formats.registry import find_writer
from allfocus.metadata.carry import Metadata
from allfocus.run.atomic import check_folder, real_path, whole_files, write_part
from allfocus.run.progress import Progress, silent
from allfocus.train.config import DataConfig, ShuffleConfig
from allfocus.train.data import CropSampler, read_photos
from allfocus.train.puzzles.blur import to_linear
from allfocus.train.puzzles.layered_scenes import Setting, blur_kernels, photograph
from allfocus.train.puzzles.light import with_highlights
from allfocus.train.puzzles.pixel_groups import draw_permutation, pixel_group, shuffle_pixels

KINDS = ("veil", "layered", "shuffle")

#: What is drawn at random in a scene; no faults of a camera.
LOOKS = ShuffleConfig(
    shapes=0.7, blotches=0.3, apertures=0.5, highlights=0.2, missing=0.0, ordered=True, layers_max=4,
    noise=0, exposure=0, jpeg=0, gray=0, misregister=0, quantise=0,
)  # fmt: skip

#: Sides of scenes in pixels, most frames and scenes.
SMALLEST, LARGEST, MOST_FRAMES, MOST_SCENES = 64, 2048, 64, 100_000

#: Pixels at the border that metrics leave out.
BORDER = 12


@dataclass(frozen=True, kw_only=True)
class SynthOptions:
    """What to render.

    Attributes:
        kinds: which scenes, in turn.
        count: how many in all.
        frames: fewest and most frames of a scene.
        size: width and height in pixels.
        blur: least and largest blur radius, in pixels, of the nearest thing where the farthest is in focus: the
            aperture. Between neighbouring frames it is that divided by the number of steps.
        bits: of a sample of frames and truth, 8 or 16.
        seed: what everything random is drawn from.

    Raises:
        OptionError: a value out of its range.
    """

    kinds: tuple[str, ...] = KINDS
    count: int = 9
    frames: tuple[int, int] = (2, 8)
    size: tuple[int, int] = (512, 512)
    blur: tuple[float, float] = (6.0, 24.0)
    bits: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown or not self.kinds:
            raise OptionError(f"kind {', '.join(unknown) or 'of no name'}: expected some of {', '.join(KINDS)}")
        within("n", (self.count, self.count), 1, MOST_SCENES)
        within("frames", self.frames, 2, MOST_FRAMES)
        within("size", (min(self.size), max(self.size)), SMALLEST, LARGEST)
        within("blur", self.blur, 0.5, self.side / 8)
        within("seed", (self.seed, self.seed), 0, 2**31 - 1)
        if self.bits not in (8, 16):
            raise OptionError(f"bits {self.bits}: expected 8 or 16")

    @property
    def side(self) -> int:
        """Side of the square that scenes are cut from."""
        return max(self.size)


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """A scene: what becomes pictures, values in [0, 1] or indices, and what is said of it."""

    frames: Tensor
    truth: Tensor
    index: Tensor
    maps: dict[str, Tensor]
    facts: dict[str, Any]


def within(name: str, pair: tuple[float, float], low: float, high: float) -> None:
    """Raise `OptionError` unless the pair rises within a range."""
    if not low <= pair[0] <= pair[1] <= high:
        found = f"{pair[0]:g}" if pair[0] == pair[1] else f"{pair[0]:g} to {pair[1]:g}"
        raise OptionError(f"{name} {found}: expected {low:g} to {high:g}, the smaller first")


def read_pair(name: str, text: str, mark: str = "-") -> tuple[float, float]:
    """Two numbers such as ``2-8`` or ``640x480``; one stands for both. Raises `OptionError`."""
    parts = text.lower().split(mark)
    try:
        numbers = [float(part) for part in parts]
        if len(numbers) > 2:
            raise ValueError
    except ValueError:
        raise OptionError(f"{name} {text}: expected a number, or two such as 2{mark}8") from None
    return numbers[0], numbers[-1]


def read_counts(name: str, text: str, mark: str = "-") -> tuple[int, int]:
    """Two whole numbers, see `read_pair`."""
    low, high = read_pair(name, text, mark)
    if not (low.is_integer() and high.is_integer()):
        raise OptionError(f"{name} {text}: expected whole numbers")
    return int(low), int(high)


def synthesise(photos: Sequence[Path], folder: Path, options: SynthOptions, progress: Progress = silent) -> Path:
    """Render scenes from photos into a new folder, whole or not at all.

    The same photos, options and version give the same bytes on the same kind of processor; scene k is the same however
    many there are. Each scene is a folder `KIND/NUMBER` with `frames/`, `truth.png`, `index.png` (the frame that shows
    a pixel best, counted from 0) and, but for `shuffle`, `depth.png` (16 bit, white is near), `near_mask.png`,
    `matte_1.png` and so on for each layer from back to front, `veil.png` (how much of the light of a pixel's best frame
    comes from something nearer) and `veils/` (the same for each frame).

    Args:
        photos: photos and folders of photos; one is enough.
        folder: where the scenes go: new, or empty.
        options: what to render.
        progress: called with the stage `synth` after each scene.

    Returns:
        The scenes file, which `allfocus evaluate` reads.

    Raises:
        ReadError: no photo can be read.
        WriteError: the folder is not empty, or can't be written.
        ConfigError: the photos lie in the folder.
    """
    check_new(folder, photos)
    config = DataConfig(crop=options.side)
    sampler = CropSampler(read_photos(photos, options.side).images, config, options.seed)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in another order would be other sums
    try:
        with whole_files([folder]) as (part,):
            entries = []
            progress("synth", 0, options.count)
            for number in range(options.count):
                kind = options.kinds[number % len(options.kinds)]
                name = f"{kind}/{number // len(options.kinds) + 1:03d}"
                scene = render(kind, sampler.batch(number, 1), number, options)
                files = encode(scene, options)
                write_part(folder, part, {f"{name}/{file}": content for file, content in files.items()})
                entries.append(describe(name, scene, files))
                progress("synth", number + 1, options.count)
            text = json.dumps(entries, indent=1) + "\n"
            write_part(folder, part, {"scenes.json": text.encode()})
    finally:
        torch.set_num_threads(threads)
    return folder / "scenes.json"


def check_new(folder: Path, photos: Sequence[Path]) -> None:
    """Make sure that the folder is new or empty, and can be made."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise WriteError(f"{folder} holds something already; name a new folder for the scenes")
    if any(real_path(photo) == real_path(folder) for photo in photos):
        raise ConfigError(f"{folder} is the folder of the photos; name a new one for the scenes")
    check_folder(real_path(folder).parent)


def render(kind: str, crops: Tensor, number: int, options: SynthOptions) -> Rendered:
    """One scene from crops (1, 3, 3, S, S) of photos."""
    draw = np.random.default_rng([options.seed, number, KINDS.index(kind)])
    rng = torch.Generator().manual_seed(int(draw.integers(2**63)))
    n = int(draw.integers(options.frames[0], options.frames[1] + 1))
    low, high = np.log(options.blur)
    strongest = torch.tensor([np.exp(draw.uniform(low, high))], dtype=torch.float32)
    scene = shuffled(crops, n, strongest, rng) if kind == "shuffle" else layered(kind, crops, n, strongest, draw, rng)
    step = float(strongest) / (n - 1)
    facts = {"blur_radius": round(float(strongest), 3), "blur_step": round(step, 3), "seed": options.seed}
    return Rendered(**{**vars(scene), "facts": {**facts, **scene.facts}})


def layered(
    kind: str, crops: Tensor, n: int, strongest: Tensor, draw: np.random.Generator, rng: torch.Generator
) -> Rendered:
    """A scene of two layers far apart, or of two to four, each with a relief that stays clear of its neighbours'."""
    count = 2 if kind == "veil" else int(draw.integers(2, LOOKS.layers_max + 1))
    places = np.array([0.1, 0.9]) if kind == "veil" else (np.arange(count) + 0.5) / count
    spread = 0.1 if kind == "veil" else 0.8 / count
    focus = torch.linspace(float(places[-1]), float(places[0]), n)[None]  # nearest first
    setting = Setting(
        nearness=torch.from_numpy(places.astype(np.float32))[None],
        focus=focus,
        strongest=strongest[:, None],
        kernels=blur_kernels(strongest[:, None], LOOKS, rng),
        layers=torch.tensor([count]),
        relief=(spread, spread),
    )
    light = with_highlights(to_linear(crops), LOOKS.highlights, rng)
    frames, truth, optics = photograph(light, setting, LOOKS, rng)
    assert optics.depth is not None
    assert optics.mattes is not None
    index = optics.radius[0].argmin(0)
    mattes = optics.mattes[0]
    maps = {
        "depth": optics.depth[0],
        "near_mask": 1 - (1 - mattes).prod(0),
        "veil": optics.veil[0].gather(0, index[None])[0],
        **{f"matte_{k}": matte for k, matte in enumerate(mattes, start=1)},
        **{f"veils/frame_{k:02d}": veil for k, veil in enumerate(optics.veil[0])},
    }
    facts = {"focus_depth": [round(float(place), 4) for place in focus[0]], "near": "first"}
    return Rendered(frames=frames[0], truth=truth[0], index=index, maps=maps, facts=facts)


def shuffled(crops: Tensor, n: int, strongest: Tensor, rng: torch.Generator) -> Rendered:
    """A scene whose frames share out the pixels of a photo and its blurred copies, along a smooth depth field."""
    group, _ = pixel_group(crops[:, 0], LOOKS, n, rng, strongest)
    order = draw_permutation(torch.tensor([2]), n, crops.shape[-1], rng, ordered=True)
    frames = shuffle_pixels(group, order)[0]
    return Rendered(frames=frames, truth=crops[0, 0], index=order[0].argmin(0), maps={}, facts={})


# --- files ---------------------------------------------------------------------------------------


def encode(scene: Rendered, options: SynthOptions) -> dict[str, bytes]:
    """The files of a scene by their names in its folder."""
    width, height = options.size
    depth = np.uint8 if options.bits == 8 else np.uint16

    def picture(values: Tensor, kind: type[np.generic]) -> bytes:
        samples = values[..., :height, :width].numpy()
        samples = samples.transpose(1, 2, 0) if samples.ndim == 3 else samples
        image: Array = samples.astype(kind) if samples.dtype.kind == "i" else from_unit(samples, kind)
        content = find_writer(Path("x.png"))[0].encode(np.ascontiguousarray(image), Metadata())
        assert isinstance(content, bytes)
        return content

    frames = {f"frames/frame_{k:02d}.png": picture(frame, depth) for k, frame in enumerate(scene.frames)}
    maps = {f"{name}.png": picture(v, np.uint16 if name == "depth" else np.uint8) for name, v in scene.maps.items()}
    return {**frames, "truth.png": picture(scene.truth, depth), "index.png": picture(scene.index, np.uint8), **maps}


def describe(name: str, scene: Rendered, files: dict[str, bytes]) -> dict[str, Any]:
    """What the scenes file says of a scene; keys beyond those of `bench.datasets.Scene` are for other tools."""
    maps = {Path(file).stem: f"{name}/{file}" for file in files if "/" not in file and file != "truth.png"}
    return {
        "name": name,
        "frames": [f"{name}/{file}" for file in files if file.startswith("frames/")],
        "truth": f"{name}/truth.png",
        "registered": True,
        "border": BORDER,
        "kind": "rendered",
        "note": f"rendered by allfocus {__version__}, {name.partition('/')[0]}",
        "maps": maps,
        **scene.facts,
    }
