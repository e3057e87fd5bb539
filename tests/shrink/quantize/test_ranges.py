"""Ranges: what each way of calibration covers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.shrink.quantize.conftest import lively, tensors_of

from pennyweight.core.errors import GraphError, UsageError
from pennyweight.fit.predict import Normalisation
from pennyweight.net.build import Builder
from pennyweight.net.graph import INPUT
from pennyweight.shrink.quantize.execute import Executor
from pennyweight.shrink.quantize.fold import fold
from pennyweight.shrink.quantize.ranges import Ranges, ranges

PIXELS = Normalisation((0.0,), (1.0,))


def seen(images: np.ndarray, how: str, activation: str = "") -> Ranges:
    """The ranges of a network whose first convolution hands every pixel on."""
    net = Builder((8, 8, 1))
    net.conv(1, 1)
    if activation:
        net.activation(activation)
    net.dense(2)
    graph = net.graph("identity")
    tensors = tensors_of(lively(graph))
    tensors["conv1.weight"][:], tensors["conv1.bias"][:] = 1, -100
    executor = Executor(fold(graph, tensors), torch.device("cpu"))
    return ranges(executor, images, PIXELS, how)  # type: ignore[arg-type]


@pytest.fixture
def images() -> np.ndarray:
    """Pixels around 100, and one far away."""
    pixels = np.random.default_rng(0).integers(90, 111, (400, 8, 8, 1)).astype(np.uint8)
    pixels[0, 0, 0] = 255
    return pixels


def test_min_max_covers_every_number(images: np.ndarray) -> None:
    assert seen(images, "min-max")["conv1"] == (-10, 155)


def test_percentile_leaves_a_rare_number_out(images: np.ndarray) -> None:
    low, high = seen(images, "percentile")["conv1"]
    assert -10.2 < low < -9
    assert 9 < high < 12


def test_mse_clips_what_is_rare_only_as_far_as_rounding_gains_by_it(images: np.ndarray) -> None:
    low, high = seen(images, "mse")["conv1"]
    assert low < -9
    assert 10 < high < 155


def test_mse_spends_no_integers_on_what_the_activation_makes_zero(images: np.ndarray) -> None:
    images = np.where(images % 2 == 0, images, np.clip(images, 90, 110) - 80).astype(np.uint8)
    assert seen(images, "min-max", "hard-swish")["conv1"][0] < -80
    assert -10 < seen(images, "mse", "hard-swish")["conv1"][0] <= -2


@pytest.mark.parametrize("how", ["min-max", "percentile", "mse"])
def test_a_tensor_of_zeros_has_a_range_of_nothing(how: str) -> None:
    found = seen(np.full((4, 8, 8, 1), 100, np.uint8), how)
    assert found["conv1"] == (0, 0)
    assert found[INPUT][1] == pytest.approx(100, rel=0.01)


def test_another_word_is_refused(images: np.ndarray) -> None:
    with pytest.raises(UsageError, match="calibration 'median'"):
        seen(images, "median")


def test_numbers_that_overflow_are_an_error_that_names_the_step() -> None:
    net = Builder((8, 8, 1))
    net.conv(1, 1)
    net.conv(1, 1)
    net.dense(2)
    graph = net.graph("loud")
    tensors = tensors_of(lively(graph))
    tensors["conv1.weight"][:] = tensors["conv2.weight"][:] = 1e30
    executor = Executor(fold(graph, tensors), torch.device("cpu"))
    images = np.full((2, 8, 8, 1), 200, np.uint8)
    with pytest.raises(GraphError, match="not finite come out of conv2"):
        ranges(executor, images, PIXELS, "min-max")
