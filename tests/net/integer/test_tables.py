"""Tables: functions of one number from int8 to int8."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pennyweight.core.errors import GraphError
from pennyweight.net.integer.quantization import HIGH, LOW, Quantization
from pennyweight.net.integer.tables import (
    SIGMOID_OUTPUT,
    TANH_OUTPUT,
    clamp,
    requantise_table,
    table,
    tflite_table,
)
from pennyweight.net.ops import Activation, ActivationFunction

RESULTS = {"sigmoid": SIGMOID_OUTPUT, "tanh": TANH_OUTPUT}

REAL = {
    "relu": lambda x: max(x, 0),
    "relu6": lambda x: min(max(x, 0), 6),
    "gelu": lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2,
    "silu": lambda x: x / (1 + math.exp(-x)),
    "hard_swish": lambda x: x * min(max(x + 3, 0), 6) / 6,
    "leaky_relu": lambda x: x if x > 0 else 0.125 * x,
    "tanh": math.tanh,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
}


@pytest.mark.parametrize("function", get_args(ActivationFunction))
def test_a_table_is_the_function_to_within_one_step(function: ActivationFunction) -> None:
    source = Quantization(0.05, 10)
    result = RESULTS.get(function, Quantization(0.05, -100))
    numbers = source.dequantise(np.arange(LOW, HIGH + 1)).tolist()
    wanted = [result.quantise(REAL[function](x)) for x in numbers]
    made = table(Activation(function, 0.125), source, result)
    assert np.abs(made.astype(int) - np.array(wanted)).max() <= 1


@pytest.mark.parametrize("function", ["gelu", "silu"])
def test_what_tflite_micro_has_no_kernel_for_is_the_nearest_integer(function: ActivationFunction) -> None:
    source, result = Quantization(0.05, 10), Quantization(0.03, -100)
    assert tflite_table(Activation(function), source, result) is None
    wanted = [result.quantise(REAL[function]((q - 10) * source.scale)) for q in range(LOW, HIGH + 1)]
    assert table(Activation(function), source, result).tolist() == np.array(wanted).tolist()


@pytest.mark.parametrize("function", get_args(ActivationFunction))
@pytest.mark.parametrize("scale", [1e-9, 1e-4, 1.0, 1e4, 1e9])
def test_scales_that_are_far_apart_saturate_and_warn_of_nothing(function: ActivationFunction, scale: float) -> None:
    assert len(set(table(Activation(function), Quantization(scale, 0), Quantization(1.0, 0)).tolist())) <= 256


@given(st.floats(1e-3, 1e3), st.integers(LOW, HIGH))
def test_the_same_quantization_changes_nothing(scale: float, zero_point: int) -> None:
    same = Quantization(scale, zero_point)
    assert requantise_table(same, same).tolist() == list(range(LOW, HIGH + 1))


def test_clamps_are_those_of_fused_activations() -> None:
    result = Quantization(0.05, -20)
    assert clamp("", result) == (LOW, HIGH)
    assert clamp("relu", result) == (-20, HIGH)
    assert clamp("relu6", result) == (-20, 100)
    assert clamp("relu_n1_to_1", result) == (-40, 0)
    assert clamp("relu6", Quantization(1e-30, 0)) == (0, HIGH)


def test_a_function_that_is_no_clamp_is_refused() -> None:
    with pytest.raises(GraphError, match="tanh"):
        clamp("tanh", Quantization(1, 0))
