"""The operations of a Graph: what each computes on one image, what it learns and how much it multiplies.

Shapes leave the batch out: `(height, width, channels)` for pictures, `(features,)` for vectors. An op is a frozen
value; it knows its output shape, parameter shapes and multiply-accumulates, and nothing of torch, integers or C.
Parameter shapes follow PyTorch (`weight` of a convolution: `(filters, channels / groups, kernel height, kernel
width)`), so that weights travel unchanged between a Graph and its module.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, get_args, get_origin, get_type_hints

from pennyweight.core.errors import GraphError

Shape = tuple[int, ...]
Pair = tuple[int, int]
Padding = tuple[int, int, int, int]
"""Rows above, rows below, columns left, columns right."""


@dataclass(frozen=True, slots=True)
class Op:
    """An operation; abstract. Final classes below give it a name and fields."""

    name: ClassVar[str]

    def output_shape(self, *inputs: Shape) -> Shape:
        """The shape that comes out of inputs of these shapes.

        Raises GraphError where the op cannot take them.
        """
        raise NotImplementedError

    def parameters(self, *inputs: Shape) -> dict[str, Shape]:
        """Learnable parameters: name -> shape."""
        return {}

    def statistics(self, *inputs: Shape) -> dict[str, Shape]:
        """Running statistics, kept but not learnt by gradient: name -> shape."""
        return {}

    def macs(self, *inputs: Shape) -> int:
        """Multiply-accumulates for one image: convolutions, dense layers and matrix products count, nothing else."""
        return 0


def _picture(op: Op, shape: Shape) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise GraphError(f"{op.name} takes height x width x channels, not {describe(shape)}")
    return shape[0], shape[1], shape[2]


def describe(shape: Shape) -> str:
    """A shape for people.

    >>> describe((32, 32, 3))
    '32x32x3'
    """
    return "x".join(map(str, shape))


def window_output(length: int, kernel: int, stride: int, before: int, after: int, *, ceil: bool = False) -> int:
    """How many windows of `kernel` at every `stride` fit into `length` with padding (ceil: a last partial one)."""
    spare = length + before + after - kernel
    count = max((-(-spare // stride) if ceil else spare // stride) + 1, 0)
    # As PyTorch: a last window that would start in the padding after the image is dropped.
    if ceil and (count - 1) * stride >= length + before:
        count -= 1
    return count


def _windows(op: Op, shape: Shape, kernel: Pair, stride: Pair, padding: Padding, *, ceil: bool = False) -> Pair:
    height, width, _ = _picture(op, shape)
    if min(*kernel, *stride) < 1 or min(padding) < 0:
        raise GraphError(
            f"{op.name}: kernel {kernel} and stride {stride} must be positive, padding {padding} not negative"
        )
    top, bottom, left, right = padding
    rows = window_output(height, kernel[0], stride[0], top, bottom, ceil=ceil)
    columns = window_output(width, kernel[1], stride[1], left, right, ceil=ceil)
    if rows < 1 or columns < 1:
        raise GraphError(f"{op.name} {describe(kernel)} does not fit into {describe(shape)}")
    return rows, columns


@dataclass(frozen=True, slots=True)
class Conv(Op):
    """Two-dimensional convolution, `groups` of channels apart from each other."""

    name: ClassVar[str] = "conv"
    filters: int
    kernel: Pair
    stride: Pair = (1, 1)
    padding: Padding = (0, 0, 0, 0)
    groups: int = 1
    bias: bool = True

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        channels = _picture(self, shape)[2]
        if self.groups < 1 or channels % self.groups or self.filters % self.groups:
            raise GraphError(f"{self.groups} groups do not divide {channels} channels into {self.filters} filters")
        return (*_windows(self, shape, self.kernel, self.stride, self.padding), self.filters)

    def parameters(self, *inputs: Shape) -> dict[str, Shape]:
        channels = inputs[0][2]
        weight = {"weight": (self.filters, channels // self.groups, *self.kernel)}
        return weight | ({"bias": (self.filters,)} if self.bias else {})

    def macs(self, *inputs: Shape) -> int:
        return math.prod(self.output_shape(*inputs)) * math.prod(self.parameters(*inputs)["weight"][1:])


@dataclass(frozen=True, slots=True)
class DepthwiseConv(Op):
    """Two-dimensional convolution of every channel by its own `multiplier` filters."""

    name: ClassVar[str] = "depthwise_conv"
    kernel: Pair
    stride: Pair = (1, 1)
    padding: Padding = (0, 0, 0, 0)
    multiplier: int = 1
    bias: bool = True

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        rows, columns = _windows(self, shape, self.kernel, self.stride, self.padding)
        return rows, columns, shape[2] * self.multiplier

    def parameters(self, *inputs: Shape) -> dict[str, Shape]:
        filters = inputs[0][2] * self.multiplier
        return {"weight": (filters, 1, *self.kernel)} | ({"bias": (filters,)} if self.bias else {})

    def macs(self, *inputs: Shape) -> int:
        return math.prod(self.output_shape(*inputs)) * math.prod(self.kernel)


@dataclass(frozen=True, slots=True)
class Dense(Op):
    """Fully connected layer on a vector."""

    name: ClassVar[str] = "dense"
    units: int
    bias: bool = True

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        if len(shape) != 1:
            raise GraphError(f"dense takes a vector, not {describe(shape)}: flatten first")
        return (self.units,)

    def parameters(self, *inputs: Shape) -> dict[str, Shape]:
        return {"weight": (self.units, inputs[0][0])} | ({"bias": (self.units,)} if self.bias else {})

    def macs(self, *inputs: Shape) -> int:
        return self.units * inputs[0][0]


@dataclass(frozen=True, slots=True)
class BatchNorm(Op):
    """Batch normalisation over the channels (the last axis), then a learnt scale and shift."""

    name: ClassVar[str] = "batch_norm"
    epsilon: float = 1e-5
    momentum: float = 0.1

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        return shape

    def parameters(self, *inputs: Shape) -> dict[str, Shape]:
        return {"weight": inputs[0][-1:], "bias": inputs[0][-1:]}

    def statistics(self, *inputs: Shape) -> dict[str, Shape]:
        return {"running_mean": inputs[0][-1:], "running_var": inputs[0][-1:]}


ActivationFunction = Literal["relu", "relu6", "gelu", "silu", "hard_swish", "leaky_relu", "tanh", "sigmoid"]


@dataclass(frozen=True, slots=True)
class Activation(Op):
    """An element-wise function without parameters; `slope` is leaky ReLU's, for negative values."""

    name: ClassVar[str] = "activation"
    function: ActivationFunction
    slope: float = 0.01

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        return shape


@dataclass(frozen=True, slots=True)
class PRelu(Op):
    """ReLU with a learnt slope for negative values in every channel."""

    name: ClassVar[str] = "prelu"

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        return shape

    def parameters(self, *inputs: Shape) -> dict[str, Shape]:
        return {"weight": inputs[0][-1:]}


@dataclass(frozen=True, slots=True)
class Pool(Op):
    """The maximum, or the average over the pixels that exist, of each window."""

    name: ClassVar[str] = "pool"
    kind: Literal["max", "average"]
    kernel: Pair
    stride: Pair
    padding: Padding = (0, 0, 0, 0)
    ceil: bool = False

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        return (*_windows(self, shape, self.kernel, self.stride, self.padding, ceil=self.ceil), shape[2])


@dataclass(frozen=True, slots=True)
class GlobalPool(Op):
    """The maximum or the average over the whole picture: `1x1xchannels`."""

    name: ClassVar[str] = "global_pool"
    kind: Literal["max", "average"]

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        return 1, 1, _picture(self, shape)[2]


@dataclass(frozen=True, slots=True)
class Flatten(Op):
    """The same numbers as one vector, in the order of memory: height, width, channels."""

    name: ClassVar[str] = "flatten"

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        return (math.prod(shape),)


@dataclass(frozen=True, slots=True)
class Dropout(Op):
    """Zeroes each number with probability `rate` in training and does nothing afterwards."""

    name: ClassVar[str] = "dropout"
    rate: float

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        if not 0 <= self.rate < 1:
            raise GraphError(f"a dropout rate lies in [0, 1), unlike {self.rate}")
        return shape


@dataclass(frozen=True, slots=True)
class Add(Op):
    """The element-wise sum of two tensors of one shape."""

    name: ClassVar[str] = "add"

    def output_shape(self, *inputs: Shape) -> Shape:
        if len(inputs) != 2 or inputs[0] != inputs[1]:
            raise GraphError(f"add takes two equal shapes, not {' and '.join(map(describe, inputs))}")
        return inputs[0]


@dataclass(frozen=True, slots=True)
class Multiply(Op):
    """The element-wise product of a tensor and a gate of its shape or of `1x1xchannels`."""

    name: ClassVar[str] = "multiply"

    def output_shape(self, *inputs: Shape) -> Shape:
        if len(inputs) != 2 or inputs[1] not in (inputs[0], (1, 1, inputs[0][-1])):
            raise GraphError(f"multiply takes a tensor and its gate, not {' and '.join(map(describe, inputs))}")
        return inputs[0]


@dataclass(frozen=True, slots=True)
class Concat(Op):
    """Tensors one behind the other along the channels."""

    name: ClassVar[str] = "concat"

    def output_shape(self, *inputs: Shape) -> Shape:
        if len({shape[:-1] for shape in inputs}) != 1:
            raise GraphError(f"concat takes one height and width, not {' and '.join(map(describe, inputs))}")
        return (*inputs[0][:-1], sum(shape[-1] for shape in inputs))


@dataclass(frozen=True, slots=True)
class Softmax(Op):
    """Probabilities from logits, along the last axis."""

    name: ClassVar[str] = "softmax"

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        return shape


@dataclass(frozen=True, slots=True)
class Requantise(Op):
    """The same real numbers in another quantization: an op of networks in int8 alone."""

    name: ClassVar[str] = "requantise"

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        return shape


@dataclass(frozen=True, slots=True)
class Crop(Op):
    """A part of a picture: `size` rows and columns from the place `start` on."""

    name: ClassVar[str] = "crop"
    start: Pair
    size: Pair

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        height, width, channels = _picture(self, shape)
        _within(self, (height, width), self.size)
        return *self.size, channels


@dataclass(frozen=True, slots=True)
class Paste(Op):
    """A picture of `size` rows and columns in which the first input lies from the place `start` on.

    Beside it is what the second input, of that size, has there; without one, zeros.
    """

    name: ClassVar[str] = "paste"
    start: Pair
    size: Pair

    def output_shape(self, *inputs: Shape) -> Shape:
        part, *whole = inputs
        height, width, channels = _picture(self, part)
        _within(self, self.size, (height, width))
        result = (*self.size, channels)
        if len(inputs) > 2 or any(shape != result for shape in whole):
            raise GraphError(f"paste onto {describe(result)} takes one of that shape, not {describe(whole[0])}")
        return result


def _within(op: Crop | Paste, whole: Pair, part: Pair) -> None:
    ends = op.start[0] + part[0], op.start[1] + part[1]
    if min(*op.start, *(size - 1 for size in op.size)) < 0 or ends[0] > whole[0] or ends[1] > whole[1]:
        raise GraphError(f"{op.name} of {describe(part)} at {op.start} leaves {describe(whole)}")


OPS: dict[str, type[Op]] = {
    cls.name: cls
    for cls in (
        Conv,
        DepthwiseConv,
        Dense,
        BatchNorm,
        Activation,
        PRelu,
        Pool,
        GlobalPool,
        Flatten,
        Dropout,
        Add,
        Multiply,
        Concat,
        Softmax,
        Requantise,
        Crop,
        Paste,
    )
}
"""Every final op by its name."""

OF_FIRMWARE = (Requantise, Crop, Paste)
"""Ops that are only on the way to firmware: no network is trained with them."""


def to_json(op: Op) -> dict[str, Any]:
    """The op as JSON types: its name and its fields."""
    return {"op": op.name} | {f.name: getattr(op, f.name) for f in fields(op)}


def from_json(facts: dict[str, Any]) -> Op:
    """The op that `to_json` described. Raises GraphError for anything else."""
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in facts.items()}
    cls = OPS.get(str(values.pop("op", None)))
    if cls is None:
        raise GraphError(f"unknown op in {facts!r}")
    try:
        op = cls(**values)
    except TypeError as error:
        raise GraphError(f"malformed op {facts!r}: {error}") from error
    types = get_type_hints(cls)
    faults = [f.name for f in fields(cls) if not _is_of_type(getattr(op, f.name), types[f.name])]
    if faults:
        raise GraphError(f"malformed op {facts!r}: {', '.join(faults)} of the wrong type")
    return op


def _is_of_type(value: Any, hint: Any) -> bool:
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_origin(hint) is tuple:
        kinds = get_args(hint)
        return isinstance(value, tuple) and len(value) == len(kinds) and all(map(_is_of_type, value, kinds))
    return type(value) is hint or (hint is float and type(value) is int)
