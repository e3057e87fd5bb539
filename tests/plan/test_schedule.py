"""What a search trains next, for how long, and when it gives a training up: replayed on made-up curves."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pennyweight.fit.accuracy import Accuracy
from pennyweight.plan.front import front
from pennyweight.plan.schedule import (
    CURVES_MIN,
    EARLY_SHARE,
    EPOCHS_SHARE,
    FACTOR,
    FIRST_SHARE,
    FULL_MARGIN,
    FULL_SHARE,
    LONGER,
    REPEATS,
    RUNGS_MAX,
    STEPS_MIN,
    STRETCH,
    Gains,
    Ladder,
    Schedule,
    Training,
    extrapolation_error,
    floors,
    ranked,
)
from pennyweight.plan.space import Point
from pennyweight.plan.trial import Purpose, State, Trial, standing

FULL = 27
TRADE = ("macs",)


def made(number: int, accuracy: float | None, epochs: int = 3, macs: float = 1.0, **more: object) -> Trial:
    """A trial that is done with this accuracy on a thousand images; a running one without."""
    trial = Trial(number, Point("mlp", (("mlp.hidden", str(number + 1)),)), f"n{number}", {"macs": macs}, epochs)
    if accuracy is not None:
        right = round(1000 * accuracy)
        curve = tuple(accuracy * (epoch + 1) / epochs for epoch in range(epochs))
        trial = replace(
            trial, state="done", validation=Accuracy(right, 1000), accuracies=curve, seconds=1.0 * epochs, ended_s=1.0
        )
    trial = replace(trial, rung={3: 0, 9: 1, FULL: 2}.get(epochs, 0))
    return replace(trial, **more)  # type: ignore[arg-type]


def schedule(rungs: int = 3, points: int | None = None) -> Schedule:
    return Schedule(Ladder.of(rungs), TRADE, lambda trial: FULL, points)


def test_a_ladder_trains_a_third_of_the_networks_three_times_as_long_on_each_rung() -> None:
    ladder = Ladder.of(3)
    assert [ladder.epochs(rung, FULL) for rung in range(3)] == [3, 9, 27]
    assert Ladder.of(1).shares == (1,), "no screening"


@given(st.floats(1, 1e5), st.floats(0.1, 1e5), st.integers(1, 100_000))
def test_a_ladder_for_a_time_has_two_rungs_at_least_and_no_more_than_its_steps_allow(
    seconds: float, full_seconds: float, steps: int
) -> None:
    ladder = Ladder.within(seconds, full_seconds, steps)
    assert 2 <= len(ladder.shares) <= RUNGS_MAX
    assert ladder.shares[-1] == 1
    if len(ladder.shares) > 2:
        assert steps * ladder.shares[0] * FACTOR >= STEPS_MIN * FACTOR * 0.99


def test_more_time_never_makes_a_higher_ladder() -> None:
    heights = [len(Ladder.within(seconds, 100, 10_000).shares) for seconds in (10, 100, 1_000, 10_000)]
    assert heights == sorted(heights, reverse=True)


@given(st.integers(1, 5), st.integers(1, 200), st.integers(1, 400))
def test_a_training_stands_on_the_highest_rung_whose_epochs_it_has(rungs: int, full: int, epochs: int) -> None:
    ladder = Ladder.of(rungs)
    rung = ladder.rung(epochs, full)
    assert rung == 0 or ladder.epochs(rung, full) <= epochs
    assert rung == ladder.top or ladder.epochs(rung + 1, full) > epochs


def test_a_search_begins_with_a_new_network_on_the_lowest_rung() -> None:
    assert schedule().next([], screening=True, seconds_left=60) == Training("screening", 0)


def test_the_best_third_of_a_rung_goes_on_to_the_next_one_with_three_times_the_epochs() -> None:
    trials = [made(0, 0.5), made(1, 0.9), made(2, 0.7)]
    following = schedule().next(trials, screening=True, seconds_left=math.inf)
    assert following is not None
    assert following.trial is trials[1]
    assert following.epochs == 9
    gone_on = [*trials, replace(made(3, None, 9), point=trials[1].point)]
    assert schedule().next(gone_on, screening=True, seconds_left=math.inf) == Training("screening", 0)


def test_a_network_that_was_stopped_on_a_higher_rung_is_not_promoted_again() -> None:
    trials = [made(0, 0.5), made(1, 0.9), made(2, 0.7)]
    stopped = replace(made(3, None, 6), point=trials[1].point, state="stopped", rung=1)
    following = schedule().next([*trials, stopped], screening=True, seconds_left=math.inf)
    assert following == Training("screening", 0)


def test_with_so_many_points_as_were_asked_for_full_trainings_follow() -> None:
    trials = [made(0, 0.5, macs=1), made(1, 0.9, macs=2)]
    following = schedule(points=2).next(trials, screening=True, seconds_left=math.inf)
    assert following == Training("full", 2, trials[1], FULL)


def test_nothing_follows_while_what_decides_it_still_runs() -> None:
    assert schedule(points=2).next([made(0, 0.5), made(1, None)], screening=True, seconds_left=math.inf) is None


def test_the_front_is_trained_fully_the_most_accurate_first_and_nothing_else_is() -> None:
    trials = [made(0, 0.5, macs=1), made(1, 0.9, macs=3), made(2, 0.4, macs=2)]
    order = []
    for number in range(3, 12):
        following = schedule().next(trials, screening=False, seconds_left=math.inf)
        if following is None or following.purpose != "full":
            break
        assert following.trial is not None
        order.append(following.trial.number)
        trials.append(replace(made(number, following.trial.axes(())[0] * -1 + 1, FULL, 1), point=following.trial.point,
                              costs=following.trial.costs, purpose="full"))  # fmt: skip
    assert order == [1, 0]


def timed(seconds: float = 1_000) -> Schedule:
    return replace(schedule(), seconds=seconds)


def test_a_search_that_has_a_time_begins_with_a_full_training() -> None:
    assert timed().next([], screening=True, seconds_left=1_000) == Training(
        "full", 2, seconds=FIRST_SHARE * 1_000, first=True
    )
    first = made(0, None, FULL, purpose="full")
    new = Training("screening", 0, seconds=FULL_SHARE / EPOCHS_SHARE * 1_000)
    assert timed().next([first], screening=True, seconds_left=1_000) == new


def test_longer_trainings_are_no_rivals_of_shorter_ones() -> None:
    first = made(0, 0.8, FULL, macs=1, purpose="full")
    screened = [made(1, 0.6, macs=5), made(2, 0.5, macs=9), made(3, 0.4, macs=2)]
    trials, left = [first, *screened], {"screening": False, "seconds_left": 40.0}
    asked = timed(40).next(trials, **left)  # type: ignore[arg-type]
    assert asked == Training("screening", 0, first, 3), "the first is trained as long as they to compare it with them"
    worse, better = (replace(made(4, accuracy), point=first.point) for accuracy in (0.5, 0.7))
    following = timed(40).next([*trials, worse], **left)  # type: ignore[arg-type]
    assert following is not None
    assert following.trial is screened[0], "though the first is better at less"
    other = timed(40).next([*trials, better], **left)  # type: ignore[arg-type]
    assert other is not None
    assert other.trial is None, "nothing that was screened may reach the Front any more"


def test_no_network_is_trained_for_more_epochs_than_the_space_tells() -> None:
    trial = replace(made(0, 0.9), point=Point("mlp", (("mlp.hidden", "8"), ("recipe.epochs", FULL))))
    assert timed().next([trial], screening=False, seconds_left=900) == Training("full", 2, trial, FULL)
    winner = replace(made(1, 0.9, FULL, purpose="full"), point=trial.point)
    assert timed().next([trial, winner], screening=False, seconds_left=900) == Training("repeat", 2, winner, FULL, 1)


def test_a_full_training_comes_early_where_such_take_no_more_time_than_screening() -> None:
    def following(count: int, asked: Schedule) -> Training | None:
        screened = [made(number, 0.5 + number / 100) for number in range(count)]
        promoted = [replace(made(100 + each.number, 0.3, 9), point=each.point) for each in screened]
        return asked.next([*screened, *promoted], screening=True, seconds_left=900)

    full = following(40, timed())
    assert full is not None
    assert (full.purpose, full.epochs) == ("full", FULL)
    for other in (following(1, timed()), following(40, schedule()), following(40, timed(50))):
        assert other is not None
        assert other.purpose == "screening", "too little was screened, no time is kept, or it takes too long"


@given(st.lists(st.tuples(st.sampled_from(["screening", "full"]), st.floats(0, 1)), max_size=30))
def test_early_full_trainings_never_take_more_time_than_screening(told: list[tuple[Purpose, float]]) -> None:
    trials = [
        made(number, accuracy, FULL if purpose == "full" else 3, purpose=purpose)
        for number, (purpose, accuracy) in enumerate(told)
    ]
    following = timed().next(trials, screening=True, seconds_left=1_000)
    if trials and following is not None and following.purpose == "full":
        full = sum(trial.seconds for trial in trials if trial.purpose == "full")
        assert full + FULL <= sum(trial.seconds for trial in trials) - full


def test_the_winner_is_trained_longer_and_longer_as_long_as_that_makes_it_better() -> None:
    trials = [made(0, 0.9, FULL, purpose="full", rung=2)]
    for number, accuracy in enumerate((0.92, 0.93), 1):
        epochs = STRETCH**number * FULL
        following = timed().next(trials, screening=False, seconds_left=100 * epochs)
        assert following == Training("full", 2, trials[-1], epochs)
        trials.append(replace(made(number, accuracy, epochs, purpose="full", rung=2), point=trials[0].point))
    worse = replace(made(3, 0.925, 8 * FULL, purpose="full", rung=2), point=trials[0].point)
    following = timed().next([*trials, worse], screening=False, seconds_left=1e5)
    assert following == Training("repeat", 2, worse, worse.epochs, 1)


def test_the_winner_is_trained_longer_where_there_is_time_for_half_as_long_again() -> None:
    winner = made(0, 0.9, FULL, purpose="full")
    assert timed().next([winner], screening=False, seconds_left=500) == Training("full", 2, winner, STRETCH * FULL)
    enough = (LONGER * FULL + 1) / FULL_MARGIN
    assert timed().next([winner], screening=False, seconds_left=enough) == Training(
        "full", 2, winner, int(LONGER * FULL + 1)
    )
    following = timed().next([winner], screening=False, seconds_left=enough - 3)
    assert following is None or following.trial is None
    for ended in ("done", "failed", "stopped", "running"):
        longer = replace(
            made(1, 0.8 if ended == "done" else None, STRETCH * FULL, purpose="full", state=ended), point=winner.point
        )
        following = timed().next([winner, longer], screening=False, seconds_left=500)
        assert following is None or following.purpose == "repeat" or following.trial is None


def test_what_did_no_better_than_the_winner_where_both_were_trained_as_long_waits_for_its_other_seeds() -> None:
    long = STRETCH * FULL
    screened = made(0, 0.6, macs=5)
    full = [made(1, 0.8, FULL, macs=5, purpose="full", rung=2), made(2, 0.8, long, macs=5, purpose="full", rung=2)]
    winner = [screened, *(replace(each, point=screened.point) for each in full)]  # longer made it no better
    better, worse = made(3, 0.7, macs=9), made(4, 0.5, macs=1)
    first = timed().next([*winner, better], screening=False, seconds_left=100)
    assert first == Training("full", 2, better, long)
    again = timed().next([*winner, worse], screening=False, seconds_left=200)
    assert again == Training("repeat", 2, winner[2], long, 1)
    short = timed().next([*winner, worse], screening=False, seconds_left=100)
    assert short == Training("full", 2, worse, FULL), "there is no time for two other seeds"


def test_what_screening_found_best_is_trained_fully_first_and_as_long_as_there_is_time_for() -> None:
    small, best = made(0, 0.6, macs=1), made(1, 0.8, macs=9)
    for seconds_left, epochs in ((900, STRETCH * FULL), (FULL / FULL_MARGIN + 1, FULL)):
        following = timed().next([small, best], screening=False, seconds_left=seconds_left)
        assert following == Training("full", 2, best, epochs)


def test_a_full_training_does_not_come_early_where_a_longer_one_would_have_no_time_then() -> None:
    screened = [made(number, 0.5 + number / 100) for number in range(40)]
    promoted = [replace(made(100 + each.number, 0.3, 9), point=each.point) for each in screened]
    for share, purpose in ((1.01, "full"), (0.99, "screening")):
        asked = timed(share * STRETCH * FULL / EARLY_SHARE)
        following = asked.next([*screened, *promoted], screening=True, seconds_left=900)
        assert following is not None
        assert following.purpose == purpose


def test_other_seeds_are_those_of_trainings_as_long_as_the_winners() -> None:
    short = made(3, 0.9, FULL, purpose="full", rung=2)
    winner = replace(made(0, 0.9, STRETCH * FULL, purpose="full", rung=2), point=short.point)
    old = [replace(made(n, 0.9, FULL, purpose="repeat", seed=n), point=winner.point) for n in (1, 2)]
    following = timed().next([short, winner, *old], screening=False, seconds_left=500)
    assert following == Training("repeat", 2, winner, STRETCH * FULL, 1)


def test_workers_are_not_idle_while_full_trainings_run() -> None:
    trials = [
        made(0, 0.9),
        made(1, 0.8, macs=0.5),
        replace(made(2, None, FULL, purpose="full"), point=made(0, None).point),
    ]
    following = schedule(points=2).next(trials, screening=True, seconds_left=math.inf)
    assert following == Training("full", 2, trials[1], FULL)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["screening", "full", "repeat"]),
            st.sampled_from(["done", "failed", "stopped", "running"]),
            st.integers(0, 5),
            st.floats(0, 1),
        ),
        max_size=12,
    ),
    st.floats(0, 2_000),
    st.booleans(),
)
def test_whatever_happens_a_search_comes_to_its_end(
    told: list[tuple[Purpose, State, int, float]], seconds_left: float, new: bool
) -> None:
    trials = [
        replace(
            made(number, accuracy if state == "done" else None, 3 if purpose == "screening" else FULL),
            point=made(point, None).point,
            purpose=purpose,
            state=state,
        )
        for number, (purpose, state, point, accuracy) in enumerate(told)
    ]
    for _ in range(200):
        asked = timed().next(trials, screening=False, seconds_left=seconds_left, new=new)
        if asked is None:
            break
        point = made(len(trials) + 10, None).point if asked.trial is None else asked.trial.point
        failed = made(len(trials), None, asked.epochs or FULL, purpose=asked.purpose, state="failed", rung=asked.rung)
        trials.append(replace(failed, point=point))
        new = False
    else:
        pytest.fail("it goes on for ever, though nothing comes of its trainings")


def test_the_winner_is_trained_again_with_other_seeds_in_the_end() -> None:
    trials = [made(0, 0.9, FULL, purpose="full")]
    seeds = []
    for number in range(1, 10):
        following = schedule().next(trials, screening=False, seconds_left=math.inf)
        if following is None:
            break
        assert following.purpose == "repeat"
        seeds.append(following.seed)
        trials.append(
            replace(made(number, 0.95, FULL), point=trials[0].point, purpose="repeat", seed=following.seed or 0)
        )
    assert seeds == list(range(1, REPEATS + 1))
    assert standing(trials) == trials[:1], "a luckier seed does not stand for its network"


@given(st.floats(0.1, 500))
def test_a_full_training_is_as_long_as_there_is_time_for_and_no_longer(seconds: float) -> None:
    trial = made(0, 0.9, 9)  # a second an epoch
    following = schedule().next([trial], screening=False, seconds_left=seconds)
    if following is None:
        assert seconds * FULL_MARGIN < trial.epochs + 1
    else:
        assert following.epochs is not None
        assert trial.epochs < following.epochs <= min(seconds, STRETCH * FULL)


def test_a_full_training_that_failed_is_not_begun_again() -> None:
    trial = made(0, 0.9)
    failed = replace(made(1, None, FULL), point=trial.point, purpose="full", state="failed")
    assert schedule().next([trial, failed], screening=False, seconds_left=math.inf) is None


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5)), min_size=1, max_size=12))
def test_ranking_puts_what_nothing_dominates_first_and_loses_nothing(points: list[tuple[int, int]]) -> None:
    trials = [made(number, accuracy / 20, macs=macs) for number, (accuracy, macs) in enumerate(points)]
    order = ranked(trials, TRADE)
    assert sorted(trial.number for trial in order) == list(range(len(trials)))
    best = {trials[index].number for index in front([trial.axes(TRADE) for trial in trials])}
    assert {trial.number for trial in order[: len(best)]} == best


def test_a_training_is_stopped_only_by_what_costs_no_more() -> None:
    trials = [made(number, 0.9, macs=5) for number in range(CURVES_MIN)]
    assert floors(made(99, None, macs=1), trials, TRADE) == (), "cheaper than all: nothing bounds it"
    assert floors(made(99, None, macs=5), trials[:-1], TRADE) == (), "too few curves"
    assert floors(made(99, None, 4, macs=5), trials, TRADE) == (), "no curves of that length"
    bounded = floors(made(99, None, macs=5), trials, TRADE)
    assert len(bounded) == 2, "the last epoch has nothing left to stop"
    assert all(floor < 0.9 for floor in bounded)


def test_a_rival_of_unknown_cost_stops_nothing() -> None:
    trials = [made(number, 0.9, costs={"macs": None}) for number in range(CURVES_MIN)]
    assert floors(made(99, None, macs=5), trials, TRADE) == ()


@given(st.lists(st.floats(0.2, 1), min_size=CURVES_MIN, max_size=9))
def test_no_training_that_ends_above_its_rivals_with_a_gain_that_was_seen_is_stopped(ends: list[float]) -> None:
    trials = [made(number, end) for number, end in enumerate(ends)]
    best = max(trials, key=lambda trial: trial.accuracies[-1])
    bounded = floors(made(99, None, macs=1), [trial for trial in trials if trial is not best], TRADE)
    if bounded:
        gains = Gains.of([trial for trial in trials if trial is not best], 3, "mlp")
        assert gains is not None
        for epoch, floor in enumerate(bounded):
            if best.accuracies[-1] - best.accuracies[epoch] <= 1.5 * gains.most[epoch]:
                assert best.accuracies[epoch] >= floor


def test_the_error_of_foretelling_is_nought_for_curves_of_one_shape_and_unknown_for_few() -> None:
    alike = [made(number, 0.8) for number in range(CURVES_MIN + 1)]
    assert extrapolation_error(alike) == pytest.approx(0)
    assert extrapolation_error(alike[:-1]) is None
    other = replace(alike[0], accuracies=(0.5, 0.6, 0.9))
    assert (extrapolation_error([other, *alike[1:]]) or 0) > 0
