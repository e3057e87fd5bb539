"""A training of one point, and which of several stands for it."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from pennyweight.fit.accuracy import Accuracy
from pennyweight.plan.space import Point
from pennyweight.plan.trial import Trial, standing

TRIAL = Trial(
    number=3,
    point=Point("mlp", (("mlp.hidden", "8"), ("mlp.dropout", 0.5), ("recipe.flip", True), ("recipe.epochs", 5))),
    network="mlp:hidden=8,dropout=0.5",
    costs={"macs": 1_000, "flash_bytes": 4_096.0, "latency_ms": None},
    epochs=5,
    state="done",
    validation=Accuracy(90, 100),
    accuracies=(0.5, 0.9),
    seconds=1.25,
    ended_s=7.5,
    why="ü\n\x1b[31m",
)


@pytest.mark.parametrize("trial", [TRIAL, replace(TRIAL, validation=None, state="failed", accuracies=())])
def test_a_trial_survives_json(trial: Trial) -> None:
    assert Trial.from_json(json.loads(json.dumps(trial.as_json(), allow_nan=False))) == trial


@pytest.mark.parametrize(
    "changes",
    [
        {"validation": 3},
        {"accuracies": None},
        {"point": {}},
        {"strange": 1},
        {"number": -1},
        {"state": "bogus"},
        {"purpose": "x"},
        {"costs": {"macs": "a"}},
    ],
)
def test_what_is_no_trial_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises((TypeError, ValueError, LookupError)):
        Trial.from_json(TRIAL.as_json() | changes)


def test_a_run_lies_in_a_folder_that_its_number_alone_tells() -> None:
    assert TRIAL.run == "trial-0003"


def test_the_axes_are_errors_and_costs_and_an_unknown_cost_is_beyond_all() -> None:
    assert TRIAL.axes(()) == (pytest.approx(0.1),)
    assert TRIAL.axes(("macs", "latency_ms")) == (pytest.approx(0.1), 1_000, math.inf)


def test_the_longest_training_stands_for_its_point_whichever_was_luckier() -> None:
    long = replace(TRIAL, number=4, epochs=20, validation=Accuracy(80, 100), purpose="full")
    assert standing([TRIAL, long]) == standing([long, TRIAL]) == [long]


def test_of_two_as_long_the_last_stands() -> None:
    again = replace(TRIAL, number=4)
    assert standing([TRIAL, again]) == [again]


def test_what_runs_was_stopped_failed_or_repeats_stands_for_nothing() -> None:
    others = [
        replace(TRIAL, epochs=50, state="running"),
        replace(TRIAL, epochs=50, state="stopped"),
        replace(TRIAL, epochs=50, state="failed"),
        replace(TRIAL, epochs=50, purpose="repeat"),
        replace(TRIAL, epochs=50, validation=None),
    ]
    assert standing(others) == []
    assert standing([*others, TRIAL]) == [TRIAL]


def test_each_point_has_its_own_standing() -> None:
    other = replace(TRIAL, number=4, point=Point("mlp", (("mlp.hidden", "16"),)))
    assert standing([TRIAL, other]) == [TRIAL, other]


def test_a_trial_has_ended_unless_it_runs() -> None:
    assert TRIAL.ended
    assert not replace(TRIAL, state="running").ended
