"""Our own sampler: sizes first, then the neighbours of what is on the Front.

Costs are known before anything is trained, so they need no model: only points that fit are looked at, and those are
preferred whose costs lie where the Front has a gap. A search begins with the ends of each family's sizes: the smallest,
which are trained in no time, and the largest that fit, for accuracy grows with size within a family.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from random import Random

import numpy as np
import numpy.typing as npt

from pennyweight.plan.candidates import Candidate, Candidates
from pennyweight.plan.samplers.base import Sampler
from pennyweight.plan.space import Point
from pennyweight.plan.trial import Trial, leading

SPREAD = (0.0, 1.0, 0.5, 0.25)
"""Trials of each family with which a search begins: the ranks of their sizes among those of the family that fit."""

EXPLORING = 0.2
"""Of later trials, the share that is drawn from the whole space."""

NEIGHBOURS = 8
"""Neighbours that are priced for one that is tried."""


Floats = npt.NDArray[np.float64]


class Front(Sampler):
    """A family's sizes spread out; then neighbours of points on the Front, where it is thin."""

    def propose(
        self,
        candidates: Candidates,
        trade: Sequence[str],
        trials: Sequence[Trial],
        rejected: Sequence[Point],
        rng: Random,
    ) -> Point | None:
        """A point that fits, as far as one is found among the few that are priced."""
        space = candidates.space
        tried = {trial.point for trial in trials}
        if not rejected and (first := _opening(candidates, trials, tried)):
            return first
        parents = leading(trials, trade)
        if not parents or rng.random() < EXPLORING or len(rejected) > NEIGHBOURS:
            return space.draw(rng)
        parent = rng.choice(parents)
        near = (space.near(parent.point, rng) for _ in range(NEIGHBOURS))
        fitting = [each for point in near if point not in tried and (each := candidates.fitting(point))]
        if not fitting:
            return space.draw(rng)
        known = np.array([_logs(trial.costs, trade) for trial in parents])
        return max(fitting, key=lambda each: _loneliness(each, known, trade)).point


def _opening(candidates: Candidates, trials: Sequence[Trial], tried: Container[Point]) -> Point | None:
    """The smallest network of each family, then the largest that fits, then those between, until each has SPREAD.

    The smallest come by their MACs, the others in the order of the space's families. The full training that a search
    begins with does not count.
    """
    first = {trial.point for trial in trials if trial.number == 0 and trial.rung > 0}
    counts = Counter(point.family for point in {trial.point for trial in trials} - first)
    for count, rank in enumerate(SPREAD):
        picked = []
        for family in candidates.space.networks:
            if counts[family] > count:
                continue
            found = [
                each
                for each in candidates.pool
                if each.point.family == family and each.point not in tried and candidates.affordable(each)
            ]
            if found:
                picked.append(found[int((len(found) - 1) * rank)])
        if picked:
            return min(picked, key=lambda each: each.cost.macs).point if rank == 0 else picked[0].point
    return None


def _loneliness(candidate: Candidate, known: Floats, trade: Sequence[str]) -> float:
    """How far a candidate's costs lie from the nearest that lead: the squared distance of their logarithms."""
    return float(np.square(known - _logs(candidate.cost.to_figures(), trade)).sum(1).min())


def _logs(costs: Mapping[str, float | None], trade: Sequence[str]) -> list[float]:
    return [math.log(max(costs.get(name) or 1.0, 1e-9)) for name in trade]
