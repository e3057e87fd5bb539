"""Plain CNN: two 3x3 convolutions without padding, one pooling, one dense layer.

With depth d every hidden layer becomes d layers of a d-th of its width: depth=2 is conv 16, 16, 32, 32, pool,
dense 64, 64.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pennyweight.net.build import Builder
from pennyweight.net.zoo.family import ACTIVATION, DROPOUT, POOLING, dial


@dataclass(frozen=True)
class Dials:
    """Widths before the depth divides them."""

    filters: tuple[int, ...] = field(default=(32, 64), metadata=dial("filters of each convolution", low=4, high=1024))
    dense: tuple[int, ...] = field(default=(128,), metadata=dial("units of each dense layer", low=4, high=8192))
    depth: int = field(
        default=1, metadata=dial("makes of every hidden layer so many, each so much narrower", low=1, high=4)
    )
    activation: str = field(default="relu", metadata=ACTIVATION)
    pooling: str = field(default="max", metadata=POOLING)
    dropout: float = field(default=0.5, metadata=DROPOUT)


def build(dials: Dials, net: Builder, classes: int) -> None:
    """Convolutions, pool 2, dense layers, dropout, dense."""
    for filters in dials.filters:
        for _ in range(dials.depth):
            net.conv(filters // dials.depth, 3, padding="valid")
            net.activation(dials.activation)
    net.pool(dials.pooling, 2)
    for units in dials.dense:
        for _ in range(dials.depth):
            net.dense(units // dials.depth)
            net.activation(dials.activation)
    net.dropout(dials.dropout)
    net.dense(classes)
