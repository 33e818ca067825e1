"""Registered frames as files, for other programs."""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from allfocus.alignment.transforms_file import make_text
from allfocus.core.notes import Note
from allfocus.errors import ConfigError
from allfocus.formats.write import Picture, check_outputs, write_in_turn
from allfocus.metadata.carry import ALIGNED, finish_metadata
from allfocus.registered import Registered
from allfocus.sources.colours import read_frame_metadata
from allfocus.sources.listing import Listing


def plan_aligned(
    listing: Listing, folder: Path, ending: str, inputs: Sequence[Path], transforms: Path | None
) -> list[Path]:
    """Where each frame goes, in a folder that is there.

    Raises:
        ConfigError: two frames would go to one file.
        WriteError: the folder can't be written to, or a frame would be overwritten.
    """
    targets = [folder / f"{Path(name.replace(' page ', '_')).stem}.{ending}" for name in listing.names]
    for position, target in enumerate(targets):
        if target in targets[:position]:
            name = listing.names[position]
            raise ConfigError(f"{name} and another frame would both become {target.name}; rename one")
    check_outputs(targets, inputs, [] if transforms is None else [transforms])
    return targets


def write_aligned(registered: Registered, targets: Sequence[Path], transforms: Path | None) -> list[Note]:
    """Write each registered frame with its own metadata, all or none; returns what could not be kept.

    Args:
        registered: frames that came from files.
        targets: where each frame of the input goes, see `plan_aligned`.
        transforms: where the transforms go; None: they are not wanted.
    """
    source, run = registered.source, registered.run
    assert source is not None
    count = len(registered.positions)
    stack = registered.stack
    texts: list[Picture] = []
    if transforms is not None and registered.alignment is not None:
        text, lost = make_text(transforms, registered.alignment, source.paths, registered.names, source.frame.size)
        texts.append(Picture(transforms, text, notes=lost))

    def frames() -> Iterator[Picture]:
        for done, position in enumerate(run.in_turn(registered.positions)):
            run.report("write", done, count)
            found = read_frame_metadata(source, position)
            metadata = finish_metadata(found, frames=1, size=registered.size, done=ALIGNED)
            yield Picture(targets[position], stack.numbers(done), metadata, stack.samples)

    paths = [targets[position] for position in registered.positions]
    notes = write_in_turn([*paths, *(text.path for text in texts)], chain(frames(), texts))
    run.report("write", count, count)
    return notes
