"""Random search: points drawn independently of one another (Bergstra and Bengio, JMLR 13, 2012)."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random as Generator

from pennyweight.plan.candidates import Candidates
from pennyweight.plan.samplers.base import Sampler
from pennyweight.plan.space import Point
from pennyweight.plan.trial import Trial


class Random(Sampler):
    """Every family as likely, every parameter on its own."""

    plain = True

    def propose(
        self,
        candidates: Candidates,
        trade: Sequence[str],
        trials: Sequence[Trial],
        rejected: Sequence[Point],
        rng: Generator,
    ) -> Point | None:
        """Any point."""
        return candidates.space.draw(rng)
