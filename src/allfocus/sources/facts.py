"""What a file says of itself beside its samples: its colour profile, when it was taken, what wrote it."""

from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from allfocus.errors import ReadError
from allfocus.formats.filebytes import explain_errors
from allfocus.formats.registry import find_format
from allfocus.metadata import exif
from allfocus.metadata.blocks import Blocks
from allfocus.metadata.carry import parse
from allfocus.metadata.exif import Block
from allfocus.metadata.profiles import profile_of_exif
from allfocus.sources.colours import read_profile_name
from allfocus.sources.listing import Stamp, stamp


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a file says of itself; what is damaged or missing is empty.

    Attributes:
        profile: the name of its ICC profile.
        date: when it was taken, or else when it was last changed, as EXIF writes it.
        software: what wrote it.
        description: what it shows.
        orientation: as EXIF counts it; 1 where it is not known.
    """

    profile: str = ""
    date: str = ""
    software: str = ""
    description: str = ""
    orientation: int = 1


def read_facts(path: Path) -> Facts:
    """What a file says of itself; one that stays as it is is read once."""
    return read_stamped(path, stamp(path))


@lru_cache(maxsize=10_000)
def read_stamped(path: Path, seen: Stamp | None) -> Facts:
    """`read_facts` of a file as it was when it had this stamp."""
    blocks, block, date = Blocks(), None, ""
    found = None
    with suppress(ReadError):
        found = find_format(path)
    if found is None:
        return Facts()
    with suppress(ReadError), explain_errors(path, found.name):
        blocks = found.blocks(path)
    with suppress(ReadError), explain_errors(path, found.name):
        block = blocks.tags or parse(blocks.exif)
    with suppress(ReadError), explain_errors(path, found.name):
        date = (block.date if block is not None else "") or found.date(path)
    profile = blocks.icc
    with suppress(ReadError), explain_errors(path, found.name):
        profile = profile or (None if found.is_raw else profile_of_exif(block))
    block, texts = block or Block(), dict(blocks.text)
    return Facts(
        profile=read_profile_name(profile),
        date=date,
        software=read_text(block, exif.SOFTWARE) or texts.get("Software", ""),
        description=read_text(block, exif.DESCRIPTION) or texts.get("Description", ""),
        orientation=block.number(exif.IMAGE, exif.ORIENTATION) or 1,
    )


def read_text(block: Block, tag: int) -> str:
    """A text of the first directory."""
    entry = block.directory(exif.IMAGE).get(tag)
    return "" if entry is None else entry.value.decode("utf-8", "replace").strip("\0 ")
