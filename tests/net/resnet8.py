"""MLPerf Tiny's ResNet-8, laid by hand, layer after layer as its paper has it."""

from __future__ import annotations

from pennyweight.net import ops
from pennyweight.net.build import Builder
from pennyweight.net.graph import Graph


def resnet8() -> Graph:
    """The network for pictures of 32x32x3 and ten classes."""
    b = Builder((32, 32, 3))
    b.conv(16, 3)
    b.batch_norm()
    x = b.activation("relu")
    for filters, stride in ((16, 1), (32, 2), (64, 2)):
        b.conv(filters, 3, stride, at=x)
        b.batch_norm()
        b.activation("relu")
        b.conv(filters, 3)
        y = b.batch_norm()
        if stride > 1:
            x = b.conv(filters, 1, stride, at=x)
        b.add(ops.Add(), x, y)
        x = b.activation("relu")
    b.global_pool()
    b.dense(10)
    return b.graph("resnet8 by hand")
