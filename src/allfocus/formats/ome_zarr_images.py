"""The images of an OME-Zarr: of a plate, a well or several series, by what its groups say."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from allfocus.errors import ReadError
from allfocus.formats.ome_zarr_store import Source

#: Versions of OME-Zarr that are read.
VERSIONS = ("0.1", "0.2", "0.3", "0.4", "0.5")


def describe(source: Source, place: str) -> dict[str, Any]:
    """What OME-Zarr says of a group; raises `ReadError` for a version that is not known."""
    attributes = source.attributes(place)
    inside = attributes.get("ome")
    found: dict[str, Any] = inside if isinstance(inside, dict) else attributes
    version = found.get("version") or next(
        (str(part["version"]) for part in find_parts(found) if part.get("version")), None
    )
    if version is not None and version not in VERSIONS:
        raise ReadError(f"{source.called(place)} is OME-Zarr {version}; expected {VERSIONS[0]} to {VERSIONS[-1]}")
    return found


def find_parts(found: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Parts of the description that may hold its version."""
    for part in (*as_list(found.get("multiscales")), found.get("plate"), found.get("well")):
        if isinstance(part, dict):
            yield part


def as_list(value: object) -> list[Any]:
    """A list of the file's JSON; an empty one where there is something else."""
    return value if isinstance(value, list) else []


def list_images(source: Source) -> list[tuple[str, str]]:
    """Name and place of each image; raises `ReadError` where there is none."""
    root = describe(source, "")
    if root.get("multiscales"):
        return [("", "")]
    if isinstance(root.get("plate"), dict):
        wells = [str(well.get("path")) for well in as_list(root["plate"].get("wells")) if isinstance(well, dict)]
        return [pair for well in wells for pair in list_fields(source, well)]
    if root.get("well"):
        return list_fields(source, "")
    if "bioformats2raw.layout" in root or source.attributes("OME"):
        series = as_list(describe(source, "OME").get("series")) or source.groups()
        names = [str(name) for name in series if str(name) != "OME"]
        if names:
            return [(describe_name(source, name), name) for name in names]
    raise ReadError(
        f"{source.name} is Zarr and no OME-Zarr: it describes no image, plate or series; "
        "expected `multiscales` in its attributes: convert it, for instance with bioformats2raw"
    )


def describe_name(source: Source, place: str) -> str:
    """The name of an image in a collection."""
    multiscales = as_list(describe(source, place).get("multiscales"))
    return str(multiscales[0].get("name") or "") if multiscales else ""


def list_fields(source: Source, well: str) -> list[tuple[str, str]]:
    """Name and place of each field of a well; of one that is missing or damaged its own, where nothing can be read."""
    found: Any = None
    with suppress(ReadError):
        found = describe(source, well).get("well")
    if not isinstance(found, dict):
        return [(well, well)]
    paths = [str(image.get("path")) for image in as_list(found.get("images")) if isinstance(image, dict)]
    return [(f"{well}/{path}".strip("/"), f"{well}/{path}".strip("/")) for path in paths]
