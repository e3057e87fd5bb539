"""What each operator of TFLite is among ours."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import get_args

import numpy as np

from pennyweight.core.errors import GraphError
from pennyweight.deploy.tflite.model import Operator
from pennyweight.deploy.tflite.reading import Array, Made, Reading, without_batch
from pennyweight.deploy.tflite.schema import Builtin, TensorType
from pennyweight.net import ops
from pennyweight.net.graph import INPUT
from pennyweight.net.integer.network import Weights
from pennyweight.net.integer.quantization import LOW
from pennyweight.net.integer.tables import requantise_table, table, tflite_table
from pennyweight.net.ops import Activation, Op, Requantise

TABLE_MAX_OFF = 1
"""A table that was joined from two may be so far from the function that it is: it was rounded twice."""


def _quantised_weights(reading: Reading, operator: Operator, values: Array, axis: int, channels: int) -> Weights:
    """int8 weights with their scales and biases; `axis` is that of the file's tensor which has the scales."""
    tensor = reading.tensor(operator, 1)
    if tensor.type != TensorType.INT8:
        raise GraphError(f"its weights are {tensor.type.name}, not int8")
    if len(tensor.scales) not in (1, channels) or (len(tensor.scales) > 1 and tensor.quantized_dimension != axis):
        raise GraphError(f"its weights have {len(tensor.scales)} scales along axis {tensor.quantized_dimension}")
    if len(tensor.zero_points) > channels or tensor.zero_points.any():
        raise GraphError("its weights have zero points that are not 0")
    bias = np.zeros(channels, np.int32)
    if len(operator.inputs) > 2 and operator.inputs[2] >= 0:
        bias = reading.constant(operator, 2)
        if bias.dtype != np.int32 or bias.shape != (channels,):
            raise GraphError(f"its biases are {bias.dtype} of shape {bias.shape}")
    return Weights(np.ascontiguousarray(values, np.int8), tensor.scales.astype(np.float32), bias.astype(np.int32))


def _float_bias(reading: Reading, operator: Operator, channels: int) -> Array:
    if len(operator.inputs) <= 2 or operator.inputs[2] < 0:
        return np.zeros(channels, np.float32)
    bias = reading.constant(operator, 2)
    if bias.dtype.kind != "f" or bias.shape != (channels,):
        raise GraphError(f"its biases are {bias.dtype} of shape {bias.shape}")
    return bias


def _convolve(
    reading: Reading, operator: Operator, op: Op, source: str, values: Array, axis: int, layout: tuple[int, ...]
) -> None:
    """Add a convolution or dense layer. `values` are in an IntegerNetwork's layout, whose axes in a Graph's order are
    `layout`."""
    channels = op.output_shape(reading.shapes[source])[-1]
    if reading.output(operator).type == TensorType.INT8:
        weights = _quantised_weights(reading, operator, values, axis, channels)
        reading.add(operator, op, source, weights=weights)
        return
    if values.dtype.kind != "f":
        raise GraphError(f"its weights are {values.dtype}, and its result is float32")
    transposed = values.transpose(layout)
    if isinstance(op, ops.DepthwiseConv):
        transposed = transposed[:, None]
    parameters = {"weight": transposed, "bias": _float_bias(reading, operator, channels)}
    reading.add(operator, op, source, parameters=parameters)


def _conv(reading: Reading, operator: Operator) -> None:
    values = reading.constant(operator, 1)
    if values.ndim != 4:
        raise GraphError(f"its weights have shape {values.shape}")
    filters, height, width, depth = values.shape
    source, stride, padding = reading.windows(operator, (height, width))
    _check_padding(reading, operator, source)
    channels = reading.shapes[source][-1]
    if channels % depth:
        raise GraphError(f"its filters read {depth} of {channels} channels")
    op = ops.Conv(filters, (height, width), stride, padding, channels // depth)
    _convolve(reading, operator, op, source, values, 0, (0, 3, 1, 2))


def _depthwise_conv(reading: Reading, operator: Operator) -> None:
    values = reading.constant(operator, 1)
    if values.ndim != 4 or values.shape[0] != 1:
        raise GraphError(f"its weights have shape {values.shape}")
    _, height, width, filters = values.shape
    source, stride, padding = reading.windows(operator, (height, width))
    _check_padding(reading, operator, source)
    multiplier, rest = divmod(filters, reading.shapes[source][-1])
    if rest or multiplier != operator.options["multiplier"]:
        raise GraphError(f"it has {filters} filters for {reading.shapes[source][-1]} channels")
    op = ops.DepthwiseConv((height, width), stride, padding, multiplier)
    _convolve(reading, operator, op, source, values[0], 3, (2, 0, 1))


def _dense(reading: Reading, operator: Operator) -> None:
    values = reading.constant(operator, 1)
    if operator.options["weights_format"] != 0 or values.ndim != 2:
        raise GraphError("its weights are stored in another order")
    if len(reading.output(operator).shape) != 2:
        raise GraphError("it works along the last of several axes")
    source = reading.flattened(reading.source(operator))
    op = ops.Dense(len(values))
    if reading.shapes[source] != values.shape[1:]:
        raise GraphError(f"its weights have shape {values.shape} for {ops.describe(reading.shapes[source])} numbers")
    _convolve(reading, operator, op, source, values, 0, (0, 1))


def _check_padding(reading: Reading, operator: Operator, source: str) -> None:
    """A convolution's own padding stands for the number 0: a PAD before it must too."""
    made = reading.made[operator.inputs[0]]
    zero = reading.quantizations[source].zero_point if source in reading.quantizations else 0
    if made.padding != (0, 0, 0, 0) and made.value != zero:
        raise GraphError(f"the PAD before it fills in {made.value:g}, not {zero}")


def _pool(reading: Reading, operator: Operator) -> None:
    kernel = int(operator.options["filter_h"]), int(operator.options["filter_w"])
    made = reading.made.get(operator.inputs[0], Made(""))
    if operator.builtin == Builtin.AVERAGE_POOL_2D:
        reading.source(operator)
    elif made.padding != (0, 0, 0, 0) and made.value > _least(reading, made.name):
        raise GraphError(f"the PAD before it fills in {made.value:g}, which may be the maximum")
    source, stride, padding = reading.windows(operator, kernel)
    op = ops.Pool("max" if operator.builtin == Builtin.MAX_POOL_2D else "average", kernel, stride, padding)
    reading.add(operator, op, source)


def _least(reading: Reading, name: str) -> float:
    """A number that nothing in the tensor is below."""
    if step := reading.steps.get(name):
        return step.clamp[0] if step.table is None else int(step.table.min())
    layer = reading.layers.get(name)
    if layer and isinstance(layer.op, Activation) and layer.op.function in ("relu", "relu6"):
        return 0
    return LOW if name in reading.quantizations else -math.inf


def _pad(reading: Reading, operator: Operator) -> None:
    amounts, source = reading.constant(operator, 1), reading.source(operator)
    if amounts.shape != (4, 2) or amounts.dtype.kind != "i" or amounts.min() < 0 or amounts[[0, 3]].any():
        raise GraphError(f"it pads by {amounts.tolist() if amounts.size <= 16 else amounts.shape}")
    value = 0.0
    if len(operator.inputs) > 2:
        value = float(reading.constant(operator, 2).ravel()[0])
    elif source in reading.quantizations:
        value = reading.output(operator).quantization.zero_point
    if source in reading.quantizations and reading.output(operator).quantization != reading.quantizations[source]:
        raise GraphError("it changes the quantization")
    top, bottom, left, right = amounts[1:3].ravel().tolist()
    height, width, _ = reading.picture(source)
    if reading.output(operator).shape[1:3] != (height + top + bottom, width + left + right):
        raise GraphError("its result has another shape than it pads to")
    reading.made[operator.outputs[0]] = Made(source, (top, bottom, left, right), value)


def _reduce(reading: Reading, operator: Operator) -> None:
    axes, source = reading.constant(operator, 1), reading.source(operator)
    reading.picture(source)
    if sorted((axes % 4).ravel()[:4].tolist()) != [1, 2] or axes.size != 2:
        raise GraphError("it reduces other axes than height and width")
    name = reading.add(operator, ops.GlobalPool("average" if operator.builtin == Builtin.MEAN else "max"), source)
    if not operator.options["keep_dims"]:
        reading.made[operator.outputs[0]] = Made(reading.flattened(name))


def _add(reading: Reading, operator: Operator) -> None:
    if operator.inputs[0] in reading.indices:
        _shift_index(reading, operator)
    elif not _channelwise(reading, operator):
        reading.add(operator, ops.Add(), reading.source(operator, 0), reading.source(operator, 1))


def _multiply(reading: Reading, operator: Operator) -> None:
    if not _channelwise(reading, operator):
        sources = [reading.source(operator, index) for index in (0, 1)]
        sources.sort(key=lambda name: -math.prod(reading.shapes[name]))
        reading.add(operator, ops.Multiply(), *sources)


def _channelwise(reading: Reading, operator: Operator) -> bool:
    """A float sum or product with a constant for each channel becomes a depthwise convolution 1x1."""
    if len(operator.inputs) != 2:
        raise GraphError(f"it reads {len(operator.inputs)} tensors")
    which = [index for index in (0, 1) if reading.is_constant(operator, index)]
    if len(which) != 1:
        return False
    constant, source = reading.constant(operator, which[0]), reading.source(operator, 1 - which[0])
    shape = reading.shapes[source]
    if constant.dtype.kind != "f" or len(shape) != 3 or constant.size not in (1, shape[-1]):
        raise GraphError("it has a constant that is not one float for each channel")
    if constant.size > 1 and constant.shape[-1] != constant.size:
        raise GraphError(f"it has a constant of shape {constant.shape}")
    numbers = np.broadcast_to(constant.ravel(), shape[-1:])
    factor, bias = numbers, np.zeros_like(numbers)
    if operator.builtin == Builtin.ADD:
        factor, bias = np.ones_like(numbers), numbers
    parameters = {"weight": factor[:, None, None, None], "bias": bias}
    reading.add(operator, ops.DepthwiseConv((1, 1)), source, parameters=parameters)
    return True


def _concat(reading: Reading, operator: Operator) -> None:
    sources = [reading.source(operator, index) for index in range(len(operator.inputs))]
    rank = len(reading.shapes[sources[0]]) + 1
    if operator.options["axis"] not in (-1, rank - 1):
        raise GraphError(f"it joins along axis {operator.options['axis']}, not the channels")
    reading.add(operator, ops.Concat(), *sources)


def _softmax(reading: Reading, operator: Operator) -> None:
    if operator.options["beta"] != 1:
        raise GraphError(f"its beta is {operator.options['beta']:g}, not 1")
    reading.add(operator, ops.Softmax(), reading.source(operator))


def _reshape(reading: Reading, operator: Operator) -> None:
    source = reading.source(operator)
    if source in reading.quantizations and reading.output(operator).quantization != reading.quantizations[source]:
        raise GraphError("it changes the quantization")
    name = reading.reshaped(source, without_batch(reading.output(operator)))
    reading.made[operator.outputs[0]] = Made(name)


_FUNCTIONS: dict[Builtin, Activation] = {
    Builtin.RELU: Activation("relu"),
    Builtin.RELU6: Activation("relu6"),
    Builtin.LOGISTIC: Activation("sigmoid"),
    Builtin.TANH: Activation("tanh"),
    Builtin.HARD_SWISH: Activation("hard_swish"),
}


def _activation(reading: Reading, operator: Operator) -> None:
    if operator.builtin == Builtin.LEAKY_RELU:
        op = Activation("leaky_relu", operator.options["alpha"])
        if not (math.isfinite(op.slope) and op.slope >= 0):
            raise GraphError(f"its slope is {op.slope}")
    else:
        op = _FUNCTIONS[operator.builtin]
    source, tensor = reading.source(operator), reading.output(operator)
    if tensor.type != TensorType.INT8 or source not in reading.quantizations:
        reading.add(operator, op, source)
        return
    values = tflite_table(op, reading.quantizations[source], tensor.quantization)
    if values is None:
        raise GraphError(f"TFLite Micro has no {op.function} from {reading.quantizations[source]} to these integers")
    reading.add(operator, op, source, table=values)


def _prelu(reading: Reading, operator: Operator) -> None:
    slopes, source = reading.constant(operator, 1), reading.source(operator)
    channels = reading.shapes[source][-1]
    if slopes.size != channels or slopes.shape[-1:] != (channels,):
        raise GraphError(f"it has slopes of shape {slopes.shape}, not one for each of {channels} channels")
    slopes, tensor = slopes.ravel(), reading.tensor(operator, 1)
    if tensor.type == TensorType.INT8 and reading.output(operator).type == TensorType.INT8:
        zero_point, scales = tensor.quantization.zero_point, tensor.scales.astype(np.float32)
        reading.add(operator, ops.PRelu(), source, weights=Weights(slopes.astype(np.int8), scales, None, zero_point))
    elif slopes.dtype.kind == "f":
        reading.add(operator, ops.PRelu(), source, parameters={"weight": slopes})
    else:
        raise GraphError(f"its slopes are {slopes.dtype}")


def _quantize(reading: Reading, operator: Operator) -> None:
    """QUANTIZE: at the input, what its numbers stand for; elsewhere another quantization."""
    made, tensor = reading.source(operator), reading.output(operator)
    if tensor.type not in (TensorType.INT8, TensorType.UINT8):
        raise GraphError(f"it makes {tensor.type.name}")
    result = tensor.quantization
    if made == INPUT and INPUT not in reading.quantizations:
        if reading.layers:
            raise GraphError("it computes some layers in float32 and some in int8")
        reading.quantizations[INPUT] = result
    if made not in reading.quantizations:
        raise GraphError("it reads float32 inside of the network")
    if reading.quantizations[made] == result:
        reading.made[operator.outputs[0]] = Made(made)
    else:
        reading.add(operator, Requantise(), made, table=requantise_table(reading.quantizations[made], result))


def _dequantize(reading: Reading, operator: Operator) -> None:
    """DEQUANTIZE: of a constant, float32 numbers; at the output nothing, as answers are dequantised anyway."""
    tensor = reading.tensor(operator, 0)
    if not reading.is_constant(operator, 0):
        if operator.outputs[0] != reading.model.output:
            raise GraphError("it makes float32 inside of an int8 network")
        reading.made[operator.outputs[0]] = Made(reading.source(operator))
        return
    data = reading.constant(operator, 0)
    if tensor.type == TensorType.INT8:
        if len(tensor.scales) not in (1, (data.shape or (1,))[tensor.quantized_dimension % max(data.ndim, 1)]):
            raise GraphError(f"its constant has {len(tensor.scales)} scales")
        if tensor.zero_points.shape != tensor.scales.shape:
            raise GraphError(f"its constant has {len(tensor.zero_points)} zero points and {len(tensor.scales)} scales")
        axes = [1] * data.ndim
        if len(tensor.scales) > 1:
            axes[tensor.quantized_dimension % data.ndim] = -1
        scales, zeros = tensor.scales.reshape(axes), tensor.zero_points.reshape(axes)
        data = (data.astype(np.int64) - zeros) * scales
    with np.errstate(over="ignore"):
        reading.constants[operator.outputs[0]] = data.astype(np.float32)


def _cast(reading: Reading, operator: Operator) -> None:
    """CAST, ADD 128 and GATHER look an int8 up in a table: how a table is written that no operator computes."""
    source = reading.source(operator)
    if source not in reading.quantizations or reading.output(operator).type != TensorType.INT32:
        raise GraphError("it does not make an index of an int8")
    reading.indices[operator.outputs[0]] = (source, 0)


def _shift_index(reading: Reading, operator: Operator) -> None:
    (source, _), shift = reading.indices[operator.inputs[0]], reading.constant(operator, 1)
    if shift.size != 1 or shift.ravel()[0] != -LOW:
        raise GraphError("it does not move an int8 to an index from 0")
    reading.indices[operator.outputs[0]] = (source, -LOW)


def _gather(reading: Reading, operator: Operator) -> None:
    values, tensor = reading.constant(operator, 0), reading.output(operator)
    source, shift = reading.indices.get(operator.inputs[1] if len(operator.inputs) > 1 else -1, ("", 0))
    if shift != -LOW or values.dtype != np.int8 or values.shape != (256,) or operator.options["axis"] not in (0, -1):
        raise GraphError("it does not look an int8 up in a table of 256")
    before, after = reading.quantizations[source], tensor.quantization
    known: dict[Op, Array] = {Requantise(): requantise_table(before, after)}
    known |= {op: table(op, before, after) for op in map(Activation, get_args(ops.ActivationFunction))}
    off = {op: int(np.abs(values.astype(int) - known[op]).max()) for op in known}
    op = min(off, key=lambda op: off[op])
    if off[op] > TABLE_MAX_OFF:
        raise GraphError("its table is that of no function that this program knows")
    reading.add(operator, op, source, table=values)


CONVERTERS: dict[Builtin, Callable[[Reading, Operator], None]] = {
    Builtin.ADD: _add,
    Builtin.AVERAGE_POOL_2D: _pool,
    Builtin.CAST: _cast,
    Builtin.CONCATENATION: _concat,
    Builtin.CONV_2D: _conv,
    Builtin.DEPTHWISE_CONV_2D: _depthwise_conv,
    Builtin.DEQUANTIZE: _dequantize,
    Builtin.EXPAND_DIMS: _reshape,
    Builtin.FULLY_CONNECTED: _dense,
    Builtin.GATHER: _gather,
    Builtin.LEAKY_RELU: _activation,
    Builtin.MAX_POOL_2D: _pool,
    Builtin.MEAN: _reduce,
    Builtin.MUL: _multiply,
    Builtin.PAD: _pad,
    Builtin.PADV2: _pad,
    Builtin.PRELU: _prelu,
    Builtin.QUANTIZE: _quantize,
    Builtin.REDUCE_MAX: _reduce,
    Builtin.RESHAPE: _reshape,
    Builtin.SOFTMAX: _softmax,
    Builtin.SQUEEZE: _reshape,
    **dict.fromkeys(_FUNCTIONS, _activation),
}
