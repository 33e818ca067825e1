"""Weights to start a training from: those of a checkpoint, or those that a model file carries beside its graph.

The graph of a model file is made to run: constants are folded into it, and its tensors can't be told apart any
more. So the file also carries the network's own tensors, in its metadata.
"""

import io
import json
import zipfile
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from allfocus.decision.model import SHIPPED
from allfocus.decision.onnx_file import MOST_BYTES, digest, read_properties
from allfocus.errors import ModelError, ReadError
from allfocus.train.checkpoint import load_checkpoint
from allfocus.train.config import Recipe, TrainingConfig, load_recipe, recipe_from
from allfocus.train.network.fusion_network import FusionNetwork

#: Key of the model card, as JSON, in the metadata of the ONNX file; and of the network's tensors.
CARD_KEY, WEIGHTS_KEY = "allfocus", "allfocus.weights"

#: A run that starts from good weights takes smaller steps, and fewer of them.
FINE_TUNING = TrainingConfig(steps=1000, learning_rate=3e-4, gradient_clip=0.5, ema=0.995, warmup=50)


@dataclass(frozen=True, kw_only=True)
class Start:
    """Where a training can start from.

    Attributes:
        recipe: what the weights were trained by.
        weights: the averaged weights, by the names that the network gives them.
    """

    recipe: Recipe
    weights: dict[str, Tensor]

    def network(self) -> FusionNetwork:
        """The network with these weights, ready to answer."""
        network = FusionNetwork(self.recipe.network)
        network.load_state_dict(self.weights)
        return network.eval()


def load_start(path: Path) -> Start:
    """Read the averaged weights of a checkpoint (.pt) or of a model file (.onnx).

    Raises:
        ReadError: the file does not exist or can't be opened.
        ModelError: it is neither, it is damaged, or it is a model file of a version that carried no weights.
    """
    if path.suffix.lower() != ".onnx":
        state = load_checkpoint(path)
        return Start(recipe=state.recipe, weights=state.ema)
    try:
        stored = read_properties(path.read_bytes())
    except OSError as error:
        raise ReadError(f"model {path} can't be read: {error.strerror or error}") from error
    except ValueError as error:
        raise ModelError(f"{path} is no ONNX model, or it is damaged") from error
    if CARD_KEY not in stored or WEIGHTS_KEY not in stored:
        raise ModelError(f"{path} carries no weights to start from; expected a model that this version trained")
    try:
        card = json.loads(stored[CARD_KEY])
        if card.get("checksum") not in (None, digest(path.read_bytes(), CARD_KEY)):
            raise ValueError("a checksum is wrong")
        return Start(recipe=recipe_from(card["recipe"]), weights=weights_from(stored[WEIGHTS_KEY]))
    # damaged bytes cause errors of every type
    except Exception as error:
        raise ModelError(f"{path}: its weights or its card are damaged ({error})") from error


def find_start(named: Path | None) -> Path | None:
    """The file of weights to start from; the word `shipped` stands for those of the package."""
    return SHIPPED if named == Path("shipped") else named


def choose_recipe(path: Path | None, start: Path | None, seed: int | None = None) -> Recipe:
    """The recipe of a file, or the default one for a start, with another seed if one is asked for.

    Raises:
        ConfigError: the file holds no recipe that makes sense.
        ReadError: the start can't be read.
        ModelError: the start holds no weights.
    """
    if path is not None:
        recipe = load_recipe(path)
    else:
        recipe = Recipe() if start is None else fine_tuning(load_start(start).recipe, "fine-tuned")
    return recipe if seed is None else replace(recipe, seed=seed)


def weights_text(weights: Mapping[str, Tensor]) -> str:
    """Tensors as text that metadata can hold."""
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {name: value.detach().cpu().numpy() for name, value in weights.items()}
    np.savez_compressed(buffer, **arrays)
    return b64encode(buffer.getvalue()).decode("ascii")


def weights_from(text: str) -> dict[str, Tensor]:
    """The tensors that `weights_text` wrote."""
    packed = b64decode(text, validate=True)
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MOST_BYTES:
            raise ValueError("more weights than any network has")
    with np.load(io.BytesIO(packed), allow_pickle=False) as stored:
        return {name: torch.from_numpy(stored[name]) for name in stored.files}


def fine_tuning(base: Recipe, name: str) -> Recipe:
    """The recipe to go on learning from weights that `base` made: the same puzzles and network, smaller steps."""
    known: dict[str, Any] = {
        key: getattr(base.training, key) for key in ("batch", "octaves_min", "octaves_max", "threads")
    }
    return replace(base, name=name, training=replace(FINE_TUNING, **known))
