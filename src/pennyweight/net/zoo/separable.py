"""Strided 3x3 convolutions down to 8x8, then depthwise-separable blocks: many channels in little RAM.

On maps this small a 5x5 depthwise convolution costs little next to its pointwise one, and no activation stands between.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pennyweight.net import ops
from pennyweight.net.build import Builder
from pennyweight.net.zoo.family import ACTIVATION, HEAD, dial

BLOCKS_LENGTH = 8
"""Longest side of the maps on which depthwise convolutions work: on larger ones they are slow for their MACs."""


@dataclass(frozen=True)
class Dials:
    """One width sets all."""

    width: int = field(
        default=64,
        metadata=dial(
            "channels of the blocks at 8x8; the stem has half, the last blocks twice as many",
            low=4,
            high=384,
            samples=(8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256),
        ),
    )
    activation: str = field(default="relu", metadata=ACTIVATION)
    head: str = field(default="average", metadata=HEAD)


def build(dials: Dials, net: Builder, classes: int) -> None:
    """Stem, two blocks at 8x8, two at 4x4, global pooling, dense."""
    while max(net.shape()[:2]) > 2 * BLOCKS_LENGTH:
        net.conv_block(dials.width // 2, 3, 2, activation=dials.activation)
    net.conv_block(dials.width, 3, 2 if max(net.shape()[:2]) > BLOCKS_LENGTH else 1, activation=dials.activation)
    for filters, stride in ((dials.width, 1), (dials.width, 1), (2 * dials.width, 2), (2 * dials.width, 1)):
        start = net.last
        net.depthwise_block(5, stride, activation="")
        end = net.conv_block(filters, 1, activation=dials.activation)
        if net.shape(start) == net.shape(end):
            net.add(ops.Add(), start, end)
    net.global_pool(dials.head)
    net.dense(classes)
