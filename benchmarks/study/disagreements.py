"""Where the network and the Laplacian rule disagree most.

    python benchmarks/study/disagreements.py SCENES.json -o FOLDER [--model FILE]

For every registered scene: the share of pixels at which both pick frames that differ visibly. Prints the list, worst
first, and writes for each of the worst twenty a strip around the place where they differ most, at 100 %: the two frames
in question, the Laplacian rule's picture, the network's, and both index maps.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

import allfocus
from allfocus.bench.datasets import read_scenes
from allfocus.core.color import Array, to_unit
from allfocus.core.weights import pick
from allfocus.decision.laplacian import laplacian_index_map
from allfocus.io import read_image, write_image

SIDE, WORST = 200, 20
#: Pixels that differ by more than this, unit scale, differ visibly.
VISIBLE = 6 / 255


def shown(picture: Array) -> Array:
    """8-bit RGB."""
    levels = np.rint(to_unit(picture) * 255).astype(np.uint8)
    return levels if levels.ndim == 3 else np.repeat(levels[..., None], 3, axis=2)


def strip(frames: list[Array], images: list[Array], maps: list[Array], differ: Array) -> Array:
    """The square where most differs, side by side."""
    share = cv2.boxFilter(differ.astype(np.float32), -1, (SIDE, SIDE))
    height, width = differ.shape
    y, x = np.unravel_index(share.argmax(), share.shape)
    top, left = (int(np.clip(at - SIDE // 2, 0, max(0, size - SIDE))) for at, size in ((y, height), (x, width)))
    here = slice(top, top + SIDE), slice(left, left + SIDE)
    places = [int(np.bincount(found[here][differ[here]], minlength=len(frames)).argmax()) for found in maps]
    shades = [np.rint(found * (255 / max(1, len(frames) - 1))).astype(np.uint8) for found in maps]
    parts = [*(frames[place] for place in places), *images, *shades]
    tiles = [shown(part)[here] for part in parts]
    canvas = [cv2.copyMakeBorder(t, 0, SIDE - t.shape[0], 0, SIDE - t.shape[1] + 4, cv2.BORDER_CONSTANT) for t in tiles]
    return np.concatenate(canvas, axis=1)


def main() -> None:
    """Print the list and write the strips."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--model", type=Path)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    found: list[tuple[float, str, Array]] = []
    for scene in read_scenes(arguments.scenes):
        if not scene.registered:
            continue
        frames = [read_image(path) for path in scene.frames]
        result = allfocus.fuse(frames, options=allfocus.FusionOptions(align="none", model=arguments.model))
        by_rule = laplacian_index_map(frames)
        images = [pick(frames, by_rule), result.image]
        gap = np.abs(to_unit(images[0]) - to_unit(pick(frames, result.index_map)))
        differ = (gap if gap.ndim == 2 else gap.max(axis=2)) > VISIBLE
        found.append((float(differ.mean()), scene.name, strip(frames, images, [by_rule, result.index_map], differ)))
    found.sort(key=lambda entry: -entry[0])
    for place, (share, name, picture) in enumerate(found[:WORST], start=1):
        print(f"{place:2d} {share:7.3%} {name}")
        write_image(arguments.output / f"{place:02d}_{name.replace('/', '__')}.png", picture)


if __name__ == "__main__":
    main()
