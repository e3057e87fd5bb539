"""How far before its input a kernel's output must begin where the two overlap, by the order in which it works.

Steps of a kernel are counted in the order of its loops. A number that a step writes must lie behind nothing that a
later step still reads: what is written up to the end of step s, less the lead, ends where reading goes on at most.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pennyweight.net.integer.network import IntegerNetwork, Requantise, Step
from pennyweight.net.ops import Activation, Add, Conv, DepthwiseConv, Multiply, Pool, PRelu, Shape

PIXELS_TOGETHER = 2
"""A convolution goes from two neighbouring pixels to the next two."""


def leads_bytes(network: IntegerNetwork, step: Step) -> tuple[int | None, ...]:
    """For each input of `step` the bytes that its output must begin before it, None where they must not overlap."""
    op, shapes, result = step.op, network.input_shapes(step), network.shapes[step.name]
    match op:
        case Conv():
            # One group's results are written before the next one's numbers are read.
            return (_lead(op, shapes[0], result, PIXELS_TOGETHER, reads_first=op.groups == 1),)
        case DepthwiseConv() | Pool():
            return (_lead(op, shapes[0], result, 1, reads_first=False),)
        case Activation() | Requantise() | PRelu() | Add():
            return (0,) * len(shapes)
        case Multiply():
            return tuple(0 if shape == result else None for shape in shapes)
    return (None,) * len(shapes)


def _lead(op: Conv | DepthwiseConv | Pool, source: Shape, result: Shape, together: int, *, reads_first: bool) -> int:
    """Of a kernel that goes over its output row by row, so many pixels at a time.

    `reads_first` says that it reads all that these need before it writes one of them.
    """
    rows, columns = np.mgrid[: result[0], : result[1] : together]
    ends = (rows * result[1] + np.minimum(columns + together, result[1])) * result[2]
    top = np.maximum(rows * op.stride[0] - op.padding[0], 0)
    left = np.maximum(columns * op.stride[1] - op.padding[2], 0)
    begins: npt.NDArray[np.int64] = ((top * source[1] + left) * source[2]).ravel()
    still = np.minimum.accumulate(begins[::-1])[::-1]
    if reads_first:
        still = np.append(still[1:], math.prod(source))
    return int((ends.ravel() - still).max())
