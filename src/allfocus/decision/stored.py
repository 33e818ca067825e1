"""Decisions in files: saved, and composed again without the network and without the model."""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from math import isfinite, prod
from pathlib import Path
from typing import IO, Any, get_args

import numpy as np

from allfocus.core.color import Array
from allfocus.core.notes import Note
from allfocus.core.windows import Window
from allfocus.decision.decision import MAPS, Choice, Decision, TiledDecision
from allfocus.errors import ReadError, printable
from allfocus.options import Composition
from allfocus.run.atomic import disk_errors, whole_files
from allfocus.run.context import Run

FORMAT = "allfocus decision 1"
#: The arrays of a choice, and what they hold.
ARRAYS: Mapping[str, type[np.generic]] = {
    "candidates": np.uint16,
    "extras": np.uint16,
    "weights": np.float32,
    "index_map": np.uint16,
    "confidence": np.float32,
    "depth": np.float32,
    "depth_error": np.float32,
    "out_of_focus": np.bool_,
    "veiled": np.bool_,
    "gains": np.int16,
}
#: Largest header and most tiles of a file; more makes no sense.
HEADER_LIMIT, MOST_TILES = 16_000_000, 200_000
#: Most frames of a stack, and bytes before the numbers of an array.
MOST_FRAMES, NUMPY_HEADER = 65_535, 4096


class StoredDecision(TiledDecision):
    """A decision read from a file, tile by tile, when it is asked.

    Args:
        path: a file that `save_decision` wrote.

    Raises:
        ReadError: it can't be read, or is none.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self._archive = self._open_archive()
        header = self._read_header()
        try:
            self.size, self.count = (int(header["height"]), int(header["width"])), int(header["frames"])
            self.noise, self.method = float(header["noise"]), printable(header["method"])
            self.composition = header["composition"]
            self.notes = tuple(Note(code=str(note["code"]), message=str(note["message"])) for note in header["notes"])
            self._tiles = [window_of(tile["window"]) for tile in header["tiles"]]
            self._around = [window_of(tile["around"]) for tile in header["tiles"]]
        except (KeyError, TypeError, ValueError, IndexError, ArithmeticError) as error:
            raise ReadError(f"{path} is damaged: its header says nothing sensible ({error})") from error
        is_sensible = self.composition in (None, *get_args(Composition)) and 0 < len(self._tiles) <= MOST_TILES
        is_sensible &= 0 < self.count <= MOST_FRAMES and isfinite(self.noise) and self.noise >= 0
        areas = [*self._tiles, *self._around]
        if not is_sensible or any(
            part.stop > side for area in areas for part, side in zip(area, self.size, strict=True)
        ):
            raise ReadError(f"{path} is damaged: its header says nothing sensible")
        self._numbers = {str(tile): number for number, tile in enumerate(self._tiles)}

    def tiles(self) -> Sequence[Window]:
        """The tiles of the decision that was saved."""
        return self._tiles

    def decide_tile(self, tile: Window) -> Choice:
        """The choice for one tile, as it was saved."""
        number = self._numbers[str(tile)]
        around = self._around[number]
        arrays = self._read_arrays(number)
        choice = Choice(window=tile, around=around, **{name: arrays.get(name) for name in ARRAYS})  # type: ignore[arg-type]
        self._check(choice)
        return choice

    def _open_archive(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self._path)
        except OSError as error:
            raise ReadError(f"{self._path} can't be read: {error.strerror or error}") from error
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise ReadError(f"{self._path} is no decision; expected a file written by save_decision") from error

    def _read_header(self) -> dict[str, Any]:
        try:
            if self._archive.getinfo("decision.json").file_size > HEADER_LIMIT:
                raise ReadError(f"{self._path} is damaged: its header is too long")
            header = json.loads(self._archive.read("decision.json"))
        except (ReadError, MemoryError):
            raise
        except Exception as error:  # damaged archives cause errors of every type
            raise ReadError(f"{self._path} is no decision; expected a file written by save_decision") from error
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            raise ReadError(f"{self._path} is no decision of this version; expected {FORMAT}")
        return header

    def _read_arrays(self, number: int) -> dict[str, Array]:
        """The arrays of a tile; no more of any is unpacked than its window, and the frames that there are, need."""
        found: dict[str, Array] = {}
        rows, columns = (part.stop - part.start for part in self._around[number])
        longest = 4 * self.count * max(rows * columns, 1) + NUMPY_HEADER
        try:
            for name in ARRAYS:
                entry = self._archive.NameToInfo.get(f"{number}/{name}.npy")
                if entry is not None:
                    if entry.file_size > longest:
                        raise ValueError(f"{name} is longer than its window")
                    found[name] = read_array(self._archive.read(entry))
        except MemoryError:
            raise
        except Exception as error:  # and so do damaged arrays
            raise ReadError(f"{self._path} is damaged: tile {number + 1} can't be read ({error})") from error
        return found

    def _check(self, choice: Choice) -> None:
        """Raise `ReadError` unless the arrays of a choice fit together."""
        own, around = (tuple(part.stop - part.start for part in place) for place in (choice.window, choice.around))
        wanted = dict.fromkeys(MAPS, own) | {
            "weights": (np.size(choice.candidates), *around),
            "gains": (np.size(choice.candidates), *around),
        }
        for name, kind in ARRAYS.items():
            array = getattr(choice, name)
            if array is None and name in ("depth", "depth_error", "out_of_focus", "veiled", "gains"):
                continue
            if array is None or array.dtype != kind or array.shape != wanted.get(name, np.shape(array)):
                raise ReadError(f"{self._path} is damaged: {name} of a tile is missing or of the wrong kind")
        for positions in (choice.candidates, choice.extras, choice.index_map):
            if np.size(positions) and int(positions.max()) >= self.count:
                raise ReadError(f"{self._path} is damaged: it names a frame that does not exist")


def read_array(content: bytes) -> Array:
    """An array in NumPy's format; raises `ValueError` where it says more of itself than there is."""
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(file)
    if prod(shape) * dtype.itemsize > len(content):
        raise ValueError("an array is cut short")
    file.seek(0)
    array: Array = np.lib.format.read_array(file, allow_pickle=False)
    return array


def window_of(numbers: Sequence[int]) -> Window:
    """Rows and columns from four numbers: top, bottom, left, right."""
    top, bottom, left, right = (int(number) for number in numbers)
    if not (0 <= top < bottom and 0 <= left < right):
        raise ValueError("a window of nothing")
    return slice(top, bottom), slice(left, right)


def numbers_of(window: Window) -> list[int]:
    """Top, bottom, left and right of a window."""
    return [number for part in window for number in (part.start, part.stop)]


def save_decision(path: Path | str, decision: Decision, run: Run | None = None) -> None:
    """Save a decision: what it chose for every tile, exactly; composed again it gives the same picture to the bit.

    A ZIP file with `decision.json` and, for each tile, arrays in NumPy's format.

    Args:
        path: where to; usually ends in .decision.
        decision: any.
        run: told how far it is; the stage is called `decide`.

    Raises:
        WriteError: it can't be written; nothing is left behind.
    """
    run, path, tiles = run or Run(), Path(path), list(decision.tiles())
    around: list[Window] = []
    with (
        whole_files([path]) as (part,),
        disk_errors(path),
        zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        for number, choice in enumerate(run.each("decide", decision.decide_tile, tiles)):
            around.append(choice.around)
            for name, kind in ARRAYS.items():
                if (array := getattr(choice, name)) is not None:
                    with archive.open(f"{number}/{name}.npy", "w", force_zip64=True) as file:
                        write_array(file, np.asarray(array, kind))
        archive.writestr("decision.json", json.dumps(describe(decision, tiles, around)))


def write_array(file: IO[bytes], array: Array) -> None:
    """One array in NumPy's format."""
    np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)


def describe(decision: Decision, tiles: Sequence[Window], around: Sequence[Window]) -> dict[str, Any]:
    """The header of a file."""
    places = zip(tiles, around, strict=True)
    return {
        "format": FORMAT,
        "height": decision.size[0],
        "width": decision.size[1],
        "frames": decision.count,
        "noise": decision.noise,
        "method": decision.method,
        "composition": decision.composition,
        "notes": [{"code": note.code, "message": note.message} for note in decision.notes],
        "tiles": [{"window": numbers_of(tile), "around": numbers_of(margin)} for tile, margin in places],
    }


def load_decision(path: Path | str) -> StoredDecision:
    """Open a decision that was saved; see `StoredDecision`."""
    return StoredDecision(path)
