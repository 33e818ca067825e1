"""Model files before they are loaded: read as ONNX stores them, and held to what the graphs that we export are made of.

An ONNX file is a message of Protocol Buffers (encoding: protobuf.dev; fields: onnx.proto of ONNX 1.16). Only what is
needed to check it is read here: which operators, how large the constants, and whether anything lies outside of it.
"""

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from allfocus.core.color import Array

#: Operators of the graphs that training exports, and their like. None of them repeats anything but along an axis.
OPERATORS = frozenset((
    "Abs", "Add", "And", "AveragePool", "Cast", "Clip", "Concat", "Constant", "ConstantOfShape", "Conv", "CumSum",
    "DepthToSpace", "Div", "Equal", "Erf", "Exp", "Floor", "Gather", "Greater", "Identity", "If", "LayerNormalization",
    "Less", "Log", "MatMul", "Max", "Min", "Mul", "Neg", "Not", "Or", "Pad", "Pow", "ReduceMax", "ReduceMean",
    "ReduceMin", "ReduceSum", "Relu", "Reshape", "Resize", "Scan", "Shape", "Sigmoid", "Slice", "Softmax", "Softplus",
    "Split", "Sqrt", "Squeeze", "Sub", "Tanh", "Transpose", "Trilu", "Unsqueeze", "Where",
))  # fmt: skip
#: Bytes of a file, operators in it, branches within branches, and the largest whole number: ours need a tenth.
MOST_BYTES, MOST_NODES, DEEPEST, LARGEST = 1 << 30, 20_000, 8, 1 << 16
#: Stands for the end of an axis.
ENDLESS = 1 << 62

#: Numbers of fields: of a model, a graph, an operator, an attribute and a tensor.
GRAPH, OPSETS, PROPERTIES, TRAINING, FUNCTIONS = 7, 8, 14, 20, 25
NODES, INITIALIZERS, INPUT, SPARSE_INITIALIZERS = 1, 5, 11, 15
#: The way from an input to its axes: its type, that of a tensor, the shape, an axis.
TO_AXES = (2, 1, 2, 1)
#: How many axes the inputs of our graphs have: pictures, and switches.
AXES = (4, 0)
OPERATOR, ATTRIBUTES, DOMAIN = 4, 5, 7
WHOLE, TENSOR, INNER, WHOLES, TENSORS, INNERS, SPARSE, SPARSES = 3, 5, 6, 8, 10, 11, 22, 23
KIND, WHOLE_DATA, RAW_DATA, EXTERNAL_DATA, LOCATION = 2, 7, 9, 13, 14
INT64 = 7

#: How the value of a field is stored.
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class Field(NamedTuple):
    """A field of a message: its number, where it starts, where its value starts and ends, and its value if a number."""

    number: int
    start: int
    content: int
    end: int
    value: int


def list_fields(data: bytes, start: int, end: int) -> Iterator[Field]:
    """Each field of a message that lies between two places; raises `ValueError` where it is damaged."""
    while start < end:
        key, place = read_varint(data, start, end)
        number, kind, value = key >> 3, key & 7, 0
        if kind == VARINT:
            content = place
            value, place = read_varint(data, place, end)
        elif kind == BYTES:
            length, content = read_varint(data, place, end)
            place = content + length
        elif kind in (FIXED64, FIXED32):
            content, place = place, place + (8 if kind == FIXED64 else 4)
        else:
            raise ValueError("a field of an unknown kind")
        if place > end:
            raise ValueError("cut short")
        yield Field(number, start, content, place, value)
        start = place


def read_varint(data: bytes, place: int, end: int) -> tuple[int, int]:
    """A number of seven bits a byte, and the place behind it; raises `ValueError` where it does not end."""
    value = 0
    for step in range(10):
        if place + step >= end:
            break
        byte = data[place + step]
        value |= (byte & 127) << 7 * step
        if byte < 128:
            return value, place + step + 1
    raise ValueError("a number that does not end")


def read_properties(data: bytes) -> dict[str, str]:
    """The metadata of a model file by their keys; raises `ValueError` where it is damaged."""
    return {
        key: value for field in list_fields(data, 0, len(data)) for key, value in [read_property(data, field)] if key
    }


def read_property(data: bytes, field: Field) -> tuple[str, str]:
    """Key and value of a field of a model; no key where it is none of its metadata."""
    if field.number != PROPERTIES:
        return "", ""
    parts = {part.number: data[part.content : part.end] for part in list_fields(data, field.content, field.end)}
    return parts.get(1, b"").decode(), parts.get(2, b"").decode()


def digest(data: bytes, besides: str) -> str:
    """The SHA-256 of a model file, but for its metadata of one key: those that hold the checksum itself.

    Raises:
        ValueError: it is damaged.
    """
    found = hashlib.sha256()
    for field in list_fields(data, 0, len(data)):
        if read_property(data, field)[0] != besides:
            found.update(memoryview(data)[field.start : field.end])
    return f"sha256:{found.hexdigest()}"


def check_graph(data: bytes) -> None:
    """Raise `ValueError` for a model file that is damaged, or holds what no graph of ours does."""
    graphs: list[tuple[Field, int]] = []
    for field in list_fields(data, 0, len(data)):
        if field.number in (TRAINING, FUNCTIONS):
            raise ValueError("it holds functions of its own")
        if field.number == GRAPH:
            graphs.append((field, 0))
    nodes = 0
    while graphs:
        graph, depth = graphs.pop()
        for field in list_fields(data, graph.content, graph.end):
            if field.number == NODES:
                nodes += 1
                graphs += [(inner, depth + 1) for inner in check_node(data, field)]
            elif field.number == INITIALIZERS:
                check_tensor(data, field)
            elif field.number == SPARSE_INITIALIZERS:
                raise ValueError("it holds sparse constants")
            elif field.number == INPUT and not depth and count_axes(data, field) not in AXES:
                raise ValueError("its inputs have other axes than those of ours")  # which onnxruntime takes on trust
        if nodes > MOST_NODES or depth > DEEPEST:
            raise ValueError("it holds more operators than any of ours")


def count_axes(data: bytes, value: Field) -> int:
    """How many axes an input has."""
    parts = [value]
    for number in TO_AXES:
        inner = [field for part in parts for field in list_fields(data, part.content, part.end)]
        parts = [field for field in inner if field.number == number and data[field.start] & 7 == BYTES]
    return len(parts)


def check_node(data: bytes, node: Field) -> list[Field]:
    """The graphs within an operator; raises `ValueError` for one that ours don't use."""
    inner = []
    for field in list_fields(data, node.content, node.end):
        text = data[field.content : field.end].decode("utf-8", "replace") if field.number in (OPERATOR, DOMAIN) else ""
        if field.number == OPERATOR and text not in OPERATORS:
            raise ValueError(f"it uses the operator {text:.40}")
        if field.number == DOMAIN and text not in ("", "ai.onnx"):
            raise ValueError(f"it uses operators of {text:.40}")
        if field.number == ATTRIBUTES:
            inner += check_attribute(data, field)
    return inner


def check_attribute(data: bytes, attribute: Field) -> list[Field]:
    """The graphs in an attribute of an operator; raises `ValueError` for numbers and constants that ours don't have."""
    inner = []
    for field in list_fields(data, attribute.content, attribute.end):
        if field.number in (INNER, INNERS):
            inner.append(field)
        elif field.number in (TENSOR, TENSORS):
            check_tensor(data, field)
        elif field.number in (SPARSE, SPARSES):
            raise ValueError("it holds sparse constants")
        elif field.number in (WHOLE, WHOLES):
            check_numbers(list_numbers(data, field))
    return inner


def check_tensor(data: bytes, tensor: Field) -> None:
    """Raise `ValueError` for a constant that lies outside of the file, or is too large a number."""
    fields = list(list_fields(data, tensor.content, tensor.end))
    if any(field.number == EXTERNAL_DATA or (field.number == LOCATION and field.value) for field in fields):
        raise ValueError("its constants lie in another file")
    if any(field.number == KIND and field.value == INT64 for field in fields):
        for field in fields:
            if field.number == RAW_DATA:
                raw = data[field.content : field.end]
                check_numbers(np.frombuffer(raw, "<i8", len(raw) // 8))
            elif field.number == WHOLE_DATA:
                check_numbers(list_numbers(data, field))


def list_numbers(data: bytes, field: Field) -> Array:
    """The whole numbers in a field, of which there may be one or many."""
    numbers, place = [field.value], field.content
    if data[field.start] & 7 == BYTES:
        numbers = []
        while place < field.end:
            value, place = read_varint(data, place, field.end)
            numbers.append(value)
    return np.array(numbers, np.uint64).view(np.int64)


def check_numbers(numbers: Array) -> None:
    """Raise `ValueError` for a size or place that no graph of ours names."""
    if ((numbers > LARGEST) & (numbers < ENDLESS)).any() or ((numbers < -LARGEST) & (numbers > -ENDLESS)).any():
        raise ValueError("it holds larger numbers than any of ours")
