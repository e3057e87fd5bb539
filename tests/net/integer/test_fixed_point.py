"""Fixed-point arithmetic: what TFLite's factors and gemmlowp's functions are, on numbers that say it by themselves."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pennyweight.core.errors import GraphError
from pennyweight.net.integer.fixed_point import (
    exp_on_negative_values,
    logistic,
    multiply_by_quantized_multiplier,
    one_over_one_plus,
    quantize_multiplier,
    tanh,
)

INT32 = st.integers(-(2**31), 2**31 - 1)


def multiplied(value: int, multiplier: int, shift: int) -> int:
    return int(multiply_by_quantized_multiplier(np.array([value]), multiplier, shift)[0])


@given(st.floats(1e-9, 1e9))
def test_a_factor_is_a_multiplier_of_31_bits_and_a_shift_that_are_as_near_as_can_be(real: float) -> None:
    multiplier, shift = quantize_multiplier(real)
    assert 2**30 <= multiplier < 2**31
    assert abs(Fraction(multiplier) * Fraction(2) ** (shift - 31) - Fraction(real)) <= Fraction(2) ** (shift - 32)


@pytest.mark.parametrize(
    ("real", "pair"), [(0.0, (0, 0)), (1.0, (2**30, 1)), (1 - 2**-40, (2**30, 1)), (2**-40, (0, 0))]
)
def test_factors_at_the_ends_of_their_range_are_those_of_tflite(real: float, pair: tuple[int, int]) -> None:
    assert quantize_multiplier(real) == pair


def test_a_factor_that_no_int8_survives_is_refused() -> None:
    with pytest.raises(GraphError, match=r"2\.15e\+09"):
        quantize_multiplier(2.0**31)


@given(INT32, st.floats(1e-9, 0.999))
def test_a_product_is_at_most_one_from_the_real_one(value: int, real: float) -> None:
    assert abs(multiplied(value, *quantize_multiplier(real)) - value * real) <= 1 + abs(value) * 2**-31


def test_rounding_twice_differs_from_rounding_once_where_both_steps_round_up() -> None:
    """Of 2^-1 * (2^31 - 1) / 2^31 = 0.4999…, the first step makes 1/2 and the second 1."""
    assert multiplied(1, 2**31 - 1, -1) == 1
    assert multiplied(-1, 2**31 - 1, -1) == -1


def test_halves_are_rounded_up_in_the_product_and_away_from_zero_in_the_shift() -> None:
    assert multiplied(1, 2**30, 0) == 1
    assert multiplied(-1, 2**30, 0) == 0
    assert multiplied(-2, 2**30, -1) == -1


def test_a_left_shift_that_leaves_32_bits_wraps_around() -> None:
    assert multiplied(2**20, 2**30, 12) == 0
    assert multiplied(2**20 - 1, 2**30, 12) == -(2**11)


@given(INT32, INT32)
def test_each_channel_has_its_own_factor(a: int, b: int) -> None:
    both = multiply_by_quantized_multiplier(np.array([[a, b]]), np.array([2**30, 2**31 - 1]), np.array([-3, 0]))
    assert both.tolist() == [[multiplied(a, 2**30, -3), multiplied(b, 2**31 - 1, 0)]]


@given(st.integers(-(2**31), 0), st.sampled_from((4, 5)))
def test_exponentials_are_right_to_six_digits(raw: int, integer_bits: int) -> None:
    result = int(exp_on_negative_values(np.array([raw]), integer_bits)[0]) / 2**31
    assert math.isclose(result, math.exp(raw / 2 ** (31 - integer_bits)), abs_tol=1e-6)


@given(st.integers(0, 2**31 - 1))
def test_reciprocals_are_right_to_eight_digits(raw: int) -> None:
    assert math.isclose(int(one_over_one_plus(np.array([raw]))[0]) / 2**31, 1 / (1 + raw / 2**31), abs_tol=1e-8)


@given(st.integers(-(2**31) + 1, 2**31 - 1))
def test_sigmoid_and_tanh_are_right_to_six_digits(raw: int) -> None:
    x, array = raw / 2**27, np.array([raw])
    assert math.isclose(int(logistic(array)[0]) / 2**31, 1 / (1 + math.exp(-x)), abs_tol=1e-6)
    assert math.isclose(int(tanh(array)[0]) / 2**31, math.tanh(x), abs_tol=1e-6)
