"""Cropped VGG: a 3x3 convolution and a pooling for each width, then dense layers with dropout."""

from __future__ import annotations

from dataclasses import dataclass, field

from pennyweight.net.build import Builder
from pennyweight.net.zoo.family import ACTIVATION, BATCH_NORM, DROPOUT, POOLING, dial


@dataclass(frozen=True)
class Dials:
    """How many layers and how wide."""

    widths: tuple[int, ...] = field(default=(64, 128), metadata=dial("filters of each convolution", low=1, high=2048))
    dense: tuple[int, ...] = field(default=(1024, 1024), metadata=dial("units of each dense layer", low=1, high=8192))
    batch_norm: bool = field(default=False, metadata=BATCH_NORM)
    activation: str = field(default="relu", metadata=ACTIVATION)
    pooling: str = field(default="max", metadata=POOLING)
    dropout: float = field(default=0.65, metadata=DROPOUT)


def build(dials: Dials, net: Builder, classes: int) -> None:
    """(Convolution, activation, pool 2) for each width, (dense, activation, dropout) for each dense layer, dense."""
    for filters in dials.widths:
        if dials.batch_norm:
            net.conv_block(filters, 3, activation=dials.activation)
        else:
            net.conv(filters, 3)
            net.activation(dials.activation)
        net.pool(dials.pooling, 2)
    for units in dials.dense:
        net.dense(units)
        net.activation(dials.activation)
        net.dropout(dials.dropout)
    net.dense(classes)
