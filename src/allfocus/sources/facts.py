"""What a file says of itself beside its samples: its colour profile, and when it was taken."""

from contextlib import suppress
from io import BytesIO
from pathlib import Path

from PIL import ImageCms

from allfocus.errors import ReadError
from allfocus.formats.filebytes import explain_errors
from allfocus.formats.format import Format
from allfocus.metadata.blocks import Blocks
from allfocus.metadata.carry import parse


def read_facts(path: Path, found: Format) -> tuple[str, str]:
    """The name of a file's ICC profile and the date it was taken; what is damaged or missing is empty."""
    blocks, date = Blocks(), ""
    with suppress(ReadError), explain_errors(path, found.name):
        blocks = found.blocks(path)
    with suppress(ReadError), explain_errors(path, found.name):
        date = find_date(blocks)
    with suppress(ReadError), explain_errors(path, found.name):
        date = date or found.date(path)
    return read_profile_name(blocks.icc), date


def find_date(blocks: Blocks) -> str:
    """When the picture was taken, or else when the file was last changed, as EXIF writes it; empty without either."""
    block = blocks.tags or parse(blocks.exif)
    return "" if block is None else block.date


def read_profile_name(profile: bytes | None) -> str:
    """What an ICC profile calls itself; `damaged` for one that can't be read, empty for none."""
    if not profile:
        return ""
    try:
        return ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(BytesIO(profile))).strip()
    except (ImageCms.PyCMSError, OSError):
        return "damaged"
