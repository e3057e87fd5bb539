"""SqueezeNet 1.1: fire modules, which squeeze to few channels and expand by 1x1 and 3x3 convolutions.

Iandola et al. 2016, https://arxiv.org/abs/1602.07360; version 1.1 as torchvision defines it, except that the class
scores have no ReLU: there a class whose scores are all negative gets no gradient, and a training may never start
(it stays at the share of the largest class). batch_norm=yes makes small data trainable at a high rate as well.
The small stem keeps the first convolution at stride 1, padded; the parameters stay the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pennyweight.net import ops
from pennyweight.net.build import Builder, PaddingRule
from pennyweight.net.zoo.family import ACTIVATION, BATCH_NORM, DROPOUT, HEAD, POOLING, STEM, dial, is_small

STAGES = (((16, 64), (16, 64)), ((32, 128), (32, 128)), ((48, 192), (48, 192), (64, 256), (64, 256)))
"""Squeeze and expand widths of the fire modules after each pooling."""


@dataclass(frozen=True)
class Dials:
    """The published network where nothing is turned."""

    width: float = field(default=1.0, metadata=dial("multiplies every number of filters", low=0.0625, high=4))
    stem: str = field(default="auto", metadata=STEM)
    batch_norm: bool = field(default=False, metadata=BATCH_NORM)
    activation: str = field(default="relu", metadata=ACTIVATION)
    pooling: str = field(default="max", metadata=POOLING)
    head: str = field(default="average", metadata=HEAD)
    dropout: float = field(default=0.5, metadata=DROPOUT)


def build(dials: Dials, net: Builder, classes: int) -> None:
    """Stem, (pool 3/2, fire modules) three times, dropout, 1x1 convolution to the classes, global pooling."""

    def conv(published: int, kernel: int, stride: int = 1, padding: PaddingRule = "same", at: str = "") -> str:
        filters = max(round(published * dials.width), 1)
        if dials.batch_norm:
            return net.conv_block(filters, kernel, stride, padding, activation=dials.activation, at=at)
        net.conv(filters, kernel, stride, padding, at=at)
        return net.activation(dials.activation)

    def fire(squeeze: int, expand: int) -> None:
        squeezed = conv(squeeze, 1)
        net.add(ops.Concat(), *(conv(expand, kernel, at=squeezed) for kernel in (1, 3)))

    small = is_small(dials.stem, net.input_shape)
    conv(64, 3, 1 if small else 2, "same" if small else "valid")
    for stage in STAGES:
        net.pool(dials.pooling, 3, 2, ceil=True)
        for squeeze, expand in stage:
            fire(squeeze, expand)
    net.dropout(dials.dropout)
    net.conv(classes, 1)
    net.global_pool(dials.head)
