"""Photos in memory and random crops of them: the only data that training needs."""

import csv
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from allfocus.core.color import Array, from_unit, to_unit
from allfocus.errors import AllFocusError, ReadError
from allfocus.formats.read import read_image
from allfocus.run.progress import Progress, silent
from allfocus.train.config import DataConfig
from allfocus.train.files import find_photos

#: Bytes that all photos together may take; a photo above its equal share is kept at a reduced size.
MEMORY = 4 * 2**30

#: With fewer photos than this, none is held back: one of nine is a sixth of what a small set can teach.
ENOUGH_TO_SHARE = 10


@dataclass(frozen=True, kw_only=True)
class PhotoSet:
    """What was read.

    Attributes:
        images: (H, W, 3) uint8 RGB, display-encoded, no side shorter than the crop.
        names: the file name of each.
        skipped: one line for each file that could not be read, with the reason.
        licences: how many of the photos stand under each licence that a manifest names.
    """

    images: tuple[Array, ...]
    names: tuple[str, ...]
    skipped: tuple[str, ...]
    licences: dict[str, int]


def read_photos(inputs: Sequence[Path], crop: int, progress: Progress = silent) -> PhotoSet:
    """Read photos of any size and depth for training on crops of `crop` pixels.

    A photo with a side shorter than the crop is continued by its mirror image; one too large for its share
    of `MEMORY` is reduced. Files that can't be read are listed in the result.

    Raises:
        ReadError: an input does not exist, or not one photo can be read.
    """
    paths = find_photos(inputs)
    share = MEMORY // len(paths)
    images, names, skipped = [], [], []
    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    try:
        outcomes = pool.map(lambda path: attempt(path, crop, share), paths)
        for done, (path, outcome) in enumerate(zip(paths, outcomes, strict=True), 1):
            if isinstance(outcome, str):
                skipped.append(outcome)
            else:
                images.append(outcome)
                names.append(path.name)
            progress("read", done, len(paths))
    finally:
        pool.shutdown(cancel_futures=True)  # on Ctrl-C don't read the rest first
    if not images:
        raise ReadError(f"none of the {len(paths)} files can be read as a photo; the first: {skipped[0]}")
    return PhotoSet(
        images=tuple(images), names=tuple(names), skipped=tuple(skipped), licences=count_licences(inputs, names)
    )


def attempt(path: Path, crop: int, share: int) -> Array | str:
    """The photo, ready for cropping, or why it can't be read."""
    try:
        return prepare(read_image(path), crop, share)
    except AllFocusError as error:
        return str(error) if path.name in str(error) else f"{path}: {error}"


def prepare(image: Array, crop: int, share: int) -> Array:
    """Gray or RGB of any depth and size -> (H, W, 3) uint8, sides >= `crop`, at most about `share` bytes."""
    if image.dtype == np.float32 and not np.isfinite(image).all():
        raise ReadError("holds NaN or infinite values; expected finite numbers")
    small = image if image.dtype == np.uint8 else from_unit(to_unit(image), np.uint8)
    color = small if small.ndim == 3 else np.repeat(small[..., None], 3, axis=2)
    height, width = color.shape[:2]
    shrink = min(1.0, (share / (3 * height * width)) ** 0.5)
    if shrink < 1:
        size = max(1, int(width * shrink)), max(1, int(height * shrink))
        color = cv2.resize(color, size, interpolation=cv2.INTER_AREA)
    return mirrored(np.ascontiguousarray(color), crop)


def mirrored(color: Array, crop: int) -> Array:
    """Continue a picture by its mirror image, as often as it takes, until no side is shorter than `crop`."""
    missing = [max(0, crop - side) for side in color.shape[:2]]
    if not any(missing):
        return color
    return np.pad(color, [*((m // 2, m - m // 2) for m in missing), (0, 0)], mode="symmetric")


def count_licences(inputs: Sequence[Path], names: Sequence[str]) -> dict[str, int]:
    """How many of the photos `names` stand under each licence.

    A manifest is any `*manifest.csv` with the columns `file` and `licence`, in a folder that was given or beside it.
    """
    folders = {place for source in inputs for place in (source.absolute(), source.absolute().parent)}
    licences: dict[str, str] = {}
    for manifest in sorted(path for folder in folders if folder.is_dir() for path in folder.glob("*manifest.csv")):
        with manifest.open(newline="", encoding="utf-8", errors="replace") as lines:
            for row in csv.DictReader(lines):
                if row.get("file") and row.get("licence"):
                    licences[Path(row["file"]).name] = row["licence"]
    return dict(Counter(licences[name] for name in names if name in licences).most_common())


def hold_back(photos: Sequence[Array], share: float, seed: int) -> tuple[list[Array], list[Array]]:
    """Split photos into those to train on and those to measure on, at random by the seed.

    With fewer than `ENOUGH_TO_SHARE` photos, or a share of 0, both lists hold all of them.
    """
    if share == 0 or len(photos) < ENOUGH_TO_SHARE:
        return list(photos), list(photos)
    order = np.random.default_rng([seed, len(photos)]).permutation(len(photos))
    count = max(1, round(share * len(photos)))
    return [photos[k] for k in sorted(order[count:])], [photos[k] for k in sorted(order[:count])]


@dataclass(frozen=True)
class CropSampler:
    """Random crops whose randomness depends on nothing but the seed and the number of the batch.

    So batch k is the same whether the batches before it were drawn in this run, in an interrupted one, or not at all.

    Attributes:
        photos: (H, W, 3) uint8, no side shorter than the crop.
        config: size of the crops and what varies in them.
        seed: of this sampler; two samplers with one seed draw the same.
    """

    photos: Sequence[Array]
    config: DataConfig
    seed: int

    def batch(self, number: int, size: int, side: int | None = None) -> torch.Tensor:
        """Batch `number`: (size, 3, 3, S, S) float32 in [0, 1], display-encoded.

        Three crops an item, from photos drawn independently: what is clear, and two for other layers. Their `side` is
        `config.crop` if it is left out.
        """
        rng = np.random.default_rng([self.seed, number])
        side = side or self.config.crop
        crops = np.stack([self.crop(rng, side) for _ in range(3 * size)])  # (3 B, S, S, 3)
        # all of it in numpy: a torch operation in the thread that draws ahead would start a second team of
        # threads, which then fights the first one for the cores
        planes = np.divide(crops.transpose(0, 3, 1, 2), 255, dtype=np.float32)
        return torch.from_numpy(np.ascontiguousarray(planes).reshape(size, 3, 3, side, side))

    def crop(self, rng: np.random.Generator, wanted: int) -> Array:
        """One crop (S, S, 3) uint8 of one photo at a random place, scale and orientation."""
        photo = self.photos[int(rng.integers(len(self.photos)))]
        height, width = photo.shape[:2]
        scale = np.exp(rng.uniform(np.log(self.config.scale_min), 0))
        side = min(round(wanted / scale), height, width)
        top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
        window = photo[top : top + side, left : left + side]
        if side != wanted:
            window = cv2.resize(window, (wanted, wanted), interpolation=cv2.INTER_AREA)
        if self.config.flips:
            window = np.rot90(window, int(rng.integers(4)))
            window = window[:, ::-1] if rng.integers(2) else window
        return np.ascontiguousarray(window)
