"""A .tflite file as plain facts: tensors, operators and what they point to, all of it checked against the file."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pennyweight.core.errors import GraphError
from pennyweight.deploy.tflite.flatbuffer import Table
from pennyweight.deploy.tflite.schema import (
    BUILTIN_NAMES,
    DTYPES,
    IDENTIFIER,
    METADATA_NAME,
    OPTION_DEFAULTS,
    OPTION_FORMATS,
    OPTIONS,
    VERSION,
    Buffer,
    Builtin,
    Metadata,
    OperatorCode,
    QuantizationParameters,
    SubGraph,
    TensorType,
)
from pennyweight.deploy.tflite.schema import Model as ModelField
from pennyweight.deploy.tflite.schema import Operator as OperatorField
from pennyweight.deploy.tflite.schema import Tensor as TensorField
from pennyweight.net.integer.quantization import Quantization
from pennyweight.net.ops import Shape

MAX_INPUTS = 1_000
MAX_DIMENSIONS = 8
MAX_NUMBERS = 1 << 26
"""No tensor of a network for a microcontroller is larger; a file that says so would only exhaust the memory here."""


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A tensor: what it is called, its shape with the batch, its type, and its numbers where they are constant."""

    name: str
    shape: Shape
    type: TensorType
    data: npt.NDArray[Any] | None
    scales: npt.NDArray[np.float32]
    zero_points: npt.NDArray[np.int64]
    quantized_dimension: int

    @property
    def quantization(self) -> Quantization:
        """How its integers stand for real numbers. Raises GraphError where there is not one scale and zero point.

        uint8 is moved into int8's range.
        """
        if len(self.scales) != 1 or len(self.zero_points) != 1:
            raise GraphError(
                f"its tensor has {len(self.scales)} scales and {len(self.zero_points)} zero points, not one"
            )
        return Quantization(float(self.scales[0]), int(self.zero_points[0]) - 128 * (self.type == TensorType.UINT8))


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator: tensors that it reads (-1: one that is left out) and makes, by number, and its options by name."""

    builtin: Builtin
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """What a file holds: `input` and `output` number the tensors that go in and come out."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    input: int
    output: int
    metadata: memoryview | None


def parse(content: bytes) -> Model:
    """The facts of a file. Raises GraphError for one that is damaged, or has what we cannot read: all of it named."""
    view = memoryview(content)
    root = Table.root(view, IDENTIFIER)
    version = root.number(ModelField.VERSION, "I")
    if version != VERSION:
        raise GraphError(f"it follows version {version} of the schema; this program knows {VERSION}")
    graphs = root.tables(ModelField.SUBGRAPHS)
    if len(graphs) != 1:
        raise GraphError(f"it holds {len(graphs)} graphs; this program reads files with one")
    (graph,) = graphs
    operators = graph.tables(SubGraph.OPERATORS)
    codes = _codes(root, operators)
    buffers = root.tables(ModelField.BUFFERS)
    tensors = tuple(_tensor(table, buffers) for table in graph.tables(SubGraph.TENSORS))
    ends = [graph.array(field, "<i4")[:2].tolist() for field in (SubGraph.INPUTS, SubGraph.OUTPUTS)]
    if any(len(end) != 1 or not 0 <= end[0] < len(tensors) for end in ends):
        raise GraphError("it has not one input and one output, which is what this program reads")
    return Model(
        tensors,
        tuple(_operator(table, code, len(tensors)) for table, code in zip(operators, codes, strict=True)),
        ends[0][0],
        ends[1][0],
        _metadata(root, buffers),
    )


def _codes(root: Table, operators: list[Table]) -> list[Builtin]:
    """What each operator is. Raises GraphError with the names and counts of all that we cannot read."""
    kinds = [_code(table) for table in root.tables(ModelField.OPERATOR_CODES)]
    used = []
    for operator in operators:
        index = operator.number(OperatorField.OPCODE_INDEX, "I")
        if index >= len(kinds):
            raise GraphError(f"an operator of kind {index} among {len(kinds)}")
        used.append(kinds[index])
    unread = Counter(kind for kind in used if isinstance(kind, str))
    if unread:
        names = ", ".join(f"{count} x {name}" for name, count in unread.items())
        raise GraphError(
            f"it has operators that this program cannot read: {names}",
            hint="it reads " + ", ".join(builtin.name for builtin in Builtin),
        )
    return [kind for kind in used if isinstance(kind, Builtin)]


def _code(table: Table) -> Builtin | str:
    number = max(table.number(OperatorCode.DEPRECATED_BUILTIN_CODE, "b"), table.number(OperatorCode.BUILTIN_CODE, "i"))
    if number in Builtin.__members__.values():
        return Builtin(number)
    if not 0 <= number < len(BUILTIN_NAMES):
        return f"operator {number}"
    name = BUILTIN_NAMES[number]
    return f"CUSTOM {table.text(OperatorCode.CUSTOM_CODE)[:80]!r}" if name == "CUSTOM" else name


def _tensor(table: Table, buffers: list[Table]) -> Tensor:
    name = table.text(TensorField.NAME)
    sizes = table.array(TensorField.SHAPE, "<i4")
    shape = tuple(sizes[:MAX_DIMENSIONS].tolist())
    if len(sizes) > MAX_DIMENSIONS or min(shape, default=1) < 1 or math.prod(shape) > MAX_NUMBERS:
        raise GraphError(f"tensor {name!r} has a shape that no network here has: {sizes[:MAX_DIMENSIONS].tolist()}")
    number = table.number(TensorField.TYPE, "b")
    if number not in DTYPES:
        raise GraphError(
            f"tensor {name!r} is of type {number}; this program reads " + ", ".join(t.name for t in DTYPES)
        )
    if table.table(TensorField.SPARSITY) is not None:
        raise GraphError(f"tensor {name!r} is stored sparsely, which this program cannot read")
    scales, zero_points, dimension = np.empty(0, np.float32), np.empty(0, np.int64), 0
    if quantization := table.table(TensorField.QUANTIZATION):
        scales = quantization.array(QuantizationParameters.SCALE, "<f4")
        zero_points = quantization.array(QuantizationParameters.ZERO_POINT, "<i8")
        dimension = quantization.number(QuantizationParameters.QUANTIZED_DIMENSION, "i")
    index = table.number(TensorField.BUFFER, "I")
    if index >= max(len(buffers), 1):
        raise GraphError(f"tensor {name!r} lies in buffer {index} of {len(buffers)}")
    data = None
    content = buffers[index].array(Buffer.DATA, "u1") if index else np.empty(0, np.uint8)
    if len(content):
        dtype = np.dtype(DTYPES[TensorType(number)])
        if len(content) != math.prod(shape) * dtype.itemsize:
            raise GraphError(f"tensor {name!r} of shape {shape} has {len(content):,} bytes of {dtype.name}")
        data = np.frombuffer(content, dtype).reshape(shape)
    return Tensor(name, shape, TensorType(number), data, scales, zero_points, dimension)


def _operator(table: Table, builtin: Builtin, tensors: int) -> Operator:
    reads, makes = (table.array(field, "<i4") for field in (OperatorField.INPUTS, OperatorField.OUTPUTS))
    if len(makes) != 1 or not 1 <= len(reads) <= MAX_INPUTS or not 0 <= makes[0] < tensors:
        raise GraphError(f"{builtin.name} reads {len(reads)} tensors and makes {len(makes)}")
    if reads.min() < -1 or reads.max() >= tensors:
        raise GraphError(f"{builtin.name} reads tensor {reads.max()} of {tensors}")
    options: dict[str, float] = {}
    if builtin in OPTIONS:
        given = table.table(OperatorField.OPTIONS)
        if given is not None and table.number(OperatorField.OPTIONS_TYPE, "B") != OPTIONS[builtin].number:
            raise GraphError(f"{builtin.name} has the options of another operator")
        for field, name in enumerate(OPTIONS[builtin].fields):
            default = OPTION_DEFAULTS.get(name, 0)
            options[name] = given.number(field, OPTION_FORMATS.get(name, "i"), default) if given else default
    return Operator(builtin, tuple(reads.tolist()), tuple(makes.tolist()), options)


def _metadata(root: Table, buffers: list[Table]) -> memoryview | None:
    for entry in root.tables(ModelField.METADATA):
        index = entry.number(Metadata.BUFFER, "I")
        if entry.text(Metadata.NAME) == METADATA_NAME and index < len(buffers):
            return memoryview(buffers[index].array(Buffer.DATA, "u1"))
    return None
