"""What does fine-tuning on one picture of one's own field bring?

    python benchmarks/study/fine_tuning.py SCENES.json -o FOLDER [--minutes 5] [--only GROUP ...]

For each of `GROUPS`: the left halves of its first scene's frames are fused by the shipped weights. That picture is all
that `allfocus train --from shipped` learns from. Then shipped and fine-tuned weights fuse the right halves of the
scenes' frames, which no training saw, and are compared there by Q_W and SCD; and by PSNR over the Laplacian rule on
groups that the generator makes from the right halves of the pictures fused by the shipped weights, where the truth is
known. Prints a Markdown table; trainings that are done are not done again.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import allfocus
from allfocus.bench.datasets import Scene, read_scenes
from allfocus.core.color import Array
from allfocus.decision.model import SHIPPED
from allfocus.io import read_image, write_image
from allfocus.metrics.fusion import q_w, scd
from allfocus.train.data import CropSampler, prepare
from allfocus.train.onnx.weights import fine_tuning, load_start
from allfocus.train.train import train
from allfocus.train.validate import measure, validation_groups

#: Scenes by what comes before the slash in their names, and at most how many of each.
GROUPS, AT_MOST = ("cytology", "biomicro", "industrial"), 6
#: Groups made for each comparison with truth.
RENDERED = 24


def halves(scene: Scene) -> tuple[list[Array], list[Array]]:
    """The left and the right half of each frame, without the border."""
    inside = slice(scene.border, -scene.border or None)
    frames = [read_image(path)[inside, inside] for path in scene.frames]
    middle = frames[0].shape[1] // 2
    left, right = (
        [np.ascontiguousarray(half) for half in some]
        for some in ([frame[:, :middle] for frame in frames], [frame[:, middle:] for frame in frames])
    )
    return left, right


def fused(frames: Sequence[Array], model: Path) -> Array:
    """The picture that a model makes."""
    return allfocus.fuse(frames, options=allfocus.FusionOptions(align="none", model=model)).image


def without_truth(stacks: Sequence[Sequence[Array]], model: Path) -> tuple[float, float]:
    """Mean Q_W and SCD."""
    scores = [(q_w(frames, image), scd(frames, image)) for frames in stacks for image in [fused(frames, model)]]
    mean_q_w, mean_scd = np.mean(scores, axis=0)
    return float(mean_q_w), float(mean_scd)


def with_truth(pictures: Sequence[Array], model: Path) -> float:
    """Mean PSNR over the Laplacian rule on groups made from clear pictures."""
    start = load_start(model)
    data = replace(start.recipe.data, validation_groups=RENDERED)
    photos = [prepare(picture, data.crop, share=3 * picture.size) for picture in pictures]  # none is reduced
    sampler = CropSampler(photos, data, 2**31 + 5)
    scores = measure(start.network(), validation_groups(sampler, replace(start.recipe, data=data)), 3)
    return scores.network - scores.laplacian


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--only", nargs="*", help="some of the groups")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    print("| group | scenes | steps | Q_W | fine-tuned | SCD | fine-tuned | rendered dB | fine-tuned |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for group in arguments.only or GROUPS:
        scenes = [scene for scene in read_scenes(arguments.scenes) if scene.group == group][:AT_MOST]
        if not scenes:
            continue
        sample, model = (arguments.output / f"{group}.{ending}" for ending in ("png", "onnx"))
        stacks = [halves(scene) for scene in scenes]
        if not model.exists():
            write_image(sample, fused(stacks[0][0], SHIPPED))
            recipe = fine_tuning(load_start(SHIPPED).recipe, group)
            recipe = replace(recipe, training=replace(recipe.training, threads=torch.get_num_threads()))
            train([sample], model, recipe, device="cpu", minutes=arguments.minutes, init=SHIPPED)
        right = [stack[1] for stack in stacks]
        clear = [fused(frames, SHIPPED) for frames in right]
        before, after = (without_truth(right, weights) for weights in (SHIPPED, model))
        truth = [with_truth(clear, weights) for weights in (SHIPPED, model)]
        steps = allfocus.load_model(model).card.figures["steps"]
        cells = [f"{one:.4f} | {other:.4f}" for one, other in zip(before, after, strict=True)]
        cells += [f"{gain:+.2f}" for gain in truth]
        print(f"| {group} | {len(scenes)} | {steps} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
