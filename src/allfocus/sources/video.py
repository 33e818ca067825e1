"""A file of many frames as a focus sweep, such as a video: its frames, or as many as do, evenly spaced."""

from functools import partial
from pathlib import Path

import numpy as np

from allfocus.core.notes import Note
from allfocus.core.stack import FrameInfo
from allfocus.errors import StackError
from allfocus.formats.filebytes import explain_errors
from allfocus.formats.pixels import check_pixels
from allfocus.formats.registry import find_format
from allfocus.sources.listing import Listing, stamp, watch

#: More frames than this are thinned out: neighbours in a sweep hardly differ.
MOST_FRAMES = 200


def inspect_video(path: Path, most_frames: int = MOST_FRAMES) -> Listing:
    """Look at a video, or another file of several pictures: a stack of them, thinned out beyond `most_frames`.

    Raises:
        ReadError: it is cut short, or no decoder knows it.
        StackError: it has fewer than two frames.
    """
    found, seen = find_format(path), stamp(path)
    with explain_errors(path, found.name):
        found.check(path)
        count = found.count_frames(path)
        if count < 2:
            frames = "1 frame" if count else "no frames"
            raise StackError(f"{path}: {frames} found in the video; fusing needs at least 2: export them as pictures")
        chosen = [int(k) for k in np.linspace(0, count - 1, min(count, most_frames)).round()]
        loss = found.loss(path)
        read = found.frame_reader(path, chosen)
        first = read(chosen[0])
    noun = "frame" if found.contains == "frames" else "picture"
    check_pixels(first.shape[1], first.shape[0], path.name)
    notes = [Note(code="bit-depth-reduced", message=f"{loss} ({path.name})")] if loss else []
    thinned = f"{path.name} has {count} frames; {most_frames} of them, evenly spaced, are used"
    return Listing(
        paths=[path],
        names=[f"{path.name} {noun} {k + 1}" for k in chosen],
        frame=FrameInfo(shape=first.shape, dtype=first.dtype),
        readers=[watch(partial(read, k), path, seen) for k in chosen],
        kinds=[found.name] * len(chosen),
        notes=(*notes, *([Note(code="video-thinned", message=thinned)] if count > most_frames else [])),
    )
