"""Models: the ONNX file that training wrote, its card, and the pyramid levels that it answers."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from allfocus.core.color import FloatArray
from allfocus.core.pyramid import ENERGIES, PATCH, PyramidLevel
from allfocus.decision.model_card import FORMAT as FORMAT
from allfocus.decision.model_card import MOST_BLOCKS, check_format, read_card
from allfocus.decision.model_card import ModelCard as ModelCard
from allfocus.decision.onnx_file import MOST_BYTES, check_graph, digest, read_properties
from allfocus.decision.session import Session, open_session, release_options
from allfocus.errors import ModelError, OptionError, printable
from allfocus.options import Device

#: The weights that ship with the package.
SHIPPED = Path(__file__).parents[1] / "weights" / "default.onnx"
#: Key of the model card, as JSON, in the metadata of the ONNX file.
CARD_KEY = "allfocus"
INPUTS = ("pixels", "energy", "logits_in", "context_in", "is_coarsest", "is_answered", "is_finest", "is_second")
#: Which of them files of earlier formats lack, where one look serves more levels.
NEWER = {"is_finest", "is_second"}
OUTPUTS = ("logits", "context", "flaws")
#: Coarser logits beyond this, relative to their mean over the frames, are certain enough.
LOGIT_RANGE = 12.0
#: Features that a level hands on: training allows an eighth of these.
MOST_CHANNELS = 4096
#: Judging needs no energy.
NO_ENERGY = np.zeros((1, 2, 1, 1), np.float32)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the network says about a pyramid level.

    Attributes:
        logits: (N, 1, h, w), which frame is in focus.
        context: (N, C, h/4, w/4), features for the next finer level; of the finest level there may be none.
    """

    logits: FloatArray
    context: FloatArray


class Network(Protocol):
    """What answers pyramid levels: `FusionModel`, or anything that computes the same elsewhere.

    Attributes:
        wants_order: whether the frames have to come in the order of focus, from either end.
        knows_quality: whether it can `judge`.
    """

    @property
    def wants_order(self) -> bool: ...  # noqa: D102
    @property
    def knows_quality(self) -> bool: ...  # noqa: D102

    def reach(self, octave: int) -> int: ...  # noqa: D102
    def answer_coarsest(self, level: PyramidLevel) -> Answer: ...  # noqa: D102
    def refine(self, level: PyramidLevel, coarser: Answer, octave: int) -> Answer: ...  # noqa: D102
    def judge(self, pixels: FloatArray, answer: Answer) -> FloatArray: ...  # noqa: D102
    def give_back(self) -> None: ...  # noqa: D102


class FusionModel:
    """A loaded network.

    Attributes:
        card: what it says about itself.
        device: where it computes, and in `device_note` what a user should know of that, or nothing.
    """

    def __init__(self, opened: Session, card: ModelCard) -> None:
        self.card, self.device, self.device_note = card, opened.device, opened.note
        self._session = opened
        inputs = opened.session.get_inputs()
        self._inputs = [value.name for value in inputs]
        self._context_channels = next(int(value.shape[1]) for value in inputs if value.name == INPUTS[3])

    def __repr__(self) -> str:
        return f"<FusionModel {self.card.name!r} on {self.device}>"

    def reach(self, octave: int) -> int:
        """How far, in pixels of the level `octave` (0 is the finest), it sees around a pixel when it refines."""
        own = ("fine", "second")[octave] if octave < 2 else ""
        if own and self._network.get(f"{own}_width"):
            return reach_of(int(self._network[f"{own}_depth"]))
        return reach_of(int(self._network.get("depth", MOST_BLOCKS)))

    @property
    def wants_order(self) -> bool:
        """Whether the order of the frames matters: that of focus is expected, from either end."""
        return bool(self._network.get("order"))

    @property
    def _network(self) -> dict[str, Any]:
        network: dict[str, Any] = self.card.recipe.get("network", {})
        return network

    @property
    def knows_quality(self) -> bool:
        """Whether it can `judge`."""
        return self.card.knows_flaws

    def answer_coarsest(self, level: PyramidLevel) -> Answer:
        """Answer the coarsest level, which shows the whole picture.

        Args:
            level: height and width multiples of 4, N >= 2.
        """
        frames = len(level.pixels)
        nothing = np.zeros((frames, 1, PATCH, PATCH), np.float32)
        context = np.zeros((frames, self._context_channels, 1, 1), np.float32)
        logits, context, _ = self._run(level.pixels, level.energy, nothing, context, is_coarsest=True)
        return Answer(logits=logits, context=context)

    def refine(self, level: PyramidLevel, coarser: Answer, octave: int) -> Answer:
        """Answer one level, given the answer to the next coarser one.

        Args:
            level: height and width multiples of 8.
            coarser: at half the size.
            octave: which level it is; 0 is the finest.
        """
        known = coarser.logits, coarser.context
        logits, context, _ = self._run(level.pixels, level.energy, *known, octave=octave)
        return Answer(logits=logits, context=context)

    def judge(self, pixels: FloatArray, answer: Answer) -> FloatArray:
        """Say where in the finest level no choice is good, given what was chosen.

        Args:
            pixels: (N, 3, h, w) float32, of that level, h and w multiples of 8.
            answer: its logits, and the features of the next coarser level, (N, C, h/8, w/8).

        Returns:
            (2, h/4, w/4), log-odds that a place is sharp in no frame, and that it is veiled.
        """
        found: FloatArray = self._run(pixels, NO_ENERGY, answer.logits, answer.context, is_answered=True)[2][0]
        return found

    def give_back(self) -> None:
        """Give back the memory that is kept from answer to answer: those to come will be of other sizes.

        The smallest level is answered for that, since it happens at the end of an answer. Other devices have memory of
        their own.
        """
        if self.device != "cpu":
            return
        pixels, energy = np.zeros((2, 3, 2 * PATCH, 2 * PATCH), np.float32), np.zeros((2, ENERGIES, 2, 2), np.float32)
        context = np.zeros((2, self._context_channels, 1, 1), np.float32)
        self._run(pixels, energy, np.zeros((2, 1, PATCH, PATCH), np.float32), context, options=release_options())

    def _run(
        self,
        pixels: FloatArray,
        energy: FloatArray,
        logits: FloatArray,
        context: FloatArray,
        is_coarsest: bool = False,
        is_answered: bool = False,
        octave: int | None = None,
        options: Any = None,
    ) -> list[FloatArray]:
        switches = np.array([is_coarsest, is_answered, octave == 0, octave == 1])
        named = dict(zip(INPUTS, (pixels, energy, logits, context, *switches), strict=True))
        fed = {name: np.ascontiguousarray(named[name]) for name in self._inputs}
        try:
            found: list[FloatArray] = self._session.run(list(OUTPUTS), fed, options)
        except Exception as error:  # of classes of onnxruntime's own
            raise ModelError(
                f"the model {self.card.name} can't compute this: {printable(str(error).partition(chr(10))[0])}"
            ) from error
        wanted = np.shape(pixels)[2:] if not is_answered else np.shape(pixels[..., ::PATCH, ::PATCH])[2:]
        answer = found[2] if is_answered else found[0]
        if answer.ndim != 4 or answer.shape[2:] != wanted or not np.isfinite(answer).all():
            raise ModelError(f"the model {self.card.name} gives no answer that makes sense; get or train it again")
        return found


def reach_of(blocks: int) -> int:
    """How far a network of so many blocks sees: two patches by the measures, one by each block and one by the head.

    Rounded up to whole patches of the next coarser level.
    """
    return PATCH * (blocks + 3 + (blocks + 3) % 2)


def require_quality(path: Path | None) -> None:
    """Raise `OptionError` for a model that has not learned where no frame is good; None: the shipped one."""
    if not load_model(path).card.knows_flaws:
        raise OptionError(f"out-of-focus, veiled: {path} has not learned them; leave them out, or train it for longer")


def load_model(path: Path | None = None, is_large: bool = False, device: Device = "cpu") -> FusionModel:
    """Load a model file, or the shipped weights.

    Args:
        path: the file.
        is_large: whether to prepare it for many pixels: loading takes a tenth of a second more, and each look a
            third less.
        device: where it computes.

    Raises:
        MissingExtraError: the device can't be used here.
        ModelError: the file is missing, corrupt, or not an allfocus model of this format.
    """
    chosen = SHIPPED if path is None else Path(path)
    try:
        changed = chosen.stat().st_mtime_ns
    except OSError as error:
        raise ModelError(f"{chosen}: can't be read ({error.strerror}); expected a model file (.onnx)") from error
    return _load(chosen, changed, is_large, device)


@lru_cache(maxsize=4)
def _load(path: Path, changed: int, is_large: bool, device: Device) -> FusionModel:
    """Load `path`; `changed` (its time stamp) makes a file written anew load anew."""
    content = read_content(path)
    metadata = check_content(path, content)
    opened = open_session(path, content, is_large, path == SHIPPED, device)
    session = opened.session
    try:
        shapes = {value.name: value.shape for value in session.get_inputs()}
        inputs, outputs = set(shapes), {value.name for value in session.get_outputs()}
    except ValueError as error:  # names that are no text
        raise ModelError(f"{path}: corrupt; get or train it again") from error
    if inputs | NEWER != set(INPUTS) or outputs != set(OUTPUTS):
        raise ModelError(f"{path}: not an allfocus model; expected a file that `allfocus train` wrote")
    sizes = [shapes[name] for name in INPUTS[:4]]
    if any(len(size) != 4 for size in sizes) or sizes[1][1] != ENERGIES or sizes[3][1] not in range(1, MOST_CHANNELS):
        raise ModelError(f"{path}: expects levels of other channels than this version makes; train it again")
    card = read_card(path, metadata[CARD_KEY])
    if card.checksum is not None and card.checksum != digest(content, CARD_KEY):
        raise ModelError(f"{path}: damaged, its checksum is not that of its card; get or train it again")
    return FusionModel(opened, card)


def read_content(path: Path) -> bytes:
    """The bytes of a model file; raises `ModelError` where it can't be read or is far longer than any."""
    try:
        if not path.is_file() or path.stat().st_size > MOST_BYTES:
            raise ModelError(f"{path}: can't be read (no file, or too long); expected a model file (.onnx)")
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: can't be read ({error.strerror})") from error


def check_content(path: Path, content: bytes) -> dict[str, str]:
    """The metadata of a model file that holds nothing but what ours do; raises `ModelError` for others."""
    try:
        metadata = read_properties(content)
    except ValueError as error:
        raise ModelError(f"{path}: corrupt, or no ONNX model at all; get or train it again") from error
    if CARD_KEY not in metadata:
        raise ModelError(f"{path}: not an allfocus model; expected a file that `allfocus train` wrote")
    check_format(path, metadata[CARD_KEY])  # before its graph, which may be another in another format
    if path == SHIPPED:
        return metadata  # which was checked when it was made; the walk takes as long as opening it
    try:
        check_graph(content)
    except ValueError as error:
        raise ModelError(f"{path}: no model that allfocus exports ({error}); get or train it again") from error
    return metadata
