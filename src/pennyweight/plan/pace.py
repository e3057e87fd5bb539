"""Pace: how long a network will train, told from its MACs and from how long others took."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median

FIXED_MACS = 300_000
"""What a step takes besides its products (augmentation, optimiser, calls), as so many MACs an image: a rough figure of
ours, which the rates of each family correct as they come in."""


@dataclass
class Pace:
    """Seconds of one epoch per MAC of one image, by family, each the median of what was measured."""

    rates: dict[str, list[float]] = field(default_factory=dict)

    def note(self, family: str, macs: float, seconds_per_epoch: float) -> None:
        """Learn from a network that was trained."""
        self.rates.setdefault(family, []).append(seconds_per_epoch / (macs + FIXED_MACS))

    def seconds_per_epoch(self, family: str, macs: float) -> float | None:
        """How long an epoch of such a network will take; None where nothing was measured yet.

        Of a family that was not trained yet it is told by the others.
        """
        known = self.rates.get(family) or [rate for rates in self.rates.values() for rate in rates]
        return median(known) * (macs + FIXED_MACS) if known else None
