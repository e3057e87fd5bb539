"""Quantization: integers and the real numbers that they stand for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pennyweight.core.errors import GraphError
from pennyweight.net.integer.quantization import HIGH, LOW, Quantization, round_away

QUANTIZATIONS = st.builds(Quantization, st.floats(1e-6, 1e6), st.integers(LOW, HIGH))


@given(QUANTIZATIONS)
def test_every_integer_comes_back_from_its_real_number(quantization: Quantization) -> None:
    integers = np.arange(LOW, HIGH + 1, dtype=np.int8)
    assert np.array_equal(quantization.quantise(quantization.dequantise(integers)), integers)


def test_a_scale_is_kept_as_the_float32_that_a_file_holds() -> None:
    assert Quantization(0.1, 0).scale == float(np.float32(0.1))


def test_what_lies_outside_is_kept_at_the_ends() -> None:
    assert Quantization(1, 0).quantise([-1e9, 1e9, float("inf")]).tolist() == [LOW, HIGH, HIGH]


def test_halves_are_rounded_away_from_zero() -> None:
    assert round_away(np.array([0.5, 1.5, -0.5, -2.5, 0.49999999999999994])).tolist() == [1, 2, -1, -3, 0]


@pytest.mark.parametrize("scale", [0, -1, float("nan"), float("inf"), 1e-40, 1e39])
def test_a_scale_that_is_no_positive_float32_is_refused(scale: float) -> None:
    with pytest.raises(GraphError, match="scale"):
        Quantization(scale, 0)


@pytest.mark.parametrize("zero_point", [-129, 128])
def test_a_zero_point_outside_of_int8_is_refused(zero_point: int) -> None:
    with pytest.raises(GraphError, match=str(zero_point)):
        Quantization(1, zero_point)


def test_what_is_not_a_number_is_refused() -> None:
    with pytest.raises(GraphError, match="not a number"):
        Quantization(1, 0).quantise([0.0, float("nan")])
