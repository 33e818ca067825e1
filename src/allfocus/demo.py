"""The demo: fuse the focal stack that ships with the package, and measure the result against its truth."""

import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from allfocus.core.color import Array
from allfocus.core.notes import Note
from allfocus.core.stack import FocalStack
from allfocus.formats.read import read_image
from allfocus.formats.write import Picture, check_outputs, write_images
from allfocus.metadata.carry import sign_map
from allfocus.metrics.reference import psnr
from allfocus.options import FusionOptions
from allfocus.pipeline import align, compose, decide
from allfocus.run.progress import Progress, silent
from allfocus.sources.inspect import read_stack

#: The shipped stack: frame1.webp (focused far) to the last (focused near), and truth.webp.
STACK = Path(__file__).with_name("demo_stack")

#: White pixels between the pictures of the before/after strip.
GAP = 8


@dataclass(frozen=True, kw_only=True)
class DemoReport:
    """What the demo measured and wrote; `str()` of it is for people.

    Attributes:
        frames: name and PSNR in dB of each single frame.
        laplacian: PSNR in dB of the Laplacian rule.
        result: PSNR in dB of the fused picture.
        method: what fused it, `network` or `laplacian`.
        seconds: wall time of that fusion, loading the model included, reading the frames not.
        files: what each file shows, and where it lies.
        notes: what the fusion wants its user to know.
    """

    frames: tuple[tuple[str, float], ...]
    laplacian: float
    result: float
    method: str
    seconds: float
    files: tuple[tuple[str, Path], ...]
    notes: tuple[Note, ...] = ()

    def __str__(self) -> str:
        """The report as a few lines of text."""
        rows = [*self.frames, ("Laplacian rule", self.laplacian), (f"fused ({self.method})", self.result)]
        return "\n".join(
            [
                "closeness to the truth (PSNR):",
                *(f"  {name:<18}{decibels:6.2f} dB" for name, decibels in rows),
                f"fused {len(self.frames)} frames in {self.seconds:.1f} s",
                *(f"note: {note}" for note in self.notes),
                *(f"{title + ':':<20}{path}" for title, path in self.files),
            ]
        )


def run(folder: Path, progress: Progress = silent, *, options: FusionOptions | None = None) -> DemoReport:
    """Fuse the shipped focal stack and write what came of it.

    Args:
        folder: where the pictures go.
        progress: called while the fusion works.
        options: how to fuse; by default with the shipped network.

    Returns:
        The figures and the files.

    Raises:
        WriteError: the folder is missing or can't be written to.
        ModelError: the model can't be loaded.
    """
    files = places(folder)
    check_outputs(list(files.values()), [])
    stack = read_stack(sorted(STACK.glob("frame*.webp")))
    truth = read_image(STACK / "truth.webp")
    options = options or FusionOptions()
    started = time.perf_counter()
    registered = align(stack, options=options, progress=progress)
    result = compose(registered, decide(registered, options=options, keep=False), options=options)
    seconds = time.perf_counter() - started
    laplacian = compose(registered, decide(registered, method="laplacian"), options=options)
    pictures = [result.image, colour_index_map(result.index_map, len(stack)), before_and_after(stack, result.image)]
    named = zip(files.items(), pictures, strict=True)
    write_images([Picture(path, picture, sign_map(title, picture.shape[:2])) for (title, path), picture in named])
    return DemoReport(
        frames=tuple((name, psnr(frame, truth)) for name, frame in zip(stack.names, stack.frames, strict=True)),
        laplacian=psnr(laplacian.image, truth),
        result=psnr(result.image, truth),
        method=result.method,
        seconds=seconds,
        files=tuple(files.items()),
        notes=result.notes,
    )


def places(folder: Path) -> dict[str, Path]:
    """What the demo writes and where."""
    return {
        "sharp picture": folder / "sharp.png",
        "index map": folder / "index_map.png",
        "before and after": folder / "before_after.png",
    }


def colour_index_map(index_map: Array, frame_count: int) -> Array:
    """Paint an index map (H, W) for the eye: (H, W, 3) uint8, dark blue for the first frame to yellow for the last."""
    shades = np.rint(index_map * (255.0 / max(frame_count - 1, 1))).astype(np.uint8)
    return np.asarray(cv2.applyColorMap(shades, cv2.COLORMAP_VIRIDIS)[..., ::-1])


def before_and_after(stack: FocalStack, image: Array) -> Array:
    """Set the first and the last frame of an RGB stack, halved, one above the other, left of the fused picture."""
    width, height = (stack.width - GAP) // 2, (stack.height - GAP) // 2
    thumbs = [cv2.resize(stack.frames[k], (width, height), interpolation=cv2.INTER_AREA) for k in (0, -1)]
    page = np.full((stack.height, width + GAP + stack.width, 3), 255, np.uint8)
    page[:height, :width] = thumbs[0]
    page[-height:, :width] = thumbs[1]
    page[:, width + GAP :] = image
    return page
