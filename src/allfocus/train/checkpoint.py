"""The files of a run; checkpoints among them: everything that it needs to go on exactly where it stopped.

There is no generator state among it: all that is random in step k is drawn from the recipe's seed and k.
"""

import tomllib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from allfocus.decision.model_card import rename_figures
from allfocus.errors import ConfigError, ModelError, ReadError
from allfocus.run.atomic import fill_file
from allfocus.train.config import Recipe, recipe_from, recipe_text
from allfocus.train.curves import Row

FORMAT = "allfocus checkpoint 1"

#: What must be the same to go on with a run: what it learns from, and what learns. The schedule may change.
SAME = ("seed", "data", "shuffle", "network")


@dataclass(frozen=True, kw_only=True)
class RunFiles:
    """The files that a run keeps: state to resume from, log as CSV, plot of the log."""

    checkpoint: Path
    log: Path
    curve: Path

    @classmethod
    def beside(cls, output: Path) -> Self:
        """The files of the run that makes the model `output`."""
        return cls(
            checkpoint=output.with_name(f"{output.stem}.checkpoint.pt"),
            log=output.with_name(f"{output.stem}.log.csv"),
            curve=output.with_name(f"{output.stem}.curve.png"),
        )

    @property
    def spare(self) -> Path:
        """Where an earlier run's checkpoint goes."""
        return self.checkpoint.with_suffix(".previous.pt")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A training run between two steps.

    Attributes:
        recipe: what the run was started with.
        photos: name and size of each photo, to tell whether they are the same on resuming.
        step: optimiser steps done.
        minutes: wall-clock time spent, all stretches together.
        network, ema: weights as trained, and their moving average.
        optimizer: the state of AdamW.
        rows: the log so far.
        losses: of the steps since the last row.
    """

    recipe: Recipe
    photos: list[str]
    step: int
    minutes: float
    network: dict[str, Any]
    ema: dict[str, Any]
    optimizer: dict[str, Any]
    rows: list[Row]
    losses: list[float]


KEYS = {item.name for item in fields(Checkpoint)}


def save_checkpoint(path: Path, state: Checkpoint) -> None:
    """Write a checkpoint; if it fails, the one that was there is still whole.

    Raises:
        WriteError: the place can't be written to.
    """
    values = {**vars(state), "format": FORMAT, "recipe": recipe_text(state.recipe)}
    fill_file(path, lambda file: torch.save(values, file))


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; nothing in the file is executed.

    Raises:
        ReadError: the file does not exist or can't be opened.
        ModelError: it is no allfocus checkpoint, or it is damaged.
    """
    try:
        check_archive(path)
        values = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ReadError(f"checkpoint {path} can't be read: {error.strerror or error}") from error
    # damaged bytes cause errors of every type
    except Exception as error:
        raise ModelError(f"{path} is no allfocus checkpoint, or it is damaged") from error
    if not isinstance(values, dict) or values.pop("format", None) != FORMAT or set(values) != KEYS:
        raise ModelError(f"{path} is no allfocus checkpoint of this version")
    try:
        recipe, rows = recipe_from(tomllib.loads(values["recipe"])), [rename_figures(row) for row in values["rows"]]
        return check_values(Checkpoint(**{**values, "recipe": recipe, "rows": rows}))
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise ModelError(f"{path} is damaged: its recipe or its log make no sense ({error})") from error


def check_archive(path: Path) -> None:
    """Raise `ValueError` unless a file is a ZIP archive that is no longer unpacked, and whose checksums hold.

    torch writes both and looks at neither.
    """
    with zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > path.stat().st_size:
            raise ValueError("it is packed")
        if archive.testzip() is not None:
            raise ValueError("a checksum is wrong")


def check_values(state: Checkpoint) -> Checkpoint:
    """The checkpoint; raises `ValueError` where its parts are of other kinds."""
    kinds: dict[str, Any] = {"photos": list, "step": int, "minutes": (int, float), "rows": list, "losses": list}
    kinds |= dict.fromkeys(("network", "ema", "optimizer"), dict)
    wrong = [name for name, kind in kinds.items() if not isinstance(getattr(state, name), kind)]
    wrong += [] if wrong or (state.step >= 0 and 0 <= state.minutes < float("inf")) else ["step"]
    wrong += [] if wrong or all(isinstance(row, dict) for row in state.rows) else ["rows"]
    if wrong:
        raise ValueError(", ".join(wrong))
    return state


def require_same(path: Path, stored: Recipe, wanted: Recipe, parts: Sequence[str]) -> None:
    """Raise `ConfigError` unless the recipe of a checkpoint and the one `wanted` agree in `parts`."""
    for part in parts:
        before, now = getattr(stored, part), getattr(wanted, part)
        if before != now:
            raise ConfigError(f"checkpoint {path} was made with another recipe: {difference(part, before, now)}")


def require_fit(path: Path, weights: Mapping[str, Tensor], network: nn.Module) -> None:
    """Raise `ModelError` unless `weights` are those of a network of the same parts as `network`."""
    if not all(isinstance(value, Tensor) for value in weights.values()):
        raise ModelError(f"{path} is damaged: its weights are no numbers")
    held, wanted = ({name: value.shape for name, value in state.items()} for state in (weights, network.state_dict()))
    odd = [name for name in sorted({*held, *wanted}) if held.get(name) != wanted.get(name)]
    if odd:
        raise ModelError(
            f"{path} holds the weights of another version's network (they differ in {odd[0]}); "
            "start from weights that this version trained"
        )


def difference(part: str, before: object, now: object) -> str:
    """The first key in which two values of one part of a recipe differ."""
    if isinstance(before, int):
        return f"{part} {before} there, {now} here"
    key = next(key for key, value in vars(before).items() if value != getattr(now, key))
    return f"{part}.{key} {getattr(before, key)} there, {getattr(now, key)} here"
