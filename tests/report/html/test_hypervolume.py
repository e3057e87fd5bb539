"""How the report tells of the front's growth."""

from __future__ import annotations

import math
from typing import Any

import pytest

from pennyweight.fit.accuracy import Accuracy
from pennyweight.plan.front import hypervolume
from pennyweight.report.html.facts import Trial
from pennyweight.report.html.hypervolume import MARGIN, growth, hypervolume_figure


def trial(number: int, correct: int, macs: float, ram: float = 10.0, **changes: Any) -> Trial:
    costs = {"macs": macs, "ram_bytes": ram}
    facts = {"ended_s": float(number), "number": number} | changes
    return Trial(f"trial-{number}", f"mlp:hidden={number}", Accuracy(correct, 1000), None, costs, 1, 1.0, **facts)


TRIALS = [trial(1, 700, 1000, 50), trial(2, 900, 8000, 40), trial(3, 500, 4000, 60), trial(4, 800, 1000, 20)]


def test_it_is_the_exact_hypervolume_to_a_thousandth() -> None:
    def place(value: float, low: float, high: float) -> float:
        return math.log(value / low) / math.log(high / low)

    points = [
        (
            1 - each.validation.share,
            place(each.costs["macs"] or 0, 1000, 8000),
            place(each.costs["ram_bytes"] or 0, 20, 60),
        )
        for each in TRIALS
        if each.validation
    ]
    exact = hypervolume(points, (1, 1 + MARGIN, 1 + MARGIN)) / (1 + MARGIN) ** 2
    assert growth(TRIALS, ["macs", "ram_bytes"])[-1] == pytest.approx(exact, abs=2e-3)


def test_it_never_shrinks_and_what_is_beaten_adds_nothing() -> None:
    grown = growth(TRIALS, ["macs", "ram_bytes"])
    assert grown == sorted(grown)
    assert grown[2] == grown[1]
    assert 0 < grown[0] < grown[-1] < 1


def test_costs_that_are_all_alike_leave_the_accuracy() -> None:
    grown = growth([trial(1, 300, 1000), trial(2, 600, 1000)], ["macs"])
    assert grown == pytest.approx([0.3, 0.6], abs=2e-3)


def test_the_figure_follows_the_clock_and_its_table_tells_each_step() -> None:
    figure = hypervolume_figure("key", [*reversed(TRIALS), trial(5, 999, 1, purpose="repeat")], ["macs", "ram_bytes"])
    assert figure is not None
    assert figure.drawings[""]["data"][0]["x"] == [1.0, 2.0, 3.0, 4.0]
    assert [row[3].text for row in figure.table.rows] == ["trial-1", "trial-2", "trial-4"]
    assert figure.title == "The front still grew at the end, after 4s"


@pytest.mark.parametrize(
    "trials", [[], TRIALS[:1], [trial(1, 1, 1, ended_s=None), *TRIALS[1:2]], [trial(1, 1, 0), trial(2, 1, 5, 0)]]
)
def test_there_is_no_figure_where_there_is_nothing_to_show(trials: list[Trial]) -> None:
    assert hypervolume_figure("key", trials, ["macs", "ram_bytes"]) is None
