"""A rendered test of halos: something bright and near before a dark, textured wall, in 2 and in 8 frames.

    python benchmarks/study/halo_scene.py -o FOLDER
    python benchmarks/study/peers.py FOLDER/scenes.json -o FOLDER/peers --python PEERS_VENV/bin/python
    python benchmarks/study/halo_scene.py -o FOLDER --picture docs/images/halo.webp

Writes frames and truth as PNG and their `scenes.json`; `peers.py` then runs every tool that it finds on them. What
counts is the PSNR in the ring, where the near thing's blur lies over the wall in one frame and the wall's detail shows
through in the other. The wall is a photo that scikit-image ships; all the rest is drawn.
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import skimage.data
from PIL import Image

from allfocus import fuse, write_image
from allfocus.core.color import Array, FloatArray, from_unit, linear_to_srgb, to_unit

#: Radius in pixels of the defocus of the one thing when the other is in focus.
DEFOCUS = 8.0
#: Linear light of the near thing, and of the wall on average.
BRIGHT, DARK = 0.8, 0.04
WHITE = (255.0,)


def wall() -> FloatArray:
    """(H, W) linear light: gravel, dark."""
    gravel = to_unit(np.asarray(skimage.data.gravel(), np.uint8)) ** 2.2
    return np.asarray(gravel * (DARK / gravel.mean()), np.float32)


def near_thing(size: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """Linear light, premultiplied, and cover (H, W) of a blade, a rod and a disc with faint stripes."""
    height, width = size
    canvas = np.zeros(size, np.uint8)
    blade = np.array([[0, 0.15], [0.62, 0.28], [0.35, 0.55], [0, 0.6]]) * (width, height)
    cv2.fillPoly(canvas, [(16 * blade).astype(np.int32)], WHITE, cv2.LINE_AA, shift=4)
    cv2.line(canvas, (width // 3, height), (width - 40, height // 2), WHITE, 9, cv2.LINE_AA)
    cv2.circle(canvas, (3 * width // 4, height // 4), height // 9, WHITE, -1, cv2.LINE_AA)
    cover = to_unit(canvas)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    stripes = np.asarray(1 + 0.04 * np.sin(0.9 * rows + 0.5 * columns), np.float32)
    return np.asarray(BRIGHT * stripes * cover, np.float32), cover


def defocused(plane: FloatArray, radius: float) -> FloatArray:
    """Spread light or cover over a disc of `radius` pixels, its rim antialiased."""
    if radius < 0.5:
        return plane
    reach, fine = int(np.ceil(radius)) + 1, 9
    places = (np.arange((2 * reach + 1) * fine) + 0.5) / fine - reach - 0.5
    lit = (np.hypot(places[:, None], places) <= radius).astype(np.float32)
    kernel = lit.reshape(2 * reach + 1, fine, 2 * reach + 1, fine).mean(axis=(1, 3))
    spread = cv2.filter2D(plane, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(spread, np.float32)


def photographed(focus: float | None) -> FloatArray:
    """The scene with the lens at `focus`, 0 for the near thing and 1 for the wall; None: all sharp. Display-encoded."""
    behind = wall()
    light, cover = near_thing((behind.shape[0], behind.shape[1]))
    near, far = (0.0, 0.0) if focus is None else (DEFOCUS * focus, DEFOCUS * (1 - focus))
    seen = defocused(light, near) + (1 - defocused(cover, near)) * defocused(behind, far)
    return linear_to_srgb(np.repeat(np.clip(seen, 0, 1)[..., None], 3, axis=2))


def main() -> None:
    """Write the scenes."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, required=True, help="where to write")
    parser.add_argument("--picture", type=Path, help="write a picture for the docs")
    arguments = parser.parse_args()
    folder: Path = arguments.output
    folder.mkdir(parents=True, exist_ok=True)
    write_image(folder / "truth.png", from_unit(photographed(None), np.uint8))
    scenes = []
    for count in (2, 8):
        names = [f"{count}_{position:02}.png" for position in range(count)]
        for name, focus in zip(names, np.linspace(0, 1, count), strict=True):
            write_image(folder / name, from_unit(photographed(float(focus)), np.uint8))
        scene = {"name": f"halo/{count}", "kind": "rendered", "frames": names, "truth": "truth.png"}
        scenes.append({**scene, "registered": True, "border": 0, "note": ""})
    (folder / "scenes.json").write_text(json.dumps(scenes, indent=1), encoding="utf-8")
    if arguments.picture:
        draw(arguments.picture)


def draw(path: Path) -> None:
    """Side by side: a near frame, a far one, what picking makes of the two, what is left without the veil.

    Stalks before a cup of coffee, in colour: a photo that scikit-image ships.
    """
    behind = to_unit(np.asarray(skimage.data.coffee(), np.uint8)[60:320, 150:410]) ** 2.2
    canvas = np.zeros(behind.shape[:2], np.uint8)
    for start, end, width in (((40, 260), (120, -10), 7), ((150, 260), (215, -10), 11), ((270, 120), (60, 275), 4)):
        cv2.line(canvas, start, end, WHITE, width, cv2.LINE_AA)
    cover = to_unit(canvas)
    light = cover[..., None] * np.array([0.75, 0.55, 0.08], np.float32)

    def seen(near: float, far: float) -> Array:
        through = 1 - defocused(cover, near)[..., None]
        return from_unit(linear_to_srgb(defocused(light, near) + through * defocused(behind, far)), np.uint8)

    frames = [seen(0, DEFOCUS), seen(DEFOCUS, 0)]
    made = [fuse(frames, align="none", halos=halos).image for halos in ("keep", "remove")]
    row = [np.pad(image, ((0, 0), (0, 6), (0, 0)), constant_values=255) for image in (*frames, *made)]
    Image.fromarray(np.concatenate(row, axis=1)[:, :-6]).save(path, quality=88, method=6)


if __name__ == "__main__":
    main()
