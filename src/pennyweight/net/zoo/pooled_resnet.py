"""Plain 3x3 convolutions with residuals after early pooling: trains fast and well.

The stem and its pooling take all halvings but two; three stages of widths w, 1.5 w and 2 w follow, each with one
residual convolution. Parameters do not depend on the picture's height and width.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pennyweight.net import ops
from pennyweight.net.build import Builder
from pennyweight.net.zoo.family import ACTIVATION, HEAD, POOLING, dial
from pennyweight.net.zoo.halving import halvings


@dataclass(frozen=True)
class Dials:
    """One width sets all."""

    width: int = field(
        default=24,
        metadata=dial(
            "filters of the first stage; the next have half as many again, and twice as many",
            low=2,
            high=128,
            samples=(4, 6, 8, 12, 16, 20, 24, 32, 40, 48, 64, 96),
        ),
    )
    activation: str = field(default="relu", metadata=ACTIVATION)
    pooling: str = field(default="max", metadata=POOLING)
    head: str = field(default="average", metadata=HEAD)


def build(dials: Dials, net: Builder, classes: int) -> None:
    """Stem, three stages (pool 2 and a convolution but in the first; a residual convolution), global pooling, dense."""
    halved = halvings(net.input_shape)
    in_stem = max(halved - 2, 0)
    if in_stem > 2:
        net.pool("average", 2, ceil=True)
    net.conv_block(dials.width, 3, 2 if in_stem > 1 else 1, activation=dials.activation)
    if in_stem > 0:
        net.pool(dials.pooling, 2, ceil=True)
    for stage, filters in enumerate((dials.width, 3 * dials.width // 2, 2 * dials.width)):
        if stage > 0:
            if stage <= halved:
                net.pool(dials.pooling, 2, ceil=True)
            net.conv_block(filters, 3, activation=dials.activation)
        start = net.last
        net.add(ops.Add(), start, net.conv_block(filters, 3, activation=dials.activation))
    net.global_pool(dials.head)
    net.dense(classes)
