"""What a network is said to need is what its firmware takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from tests.deploy.c.zoo_networks import zoo_network
from tests.net.test_memory import graphs

from pennyweight.core.errors import GraphError
from pennyweight.deploy.c.program import program
from pennyweight.net.graph import Graph, Layer
from pennyweight.net.memory import plan_memory
from pennyweight.net.ops import Requantise
from pennyweight.net.zoo import build_network, families
from pennyweight.shrink.quantize.fold import fold


def folded(graph: Graph) -> Graph:
    """The Graph of the steps that a trained network has on integers, but for those that bring scales together."""
    tensors: dict[str, Any] = {
        name: np.ones(shape) for name, shape in (graph.parameters() | graph.statistics()).items()
    }
    network = fold(graph, tensors)
    layers = tuple(Layer(step.name, step.op, step.inputs) for step in network.steps)
    return Graph(graph.text, graph.input_shape, layers)


def without_dead_ends(graph: Graph) -> Graph:
    """The layers that lead to the answer."""
    needed = {graph.output}
    for layer in reversed(graph.layers):
        if layer.name in needed:
            needed.update(layer.inputs)
    return replace(graph, layers=tuple(layer for layer in graph.layers if layer.name in needed))


@pytest.mark.parametrize("family", families())
def test_a_family_needs_what_its_c_takes_byte_for_byte(family: str) -> None:
    graph = build_network(family, (32, 32, 3), 10)
    plan, built = plan_memory(graph), program(zoo_network(family))
    assert plan.peak_bytes == built.arena_bytes
    assert plan.floor_bytes == built.plan.floor_bytes
    assert f"MODEL_ARENA_BYTES {plan.peak_bytes}\n" in built.files["model.h"]


@settings(max_examples=200, deadline=None)
@given(graphs())
def test_any_network_needs_as_much_before_it_is_folded_as_afterwards(graph: Graph) -> None:
    graph = without_dead_ends(graph)
    if any(isinstance(layer.op, Requantise) for layer in graph.layers):
        return
    try:
        small = folded(graph)
    except GraphError:
        return
    before, after = plan_memory(graph), plan_memory(small)
    assert (before.peak_bytes, before.lower_bound_bytes) == (after.peak_bytes, after.lower_bound_bytes)


def test_the_c_of_a_network_runs_in_the_order_of_its_plan() -> None:
    network = zoo_network("squeezenet", (16, 16, 3))
    built = program(network)
    assert tuple(tensor.name for tensor in built.tensors) == built.plan.steps
    numbers = {step.name: number for number, step in enumerate(network.steps, start=1)}
    assert [tensor.layer for tensor in built.tensors[1:]] == [numbers[name] for name in built.plan.steps[1:]]
