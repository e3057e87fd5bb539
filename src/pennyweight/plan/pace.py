"""Pace: how long a network will train, told from its MACs and from how long others took."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import median


@dataclass
class Pace:
    """Seconds of an epoch: what any network takes (augmentation, optimiser, calls), and more with its MACs.

    The first is the least that was measured, the second the median of what families took beyond that, for each MAC.
    """

    measured: list[tuple[str, float, float]] = field(default_factory=list)
    _least: float = math.inf
    _rates: dict[str | None, float] = field(default_factory=dict)

    def note(self, family: str, macs: float, seconds_per_epoch: float) -> None:
        """Learn from a network that was trained."""
        self.measured.append((family, macs, seconds_per_epoch))
        self._rates.clear()

    def seconds_per_epoch(self, family: str, macs: float) -> float | None:
        """How long an epoch of such a network will take; None before anything was measured.

        Of a family that was not trained yet it is told by the others.
        """
        if not self.measured:
            return None
        if not self._rates:
            self._learn()
        return self._least + self._rates.get(family, self._rates[None]) * macs

    def _learn(self) -> None:
        """The rate of each family that took more than the least, and under None that of all."""
        self._least = least = min(seconds for _, _, seconds in self.measured)
        rates = [((seconds - least) / macs, name) for name, macs, seconds in self.measured if seconds > least]
        for name in {name for _, name in rates}:
            self._rates[name] = median(rate for rate, family in rates if family == name)
        self._rates[None] = median(rate for rate, _ in rates) if rates else 0.0
