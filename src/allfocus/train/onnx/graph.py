"""The network as one ONNX graph that runs a level at a time.

Inference asks for the levels one by one, coarse to fine, so that fine levels of a large picture can run
in tiles; so the graph is one level. It holds the parts of the network behind two switches:

    inputs   pixels      (N, 3, h, w)      of the level, see `features.Octave`
             energy      (N, 2, h/4, w/4)  of the level; ignored by the flaws
             logits_in   (N, 1, h/2, w/2)  of the level before; ignored by the glance; for the flaws (N, 1, h, w)
             context_in  (N, C, h/8, w/8)  of the level before; ignored by the glance
             is_coarsest ()                bool: glance
             is_answered ()                bool: else, look; or find the flaws: then the logits are this level's own
             is_finest   ()                bool: look at the finest level, for which there may be a look of its own
             is_second   ()                bool: the same for the second finest
Frames come in the order of focus, from either end, if the network is to know it.

    outputs  logits      (N, 1, h, w)      none of the flaws' part
             context     (N, C, h/4, w/4)  none of the flaws' part, nor of the finest look's
             flaws       (1, 2, h/4, w/4)  log-odds, see `network.Flaws`; none of the others

where none is an array without elements.
"""

import io
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from allfocus.core.color import Array
from allfocus.train.network.features import ENERGIES, PATCH, Octave
from allfocus.train.network.flaws import Flaws
from allfocus.train.network.fusion_network import FusionNetwork, Glance, Look
from allfocus.train.onnx.over_frames import faster

OPSET = 18
INPUTS = ("pixels", "energy", "logits_in", "context_in")
SWITCHES = ("is_coarsest", "is_answered", "is_finest", "is_second")
FINEST, SECOND = SWITCHES[2:]
OUTPUTS = ("logits", "context", "flaws")

#: Frame counts and level sizes at which torch and onnxruntime are compared, multiples of 2 * PATCH.
PROBES = ((2, 8, 8), (3, 136, 40), (7, 48, 152), (12, 24, 16))


class GlanceOctave(nn.Module):
    """`Glance` of a single stack: what the graph's first branch computes."""

    def __init__(self, glance: Glance) -> None:
        super().__init__()
        self.glance = glance

    def forward(self, pixels: Tensor, energy: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See `Glance.forward`."""
        logits, context = self.glance(Octave(pixels, energy), 1)
        return logits, context, pixels.new_zeros(1, 1, 0, 0)


class LookOctave(nn.Module):
    """`Look` at a single stack: what the graph's second branch computes, and others for the two finest levels."""

    def __init__(self, look: Look, finest: bool = False) -> None:
        super().__init__()
        self.look, self.finest = look, finest

    def forward(
        self, pixels: Tensor, energy: Tensor, logits_in: Tensor, context_in: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """See `Look.forward`."""
        logits, context = self.look(Octave(pixels, energy), logits_in, context_in, 1)
        nothing = pixels.new_zeros(1, 1, 0, 0)
        return logits, nothing if self.finest else context, nothing


class FlawsOctave(nn.Module):
    """`Flaws` at a single stack: what the graph's third branch computes."""

    def __init__(self, flaws: Flaws) -> None:
        super().__init__()
        self.flaws = flaws

    def forward(self, pixels: Tensor, logits_in: Tensor, context_in: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See `Flaws.forward`."""
        nothing = pixels.new_zeros(1, 1, 0, 0)
        return nothing, nothing, self.flaws(pixels, logits_in, context_in, 1)


def build(network: FusionNetwork) -> onnx.ModelProto:
    """All parts of the network in one model, dynamic in frames, height and width."""
    width = network.config.width
    octave = {"pixels": torch.zeros(3, 3, 160, 136), "energy": torch.zeros(3, ENERGIES, 40, 34)}
    logits, context = octave["pixels"][:, :1], torch.zeros(3, width, 40, 34)
    coarser = {"logits_in": logits[..., ::2, ::2], "context_in": context[..., ::2, ::2]}
    answer = {"pixels": octave["pixels"], "logits_in": logits, "context_in": coarser["context_in"]}
    glance = faster(trace(GlanceOctave(network.glance), octave))
    looks = as_branch(faster(trace(LookOctave(network.look), {**octave, **coarser})), "look")
    for switch, look in own_looks(network).items():
        traced = faster(trace(LookOctave(look, finest=switch == FINEST), {**octave, **coarser}))
        looks = chosen_branch(switch, as_branch(traced, switch), looks, f"not_{switch}")
    flaws = faster(trace(FlawsOctave(network.flaws), answer))
    finer = chosen_branch("is_answered", as_branch(flaws, "flaws"), looks, "finer")
    floats = TensorProto.FLOAT
    inputs = [
        helper.make_tensor_value_info("pixels", floats, ["n", 3, "h", "w"]),
        helper.make_tensor_value_info("energy", floats, ["n", ENERGIES, "h/4", "w/4"]),
        helper.make_tensor_value_info("logits_in", floats, ["n", 1, "h_in", "w_in"]),
        helper.make_tensor_value_info("context_in", floats, ["n", width, "h_in/4", "w_in/4"]),
        *(helper.make_tensor_value_info(switch, TensorProto.BOOL, []) for switch in SWITCHES),
    ]
    outputs = [helper.make_tensor_value_info(output, floats, [None] * 4) for output in OUTPUTS]
    graph = helper.make_graph(
        [choice("is_coarsest", as_branch(glance, "glance"), finer, OUTPUTS)], "allfocus", inputs, outputs
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    model = simplified(model)
    onnx.checker.check_model(model)
    return model


def own_looks(network: FusionNetwork) -> dict[str, Look]:
    """The looks at the finest and the second finest level alone, as far as there are any, by their switches."""
    looks = {FINEST: network.fine, SECOND: network.second}
    return {switch: look for switch, look in looks.items() if look is not None}


def choice(condition: str, true: onnx.GraphProto, false: onnx.GraphProto, outputs: Sequence[str]) -> onnx.NodeProto:
    """A node that runs one of two branches."""
    return helper.make_node("If", [condition], list(outputs), then_branch=true, else_branch=false)


def chosen_branch(condition: str, true: onnx.GraphProto, false: onnx.GraphProto, name: str) -> onnx.GraphProto:
    """A branch that is one of two others."""
    outputs = [f"{name}/{output}" for output in OUTPUTS]
    made = [helper.make_empty_tensor_value_info(output) for output in outputs]
    return helper.make_graph([choice(condition, true, false, outputs)], name, [], made)


def simplified(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model without the arithmetic on shapes that tracing leaves behind: it loads in half the time.

    onnxruntime does it, at the level that keeps to standard operators.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = str(Path(folder) / "simplified.onnx")
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        simpler = onnx.load(options.optimized_model_filepath)
    # it lists every operator set that it knows; ours uses the standard one
    standard = [entry for entry in simpler.opset_import if not entry.domain]
    del simpler.opset_import[:]
    simpler.opset_import.extend(standard)
    return simpler


def trace(part: nn.Module, inputs: dict[str, Tensor]) -> onnx.GraphProto:
    """Export one part with every size dynamic.

    The tracing exporter is used on purpose: for this network it takes a second where the newer one takes a
    minute, and it leaves no sample size in the graph (`disagreement` checks other sizes).
    """
    buffer = io.BytesIO()
    axes = {name: {0: "n", 2: f"{name}_h", 3: f"{name}_w"} for name in (*inputs, *OUTPUTS)}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # deprecation of the exporter, slices that it can't fold
        torch.onnx.export(
            part.eval(),
            tuple(inputs.values()),
            buffer,  # type: ignore[arg-type]  # the tracing exporter writes to open files too
            dynamo=False,
            input_names=list(inputs),
            output_names=list(OUTPUTS),
            dynamic_axes=axes,
            opset_version=OPSET,
        )
    return onnx.load_from_string(buffer.getvalue()).graph


def as_branch(graph: onnx.GraphProto, name: str) -> onnx.GraphProto:
    """A branch of an If: the same graph with names of its own, reading the inputs of the graph around it."""
    renamed = onnx.compose.add_prefix_graph(graph, f"{name}/", rename_inputs=False)
    return helper.make_graph(list(renamed.node), name, [], list(renamed.output), list(renamed.initializer))


def disagreement(network: FusionNetwork, content: bytes) -> float:
    """Largest difference between what torch and onnxruntime answer, at several sizes, as a share of the largest answer.

    Of answers below 1 the difference itself: rounding grows with the numbers, and logits run into the tens.

    Args:
        network: on the CPU.
        content: the serialised model.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    worst = 0.0
    for frames, height, width in PROBES:
        pixels = rng.random((frames, 3, height, width), np.float32)
        energy = rng.random((frames, ENERGIES, height // PATCH, width // PATCH), np.float32)
        context = rng.random((frames, network.config.width, height // 2 // PATCH, width // 2 // PATCH), np.float32)
        parts: list[tuple[nn.Module, str | None, int, Sequence[str]]] = [
            (GlanceOctave(network.glance), "is_coarsest", 2, ("pixels", "energy")),
            (LookOctave(network.look), None, 2, INPUTS),
            (FlawsOctave(network.flaws), "is_answered", 1, ("pixels", "logits_in", "context_in")),
        ]
        for switch, look in own_looks(network).items():
            parts.append((LookOctave(look, finest=switch == FINEST), switch, 2, INPUTS))
        for part, asked, scale, used in parts:
            rows, columns = height // scale, width // scale
            logits = rng.normal(0, 3, (frames, 1, rows, columns)).astype(np.float32)
            fed = dict(zip(INPUTS, (pixels, energy, logits, context), strict=True))
            arguments = [fed[name] for name in used]
            with torch.no_grad():
                expected = part(*(torch.from_numpy(value) for value in arguments))
            switches = {name: np.array(name == asked) for name in SWITCHES}
            found = session.run(OUTPUTS, {**fed, **switches})
            gaps = [gap_between(one, other.numpy()) for one, other in zip(found, expected, strict=True)]
            worst = max(worst, *map(float, gaps)) if np.isfinite(gaps).all() else np.inf
    return worst


def gap_between(found: Array, expected: Array) -> float:
    """The largest difference, as a share of the largest value if that is above 1."""
    return float(np.abs(found - expected).max(initial=0) / np.abs(expected).max(initial=1))
