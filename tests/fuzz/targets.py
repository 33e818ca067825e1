"""What is done with a fuzzed file: all that allfocus does with a file of its kind, but for the network itself."""

import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from allfocus.alignment.apply import apply_alignment
from allfocus.alignment.transforms_file import load_transforms
from allfocus.bench.datasets import read_scenes
from allfocus.bench.rows import read_reference
from allfocus.core.pyramid import ENERGIES, PyramidLevel
from allfocus.core.stack import FocalStack
from allfocus.decision.model import load_model
from allfocus.decision.stored import load_decision
from allfocus.errors import AllFocusError
from allfocus.formats.read import read_header, read_image, read_metadata
from allfocus.formats.registry import find_format
from allfocus.formats.write import Picture, make_content
from allfocus.metadata.carry import finish_metadata
from allfocus.options import load_options
from allfocus.pipeline import align, compose
from allfocus.sources.describe import describe_frames, read_facts
from allfocus.sources.inspect import inspect_stack
from allfocus.sources.listing import read_frame
from allfocus.sources.volume import inspect_volume
from pictures import focused_pair, picture

FRAMES = list(focused_pair(picture(32, 48)))
SMALL = picture(8, 8)
WRITTEN = ("x.png", "x.jpg", "x.jpg", "x.tif", "x.webp", "x.ome.tif")


def fuzz_picture(path: Path, sound: Path) -> None:
    """A picture: header, or row in a table; samples; metadata, and those in one of the formats that are written."""
    number = zlib.crc32(path.read_bytes())
    with suppress(AllFocusError):
        describe_frames([path, sound]) if number % 8 == 0 else read_header(path)
    with suppress(AllFocusError):
        read_facts(path)
        read_image(path, max_pixels=1 << 22)
    metadata = finish_metadata(read_metadata(path), frames=2, size=(8, 8))
    with suppress(AllFocusError):
        make_content(Picture(Path(WRITTEN[number % len(WRITTEN)]), SMALL, metadata))


def fuzz_planes(path: Path, sound: Path) -> None:
    """A TIFF file: as a picture, and as a volume."""
    fuzz_picture(path, sound)
    with suppress(AllFocusError):
        volume = inspect_volume(path)
        for stack in volume.stacks[:2]:
            for position in range(min(len(stack.listing), 2)):
                read_frame(stack.listing, position)


def fuzz_video(path: Path, sound: Path) -> None:
    """A video: its frames, if it still is one."""
    if find_format(path).contains != "frames":
        return
    listing = inspect_stack(path)
    for position in range(min(len(listing), 3)):
        read_frame(listing, position)


def fuzz_transforms(path: Path, sound: Path) -> None:
    """A file of transforms, and frames warped by it."""
    stack = FocalStack(frames=FRAMES, names=["a", "b"])
    apply_alignment(stack, load_transforms(path, 2, (32, 48)))


def fuzz_decision(path: Path, sound: Path) -> None:
    """A decision, composed again."""
    decision = load_decision(path)
    compose(align(FRAMES, method="laplacian", align="none"), decision, options=None)


def fuzz_model(path: Path, sound: Path) -> None:
    """A model, and its answer to the smallest level."""
    model = load_model(path)
    pixels, energy = np.zeros((2, 3, 8, 8), np.float32), np.zeros((2, ENERGIES, 2, 2), np.float32)
    model.answer_coarsest(PyramidLevel(pixels=pixels, energy=energy))
    model.card.warnings()


def fuzz_recipe(path: Path, sound: Path) -> None:
    """A recipe of training."""
    from allfocus.train.config import load_recipe

    load_recipe(path)


#: By the ending of a seed's name; all others are pictures.
TARGETS: dict[str, Callable[[Path, Path], object]] = {
    ".tif": fuzz_planes,
    ".dng": fuzz_planes,
    ".avi": fuzz_video,
    ".mp4": fuzz_video,
    ".mkv": fuzz_video,
    ".transforms": fuzz_transforms,
    ".pto": fuzz_transforms,
    ".decision": fuzz_decision,
    ".onnx": fuzz_model,
    ".json": lambda path, sound: load_options(path),
    ".scenes": lambda path, sound: read_scenes(path),
    ".csv": lambda path, sound: read_reference(path, []),
    ".toml": lambda path, sound: fuzz_recipe(path, sound) if path.name.startswith("recipe") else load_options(path),
}


def fuzz_one(path: Path, sound: Path) -> None:
    """Do with a file what is done with its kind; what allfocus says on purpose is no failure."""
    with suppress(AllFocusError):
        TARGETS.get(path.suffix, fuzz_picture)(path, sound)
