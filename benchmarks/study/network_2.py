"""What each part of the second network and generator brings: variants at equal CPU time, on scenes and on new groups.

    python benchmarks/study/network_2.py PHOTOS SCENES.json -o FOLDER [--minutes 7] [--only NAME ...]

Every variant trains for the same CPU time on one thread, on the same crops. Then its averaged weights answer the middle
of every registered scene with truth, frames in the order given, and groups of both generators from held-back photos.
`closed` is the share of the way from the Laplacian rule to the oracle, of the hard pick; a variant that is done is not
done again. `--model FILE` measures a model file or a checkpoint instead, `--start FILE` starts from one.
"""

import argparse
import csv
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from allfocus.bench.datasets import Scene, read_scenes
from allfocus.bench.run import Loaded, load_scene
from allfocus.core.color import Array, FloatArray, to_unit
from allfocus.core.pyramid import count_levels, padded_size
from allfocus.core.weights import pick
from allfocus.metrics.reference import psnr
from allfocus.train import trainer
from allfocus.train.config import DataConfig, NetworkConfig, Recipe, ShuffleConfig, TrainingConfig
from allfocus.train.data import CropSampler, hold_back
from allfocus.train.events import ignore
from allfocus.train.onnx.weights import load_start
from allfocus.train.validate import measure, validation_groups

#: A scene whose yardsticks are too far apart for a mean to say something.
LEFT_OUT = ("lightfield/cotton",)
#: Longest side of the middle of a scene that is looked at.
MIDDLE = 512
#: PSNRs are cut here: parts of the veil scenes are solved exactly.
PERFECT = 45.0

OLD_PUZZLES = ShuffleConfig(
    frames_max=8,
    blur_max=14.0,
    grain_pixel=0.12,
    grain_region=0.28,
    grain_depth=0.6,
    layers=0.65,
    layers_max=4,
    paint=0.5,
    tint=0.08,
    missing=0.15,
    overlap=0.4,
)
NEW_PUZZLES = replace(
    OLD_PUZZLES,
    shapes=0.6,
    blotches=0.3,
    apertures=0.35,
    highlights=0.25,
    small_blur=0.2,
    ordered=True,
    breathing=0.15,
    tone=0.3,
    sharpen=0.3,
)
OLD_DATA = DataConfig(crop=128)
NEW_DATA = replace(OLD_DATA, scale_min=0.3)
TWO_LOOKS = NetworkConfig(width=48, depth=4, fine_width=24, fine_depth=2)
LARGE = replace(NEW_DATA, large_crop=320, large_share=0.3)

#: Name -> data, puzzles, network; each with one part more than the one before.
VARIANTS: dict[str, tuple[DataConfig, ShuffleConfig, NetworkConfig]] = {
    "as shipped": (OLD_DATA, OLD_PUZZLES, NetworkConfig()),
    "new puzzles": (NEW_DATA, NEW_PUZZLES, NetworkConfig()),
    "small finest look": (NEW_DATA, NEW_PUZZLES, TWO_LOOKS),
    "trust": (NEW_DATA, NEW_PUZZLES, replace(TWO_LOOKS, trust=True)),
    "order": (NEW_DATA, NEW_PUZZLES, replace(TWO_LOOKS, trust=True, order=16)),
    "large crops": (LARGE, NEW_PUZZLES, replace(TWO_LOOKS, trust=True, order=16)),
}


def recipe_of(name: str, minutes: float, rate: float = 1.5e-3) -> Recipe:
    """A variant's recipe, with so many minutes and such a learning rate."""
    data, puzzles, network = VARIANTS[name]
    training = TrainingConfig(
        steps=1_000_000,
        minutes=minutes,
        learning_rate=rate,
        gradient_clip=0.5,
        warmup=50,
        ema=0.99,
        threads=1,
        validate_every=1_000_000,
        checkpoint_minutes=1440.0,
    )
    return Recipe(name=name.replace(" ", "-"), seed=7, data=data, shuffle=puzzles, network=network, training=training)


def middle(picture: Array) -> Array:
    """The middle of a picture."""
    rows, columns = (slice(max(0, (n - MIDDLE) // 2), max(0, (n - MIDDLE) // 2) + MIDDLE) for n in picture.shape[:2])
    part: Array = picture[rows, columns]
    return part


@torch.no_grad()
def choose(network: nn.Module, frames: Sequence[Array]) -> FloatArray:
    """Logits (N, H, W) of a stack, all of it at once."""
    height, width = frames[0].shape[:2]
    levels = count_levels(height, width)
    rows, columns = padded_size(height, width, levels)
    colours = [to_unit(frame if frame.ndim == 3 else np.stack([frame] * 3, axis=-1)) for frame in frames]
    planes = torch.from_numpy(np.stack(colours)).permute(0, 3, 1, 2)
    padded = functional.pad(planes, (0, columns - width, 0, rows - height), mode="replicate")
    logits: FloatArray = network(padded[None], levels)[0][-1][0, :, :height, :width].numpy()
    return logits


def closed_by(network: nn.Module, loaded: Loaded) -> dict[str, float]:
    """PSNR in dB of a hard pick over the Laplacian rule's, the share of the way to the oracle, the same in the ring."""
    assert loaded.truth is not None and loaded.oracle is not None and loaded.ring is not None
    frames = [middle(frame) for frame in loaded.frames]
    index = choose(network, frames).argmax(0).astype(np.uint16)
    truth, ring = middle(loaded.truth), middle(loaded.ring)
    pictures = {"network": pick(frames, index), "wta": middle(loaded.wta), "oracle": middle(loaded.oracle)}
    whole, rim = (
        {name: min(PERFECT, psnr(picture, truth, loaded.scene.border, mask)) for name, picture in pictures.items()}
        for mask in (None, ring)
    )
    return {
        "dB": whole["network"] - whole["wta"],
        "closed": (whole["network"] - whole["wta"]) / max(0.05, whole["oracle"] - whole["wta"]),
        "ring dB": rim["network"] - rim["wta"],
    }


def on_scenes(network: nn.Module, scenes: Sequence[Loaded]) -> dict[str, float]:
    """Means of `closed_by` over each group of scenes, and over all."""
    found = {loaded.scene.name: closed_by(network, loaded) for loaded in scenes}
    figures = {f"{name} closed": value["closed"] for name, value in found.items()}
    for group in (*sorted({name.split("/")[0] for name in found}), ""):
        for key in ("closed", "dB", "ring dB"):
            values = [value[key] for name, value in found.items() if name.startswith(group)]
            figures[f"{group or 'all'} {key}"] = float(np.mean(values))
    return figures


def on_groups(network: nn.Module, photos: Sequence[Array]) -> dict[str, float]:
    """PSNR over the Laplacian rule on new groups, of photos held back, of both generators."""
    figures = {}
    for name, data, puzzles in (("old", OLD_DATA, OLD_PUZZLES), ("new", NEW_DATA, NEW_PUZZLES)):
        recipe = replace(
            recipe_of("as shipped", 1), data=replace(data, validation_groups=40), shuffle=replace(puzzles, ordered=True)
        )
        scores = measure(network, validation_groups(CropSampler(photos, recipe.data, 99), recipe), 3)
        figures[f"{name} groups dB"] = scores.pick - scores.laplacian
        figures[f"{name} groups to oracle dB"] = scores.oracle - scores.pick
    return figures


def train_for(recipe: Recipe, photos: Path, folder: Path, start: Path | None) -> tuple[nn.Module, int]:
    """Train by CPU time, not by the clock: the machine has other work to do. The averaged weights, and steps done."""
    trainer.time = SimpleNamespace(monotonic=time.process_time)  # type: ignore[assignment]
    files = trainer.RunFiles.beside(folder / f"{recipe.name}.onnx")
    with torch.random.fork_rng():
        run = trainer.Run(recipe, torch.device("cpu"), files, 0.0, ignore)
        run.read([photos])
        run.clock = run.saved = time.process_time()
        run.start_from(None, start)
        run.learn()
    return run.learner.ema, run.step


def loaded_scenes(path: Path) -> list[Loaded]:
    """Registered scenes with truth."""

    def wanted(scene: Scene) -> bool:
        return scene.truth is not None and scene.registered and scene.name not in LEFT_OUT

    return [load_scene(scene) for scene in read_scenes(path) if wanted(scene)]


def write_row(path: Path, row: Mapping[str, object]) -> None:
    """One row with its header."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(row))
        writer.writeheader()
        writer.writerow(row)


def table(folder: Path) -> str:
    """All rows that are there, as Markdown: groups of scenes, not single ones."""
    rows = []
    for path in sorted(folder.glob("*.row.csv"), key=lambda path: path.stat().st_mtime):
        with path.open(newline="", encoding="utf-8") as file:
            rows += list(csv.DictReader(file))
    names = [name for name in (rows[0] if rows else {}) if "/" not in name]
    lines = ["| " + " | ".join(names) + " |", "|---|" + "---:|" * (len(names) - 1)]
    for row in rows:
        cells = [row[name] if name in ("variant", "steps") else f"{float(row[name]):+.3f}" for name in names]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run the study from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("scenes", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=7.0)
    parser.add_argument("--only", nargs="*", help="some of the variants")
    parser.add_argument("--start", type=Path, help="weights to start from, of a network of the same parts")
    parser.add_argument("--rate", type=float, default=1.5e-3, help="learning rate")
    parser.add_argument("--model", type=Path, nargs="*", default=[], help="measure these only")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    scenes = loaded_scenes(arguments.scenes)
    photos = trainer.read_photos([arguments.photos], 128).images
    held = hold_back(photos, OLD_DATA.held_back, 7)[1]
    makers = {path.stem: partial(lambda path: (load_start(path).network(), 0), path) for path in arguments.model}
    if not makers:
        for name in arguments.only or list(VARIANTS):
            recipe = recipe_of(name, arguments.minutes, arguments.rate)
            called = f"{name} from {arguments.start.stem}" if arguments.start else name
            recipe = replace(recipe, name=called.replace(" ", "-"))
            makers[called] = partial(train_for, recipe, arguments.photos, arguments.output, arguments.start)
    for name, make in makers.items():
        row_file = arguments.output / f"{name.replace(' ', '-')}.row.csv"
        if row_file.exists() and not arguments.model:
            continue
        network, steps = make()
        figures = {**on_scenes(network, scenes), **on_groups(network, held)}
        write_row(row_file, {"variant": name, "steps": steps, **figures})
        print(table(arguments.output), flush=True)


if __name__ == "__main__":
    main()
