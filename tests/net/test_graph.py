"""A Graph that exists is valid, comes back from JSON, and nothing else does."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pennyweight.core.errors import GraphError
from pennyweight.net import ops
from pennyweight.net.build import Builder
from pennyweight.net.graph import INPUT, Graph, Layer
from pennyweight.net.zoo import build_network, families


def small_graph() -> Graph:
    net = Builder((8, 8, 1))
    start = net.conv(4, 3)
    net.add(ops.Add(), start, net.conv_block(4, 3, activation="relu"))
    net.global_pool()
    net.dense(3)
    return net.graph("small")


RELU = ops.Activation("relu")


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        ((), "at least one layer"),
        ((Layer("a", RELU, ()),), "reads nothing"),
        ((Layer("a", RELU, ("b",)), Layer("b", RELU, (INPUT,))), "no earlier layer"),
        ((Layer("a", RELU, (INPUT,)), Layer("a", RELU, (INPUT,))), "two tensors"),
        ((Layer(INPUT, RELU, (INPUT,)),), "two tensors"),
        ((Layer("a", RELU, (INPUT, INPUT)),), "'a'"),
        ((Layer("a", ops.Dense(3), (INPUT,)),), "flatten first"),
        ((Layer("a", ops.Conv(0, (3, 3)), (INPUT,)),), "makes nothing"),
        ((Layer("a", ops.Flatten(), (INPUT,)), Layer("b", ops.Dense(-1), ("a",))), "makes nothing"),
        ((Layer("a", ops.Conv(4, (9, 9)), (INPUT,)),), "does not fit"),
    ],
)
def test_layers_that_cannot_run_make_no_graph(layers: tuple[Layer, ...], reason: str) -> None:
    with pytest.raises(GraphError, match=reason):
        Graph("broken", (8, 8, 1), layers)


@pytest.mark.parametrize("shape", [(), (0,), (8, -1, 3)])
def test_an_input_without_numbers_makes_no_graph(shape: tuple[int, ...]) -> None:
    with pytest.raises(GraphError, match="positive"):
        Graph("empty", shape, (Layer("a", RELU, (INPUT,)),))


def test_a_graph_knows_its_shapes_parameters_and_answer() -> None:
    graph = small_graph()
    assert graph.shapes[INPUT] == (8, 8, 1)
    assert (graph.output, graph.classes) == ("dense1", 3)
    assert graph.parameters()["conv1.weight"] == (4, 1, 3, 3)
    assert graph.statistics() == {"batch_norm1.running_mean": (4,), "batch_norm1.running_var": (4,)}


@pytest.mark.parametrize("name", families())
def test_every_network_comes_back_from_json(name: str) -> None:
    graph = build_network(name, (32, 32, 3), 10)
    assert Graph.from_json(json.loads(json.dumps(graph.to_json()))) == graph


junk = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 9) | st.floats() | st.text("ab1", max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab1", max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(st.data())
@settings(max_examples=300)
def test_json_that_was_edited_anywhere_gives_a_valid_graph_or_a_graph_error(data: st.DataObject) -> None:
    facts: Any = copy.deepcopy(small_graph().to_json())
    place = facts
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], (dict, list)) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    if data.draw(st.booleans()):
        place[key] = data.draw(junk)
    else:
        del place[key]
    try:
        graph = Graph.from_json(facts)
    except GraphError:
        return
    assert all(min(shape) > 0 for shape in graph.shapes.values())


@pytest.mark.parametrize("facts", [None, [], "text", 3, {}, {"text": "a", "input_shape": [8, 8, 1], "layers": 5}])
def test_json_of_another_form_is_a_graph_error(facts: Any) -> None:
    with pytest.raises(GraphError, match="malformed"):
        Graph.from_json(facts)


def test_automatic_names_do_not_collide() -> None:
    net = Builder((4, 4, 1))
    net.add(RELU, name="relu2")
    for _ in range(61):
        net.activation("relu")
    net.activation("relu6")
    names = [layer.name for layer in net.graph("activations").layers]
    assert len(set(names)) == 63
    assert names[:3] == ["relu2", "relu1", "relu3"]


def test_the_builder_names_the_layer_that_does_not_fit() -> None:
    net = Builder((4, 4, 1))
    net.conv(8, 3)
    with pytest.raises(GraphError, match=r"'conv2'.*5x5 does not fit into 4x4x8"):
        net.conv(8, 5, padding="valid")
