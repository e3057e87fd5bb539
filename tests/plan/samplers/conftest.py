"""A search without training: what accuracy a point has is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

import pytest

from pennyweight.core.budget import Budget
from pennyweight.fit.accuracy import Accuracy
from pennyweight.plan.candidates import Candidate, Candidates
from pennyweight.plan.samplers.base import Sampler, next_candidate
from pennyweight.plan.space import Point, Space
from pennyweight.plan.trial import State, Trial

N = 100_000
"""Images of the made-up validation part."""

Share = Callable[[Point], float]


def made_candidates(toml: str, **limits: float) -> Candidates:
    return Candidates(Space.from_toml(toml), (8, 8, 1), 10, Budget.of(None, **limits))


def made_trial(number: int, candidate: Candidate, share: float, state: State = "done") -> Trial:
    validation = Accuracy(round(N * share), N) if state == "done" else None
    figures = candidate.cost.to_figures()
    text = candidate.graph.text
    return Trial(number, candidate.point, text, figures, 5, state=state, validation=validation)


def made_search(
    sampler: Sampler, candidates: Candidates, trade: Sequence[str], share: Share, trials: int, seed: int
) -> list[Trial]:
    """At most so many trials, each after the last one has ended."""
    found: list[Trial] = []
    for number in range(trials):
        candidate = next_candidate(sampler, candidates, trade, found, Random(seed * 1_000 + number))
        if candidate is None:
            break
        found.append(made_trial(number, candidate, share(candidate.point)))
    return found


@pytest.fixture(scope="session")
def candidates_of() -> Callable[..., Candidates]:
    """The candidates of a TOML space under some limits, for pictures of 8x8 and ten classes."""
    return made_candidates


@pytest.fixture(scope="session")
def trial_of() -> Callable[..., Trial]:
    """A trial of a candidate that reached a share of right answers."""
    return made_trial


@pytest.fixture(scope="session")
def searched() -> Callable[..., list[Trial]]:
    """The trials of a search in which each point's share of right answers is known."""
    return made_search
