"""What each part of the method brings: train variants on one budget and one seed, measure on scenes with truth.

    python benchmarks/study/ablation.py PHOTOS SCENES.json -o FOLDER [--steps 500] [--only NAME ...]

Four questions, each a family of variants of one recipe:

    grain     pixel, region or depth grain alone, depth with layers, and the mix: is the pixel shuffle needed?
    photos    one, ten, a hundred, all: how much does one photo teach?
    network   convolutions alone, with the scans, with the exchange, and the whole
    domain    trained on photographs, micrographs or aerial pictures alone (told apart by the names of the files:
              `micro...`, `aerial...`); tested on groups made from held-back pictures of each

Every variant takes the same steps over the same random numbers. Each leaves a CSV of one row, written when it is
known, so that an interrupted study goes on where it stopped; `--table` prints what there is as Markdown, `--plot FILE`
draws it.
"""

import argparse
import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from allfocus.bench.datasets import read_scenes
from allfocus.bench.run import evaluate
from allfocus.train.config import DataConfig, NetworkConfig, Recipe, ShuffleConfig, TrainingConfig
from allfocus.train.data import CropSampler, read_photos
from allfocus.train.files import find_photos
from allfocus.train.onnx.weights import load_start
from allfocus.train.train import train
from allfocus.train.validate import measure, validation_groups

#: Scenes whose yardsticks are too far apart for a mean to say something.
LEFT_OUT = ("lightfield/cotton",)
#: Pictures of each domain that no variant trains on: every so manieth of the sorted list.
HELD_BACK = 8
DOMAINS = ("photo", "micro", "aerial")


@dataclass(frozen=True)
class Variant:
    """One training of the study."""

    recipe: Recipe
    photos: Sequence[Path]


def base(steps: int) -> Recipe:
    """The shipped recipe's distribution at a size that takes minutes."""
    return Recipe(
        name="ablation",
        seed=7,
        data=DataConfig(crop=128, held_back=0.0),
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


def domain_of(photo: Path) -> str:
    """Which of `DOMAINS` a picture is of, by its name."""
    return next((domain for domain in DOMAINS if photo.name.startswith(domain)), "photo")


def split(photos: Sequence[Path]) -> tuple[list[Path], dict[str, list[Path]]]:
    """Photos to train on, and held-back ones of each domain."""
    held = {domain: [p for p in photos if domain_of(p) == domain][::HELD_BACK] for domain in DOMAINS}
    unseen = {photo for some in held.values() for photo in some}
    return [photo for photo in photos if photo not in unseen], held


def variants(recipe: Recipe, photos: Sequence[Path]) -> dict[str, Variant]:
    """Name -> variant; fewer photos are spread over the sorted list."""
    grains = {
        "grain-pixel": {"grain_pixel": 1.0, "grain_region": 0.0, "grain_depth": 0.0, "layers": 0.0},
        "grain-region": {"grain_pixel": 0.0, "grain_region": 1.0, "grain_depth": 0.0, "layers": 0.0},
        "grain-depth": {"grain_pixel": 0.0, "grain_region": 0.0, "grain_depth": 1.0, "layers": 0.0},
        "grain-no-pixel": {"grain_pixel": 0.0, "grain_region": 0.4, "grain_depth": 0.6},
        "grain-no-layers": {"layers": 0.0},
        "grain-only-layers": {"layers": 1.0},
    }
    parts = {
        "network-convolutions": {"use_scan": False, "use_exchange": False},
        "network-no-scan": {"use_scan": False},
        "network-no-exchange": {"use_exchange": False},
    }
    named = {"whole": Variant(recipe, photos)}
    for name, shuffle in grains.items():
        named[name] = Variant(replace(recipe, shuffle=replace(recipe.shuffle, **shuffle)), photos)
    for name, network in parts.items():
        named[name] = Variant(replace(recipe, network=replace(recipe.network, **network)), photos)
    for count in (1, 10, 100):
        named[f"photos-{count}"] = Variant(recipe, photos[:: max(1, len(photos) // count)][:count])
    for domain in DOMAINS:
        named[f"domain-{domain}"] = Variant(recipe, [photo for photo in photos if domain_of(photo) == domain])
    return {name: variant for name, variant in named.items() if variant.photos}


def on_scenes(model: Path, scenes: Path) -> dict[str, float]:
    """Mean PSNR over `wta` and SSIM, in all and for each group of scenes."""
    chosen = [scene for scene in read_scenes(scenes) if scene.truth and scene.name not in LEFT_OUT]
    rows = [row for row in evaluate(chosen, methods=("network",), model=model) if row.method == "network"]
    groups = sorted({row.scene.split("/")[0] for row in rows})
    figures = {"ssim": float(np.mean([row.ssim for row in rows]))}
    for group in ("", *groups):
        gains = [row.psnr_db - row.wta_psnr_db for row in rows if row.scene.startswith(group)]
        figures[f"{group or 'scenes'} dB"] = float(np.mean(gains))
    return figures


def on_domains(model: Path, held: Mapping[str, Sequence[Path]], recipe: Recipe) -> dict[str, float]:
    """Mean PSNR over the Laplacian rule on groups made from the held-back pictures of each domain."""
    network = load_start(model).network()
    data = replace(recipe.data, validation_groups=40)
    figures = {}
    for domain, paths in held.items():
        if paths:
            sampler = CropSampler(read_photos(paths, data.crop).images, data, 99)
            groups = validation_groups(sampler, replace(base(1), data=data))
            scores = measure(network, groups, recipe.training.octaves_max)
            figures[f"held-back {domain} dB"] = scores.network - scores.laplacian
    return figures


def read_rows(folder: Path) -> list[dict[str, str]]:
    """All rows that are there."""
    rows: list[dict[str, str]] = []
    for path in sorted(folder.glob("*.csv")):
        if not path.name.endswith(".log.csv"):
            with path.open(newline="", encoding="utf-8") as file:
                rows += list(csv.DictReader(file))
    return rows


def plot(rows: Sequence[Mapping[str, str]], path: Path) -> None:
    """Two panels: gain over the Laplacian rule on the scenes with truth, and on groups of each domain."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 4.2), width_ratios=(3, 2), layout="constrained")
    shown = [row for row in rows if not row["variant"].startswith("domain")]
    shown.sort(key=lambda row: (row["variant"] != "whole", row["variant"]), reverse=True)
    colours = {"grain": "tab:blue", "network": "tab:green", "photos": "tab:orange", "whole": "black"}
    left.barh(
        [row["variant"] for row in shown],
        [float(row["scenes dB"]) for row in shown],
        color=[colours[row["variant"].partition("-")[0]] for row in shown],
    )
    left.set(xlabel="dB over the Laplacian rule, scenes with truth", title=f"{shown[0]['steps']} steps each")
    trained = [row for row in rows if row["variant"].startswith("domain") or row["variant"] == "whole"]
    for offset, domain in enumerate(DOMAINS):
        gains = [float(row[f"held-back {domain} dB"]) for row in trained]
        right.bar([place + 0.27 * offset for place in range(len(trained))], gains, 0.25, label=f"tested on {domain}")
    labels = [row["variant"].replace("domain-", "").replace("whole", "all") for row in trained]
    right.set_xticks([place + 0.27 for place in range(len(trained))], [f"trained\non {label}" for label in labels])
    right.set(ylabel="dB over the Laplacian rule, generated groups")
    right.legend(fontsize="small", loc="lower center")
    figure.savefig(path, dpi=110)


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """The rows as Markdown."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = ["| " + " | ".join(names) + " |", "|---|" + "---:|" * (len(names) - 1)]
    for row in rows:
        cells = [row.get(name, "") for name in names]
        shown = [
            f"{float(cell):+.3f}" if name.endswith("dB") and cell else f"{float(cell):.4f}" if name == "ssim" else cell
            for name, cell in zip(names, cells, strict=True)
        ]
        lines.append("| " + " | ".join(shown) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run the study from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("scenes", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--only", nargs="*", help="some of the variants")
    parser.add_argument("--table", action="store_true", help="only print what there is")
    parser.add_argument("--plot", type=Path, help="draw what there is")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    if not arguments.table:
        learning, held = split(find_photos([arguments.photos]))
        for name, variant in variants(base(arguments.steps), learning).items():
            row_file = arguments.output / f"{name}.csv"
            if row_file.exists() or (arguments.only and name not in arguments.only):
                continue
            torch.set_num_threads(1)
            model = arguments.output / f"{name}.onnx"
            report = train(variant.photos, model, variant.recipe, device="cpu")
            figures = {**on_scenes(model, arguments.scenes), **on_domains(model, held, variant.recipe)}
            row = {"variant": name, "photos": len(variant.photos), "steps": report.steps, **figures}
            with row_file.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, list(row))
                writer.writeheader()
                writer.writerow(row)
    rows = read_rows(arguments.output)
    print(table(rows))
    if arguments.plot:
        plot(rows, arguments.plot)


if __name__ == "__main__":
    main()
