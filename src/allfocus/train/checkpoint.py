"""Checkpoints: everything that a run needs to go on exactly where it stopped.

There is no generator state among it: all that is random in step k is drawn from the recipe's seed and k.
"""

import pickle
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from allfocus.errors import ConfigError, ModelError, ReadError
from allfocus.run.atomic import fill_file
from allfocus.train.config import Recipe, recipe_from, recipe_text
from allfocus.train.curves import Row

FORMAT = "allfocus checkpoint 1"

#: What must be the same to go on with a run: what it learns from, and what learns. The schedule may change.
SAME = ("seed", "data", "shuffle", "network")


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
        values = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ReadError(f"checkpoint {path} can't be read: {error.strerror or error}") from error
    except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, ValueError) as error:
        raise ModelError(f"{path} is no allfocus checkpoint, or it is damaged") from error
    if not isinstance(values, dict) or values.pop("format", None) != FORMAT or set(values) != KEYS:
        raise ModelError(f"{path} is no allfocus checkpoint of this version")
    return Checkpoint(**{**values, "recipe": recipe_from(tomllib.loads(values["recipe"]))})


def require_same(path: Path, stored: Recipe, wanted: Recipe, parts: Sequence[str]) -> None:
    """Raise `ConfigError` unless the recipe of a checkpoint and the one `wanted` agree in `parts`."""
    for part in parts:
        before, now = getattr(stored, part), getattr(wanted, part)
        if before != now:
            raise ConfigError(f"checkpoint {path} was made with another recipe: {difference(part, before, now)}")


def require_fit(path: Path, weights: Mapping[str, Tensor], network: nn.Module) -> None:
    """Raise `ModelError` unless `weights` are those of a network of the same parts as `network`."""
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
