"""How far the maps that say where not to trust a picture can be trusted themselves, and the depth map with them.

    python benchmarks/study/trust.py SCENES.json [--model FILE] [--pictures FOLDER] [--only GLOB]

Prints two Markdown tables for the registered scenes with truth.

Quality: how much of the picture the two masks cover, and how well they find what no choice could give. That is measured
by the oracle's picture: its absolute error, mean over the channels, smoothed by a Gaussian of `SIGMA`. *Precision* is
the share of what a mask covers where that error is above `SEEN`, *recall* the share of what is above `BAD` that one of
the masks covers. Stacks of six frames and more come a second time without their middle frames, of which only two at
each end are left: there something is sharp in no frame for sure, and the gap that is named should be the middle one.

Depth: for scenes with an `index.png` beside their truth, which says what frame each pixel is sharpest in.
"""

import argparse
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import cv2
import numpy as np

import allfocus
from allfocus.bench.datasets import Scene, read_scenes
from allfocus.core.color import Array, FloatArray, to_unit
from allfocus.core.weights import pick
from allfocus.decision.laplacian import laplacian_index_map
from allfocus.io import read_image, write_image
from allfocus.metrics.reference import oracle_index_map
from allfocus.result import FusionResult, QualityMasks

#: Errors of 255 above which something is wrong, and visibly so.
SEEN, BAD = 3.0, 6.0
#: Sigma in pixels of the Gaussian that smooths errors: bad places are patches, not pixels.
SIGMA = 2.0
#: Frames left at each end of a stack whose middle is left out, and how long it must be.
ENDS, LONG = 2, 6


def versions(scene: Scene) -> Iterator[tuple[str, list[Array]]]:
    """The scene's frames, and those without the middle ones."""
    frames = [read_image(path) for path in scene.frames]
    yield scene.name, frames
    if len(frames) >= LONG:
        yield f"{scene.name}, middle left out", frames[:ENDS] + frames[-ENDS:]


def unmendable(frames: list[Array], truth: Array) -> FloatArray:
    """(H, W) smoothed error of the oracle's picture, of 255."""
    picture = pick(frames, oracle_index_map(frames, truth))
    gap = np.abs(to_unit(picture) - to_unit(truth)) * 255
    gap = gap if gap.ndim == 2 else gap.mean(axis=2)
    return np.asarray(cv2.GaussianBlur(gap, (0, 0), SIGMA), np.float32)


def share(of: Array, where: Array) -> str:
    """The share of the pixels `where` that are `of`, or a dash if there are hardly any."""
    return f"{of[where].mean():.2f}" if where.mean() > 0.002 else "-"


def quality_row(name: str, quality: QualityMasks, error: FloatArray, inside: tuple[slice, slice]) -> str:
    """How well the masks match the error."""
    out_of_focus, veiled, error = quality.out_of_focus[inside], quality.veiled[inside], error[inside]
    bad = error > BAD
    cells = [
        *(f"{mask.mean():.1%}" for mask in (out_of_focus, veiled, bad)),
        *(share(error > SEEN, mask) for mask in (out_of_focus, veiled)),
        share(out_of_focus | veiled, bad),
        "-" if quality.gap is None else "{} and {}".format(*(1 + frame for frame in quality.gap)),
    ]
    return f"| {name} | {' | '.join(cells)} |"


def depth_row(scene: Scene, frames: list[Array], result: FusionResult, true: Array) -> str:
    """Errors in frames of the Laplacian rule, of the index map, and of the depth map."""
    assert result.depth is not None
    inside = slice(scene.border, -scene.border or None)
    cells = []
    for found in (laplacian_index_map(frames), result.index_map, result.depth):
        gap = np.abs(found.astype(np.float32) - true)[inside, inside]
        cells.append(f"{gap.mean():.3f} | {(gap <= 0.5).mean():.1%}")
    return f"| {scene.name} | {' | '.join(cells)} |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--pictures", type=Path, help="where to put pictures to look at")
    parser.add_argument("--only", default="*", help="names of scenes")
    arguments = parser.parse_args()
    options = allfocus.FusionOptions(align="none", model=arguments.model, depth=True)
    depths = []
    heads = ("out of focus", "veiled", "unmendable", "precision out of focus", "precision veiled", "recall")
    print(f"| scene | {' | '.join(heads)} | gap between |")
    print("|---|---:|---:|---:|---:|---:|---:|---|")
    for scene in read_scenes(arguments.scenes):
        if scene.truth is None or not scene.registered or not fnmatch(scene.name, arguments.only):
            continue
        truth, inside = read_image(scene.truth), slice(scene.border, -scene.border or None)
        for name, frames in versions(scene):
            result = allfocus.fuse(frames, options=options)
            assert result.quality is not None
            error = unmendable(frames, truth)
            print(quality_row(name, result.quality, error, (inside, inside)), flush=True)
            index = scene.truth.with_name("index.png")
            if name == scene.name and index.exists():
                depths.append(depth_row(scene, frames, result, read_image(index).astype(np.float32)))
            if arguments.pictures:
                arguments.pictures.mkdir(parents=True, exist_ok=True)
                masks = [mask.astype(np.uint8) * 255 for mask in (result.quality.out_of_focus, result.quality.veiled)]
                shown = np.dstack([np.clip(error * 10, 0, 255).astype(np.uint8), *masks])
                write_image(arguments.pictures / f"{name.replace('/', '_').replace(', ', '_')}.png", shown)
    if depths:
        methods = ("wta", "index map", "depth map")
        print("\n| scene" + "".join(f" | {method}: mean error | within 0.5" for method in methods) + " |")
        print("|---" + "|---:" * 6 + "|")
        print("\n".join(depths))


if __name__ == "__main__":
    main()
