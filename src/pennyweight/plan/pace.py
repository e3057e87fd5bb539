"""Pace: how long a network will train, told from its work and from how long others took."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, field
from statistics import median

from pennyweight.fit.recipe import Recipe
from pennyweight.plan.candidates import Candidate


def kind(candidate: Candidate, recipe: Recipe) -> Hashable:
    """What must be alike in networks for their times to be told by their work: the family, and the batch size."""
    return candidate.point.family, recipe.batch


@dataclass
class Pace:
    """Seconds of an epoch: what any network takes (augmentation, optimiser, calls), and more with its work.

    The first is the least that was measured, the second the median of what networks of a kind took beyond that, for
    each unit of work.
    """

    measured: list[tuple[Hashable, float, float]] = field(default_factory=list)
    _least: float = math.inf
    _rates: dict[Hashable, float] = field(default_factory=dict)

    def note(self, kind: Hashable, work: float, seconds_per_epoch: float) -> None:
        """Learn from a network that was trained."""
        self.measured.append((kind, work, seconds_per_epoch))
        self._rates.clear()

    def seconds_per_epoch(self, kind: Hashable, work: float) -> float | None:
        """How long an epoch of such a network will take; None before anything was measured.

        Of a kind that was not trained yet it is told by the others.
        """
        if not self.measured:
            return None
        if not self._rates:
            self._learn()
        return self._least + self._rates.get(kind, self._rates[None]) * work

    def _learn(self) -> None:
        """The rate of each kind that took more than the least, and under None that of all."""
        self._least = least = min(seconds for _, _, seconds in self.measured)
        rates = [((seconds - least) / work, kind) for kind, work, seconds in self.measured if seconds > least]
        for kind in {kind for _, kind in rates}:
            self._rates[kind] = median(rate for rate, other in rates if other == kind)
        self._rates[None] = median(rate for rate, _ in rates) if rates else 0.0
