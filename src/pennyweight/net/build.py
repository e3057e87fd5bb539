"""The hand that lays layers one after the other: what the zoo's families and the tracer build Graphs with."""

from __future__ import annotations

from collections import Counter
from typing import Literal, get_args

from pennyweight.core.errors import GraphError, unknown
from pennyweight.net import ops
from pennyweight.net.graph import INPUT, Graph, Layer
from pennyweight.net.ops import Op, Padding, Shape

PaddingRule = Literal["same", "valid"] | int
"""`same`: ceil(length / stride) windows, an odd row or column of padding after the image, as TensorFlow has it;
`valid`: none; a number: as many rows and columns on each side, as PyTorch has it."""


class Builder:
    """Collects layers; each method adds one after `at` (the last one by default) and returns its name."""

    def __init__(self, input_shape: Shape) -> None:
        self.input_shape = input_shape
        self.last = INPUT
        self._shapes: dict[str, Shape] = {INPUT: input_shape}
        self._layers: list[Layer] = []
        self._numbered: Counter[str] = Counter()

    def shape(self, name: str = "") -> Shape:
        """The shape of the tensor called `name`, or of the last one."""
        return self._shapes[name or self.last]

    def add(self, op: Op, *inputs: str, name: str = "") -> str:
        """Add any op; its name is `name`, or the op's own and a number.

        Raises GraphError, naming the layer, where the op cannot take what it would read.
        """
        sources = inputs or (self.last,)
        name = name or self._free_name(str(getattr(op, "function", op.name)))
        try:
            self._shapes[name] = op.output_shape(*(self._shapes[source] for source in sources))
        except GraphError as error:
            raise GraphError(f"layer {name!r}: {error}", hint=error.hint) from error
        self._layers.append(Layer(name, op, tuple(sources)))
        self.last = name
        return name

    def conv(
        self,
        filters: int,
        kernel: int,
        stride: int = 1,
        padding: PaddingRule = "same",
        *,
        groups: int = 1,
        bias: bool = True,
        at: str = "",
    ) -> str:
        """A square convolution."""
        pads = self._padding(padding, kernel, stride, at)
        op = ops.Conv(filters, (kernel, kernel), (stride, stride), pads, groups, bias)
        return self.add(op, at or self.last)

    def depthwise_conv(
        self, kernel: int, stride: int = 1, padding: PaddingRule = "same", *, bias: bool = True, at: str = ""
    ) -> str:
        """A square convolution of every channel by itself."""
        pads = self._padding(padding, kernel, stride, at)
        return self.add(ops.DepthwiseConv((kernel, kernel), (stride, stride), pads, bias=bias), at or self.last)

    def conv_block(
        self,
        filters: int,
        kernel: int,
        stride: int = 1,
        padding: PaddingRule = "same",
        *,
        activation: str,
        at: str = "",
    ) -> str:
        """A square convolution without bias, batch normalisation, and the activation (none where it is empty)."""
        self.conv(filters, kernel, stride, padding, bias=False, at=at)
        return self._normalise(activation)

    def depthwise_block(self, kernel: int, stride: int = 1, padding: PaddingRule = "same", *, activation: str) -> str:
        """A depthwise convolution without bias, batch normalisation, and the activation (none where it is empty)."""
        self.depthwise_conv(kernel, stride, padding, bias=False)
        return self._normalise(activation)

    def batch_norm(self, *, epsilon: float = 1e-5, momentum: float = 0.1) -> str:
        """Batch normalisation of the last tensor."""
        return self.add(ops.BatchNorm(epsilon, momentum))

    def activation(self, function: str) -> str:
        """An activation by its name in the zoo's texts, such as relu or hard-swish: a key of ACTIVATIONS."""
        if function not in ACTIVATIONS:
            raise unknown("activation", function, ACTIVATIONS)
        return self.add(ACTIVATIONS[function])

    def pool(
        self, kind: str, kernel: int, stride: int = 0, padding: PaddingRule = "valid", *, ceil: bool = False
    ) -> str:
        """A square pooling window, `max` or `average`; its stride is its length unless told."""
        step = stride or kernel
        pads = self._padding(padding, kernel, step, "")
        return self.add(ops.Pool(_pool_kind(kind), (kernel, kernel), (step, step), pads, ceil))

    def global_pool(self, kind: str = "average") -> str:
        """One number a channel: `max` or `average` over the picture, as a vector."""
        self.add(ops.GlobalPool(_pool_kind(kind)))
        return self.flatten()

    def flatten(self) -> str:
        """The last tensor as a vector, unless it is one."""
        return self.last if len(self.shape()) == 1 else self.add(ops.Flatten())

    def dropout(self, rate: float) -> str:
        """Dropout, or nothing where the rate is 0."""
        return self.last if rate == 0 else self.add(ops.Dropout(rate))

    def dense(self, units: int, *, bias: bool = True) -> str:
        """A dense layer on the last tensor, flattened."""
        self.flatten()
        return self.add(ops.Dense(units, bias))

    def graph(self, text: str) -> Graph:
        """The finished Graph."""
        return Graph(text, self.input_shape, tuple(self._layers))

    def _normalise(self, activation: str) -> str:
        self.batch_norm()
        return self.activation(activation) if activation else self.last

    def _free_name(self, stem: str) -> str:
        if stem[-1].isdigit():
            stem += "_"
        while True:
            self._numbered[stem] += 1
            name = f"{stem}{self._numbered[stem]}"
            if name not in self._shapes:
                return name

    def _padding(self, rule: PaddingRule, kernel: int, stride: int, at: str) -> Padding:
        if isinstance(rule, int):
            return (rule, rule, rule, rule)
        if rule == "valid":
            return (0, 0, 0, 0)
        height, width = self.shape(at)[:2]
        return (*same_padding(height, kernel, stride), *same_padding(width, kernel, stride))


def same_padding(length: int, kernel: int, stride: int) -> tuple[int, int]:
    """Padding before and after for ceil(length / stride) windows; the odd one comes after, as in TensorFlow.

    >>> same_padding(32, 3, 2)
    (0, 1)
    """
    windows = -(-length // stride)
    total = max((windows - 1) * stride + kernel - length, 0)
    return total // 2, total - total // 2


def _pool_kind(kind: str) -> Literal["max", "average"]:
    if kind == "max":
        return "max"
    if kind == "average":
        return "average"
    raise unknown("pooling kind", kind, ("max", "average"))


ACTIVATIONS: dict[str, Op] = {
    {"hard_swish": "hard-swish", "leaky_relu": "leaky"}.get(function, function): ops.Activation(function)
    for function in get_args(ops.ActivationFunction)
} | {"prelu": ops.PRelu()}
"""Activation ops by their names in the zoo's texts."""
