"""ResNet-50: bottleneck blocks, the stride in their 3x3 convolution (version 1.5, as torchvision defines it).

He et al. 2016, https://arxiv.org/abs/1512.03385. The small stem keeps the 7x7 convolution at stride 1 and leaves its
pooling out; the parameters stay the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pennyweight.net import ops
from pennyweight.net.build import Builder
from pennyweight.net.zoo.family import ACTIVATION, HEAD, POOLING, STEM, dial, is_small

BLOCKS = (3, 4, 6, 3)
EXPANSION = 4


@dataclass(frozen=True)
class Dials:
    """The published network where nothing is turned."""

    width: int = field(
        default=64, metadata=dial("filters of the stem and of the first stage's 3x3 convolutions", low=2, high=128)
    )
    stem: str = field(default="auto", metadata=STEM)
    activation: str = field(default="relu", metadata=ACTIVATION)
    pooling: str = field(default="max", metadata=POOLING)
    head: str = field(default="average", metadata=HEAD)


def build(dials: Dials, net: Builder, classes: int) -> None:
    """Stem, four stages of 3, 4, 6 and 3 blocks, global pooling, dense."""
    small = is_small(dials.stem, net.input_shape)
    net.conv_block(dials.width, 7, 1 if small else 2, 3, activation=dials.activation)
    if not small:
        net.pool(dials.pooling, 3, 2, 1)
    for stage, blocks in enumerate(BLOCKS):
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            _bottleneck(net, dials.width * 2**stage, stride, dials.activation)
    net.global_pool(dials.head)
    net.dense(classes)


def _bottleneck(net: Builder, width: int, stride: int, activation: str) -> None:
    shortcut = net.last
    projected = stride > 1 or net.shape()[2] != width * EXPANSION
    net.conv_block(width, 1, activation=activation)
    net.conv_block(width, 3, stride, 1, activation=activation)
    end = net.conv_block(width * EXPANSION, 1, activation="")
    if projected:
        shortcut = net.conv_block(width * EXPANSION, 1, stride, "valid", activation="", at=shortcut)
    net.add(ops.Add(), end, shortcut)
    net.activation(activation)
