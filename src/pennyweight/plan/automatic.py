"""What a search chooses for its caller, by what it measures on this machine: how long it takes, and its ladder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress

from pennyweight.core.errors import TrainingError
from pennyweight.core.units import format_minutes
from pennyweight.data.images import LabelledImages
from pennyweight.data.source import images_at
from pennyweight.fit.device import choose_device
from pennyweight.fit.pace import seconds_per_epoch
from pennyweight.plan.candidates import Candidate, Candidates
from pennyweight.plan.clock import Clock
from pennyweight.plan.pace import Pace, kind
from pennyweight.plan.plan import Plan
from pennyweight.plan.schedule import FULL_SHARE, SCREENING_SHARE, Ladder

MINUTES_LEAST, MINUTES_MOST = 2, 30
"""How long a search takes at least, and at most, where it is left to itself."""

LARGE = 3
"""A large candidate has more MACs than so many quarters of them."""


def cheapest_and_large(candidates: Candidates, images: LabelledImages) -> tuple[Candidate, Candidate]:
    """Two candidates, trained as usual; times are planned by the large one, for large ones are tried early."""
    pool = candidates.pool
    pair = pool[0], pool[LARGE * len(pool) // 4]
    cheapest, large = (candidates.usual(each, images_at(images, each.input_shape)) for each in pair)
    return cheapest, large


def measured(candidates: Sequence[Candidate], images: LabelledImages, device: str) -> Pace:
    """How fast these are trained here."""
    pace = Pace()
    for candidate in candidates:
        own = images_at(images, candidate.input_shape)
        recipe = candidate.recipe(own)
        part, _ = own.split(recipe.validation)
        with suppress(TrainingError):
            seconds = seconds_per_epoch(candidate.graph, part, recipe, choose_device(device))
            pace.note(kind(candidate, recipe), candidate.work, seconds)
    return pace


def minutes_for(large: Candidate, images: LabelledImages, pace: Pace) -> float:
    """Whole minutes in which a large network is fully trained within FULL_SHARE of them."""
    seconds = _full_seconds(large, images, pace)
    if seconds is None:
        return MINUTES_LEAST
    return float(min(max(math.ceil(seconds / FULL_SHARE / 60), MINUTES_LEAST), MINUTES_MOST))


def shortest_minutes(pool: Sequence[Candidate], images: LabelledImages, pace: Pace) -> float:
    """How long the shortest full training of a candidate will take; 0 where nothing is known."""
    seconds = (_full_seconds(candidate, images, pace) for candidate in pool)
    return min((each for each in seconds if each is not None), default=0.0) / 60


def ladder_for(large: Candidate, images: LabelledImages, pace: Pace, clock: Clock) -> Ladder:
    """The ladder that the time asks for, by a large network."""
    seconds = _full_seconds(large, images, pace)
    if seconds is None:
        return Ladder.of(3)
    own = images_at(images, large.input_shape)
    recipe = large.recipe(own)
    steps = recipe.epochs * len(own.split(recipe.validation)[0]) // recipe.batch
    return Ladder.within(clock.left_s(SCREENING_SHARE), min(seconds, FULL_SHARE * clock.seconds), steps)


def _full_seconds(candidate: Candidate, images: LabelledImages, pace: Pace) -> float | None:
    recipe = candidate.recipe(images_at(images, candidate.input_shape))
    epoch = pace.seconds_per_epoch(kind(candidate, recipe), candidate.work)
    return None if epoch is None else epoch * recipe.epochs


def chosen(plan: Plan, candidates: Candidates, workers: int | None, *, minutes_told: bool) -> list[str]:
    """What was chosen for the caller, in words."""
    families = ", ".join(candidates.space.networks)
    shares = Ladder.of(plan.rungs).shares
    told = [f"chooses among {families}: {candidates.feasible:,} of {candidates.considered:,} drawn networks fit"]
    if not minutes_told and plan.budget.minutes is not None:
        told.append(f"takes {format_minutes(plan.budget.minutes)}, as this machine trains; --minutes says otherwise")
    if len(shares) > 1:
        rungs = ", ".join(f"{share:.0%}" for share in shares)
        told.append(f"trains many for little and the best for more: {rungs} of a full training")
    else:
        told.append("trains every network fully")
    if workers and workers > 1:
        told.append(f"{workers} trainings at a time")
    return told
