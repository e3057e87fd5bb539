"""An IntegerNetwork as a .tflite file, of which TFLite Micro computes the same bytes for every tensor."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pennyweight.core.errors import GraphError
from pennyweight.deploy.tflite.flatbuffer import Fields, Scalar, Vector, build
from pennyweight.deploy.tflite.metadata import Description, metadata_bytes, with_labels
from pennyweight.deploy.tflite.padding import SAME, VALID, same_padding
from pennyweight.deploy.tflite.schema import (
    FUSED,
    IDENTIFIER,
    METADATA_NAME,
    OPTION_FORMATS,
    OPTIONS,
    SHAPE_SIGNATURE,
    VERSION,
    Buffer,
    Builtin,
    Metadata,
    Model,
    Operator,
    OperatorCode,
    QuantizationParameters,
    SubGraph,
    Tensor,
    TensorType,
)
from pennyweight.net.graph import INPUT
from pennyweight.net.integer.network import IntegerNetwork, Step, Weights
from pennyweight.net.integer.quantization import LOW, Quantization
from pennyweight.net.integer.tables import clamp, requantise_table, tflite_table
from pennyweight.net.ops import (
    Activation,
    Add,
    Concat,
    Conv,
    Dense,
    DepthwiseConv,
    Flatten,
    GlobalPool,
    Multiply,
    Padding,
    Pool,
    PRelu,
    Requantise,
    Shape,
    Softmax,
)

MAX_JOINED = 10
"""TFLite Micro joins at most so many tensors (kMaxInputNum of its CONCATENATION)."""

VERSIONS = {
    Builtin.ADD: 2,
    Builtin.AVERAGE_POOL_2D: 2,
    Builtin.CONCATENATION: 2,
    Builtin.CONV_2D: 3,
    Builtin.DEPTHWISE_CONV_2D: 3,
    Builtin.FULLY_CONNECTED: 4,
    Builtin.GATHER: 2,
    Builtin.LOGISTIC: 2,
    Builtin.MAX_POOL_2D: 2,
    Builtin.MEAN: 2,
    Builtin.MUL: 3,
    Builtin.PAD: 2,
    Builtin.PADV2: 2,
    Builtin.REDUCE_MAX: 2,
    Builtin.RELU: 2,
    Builtin.RELU6: 2,
    Builtin.SOFTMAX: 2,
    Builtin.TANH: 2,
}
"""The version in which an operator learnt int8 as it is used here (`tensorflow/lite/tools/versioning/op_version.cc`);
others have 1."""

GROUPED_CONV_VERSION = 6
"""The version in which CONV_2D learnt groups (the same)."""

_FUNCTIONS = {
    "relu": Builtin.RELU,
    "relu6": Builtin.RELU6,
    "leaky_relu": Builtin.LEAKY_RELU,
    "sigmoid": Builtin.LOGISTIC,
    "tanh": Builtin.TANH,
    "hard_swish": Builtin.HARD_SWISH,
}


def write(network: IntegerNetwork, class_names: tuple[str, ...] = ()) -> bytes:
    """The file's content, with metadata: how pixels become the input, and the names of the classes, where given.

    A table that no operator of TFLite Micro computes is written as a look-up: CAST, ADD and GATHER.
    Raises GraphError, naming every step that TFLite has no exact form for.
    """
    file = _File(network)
    faults = []
    for step in network.steps:
        try:
            _write_step(file, step)
        except GraphError as error:
            faults.append(f"step {step.name!r}: {error}")
    if faults:
        raise GraphError(f"{network.text} has no exact form in TFLite: {'; '.join(faults)}")
    content = file.content(class_names)
    return with_labels(content, class_names) if class_names else content


@dataclass(slots=True, eq=False)
class _File:
    """A file in the making: tensors by name, and what they lie in."""

    network: IntegerNetwork
    numbers: dict[str, int] = field(default_factory=dict)
    tensors: list[Fields] = field(default_factory=list)
    buffers: list[Fields] = field(default_factory=lambda: [{}])
    codes: dict[tuple[Builtin, int], int] = field(default_factory=dict)
    operators: list[Fields] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.activation(INPUT, self.network.input_shape, self.network.input_quantization)

    def activation(
        self,
        name: str,
        shape: Shape,
        quantization: Quantization | None,
        type: TensorType = TensorType.INT8,
    ) -> int:
        """Add a tensor that is computed; returns its number."""
        number = self._tensor(name, (1, *shape), type, 0, [quantization] if quantization else [])
        self.tensors[number][SHAPE_SIGNATURE] = Vector(np.array((-1, *shape), np.int32))
        self.numbers[name] = number
        return number

    def constant(
        self,
        name: str,
        values: npt.NDArray[Any],
        scales: Iterable[float] = (),
        zero_point: int = 0,
        axis: int = 0,
    ) -> int:
        """Add constant numbers, with a scale for each channel of `axis` or one for all; returns their number."""
        self.buffers.append({Buffer.DATA: Vector(np.frombuffer(values.tobytes(), np.uint8), 16)})
        type = {"int8": TensorType.INT8, "int32": TensorType.INT32}[values.dtype.name]
        number = self._tensor(name, values.shape, type, len(self.buffers) - 1, [])
        scales = np.fromiter(scales, np.float32)
        if scales.size:
            quantization = _quantization(scales, np.full(scales.size, zero_point))
            if axis:
                quantization[QuantizationParameters.QUANTIZED_DIMENSION] = Scalar("i", axis)
            self.tensors[number][Tensor.QUANTIZATION] = quantization
        return number

    def _tensor(self, name: str, shape: Shape, type: TensorType, buffer: int, quantizations: list[Quantization]) -> int:
        fields: Fields = {
            Tensor.SHAPE: Vector(np.array(shape, np.int32)),
            Tensor.TYPE: Scalar("b", type),
            Tensor.BUFFER: Scalar("I", buffer),
            Tensor.NAME: name,
        }
        for quantization in quantizations:
            fields[Tensor.QUANTIZATION] = _quantization(
                np.array([quantization.scale], np.float32), np.array([quantization.zero_point])
            )
        self.tensors.append(fields)
        return len(self.tensors) - 1

    def operator(self, builtin: Builtin, inputs: list[int], output: int, *, version: int = 0, **options: float) -> None:
        """Add an operator; options that are not told are 0."""
        code = builtin, version or VERSIONS.get(builtin, 1)
        fields: Fields = {
            Operator.OPCODE_INDEX: Scalar("I", self.codes.setdefault(code, len(self.codes))),
            Operator.INPUTS: Vector(np.array(inputs, np.int32)),
            Operator.OUTPUTS: Vector(np.array([output], np.int32)),
        }
        if builtin in OPTIONS:
            fields[Operator.OPTIONS_TYPE] = Scalar("B", OPTIONS[builtin].number)
            fields[Operator.OPTIONS] = {
                OPTIONS[builtin].fields.index(name): Scalar(OPTION_FORMATS.get(name, "i"), value)
                for name, value in options.items()
            }
        self.operators.append(fields)

    def content(self, class_names: tuple[str, ...]) -> bytes:
        network = self.network
        description = Description(network.mean, network.std, class_names)
        metadata = metadata_bytes(network.text, description, network.input_shape[-1])
        self.buffers.append({Buffer.DATA: Vector(np.frombuffer(metadata, np.uint8), 16)})
        codes: list[Fields] = [
            {
                OperatorCode.DEPRECATED_BUILTIN_CODE: Scalar("b", builtin),
                OperatorCode.VERSION: Scalar("i", version),
                OperatorCode.BUILTIN_CODE: Scalar("i", builtin),
            }
            for builtin, version in self.codes
        ]
        graph: Fields = {
            SubGraph.TENSORS: self.tensors,
            SubGraph.INPUTS: Vector(np.array([self.numbers[INPUT]], np.int32)),
            SubGraph.OUTPUTS: Vector(np.array([self.numbers[network.output]], np.int32)),
            SubGraph.OPERATORS: self.operators,
            SubGraph.NAME: "main",
        }
        return build(
            {
                Model.VERSION: Scalar("I", VERSION),
                Model.OPERATOR_CODES: codes,
                Model.SUBGRAPHS: [graph],
                Model.DESCRIPTION: network.text,
                Model.BUFFERS: self.buffers,
                Model.METADATA: [{Metadata.NAME: METADATA_NAME, Metadata.BUFFER: Scalar("I", len(self.buffers) - 1)}],
            },
            IDENTIFIER,
        )


def _quantization(scales: npt.NDArray[np.float32], zero_points: npt.NDArray[np.integer]) -> Fields:
    return {
        QuantizationParameters.SCALE: Vector(scales),
        QuantizationParameters.ZERO_POINT: Vector(zero_points.astype(np.int64), 8),
    }


def _write_step(file: _File, step: Step) -> None:
    network, op = file.network, step.op
    inputs = [file.numbers[name] for name in step.inputs]
    output = file.activation(step.name, network.shapes[step.name], step.quantization)
    match op:
        case Conv() | DepthwiseConv():
            _write_convolution(file, step, op, inputs[0], output)
        case Dense():
            assert step.weights is not None
            weights = [file.constant(f"{step.name}/weights", step.weights.values, step.weights.scales.tolist())]
            file.operator(
                Builtin.FULLY_CONNECTED,
                inputs + weights + [_bias(file, step, step.weights)],
                output,
                fused=_fused(step),
            )
        case Pool():
            _write_pool(file, step, op, inputs[0], output)
        case GlobalPool():
            axes = file.constant(f"{step.name}/axes", np.array([1, 2], np.int32))
            builtin = Builtin.MEAN if op.kind == "average" else Builtin.REDUCE_MAX
            file.operator(builtin, [inputs[0], axes], output, keep_dims=1)
        case Add():
            file.operator(Builtin.ADD, inputs, output, fused=_fused(step))
        case Multiply():
            file.operator(Builtin.MUL, inputs, output, fused=_fused(step))
        case Concat():
            if len(inputs) > MAX_JOINED:
                raise GraphError(f"it joins {len(inputs)} tensors, and TFLite Micro {MAX_JOINED} at most")
            file.operator(Builtin.CONCATENATION, inputs, output, axis=len(network.shapes[step.name]))
        case Softmax():
            file.operator(Builtin.SOFTMAX, inputs, output, beta=1)
        case Flatten():
            shape = file.constant(f"{step.name}/shape", np.array((-1, *network.shapes[step.name]), np.int32))
            file.operator(Builtin.RESHAPE, [inputs[0], shape], output)
        case PRelu():
            assert step.weights is not None
            slopes = step.weights.values.reshape((1,) * (len(network.shapes[step.name]) - 1) + (-1,))
            scales = step.weights.scales.tolist()
            slopes_number = file.constant(f"{step.name}/slopes", slopes, scales, step.weights.zero_point)
            file.operator(Builtin.PRELU, [inputs[0], slopes_number], output)
        case Activation() | Requantise():
            _write_table(file, step, inputs[0], output)
        case _:
            raise GraphError(f"{op.name} is no operator there")


def _fused(step: Step) -> int:
    """The number of the activation that clamps as the step does."""
    for number, function in enumerate(FUSED):
        if clamp(function, step.quantization) == step.clamp:
            return number
    raise GraphError(f"it is clamped to {step.clamp[0]} … {step.clamp[1]}, which is no ReLU, ReLU6 or -1 … 1")


def _bias(file: _File, step: Step, weights: Weights) -> int:
    assert weights.bias is not None
    (source,) = file.network.input_quantizations(step)
    with np.errstate(under="ignore"):
        scales = (weights.scales * np.float32(source.scale)).tolist()
    return file.constant(f"{step.name}/bias", weights.bias, scales)


def _write_convolution(file: _File, step: Step, op: Conv | DepthwiseConv, source: int, output: int) -> None:
    assert step.weights is not None
    values, axis = (step.weights.values, 0) if isinstance(op, Conv) else (step.weights.values[None], 3)
    weights = file.constant(f"{step.name}/weights", values, step.weights.scales.tolist(), axis=axis)
    bias, fused = _bias(file, step, step.weights), _fused(step)
    (shape,) = file.network.input_shapes(step)
    (top, bottom), (left, right) = (
        same_padding(length, kernel, stride)
        for length, kernel, stride in zip(shape[:2], op.kernel, op.stride, strict=True)
    )
    way = VALID
    if any(op.padding) and op.padding == (top, bottom, left, right):
        way = SAME
    elif any(op.padding):
        source = _write_padding(file, step, source, op.padding)
    inputs = [source, weights, bias]
    options = {"padding": way, "fused": fused, "stride_h": op.stride[0], "stride_w": op.stride[1]}
    options |= {"dilation_h": 1, "dilation_w": 1}
    if isinstance(op, Conv):
        version = GROUPED_CONV_VERSION if op.groups > 1 else 0
        file.operator(Builtin.CONV_2D, inputs, output, version=version, **options)
    else:
        file.operator(Builtin.DEPTHWISE_CONV_2D, inputs, output, multiplier=op.multiplier, **options)


def _write_padding(file: _File, step: Step, source: int, padding: Padding, value: int | None = None) -> int:
    """Add a PAD of what a step reads, by the number 0 or by an integer; returns the padded tensor's number."""
    (shape,), (quantization,) = file.network.input_shapes(step), file.network.input_quantizations(step)
    top, bottom, left, right = padding
    padded = (shape[0] + top + bottom, shape[1] + left + right, shape[2])
    amounts = np.array(((0, 0), (top, bottom), (left, right), (0, 0)), np.int32)
    inputs = [source, file.constant(f"{step.name}/padding", amounts)]
    if value is not None:
        scales = [quantization.scale]
        filler = file.constant(f"{step.name}/filler", np.array([value], np.int8), scales, quantization.zero_point)
        inputs.append(filler)
    output = file.activation(f"{step.name}/padded", padded, quantization)
    file.operator(Builtin.PAD if value is None else Builtin.PADV2, inputs, output)
    return output


def _write_pool(file: _File, step: Step, op: Pool, source: int, output: int) -> None:
    (shape,) = file.network.input_shapes(step)
    counts, before = file.network.shapes[step.name][:2], (op.padding[0], op.padding[2])
    axes = list(zip(shape[:2], counts, op.kernel, op.stride, before, strict=True))
    beyond = [max((n - 1) * stride + kernel - start - length, 0) for length, n, kernel, stride, start in axes]
    is_same = [
        n == -(-length // stride) and start == same_padding(length, kernel, stride)[0]
        for length, n, kernel, stride, start in axes
    ]
    way = SAME if all(is_same) else VALID
    if way == VALID and any((*before, *beyond)):
        if op.kind == "average":
            raise GraphError(f"an average pool padded by {op.padding}; TFLite pads evenly, an odd row at the end")
        source = _write_padding(file, step, source, (before[0], beyond[0], before[1], beyond[1]), LOW)
    file.operator(
        Builtin.MAX_POOL_2D if op.kind == "max" else Builtin.AVERAGE_POOL_2D,
        [source],
        output,
        padding=way,
        stride_h=op.stride[0],
        stride_w=op.stride[1],
        filter_h=op.kernel[0],
        filter_w=op.kernel[1],
        fused=_fused(step),
    )


def _write_table(file: _File, step: Step, source: int, output: int) -> None:
    assert step.table is not None
    (before,), after = file.network.input_quantizations(step), step.quantization
    if isinstance(step.op, Activation):
        native = tflite_table(step.op, before, after)
        builtin = _FUNCTIONS.get(step.op.function)
    else:
        native, builtin = requantise_table(before, after), Builtin.QUANTIZE
    if native is not None and builtin is not None and np.array_equal(native, step.table):
        if isinstance(step.op, Activation) and builtin == Builtin.LEAKY_RELU:
            file.operator(builtin, [source], output, alpha=step.op.slope)
        else:
            file.operator(builtin, [source], output)
        return
    shape = file.network.shapes[step.name]
    index = file.activation(f"{step.name}/signed", shape, None, TensorType.INT32)
    file.operator(Builtin.CAST, [source], index, of=TensorType.INT8, to=TensorType.INT32)
    moved = file.activation(f"{step.name}/index", shape, None, TensorType.INT32)
    offset = file.constant(f"{step.name}/offset", np.array([-LOW], np.int32))
    file.operator(Builtin.ADD, [index, offset], moved)
    table = file.constant(f"{step.name}/table", step.table, [after.scale], after.zero_point)
    file.operator(Builtin.GATHER, [table, moved], output, axis=0)
