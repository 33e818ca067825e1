"""The claims of the method, tested: what one photo, the pixel grain, the scan, the exchange and the order bring.

    python benchmarks/study/claims.py PHOTOS SCENES.json -o FOLDER [--steps 500] [--seeds 11 12 13] [--only NAME ...]

Every variant takes the same steps from each of some seeds, on one thread. Then its averaged weights answer the middle
of every registered scene with truth, frames in the order given, and groups of both generators from held-back photos.
`closed` is the share of the way from the Laplacian rule to the oracle, of the hard pick. What is done is not done
again. `--model FILE` measures a model file or a checkpoint instead.
"""

import argparse
import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

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
from allfocus.train.checkpoint import RunFiles
from allfocus.train.config import DataConfig, NetworkConfig, Recipe, ShuffleConfig, TrainingConfig
from allfocus.train.data import CropSampler, hold_back, read_photos
from allfocus.train.onnx.weights import load_start
from allfocus.train.trainer import Trainer
from allfocus.train.validate import measure, validation_groups

#: A scene whose yardsticks are too far apart for a mean to say something.
LEFT_OUT = ("lightfield/cotton",)
#: Longest side of the middle of a scene that is looked at.
MIDDLE = 384
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
#: Crops and groups of a size that takes minutes on a CPU.
SMALL = replace(NEW_DATA, crop=96, scale_min=0.3)
#: A network with every part that the claims are about.
WHOLE = NetworkConfig(width=24, depth=3, order=8, glance_width=32, glance_depth=2)

#: Name -> puzzles, network, and how many photos are learnt from, all if 0.
VARIANTS: dict[str, tuple[ShuffleConfig, NetworkConfig, int]] = {
    "whole": (NEW_PUZZLES, WHOLE, 0),
    "one photo": (NEW_PUZZLES, WHOLE, 1),
    "no pixel grain": (replace(NEW_PUZZLES, grain_pixel=0.0, grain_region=0.4, grain_depth=0.6), WHOLE, 0),
    "pixel grain only": (
        replace(NEW_PUZZLES, grain_pixel=1.0, grain_region=0.0, grain_depth=0.0, layers=0.0),
        WHOLE,
        0,
    ),
    "no scan": (NEW_PUZZLES, replace(WHOLE, use_scan=False), 0),
    "no exchange": (NEW_PUZZLES, replace(WHOLE, use_exchange=False), 0),
    "no order": (NEW_PUZZLES, replace(WHOLE, order=0), 0),
}


def recipe_of(name: str, steps: int, seed: int) -> Recipe:
    """A variant's recipe."""
    puzzles, network, _ = VARIANTS[name]
    training = TrainingConfig(
        steps=steps,
        batch=3,
        learning_rate=2e-3,
        gradient_clip=0.5,
        warmup=50,
        ema=0.99,
        octaves_max=3,
        threads=1,
        validate_every=steps,
        checkpoint_minutes=1440.0,
    )
    return Recipe(name=f"{name}-{seed}", seed=seed, data=SMALL, shuffle=puzzles, network=network, training=training)


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
            recipe_of("whole", 1, 7), data=replace(data, validation_groups=40), shuffle=replace(puzzles, ordered=True)
        )
        scores = measure(network, validation_groups(CropSampler(photos, recipe.data, 99), recipe), 3)
        figures[f"{name} groups dB"] = scores.pick - scores.laplacian
        figures[f"{name} groups to oracle dB"] = scores.oracle - scores.pick
    return figures


def train_on(recipe: Recipe, photos: Sequence[Array], folder: Path) -> nn.Module:
    """The averaged weights after all steps; nothing is written."""
    trainer = Trainer(recipe, torch.device("cpu"), RunFiles.beside(folder / f"{recipe.name}.onnx"))
    trainer.sampler = CropSampler(photos, recipe.data, recipe.seed)
    for step in range(recipe.training.steps):
        trainer.take_step(trainer.draw_crops(step), trainer.fraction)
    return trainer.state.ema


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
    """A row for each variant as Markdown: the mean over its seeds, and their standard deviation; no single scenes."""
    rows: dict[str, list[dict[str, str]]] = {}
    for path in sorted(folder.glob("*.row.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                rows.setdefault(row["variant"], []).append(row)
    names = [name for name in next(iter(rows.values()))[0] if "/" not in name and name not in ("variant", "seed")]
    lines = ["| variant | seeds | " + " | ".join(names) + " |", "|---|---:|" + "---:|" * len(names)]
    for variant in sorted(rows, key=lambda variant: [*VARIANTS, variant].index(variant)):
        values = np.array([[float(row[name]) for name in names] for row in rows[variant]])
        cells = [f"{mean:+.3f} ({spread:.3f})" for mean, spread in zip(values.mean(0), values.std(0), strict=True)]
        lines.append(f"| {variant} | {len(values)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run the study from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("scenes", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--seeds", type=int, nargs="*", default=[11, 12, 13])
    parser.add_argument("--only", nargs="*", help="some of the variants", default=list(VARIANTS))
    parser.add_argument(
        "--model", type=Path, nargs="*", default=[], help="measure these model files or checkpoints only"
    )
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    scenes = loaded_scenes(arguments.scenes)
    learning, held = hold_back(read_photos([arguments.photos], SMALL.crop).images, 0.05, 7)
    makers: dict[tuple[str, int], Callable[[], nn.Module]] = {
        (path.stem, 0): partial(lambda path: load_start(path).network(), path) for path in arguments.model
    }
    if not makers:
        for seed in arguments.seeds:
            for name in arguments.only:
                some = [learning[seed]] if VARIANTS[name][2] else learning
                makers[name, seed] = partial(train_on, recipe_of(name, arguments.steps, seed), some, arguments.output)
    for (name, seed), make in makers.items():
        row_file = arguments.output / f"{name.replace(' ', '-')}-{seed}.row.csv"
        if row_file.exists() and not arguments.model:
            continue
        network = make()
        figures = {**on_scenes(network, scenes), **on_groups(network, held)}
        write_row(row_file, {"variant": name, "seed": seed, **figures})
        print(table(arguments.output), flush=True)


if __name__ == "__main__":
    main()
