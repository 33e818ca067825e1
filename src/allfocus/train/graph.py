"""The network as one ONNX graph that runs an octave at a time.

Inference asks for the octaves one by one, coarse to fine, so that fine octaves of a large picture can run
in tiles; so the graph is one octave. It holds both parts of the network behind one switch:

    inputs   octave           (N, 4, h, w)      see `network.build_octaves`
             coarser_logits   (N, 1, h/2, w/2)  of the octave before; ignored by the glance
             coarser_context  (N, C, h/8, w/8)  of the octave before; ignored by the glance
             is_coarsest      ()                bool: glance, or look
    outputs  logits           (N, 1, h, w)
             context          (N, C, h/4, w/4)
             flaws            (1, 2, h/4, w/4)  log-odds, see `network.Flaws`; the glance's are empty: (1, 2, 0, 0)
"""

import io
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from allfocus.train.features import OCTAVE_CHANNELS, PATCH
from allfocus.train.network import Flaws, FusionNetwork, Glance, Look

OPSET = 18
OUTPUTS = ("logits", "context", "flaws")

#: Frame counts and octave sizes at which torch and onnxruntime are compared, multiples of 2 * PATCH.
PROBES = ((2, 8, 8), (3, 136, 40), (7, 48, 152), (12, 24, 16))


class GlanceOctave(nn.Module):
    """`Glance` of a single stack: what the graph's first branch computes."""

    def __init__(self, glance: Glance) -> None:
        super().__init__()
        self.glance = glance

    def forward(self, octave: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See `Glance.forward`."""
        logits, context = self.glance(octave, 1)
        return logits, context, octave.new_zeros(1, Flaws.KINDS, 0, 0)


class LookOctave(nn.Module):
    """`Look` at a single stack: what the graph's second branch computes."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.look = look

    def forward(self, octave: Tensor, coarser_logits: Tensor, coarser_context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See `Look.forward`."""
        logits, context = self.look(octave, coarser_logits, coarser_context, 1)
        return logits, context, self.look.flaws(octave, logits, context, 1)


def build(network: FusionNetwork) -> onnx.ModelProto:
    """Both parts of the network in one model, dynamic in frames, height and width."""
    width = network.config.width
    octave = torch.zeros(3, OCTAVE_CHANNELS, 160, 136)
    logits, context = octave[:, :1, ::2, ::2], torch.zeros(3, width, 20, 17)
    glance = trace(GlanceOctave(network.glance), {"octave": octave})
    look = trace(LookOctave(network.look), {"octave": octave, "coarser_logits": logits, "coarser_context": context})
    node = helper.make_node(
        "If",
        ["is_coarsest"],
        OUTPUTS,
        then_branch=as_branch(glance, "glance"),
        else_branch=as_branch(look, "look"),
    )
    floats = TensorProto.FLOAT
    inputs = [
        helper.make_tensor_value_info("octave", floats, ["n", OCTAVE_CHANNELS, "h", "w"]),
        helper.make_tensor_value_info("coarser_logits", floats, ["n", 1, "h/2", "w/2"]),
        helper.make_tensor_value_info("coarser_context", floats, ["n", width, "h/8", "w/8"]),
        helper.make_tensor_value_info("is_coarsest", TensorProto.BOOL, []),
    ]
    outputs = [
        helper.make_tensor_value_info("logits", floats, ["n", 1, "h", "w"]),
        helper.make_tensor_value_info("context", floats, ["n", width, "h/4", "w/4"]),
        helper.make_tensor_value_info("flaws", floats, [1, Flaws.KINDS, "flaws_h", "flaws_w"]),
    ]
    graph = helper.make_graph([node], "allfocus", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    model = simplified(model)
    onnx.checker.check_model(model)
    return model


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
    """Largest difference between what torch and onnxruntime answer, at several sizes.

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
        fed = {
            "octave": rng.random((frames, OCTAVE_CHANNELS, height, width), np.float32),
            "coarser_logits": rng.normal(0, 3, (frames, 1, height // 2, width // 2)).astype(np.float32),
            "coarser_context": rng.random(
                (frames, network.config.width, height // 2 // PATCH, width // 2 // PATCH), np.float32
            ),
        }
        octave, logits, context = (torch.from_numpy(value) for value in fed.values())
        with torch.no_grad():
            glanced, looked = GlanceOctave(network.glance)(octave), LookOctave(network.look)(octave, logits, context)
        for coarsest, answers in {True: glanced, False: looked}.items():
            found = session.run(OUTPUTS, {**fed, "is_coarsest": np.array(coarsest)})
            gaps = [np.abs(one - other.numpy()).max(initial=0) for one, other in zip(found, answers, strict=True)]
            worst = max(worst, *map(float, gaps)) if np.isfinite(gaps).all() else np.inf
    return worst
