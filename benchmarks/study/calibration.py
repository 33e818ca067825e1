"""Is the confidence a probability? python benchmarks/study/calibration.py SCENES.json [--plot FILE] [--model FILE].

On scenes with truth: of the pixels that were given a confidence, the share whose picked frame is within two gray
levels of the oracle's. One Markdown table, every scene counting alike, the expected calibration error (the mean
distance of the two, weighted by pixels) of all and of each scene, and the reliability curve as a plot.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np

import allfocus
from allfocus.bench.datasets import Scene, read_scenes
from allfocus.core.color import FloatArray, to_unit
from allfocus.core.weights import pick
from allfocus.decision.confidence import ALIKE
from allfocus.io import read_image
from allfocus.metrics.reference import oracle_index_map

#: Bounds of the classes of confidence.
BOUNDS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.85, 0.95, 0.99, 1.0)


def judged(scene: Scene, model: Path | None) -> tuple[FloatArray, FloatArray]:
    """Confidence of every pixel inside the border, and 1 where the picked frame was as good as the oracle's."""
    frames = [read_image(path) for path in scene.frames]
    assert scene.truth is not None
    result = allfocus.fuse(frames, options=allfocus.FusionOptions(align="none", model=model))
    picked = to_unit(pick(frames, result.index_map))
    best = to_unit(pick(frames, oracle_index_map(frames, read_image(scene.truth))))
    gap = np.abs(picked - best)
    right = (gap if gap.ndim == 2 else gap.max(axis=2)) <= ALIKE
    inside = slice(scene.border, -scene.border or None)
    return result.confidence[inside, inside].ravel(), right[inside, inside].ravel().astype(np.float32)


def expected_error(confidence: FloatArray, right: FloatArray, weight: FloatArray) -> float:
    """The mean distance of confidence from how often it was right, over the classes, weighted."""
    kind = np.digitize(confidence, BOUNDS[1:-1])
    apart = np.bincount(kind, weight * (confidence - right))
    return float(np.abs(apart).sum())


def main() -> None:
    """Print the table and draw the curve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    scenes = [scene for scene in read_scenes(arguments.scenes) if scene.truth is not None and scene.registered]
    pairs = [judged(scene, arguments.model) for scene in scenes]
    confidence, right = (np.concatenate(values) for values in zip(*pairs, strict=True))
    weight = np.concatenate([np.full(values.size, 1 / values.size / len(pairs)) for values, _ in pairs])
    kind = np.clip(np.digitize(confidence, BOUNDS) - 1, 0, len(BOUNDS) - 2)
    points = []
    print("| confidence | mean | as good as the best | share of pixels |\n|---|---:|---:|---:|")
    for position, (low, high) in enumerate(pairwise(BOUNDS)):
        some = kind == position
        if some.any():
            said, was = (float(np.average(values[some], weights=weight[some])) for values in (confidence, right))
            points.append((said, was))
            print(f"| {low:.2f} to {high:.2f} | {said:.3f} | {was:.3f} | {weight[some].sum():.3f} |")
    every = expected_error(confidence, right, weight)
    print(f"\nexpected calibration error {every:.4f}")
    for scene, (said_of, was_of) in zip(scenes, pairs, strict=True):
        print(f"{scene.name}: {expected_error(said_of, was_of, np.full(said_of.size, 1 / said_of.size)):.3f}")
    if arguments.plot:
        draw(points, arguments.plot)


def draw(points: list[tuple[float, float]], path: Path) -> None:
    """The reliability curve beside the diagonal that it should follow."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(4.5, 4.5), layout="constrained")
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    axes.plot(*zip(*points, strict=True), marker="o")
    axes.set(xlabel="confidence", ylabel="share as good as the best", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
