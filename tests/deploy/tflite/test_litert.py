"""LiteRT and TFLite Micro differ: in which operators, and by how much. Its kernels round once where Micro rounds twice.

Its reference kernels (`BUILTIN_REF`) do so in FULLY_CONNECTED alone, its default (XNNPACK) in more.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from tests.net.integer.random_network import networks

from pennyweight.core.errors import GraphError
from pennyweight.deploy.tflite.write import write
from pennyweight.net import ops
from pennyweight.net.graph import INPUT
from pennyweight.net.integer.network import IntegerNetwork, Step, Weights, weights_shape
from pennyweight.net.integer.quantization import HIGH, LOW, Quantization
from pennyweight.net.integer.reference import run
from pennyweight.net.ops import Op

litert = pytest.importorskip(
    "ai_edge_litert.interpreter", reason="ai-edge-litert of the extra `test` has no wheel for this system"
)
REFERENCE, DEFAULT = litert.OpResolverType.BUILTIN_REF, litert.OpResolverType.BUILTIN

Array = npt.NDArray[Any]


def answers_of(content: bytes, images: Array, kernels: Any) -> Array:
    interpreter = litert.Interpreter(model_content=content, experimental_op_resolver_type=kernels, num_threads=1)
    interpreter.allocate_tensors()
    start, end = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    rows = []
    for image in images:
        interpreter.set_tensor(start, image[None])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(end)[0])
    return np.stack(rows)


def images_of(network: IntegerNetwork, count: int) -> Array:
    return np.random.default_rng(0).integers(LOW, HIGH + 1, (count, *network.input_shape)).astype(np.int8)


def difference(network: IntegerNetwork, kernels: Any) -> int:
    """How far apart the answers are at most."""
    try:
        content = write(network)
    except GraphError:  # an average pool that TFLite pads otherwise
        assume(False)
    images = images_of(network, 3)
    theirs = answers_of(content, images, kernels).astype(int)
    return int(np.abs(theirs - run(network, images)).max())


@given(networks(most_steps=4))
@settings(max_examples=60, deadline=None)
def test_its_reference_kernels_agree_in_all_but_dense_layers(network: IntegerNetwork) -> None:
    assume(not any(isinstance(step.op, ops.Dense) for step in network.steps))
    assert difference(network, REFERENCE) == 0


@given(networks(most_steps=1))
@settings(max_examples=60, deadline=None)
def test_its_fast_kernels_are_at_most_one_off_in_a_layer_and_three_in_a_sigmoid(network: IntegerNetwork) -> None:
    assert difference(network, DEFAULT) <= (3 if getattr(network.steps[-1].op, "function", "") == "sigmoid" else 1)


@pytest.mark.parametrize("scales", [1, 40])
@pytest.mark.parametrize(
    ("op", "kernels"),
    [
        (ops.Dense(40), REFERENCE),
        (ops.Dense(40), DEFAULT),
        (ops.Conv(40, (3, 3)), DEFAULT),
        (ops.DepthwiseConv((3, 3), multiplier=10), DEFAULT),
    ],
    ids=["dense, reference", "dense, fast", "conv, fast", "depthwise conv, fast"],
)
def test_where_it_differs_it_rounds_once(op: Op, kernels: Any, scales: int) -> None:
    random, q, result = np.random.default_rng(0), Quantization(0.05, 3), Quantization(1, 5)
    flat, source, features = (), INPUT, (6, 6, 4)
    if isinstance(op, ops.Dense):
        flat, source, features = (Step("f", ops.Flatten(), (INPUT,), q),), "f", (144,)
    values = random.integers(-127, 128, weights_shape(op, features)).astype(np.int8)
    bias = random.integers(-1000, 1000, 40).astype(np.int32)
    weights = Weights(values, random.uniform(0.005, 0.02, scales).astype(np.float32), bias)
    step = Step("d", op, (source,), result, weights=weights)
    network = IntegerNetwork("net", (6, 6, 4), q, (*flat, step), (0,) * 4, (1,) * 4)
    images = images_of(network, 200)
    theirs = answers_of(write(network), images, kernels)
    differing = (theirs != run(network, images)).mean()
    assert differing > 0
    # The fast kernels multiply in float32, so that a few ties fall otherwise.
    assert (theirs != rounded_once(network, images)).mean() <= (0 if kernels == REFERENCE else differing / 10)


def rounded_once(network: IntegerNetwork, images: Array) -> Array:
    """The answers of a network of one convolution or dense layer, had its sums been rounded once."""
    step = network.steps[-1]
    weights, factors = step.weights, network.rescaling(step)
    assert weights is not None
    assert weights.bias is not None
    x = images.astype(np.int64) - network.input_quantization.zero_point
    values = weights.values.astype(np.int64)
    if isinstance(step.op, ops.Dense):
        sums = x.reshape(len(x), -1) @ values.T
    else:
        patches = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (1, 2))
        if isinstance(step.op, ops.Conv):
            sums = np.einsum("nhwcij,fijc->nhwf", patches, values)
        else:
            sums = np.einsum("nhwcij,ijcm->nhwcm", patches, values.reshape(3, 3, 4, 10)).reshape(len(x), 4, 4, 40)
    right = 31 - factors.shifts
    rounded = ((sums + weights.bias) * factors.multipliers + (1 << (right - 1))) >> right
    return np.clip(rounded + step.quantization.zero_point, LOW, HIGH)
