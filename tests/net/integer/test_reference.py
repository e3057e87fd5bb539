"""The reference: integers that agree with sums done slowly, and with the real numbers that they stand for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.net.integer.random_network import networks

from pennyweight.core.errors import GraphError
from pennyweight.net import ops
from pennyweight.net.graph import INPUT
from pennyweight.net.integer import reference
from pennyweight.net.integer.network import IntegerNetwork, Step, Weights
from pennyweight.net.integer.quantization import Quantization
from pennyweight.net.integer.reference import dequantise, pixel_table, quantise_input, run, run_all


def images(network: IntegerNetwork, count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(-128, 128, (count, *network.input_shape)).astype(np.int8)


@pytest.mark.parametrize("bias", [0, 2**25], ids=["sums in float32", "sums in float64"])
def test_a_convolution_is_what_loops_over_python_integers_make(bias: int) -> None:
    random = np.random.default_rng(1)
    values = random.integers(-127, 128, (4, 3, 2, 2)).astype(np.int8)
    scales = random.uniform(1e-3, 1e-2, 4).astype(np.float32)
    weights = Weights(values, scales, np.array([bias, -bias, 3, 4], np.int32))
    source = Quantization(0.5, -7)
    op = ops.Conv(4, (3, 2), (2, 1), (1, 0, 0, 1), groups=2)
    step = Step("c", op, (INPUT,), Quantization(float(np.float32(0.3)) * (1 + bias / 100), 5), (-100, 100), weights)
    network = IntegerNetwork("net", (6, 5, 4), source, (step,), (0,) * 4, (1,) * 4)
    x = images(network, 2)
    made = run(network, x)
    factors = network.rescaling(step)
    for index in np.ndindex(made.shape):
        n, i, j, f = index
        total = int(weights.bias[f])  # type: ignore[index]
        for a, b, c in np.ndindex(3, 2, 2):
            row, column = 2 * i + a - 1, j + b
            if 0 <= row < 6 and 0 <= column < 5:
                total += int(values[f, a, b, c]) * (int(x[n, row, column, 2 * (f // 2) + c]) + 7)
        high = (total * int(factors.multipliers[f]) + 2**30) >> 31
        right = -int(factors.shifts[f])
        rounded = int(np.sign(high)) * ((abs(high) + (1 << right >> 1)) >> right)
        assert made[index] == min(max(rounded + 5, -100), 100)


@given(networks(), st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_answers_are_the_same_in_chunks_of_any_size(network: IntegerNetwork, count: int) -> None:
    x = images(network, count)
    every = run_all(network, x)
    assert list(every) == list(network.shapes)
    assert all(every[name].shape == (count, *shape) for name, shape in network.shapes.items())
    whole = reference.CHUNK_NUMBERS
    try:
        reference.CHUNK_NUMBERS = 1
        assert np.array_equal(run(network, x), every[network.output])
    finally:
        reference.CHUNK_NUMBERS = whole


def test_no_images_have_no_answers() -> None:
    network = pooled("max")
    assert run(network, images(network, 0)).shape == (0, 1, 1, 3)


def pooled(kind: str) -> IntegerNetwork:
    source = Quantization(0.5, -7)
    step = Step("g", ops.GlobalPool(kind), (INPUT,), source)  # type: ignore[arg-type]
    return IntegerNetwork("net", (6, 5, 3), source, (step,), (10, 20, 30), (2, 3, 4))


def test_averages_and_maxima_are_those_of_the_real_numbers_to_within_a_step() -> None:
    for kind, combine in (("max", np.max), ("average", np.mean)):
        network = pooled(kind)
        x = images(network, 20)
        wanted = combine(network.input_quantization.dequantise(x), axis=(1, 2), keepdims=True)
        assert np.abs(dequantise(network, run(network, x)) - wanted).max() < 0.5


def test_probabilities_add_up_to_one() -> None:
    steps = (Step("s", ops.Softmax(), (INPUT,), Quantization(1 / 256, -128)),)
    network = IntegerNetwork("net", (2, 2, 10), Quantization(0.1, 0), steps, (0,) * 10, (1,) * 10)
    real = dequantise(network, run(network, images(network, 50)))
    assert np.abs(real.sum(-1) - 1).max() < 10 / 256


def test_a_pixel_enters_as_its_normalised_number() -> None:
    network = pooled("max")
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 5, 3)).astype(np.uint8)
    real = (pixels - np.array([10, 20, 30])) / np.array([2, 3, 4])
    assert np.array_equal(quantise_input(network, pixels), network.input_quantization.quantise(real))
    assert pixel_table(network).shape == (256, 3)


def test_images_of_another_shape_or_type_are_refused() -> None:
    network = pooled("max")
    with pytest.raises(GraphError, match="6x5x3, not uint8 of 5x6x3"):
        quantise_input(network, np.zeros((1, 5, 6, 3), np.uint8))
    with pytest.raises(GraphError, match="takes int8 images"):
        run(network, np.zeros((1, 6, 5, 3), np.uint8))  # type: ignore[arg-type]
