"""A folded network computes what the trained one did, in as few steps as will run."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.shrink.quantize.conftest import lively, small, tensors_of

from pennyweight.core.errors import GraphError
from pennyweight.net import ops
from pennyweight.net.build import Builder
from pennyweight.net.graph import INPUT, Graph, Layer
from pennyweight.net.zoo import build_network, families
from pennyweight.shrink.quantize.execute import Executor
from pennyweight.shrink.quantize.fold import FloatNetwork, fold

CPU = torch.device("cpu")


def folded(graph: Graph) -> FloatNetwork:
    """The folded network, which answers as the Graph's module does."""
    module = lively(graph)
    network = fold(graph, tensors_of(module))
    height, width, channels = graph.input_shape
    images = torch.randn(3, channels, height, width, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected, found = module(images), Executor(network, CPU)(images)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))
    return network


def names(network: FloatNetwork) -> list[str]:
    return [step.name for step in network.steps]


@pytest.mark.parametrize("family", families())
def test_every_family_of_the_zoo_answers_as_it_did(family: str) -> None:
    network = folded(small(family))
    assert not any(isinstance(step.op, ops.BatchNorm | ops.Dropout) for step in network.steps)


@pytest.mark.parametrize("activation", ["relu6", "gelu", "silu", "hard-swish", "leaky", "tanh", "sigmoid", "prelu"])
def test_every_activation_answers_as_it_did(activation: str) -> None:
    folded(build_network(f"squeezenet:width=0.1,activation={activation},batch_norm=yes", (24, 24, 3), 10))


def test_a_norm_and_a_relu_become_part_of_the_convolution_that_they_alone_read() -> None:
    net = Builder((8, 8, 1))
    net.conv_block(4, 3, activation="relu")
    net.dropout(0.5)
    net.dense(3)
    net.dropout(0.5)
    network = folded(net.graph("plain"))
    assert names(network) == ["conv1", "flatten1", "dense1"]
    assert network.steps[0].clamp == "relu"


def test_a_relu_whose_input_others_read_stays_a_step() -> None:
    net = Builder((8, 8, 1))
    start = net.conv(4, 3)
    net.add(ops.Add(), start, net.activation("relu"))
    net.dense(3)
    network = folded(net.graph("branch"))
    assert names(network) == ["conv1", "relu1", "add1", "flatten1", "dense1"]
    assert not network.steps[0].clamp


def test_a_norm_between_a_relu_and_a_padded_convolution_becomes_a_depthwise_one() -> None:
    net = Builder((8, 8, 1))
    net.conv(4, 3)
    net.activation("relu")
    norm = net.batch_norm()
    net.conv(4, 3)
    net.dense(3)
    network = folded(net.graph("board vgg's order"))
    (step,) = (step for step in network.steps if step.name == norm)
    assert isinstance(step.op, ops.DepthwiseConv)


def test_a_norm_that_only_dense_layers_read_becomes_part_of_them() -> None:
    net = Builder((8, 8, 2))
    net.conv(4, 3)
    net.activation("relu")
    net.batch_norm()
    net.dropout(0.1)
    net.dense(6)
    net.activation("relu")
    net.batch_norm()
    net.dense(3)
    assert names(folded(net.graph("Keras' order"))) == ["conv1", "flatten1", "dense1", "dense2"]


def test_steps_that_lead_to_no_answer_are_gone() -> None:
    net = Builder((8, 8, 1))
    answer = net.dense(3)
    net.conv(4, 3, at=INPUT)
    net.activation("gelu")
    net.add(ops.Dropout(0.1), answer)
    assert names(folded(net.graph("dead branch"))) == ["flatten1", "dense1"]


def test_every_layer_without_an_integer_form_is_named_at_once() -> None:
    net = Builder((8, 8, 1))
    net.flatten()
    net.batch_norm()
    net.add(ops.Softmax())
    net.dense(5000)
    net.add(ops.Softmax())
    graph = net.graph("odd")
    with pytest.raises(
        GraphError, match=r"batch_norm1 \(batch_norm of a vector.*softmax2 \(softmax of 5,000 numbers"
    ) as error:
        fold(graph, tensors_of(lively(graph)))
    assert "softmax1" not in str(error.value)


@pytest.mark.parametrize("number", [np.nan, -1.0])
def test_folded_weights_that_are_not_finite_are_named(number: float) -> None:
    net = Builder((8, 8, 1))
    net.conv_block(4, 3, activation="relu")
    net.dense(3)
    graph = net.graph("broken")
    tensors = tensors_of(lively(graph))
    tensors["batch_norm1.running_var"][2] = number
    with pytest.raises(GraphError, match="not finite: conv1"):
        fold(graph, tensors)


def test_an_op_of_firmware_alone_has_no_place_in_a_trained_network() -> None:
    graph = Graph("cropped", (4, 4, 1), (Layer("part", ops.Crop((0, 0), (2, 2)), (INPUT,)),))
    with pytest.raises(GraphError, match=r"part \(crop\)"):
        fold(graph, {})
