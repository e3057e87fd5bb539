"""Our own sampler: sizes first, then the neighbours of what is on the Front.

Costs are known before anything is trained, so they need no model: only points that fit are looked at, and those are
preferred whose costs lie where the Front has a gap. Accuracy grows with size within a family, so that a search begins
with a large network of each family, and then takes smaller ones, evenly by their rank among some that fit.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from random import Random

import numpy as np
import numpy.typing as npt

from pennyweight.plan.candidates import Candidate, Candidates
from pennyweight.plan.front import front
from pennyweight.plan.samplers.base import Sampler
from pennyweight.plan.space import Point
from pennyweight.plan.trial import Trial, standing

LARGEST_OF = 60
"""Points of a family that are priced to find a large one that fits."""

SPREAD = 4
"""Trials of each family with which a search begins, from its largest that fits to small ones."""

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
        if not rejected and (first := _opening(candidates, trials, tried, rng)):
            return first
        done = standing(trials)
        if not done or rng.random() < EXPLORING or len(rejected) > NEIGHBOURS:
            return space.draw(rng)
        members = [done[index] for index in front([trial.axes(trade) for trial in done])]
        parent = rng.choice(members)
        near = (space.near(parent.point, rng) for _ in range(NEIGHBOURS))
        fitting = [each for point in near if point not in tried and (each := candidates.fitting(point))]
        if not fitting:
            return space.draw(rng)
        known = np.array([_logs(trial.costs, trade) for trial in done])
        return max(fitting, key=lambda each: _loneliness(each, known, trade)).point


def _opening(candidates: Candidates, trials: Sequence[Trial], tried: Container[Point], rng: Random) -> Point | None:
    """The largest network that fits of a family that has no trial yet; then smaller ones, until each has SPREAD."""
    counts = Counter(trial.point.family for trial in trials)
    for round_ in range(SPREAD):
        for family in candidates.space.networks:
            if counts[family] > round_:
                continue
            drawn = dict.fromkeys(candidates.space.draw(rng, family) for _ in range(LARGEST_OF))
            found = [each for point in drawn if point not in tried and (each := candidates.fitting(point))]
            if found:
                ranked = sorted(found, key=lambda each: each.cost.macs)
                return ranked[int((len(ranked) - 1) * (1 - round_ / SPREAD))].point
    return None


def _loneliness(candidate: Candidate, known: Floats, trade: Sequence[str]) -> float:
    """How far a candidate's costs lie from those of the nearest trial: the squared distance of their logarithms."""
    return float(np.square(known - _logs(candidate.cost.to_figures(), trade)).sum(1).min())


def _logs(costs: Mapping[str, float | None], trade: Sequence[str]) -> list[float]:
    return [math.log(max(costs.get(name) or 1.0, 1e-9)) for name in trade]
