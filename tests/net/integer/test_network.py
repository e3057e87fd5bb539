"""IntegerNetwork: one that exists is valid, and what is wrong with another is said with the step's name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from tests.net.integer.random_network import networks

from pennyweight.core.errors import GraphError
from pennyweight.net import ops
from pennyweight.net.cost import cost
from pennyweight.net.graph import INPUT
from pennyweight.net.integer.network import IntegerNetwork, Step, Weights, stored_arrays
from pennyweight.net.integer.quantization import Quantization
from pennyweight.net.integer.tables import requantise_table
from pennyweight.net.memory import plan_memory

Q = Quantization(0.05, 3)
IDENTITY = requantise_table(Q, Q)


def weights(*shape: int, channels: int, value: int = 1, zero_point: int = 0, scale: float = 0.01) -> Weights:
    return Weights(
        np.full(shape, value, np.int8),
        np.full(channels, scale, np.float32),
        np.zeros(channels, np.int32),
        zero_point,
    )


CONV = Step("c", ops.Conv(4, (3, 3)), (INPUT,), Q, weights=weights(4, 3, 3, 2, channels=4))


def network(*steps: Step, source: Quantization = Q) -> IntegerNetwork:
    return IntegerNetwork("net", (5, 5, 2), source, steps, (0, 0), (1, 1))


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (replace(CONV, weights=None), "conv needs weights"),
        (replace(CONV, weights=weights(4, 2, 3, 3, channels=4)), "4x2x3x3, not 4x3x3x2"),
        (replace(CONV, weights=weights(4, 3, 3, 2, channels=3)), "4 output channels need one scale"),
        (replace(CONV, weights=weights(4, 3, 3, 2, channels=4, zero_point=1)), "symmetric"),
        (replace(CONV, weights=weights(4, 3, 3, 2, channels=4, scale=float("nan"))), "positive float32"),
        (replace(CONV, weights=weights(4, 3, 3, 2, channels=4, scale=1e30)), "too large for int8"),
        (replace(CONV, op=ops.Conv(4, (3, 3), bias=False)), "bias=True"),
        (replace(CONV, clamp=(-129, 127)), "-129"),
        (replace(CONV, clamp=(5, 4)), "5 … 4"),
        (replace(CONV, table=IDENTITY), "conv has no table"),
        (Step("b", ops.BatchNorm(), (INPUT,), Q), "batch_norm has no int8 form"),
        (Step("d", ops.Dropout(0.5), (INPUT,), Q), "dropout has no int8 form"),
        (Step("r", ops.Activation("relu"), (INPUT,), Q), "activation needs a table"),
        (Step("r", ops.Requantise(), (INPUT,), Q, table=IDENTITY[:255]), "256 entries"),
        (Step("r", ops.Requantise(), (INPUT,), Q, (0, 127), table=IDENTITY), "the clamp in them"),
        (Step("p", ops.Pool("max", (2, 2), (2, 2)), (INPUT,), Quantization(1, 0)), "keeps the quantization"),
        (Step("g", ops.GlobalPool("max"), (INPUT,), Quantization(1, 0)), "keeps the quantization"),
        (Step("g", ops.GlobalPool("average"), (INPUT,), Q, (0, 127)), "has no clamp"),
        (Step("f", ops.Flatten(), (INPUT,), Quantization(1, 0)), "keeps the quantization"),
        (Step("k", ops.Concat(), (INPUT, INPUT), Quantization(1, 0)), "keeps the quantization"),
        (Step("s", ops.Softmax(), (INPUT,), Q), "scale 1/256"),
        (Step("a", ops.Add(), (INPUT, INPUT), Quantization(1e-8, 0)), "add cannot bring"),
        (Step("m", ops.Multiply(), (INPUT, INPUT), Quantization(1e-30, 0)), "too large for int8"),
        (Step("q", ops.PRelu(), (INPUT,), Q, weights=weights(2, channels=2)), "slopes have one scale"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_step_that_cannot_be_is_refused_by_its_name(step: Step, said: str) -> None:
    with pytest.raises(GraphError, match="step ") as refusal:
        network(step)
    assert f"step {step.name!r} of net" in str(refusal.value)
    assert said in str(refusal.value)


def test_a_sum_that_could_leave_32_bits_is_refused() -> None:
    most = Weights(np.full((4, 3, 3, 2), 127, np.int8), np.ones(4, np.float32), np.full(4, 2**31 - 1000, np.int32))
    with pytest.raises(GraphError, match="which no int32 holds"):
        network(replace(CONV, weights=most))


def test_a_product_with_a_gate_of_another_rank_is_refused() -> None:
    one = Quantization(1, 0)
    flat = Step("f", ops.Flatten(), (INPUT,), one)
    product = Step("m", ops.Multiply(), ("f", INPUT), one)
    with pytest.raises(GraphError, match="as deep"):
        IntegerNetwork("net", (1, 1, 1), one, (flat, product), (0,), (1,))


def test_an_unknown_input_is_refused_as_in_a_graph() -> None:
    with pytest.raises(GraphError, match="'x'"):
        network(replace(CONV, inputs=("x",)))


@pytest.mark.parametrize(("mean", "std"), [((0,), (1, 1)), ((0, 0), (1, 0)), ((0, float("nan")), (1, 1))])
def test_pixels_need_a_mean_and_a_deviation_for_each_channel(mean: tuple[float], std: tuple[float]) -> None:
    with pytest.raises(GraphError, match="deviations"):
        IntegerNetwork("net", (5, 5, 2), Q, (CONV,), mean, std)


def test_weights_of_another_type_are_refused() -> None:
    with pytest.raises(GraphError, match="weights are float64, not int8"):
        Weights(np.zeros((4, 3, 3, 2)), np.ones(4, np.float32))  # type: ignore[arg-type]


def test_arrays_are_copies_that_cannot_be_written_to() -> None:
    values = np.ones((4, 3, 3, 2), np.int8)
    kept = Weights(values, np.ones(4, np.float32), np.zeros(4, np.int32))
    values[:] = 0
    assert kept.values.min() == 1
    with pytest.raises(ValueError, match="read-only"):
        kept.values[:] = 0


def test_a_dense_layer_with_one_scale_multiplies_it_in_float32() -> None:
    flat = Step("f", ops.Flatten(), (INPUT,), Q)
    one = Weights(np.ones((4, 50), np.int8), np.array([0.013], np.float32), np.zeros(4, np.int32))
    single = network(flat, Step("d", ops.Dense(4), ("f",), Q, weights=one))
    each = replace(single.steps[1], weights=replace(one, scales=np.full(4, 0.013, np.float32)))
    several = network(flat, each)
    assert single.rescaling(single.steps[1]).multipliers[0] != several.rescaling(several.steps[1]).multipliers[0]


@given(networks())
@settings(max_examples=50, deadline=None)
def test_any_network_is_a_graph_that_can_be_priced_and_planned(network: IntegerNetwork) -> None:
    assert network.graph.output == network.output
    assert cost(network.graph).macs == sum(network.macs(step) for step in network.steps)
    assert plan_memory(network.graph).peak_bytes > 0
    assert network.weight_bytes == sum(a.nbytes for step in network.steps for a in stored_arrays(step).values())
