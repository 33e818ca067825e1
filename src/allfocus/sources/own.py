"""Pictures that allfocus wrote itself, told by what it signs them with: they are no frames of a later run."""

import re
from contextlib import suppress
from pathlib import Path
from typing import Literal

from allfocus.errors import ReadError
from allfocus.formats.filebytes import explain_errors
from allfocus.formats.registry import recognize
from allfocus.metadata import exif
from allfocus.metadata.blocks import Blocks
from allfocus.metadata.carry import ALIGNED, SLAB, parse

#: What allfocus wrote: a fused picture or a map, a slab or a registered frame; empty: it did not.
Own = Literal["fused", "slab", "aligned", ""]


def recognize_own(path: Path) -> Own:
    """What allfocus wrote in this file; empty for files of others, and for those that can't be read."""
    with suppress(ReadError):
        found = recognize(path) if path.is_file() else None
        if found is None or (found.capacity is None and found.contains != "planes"):
            return ""
        with explain_errors(path, found.name):
            return tell_own(*read_signature(found.blocks(path)))
    return ""


def read_signature(blocks: Blocks) -> tuple[str, str]:
    """Which program wrote a picture, and how it described it; empty where that is not known."""
    texts = dict(blocks.text)
    block = blocks.tags or parse(blocks.exif)
    tags = {} if block is None else block.directory(exif.IMAGE)
    software, description = (
        tags[tag].value.decode("utf-8", "replace").strip("\0 ") if tag in tags else texts.get(key, "")
        for tag, key in ((exif.SOFTWARE, "Software"), (exif.DESCRIPTION, "Description"))
    )
    return software, description


def tell_own(software: str, description: str) -> Own:
    """What a picture is by what it was signed with.

    Plain pictures that programs write by means of allfocus are signed without a version: they are no results.
    """
    if re.match(r"allfocus \d", software) is None:
        return ""
    last = description.rpartition("; ")[2]
    if last.startswith(ALIGNED) or last == "fused from 1 frames":  # as releases before 0.2 wrote it
        return "aligned"
    return "slab" if last.startswith(SLAB) else "fused"
