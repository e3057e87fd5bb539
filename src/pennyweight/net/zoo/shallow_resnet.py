"""Shallow residual network: the stem of ResNet-50, one bottleneck block, and a dense layer on all of its pixels."""

from __future__ import annotations

from dataclasses import dataclass, field

from pennyweight.net import ops
from pennyweight.net.build import Builder
from pennyweight.net.zoo.family import ACTIVATION, POOLING, dial


@dataclass(frozen=True)
class Dials:
    """One width sets all."""

    width: int = field(
        default=32,
        metadata=dial("filters of the stem and the block; the block ends with twice as many", low=2, high=512),
    )
    activation: str = field(default="relu", metadata=ACTIVATION)
    pooling: str = field(default="max", metadata=POOLING)


def build(dials: Dials, net: Builder, classes: int) -> None:
    """7x7/2 convolution, pool 3/2, bottleneck 1x1, 3x3/2, 1x1 with a projection, dense; convolutions have biases."""

    def conv(filters: int, kernel: int, stride: int, padding: int, at: str = "") -> str:
        net.conv(filters, kernel, stride, padding, at=at)
        return net.batch_norm()

    conv(dials.width, 7, 2, 3)
    net.activation(dials.activation)
    start = net.pool(dials.pooling, 3, 2)
    conv(dials.width, 1, 1, 0)
    net.activation(dials.activation)
    conv(dials.width, 3, 2, 1)
    net.activation(dials.activation)
    end = conv(2 * dials.width, 1, 1, 0)
    projection = conv(2 * dials.width, 1, 2, 0, at=start)
    net.add(ops.Add(), end, projection)
    net.activation(dials.activation)
    net.dense(classes)
