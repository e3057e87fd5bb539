"""The order of execution: no other needs less where that is said, and the given one is kept where it is as good."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from hypothesis import given, settings
from tests.net.test_memory import graphs, last_writers

from pennyweight.net import ops
from pennyweight.net.build import Builder
from pennyweight.net.graph import INPUT, Graph, Layer
from pennyweight.net.memory import plan_memory

MOST_ORDERS = 300


def orders(graph: Graph) -> Iterator[Graph]:
    """The same network with its layers in every possible order; the last one stays the last."""
    *layers, answer = graph.layers

    def after(done: tuple[Layer, ...], left: list[Layer]) -> Iterator[tuple[Layer, ...]]:
        if not left:
            yield done
        made = {INPUT, *(layer.name for layer in done)}
        for layer in left:
            if made.issuperset(layer.inputs):
                yield from after((*done, layer), [each for each in left if each is not layer])

    for each in after((), layers):
        yield replace(graph, layers=(*each, answer))


def branches(widths: tuple[int, ...], *, wide_first: bool) -> Graph:
    """Branches that widen the picture and then keep one channel, which the widest should do before the others begin."""
    b = Builder((8, 8, 4))
    wide = [b.conv(width, 1, at=INPUT) for width in widths]
    if not wide_first:
        wide.reverse()
    narrow = [b.conv(1, 3, at=each) for each in wide]
    b.add(ops.Concat(), *narrow)
    return b.graph("branches")


@settings(max_examples=60, deadline=None)
@given(graphs(most_layers=6))
def test_no_order_of_a_small_network_needs_less_than_the_floor_and_one_needs_no_more(graph: Graph) -> None:
    every = list(islice(orders(graph), MOST_ORDERS + 1))
    if len(every) > MOST_ORDERS:
        return
    plans = [plan_memory(each) for each in every]
    for each, plan in zip(every, plans, strict=True):
        last_writers(each, plan)
        assert plan.floor_bytes <= plan.lower_bound_bytes
    if all(plan.is_best_order for plan in plans):
        assert len({plan.floor_bytes for plan in plans}) == 1


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_a_plan_runs_every_layer_after_those_that_it_reads(graph: Graph) -> None:
    plan = plan_memory(graph)
    made = {INPUT}
    layers = {layer.name: layer for layer in graph.layers}

    def is_made(name: str) -> bool:
        layer = layers.get(name)
        return name in made or (layer is not None and not plan.forms[name].runs and all(map(is_made, layer.inputs)))

    for step in plan.steps[1:]:
        assert all(map(is_made, layers[step].inputs))
        made.add(step)
    assert made - {INPUT} == {name for name in layers if plan.forms[name].runs}
    assert is_made(graph.output)


def test_wide_branches_run_one_after_the_other() -> None:
    graph = branches((8, 12, 16), wide_first=True)
    plan = plan_memory(graph)
    assert plan.is_best_order
    assert plan.peak_bytes < 64 * (8 + 12 + 16)
    assert plan.steps != (INPUT, *(layer.name for layer in graph.layers))
    last_writers(graph, plan)


def test_an_order_that_is_as_good_as_any_is_kept() -> None:
    b = Builder((8, 8, 4))
    left = b.conv(4, 3, at=INPUT)
    right = b.conv(4, 3, at=INPUT)
    b.add(ops.Add(), left, right)
    assert plan_memory(b.graph("any")).steps == (INPUT, left, right, "add1")


def test_with_many_branches_a_greedy_order_is_found_and_nothing_is_proven() -> None:
    widths = (16, *range(5, 16))
    graph = branches(widths, wide_first=True)
    plan = plan_memory(graph)
    assert not plan.is_best_order
    assert plan.floor_bytes < plan.lower_bound_bytes <= plan.peak_bytes < 64 * sum(widths)
    last_writers(graph, plan)


def test_what_changes_a_tensor_in_its_place_stays_beside_what_made_it() -> None:
    b = Builder((8, 8, 4))
    wide = []
    for width in (8, 12, 16):
        b.conv(width, 1, at=INPUT)
        b.batch_norm()
        wide.append(b.activation("relu"))
    b.add(ops.Concat(), *(b.conv(1, 3, at=each) for each in wide))
    graph = b.graph("any")
    plan = plan_memory(graph)
    places = [plan.steps.index(name) for name in ("conv1", "conv2", "conv3")]
    assert [plan.steps[place + 1] for place in places] == ["relu1", "relu2", "relu3"]
    last_writers(graph, plan)
