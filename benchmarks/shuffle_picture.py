"""Draw docs/images/shuffle.png: one photo, its blurred copy, and what inter-image pixel shuffling makes of the two.

Run it from anywhere: python benchmarks/shuffle_picture.py [FILE]
"""

import sys
from pathlib import Path

import numpy as np
import skimage.data
import torch
from PIL import Image, ImageDraw, ImageFont

from allfocus.core.color import Array, FloatArray, from_unit
from allfocus.train.puzzles.blur import aperture_kernels, blur, to_encoded, to_linear
from allfocus.train.puzzles.pixel_groups import draw_permutation, shuffle_pixels, unshuffle_pixels

TARGET = Path(__file__).parent.parent / "docs" / "images" / "shuffle.png"
#: Rows and columns of the astronaut that are shown, unscaled: a scaled picture would not show single pixels.
CROP = (slice(20, 212), slice(140, 332))
SIDE = 192
RADIUS = 5.0
#: Upper left corner and side of what the insets show, and how much larger they show it.
ZOOM_AT, ZOOM_SIDE, ZOOM = (72, 100), 20, 4
GRAINS = ("pixel grain", "region grain", "depth grain")
COLUMNS = ("photo", "blurred copy", "shuffled image 1", "shuffled image 2", "mask: image 1 is sharp", "rebuilt photo")
GAP, LEFT, TOP = 8, 24, 26
INK, PAPER = (32, 32, 32), (255, 255, 255)


def make_group() -> torch.Tensor:
    """The pixel group of the picture: photo and blurred copy, (1, 2, 3, S, S)."""
    photo = torch.from_numpy(np.ascontiguousarray(skimage.data.astronaut()[CROP])).permute(2, 0, 1)[None] / 255
    kernel = aperture_kernels(torch.tensor([[RADIUS]]), torch.tensor([0]), torch.tensor([3]), torch.tensor([0.0]))
    copy = to_encoded(blur(to_linear(photo), kernel).clamp(0, 1))
    return torch.cat([photo[:, None], copy], 1)


def draw_row(group: torch.Tensor, grain: int) -> list[Array]:
    """The six pictures of one grain, each (S, S, 3) uint8."""
    permutation = draw_permutation(torch.tensor([grain]), 2, SIDE, torch.Generator().manual_seed(17))
    shuffled = shuffle_pixels(group, permutation)
    rebuilt = unshuffle_pixels(shuffled, permutation)[:, 0]
    if not torch.equal(rebuilt, group[:, 0]):
        raise SystemExit("un-shuffling did not rebuild the photo: the picture would lie")
    mask = (permutation[:, :1] == 0).expand(1, 3, SIDE, SIDE).float()
    return [as_picture(value) for value in (group[:, 0], group[:, 1], shuffled[:, 0], shuffled[:, 1], mask, rebuilt)]


def as_picture(planes: torch.Tensor) -> Array:
    """(1, 3, S, S) in [0, 1] -> (S, S, 3) uint8."""
    unit: FloatArray = planes[0].permute(1, 2, 0).numpy()
    return from_unit(unit, "uint8")


def with_inset(picture: Array) -> Image.Image:
    """The picture with a part of it enlarged in its lower right corner, and a frame round that part."""
    panel = Image.fromarray(picture)
    top, left = ZOOM_AT
    box = (left, top, left + ZOOM_SIDE, top + ZOOM_SIDE)
    enlarged = panel.crop(box).resize((ZOOM * ZOOM_SIDE,) * 2, Image.Resampling.NEAREST)
    corner = SIDE - ZOOM * ZOOM_SIDE
    pen = ImageDraw.Draw(panel)
    pen.rectangle((box[0] - 1, box[1] - 1, box[2], box[3]), outline=(255, 220, 0))
    panel.paste(enlarged, (corner, corner))
    pen.rectangle((corner - 1, corner - 1, SIDE - 1, SIDE - 1), outline=(255, 220, 0))
    return panel


def upright(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> Image.Image:
    """The label of a row, reading upwards."""
    label = Image.new("RGB", (SIDE, LEFT - 4), PAPER)
    ImageDraw.Draw(label).text((SIDE // 2, (LEFT - 4) // 2), text, INK, font, anchor="mm")
    return label.rotate(90, expand=True)


def draw() -> Image.Image:
    """The whole figure: a row for each grain."""
    font = ImageFont.load_default(14)
    step = SIDE + GAP
    figure = Image.new("RGB", (LEFT + len(COLUMNS) * step - GAP, TOP + len(GRAINS) * step - GAP), PAPER)
    pen = ImageDraw.Draw(figure)
    for column, text in enumerate(COLUMNS):
        pen.text((LEFT + column * step + SIDE // 2, TOP // 2), text, INK, font, anchor="mm")
    group = make_group()
    for grain, text in enumerate(GRAINS):
        figure.paste(upright(text, font), (0, TOP + grain * step))
        for column, picture in enumerate(draw_row(group, grain)):
            figure.paste(with_inset(picture), (LEFT + column * step, TOP + grain * step))
    return figure


def main() -> None:
    """Draw and write the figure, 256 colours: single pixels do not compress."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    figure = draw().quantize(256, dither=Image.Dither.NONE)
    figure.save(target, optimize=True)
    print(f"{target}: {figure.width}x{figure.height}, {target.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
