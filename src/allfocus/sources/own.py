"""Pictures that allfocus wrote itself, told by what it signs them with: they are no frames of a later run."""

import re
from contextlib import suppress
from pathlib import Path
from typing import Literal

from allfocus.errors import MissingExtraError, ReadError
from allfocus.formats.registry import is_one, recognize
from allfocus.metadata.carry import ALIGNED, SLAB
from allfocus.sources.facts import read_facts

#: What allfocus wrote: a fused picture or a map, a slab or a registered frame; empty: it did not.
Own = Literal["fused", "slab", "aligned", ""]


def recognize_own(path: Path) -> Own:
    """What allfocus wrote in this file; empty for files of others, and for those that can't be read."""
    with suppress(ReadError, MissingExtraError):
        found = recognize(path) if is_one(path) else None
        is_dng = path.suffix.lower() == ".dng"  # read as RAW, and the one RAW format that is written too
        if found is None or (found.capacity is None and found.contains != "planes" and not is_dng):
            return ""
        facts = read_facts(path)
        return tell_own(facts.software, facts.description)
    return ""


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
