"""A stack that is still being shot: a small fusion after each frame, and where another frame would help."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from allfocus.composition.quality import find_gap, stands_out
from allfocus.core.color import Array, from_unit, to_unit
from allfocus.core.stack import FocalStack
from allfocus.errors import AllFocusError
from allfocus.formats.read import read_header, read_image
from allfocus.options import FusionOptions
from allfocus.outputs.words import MUCH_OUT_OF_FOCUS
from allfocus.pipeline import fuse
from allfocus.registration import find_reference
from allfocus.result import FusionResult
from allfocus.sources.draft import read_reduced, shrink

#: Pixels of one small copy, and of all of them together, at most; and the seconds that a draft may take.
ONE, ALL, SECONDS = 500_000, 2_500_000, 2.5
#: Pixels of a small copy at least, however slow the machine is: gaps can't be seen in less.
LEAST = 50_000


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A small fusion of what is there.

    Attributes:
        image: the picture.
        advice: where another frame would help; empty where none would.
        between: the two frames that it would lie between, counted from 0, if they are known; the same twice: beside it.
    """

    image: Array
    advice: str = ""
    between: tuple[int, int] | None = None


class Drafter:
    """Makes drafts of stacks that grow; every frame is decoded once."""

    def __init__(self, options: FusionOptions) -> None:
        self._options = options
        self._small: dict[Path, Array] = {}
        self._speed = ALL / SECONDS

    def forget(self, paths: Sequence[Path]) -> None:
        """Forget frames of a stack that is complete."""
        for path in paths:
            self._small.pop(path, None)

    def make(self, paths: Sequence[Path]) -> Draft | None:
        """Fuse small copies of frames, in their order; None where they can't be fused."""
        if len(paths) < 2:
            self._prepare(paths)
            return None
        begun = time.monotonic()
        try:
            frames = self._prepare(paths)
            pixels = count_pixels(frames)
            wanted = max(self._speed * SECONDS, LEAST * len(frames))
            frames = [shrink(frame, scale_size(frame.shape[:2], (wanted / pixels) ** 0.5)) for frame in frames]
            names = [path.name for path in paths]
            result = fuse(FocalStack(frames=frames, names=names), options=self._draft_options(names))
        except (AllFocusError, OSError, ValueError, cv2.error):
            return None
        spent = max(time.monotonic() - begun, 1e-3)
        self._speed = min(ALL / SECONDS, count_pixels(frames) / spent)
        between = find_missing(result)
        return Draft(image=result.image, advice=advise(between), between=between)

    def _draft_options(self, names: Sequence[str]) -> FusionOptions:
        """The options, but for what would take long or names files of the stack itself."""
        try:
            reference = find_reference(self._options.reference, names)
        except AllFocusError:
            reference = None
        return replace(
            self._options,
            method="network",
            reference=reference,
            transforms=None,
            depth=False,
            order="names",
            refine="none",
            halos="keep",
            fast=True,
            max_memory=None,
            stack=None,
        )

    def _prepare(self, paths: Sequence[Path]) -> list[Array]:
        """Small copies of the frames, 8 bits."""
        for path in paths:
            if path not in self._small:
                whole = read_header(path).frame
                size = scale_size(whole.size, (ONE / whole.pixels) ** 0.5)
                self._small[path] = in_8_bits(read_reduced(partial(read_image, path), whole, size))
        return [self._small[path] for path in paths]


def count_pixels(frames: Sequence[Array]) -> int:
    """Pixels of all frames together."""
    return sum(frame.shape[0] * frame.shape[1] for frame in frames)


def scale_size(size: tuple[int, ...], scale: float) -> tuple[int, int]:
    """Height and width of a copy of this scale; from 1 on, the same."""
    height, width = size if scale >= 1 else (max(8, round(side * scale)) for side in size)
    return height, width


def in_8_bits(pixels: Array) -> Array:
    """The same in 8 bits."""
    return pixels if pixels.dtype == np.uint8 else from_unit(to_unit(pixels), np.uint8)


def find_missing(result: FusionResult) -> tuple[int, int] | None:
    """Between which two frames another would help; None where hardly anything is out of focus, or it may yet come.

    What lies beyond the last frame so far is not missing: it is left out where it outweighs a gap further ahead.
    """
    masks = result.quality
    if (
        masks is None
        or masks.out_of_focus.mean() < MUCH_OUT_OF_FOCUS
        or not stands_out(masks.out_of_focus, result.image)
    ):
        return None
    gap = masks.gap
    if gap is not None and gap[0] != gap[1]:
        return gap
    inside = masks.out_of_focus & ~np.isin(result.index_map, (0, result.frame_count - 1))
    if inside.mean() < MUCH_OUT_OF_FOCUS:
        return None
    return find_gap(inside, result.index_map, result.frame_count)


def advise(between: tuple[int, int] | None) -> str:
    """The advice in words; frames are counted from 1."""
    if between is None:
        return ""
    first, second = (position + 1 for position in between)
    place = f"between {first} and {second}" if first != second else f"next to {first}"
    return f"one more {place} would help"


def as_event(stack: str, paths: Sequence[Path], draft: Draft | None, file: Path | None) -> Mapping[str, object]:
    """What is told of a draft."""
    between = None if draft is None or draft.between is None else [position + 1 for position in draft.between]
    return {
        "event": "draft",
        "stack": stack,
        "frames": len(paths),
        "frame": paths[-1].name,
        "file": None if file is None else str(file),
        "advice": "" if draft is None else draft.advice,
        "between": between,
    }
