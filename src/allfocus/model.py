"""Models: the ONNX file that training wrote, its card, and the octaves it answers. The only user of onnxruntime."""

import json
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from allfocus.color import FloatArray
from allfocus.errors import ModelError
from allfocus.octaves import CHANNELS, PATCH

#: The weights that ship with the package.
SHIPPED = Path(__file__).with_name("weights") / "default.onnx"
#: Key of the model card, as JSON, in the metadata of the ONNX file.
CARD_KEY = "allfocus"
#: The layout of inputs and outputs that this version understands.
FORMAT = 3
INPUTS = ("octave", "logits_in", "context_in", "is_coarsest", "is_answered")
OUTPUTS = ("logits", "context", "flaws")


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What a model says about itself.

    Attributes:
        name: of the recipe that made it.
        version: of the allfocus that made it.
        recipe: the resolved recipe.
        data: how many photos it learned from, under which licences.
        figures: steps, minutes and PSNRs of its training.
        commit: of the sources that made it, where known.
        created: when, ISO 8601.
    """

    name: str
    version: str
    recipe: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    commit: str | None = None
    created: str | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the network says about an octave.

    Attributes:
        logits: (N, 1, h, w), which frame is in focus.
        context: (N, C, h/4, w/4), features for the next finer octave.
    """

    logits: FloatArray
    context: FloatArray


class FusionModel:
    """A loaded network.

    Attributes:
        card: what it says about itself.
    """

    def __init__(self, session: Any, card: ModelCard) -> None:
        self.card = card
        self._session = session
        self._context_channels = int(session.get_inputs()[2].shape[1])

    def glance(self, octave: FloatArray) -> Answer:
        """Answer the coarsest octave, which shows the whole picture.

        Args:
            octave: (N, 4, h, w) float32, h and w multiples of 4, N >= 2.
        """
        frames = len(octave)
        nothing = np.zeros((frames, 1, PATCH, PATCH), np.float32)
        context = np.zeros((frames, self._context_channels, 1, 1), np.float32)
        logits, context, _ = self._run(octave, nothing, context, is_coarsest=True)
        return Answer(logits=logits, context=context)

    def look(self, octave: FloatArray, coarser: Answer) -> Answer:
        """Answer one octave, given the answer to the next coarser one.

        Args:
            octave: (N, 4, h, w) float32, h and w multiples of 8.
            coarser: at half the size.
        """
        logits, context, _ = self._run(octave, coarser.logits, coarser.context)
        return Answer(logits=logits, context=context)

    def flaws(self, octave: FloatArray, answer: Answer) -> FloatArray:
        """Say of the finest octave where no choice is good, given the answer to it.

        Args:
            octave: (N, 4, h, w) float32, h and w multiples of 8.
            answer: to this octave.

        Returns:
            (2, h/4, w/4), log-odds that a place is sharp in no frame, and that it is veiled.
        """
        flaws: FloatArray = self._run(octave, answer.logits, answer.context, is_answered=True)[2][0]
        return flaws

    def _run(
        self,
        octave: FloatArray,
        logits: FloatArray,
        context: FloatArray,
        is_coarsest: bool = False,
        is_answered: bool = False,
    ) -> list[FloatArray]:
        values = (octave, logits, context, np.array(is_coarsest), np.array(is_answered))
        fed = {name: np.ascontiguousarray(value) for name, value in zip(INPUTS, values, strict=True)}
        found: list[FloatArray] = self._session.run(list(OUTPUTS), fed)
        return found


def load_model(path: Path | None = None) -> FusionModel:
    """Load a model file, or the shipped weights.

    Raises:
        ModelError: the file is missing, corrupt, or not an allfocus model of this format.
    """
    chosen = SHIPPED if path is None else Path(path)
    try:
        changed = chosen.stat().st_mtime_ns
    except OSError as error:
        raise ModelError(f"{chosen}: can't be read ({error.strerror}); expected a model file (.onnx)") from error
    return _load(chosen, changed)


@lru_cache(maxsize=2)
def _load(path: Path, changed: int) -> FusionModel:
    """Load `path`; `changed` (its time stamp) makes a file written anew load anew."""
    session = _open_session(path)
    inputs, outputs = ({value.name for value in values} for values in (session.get_inputs(), session.get_outputs()))
    metadata = session.get_modelmeta().custom_metadata_map
    if CARD_KEY not in metadata or inputs != set(INPUTS) or outputs != set(OUTPUTS):
        raise ModelError(f"{path}: not an allfocus model; expected a file that `allfocus train` wrote")
    if session.get_inputs()[0].shape[1] != CHANNELS:
        raise ModelError(f"{path}: expects octaves of other channels than this version makes; train it again")
    return FusionModel(session, _read_card(path, metadata[CARD_KEY]))


def _open_session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what is wrong is said once, by the exception
    # the file is simplified already: optimising it again would cost more than a picture gains by it
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    # threads that wait give the core back: spinning saves little time and costs much work
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # tiles differ in size, so a plan of the memory of one is of no use for the next
    options.enable_mem_pattern = False
    try:
        return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except OSError as error:
        raise ModelError(f"{path}: can't be read ({error.strerror})") from error
    # onnxruntime raises classes of its own that share no public root
    except Exception as error:
        raise ModelError(f"{path}: corrupt, or no ONNX model at all; get or train it again") from error


def _read_card(path: Path, text: str) -> ModelCard:
    try:
        card = json.loads(text)
        if card.pop("format") != FORMAT:
            raise ModelError(f"{path}: a model of another format than {FORMAT}; update allfocus or train it again")
        return ModelCard(**card)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(f"{path}: its model card is damaged ({error}); get or train it again") from error
