"""Multilayer perceptron: dense layers on the pixels, with dropout."""

from __future__ import annotations

from dataclasses import dataclass, field

from pennyweight.net.build import Builder
from pennyweight.net.zoo.family import ACTIVATION, DROPOUT, dial


@dataclass(frozen=True)
class Dials:
    """How many layers, how wide, and what is between them."""

    hidden: tuple[int, ...] = field(
        default=(80, 60, 50),
        metadata=dial(
            "units of each hidden layer",
            low=1,
            high=8192,
            samples=((8,), (16,), (32,), (64,), (128,), (16, 16), (32, 16), (32, 32), (64, 32), (80, 60, 50)),
        ),
    )
    activation: str = field(default="relu", metadata=ACTIVATION)
    dropout: float = field(default=0.0, metadata=DROPOUT)


def build(dials: Dials, net: Builder, classes: int) -> None:
    """Flatten, then (dense, activation, dropout) for every hidden layer, then dense."""
    for units in dials.hidden:
        net.dense(units)
        net.activation(dials.activation)
        net.dropout(dials.dropout)
    net.dense(classes)
