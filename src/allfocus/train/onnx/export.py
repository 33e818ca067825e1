"""From a trained network to the ONNX file that inference reads, model card included."""

import json
import subprocess
from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import onnx

from allfocus._version import __version__
from allfocus.decision.onnx_file import check_graph, digest
from allfocus.errors import ModelError
from allfocus.run.atomic import write_file
from allfocus.train.checkpoint import load_checkpoint
from allfocus.train.config import Recipe, recipe_values
from allfocus.train.data import PhotoSet
from allfocus.train.network.fusion_network import FusionNetwork
from allfocus.train.onnx import graph
from allfocus.train.onnx.weights import CARD_KEY, WEIGHTS_KEY, weights_text

#: Version of the graph's inputs and outputs; inference refuses those it does not know.
FORMAT = 6

#: Largest difference between the weights that torch and onnxruntime compute from the same frames.
TOLERANCE = 1e-3


def export(network: FusionNetwork, output: Path, card: Mapping[str, Any], tolerance: float = TOLERANCE) -> None:
    """Write the network as ONNX with dynamic frame count, height and width, if it computes the same there.

    Args:
        network: on any device; left as it is.
        output: file to write; there is either the old one or the whole new one.
        card: what the file says about itself, see `model_card`.
        tolerance: by how much logits of onnxruntime and torch may differ.

    Raises:
        ModelError: onnxruntime and torch disagree; nothing is written.
        WriteError: the place can't be written to.
    """
    content = serialise(network, card, tolerance)
    write_file(output, content)


def serialise(network: FusionNetwork, card: Mapping[str, Any], tolerance: float = TOLERANCE) -> bytes:
    """What `export` writes.

    Raises:
        ModelError: onnxruntime and torch disagree.
    """
    twin = deepcopy(network).cpu().eval()
    model = graph.build(twin)
    stored = {WEIGHTS_KEY: weights_text(twin.state_dict())}
    onnx.helper.set_model_props(model, stored)
    whole = {**card, "checksum": digest(model.SerializeToString(), CARD_KEY)}
    onnx.helper.set_model_props(model, {CARD_KEY: json.dumps(whole, ensure_ascii=False), **stored})
    content: bytes = model.SerializeToString()
    check_graph(content)  # or inference would refuse it
    gap = graph.disagreement(twin, content)
    if not gap <= tolerance:  # so that a NaN is refused too
        raise ModelError(
            f"the model can't be exported: torch and onnxruntime disagree by {gap:.2g}, allowed is {tolerance:g}; "
            "update onnx and onnxruntime, and resume from the checkpoint if there is one"
        )
    return content


def export_checkpoint(checkpoint: Path, output: Path) -> None:
    """Write the averaged weights of a run that is still going on, or was stopped, as ONNX.

    Raises:
        ReadError, ModelError: the checkpoint is missing or damaged, or the exported model disagrees.
        WriteError: the place can't be written to.
    """
    state = load_checkpoint(checkpoint)
    network = FusionNetwork(state.recipe.network)
    network.load_state_dict(state.ema)
    measured = [row for row in state.rows if row["network"] is not None]
    figures = {**(measured[-1] if measured else {}), "steps": state.step, "minutes": round(state.minutes, 1)}
    export(network, output, card_of(state.recipe, {"photos": len(state.photos)}, figures))


def model_card(recipe: Recipe, photos: PhotoSet, figures: Mapping[str, Any]) -> dict[str, Any]:
    """What a model says about itself: origin, data with licences, figures on held-back groups in dB."""
    return card_of(recipe, {"photos": len(photos.images), "licences": photos.licences}, figures)


def card_of(recipe: Recipe, data: Mapping[str, Any], figures: Mapping[str, Any]) -> dict[str, Any]:
    """The card from its parts, all of them plain values that JSON can hold."""
    return {
        "format": FORMAT,
        "name": recipe.name,
        "version": __version__,
        "recipe": recipe_values(recipe),
        "data": dict(data),
        "commit": source_commit(),
        "figures": dict(figures),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def source_commit(here: Path = Path(__file__)) -> str | None:
    """The commit of the package's sources, with `-dirty` where they were changed; None outside its repository.

    Args:
        here: one of its files.
    """
    # an installed copy may lie in the ignored environment of some other repository: its commit says nothing
    if git(here.parent, "ls-files", "--error-unmatch", here.name) is None:
        return None
    return git(here.parent, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")


def git(folder: Path, *arguments: str) -> str | None:
    """What git answers in `folder`; None where there is no git, or it refuses."""
    try:
        answer = subprocess.run(
            ["git", "-C", folder, *arguments], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
