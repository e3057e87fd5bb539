"""What holds for every sampler."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from pennyweight.core.errors import UsageError
from pennyweight.plan.candidates import Candidates
from pennyweight.plan.samplers import SAMPLERS, find_sampler
from pennyweight.plan.samplers.base import Sampler, next_candidate
from pennyweight.plan.trial import Trial

RECIPE = "[recipe]\nflip = [true, false]\nlearning_rate = [0.001, 0.01, 0.1]"
LISTS = f"""
input = ["8x8", "4x4"]
[networks.mlp]
hidden = ["4", "8", "16-8", "64-32"]
dropout = [0.0, 0.2]
[networks.pooled-resnet]
width = [4, 8, 16]
[networks.resnet8]
{RECIPE}
"""
TRADES = [(), ("macs",), ("macs", "flash_bytes", "latency_ms")]
FITTING = {"parameters": 3_000}


@pytest.fixture(params=SAMPLERS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def sampler(name: str) -> Sampler:
    return find_sampler(name)


@pytest.fixture(scope="module")
def candidates(candidates_of: Callable[..., Candidates]) -> Candidates:
    return candidates_of(LISTS, **FITTING)


@pytest.fixture(scope="module")
def some(candidates: Candidates, trial_of: Callable[..., Trial]) -> list[Trial]:
    """Forty trials of all states."""
    rng = Random(1)
    points = dict.fromkeys(candidates.space.draw(rng) for _ in range(80))
    fitting = [each for point in points if (each := candidates.fitting(point))][:40]
    states = ("done", "done", "done", "failed", "stopped", "running")
    return [trial_of(index, each, rng.random(), states[index % 6]) for index, each in enumerate(fitting)]


@pytest.mark.parametrize("trade", TRADES)
def test_what_is_proposed_is_a_point_of_the_space(
    sampler: Sampler, candidates: Candidates, some: list[Trial], trade: tuple[str, ...]
) -> None:
    for seen in (some[:0], some[:1], some[:12], some):
        rng = Random(0)
        rejected = []
        for _ in range(14):
            point = sampler.propose(candidates, trade, seen, rejected, rng)
            assert point is not None
            assert candidates.space.holds(point)
            rejected.append(point)


@pytest.mark.parametrize("name", sorted(set(SAMPLERS) - {"grid"}))
def test_a_number_of_a_range_is_proposed_in_few_digits(
    sampler: Sampler, candidates_of: Callable[..., Candidates]
) -> None:
    ranged = candidates_of(
        '[networks.mlp]\nhidden = ["8"]\n[recipe]\nlearning_rate = { low = 0.001, high = 0.1, log = true }'
    )
    for seed in range(20):
        point = sampler.propose(ranged, (), [], [], Random(seed))
        assert point is not None
        rate = point.recipe["learning_rate"]
        assert rate == float(f"{rate:.3g}")


@pytest.mark.parametrize("trade", TRADES)
def test_the_next_candidate_fits_and_was_never_tried(
    sampler: Sampler, candidates: Candidates, some: list[Trial], trade: tuple[str, ...]
) -> None:
    for seed in range(5):
        found = next_candidate(sampler, candidates, trade, some, Random(seed))
        assert found is not None
        assert found.point not in {trial.point for trial in some}
        assert not candidates.budget.excesses(found.cost.to_figures())


@pytest.mark.parametrize("trade", TRADES)
def test_a_sampler_that_went_along_and_a_new_one_propose_the_same(
    name: str, candidates: Candidates, some: list[Trial], trade: tuple[str, ...]
) -> None:
    along = find_sampler(name)
    for count in range(0, len(some), 3):
        seen = [replace(trial, state="running", validation=None) if trial.number == 0 else trial for trial in some]
        seen = seen[:count] if count < 20 else some[:count]
        found = next_candidate(along, candidates, trade, seen, Random(count))
        new = next_candidate(find_sampler(name), candidates, trade, list(map(replace, seen)), Random(count))
        assert found is not None
        assert new is not None
        assert found.point == new.point


def test_a_small_space_is_tried_wholly_and_then_it_ends(
    sampler: Sampler, candidates_of: Callable[..., Candidates], searched: Callable[..., list[Trial]]
) -> None:
    small = candidates_of(
        '[networks.mlp]\nhidden = ["4", "8", "9", "5000"]\n[networks.pooled-resnet]\nwidth = [4, 5]', **FITTING
    )
    trials = searched(sampler, small, ("macs",), lambda point: 0.5, 20, seed=3)
    fitting = {point for point in small.space.grid() if small.fitting(point)}
    assert {trial.point for trial in trials} == fitting
    assert len(trials) == len(fitting) == 5


def test_a_space_of_one_point_has_one_trial(
    sampler: Sampler, candidates_of: Callable[..., Candidates], searched: Callable[..., list[Trial]]
) -> None:
    assert len(searched(sampler, candidates_of("[networks.resnet8]"), (), lambda point: 0.5, 3, seed=0)) == 1


def test_a_space_in_which_nothing_fits_ends_at_once(sampler: Sampler, candidates_of: Callable[..., Candidates]) -> None:
    nothing = candidates_of(LISTS, parameters=1)
    assert next_candidate(sampler, nothing, ("macs",), [], Random(0)) is None


@pytest.mark.parametrize("state", ["failed", "stopped", "running"])
def test_trials_of_which_nothing_came_are_no_trouble(
    sampler: Sampler, candidates: Candidates, trial_of: Callable[..., Trial], state: str
) -> None:
    trials: list[Trial] = []
    for number in range(25):
        found = next_candidate(sampler, candidates, ("macs", "flash_bytes"), trials, Random(number))
        assert found is not None
        trials.append(trial_of(number, found, 0.0, state))
    assert len({trial.point for trial in trials}) == 25


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_trials_that_are_all_as_good_are_no_trouble(
    sampler: Sampler, candidates: Candidates, searched: Callable[..., list[Trial]], share: float
) -> None:
    assert len(searched(sampler, candidates, ("latency_ms",), lambda point: share, 15, seed=0)) == 15


def test_full_trainings_and_repeats_of_a_point_are_no_trouble(
    sampler: Sampler, candidates: Candidates, some: list[Trial]
) -> None:
    more = [replace(each, number=len(some) + index, epochs=20, purpose="full") for index, each in enumerate(some[:3])]
    more += [replace(each, number=each.number + 3, purpose="repeat", seed=1) for each in more]
    assert next_candidate(sampler, candidates, ("macs",), some + more, Random(0)) is not None


def test_a_sampler_that_does_not_exist_is_a_usage_error_that_names_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        find_sampler("tpa")
    assert "tpe" in caught.value.hint
