"""The operations: shapes against brute force and PyTorch, and JSON that comes back or is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pennyweight.core.errors import GraphError
from pennyweight.net import ops

lengths = st.integers(1, 40)
kernels = st.integers(1, 9)
strides = st.integers(1, 4)
pads = st.integers(0, 4)
pairs = st.tuples(kernels, kernels)
paddings = st.tuples(pads, pads, pads, pads)
functions = st.sampled_from(("relu", "relu6", "gelu", "silu", "hard_swish", "leaky_relu", "tanh", "sigmoid"))
pool_kinds = st.sampled_from(("max", "average"))

any_op = st.one_of(
    st.builds(ops.Conv, st.integers(1, 64), pairs, pairs, paddings, st.integers(1, 4), st.booleans()),
    st.builds(ops.DepthwiseConv, pairs, pairs, paddings, st.integers(1, 4), st.booleans()),
    st.builds(ops.Dense, st.integers(1, 64), st.booleans()),
    st.builds(ops.BatchNorm, st.floats(0, 1), st.floats(0, 1)),
    st.builds(ops.Activation, functions, st.floats(0, 1)),
    st.builds(ops.Pool, pool_kinds, pairs, pairs, paddings, st.booleans()),
    st.builds(ops.GlobalPool, pool_kinds),
    st.builds(ops.Crop, pairs, pairs),
    st.builds(ops.Paste, pairs, pairs),
    st.builds(ops.Dropout, st.floats(0, 0.99)),
    *(
        st.just(cls())
        for cls in (ops.PRelu, ops.Flatten, ops.Add, ops.Multiply, ops.Concat, ops.Softmax, ops.Requantise)
    ),
)


@given(lengths, kernels, strides, pads, pads)
def test_as_many_windows_come_out_as_fit_between_the_padded_ends(
    length: int, kernel: int, stride: int, before: int, after: int
) -> None:
    starts = range(-before, length + after - kernel + 1, stride)
    assert ops.window_output(length, kernel, stride, before, after) == len(starts)


@given(lengths, kernels, strides, st.data())
def test_windows_with_and_without_ceil_are_as_many_as_pytorch_makes(
    length: int, kernel: int, stride: int, data: st.DataObject
) -> None:
    pad = data.draw(st.integers(0, kernel // 2))
    for ceil in (False, True):
        pool = torch.nn.MaxPool1d(kernel, stride, pad, ceil_mode=ceil)
        try:
            expected = pool(torch.zeros(1, 1, length)).shape[-1]
        except RuntimeError:  # PyTorch refuses an empty output
            expected = 0
        assert ops.window_output(length, kernel, stride, pad, pad, ceil=ceil) == expected


@given(st.tuples(lengths, lengths, st.integers(1, 5)), st.integers(1, 6), pairs, st.tuples(strides, strides), paddings)
def test_a_convolution_multiplies_every_weight_once_for_every_output_pixel(
    shape: tuple[int, int, int], filters: int, kernel: ops.Pair, stride: ops.Pair, padding: ops.Padding
) -> None:
    op = ops.Conv(filters, kernel, stride, padding)
    rows = len(range(-padding[0], shape[0] + padding[1] - kernel[0] + 1, stride[0]))
    columns = len(range(-padding[2], shape[1] + padding[3] - kernel[1] + 1, stride[1]))
    if rows and columns:
        assert op.output_shape(shape) == (rows, columns, filters)
        assert op.macs(shape) == rows * columns * filters * kernel[0] * kernel[1] * shape[2]
    else:
        with pytest.raises(GraphError, match="does not fit"):
            op.output_shape(shape)


@given(st.tuples(st.integers(3, 12), st.integers(3, 12)), st.integers(1, 6), st.booleans())
def test_a_depthwise_convolution_is_a_convolution_with_one_group_a_channel(
    side: tuple[int, int], channels: int, bias: bool
) -> None:
    shape = (*side, channels)
    depthwise = ops.DepthwiseConv((3, 3), (2, 2), (1, 1, 1, 1), bias=bias)
    grouped = ops.Conv(channels, (3, 3), (2, 2), (1, 1, 1, 1), groups=channels, bias=bias)
    assert depthwise.output_shape(shape) == grouped.output_shape(shape)
    assert depthwise.parameters(shape) == grouped.parameters(shape)
    assert depthwise.macs(shape) == grouped.macs(shape)


@given(any_op)
def test_every_op_comes_back_from_json(op: ops.Op) -> None:
    assert ops.from_json(json.loads(json.dumps(ops.to_json(op)))) == op


def test_every_op_is_among_those_that_are_sent_through_json() -> None:
    assert set(ops.OPS) == {cls.name for cls in ops.Op.__subclasses__()}


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"op": "system"},
        {"op": ["conv"]},
        {"op": "conv"},
        {"op": "conv", "filters": 8, "kernel": "33"},
        {"op": "conv", "filters": 8, "kernel": [3]},
        {"op": "conv", "filters": 8, "kernel": [3, None]},
        {"op": "conv", "filters": 8.5, "kernel": [3, 3]},
        {"op": "conv", "filters": True, "kernel": [3, 3]},
        {"op": "conv", "filters": 8, "kernel": [3, 3], "dilation": 2},
        {"op": "activation", "function": "exec"},
        {"op": "pool", "kind": "median", "kernel": [2, 2], "stride": [2, 2]},
        {"op": "dense", "units": "10"},
    ],
)
def test_json_that_describes_no_op_is_refused(facts: dict[str, Any]) -> None:
    with pytest.raises(GraphError):
        ops.from_json(facts)


@pytest.mark.parametrize(
    ("op", "shapes"),
    [
        (ops.Conv(8, (3, 3)), ((10,),)),
        (ops.Conv(8, (3, 3), stride=(0, 1)), ((8, 8, 3),)),
        (ops.Conv(8, (3, 3), padding=(-1, 0, 0, 0)), ((8, 8, 3),)),
        (ops.Conv(8, (3, 3), groups=3), ((8, 8, 3),)),
        (ops.Conv(8, (3, 3), groups=0), ((8, 8, 3),)),
        (ops.Dense(8), ((2, 2, 3),)),
        (ops.GlobalPool("max"), ((8,),)),
        (ops.Add(), ((2, 2, 3), (2, 2, 4))),
        (ops.Add(), ((2, 2, 3),)),
        (ops.Multiply(), ((2, 2, 3), (1, 2, 3))),
        (ops.Concat(), ((2, 2, 3), (2, 1, 3))),
        (ops.Crop((1, 0), (2, 2)), ((2, 2, 3),)),
        (ops.Crop((-1, 0), (2, 2)), ((2, 2, 3),)),
        (ops.Crop((0, 0), (2, 0)), ((2, 2, 3),)),
        (ops.Paste((1, 1), (2, 2)), ((1, 2, 3),)),
        (ops.Paste((0, 0), (2, 2)), ((1, 2, 3), (2, 2, 4))),
        (ops.Dropout(1.0), ((10,),)),
        (ops.Dropout(float("nan")), ((10,),)),
    ],
)
def test_an_op_refuses_shapes_that_it_cannot_take(op: ops.Op, shapes: tuple[ops.Shape, ...]) -> None:
    with pytest.raises(GraphError):
        op.output_shape(*shapes)


def test_a_gate_may_have_one_number_a_channel() -> None:
    assert ops.Multiply().output_shape((4, 4, 3), (1, 1, 3)) == (4, 4, 3)
