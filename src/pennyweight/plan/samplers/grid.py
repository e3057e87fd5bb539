"""Grid search: every point of a space of lists, in order."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from pennyweight.plan.candidates import Candidates
from pennyweight.plan.samplers.base import Sampler
from pennyweight.plan.space import Point
from pennyweight.plan.trial import Trial


class Grid(Sampler):
    """The first point that no trial has tried and that fits; it draws nothing."""

    plain = True

    def propose(
        self,
        candidates: Candidates,
        trade: Sequence[str],
        trials: Sequence[Trial],
        rejected: Sequence[Point],
        rng: Random,
    ) -> Point | None:
        """The next point in order. Raises UsageError where a parameter is a range."""
        tried = {trial.point for trial in trials}
        untried = (point for point in candidates.space.grid() if point not in tried)
        return next((point for point in untried if candidates.fitting(point)), None)
