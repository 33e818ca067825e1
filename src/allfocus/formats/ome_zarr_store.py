"""Where an OME-Zarr lies: a folder, a zip file or an address on the net; its JSON, its arrays, and chunks it lacks."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from allfocus.errors import AllFocusError, MissingExtraError, ReadError
from allfocus.formats.filebytes import address_of, first_line, is_address

#: Names of a node's own files, which chunks don't have.
METADATA = ("zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata")


class Source:
    """A Zarr hierarchy that is only read.

    Args:
        path: a folder, a zip file, or an address.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, path.name
        self._attributes: dict[str, dict[str, Any]] = {}
        self._lost: list[list[str]] = []
        self._blosc: list[str] = []

    @cached_property
    def store(self) -> Any:
        """The store, which notes keys that are asked for and missing."""
        return make_watching(open_store(self.path), self._notice)

    def _notice(self, key: str, content: Any) -> None:
        """Note a chunk that is missing; raise `ReadError` for one of Blosc that is cut short, which Blosc minds not."""
        if content is None:
            for missing in self._lost:
                missing.append(key)
        elif key.startswith(tuple(self._blosc)):
            start = bytes(content.as_numpy_array()[:16].tobytes())
            if len(start) < 16 or len(content) < int.from_bytes(start[12:16], "little"):
                raise ReadError(f"{self.name}: {key} is cut short; copy it anew")

    def called(self, place: str) -> str:
        """What to call a group in messages."""
        return f"{self.name}/{place}" if place else self.name

    def text(self, key: str) -> str | None:
        """The content of a file; None where it is missing."""
        from zarr.core.buffer import default_buffer_prototype
        from zarr.core.sync import sync

        found = sync(self.store.get(key, default_buffer_prototype()))
        return None if found is None else bytes(found.to_bytes()).decode("utf-8", "replace")

    def attributes(self, place: str) -> dict[str, Any]:
        """Attributes of a group or array, in either version of Zarr; empty where there are none.

        Raises:
            ReadError: they are damaged, or the group is of a version of Zarr that is not known.
        """
        if place not in self._attributes:
            self._attributes[place] = self._read_attributes(f"{place}/" if place else "")
        return self._attributes[place]

    def _read_attributes(self, start: str) -> dict[str, Any]:
        node = self._json(f"{start}zarr.json")
        if node is not None:
            if node.get("zarr_format") != 3:
                raise ReadError(f"{self.called(start)} is Zarr {node.get('zarr_format')}; expected version 2 or 3")
            found = node.get("attributes")
            return found if isinstance(found, dict) else {}
        group = self._json(f"{start}.zgroup")
        if group is not None and group.get("zarr_format") != 2:
            raise ReadError(f"{self.called(start)} is Zarr {group.get('zarr_format')}; expected version 2 or 3")
        found = self._json(f"{start}.zattrs")
        if not start and node is None and group is None and found is None:
            if is_address(self.path) and (reason := explain_absence(self.path)):
                raise ReadError(f"{address_of(self.path)}: nothing is there ({reason}); check the address")
            raise ReadError(
                f"{self.name} can't be read as OME-Zarr: it has neither zarr.json nor .zgroup; check the name, "
                "or copy it anew"
            )
        return found or {}

    def _json(self, key: str) -> dict[str, Any] | None:
        """A JSON file; None where it is missing."""
        text = self.text(key)
        if text is None:
            return None
        try:
            found = json.loads(text)
        except ValueError as error:
            raise ReadError(f"{self.name}: {key} is damaged ({first_line(error)}); copy it anew") from error
        if not isinstance(found, dict):
            raise ReadError(f"{self.name}: {key} is damaged: it holds no object; copy it anew")
        return found

    def groups(self) -> list[str]:
        """Names of the groups inside that are numbers, in their order."""
        from zarr.core.sync import sync

        async def collect() -> list[str]:
            return [name async for name in self.store.list_dir("")]

        return sorted((name.strip("/") for name in sync(collect()) if name.strip("/").isdigit()), key=int)

    def array(self, place: str) -> Any:
        """An array; raises `ReadError` where it is missing or damaged."""
        import zarr

        version: Literal[2, 3] = 3 if self.text(f"{place}/zarr.json") is not None else 2
        if version == 2 and self.text(f"{place}/.zarray") is None:
            raise ReadError(f"{self.called(place)} is missing, though its group names it; copy it anew")
        try:
            found = zarr.open_array(self.store, path=place, mode="r", zarr_format=version)
        except Exception as error:
            raise ReadError(f"{self.called(place)} can't be read as an array of Zarr: {first_line(error)}") from error
        if found.shards is None and any("blosc" in type(codec).__name__.lower() for codec in found.compressors):
            self._blosc.append(f"{place}/")
        if found.dtype.kind not in "uifb":
            raise ReadError(f"{self.called(place)} has {found.dtype} samples; expected whole numbers or floats")
        return found

    @contextmanager
    def watch(self) -> Iterator[list[str]]:
        """Collects chunks and shards that are asked for within the block, and missing."""
        missing: list[str] = []
        self._lost.append(missing)
        try:
            yield missing
        finally:
            self._lost.remove(missing)


def open_source(path: Path) -> Source:
    """A hierarchy to read.

    Raises:
        ReadError: it can't be opened or reached.
        MissingExtraError: a package for addresses of its kind is not installed.
    """
    source = Source(path)
    try:
        source.attributes("")
    except AllFocusError:
        raise
    except ImportError as error:
        raise MissingExtraError(f"{address_of(path)}: {first_line(error)}") from error
    except Exception as error:
        where = "reached" if is_address(path) else "opened"
        raise ReadError(f"{address_of(path)} can't be {where}: {first_line(error)}") from error
    return source


def explain_absence(path: Path) -> str:
    """What a server says of an address that has no file of Zarr; empty if it says nothing.

    A bucket that does not exist, for one, and a key that does not; others, such as no access, are raised before.
    """
    from fsspec.core import url_to_fs

    system, root = url_to_fs(address_of(path))
    try:
        system.cat_file(f"{root}/{METADATA[0]}")
    except FileNotFoundError as error:
        reason = first_line(error)
        return "no zarr.json and no .zgroup" if reason.endswith(METADATA[0]) else reason.rstrip(".")
    return ""


def open_store(path: Path) -> Any:
    """Zarr's own store of a folder, zip file or address."""
    from zarr.core.sync import sync
    from zarr.storage import FsspecStore, LocalStore, ZipStore

    if is_address(path):
        return FsspecStore.from_url(address_of(path), read_only=True)
    if path.is_dir():
        return LocalStore(path, read_only=True)
    return sync(ZipStore.open(path, mode="r", read_only=True))


def make_watching(store: Any, notice: Callable[[str, Any], None]) -> Any:
    """The store, which tells of every chunk or shard that is asked for as a whole, or missing."""
    from zarr.storage import WrapperStore

    class Watching(WrapperStore):  # type: ignore[type-arg]
        async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
            found = await self._store.get(key, prototype, byte_range)
            if not key.endswith(METADATA) and (found is None or byte_range is None):
                notice(key, found)
            return found

    return Watching(store)
