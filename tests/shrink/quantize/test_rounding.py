"""What makes up for rounding: biases, the choice of each weight's side, and learning with rounded numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tests.shrink.quantize.conftest import lively, tensors_of

from pennyweight.fit.predict import Normalisation
from pennyweight.net.build import Builder
from pennyweight.net.graph import INPUT
from pennyweight.shrink.quantize.adaptive import adaptively_rounded
from pennyweight.shrink.quantize.bias import bias_corrected
from pennyweight.shrink.quantize.execute import Executor, batches
from pennyweight.shrink.quantize.fine_tune import RoundedModule
from pennyweight.shrink.quantize.fold import FloatNetwork, fold
from pennyweight.shrink.quantize.integers import Scales, input_range, tensor_quantizations
from pennyweight.shrink.quantize.ranges import ranges
from pennyweight.shrink.quantize.rounding import rounded_weights, rounding

CPU = torch.device("cpu")
PIXELS = Normalisation((100.0,), (60.0,))
IMAGES = np.random.default_rng(0).integers(0, 256, (128, 8, 8, 1)).astype(np.uint8)


@pytest.fixture(scope="module")
def executor() -> Executor:
    net = Builder((8, 8, 1))
    net.conv_block(8, 3, activation="relu")
    net.depthwise_block(3, activation="relu6")
    net.conv(8, 1)
    net.dense(10)
    graph = net.graph("net")
    return Executor(fold(graph, tensors_of(lively(graph))), CPU)


@pytest.fixture(scope="module")
def scales(executor: Executor) -> Scales:
    """Those of 4 bits rather than 8 for the weights, so that rounding them is what counts."""
    found = ranges(executor, IMAGES, PIXELS, "min-max")
    found[INPUT] = input_range(PIXELS.mean, PIXELS.std)
    made = Scales.of(executor.network, tensor_quantizations(executor.network, found))
    return Scales(made.tensors, {name: 16 * scale for name, scale in made.weights.items()})


@torch.inference_mode()
def answers(executor: Executor) -> torch.Tensor:
    return torch.cat([executor(batch) for batch in batches(IMAGES, PIXELS, CPU)])


@torch.inference_mode()
def noise(network: FloatNetwork, scales: Scales, exact: torch.Tensor) -> float:
    """The mean squared error of the answers on integers."""
    own = Executor(network, CPU)
    look, weights = rounding(scales), rounded_weights(own.weights, scales)
    rough = torch.cat([own(batch, look, weights) for batch in batches(IMAGES, PIXELS, CPU)])
    return float((rough - exact).square().mean())


def test_corrected_biases_bring_the_mean_answers_back(executor: Executor, scales: Scales) -> None:
    exact = answers(executor)
    corrected = bias_corrected(executor, scales, IMAGES, PIXELS)
    assert noise(corrected, scales, exact) < noise(executor.network, scales, exact)


def test_adaptive_rounding_loses_less_than_rounding_to_the_nearest(executor: Executor, scales: Scales) -> None:
    exact = answers(executor)
    chosen = adaptively_rounded(executor, scales, IMAGES, PIXELS)
    assert noise(chosen, scales, exact) < noise(executor.network, scales, exact) / 2
    for step in chosen.linear:
        assert step.weight is not None
        own = scales.weights[step.name].astype(np.float64).reshape(-1, *[1] * (step.weight.ndim - 1))
        integers = step.weight / own
        before = executor.network.arrays[f"{step.name}.weight"] / own
        assert np.abs(integers - np.round(integers)).max() < 1e-4
        assert np.abs(integers - before).max() < 1 + 1e-4


def test_a_module_that_learns_answers_as_its_integers_and_passes_gradients(executor: Executor, scales: Scales) -> None:
    fine = Scales.of(executor.network, scales.tensors)
    module = RoundedModule(executor, fine)
    (batch,) = batches(IMAGES, PIXELS, CPU)
    made = module(batch)
    look, weights = rounding(fine), rounded_weights(executor.weights, fine)
    torch.testing.assert_close(made, executor(batch, look, weights), rtol=0, atol=2 * fine.tensors["dense1"].scale)
    made.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())
    assert math.isfinite(sum(float(p.grad.abs().sum()) for p in module.parameters() if p.grad is not None))
