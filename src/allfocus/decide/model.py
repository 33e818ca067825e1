"""Models: the ONNX file that training wrote, its card, and the octaves it answers. The only user of onnxruntime."""

import json
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from allfocus.core.color import FloatArray
from allfocus.core.pyramid import ENERGIES, PATCH, Octave
from allfocus.errors import ModelError

#: The weights that ship with the package.
SHIPPED = Path(__file__).parents[1] / "weights" / "default.onnx"
#: Key of the model card, as JSON, in the metadata of the ONNX file.
CARD_KEY = "allfocus"
#: The layout of inputs and outputs that training writes; and those that this version reads. One look answers every
#: octave of a file of format 4, so it is not asked whether an octave is the finest.
FORMAT, READ = 5, (4, 5)
INPUTS = ("pixels", "energy", "logits_in", "context_in", "is_coarsest", "is_answered", "is_finest")
FINEST = "is_finest"
OUTPUTS = ("logits", "context", "flaws")
#: Blocks of the look in a model whose card does not tell: as many as training allows.
MOST_BLOCKS = 6
#: Coarser logits beyond this, relative to their mean over the frames, are certain enough.
LOGIT_RANGE = 12.0
#: What the flaws don't need.
NO_ENERGY = np.zeros((1, 2, 1, 1), np.float32)


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
        context: (N, C, h/4, w/4), features for the next finer octave; of the finest octave there may be none.
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
        self._inputs = [value.name for value in session.get_inputs()]
        self._context_channels = int(session.get_inputs()[3].shape[1])

    @property
    def reach(self) -> int:
        """How far, in pixels of its octave, a look sees around a pixel."""
        return reach_of(int(self._network.get("depth", MOST_BLOCKS)))

    @property
    def reach_finest(self) -> int:
        """The same of a look at the finest octave."""
        return reach_of(int(self._network["fine_depth"])) if self._network.get("fine_width") else self.reach

    @property
    def wants_order(self) -> bool:
        """Whether it makes a difference in which order the frames come: that of focus is expected, from either end."""
        return bool(self._network.get("order"))

    @property
    def _network(self) -> dict[str, Any]:
        network: dict[str, Any] = self.card.recipe.get("network", {})
        return network

    def glance(self, octave: Octave) -> Answer:
        """Answer the coarsest octave, which shows the whole picture.

        Args:
            octave: height and width multiples of 4, N >= 2.
        """
        frames = len(octave.pixels)
        nothing = np.zeros((frames, 1, PATCH, PATCH), np.float32)
        context = np.zeros((frames, self._context_channels, 1, 1), np.float32)
        logits, context, _ = self._run(octave.pixels, octave.energy, nothing, context, is_coarsest=True)
        return Answer(logits=logits, context=context)

    def look(self, octave: Octave, coarser: Answer, is_finest: bool = False) -> Answer:
        """Answer one octave, given the answer to the next coarser one.

        Args:
            octave: height and width multiples of 8.
            coarser: at half the size.
            is_finest: whether there is no finer one.
        """
        logits, context, _ = self._run(
            octave.pixels, octave.energy, coarser.logits, coarser.context, is_finest=is_finest
        )
        return Answer(logits=logits, context=context)

    def flaws(self, pixels: FloatArray, answer: Answer) -> FloatArray:
        """Say of the finest octave where no choice is good, given what was chosen.

        Args:
            pixels: (N, 3, h, w) float32, of that octave, h and w multiples of 8.
            answer: its logits, and the features of the next coarser octave, (N, C, h/8, w/8).

        Returns:
            (2, h/4, w/4), log-odds that a place is sharp in no frame, and that it is veiled.
        """
        flaws: FloatArray = self._run(pixels, NO_ENERGY, answer.logits, answer.context, is_answered=True)[2][0]
        return flaws

    def _run(
        self,
        pixels: FloatArray,
        energy: FloatArray,
        logits: FloatArray,
        context: FloatArray,
        is_coarsest: bool = False,
        is_answered: bool = False,
        is_finest: bool = False,
    ) -> list[FloatArray]:
        switches = np.array([is_coarsest, is_answered, is_finest])
        named = dict(zip(INPUTS, (pixels, energy, logits, context, *switches), strict=True))
        fed = {name: np.ascontiguousarray(named[name]) for name in self._inputs}
        found: list[FloatArray] = self._session.run(list(OUTPUTS), fed)
        return found


def reach_of(blocks: int) -> int:
    """How far a look with so many blocks sees: two patches by the measures, one by each block and one by the head.

    Rounded up to whole patches of the next coarser octave.
    """
    return PATCH * (blocks + 3 + (blocks + 3) % 2)


def load_model(path: Path | None = None, much_to_do: bool = False) -> FusionModel:
    """Load a model file, or the shipped weights.

    Args:
        path: the file.
        much_to_do: whether to prepare it for many pixels: loading takes a tenth of a second more, and each look a
            third less.

    Raises:
        ModelError: the file is missing, corrupt, or not an allfocus model of this format.
    """
    chosen = SHIPPED if path is None else Path(path)
    try:
        changed = chosen.stat().st_mtime_ns
    except OSError as error:
        raise ModelError(f"{chosen}: can't be read ({error.strerror}); expected a model file (.onnx)") from error
    return _load(chosen, changed, much_to_do)


@lru_cache(maxsize=4)
def _load(path: Path, changed: int, much_to_do: bool) -> FusionModel:
    """Load `path`; `changed` (its time stamp) makes a file written anew load anew."""
    session = _open_session(path, much_to_do)
    inputs, outputs = ({value.name for value in values} for values in (session.get_inputs(), session.get_outputs()))
    metadata = session.get_modelmeta().custom_metadata_map
    if CARD_KEY not in metadata or inputs | {FINEST} != set(INPUTS) or outputs != set(OUTPUTS):
        raise ModelError(f"{path}: not an allfocus model; expected a file that `allfocus train` wrote")
    if session.get_inputs()[1].shape[1] != ENERGIES:
        raise ModelError(f"{path}: expects octaves of other channels than this version makes; train it again")
    return FusionModel(session, _read_card(path, metadata[CARD_KEY]))


def _open_session(path: Path, much_to_do: bool) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what is wrong is said once, by the exception
    # the file is simplified already: what is left to optimise is the order of numbers in memory, for this processor
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if much_to_do else level.ORT_DISABLE_ALL
    # threads that wait give the core back: spinning saves little time and costs much work
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # tiles differ in size, so a plan of the memory of one is of no use for the next
    options.enable_mem_pattern = False
    # tiles are worked on side by side, a thread each
    options.intra_op_num_threads = 1
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
        if card.pop("format") not in READ:
            raise ModelError(f"{path}: a model of another format than {FORMAT}; update allfocus or train it again")
        return ModelCard(**card)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(f"{path}: its model card is damaged ({error}); get or train it again") from error
