"""MobileNetV2: inverted residual blocks with linear bottlenecks.

Sandler et al. 2018, https://arxiv.org/abs/1801.04381, as torchvision defines it. The small stem drops the strides of
the first convolution and of the second stage; the parameters stay the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pennyweight.net import ops
from pennyweight.net.build import Builder
from pennyweight.net.zoo.family import ACTIVATION, DROPOUT, HEAD, STEM, dial, is_small

STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Expansion, filters, blocks and stride of each stage: table 2 of the paper."""


@dataclass(frozen=True)
class Dials:
    """The published network where nothing is turned."""

    width: float = field(
        default=1.0, metadata=dial("multiplies every number of filters, rounded to multiples of 8", low=0.1, high=2)
    )
    stem: str = field(default="auto", metadata=STEM)
    activation: str = field(default="relu6", metadata=ACTIVATION)
    head: str = field(default="average", metadata=HEAD)
    dropout: float = field(default=0.2, metadata=DROPOUT)


def build(dials: Dials, net: Builder, classes: int) -> None:
    """Stem, seven stages, 1x1 convolution to 1280 channels, global pooling, dropout, dense."""
    small = is_small(dials.stem, net.input_shape)
    net.conv_block(_eighths(32 * dials.width), 3, 1 if small else 2, 1, activation=dials.activation)
    for stage, (expansion, filters, blocks, published_stride) in enumerate(STAGES):
        stride = 1 if small and stage == 1 else published_stride
        for block in range(blocks):
            inverted_residual(
                net, _eighths(filters * dials.width), stride if block == 0 else 1, expansion, dials.activation
            )
    net.conv_block(_eighths(1280 * max(dials.width, 1.0)), 1, activation=dials.activation)
    net.global_pool(dials.head)
    net.dropout(dials.dropout)
    net.dense(classes)


def inverted_residual(net: Builder, filters: int, stride: int, expansion: int, activation: str) -> None:
    """Expand by 1x1 (unless the expansion is 1), depthwise 3x3, project by 1x1; add the input where shapes allow it."""
    start = net.last
    channels = net.shape()[2]
    if expansion > 1:
        net.conv_block(expansion * channels, 1, activation=activation)
    net.depthwise_block(3, stride, 1, activation=activation)
    end = net.conv_block(filters, 1, activation="")
    if stride == 1 and channels == filters:
        net.add(ops.Add(), start, end)


def _eighths(filters: float) -> int:
    """The nearest multiple of 8 that loses at most a tenth (torchvision's `_make_divisible`)."""
    nearest = max(8, int(filters + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * filters else nearest + 8
