"""Functions of one number as 256 int8s: what they make of -128, -127, … 127.

Where TFLite Micro has a kernel for a function, the table is what that kernel computes; what it has no kernel for is the
nearest int8 to the real function.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from pennyweight.core.errors import GraphError
from pennyweight.net.integer.fixed_point import (
    Integers,
    input_radius,
    logistic,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    rounding_divide_by_power,
    tanh,
)
from pennyweight.net.integer.quantization import HIGH, LOW, Int8, Quantization, round_away
from pennyweight.net.ops import Activation

SIGMOID_OUTPUT = Quantization(1 / 256, -128)
TANH_OUTPUT = Quantization(1 / 128, 0)
"""What TFLite's 8-bit specification asks of these results; a softmax's is that of a sigmoid."""

_INPUTS: Integers = np.arange(LOW, HIGH + 1, dtype=np.int64)


def table(activation: Activation, source: Quantization, result: Quantization) -> Int8:
    """The table of an activation from tensors of one quantization to another's."""
    exact = tflite_table(activation, source, result)
    return _nearest(activation, source, result) if exact is None else exact


def tflite_table(activation: Activation, source: Quantization, result: Quantization) -> Int8 | None:
    """What TFLite Micro's own kernel of this activation computes; None where it has none for these quantizations."""
    match activation.function:
        case "relu":
            return requantise_table(source, result, clamp("relu", result))
        case "relu6" if source == result:
            return np.clip(_INPUTS, *clamp("relu6", result)).astype(np.int8)
        case "leaky_relu":
            return _leaky_relu(activation.slope, source, result)
        case "hard_swish":
            return _hard_swish(source, result)
        case "sigmoid" if result == SIGMOID_OUTPUT:
            return _squash(logistic, 8, source, result.zero_point)
        case "tanh" if result == TANH_OUTPUT:
            return _squash(tanh, 7, source, result.zero_point)
    return None


def requantise_table(source: Quantization, result: Quantization, limits: tuple[int, int] = (LOW, HIGH)) -> Int8:
    """The same real numbers in another quantization, clamped (TFLite Micro's QUANTIZE and RELU)."""
    factor = quantize_multiplier(source.scale / result.scale)
    return _clipped(multiply_by_quantized_multiplier(_INPUTS - source.zero_point, *factor), result, limits)


def clamp(function: str, result: Quantization) -> tuple[int, int]:
    """The integers that a fused `relu`, `relu6` or none (empty) keeps a result within (CalculateActivationRange).

    >>> clamp("relu6", Quantization(0.05, -128))
    (-128, -8)
    """

    def integer(real: float) -> int:
        with np.errstate(over="ignore"):
            steps = np.float32(real) / np.float32(result.scale)
        return int(round_away(np.clip([steps], -1e6, 1e6))[0]) + result.zero_point

    match function:
        case "":
            return LOW, HIGH
        case "relu":
            return max(LOW, integer(0)), HIGH
        case "relu6":
            return max(LOW, integer(0)), min(HIGH, integer(6))
        case "relu_n1_to_1":
            return max(LOW, integer(-1)), min(HIGH, integer(1))
    raise GraphError(f"{function} is no clamp", hint="clamps are relu, relu6 and relu_n1_to_1")


def _clipped(values: Integers, result: Quantization, limits: tuple[int, int] = (LOW, HIGH)) -> Int8:
    return np.clip(values + result.zero_point, *limits).astype(np.int8)


def _leaky_relu(slope: float, source: Quantization, result: Quantization) -> Int8 | None:
    """QuantizeLeakyRelu; its factors are float32."""
    scale, target = np.float32(source.scale), np.float32(result.scale)
    with np.errstate(over="ignore"):
        factors = float(scale * np.float32(slope) / target), float(scale / target)
    if not all(math.isfinite(factor) and factor >= 0 for factor in factors):
        return None
    values = _INPUTS - source.zero_point
    negative, positive = (multiply_by_quantized_multiplier(values, *quantize_multiplier(f)) for f in factors)
    return _clipped(np.where(values >= 0, positive, negative), result)


def _hard_swish(source: Quantization, result: Quantization) -> Int8 | None:
    """HardSwish in int16, as `reference/hard_swish.h` has it; None for scales too far apart for its 15 bits."""
    scale = np.float32(1 / 128) * np.float32(source.scale)
    with np.errstate(over="ignore"):
        factors = float(scale / np.float32(result.scale)), float(scale / np.float32(3 / 32768))
    if not 2**-15 <= factors[0] < 1 or not 2**-15 <= factors[1] < 2**15:
        return None
    (output, output_shift), (gate, gate_shift) = map(quantize_multiplier, factors)
    values = (_INPUTS - source.zero_point) << 7
    on_output_scale = _high_multiply_16(values, _upper_half(output))
    gates = values
    if gate_shift > 0:
        gates = np.clip(gates << (gate_shift - 1), -(2**15), 2**15 - 1)
    gates = _high_multiply_16(gates, _upper_half(gate))
    if gate_shift > 0:
        gates = np.clip(gates << 1, -(2**15), 2**15 - 1)
    gates = (rounding_divide_by_power(gates, max(-gate_shift, 0)) + 2**15) >> 1
    products = gates * on_output_scale
    truncated = np.sign(products) * (np.abs(products) >> 15)
    return _clipped(rounding_divide_by_power(truncated, -output_shift), result)


def _upper_half(multiplier: int) -> int:
    """An int32 multiplier in 16 bits: DownScaleInt32ToInt16Multiplier."""
    return min((multiplier + 2**15) >> 16, 2**15 - 1)


def _high_multiply_16(a: Integers, b: int) -> Integers:
    """SaturatingRoundingDoublingHighMul of int16; `b` is not negative, so that nothing saturates."""
    return (a * b + 2**14) >> 15


def _squash(function: Callable[[Integers], Integers], bits: int, source: Quantization, zero_point: int) -> Int8 | None:
    """LOGISTIC and TANH: 27 fractional bits in, `bits` out; None for a scale too fine for their format."""
    fraction, shift = math.frexp(source.scale * 2**27)
    if not 0 <= shift <= 31:
        return None
    values = _INPUTS - source.zero_point
    radius = input_radius(4, shift)
    inside = np.abs(values) < radius
    factor = math.floor(fraction * 2**31 + 0.5)
    scaled = multiply_by_quantized_multiplier(np.where(inside, values, 0), factor, shift)
    results = rounding_divide_by_power(function(scaled), 31 - bits) + zero_point
    return np.clip(np.where(inside, results, np.where(values > 0, HIGH, LOW)), LOW, HIGH).astype(np.int8)


def _nearest(activation: Activation, source: Quantization, result: Quantization) -> Int8:
    reals = (_INPUTS - source.zero_point) * source.scale
    return result.quantise([_real(activation, real) for real in reals.tolist()])


def _real(activation: Activation, x: float) -> float:
    """The activation itself, as PyTorch defines it (GELU by the error function)."""
    match activation.function:
        case "relu":
            return max(x, 0.0)
        case "relu6":
            return min(max(x, 0.0), 6.0)
        case "leaky_relu":
            return x if x >= 0 else x * activation.slope
        case "gelu":
            return x * (1 + math.erf(x / math.sqrt(2))) / 2
        case "silu":
            return x * _sigmoid(x)
        case "hard_swish":
            return x * min(max(x + 3, 0.0), 6.0) / 6
        case "tanh":
            return math.tanh(x)
        case "sigmoid":
            return _sigmoid(x)
    raise GraphError(f"no table for {activation.function}")


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0
