"""Pace: how long a network will train, told from its MACs and from how long others took."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median


@dataclass
class Pace:
    """Seconds of an epoch: what any network takes (augmentation, optimiser, calls), and more with its MACs.

    The first is the least that was measured, the second the median of what families took beyond that, for each MAC.
    """

    measured: list[tuple[str, float, float]] = field(default_factory=list)

    def note(self, family: str, macs: float, seconds_per_epoch: float) -> None:
        """Learn from a network that was trained."""
        self.measured.append((family, macs, seconds_per_epoch))

    def seconds_per_epoch(self, family: str, macs: float) -> float | None:
        """How long an epoch of such a network will take; None before anything was measured.

        Of a family that was not trained yet it is told by the others.
        """
        if not self.measured:
            return None
        least = min(seconds for _, _, seconds in self.measured)
        rates = [((seconds - least) / macs, name) for name, macs, seconds in self.measured if seconds > least]
        own = [rate for rate, name in rates if name == family] or [rate for rate, _ in rates]
        return least + (median(own) * macs if own else 0.0)
