"""Write docs/formats.md from the list of formats: python docs/make_formats.py.

A test compares the committed file with what this makes.
"""

from pathlib import Path

import numpy as np

from allfocus.formats.format import Format
from allfocus.formats.registry import list_formats

HERE = Path(__file__).parent

HEADER = """\
# Formats

<!-- made by `python docs/make_formats.py` from the list of formats; change that, not this file -->

The content decides what a file is, not its name. `allfocus.formats.registry.register` adds a format of your own.

## Read

"""

WRITTEN = """
DNG files are read as RAW, those of OME-TIFF and ImageJ as TIFF.

## Written

The ending of `-o` chooses. What a format can't hold is stretched, left out or refused, and a note says so. Metadata
that is kept wherever a format has a place for it: EXIF, XMP, colour profile, resolution and the size of pixels; IPTC
only where the table says so.

"""

ENDINGS = """
Maps are written as PNG or TIFF, surfaces as STL, PLY or GLB, layers as PSD, PSB, OpenRaster or TIFF, moving pictures as
MP4 or WebP: [options](options.md#files). What is kept of microscopes' files: [microscopes](microscopes.md#formats).
"""

HOLDS = {"picture": "a picture", "planes": "planes along axes", "frames": "frames of a video"}


def reads(one: Format) -> bool:
    """Whether files of a format are read, and not by another one that knows them too."""
    return any(
        getattr(type(one), name, None) is not getattr(Format, name) for name in ("read", "planes", "frame_reader")
    )


def make_page() -> str:
    """The whole page."""
    formats = sorted(list_formats(), key=lambda one: one.name.lower())
    into = [
        [one.name, endings(one), HOLDS[one.contains], f"`{one.extra}`" if one.extra else ""]
        for one in formats
        if reads(one)
    ]
    out = [
        [one.name, endings(one), samples(one.capacity.depths), *written(one)]
        for one in formats
        if one.capacity is not None
    ]
    head = ["format", "endings", "samples", "gray", "transparency", "volumes", "IPTC", "longest side"]
    return "".join(
        [
            HEADER,
            table(["format", "endings", "one file holds", "extra"], into),
            WRITTEN,
            table(head, out),
            ENDINGS,
        ]
    )


def endings(one: Format) -> str:
    """Endings of file names."""
    return " ".join(f"`{ending}`" for ending in one.extensions)


def samples(depths: tuple[type[np.generic], ...]) -> str:
    """Sample types, such as `uint8`."""
    return ", ".join(
        sorted((np.dtype(each).name for each in depths), key=lambda name: (name.strip("0123456789"), len(name), name))
    )


def written(one: Format) -> list[str]:
    """What else a written file can hold."""
    can = one.capacity
    assert can is not None
    volumes = "with labels" if can.labels else "yes" if can.volumes else ""
    marks = ["yes" if can.gray else "as RGB", "yes" if can.alpha else ""]
    return [*marks, volumes, "yes" if can.iptc else "", f"{can.longest} px" if can.longest else ""]


def table(head: list[str], rows: list[list[str]]) -> str:
    """Rows as a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    (HERE / "formats.md").write_text(make_page(), encoding="utf-8")
    print(HERE / "formats.md")
