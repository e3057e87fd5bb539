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


def entry(number: int, width: int, correct: int, *, tested: bool) -> Entry:
    point = Point("pooled-resnet", (("pooled-resnet.width", width),))
    price_tag = cost(build_network(point.network, (28, 28, 1), 10), board=BOARD)
    folder = Path(f"runs/s/trial-{number:02}")
    trial = Trial(
        number=number,
        point=point,
        network=point.network,
        costs={name: getattr(price_tag, name) for name in COSTS},
        epochs=5,
        run=folder.name,
        state="done",
        validation=Accuracy(correct, 1_000),
        seconds=1.5,
    )
    return Entry(trial, folder, price_tag, Accuracy(correct - 1, 1_000) if tested else None)


def search(count: int) -> Search:
    trials = tuple(entry(n, n + 4, 900 + n, tested=n % 2 == 1) for n in range(count))
    front = tuple(each for each in trials if each.test)
    return Search(
        source="mnist",
        budget=Budget.of(BOARD),
        board=BOARD,
        considered=44,
        feasible=19,
        minutes=3.0,
        trials=trials,
        unfinished=(),
        front=front,
        winner=front[-1],
        repeats=(),
        trade=("macs", "flash_bytes", "ram_bytes"),
        notes=("a note",),
    )


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits_into_one_screen(printed: Printed, width: int) -> None:
    lines = printed(search_report(search(60), width), width).splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) <= 30
    assert f"and {60 - NETWORKS_SHOWN} more" in "\n".join(lines)


def test_trials_are_sorted_by_accuracy_and_the_winner_and_the_front_are_marked(printed: Printed) -> None:
    found = search(6)
    rows = [line for line in printed(search_report(found, 80), 80).splitlines() if "pooled-resnet" in line][:6]
    assert [row.split("width=")[1].split()[0] for row in rows] == ["9", "8", "7", "6", "5", "4"]
    assert [row[0] for row in rows] == ["★", " ", "●", " ", "●", " "]


def test_a_test_part_that_was_not_opened_has_no_figure(printed: Printed) -> None:
    rows = [line for line in printed(search_report(search(2), 80), 80).splitlines() if "pooled-resnet" in line]
    assert rows[1].split()[1:3] == ["–", "90.00"]


def test_of_a_network_that_was_trained_twice_the_longer_training_is_shown(printed: Printed) -> None:
    found = search(2)
    short = replace(found.trials[0].trial, number=9, validation=Accuracy(990, 1_000), epochs=1)
    lucky = replace(found.trials[0], trial=short)
    rows = printed(search_report(replace(found, trials=(lucky, *found.trials)), 120), 120)
    assert "99.00" not in rows
    assert rows.count("width=4 ") == 1
