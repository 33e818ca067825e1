"""How well frames are registered: scenes that are not registered, scenes that are, and warps that are known.

    python benchmarks/study/alignment.py scenes.json [-o FOLDER] [--only NAME]

Prints three tables. With a folder, writes for every scene that is not registered a crop of the picture fused without
and with alignment, side by side, where they differ most; and, with it, the picture with local refinement.
"""

import argparse
import time
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import cv2
import numpy as np

import allfocus
from allfocus.alignment import Alignment, AlignOptions, estimate_alignment
from allfocus.alignment.motion import make_motion, measure_displacement, to_pixels
from allfocus.alignment.warp import resample_by_matrix
from allfocus.bench.datasets import Scene, read_scenes
from allfocus.core.color import Array, to_unit
from allfocus.core.stack import FocalStack
from allfocus.io import read_image, write_image

#: Side of the crops.
SIDE = 240
#: The largest warp that is asked for: growth, degrees, and shift as a share of the side.
WARP = (0.07, 2.0, 0.03)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--only", default="*")
    arguments = parser.parse_args()
    scenes = [scene for scene in read_scenes(arguments.scenes) if fnmatchcase(scene.name, arguments.only)]
    loose = [scene for scene in scenes if not scene.registered]
    registered = [scene for scene in scenes if scene.registered]
    print_unregistered(loose, arguments.output)
    print_registered(registered)
    print_warps(registered)


def stack_of(scene: Scene) -> FocalStack:
    """The frames of a scene."""
    return FocalStack(frames=[read_image(path) for path in scene.frames], names=[path.name for path in scene.frames])


def print_unregistered(scenes: Sequence[Scene], output: Path | None) -> None:
    """What is found in each scene, and what that does to the picture."""
    print(
        "| scene | frames | model | moved px | left px | gains | left out | PSNR before | aligned | refined | CPU s |"
    )
    print("|---|---:|---|---:|---:|---|---:|---:|---:|---:|---:|")
    for scene in scenes:
        stack = stack_of(scene)
        plain = allfocus.fuse(stack, options=allfocus.FusionOptions(align="none"))
        started = time.process_time()
        found = allfocus.fuse(stack, options=allfocus.FusionOptions(keep_canvas=True))
        seconds = time.process_time() - started
        bent = allfocus.fuse(stack, options=allfocus.FusionOptions(keep_canvas=True, refine="local"))
        truth = None if scene.truth is None else read_image(scene.truth)
        scores = [psnr(result.image, truth, scene.border) for result in (plain, found, bent)]
        assert found.alignment is not None
        print(
            f"| {scene.name} | {len(stack)} | {words(found.alignment, stack)} | {' | '.join(scores)} | {seconds:.1f} |"
        )
        if output is not None:
            output.mkdir(parents=True, exist_ok=True)
            pictures = [plain.image, found.image, bent.image]
            write_image(output / f"{scene.name.replace('/', '__')}.png", crops(pictures))


def words(alignment: Alignment, stack: FocalStack) -> str:
    """Cells of the table."""
    size = stack.height, stack.width
    moved = max(measure_displacement(matrix, np.eye(3), size).mean() for matrix in alignment.matrices)
    known = [residual for residual in alignment.residuals if not np.isnan(residual)]
    left = f"{np.mean(known):.2f}" if known else ""
    gains = [exposure.gain[0] for exposure in alignment.exposures]
    spread = f"{min(gains):.3f} to {max(gains):.3f}"
    return f"{alignment.model} | {moved:.2f} | {left} | {spread} | {len(alignment.left_out)}"


def psnr(image: Array, truth: Array | None, border: int) -> str:
    """In dB, without the border; empty without a truth."""
    if truth is None:
        return ""
    inner = slice(border, -border or None), slice(border, -border or None)
    return f"{-10 * np.log10(np.square(to_unit(image)[inner] - to_unit(truth)[inner]).mean()):.2f}"


def crops(pictures: Sequence[Array]) -> Array:
    """The same place of all pictures, side by side: where the first two differ most."""
    plain, found = (np.atleast_3d(to_unit(picture)) for picture in pictures[:2])
    height, width = plain.shape[:2]
    side = min(SIDE, height, width)
    differs = cv2.boxFilter(np.abs(plain - found).mean(axis=2), -1, (side, side), anchor=(0, 0))
    row, column = np.unravel_index(
        differs[: height - side + 1, : width - side + 1].argmax(), (height - side + 1, width - side + 1)
    )
    return np.concatenate([picture[row : row + side, column : column + side] for picture in pictures], axis=1)


def print_registered(scenes: Sequence[Scene]) -> None:
    """Scenes said to be registered that are moved all the same, or brightened."""
    print("\n| registered, but found to differ | model | moved px | left px | gains | left out |")
    print("|---|---|---:|---:|---|---:|")
    touched = 0
    for scene in scenes:
        stack = stack_of(scene)
        alignment = estimate_alignment(stack)
        if alignment.model != "none" or alignment.left_out or not all(one.is_same for one in alignment.exposures):
            touched += 1
            print(f"| {scene.name} | {words(alignment, stack)} |")
    print(f"\n{touched} of {len(scenes)}")


def print_warps(scenes: Sequence[Scene]) -> None:
    """Known warps of the first frame and of the second, found again against the first."""
    growth, degrees, shift = WARP
    rng = np.random.default_rng(0)
    errors = []
    for scene in scenes:
        first, second = (read_image(path) for path in scene.frames[:2])
        size = first.shape[:2]
        half = np.hypot(*size) / 2
        signs = rng.choice([-1, 1], 4)
        numbers = signs * [shift * size[1] / half, shift * size[0] / half, np.deg2rad(degrees), np.log1p(growth)]
        matrix = to_pixels(make_motion(numbers), size)
        wanted = AlignOptions(model="similarity", reference=0, exposure="keep")
        unmoved = estimate_alignment(FocalStack(frames=[first, second]), wanted).matrices[1]
        for frame, expected in ((first, matrix), (second, matrix @ unmoved)):
            warped = resample_by_matrix(frame, np.linalg.inv(matrix))
            found = estimate_alignment(FocalStack(frames=[first, warped]), wanted).matrices[1]
            errors.append(measure_displacement(found, expected, size).mean())
    same, other = np.array(errors).reshape(-1, 2).T
    print(f"\nwarps of {growth:.0%}, {degrees} degrees, {shift:.0%}, {len(same)} scenes, mean error in pixels:")
    for name, found in (("the same frame", same), ("the next, against itself unmoved", other)):
        print(f"{name}: mean {found.mean():.3f}, median {np.median(found):.3f}, 95 % {np.quantile(found, 0.95):.3f}")


if __name__ == "__main__":
    main()
