"""ResNet-8 of MLPerf Tiny's image classification benchmark: three residual blocks of two 3x3 convolutions.

As https://github.com/mlcommons/tiny defines it for Keras: convolutions have biases and TensorFlow's padding, the
projections are 1x1 convolutions without batch normalisation. Its softmax is left out: logits come out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pennyweight.net import ops
from pennyweight.net.build import Builder
from pennyweight.net.zoo.family import ACTIVATION, HEAD, dial


@dataclass(frozen=True)
class Dials:
    """The benchmark's network where nothing is turned."""

    width: int = field(
        default=16,
        metadata=dial("filters of the first block; the next have twice and four times as many", low=1, high=256),
    )
    activation: str = field(default="relu", metadata=ACTIVATION)
    head: str = field(default="average", metadata=HEAD)


def build(dials: Dials, net: Builder, classes: int) -> None:
    """Convolution, three blocks with strides 1, 2, 2, global pooling, dense."""

    def conv(filters: int, stride: int = 1) -> str:
        net.conv(filters, 3, stride)
        return net.batch_norm()

    conv(dials.width)
    start = net.activation(dials.activation)
    for block in range(3):
        filters, stride = dials.width * 2**block, 2 if block else 1
        conv(filters, stride)
        net.activation(dials.activation)
        end = conv(filters)
        shortcut = net.conv(filters, 1, stride, at=start) if block else start
        net.add(ops.Add(), end, shortcut)
        start = net.activation(dials.activation)
    net.global_pool(dials.head)
    net.dense(classes)
