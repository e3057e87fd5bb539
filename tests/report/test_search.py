from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pennyweight.core.board import find_board
from pennyweight.core.budget import Budget
from pennyweight.fit.accuracy import Accuracy
from pennyweight.net.cost import cost
from pennyweight.net.zoo import build_network
from pennyweight.plan.found import Entry, Search
from pennyweight.plan.space import Point
from pennyweight.plan.trial import COSTS, Trial
from pennyweight.report.search import NETWORKS_SHOWN, search_report

Printed = Callable[[Any, int], str]
BOARD = find_board("microbit-v2")


def entry(number: int, correct: int | None, *, tested: bool = False, rate: float = 0.1, **changes: Any) -> Entry:
    """A trial of a network as wide as its number tells."""
    point = Point("pooled-resnet", (("pooled-resnet.width", number + 4), ("recipe.learning_rate", rate)))
    price_tag = cost(build_network(point.network, (28, 28, 1), 10), board=BOARD)
    facts: dict[str, Any] = {"state": "done", "validation": None if correct is None else Accuracy(correct, 1_000)}
    trial = Trial(
        number,
        point,
        point.network,
        {name: getattr(price_tag, name) for name in COSTS},
        5,
        **facts | changes,
    )
    test = Accuracy(correct - 1, 1_000) if tested and correct is not None else None
    return Entry(trial, Path(f"runs/s/{trial.run}"), price_tag, test)


def search(count: int, **changes: Any) -> Search:
    """A search in which every second network is on the front."""
    trials = tuple(entry(n, 900 + n, tested=n % 2 == 1) for n in range(count))
    front = tuple(each for each in trials if each.test)
    facts = {"budget": Budget.of(BOARD), "board": BOARD, "considered": 44, "feasible": 19, "minutes": 3.0}
    found = Search(
        source="mnist",
        trials=trials,
        unfinished=(),
        front=front,
        winner=front[-1],
        repeats=(),
        trade=("macs",),
        notes=("a note",),
        **facts,
    )
    return replace(found, **changes)


def rows_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if "width=" in line and not line.startswith("winner")]


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits_into_one_screen(printed: Printed, width: int) -> None:
    found = search(60)
    lines = printed(search_report(replace(found, front=found.front[-4:]), width), width).splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) <= 30
    assert f"and {60 - NETWORKS_SHOWN} more" in "\n".join(lines)


@pytest.mark.parametrize("width", [80, 120])
def test_the_front_is_shown_whole_however_large_it_is(printed: Printed, width: int) -> None:
    found = search(60)
    text = printed(search_report(found, width), width)
    assert max(map(len, text.splitlines())) <= width
    shown = {row.split("width=")[1].split()[0] for row in rows_of(text)}
    assert shown == {str(each.trial.number + 4) for each in found.front}
    assert len(shown) == 30 > NETWORKS_SHOWN
    assert "and 30 more" in text


def test_others_fill_what_the_front_leaves(printed: Printed) -> None:
    found = search(40)
    found = replace(found, front=(found.trials[1], found.trials[39]))
    rows = rows_of(printed(search_report(found, 80), 80))
    assert len(rows) == NETWORKS_SHOWN
    assert "width=5 " in rows[-1]


def test_trials_are_sorted_by_accuracy_and_the_winner_and_the_front_are_marked(printed: Printed) -> None:
    rows = rows_of(printed(search_report(search(6), 80), 80))
    assert [row.split("width=")[1].split()[0] for row in rows] == ["9", "8", "7", "6", "5", "4"]
    assert [row[0] for row in rows] == ["★", " ", "●", " ", "●", " "]


def test_a_test_part_that_was_not_opened_has_no_figure(printed: Printed) -> None:
    rows = rows_of(printed(search_report(search(2), 80), 80))
    assert rows[1].split()[1:3] == ["–", "90.00"]


def test_of_a_network_that_was_trained_twice_the_longer_training_is_shown(printed: Printed) -> None:
    found = search(2)
    first = found.trials[0]
    lucky = replace(first, trial=replace(first.trial, number=9, validation=Accuracy(990, 1_000), epochs=1))
    text = printed(search_report(replace(found, trials=(lucky, *found.trials)), 120), 120)
    assert "99.00" not in text
    assert text.count("width=4 ") == 1
    assert "2 were tried in 3 trainings" in text


def test_networks_that_differ_in_their_recipe_alone_are_told_apart(printed: Printed) -> None:
    found = search(2)
    other = entry(1, 850, rate=0.0123456)
    text = printed(
        search_report(replace(found, trials=(*found.trials, replace(other, run=Path("elsewhere")))), 120), 120
    )
    assert "learning_rate=0.1" in text
    assert "learning_rate=0.0123" in text
    assert "3 were tried" in text
    assert "learning_rate" not in printed(search_report(found, 120), 120)


def test_the_winner_is_told_over_its_seeds(printed: Printed) -> None:
    found = search(2)
    assert "seeds" not in printed(search_report(found, 80), 80)
    again = tuple(entry(number, correct, tested=True, purpose="repeat") for number, correct in ((3, 891), (4, 911)))
    text = printed(search_report(replace(found, repeats=again), 80), 80)
    assert "over 3 seeds" in text
    assert "90.00 % ± 1.00" in text


def test_trainings_that_were_stopped_or_failed_are_counted(printed: Printed) -> None:
    cut = [entry(7, None, state="stopped", why="slow"), *(entry(n, None, state="failed", why="nan") for n in (8, 9))]
    text = printed(search_report(search(2, unfinished=tuple(cut)), 80), 80)
    assert "2 failed, 1 stopped: the report says why" in text
    assert "ended early" not in printed(search_report(search(2), 80), 80)
