"""What the firmware's kernels ask of memory: how far before its input an output must begin that overlaps it, and what
a kernel lays aside.

A kernel works through its output from the first number to the last. A number that one of its steps writes must lie
behind nothing that a later step still reads: what is written up to the end of a step, less the lead, ends where reading
goes on at most.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from pennyweight.net.ops import (
    Activation,
    Add,
    BatchNorm,
    Concat,
    Conv,
    Dense,
    DepthwiseConv,
    Multiply,
    Paste,
    Pool,
    PRelu,
    Requantise,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pennyweight.net.ops import Op, Shape

Packing = Literal["blocks", "rows", "tiles"]
"""How weights lie in flash, and so which kernels run: blocks for cores that multiply a few numbers at once, rows for
vector units, tiles for the wider ones of PCs."""

TILE = 16
"""Filters that go together in a tile."""

VECTOR = 16
"""Rows are as long as a multiple of a vector of int8s."""

BLOCK = 4
"""Filters that go together, and numbers of a filter that go together."""

LANE_BYTES = 2
"""What a number takes in the windows that a convolution lays aside: int16 on cores with DSP instructions."""

PIXELS_TOGETHER = 2
"""A convolution goes from two neighbouring pixels to the next two; in tiles from row to row, which asks for no more."""


def up_to(unit: int, length: int) -> int:
    """The next multiple of `unit`."""
    return -(-length // unit) * unit


_ELEMENT_WISE = (Activation, PRelu, BatchNorm, Requantise)


def is_element_wise(op: Op, source: Shape) -> bool:
    """Whether `op` reads one tensor and makes each number of the one at its place, so that it may overwrite it.

    A batch norm that folds into nothing is a depthwise 1x1 convolution in int8.
    """
    if isinstance(op, DepthwiseConv):
        return op.kernel == (1, 1) and op == DepthwiseConv((1, 1), bias=op.bias)
    return isinstance(op, _ELEMENT_WISE)


def leads(op: Op, sources: tuple[Shape, ...], result: Shape) -> tuple[int | None, ...]:
    """For each input how many numbers the output must begin before it, where the two overlap.

    Less than 0: it may begin so much behind; None: they must not overlap. For an op that `goes_backwards` it is how
    many numbers the output must begin behind the input.
    """
    match op:
        case Conv():
            # One group's results are written before the next one's numbers are read.
            return (_lead(op, sources[0], result, PIXELS_TOGETHER, reads_first=op.groups == 1),)
        case DepthwiseConv(multiplier=1) | Pool():
            # A channel is read before it is written, and no other one's numbers lie where it is written.
            return (max(_lead(op, sources[0], result, 1, reads_first=True), 0),)
        case DepthwiseConv():
            return (_lead(op, sources[0], result, 1, reads_first=False),)
        case Paste():
            return (None, 0)[: len(sources)]
        case Concat():
            # The widest one is spread out before the others fill the gaps.
            widest = widest_input(sources)
            return tuple(0 if place == widest else None for place in range(len(sources)))
        case Add() | Multiply():
            return tuple(0 if source == result else None for source in sources)
    return tuple(0 if is_element_wise(op, source) else None for source in sources)


def goes_backwards(op: Op) -> bool:
    """Whether an op's kernel begins with the last pixel."""
    return isinstance(op, Concat)


def widest_input(sources: tuple[Shape, ...]) -> int:
    """The place of the input of a concat that its kernels spread out first."""
    return max(range(len(sources)), key=lambda place: sources[place][-1])


def _lead(op: Conv | DepthwiseConv | Pool, source: Shape, result: Shape, together: int, *, reads_first: bool) -> int:
    """Of a kernel that goes over its output row by row, so many pixels at a time.

    `reads_first` says that it reads all that these need before it writes one of them. Both how much is written and
    where reading goes on grow with row and column, the latter from where padding ends: a concave sum of both.
    """
    (rows, columns, filters), (_, width, channels) = result, source
    top, _, left, _ = op.padding

    def at_row(row: int) -> int:
        return row * columns * filters - max(row * op.stride[0] - top, 0) * width * channels

    def at_column(column: int) -> int:
        written = column if reads_first else min(column + together, columns)
        return written * filters - max(column * op.stride[1] - left, 0) * channels

    found = [rows * columns * filters - math.prod(source)] if reads_first else []
    if inside := range(together if reads_first else 0, columns, together):
        found.append(
            _greatest(at_row, range(rows), top // op.stride[0]) + _greatest(at_column, inside, left // op.stride[1])
        )
    if later := range(1, rows):
        found.append(_greatest(at_row, later, top // op.stride[0]))
    return max(found)


def _greatest(value: Callable[[int], int], places: range, bend: int) -> int:
    """The greatest value at places where it is concave, and linear but for a bend and the last place."""
    near, last = (bend - places.start) // places.step, len(places) - 1
    corners = {0, min(max(near, 0), last), min(max(near + 1, 0), last), max(last - 1, 0), last}
    return max([value(places[corner]) for corner in corners])


def window_run(op: Conv, channels: int) -> tuple[int, int]:
    """The numbers of a group's window that are multiplied in one go, and how far the next pixel's begin behind them."""
    if op.groups == 1 and channels % BLOCK == 0:
        return op.kernel[1] * channels, min(op.stride[1], op.kernel[1]) * channels
    run = up_to(BLOCK, math.prod(op.kernel) * channels)
    return run, run


def scratch_bytes(op: Op, source: Shape, packing: Packing) -> int:
    """What an op's kernel in int8 lays aside while it runs: the windows of two pixels or of a row, or a vector."""
    if isinstance(op, Dense) and packing != "blocks":
        return up_to(VECTOR, source[-1])
    if not isinstance(op, Conv):
        return 0
    if packing == "tiles":
        width = (op.output_shape(source)[1] - 1) * op.stride[1] + op.kernel[1]
        return op.kernel[0] * width * source[-1] + BLOCK - 1
    channels = source[-1] // op.groups
    if packing == "rows":
        return 2 * up_to(VECTOR, math.prod(op.kernel) * channels)
    run, offset = window_run(op, channels)
    if op.groups == 1 and channels % BLOCK == 0:
        return LANE_BYTES * op.kernel[0] * (run + offset)
    return LANE_BYTES * 2 * run + run
