"""What the exported graph does along the frames, in operators that onnxruntime is quick at or that it knows at all."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from allfocus.train.network.frame_order import OPERATOR as RECURRENCE


def faster(graph: onnx.GraphProto) -> onnx.GraphProto:
    """The same graph, in which sum, mean and maximum over the frames take a fifth of the time, in place.

    onnxruntime reduces a first axis that is short by single numbers. A product with a row of ones has the same result
    as the sum, one with a row of 1 / N as the mean, and a running maximum, frame by frame, as the maximum: at the speed
    of memory.
    """
    nodes: list[onnx.NodeProto] = []
    constants = {init.name: numpy_helper.to_array(init) for init in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        replaced = REPLACED.get(node.op_type)
        if node.op_type == RECURRENCE:
            nodes += recurrence_over_frames(node)
        elif replaced and constants.get(node.input[1], np.array(-1)).tolist() == [0]:
            nodes += replaced(node.input[0], node.output[0])
        else:
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    return graph


def sum_over_frames(of: str, to: str, mean: bool = False) -> list[onnx.NodeProto]:
    """Nodes for the sum over the first axis, which stays with length 1, or for the mean."""

    def constant(name: str, values: Sequence[int]) -> onnx.NodeProto:
        return helper.make_node("Constant", [], [f"{to}/{name}"], value_ints=list(values))

    one = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])
    count = helper.make_node("Cast", [f"{to}/n"], [f"{to}/count"], to=TensorProto.FLOAT)
    share = helper.make_node("Div", [f"{to}/ones", f"{to}/count"], [f"{to}/shares"])  # N
    return [
        constant("rows", [0, -1]),
        helper.make_node("Reshape", [of, f"{to}/rows"], [f"{to}/flat"]),  # N C*h*w
        helper.make_node("Shape", [of], [f"{to}/n"], start=0, end=1),
        helper.make_node("ConstantOfShape", [f"{to}/n"], [f"{to}/ones"], value=one),
        *([count, share] if mean else []),
        helper.make_node("MatMul", [f"{to}/{'shares' if mean else 'ones'}", f"{to}/flat"], [f"{to}/sum"]),  # C*h*w
        helper.make_node("Shape", [of], [f"{to}/place"], start=1),
        constant("first", [1]),
        helper.make_node("Concat", [f"{to}/first", f"{to}/place"], [f"{to}/shape"], axis=0),
        helper.make_node("Reshape", [f"{to}/sum", f"{to}/shape"], [to]),
    ]


def maximum_over_frames(of: str, to: str) -> list[onnx.NodeProto]:
    """Nodes for the maximum over the first axis, which stays with length 1."""
    most, frame, more, first = f"{to}/most", f"{to}/frame", f"{to}/more", f"{to}/first"
    names = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 3) for name in (most, frame, more)]
    step = helper.make_graph([helper.make_node("Max", [most, frame], [more])], f"{to}/step", names[:2], names[2:])
    zero = helper.make_tensor("zero", TensorProto.INT64, [], [0])
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [0])
    return [
        helper.make_node("Constant", [], [f"{to}/zero"], value=zero),
        helper.make_node("Constant", [], [f"{to}/axes"], value=axes),
        helper.make_node("Gather", [of, f"{to}/zero"], [first], axis=0),
        helper.make_node("Scan", [first, of], [f"{to}/whole"], body=step, num_scan_inputs=1),
        helper.make_node("Unsqueeze", [f"{to}/whole", f"{to}/axes"], [to]),
    ]


def recurrence_over_frames(of: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Nodes for the recurrence of `frame_order`, in one direction."""
    (kept, written), (to,), backwards = of.input, of.output, of.attribute[0].i
    before, keep, write, left, after, told = (
        f"{to}/{name}" for name in ("before", "keep", "write", "left", "after", "told")
    )
    names = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 3) for name in (before, keep, write)]
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 3) for name in (after, told)]
    body = [
        helper.make_node("Mul", [keep, before], [left]),
        helper.make_node("Add", [left, write], [after]),
        helper.make_node("Identity", [after], [told]),
    ]
    first, start, zero = f"{to}/first", f"{to}/start", f"{to}/zero"
    nought = helper.make_tensor("zero", TensorProto.INT64, [], [0])
    return [
        helper.make_node("Constant", [], [zero], value=nought),
        helper.make_node("Gather", [written, zero], [first], axis=0),
        helper.make_node("Sub", [first, first], [start]),  # nothing, of the right size
        helper.make_node(
            "Scan",
            [start, kept, written],
            [f"{to}/end", to],
            body=helper.make_graph(body, f"{to}/step", names, results),
            num_scan_inputs=2,
            scan_input_directions=[backwards] * 2,
            scan_output_directions=[backwards],
        ),
    ]


#: What takes the place of which operator over the first axis.
REPLACED: dict[str, Callable[[str, str], list[onnx.NodeProto]]] = {
    "ReduceSum": sum_over_frames,
    "ReduceMean": partial(sum_over_frames, mean=True),
    "ReduceMax": maximum_over_frames,
}
