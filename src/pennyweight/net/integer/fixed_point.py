"""TensorFlow Lite's fixed-point arithmetic on int64 arrays that hold int32 values, bit for bit as TFLite Micro has it.

A real number travels as `multiplier * 2 ** (shift - 31)`, the multiplier an int32. TFLite Micro rounds twice: first the
upper half of a 64-bit product, then a right shift (gemmlowp, `fixedpoint/fixedpoint.h`; TFLite Micro,
`kernels/internal/common.cc` without `TFLITE_SINGLE_ROUNDING`). The functions of one variable are gemmlowp's too.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pennyweight.core.errors import GraphError

Integers = npt.NDArray[np.int64]

MAX = 2**31 - 1
"""The largest int32, which is also the number one in a format without integer bits."""

_EXPONENTIALS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
"""exp(-2^k) for k = -2 … 4, times 2^31."""


def quantize_multiplier(real: float) -> tuple[int, int]:
    """`(multiplier, shift)` of a real number that is not negative: QuantizeMultiplier of TFLite.

    Below about 2^-32 both are 0; from 2^31 it raises GraphError, as no int8 survives such a factor.

    >>> quantize_multiplier(0.75)
    (1610612736, 0)
    """
    fraction, shift = math.frexp(real)
    multiplier = math.floor(fraction * 2**31 + 0.5)
    if multiplier == 2**31:
        multiplier, shift = 2**30, shift + 1
    if shift > 31:
        raise GraphError(f"a factor of {real:.3g} between two scales is too large for int8")
    return (multiplier, shift) if shift >= -31 else (0, 0)


def average_multiplier(real: float, count: int) -> tuple[int, int]:
    """`(multiplier, shift)` of an average of `count` numbers times a real number: 1 / count goes into the multiplier
    (QuantizedMeanOrSum of TFLite, `reference/reduce.h`)."""
    multiplier, shift = quantize_multiplier(real)
    extra = min(count.bit_length() - 1, 32, 31 + shift)
    return (multiplier << extra) // count, shift - extra


def softmax_multiplier(scale: float) -> tuple[int, int]:
    """`(multiplier, shift)` that bring int8s of a scale to 26 fractional bits (TFLite, `reference/softmax.h`)."""
    return quantize_multiplier(min(scale * 2**26, MAX))


def multiply_by_quantized_multiplier(
    values: npt.NDArray[np.integer], multiplier: npt.ArrayLike, shift: npt.ArrayLike
) -> Integers:
    """`values` times the real number, rounded twice; multiplier and shift may be arrays, one a channel, say.

    A left shift that leaves int32 wraps around, as in TFLite Micro.
    """
    shifted, shift = np.asarray(values, np.int64), np.asarray(shift, np.int64)
    if (shift > 0).any():
        shifted = wrap(shifted << np.maximum(shift, 0))
    return rounding_divide_by_power(doubling_high_multiply(shifted, multiplier), np.maximum(-shift, 0))


def wrap(values: Integers) -> Integers:
    """What two's complement keeps in 32 bits."""
    wrapped: Integers = ((values + 2**31) & 0xFFFFFFFF) - 2**31
    return wrapped


def doubling_high_multiply(a: Integers, b: npt.ArrayLike) -> Integers:
    """`a * b / 2^31`, a half rounded up, at most the largest int32: SaturatingRoundingDoublingHighMul."""
    product: Integers = np.minimum((a * np.asarray(b, np.int64) + 2**30) >> 31, MAX)
    return product


def rounding_divide_by_power(values: Integers, exponent: npt.ArrayLike) -> Integers:
    """`values / 2^exponent`, a half rounded away from zero: RoundingDivideByPOT."""
    exponent = np.asarray(exponent, np.int64)
    half = (np.int64(1) << exponent) >> 1
    quotient: Integers = (values + half - ((values < 0) & (exponent > 0))) >> exponent
    return quotient


def saturating_shift_left(values: Integers, exponent: int) -> Integers:
    """`values * 2^exponent`, kept in int32."""
    shifted: Integers = np.clip(values << exponent, -(2**31), MAX)
    return shifted


def exp_on_negative_values(a: Integers, integer_bits: int) -> Integers:
    """exp(a) in 31 fractional bits, for `a` <= 0 in `31 - integer_bits` (at most 5 integer bits)."""
    fractional_bits = 31 - integer_bits
    quarter = 1 << (fractional_bits - 2)
    part = (a & (quarter - 1)) - quarter
    x = saturating_shift_left(part, integer_bits) + (1 << 28)
    square = doubling_high_multiply(x, x)
    cube = doubling_high_multiply(square, x)
    fourth = rounding_divide_by_power(doubling_high_multiply(square, square), 2)
    tail = rounding_divide_by_power(doubling_high_multiply(fourth + cube, 715827883) + square, 1)
    result = 1895147668 + doubling_high_multiply(x + tail, 1895147668)
    remainder = part - a
    for exponent, factor in enumerate(_EXPONENTIALS[: integer_bits + 2], start=-2):
        has_it = remainder & (1 << (fractional_bits + exponent)) != 0
        result = np.where(has_it, doubling_high_multiply(result, factor), result)
    return np.where(a == 0, MAX, result)


def _newton(a: Integers) -> Integers:
    """2 / (1 + a) in 29 fractional bits, for `a` in [0, 1) in 31."""
    total = a + MAX
    half_denominator = (total + 1) >> 1
    x = 1515870810 + doubling_high_multiply(half_denominator, -1010580540)
    for _ in range(3):
        error = (1 << 29) - doubling_high_multiply(half_denominator, x)
        x = x + saturating_shift_left(doubling_high_multiply(x, error), 2)
    return x


def one_over_one_plus(a: Integers) -> Integers:
    """1 / (1 + a), for `a` in [0, 1); 31 fractional bits."""
    return saturating_shift_left(_newton(a), 1)


def logistic(a: Integers) -> Integers:
    """1 / (1 + exp(-a)) in 31 fractional bits, for `a` in 27."""
    positive = one_over_one_plus(exp_on_negative_values(-np.abs(a), 4))
    return np.where(a == 0, 1 << 30, np.where(a > 0, positive, MAX - positive))


def tanh(a: Integers) -> Integers:
    """tanh(a) in 31 fractional bits, for `a` in 27."""
    positive = saturating_shift_left(_newton(exp_on_negative_values(-np.abs(a), 5)) - (1 << 29), 2)
    return np.where(a == 0, 0, np.sign(a) * positive)


def input_radius(integer_bits: int, left_shift: int) -> int:
    """The magnitude from which an input that is shifted left leaves its integer bits: CalculateInputRadius."""
    return math.floor(((1 << integer_bits) - 1) * (1 << (31 - integer_bits)) / (1 << left_shift))
