"""The memory plan: what shares a buffer, how long it lives, and that nothing live overlaps but what may."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.net.resnet8 import resnet8

from pennyweight.core.errors import UsageError
from pennyweight.net import ops
from pennyweight.net.arena import ALIGNMENT_BYTES
from pennyweight.net.build import Builder
from pennyweight.net.graph import INPUT, Graph
from pennyweight.net.kernels import goes_backwards, leads
from pennyweight.net.memory import Buffer, MemoryPlan, deployment, plan_memory


@st.composite
def graphs(draw: st.DrawFn, most_layers: int = 14) -> Graph:
    """Any network with branches: every layer reads any earlier tensors that it can."""
    b = Builder((draw(st.integers(3, 9)), draw(st.integers(3, 9)), draw(st.integers(1, 5))))
    names = [INPUT]
    for _ in range(draw(st.integers(1, most_layers))):
        source = draw(st.sampled_from(names))
        shape = b.shape(source)
        alike = [name for name in names if b.shape(name) == shape]
        gates = [name for name in names if b.shape(name) in (shape, (1, 1, shape[-1]))]
        picture = len(shape) == 3
        kinds = ["activation", "prelu", "batch_norm", "dropout", "add", "multiply", "concat", "softmax"]
        kinds += ["requantise"]
        kinds += ["conv", "conv", "depthwise", "global", "flatten"] if picture else ["dense"]
        match draw(st.sampled_from(kinds)):
            case "conv":
                name = b.conv(draw(st.integers(1, 6)), 3, draw(st.integers(1, 2)), bias=draw(st.booleans()), at=source)
            case "depthwise":
                name = b.depthwise_conv(3, at=source)
            case "activation":
                name = b.add(ops.Activation(draw(st.sampled_from(["relu", "gelu"]))), source)
            case "prelu":
                name = b.add(ops.PRelu(), source)
            case "batch_norm":
                name = b.add(ops.BatchNorm(), source)
            case "dropout":
                name = b.add(ops.Dropout(0.5), source)
            case "requantise":
                name = b.add(ops.Requantise(), source)
            case "add":
                name = b.add(ops.Add(), source, draw(st.sampled_from(alike)))
            case "multiply":
                name = b.add(ops.Multiply(), source, draw(st.sampled_from(gates)))
            case "concat":
                name = b.add(ops.Concat(), source, draw(st.sampled_from(alike)))
            case "global":
                name = b.add(ops.GlobalPool("max"), source)
            case "flatten":
                name = b.add(ops.Flatten(), source)
            case "softmax":
                name = b.add(ops.Softmax(), source)
            case _:
                name = b.add(ops.Dense(draw(st.integers(1, 9))), source)
        names.append(name)
    return b.graph("any")


def overlaps(a: Buffer, b: Buffer) -> bool:
    in_time = a.first_step <= b.last_step and b.first_step <= a.last_step
    in_space = a.offset_bytes < b.offset_bytes + b.size_bytes and b.offset_bytes < a.offset_bytes + a.size_bytes
    return in_time and in_space


def last_writers(graph: Graph, plan: MemoryPlan) -> None:
    """Run the plan with names for numbers: every layer must find the values that the Graph says it reads.

    A byte range holds the name of the tensor last written there; equal values share one name (views, dropout,
    and a folded batch norm, whose convolution writes the norm's result at once).
    """
    forms = plan.forms
    value = {INPUT: INPUT}
    for layer in graph.layers:
        form = forms[layer.name]
        value[layer.name] = layer.name if form.runs else value[form.into]
    home = {tensor: buffer for buffer in plan.buffers for tensor in buffer.tensors}
    memory: dict[int, str] = {}

    def write(tensor: str) -> None:
        buffer = home[tensor]
        for address in range(buffer.offset_bytes, buffer.offset_bytes + buffer.size_bytes):
            memory[address] = value[tensor]

    def read(tensor: str) -> set[str]:
        buffer = home[tensor]
        return {memory[a] for a in range(buffer.offset_bytes, buffer.offset_bytes + buffer.size_bytes)}

    write(INPUT)
    layers = {layer.name: layer for layer in graph.layers}
    for step in plan.steps[1:]:
        for name in layers[step].inputs:
            assert read(name) == {value[name]}, f"{step} finds {read(name)} in place of {name}"
        write(step)
    assert read(graph.output) == {value[graph.output]}


@settings(max_examples=150, deadline=None)
@given(graphs(), st.sampled_from([8, 32]))
def test_buffers_that_live_at_the_same_time_never_overlap(graph: Graph, bits: int) -> None:
    plan = plan_memory(graph, bits=bits)
    layers = {layer.name: layer for layer in graph.layers}
    for pair in combinations(plan.buffers, 2):
        if overlaps(*pair):
            made, source = sorted(pair, key=lambda buffer: -buffer.first_step)
            assert made.first_step == source.last_step, f"{made} over {source}"
            assert not made.scratch_of
            assert not source.scratch_of
            layer = layers[plan.steps[made.first_step]]
            allowed = leads(layer.op, graph.input_shapes(layer), graph.shapes[layer.name])
            for name, lead in zip(layer.inputs, allowed, strict=True):
                if name in source.tensors:
                    assert lead is not None
                    apart = source.offset_bytes - made.offset_bytes
                    assert lead * bits // 8 <= (-apart if goes_backwards(layer.op) else apart)
    assert plan.peak_bytes == max(buffer.offset_bytes + buffer.size_bytes for buffer in plan.buffers)
    assert plan.floor_bytes <= plan.lower_bound_bytes <= plan.peak_bytes
    assert plan.peak_bytes <= sum(buffer.size_bytes for buffer in plan.buffers)
    assert all(buffer.offset_bytes % ALIGNMENT_BYTES == 0 for buffer in plan.buffers)
    lifetimes = plan.lifetimes()
    for step, live in enumerate(plan.live_bytes):
        everything = [buffer.size_bytes for buffer, alive in lifetimes if alive[step]]
        assert max(everything) <= live <= sum(everything)


@settings(max_examples=150, deadline=None)
@given(graphs())
def test_every_layer_finds_in_memory_what_the_graph_says_it_reads(graph: Graph) -> None:
    last_writers(graph, plan_memory(graph))


@settings(max_examples=100, deadline=None)
@given(graphs())
def test_every_tensor_lies_in_one_buffer_that_is_large_enough(graph: Graph) -> None:
    plan = plan_memory(graph, bits=32)
    assert sorted(tensor for buffer in plan.buffers for tensor in buffer.tensors) == sorted(graph.shapes)
    for buffer in plan.buffers:
        assert bool(buffer.tensors) != bool(buffer.scratch_of)
        for tensor in buffer.tensors:
            size = 4 * math.prod(graph.shapes[tensor])
            assert size <= buffer.size_bytes < size + ALIGNMENT_BYTES


@settings(max_examples=100, deadline=None)
@given(graphs())
def test_float32_needs_no_more_than_four_times_int8(graph: Graph) -> None:
    int8, float32 = plan_memory(graph), plan_memory(graph, bits=32)
    assert int8.lower_bound_bytes <= float32.lower_bound_bytes <= 4 * int8.lower_bound_bytes


def test_the_check_on_memory_notices_a_plan_in_which_live_buffers_overlap() -> None:
    graph = resnet8()
    plan = plan_memory(graph)
    squashed = MemoryPlan(
        plan.bits,
        plan.steps,
        plan.live_bytes,
        tuple(Buffer(b.name, b.size_bytes, b.first_step, b.last_step, 0, b.tensors) for b in plan.buffers),
        max(b.size_bytes for b in plan.buffers),
        plan.floor_bytes,
        plan.forms,
    )
    with pytest.raises(AssertionError, match="in place of"):
        last_writers(graph, squashed)


def test_resnet8_takes_two_tensors_a_row_and_a_window_where_tflite_micro_takes_three() -> None:
    plan = plan_memory(resnet8())
    tensor, row, windows = 32 * 32 * 16, (32 + 1) * 16, 2 * 3 * (3 + 1) * 16
    assert plan.peak_bytes == plan.floor_bytes == 2 * tensor + row + windows == 33_680
    assert plan.is_optimal
    assert plan.is_best_order
    assert plan_memory(resnet8(), bits=32).peak_bytes == 4 * 33_680


def test_the_busiest_step_is_named() -> None:
    assert plan_memory(resnet8()).peak_step == "conv3"


def test_a_batch_norm_folds_into_the_layer_that_it_alone_reads() -> None:
    b = Builder((8, 8, 3))
    b.conv(4, 3)
    b.batch_norm()
    b.activation("relu")
    b.depthwise_conv(3)
    b.dropout(0.5)
    b.batch_norm()
    b.dense(5)
    b.batch_norm()
    forms = deployment(b.graph("any"))
    assert [str(forms[f"batch_norm{i}"]) for i in (1, 2, 3)] == [
        "folded into conv1",
        "folded into depthwise_conv1",
        "folded into dense1",
    ]
    assert [forms[name].form for name in ("relu1", "dropout1", "flatten1")] == ["in place", "gone", "view"]


def test_a_batch_norm_after_an_activation_stays_and_works_in_place() -> None:
    b = Builder((8, 8, 3))
    b.conv(4, 3)
    b.activation("relu")
    b.batch_norm()
    b.dense(2)
    assert deployment(b.graph("any"))["batch_norm1"].form == "in place"


@pytest.mark.parametrize("through_dropout", [False, True])
def test_a_second_reader_keeps_a_batch_norm_from_folding(through_dropout: bool) -> None:
    b = Builder((8, 8, 3))
    raw = b.conv(4, 3)
    normed = b.batch_norm()
    other = b.add(ops.Dropout(0.1), raw) if through_dropout else raw
    b.add(ops.Add(), normed, other)
    assert deployment(b.graph("any"))["batch_norm1"].form == "own"


def test_an_activation_does_not_overwrite_what_a_later_layer_reads() -> None:
    b = Builder((8, 8, 3))
    raw = b.conv(4, 3)
    squashed = b.activation("gelu")
    b.add(ops.Add(), raw, squashed)
    forms = deployment(b.graph("any"))
    assert (forms["gelu1"].form, forms["add1"].form) == ("own", "in place")


def test_an_activation_does_not_overwrite_what_is_read_through_a_view() -> None:
    b = Builder((8, 8, 3))
    raw = b.conv(4, 3)
    flat = b.flatten()
    b.add(ops.Activation("relu"), raw)
    left = b.dense(2)
    right = b.add(ops.Dense(2), flat)
    b.add(ops.Add(), left, right)
    assert deployment(b.graph("any"))["relu1"].form == "own"


def test_a_sum_goes_into_the_input_that_dies_there() -> None:
    b = Builder((8, 8, 3))
    kept = b.conv(4, 3)
    dies = b.conv(4, 3)
    b.add(ops.Add(), kept, dies)
    b.add(ops.Concat(), "add1", kept)
    assert deployment(b.graph("any"))["add1"].into == dies


def test_the_picture_lives_until_its_last_reader_and_the_answer_to_the_end() -> None:
    b = Builder((8, 8, 3))
    early = b.conv(2, 3)
    b.conv(2, 3)
    late = b.conv(2, 3, at=INPUT)
    b.add(ops.Concat(), early, late)
    plan = plan_memory(b.graph("any"))
    buffers = {buffer.name: buffer for buffer in plan.buffers}
    assert (buffers[INPUT].first_step, plan.steps[buffers[INPUT].last_step]) == (0, late)
    assert buffers["concat1"].last_step == len(plan.steps) - 1


def test_a_network_in_which_nothing_runs_needs_the_picture_alone() -> None:
    b = Builder((3, 3, 1))
    b.flatten()
    plan = plan_memory(b.graph("any"))
    assert (plan.steps, plan.peak_bytes) == ((INPUT,), 12)


def test_another_order_is_tried_where_the_largest_first_misses_the_bound() -> None:
    b = Builder((2, 2, 1))
    left = b.conv(2, 1)
    b.conv(8, 1, at=left)
    right = b.conv(4, 1, at=INPUT)
    b.add(ops.Concat(), left, right)
    plan = plan_memory(b.graph("any"))
    assert plan.is_optimal


def test_lifetimes_say_of_every_buffer_in_which_steps_it_lives() -> None:
    b = Builder((4, 4, 1))
    b.conv(2, 3)
    b.activation("relu")
    b.conv(3, 3)
    plan = plan_memory(b.graph("any"))
    assert plan.steps == (INPUT, "conv1", "relu1", "conv2")
    assert [(buffer.name, buffer.tensors, live) for buffer, live in plan.lifetimes()] == [
        (INPUT, (INPUT,), (True, True, False, False)),
        ("conv1", ("conv1", "relu1"), (False, True, True, True)),
        ("conv1 scratch", (), (False, True, False, False)),
        ("conv2", ("conv2",), (False, False, False, True)),
        ("conv2 scratch", (), (False, False, False, True)),
    ]
    assert plan.live_bytes[0] == 16
    assert plan.live_bytes[2] == 32
    assert plan.scratch_offsets_bytes.keys() == {"conv1", "conv2"}


def test_other_bits_than_8_and_32_are_refused() -> None:
    with pytest.raises(UsageError, match="unknown number of bits '16'"):
        plan_memory(resnet8(), bits=16)  # type: ignore[arg-type]
