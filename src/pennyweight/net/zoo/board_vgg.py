"""Board VGG: six 3x3 convolutions in four poolings and two dense layers, made for microcontroller boards."""

from __future__ import annotations

from dataclasses import dataclass, field

from pennyweight.net.build import Builder
from pennyweight.net.zoo.family import ACTIVATION, DROPOUT, POOLING, dial

STAGES = ((1, 1), (2, 2), (4,), (4,))
"""Filters of the convolutions before each pooling, as multiples of the width."""


@dataclass(frozen=True)
class Dials:
    """One width for the convolutions, and the dense layers."""

    width: int = field(
        default=32, metadata=dial("filters of the first convolution; the last have four times as many", low=1, high=256)
    )
    dense: tuple[int, ...] = field(default=(1024, 512), metadata=dial("units of each dense layer", low=1, high=8192))
    activation: str = field(default="relu", metadata=ACTIVATION)
    pooling: str = field(default="max", metadata=POOLING)
    dropout: float = field(default=0.0, metadata=DROPOUT)


def build(dials: Dials, net: Builder, classes: int) -> None:
    """Convolution, activation, then batch normalisation, in this order; a pool 2 ends each stage; dense layers."""
    for stage in STAGES:
        for multiple in stage:
            net.conv(multiple * dials.width, 3)
            net.activation(dials.activation)
            net.batch_norm()
        net.pool(dials.pooling, 2)
    for units in dials.dense:
        net.dense(units)
        net.activation(dials.activation)
        net.dropout(dials.dropout)
    net.dense(classes)
