"""What reading files leaves out, said once: further pictures in them, and bits."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from allfocus.core.notes import Note
from allfocus.errors import ReadError
from allfocus.formats.filebytes import explain_errors
from allfocus.formats.format import Header


def note_several(paths: Sequence[Path], headers: Sequence[Header | None]) -> list[Note]:
    """Which files hold several full pictures, of which one is used."""
    notes = []
    for position, (path, header) in enumerate(zip(paths, headers, strict=True)):
        count = 0
        if header is not None:
            with suppress(ReadError), explain_errors(path, header.format.name):
                count = header.format.count_frames(path)
        if count > 1:
            message = f"{path.name} holds {count} full pictures, of which the first is used; give it alone to fuse them"
            notes.append(Note(code="pictures-left-out", message=message, frames=(position,)))
    return notes


def note_losses(paths: Sequence[Path], headers: Sequence[Header | None]) -> list[Note]:
    """What reading will lose, one note for all files that lose the same."""
    lost: dict[str, list[int]] = {}
    for position, header in enumerate(headers):
        if header is not None and header.loss:
            lost.setdefault(header.loss, []).append(position)
    notes = []
    for loss, positions in lost.items():
        more = f" and {len(positions) - 1} more" if positions[1:] else ""
        message = f"{loss} ({paths[positions[0]].name}{more})"
        notes.append(Note(code="bit-depth-reduced", message=message, frames=tuple(positions)))
    return notes
