"""Values handed from one process to others through a folder: large arrays as files that are mapped, the rest beside."""

import dataclasses
import pickle
from collections.abc import Collection, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from allfocus.errors import ReadError
from allfocus.run.atomic import write_file
from allfocus.run.scratch import Scratch

#: The file of what is no large array; it is written last, so that what has it is whole.
INDEX = "index"
#: Arrays of so many bytes get files of their own.
LARGE = 1 << 16
#: What NumPy makes small arrays and numbers of.
OF_NUMPY = ("_reconstruct", "_frombuffer", "scalar", "ndarray", "dtype")


def hand_over(folder: Path, value: object, left_out: Mapping[str, type], scratch: Scratch) -> None:
    """Write a value for `take_over`.

    Args:
        folder: an empty one, which is made.
        value: dataclasses and containers of arrays and plain values.
        left_out: types of which nothing is written, by the names that they are replaced by.
        scratch: where large arrays may lie; their pages go back as they are written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written: dict[int, tuple[str, Any]] = {}

    class Writer(pickle.Pickler):
        def persistent_id(self, each: object) -> tuple[str, str] | None:
            name = next((name for name, kind in left_out.items() if isinstance(each, kind)), None)
            if name is not None:
                return "left out", name
            if not isinstance(each, np.ndarray) or each.nbytes < LARGE:
                return None
            if id(each) not in written:
                written[id(each)] = f"{len(written)}.npy", each  # kept, so that no other gets its number
                np.save(folder / written[id(each)][0], each, allow_pickle=False)
                scratch.release()
            return "array", written[id(each)][0]

    with (folder / f".{INDEX}").open("wb") as file:
        Writer(file, protocol=4).dump(value)
    write_file(folder / INDEX, (folder / f".{INDEX}").read_bytes())
    (folder / f".{INDEX}").unlink()


def is_handed_over(folder: Path) -> bool:
    """Whether a folder holds all of a value."""
    return (folder / INDEX).is_file()


def take_over(folder: Path, replaced: Mapping[str, object], known: Collection[type], scratch: Scratch) -> Any:
    """The value that was handed over; its large arrays are mapped, and can't be written to.

    Args:
        folder: that it was written to.
        replaced: what stands for what was left out.
        known: classes in it that are no dataclasses of allfocus: what else a file may name is never called.
        scratch: gives the pages of the arrays back.

    Raises:
        ReadError: it is not what `hand_over` wrote.
    """

    class Reader(pickle.Unpickler):
        def persistent_load(self, given: tuple[str, str]) -> object:
            kind, name = given
            return replaced[name] if kind == "left out" else scratch.load(folder / Path(name).name)

        def find_class(self, module: str, name: str) -> Any:
            if module.split(".")[0] == "numpy" and name in OF_NUMPY:
                return super().find_class(module, name)
            if (module, name) == ("builtins", "slice"):
                return slice
            found = getattr(import_module(module), name, None) if module.startswith("allfocus.") else None
            if isinstance(found, type) and (dataclasses.is_dataclass(found) or found in known):
                return found
            raise pickle.UnpicklingError(f"{module}.{name} is not expected")

    try:
        with (folder / INDEX).open("rb") as file:
            return Reader(file).load()
    except (OSError, ValueError, KeyError, EOFError, ImportError, pickle.UnpicklingError) as error:
        raise ReadError(f"{folder} is damaged ({error}); remove it and start again") from error
