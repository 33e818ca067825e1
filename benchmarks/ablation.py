"""What each part of the method brings: train variants on one budget and one seed, measure on scenes with truth.

    python benchmarks/ablation.py PHOTOS SCENES.json -o FOLDER [--steps 500] [--only NAME ...]

Variants: the whole; without the state-space scans; without the cross-image exchange; pixel grain only (no
regions, no depth fields, no layers); one photo; ten photos. Every variant takes the same steps over the same
groups of random numbers. One CSV row a variant, appended as soon as it is known, so that an interrupted study
goes on where it stopped.
"""

import argparse
import csv
from dataclasses import replace
from pathlib import Path

import numpy as np

from allfocus.bench.datasets import read_scenes
from allfocus.bench.run import evaluate
from allfocus.train.config import DataConfig, NetworkConfig, Recipe, ShuffleConfig, TrainingConfig
from allfocus.train.data import find_photos
from allfocus.train.loop import train

#: Scenes whose yardsticks are too near each other, or too exact, for a mean to say something.
LEFT_OUT = ("lightfield/cotton",)


def base(steps: int) -> Recipe:
    """The shipped recipe's distribution at a size that takes minutes."""
    return Recipe(
        name="ablation",
        seed=7,
        data=DataConfig(crop=128),
        shuffle=ShuffleConfig(
            frames_max=6,
            blur_max=14.0,
            grain_pixel=0.2,
            grain_region=0.3,
            grain_depth=0.5,
            overlap=0.4,
            layers=0.6,
        ),
        network=NetworkConfig(),
        training=TrainingConfig(
            steps=steps, batch=4, ema=0.98, warmup=30, octaves_max=3, threads=1, validate_every=max(1, steps)
        ),
    )


def variants(recipe: Recipe, photos: list[Path]) -> dict[str, tuple[Recipe, list[Path]]]:
    """Name -> recipe and photos; ten photos are spread over the sorted list, one is the first of them."""
    ten = photos[:: max(1, len(photos) // 10)][:10]
    pixel = replace(recipe.shuffle, grain_pixel=1.0, grain_region=0.0, grain_depth=0.0, layers=0.0)
    return {
        "whole": (recipe, photos),
        "no-scan": (replace(recipe, network=replace(recipe.network, use_scan=False)), photos),
        "no-exchange": (replace(recipe, network=replace(recipe.network, use_exchange=False)), photos),
        "pixel-grain": (replace(recipe, shuffle=pixel), photos),
        "one-photo": (recipe, ten[:1]),
        "ten-photos": (recipe, ten),
    }


def measure(model: Path, scenes: Path) -> dict[str, float]:
    """Mean PSNR over `wta` and mean share of the gap to the oracle, in all and per group of scenes."""
    chosen = [scene for scene in read_scenes(scenes) if scene.truth and scene.name not in LEFT_OUT]
    rows = [row for row in evaluate(chosen, methods=("network",), model=model) if row.method == "network"]
    figures: dict[str, float] = {}
    for group in ("", "layered/", "lightfield/", "aymaz/"):
        some = [row for row in rows if row.scene.startswith(group)]
        figures[f"{group or 'all/'}over_wta_db"] = float(np.mean([row.psnr_db - row.wta_psnr_db for row in some]))
        figures[f"{group or 'all/'}ssim"] = float(np.mean([row.ssim for row in some]))
    return figures


def main() -> None:
    """Run the study from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("scenes", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--only", nargs="*")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name, (recipe, photos) in variants(base(arguments.steps), find_photos([arguments.photos])).items():
        table = arguments.output / f"{name}.csv"
        if table.exists() or (arguments.only and name not in arguments.only):
            continue
        model = arguments.output / f"{name}.onnx"
        report = train(photos, model, recipe, device="cpu")
        row = {"variant": name, "photos": len(photos), "steps": report.steps, **measure(model, arguments.scenes)}
        with table.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            writer.writeheader()
            writer.writerow(row)
        print(row)


if __name__ == "__main__":
    main()
