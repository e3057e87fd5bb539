"""Leads: a kernel that writes over its own input finds all that it still has to read, and could not begin later."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pennyweight.core.errors import GraphError
from pennyweight.net.kernels import leads, scratch_bytes
from pennyweight.net.ops import Activation, Add, Concat, Conv, Dense, DepthwiseConv, Multiply, Op, Pool, Shape

Work = tuple[list[int], list[int]]
"""The numbers that are read and those that are written, by their places."""

pairs = st.tuples(st.integers(1, 4), st.integers(1, 4))
strides = st.tuples(st.integers(1, 3), st.integers(1, 3))
paddings = st.tuples(*[st.integers(0, 3)] * 4)
shapes = st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 5))
windowed = (
    st.builds(Conv, st.integers(1, 6), pairs, strides, paddings)
    | st.builds(lambda n, groups, *rest: Conv(n * groups, *rest, groups), st.integers(1, 3), st.integers(2, 3), pairs,
                strides, paddings)
    | st.builds(DepthwiseConv, pairs, strides, paddings, st.integers(1, 3))
    | st.builds(Pool, st.sampled_from(["max", "average"]), pairs, strides, paddings, st.booleans())
)  # fmt: skip


def works(op: Op, source: Shape, result: Shape) -> Iterator[Work]:
    """What a kernel reads and writes, step after step, as the C goes about it."""
    height, width, channels = source
    rows, columns, filters = result

    def window(row: int, column: int, wanted: range) -> list[int]:
        top, left = row * op.stride[0] - op.padding[0], column * op.stride[1] - op.padding[2]
        return [
            (y * width + x) * channels + channel
            for y in range(max(top, 0), min(top + op.kernel[0], height))
            for x in range(max(left, 0), min(left + op.kernel[1], width))
            for channel in wanted
        ]

    for row in range(rows):
        if isinstance(op, Conv):
            for column in range(0, columns, 2):
                pixels = range(column, min(column + 2, columns))
                for group in range(op.groups):
                    size = channels // op.groups
                    read = range(group * size, (group + 1) * size)
                    written = range(group * filters // op.groups, (group + 1) * filters // op.groups)
                    yield (
                        [at for pixel in pixels for at in window(row, pixel, read)],
                        [(row * columns + pixel) * filters + number for pixel in pixels for number in written],
                    )
            continue
        times = filters // channels
        by_fours = channels // 4 * 4 if isinstance(op, DepthwiseConv) and times == 1 else 0
        starts = [*range(0, by_fours, 4), *range(by_fours, channels)]
        for column in range(columns):
            at = (row * columns + column) * filters
            for channel, end in zip(starts, [*starts[1:], channels], strict=True):
                some = range(channel, end)
                yield window(row, column, some), [at + c * times + m for c in some for m in range(times)]


def is_harmless(works: list[Work], lead: int) -> bool:
    """Whether no number is read where one was written before, if the output begins so much before the input."""
    written: set[int] = set()
    for read, write in works:
        if not written.isdisjoint(read):
            return False
        written.update(at - lead for at in write)
    return True


@settings(max_examples=400, deadline=None)
@given(windowed, shapes)
def test_nothing_is_overwritten_that_is_still_read(op: Op, source: Shape) -> None:
    try:
        result = op.output_shape(source)
    except GraphError:
        return
    (lead,) = leads(op, (source,), result)
    assert lead is not None
    steps = list(works(op, source, result))
    assert all(is_harmless(steps, more) for more in (lead, lead + 1, lead + 7, lead + math.prod(result)))


def test_a_convolution_over_its_input_takes_a_row_and_a_pixel_more() -> None:
    op = Conv(16, (3, 3), (1, 1), (1, 1, 1, 1))
    assert leads(op, ((32, 32, 16),), (32, 32, 16)) == ((32 + 1) * 16,)
    assert not is_harmless(list(works(op, (8, 8, 2), (8, 8, 2))), (8 + 1) * 2 - 1)
    assert leads(op, ((8, 8, 2),), (8, 8, 16)) > ((8 + 1) * 2,)


def test_a_pool_that_shrinks_may_write_where_it_has_read() -> None:
    assert leads(Pool("max", (2, 2), (2, 2)), ((8, 8, 4),), (4, 4, 4)) == (0,)


def test_a_convolution_of_single_pixels_with_fewer_filters_may_begin_where_its_input_does() -> None:
    (lead,) = leads(Conv(4, (1, 1)), ((8, 8, 16),), (8, 8, 4))
    assert lead is not None
    assert lead <= 0


@pytest.mark.parametrize(
    ("op", "sources", "result", "wanted"),
    [
        (Activation("relu"), ((3, 3, 2),), (3, 3, 2), (0,)),
        (DepthwiseConv((1, 1)), ((3, 3, 2),), (3, 3, 2), (0,)),
        (Add(), ((3, 3, 2),) * 2, (3, 3, 2), (0, 0)),
        (Multiply(), ((3, 3, 2), (1, 1, 2)), (3, 3, 2), (0, None)),
        (Concat(), ((3, 3, 1), (3, 3, 2)), (3, 3, 3), (None, 0)),
        (Dense(3), ((9,),), (3,), (None,)),
    ],
)
def test_what_needs_no_windows(
    op: Op, sources: tuple[Shape, ...], result: Shape, wanted: tuple[int | None, ...]
) -> None:
    assert leads(op, sources, result) == wanted


def test_a_convolution_lays_two_windows_aside() -> None:
    assert scratch_bytes(Conv(16, (3, 3), (1, 1), (1, 1, 1, 1)), (32, 32, 16), "blocks") == 2 * 3 * (3 + 1) * 16
    assert scratch_bytes(Conv(16, (3, 3)), (32, 32, 3), "blocks") == 2 * 2 * 28 + 28
    assert scratch_bytes(Conv(16, (3, 3)), (32, 32, 3), "rows") == 2 * 32
    assert scratch_bytes(Conv(16, (3, 3), (1, 1), (1, 1, 1, 1)), (32, 32, 3), "tiles") == 3 * 34 * 3 + 3
    assert scratch_bytes(Dense(3), (9,), "blocks") == 0
