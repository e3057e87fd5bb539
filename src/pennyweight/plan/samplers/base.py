"""What every sampler is: from what was tried so far, the next point."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from random import Random

from pennyweight.plan.candidates import Candidate, Candidates
from pennyweight.plan.space import Point
from pennyweight.plan.trial import Trial

DRAWS = 1_000
"""Proposals after which a sampler that finds nothing new that fits is done."""


class Sampler(ABC):
    """Proposes points. The same trials, rejections and random state give the same proposal, so a search resumes.

    A `plain` sampler's trials are trained in full, each on its own; those of others are screened first.
    """

    plain = False

    @abstractmethod
    def propose(
        self,
        candidates: Candidates,
        trade: Sequence[str],
        trials: Sequence[Trial],
        rejected: Sequence[Point],
        rng: Random,
    ) -> Point | None:
        """The next point of `candidates.space`, which may turn out not to fit; None where there is nothing more to try.

        `trials` are all so far, running ones too; `trade` names the costs that count beside accuracy; `rejected` are
        the points that were proposed for this very trial and do not fit or were tried before.
        """


def next_candidate(
    sampler: Sampler, candidates: Candidates, trade: Sequence[str], trials: Sequence[Trial], rng: Random
) -> Candidate | None:
    """The next candidate that fits and that no trial has tried; None where the sampler has no more."""
    tried = {trial.point for trial in trials}
    rejected: list[Point] = []
    for _ in range(DRAWS):
        point = sampler.propose(candidates, trade, trials, rejected, rng)
        if point is None:
            return None
        found = candidates.fitting(point) if point not in tried else None
        if found is not None:
            return found
        rejected.append(point)
    return None
