"""The reference: what each tensor of an IntegerNetwork is, in exact integer arithmetic, as TFLite Micro computes it.

Sums are exact in whichever way they are added up, so matrix products go through floating point where every partial sum
is a whole number that the format holds: below 2^24 in float32, else in float64.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from pennyweight.core.errors import GraphError
from pennyweight.net.graph import INPUT
from pennyweight.net.integer.fixed_point import (
    Integers,
    average_multiplier,
    doubling_high_multiply,
    exp_on_negative_values,
    input_radius,
    multiply_by_quantized_multiplier,
    one_over_one_plus,
    quantize_multiplier,
    rounding_divide_by_power,
    softmax_multiplier,
)
from pennyweight.net.integer.network import IntegerNetwork, Step, sum_range
from pennyweight.net.integer.quantization import LOW, Int8
from pennyweight.net.ops import (
    Add,
    Concat,
    Conv,
    Crop,
    Dense,
    DepthwiseConv,
    Flatten,
    GlobalPool,
    Multiply,
    Padding,
    Pair,
    Paste,
    Pool,
    PRelu,
    Softmax,
    describe,
)

CHUNK_NUMBERS = 4 << 20
"""So many numbers of the largest patch matrix or tensor are held at once."""

Pixels = npt.NDArray[np.uint8]


def quantise_input(network: IntegerNetwork, pixels: Pixels) -> Int8:
    """The int8 input `(count, height, width, channels)` of uint8 images of that shape."""
    if pixels.dtype != np.uint8 or pixels.shape[1:] != network.input_shape:
        raise GraphError(
            f"{network.text} takes uint8 images of {describe(network.input_shape)}, not {pixels.dtype} of "
            f"{describe(pixels.shape[1:])}"
        )
    images: Int8 = pixel_table(network)[pixels, np.arange(network.input_shape[-1])]
    return images


def pixel_table(network: IntegerNetwork) -> Int8:
    """What becomes of a pixel in the input: int8 `(256, channels)`."""
    reals = (np.arange(256.0)[:, None] - network.mean) / network.std
    return network.input_quantization.quantise(reals)


def dequantise(network: IntegerNetwork, answers: Int8) -> npt.NDArray[np.float32]:
    """The real numbers of answers `(count, classes)`: float32 logits or probabilities."""
    return network.quantizations[network.output].dequantise(answers)


def run(network: IntegerNetwork, images: Int8) -> Int8:
    """The answers, int8 `(count, classes)`, to int8 images `(count, height, width, channels)`."""
    answers = [tensors[network.output] for tensors in _in_chunks(network, images)]
    return np.concatenate(answers)


def run_all(network: IntegerNetwork, images: Int8) -> dict[str, Int8]:
    """Every tensor by its name, the input's among them, int8 `(count, ...)`; all are held in memory."""
    chunks = list(_in_chunks(network, images, keep=True))
    return {name: np.concatenate([tensors[name] for tensors in chunks]) for name in network.shapes}


def _in_chunks(network: IntegerNetwork, images: Int8, *, keep: bool = False) -> Iterator[dict[str, Int8]]:
    if images.dtype != np.int8 or images.shape[1:] != network.input_shape:
        raise GraphError(
            f"{network.text} takes int8 images of {describe(network.input_shape)}, not {images.dtype} of "
            f"{describe(images.shape[1:])}"
        )
    last_reader = {name: index for index, step in enumerate(network.steps) for name in step.inputs}
    chunk = max(1, CHUNK_NUMBERS // max(_numbers(network, step) for step in network.steps))
    for start in range(0, max(len(images), 1), chunk):
        tensors = {INPUT: images[start : start + chunk]}
        for index, step in enumerate(network.steps):
            tensors[step.name] = compute(network, step, *(tensors[name] for name in step.inputs))
            if not keep:
                for name in step.inputs:
                    if last_reader[name] == index and name != network.output:
                        tensors.pop(name, None)
        yield tensors


def _numbers(network: IntegerNetwork, step: Step) -> int:
    shape, (source, *_) = network.shapes[step.name], network.input_shapes(step)
    if isinstance(step.op, Conv):
        return math.prod(shape[:2]) * math.prod(step.op.kernel) * source[-1]
    return max(math.prod(shape), math.prod(source))


def compute(network: IntegerNetwork, step: Step, *inputs: Int8) -> Int8:
    """The tensor that one step makes, int8 `(count, ...)`, of those that it reads."""
    match step.op:
        case Conv() | Dense() | DepthwiseConv():
            sums = _sums(network, step, inputs[0])
            factors = network.rescaling(step)
            return _result(step, multiply_by_quantized_multiplier(sums, factors.multipliers, factors.shifts))
        case Pool():
            return _pool(step.op, step.clamp, inputs[0])
        case GlobalPool(kind="max"):
            greatest: Int8 = inputs[0].max((1, 2), keepdims=True)
            return greatest
        case GlobalPool():
            return _mean(network, step, inputs[0])
        case Add():
            return _add(network, step, *inputs)
        case Multiply():
            sources = network.input_quantizations(step)
            factor = quantize_multiplier(sources[0].scale * sources[1].scale / step.quantization.scale)
            a, b = (_centred(x, source.zero_point) for x, source in zip(inputs, sources, strict=True))
            return _result(step, multiply_by_quantized_multiplier(a * b, *factor))
        case PRelu():
            return _prelu(network, step, inputs[0])
        case Softmax():
            return _softmax(network.input_quantizations(step)[0].scale, inputs[0])
        case Concat():
            return np.concatenate(inputs, -1)
        case Crop(start, size):
            return inputs[0][:, start[0] : start[0] + size[0], start[1] : start[1] + size[1]]
        case Paste(start, size):
            return _paste(start, size, *inputs)
        case Flatten():
            return inputs[0].reshape(len(inputs[0]), -1)
    assert step.table is not None
    looked_up: Int8 = step.table[inputs[0].astype(np.int16) - LOW]
    return looked_up


def _paste(start: Pair, size: Pair, part: Int8, whole: Int8 | None = None) -> Int8:
    count, height, width, channels = part.shape
    result = np.zeros((count, *size, channels), np.int8) if whole is None else whole.copy()
    result[:, start[0] : start[0] + height, start[1] : start[1] + width] = part
    return result


def _centred(tensor: Int8, zero_point: int) -> Integers:
    return tensor.astype(np.int64) - zero_point


def _result(step: Step, values: Integers) -> Int8:
    return np.clip(values + step.quantization.zero_point, *step.clamp).astype(np.int8)


def _sums(network: IntegerNetwork, step: Step, tensor: Int8) -> Integers:
    """The int32 sums of a convolution or dense layer, biases among them."""
    op, weights, (source,) = step.op, step.weights, network.input_quantizations(step)
    assert weights is not None
    assert weights.bias is not None
    least, greatest = sum_range(step, source)
    small = max(-int(least.min()), int(greatest.max())) + int(np.abs(weights.bias.astype(np.int64)).max()) < 2**24
    number: type[np.floating] = np.float32 if small else np.float64
    values = _centred(tensor, source.zero_point).astype(number)
    rows, columns, filters = (1, 1, 1, *network.shapes[step.name])[-3:]
    if isinstance(op, Dense):
        sums = values @ weights.values.astype(number).T
    elif isinstance(op, DepthwiseConv):
        padded = _padded(values, op.padding)
        sums = np.zeros((len(values), rows, columns, filters), number)
        for i, j in np.ndindex(*op.kernel):
            window = _window(padded, (i, j), (rows, columns), op.stride)
            sums += np.repeat(window, op.multiplier, -1) * weights.values[i, j].astype(number)
    else:
        assert isinstance(op, Conv)
        padded = _padded(values, op.padding)
        patches = np.lib.stride_tricks.sliding_window_view(padded, op.kernel, (1, 2))
        patches = patches[:, :: op.stride[0], :: op.stride[1]].transpose(0, 1, 2, 4, 5, 3)
        parts = np.split(patches, op.groups, -1)
        matrices = np.split(weights.values.astype(number), op.groups)
        products = [
            part.reshape(-1, math.prod(part.shape[3:])) @ matrix.reshape(len(matrix), -1).T
            for part, matrix in zip(parts, matrices, strict=True)
        ]
        sums = np.concatenate(products, -1).reshape(len(values), rows, columns, filters)
    whole: Integers = sums.astype(np.int64)
    return whole + weights.bias


def _padded(values: npt.NDArray[np.floating], padding: Padding) -> npt.NDArray[np.floating]:
    top, bottom, left, right = padding
    return np.pad(values, ((0, 0), (top, bottom), (left, right), (0, 0)))


def _window(padded: npt.NDArray[Any], at: Pair, count: Pair, stride: Pair) -> npt.NDArray[Any]:
    """What lies at row and column `at` of each window."""
    rows = slice(at[0], at[0] + (count[0] - 1) * stride[0] + 1, stride[0])
    return padded[:, rows, at[1] : at[1] + (count[1] - 1) * stride[1] + 1 : stride[1]]


def _pool(op: Pool, clamp: Pair, tensor: Int8) -> Int8:
    """MaxPool and AveragePool over the pixels that exist; an average is rounded, a half away from zero."""
    _, height, width, _ = tensor.shape
    rows, columns, _ = op.output_shape(tensor.shape[1:])
    counts = rows, columns
    top, _, left, _ = op.padding
    bottom = max((counts[0] - 1) * op.stride[0] + op.kernel[0] - top - height, 0)
    right = max((counts[1] - 1) * op.stride[1] + op.kernel[1] - left - width, 0)
    frame = ((0, 0), (top, bottom), (left, right), (0, 0))
    if op.kind == "max":
        result = _reduced(np.maximum, np.pad(tensor, frame, constant_values=LOW), op, counts)
    else:
        sums = _reduced(np.add, np.pad(tensor.astype(np.int64), frame), op, counts)
        exist = _reduced(np.add, np.pad(np.ones((1, height, width, 1), np.int64), frame), op, counts)
        result = np.sign(sums) * ((np.abs(sums) + exist // 2) // exist)
    pooled: Int8 = np.clip(result, *clamp).astype(np.int8)
    return pooled


def _reduced(combine: np.ufunc, padded: npt.NDArray[Any], op: Pool, counts: Pair) -> npt.NDArray[Any]:
    """What `combine` makes of each window: of its columns, then of its rows."""
    for axis in (1, 2):
        along, stride, count = np.moveaxis(padded, axis, 0), op.stride[axis - 1], counts[axis - 1]
        parts = (along[at : at + (count - 1) * stride + 1 : stride] for at in range(op.kernel[axis - 1]))
        padded = np.moveaxis(reduce(combine, parts), 0, axis)
    return padded


def _mean(network: IntegerNetwork, step: Step, tensor: Int8) -> Int8:
    """MEAN of TFLite."""
    (source,), count = network.input_quantizations(step), math.prod(tensor.shape[1:3])
    factor = average_multiplier(source.scale / step.quantization.scale, count)
    sums = tensor.sum((1, 2), np.int64, keepdims=True) - source.zero_point * count
    return _result(step, multiply_by_quantized_multiplier(sums, *factor))


def _add(network: IntegerNetwork, step: Step, *inputs: Int8) -> Int8:
    """ADD: both inputs on the coarser of their scales with 20 fractional bits, then added."""
    sources = network.input_quantizations(step)
    twice = 2 * max(source.scale for source in sources)
    total = np.zeros((), np.int64)
    for tensor, source in zip(inputs, sources, strict=True):
        shifted = _centred(tensor, source.zero_point) << 20
        total = total + multiply_by_quantized_multiplier(shifted, *quantize_multiplier(source.scale / twice))
    factor = quantize_multiplier(twice / (2**20 * step.quantization.scale))
    return _result(step, multiply_by_quantized_multiplier(total, *factor))


def _prelu(network: IntegerNetwork, step: Step, tensor: Int8) -> Int8:
    (source,), weights = network.input_quantizations(step), step.weights
    assert weights is not None
    values = _centred(tensor, source.zero_point)
    slopes = weights.values.astype(np.int64) - weights.zero_point
    positive = quantize_multiplier(source.scale / step.quantization.scale)
    negative = quantize_multiplier(source.scale * float(weights.scales[0]) / step.quantization.scale)
    return _result(
        step,
        np.where(
            values >= 0,
            multiply_by_quantized_multiplier(values, *positive),
            multiply_by_quantized_multiplier(values * slopes, *negative),
        ),
    )


def _softmax(scale: float, tensor: Int8) -> Int8:
    """SOFTMAX along the last axis, of differences to the greatest in 26 fractional bits (`reference/softmax.h`)."""
    multiplier, shift = softmax_multiplier(scale)
    values = tensor.astype(np.int64)
    differences = values - values.max(-1, keepdims=True)
    counted = differences >= -input_radius(5, shift)
    scaled = doubling_high_multiply(np.where(counted, differences, 0) << shift, multiplier)
    exponentials = exp_on_negative_values(scaled, 5)
    total = np.where(counted, rounding_divide_by_power(exponentials, 12), 0).sum(-1, keepdims=True)
    headroom = 32 - np.frexp(total.astype(np.float64))[1].astype(np.int64)
    reciprocal = one_over_one_plus((total << headroom) - 2**31)
    quotients = rounding_divide_by_power(doubling_high_multiply(exponentials, reciprocal), 12 - headroom + 31 - 8)
    return np.where(counted, np.clip(quotients + LOW, LOW, 127), LOW).astype(np.int8)
