"""What Optuna's samplers have in common here: each ask is answered by a study that is made of our trials for it alone.

So nothing that a sampler learns is kept anywhere but in the trials, and a search that resumes is proposed what it would
have been proposed. Such a study costs little: it looks at a list, and each trial is put into Optuna's words once.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Container, Mapping, Sequence
from random import Random
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from pennyweight.plan.candidates import Candidates
from pennyweight.plan.domain import Domain, Range, Value
from pennyweight.plan.samplers.base import Sampler
from pennyweight.plan.samplers.distributions import every_distribution
from pennyweight.plan.space import Point, Space
from pennyweight.plan.trial import Trial, standing

REFUSALS = 10
"""Rejected points after which Optuna is not asked again for this trial: a sampler that learns insists on its belief."""

LEAST, MOST = 1e-9, 1e18
"""A cost is taken to lie within, so that its logarithm is a number; one that is unknown is the most."""


class OfOptuna(Sampler):
    """A sampler of Optuna's, which is shown one trial for each point.

    What has not ended well, or was rejected, it is shown as a trial that runs: TPE takes such a one for bad (the
    constant liar), and NSGA-II leaves it out.
    """

    def __init__(self) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._shown: dict[int, tuple[Trial, Space, tuple[str, ...], FrozenTrial]] = {}

    @abstractmethod
    def answer(self, space: Space, shown: Sequence[FrozenTrial], axes: int, rng: Random) -> Point:
        """What Optuna's sampler says to the trials that it is shown, which have so many axes."""

    def parameters(self, space: Space, point: Point) -> Mapping[str, Value]:
        """What Optuna is shown of a point."""
        return point.as_json()

    def propose(
        self,
        candidates: Candidates,
        trade: Sequence[str],
        trials: Sequence[Trial],
        rejected: Sequence[Point],
        rng: Random,
    ) -> Point | None:
        """What Optuna's sampler says; after REFUSALS a neighbour of what it said, or any point."""
        space = candidates.space
        if len(rejected) >= REFUSALS:
            return space.near(rng.choice(rejected[:REFUSALS]), rng) if rng.random() < 0.5 else space.draw(rng)
        said = self.answer(space, self._all_shown(space, trade, trials, rejected), 1 + len(trade), rng)
        known = space.domains(said.family)
        return Point(said.family, tuple((name, _rounded(known[name], value)) for name, value in said.values))

    def _all_shown(
        self, space: Space, trade: Sequence[str], trials: Sequence[Trial], rejected: Sequence[Point]
    ) -> list[FrozenTrial]:
        """A trial of Optuna's for each point that was tried, in the order of ours, then the rejected ones."""
        last = {trial.point: trial for trial in trials}
        chosen = last | {trial.point: trial for trial in standing(trials)}
        shown = [
            self._one_shown(space, trade, trial) for trial in sorted(chosen.values(), key=lambda each: each.number)
        ]
        first = shown[-1].number + 1 if shown else 1
        return shown + [self._frozen(space, point, first + index) for index, point in enumerate(rejected)]

    def _one_shown(self, space: Space, trade: Sequence[str], trial: Trial) -> FrozenTrial:
        held = self._shown.get(trial.number)
        if held is None or held[0] is not trial or held[1] is not space or held[2] != tuple(trade):
            axes = _axes(trial, trade) if trial.state == "done" and trial.validation else None
            held = trial, space, tuple(trade), self._frozen(space, trial.point, trial.number + 1, axes)
            self._shown[trial.number] = held
        return held[3]

    def _frozen(self, space: Space, point: Point, number: int, axes: Sequence[float] | None = None) -> FrozenTrial:
        known, parameters = every_distribution(space), self.parameters(space, point)
        return FrozenTrial(
            number=number,
            trial_id=number,
            state=TrialState.RUNNING if axes is None else TrialState.COMPLETE,
            value=None,
            values=axes,
            params=dict(parameters),
            distributions={name: known[name] for name in parameters},
            user_attrs={},
            system_attrs={},
            intermediate_values={},
            datetime_start=None,
            datetime_complete=None,
        )


def _rounded(domain: Domain, value: Value) -> Value:
    return domain.rounded(value) if isinstance(domain, Range) and isinstance(value, float) else value


def ask(
    sampler: BaseSampler, shown: Sequence[FrozenTrial], axes: int, wanted: Mapping[str, BaseDistribution]
) -> dict[str, Any]:
    """The values that a new sampler says for the parameters that are wanted: name -> value."""
    study = optuna.create_study(storage=_Showing(shown), sampler=sampler, directions=["minimize"] * axes)
    return study.ask(dict(wanted)).params


class _Showing(InMemoryStorage):
    """A storage that shows some trials before its own; it has but one study, and theirs are the numbers from 1 on."""

    def __init__(self, shown: Sequence[FrozenTrial]) -> None:
        super().__init__()
        self._shown = shown

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        shown = [trial for trial in self._shown if states is None or trial.state in states]
        return shown + super().get_all_trials(study_id, deepcopy, states)


def _axes(trial: Trial, trade: Sequence[str]) -> list[float]:
    """The share of errors, and the logarithms of the costs."""
    error, *costs = trial.axes(trade)
    return [error, *(math.log(min(max(cost, LEAST), MOST)) for cost in costs)]
