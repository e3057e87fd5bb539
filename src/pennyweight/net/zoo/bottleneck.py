"""Inverted bottlenecks, MobileNetV2's block in a small frame: few weights, more RAM.

Parameters do not depend on the picture's height and width.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pennyweight.net.build import Builder
from pennyweight.net.zoo.family import ACTIVATION, HEAD, dial
from pennyweight.net.zoo.halving import halvings
from pennyweight.net.zoo.mobilenetv2 import inverted_residual

EXPANSION = 4


@dataclass(frozen=True)
class Dials:
    """One width sets all."""

    width: int = field(
        default=24,
        metadata=dial(
            "channels of the first stage; the next have half as many again, and twice as many",
            low=2,
            high=128,
            samples=(3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96),
        ),
    )
    activation: str = field(default="relu", metadata=ACTIVATION)
    head: str = field(default="average", metadata=HEAD)


def build(dials: Dials, net: Builder, classes: int) -> None:
    """Stem, a separable block, two stages of two inverted residuals, 1x1 convolution, global pooling, dense."""
    halved = halvings(net.input_shape)
    wider, widest = 3 * dials.width // 2, 2 * dials.width

    def stride(place: int) -> int:
        return 2 if halved >= place else 1

    if halved > 4:
        net.pool("average", 2, ceil=True)
    net.conv_block(dials.width, 3, stride(3), activation=dials.activation)
    inverted_residual(net, dials.width, stride(4), 1, dials.activation)
    for filters, place in ((wider, 1), (widest, 2)):
        inverted_residual(net, filters, stride(place), EXPANSION, dials.activation)
        inverted_residual(net, filters, 1, EXPANSION, dials.activation)
    net.conv_block(2 * widest, 1, activation=dials.activation)
    net.global_pool(dials.head)
    net.dense(classes)
