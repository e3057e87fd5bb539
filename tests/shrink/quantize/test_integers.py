"""Integers stand for the real numbers that they were made of, for every op that a network may have."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.shrink.quantize.conftest import lively, small, tensors_of

from pennyweight.fit.predict import Normalisation
from pennyweight.net import ops
from pennyweight.net.build import Builder
from pennyweight.net.graph import INPUT, Graph
from pennyweight.net.integer.network import IntegerNetwork
from pennyweight.net.integer.quantization import HIGH, LOW
from pennyweight.net.integer.reference import dequantise, quantise_input, run, run_all
from pennyweight.net.integer.tables import SIGMOID_OUTPUT
from pennyweight.net.zoo import build_network, families
from pennyweight.shrink.quantize.execute import Executor, batches
from pennyweight.shrink.quantize.fold import fold
from pennyweight.shrink.quantize.integers import (
    Scales,
    input_range,
    integer_network,
    quantization,
    tensor_quantizations,
)
from pennyweight.shrink.quantize.ranges import ranges

CPU = torch.device("cpu")


def quantised(graph: Graph, count: int = 24) -> tuple[IntegerNetwork, float]:
    """The network on integers, and by how many dB its answers stand above what differs in them from those in float."""
    network = fold(graph, tensors_of(lively(graph)))
    channels = graph.input_shape[2]
    normalisation = Normalisation((120.0, 130.0, 110.0)[:channels], (60.0, 65.0, 70.0)[:channels])
    images = np.random.default_rng(0).integers(0, 256, (count, *graph.input_shape)).astype(np.uint8)
    executor = Executor(network, CPU)
    found = ranges(executor, images, normalisation, "min-max")
    found[INPUT] = input_range(normalisation.mean, normalisation.std)
    scales = Scales.of(network, tensor_quantizations(network, found))
    integers = integer_network(network, scales, normalisation.mean, normalisation.std)
    with torch.inference_mode():
        exact = torch.cat([executor(batch) for batch in batches(images, normalisation, CPU)]).numpy()
    rough = dequantise(integers, run(integers, quantise_input(integers, images)))
    noise = float(((rough - exact) ** 2).sum())
    return integers, 10 * math.log10(float((exact**2).sum()) / max(noise, 1e-30))


@pytest.mark.parametrize("family", families())
def test_every_family_of_the_zoo_runs_on_integers(family: str) -> None:
    _, ratio_db = quantised(small(family), count=4)
    assert ratio_db > 12


@pytest.mark.parametrize("activation", ["relu6", "gelu", "silu", "hard-swish", "leaky", "tanh", "sigmoid", "prelu"])
@pytest.mark.parametrize("pooling", ["max", "average"])
def test_every_activation_and_pooling_runs_on_integers(activation: str, pooling: str) -> None:
    text = f"squeezenet:width=0.15,activation={activation},pooling={pooling}"
    _, ratio_db = quantised(build_network(text, (24, 24, 3), 10))
    assert ratio_db > 15


def test_gates_norms_and_a_last_softmax_run_on_integers() -> None:
    net = Builder((12, 12, 3))
    start = net.conv_block(8, 3, activation="hard-swish")
    net.add(ops.GlobalPool("average"))
    net.conv(4, 1)
    net.activation("relu")
    net.conv(8, 1)
    gate = net.activation("sigmoid")
    net.add(ops.Multiply(), start, gate)
    net.activation("relu6")
    net.batch_norm()
    net.conv(8, 3)
    net.add(ops.GlobalPool("max"))
    net.dense(5)
    net.add(ops.Softmax())
    integers, ratio_db = quantised(net.graph("gated"))
    assert ratio_db > 15
    assert integers.quantizations[gate] == integers.quantizations[integers.output] == SIGMOID_OUTPUT


def test_a_concat_brings_what_it_reads_to_one_quantization_by_tables_where_it_must() -> None:
    net = Builder((8, 8, 3))
    free = net.conv(4, 3)
    squashed = net.activation("tanh")
    net.add(ops.Concat(), free, squashed, INPUT, squashed)
    net.global_pool("max")
    net.dense(3)
    integers, ratio_db = quantised(net.graph("mixed"))
    assert ratio_db > 25
    (concat,) = (step for step in integers.steps if isinstance(step.op, ops.Concat))
    assert concat.inputs[0] == free
    assert concat.inputs[1] == concat.inputs[3] != squashed
    assert sum(isinstance(step.op, ops.Requantise) for step in integers.steps) == 2


def test_a_concat_of_sigmoids_keeps_their_quantization() -> None:
    integers, _ = quantised(build_network("squeezenet:width=0.1,activation=sigmoid", (24, 24, 3), 10), count=4)
    concats = [step for step in integers.steps if isinstance(step.op, ops.Concat)]
    assert {concat.quantization for concat in concats} == {SIGMOID_OUTPUT}
    assert not any(isinstance(step.op, ops.Requantise) for step in integers.steps)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_a_quantization_covers_its_range_and_zero_to_half_a_step(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    made = quantization(low, high)
    ends = made.dequantise(np.array([LOW, HIGH], np.int8))
    assert ends[0] - made.scale <= min(low, 0) + 1e-6 * abs(low)
    assert ends[1] + made.scale >= max(high, 0) - 1e-6 * abs(high)
    assert made.dequantise(made.quantise([0.0])) == 0


def test_channels_that_do_nothing_or_have_huge_biases_leave_the_others_as_they_are() -> None:
    net = Builder((6, 6, 1))
    conv = net.conv(4, 3)
    net.dense(3)
    graph = net.graph("dead")
    tensors = tensors_of(lively(graph))
    tensors[f"{conv}.weight"][:2] = 0
    tensors[f"{conv}.bias"][:] = [0, 0.25, 0.1, -0.1]
    tensors[f"{conv}.weight"][3] *= 1e-12
    network = fold(graph, tensors)
    scales = Scales.of(
        network,
        tensor_quantizations(network, dict.fromkeys(network.shapes, (-1.0, 1.0))),
    )
    integers = integer_network(network, scales, (128.0,), (64.0,))
    images = np.zeros((1, 6, 6, 1), np.int8)
    made = run_all(integers, images)[conv]
    reals = integers.quantizations[conv].dequantise(made)[0, 3, 3]
    assert np.abs(reals[[0, 1, 3]] - [0, 0.25, -0.1]).max() <= 0.51 * integers.quantizations[conv].scale


def test_layers_that_died_at_any_depth_still_make_a_network() -> None:
    net = Builder((6, 6, 1))
    for _ in range(3):
        net.conv(4, 3)
        start = net.activation("relu")
        net.add(ops.Add(), start, net.activation("hard-swish"))
    net.dense(3)
    graph = net.graph("dying")
    tensors = tensors_of(lively(graph))
    network = fold(graph, tensors)
    for tiny in (0.0, 1e-300, 1e-30, 1e-9):
        found = dict.fromkeys(network.shapes, (0.0, tiny)) | {INPUT: (-2.0, 2.0)}
        scales = Scales.of(network, tensor_quantizations(network, found))
        integer_network(network, scales, (128.0,), (64.0,))
