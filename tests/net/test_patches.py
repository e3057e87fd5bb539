"""Patches: what they compute together is what the layers compute, at a price that is told."""

from __future__ import annotations

import pytest
from tests.net.resnet8 import resnet8
from tests.net.test_memory import last_writers

from pennyweight.core.errors import GraphError
from pennyweight.net import ops
from pennyweight.net.build import Builder
from pennyweight.net.graph import INPUT, Graph
from pennyweight.net.memory import plan_memory
from pennyweight.net.patches import Patching, front, patched, patchings, stage_ends


def pointwise() -> Graph:
    b = Builder((8, 8, 3))
    b.conv(16, 1)
    b.conv(4, 1)
    b.pool("max", 2)
    b.dense(10)
    return b.graph("any")


def test_a_stage_ends_where_nothing_else_of_it_is_read_later_and_what_changes_its_tensor_belongs_to_it() -> None:
    assert list(stage_ends(resnet8())) == ["relu1", "relu3", "relu5", "relu7"]
    b = Builder((8, 8, 3))
    first = b.conv(4, 3)
    b.conv(4, 3)
    gate = b.add(ops.GlobalPool("average"))
    b.add(ops.Multiply(), first, gate)
    b.dense(2)
    assert list(stage_ends(b.graph("gate"))) == ["conv1"]


def test_layers_of_single_pixels_cost_no_work_twice_and_take_less_memory() -> None:
    whole, *found = patchings(pointwise())
    assert (whole.grid, whole.peak_bytes) == ((1, 1), plan_memory(pointwise()).peak_bytes)
    assert {each.macs for each in found if each.last in ("conv1", "conv2")} == {whole.macs}
    assert min(each.peak_bytes for each in found) < whole.peak_bytes


def test_windows_that_overlap_are_computed_twice() -> None:
    b = Builder((8, 8, 1))
    b.conv(1, 3)
    b.conv(1, 3)
    b.dense(2)
    graph = b.graph("any")
    dense, pixels = 64 * 2, 9
    found = {(each.last, each.grid): each.macs - dense for each in patchings(graph, grids=[(2, 1), (2, 2)])}
    assert found["", (1, 1)] == 2 * 64 * pixels
    assert found["conv1", (2, 2)] == 2 * 64 * pixels
    assert found["conv2", (2, 1)] == (64 + 2 * 5 * 8) * pixels
    assert found["conv2", (2, 2)] == (64 + 4 * 5 * 5) * pixels


def test_resnet8_in_patches_takes_less_memory_for_some_percent_of_work() -> None:
    whole, *rest = front(patchings(resnet8(), grids=[(2, 2), (3, 3)]))
    assert (whole.grid, whole.peak_bytes, whole.macs) == ((1, 1), 33_680, 12_501_632)
    assert any(each.peak_bytes < 28 * 1024 and each.macs < 1.1 * whole.macs for each in rest)


def test_the_front_has_what_nothing_dominates_from_the_fewest_macs_to_the_smallest_peak() -> None:
    found = [Patching("", (1, 1), 100, 10), Patching("a", (2, 2), 50, 12), Patching("b", (2, 2), 60, 13)]
    found += [Patching("c", (2, 1), 50, 12), Patching("c", (3, 3), 40, 20)]
    assert [(each.last, each.grid) for each in front(found)] == [("", (1, 1)), ("a", (2, 2)), ("c", (3, 3))]


def test_every_layer_of_a_patch_finds_in_memory_what_it_reads() -> None:
    for last, grid in (("relu1", (2, 2)), ("relu3", (3, 1)), ("relu5", (2, 3))):
        made = patched(resnet8(), last, grid).graph
        last_writers(made, plan_memory(made, keep_order=True))
        assert made.shapes[last] == resnet8().shapes[last]


def test_the_picture_is_kept_whole_and_each_patch_is_cut_from_it() -> None:
    made = patched(resnet8(), "relu1", (2, 2))
    crops = [layer for layer in made.graph.layers if isinstance(layer.op, ops.Crop)]
    assert [layer.inputs for layer in crops] == [(INPUT,)] * 4
    assert [made.graph.shapes[layer.name] for layer in crops] == [(17, 17, 3)] * 4
    assert {made.made_from[layer.name] for layer in crops} == {INPUT}


def test_what_cannot_be_cut_is_refused_with_what_can() -> None:
    with pytest.raises(GraphError, match="cannot be computed in patches up to 'dense1'") as caught:
        patched(resnet8(), "dense1", (2, 2))
    assert "relu1, relu3, relu5, relu7" in str(caught.value.hint)
    with pytest.raises(GraphError, match="8x8 numbers of 'relu7' cannot be cut into 9x1 patches"):
        patched(resnet8(), "relu7", (9, 1))
