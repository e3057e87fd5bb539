from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pennyweight.core.board import find_board
from pennyweight.core.budget import Budget
from pennyweight.fit.accuracy import Accuracy
from pennyweight.fit.compare import ComparedRun, Comparison
from pennyweight.fit.recipe import Recipe
from pennyweight.fit.timing import Timing
from pennyweight.net.cost import cost
from pennyweight.net.zoo import build_network
from pennyweight.plan.domain import Value
from pennyweight.plan.found import Entry, Search
from pennyweight.plan.space import Point
from pennyweight.plan.trial import COSTS, Trial
from pennyweight.report.search import NETWORKS_SHOWN, next_commands, search_report

Printed = Callable[[Any, int], str]
BOARD = find_board("microbit-v2")


def entry(
    number: int,
    correct: int | None,
    *,
    tested: bool = False,
    rate: float = 0.1,
    dials: dict[str, str] | None = None,
    **changes: Any,
) -> Entry:
    """A trial of a network as wide as its number tells."""
    values: tuple[tuple[str, Value], ...] = (
        ("pooled-resnet.width", number + 4),
        *(dials or {}).items(),
        ("recipe.learning_rate", rate),
    )
    point = Point("pooled-resnet", values)
    price_tag = cost(build_network(point.network, (28, 28, 1), 10), board=BOARD)
    facts: dict[str, Any] = {"state": "done", "validation": None if correct is None else Accuracy(correct, 1_000)}
    trial = Trial(
        number,
        point,
        point.network,
        {name: getattr(price_tag, name) for name in COSTS},
        **{"epochs": 5} | facts | changes,
    )
    test = Accuracy(correct - 1, 1_000) if tested and correct is not None else None
    return Entry(trial, Path(f"runs/s/{trial.run}"), price_tag, test)


def search(count: int, **changes: Any) -> Search:
    """A search in which every second network is on the front."""
    trials = tuple(entry(n, 900 + n, tested=n % 2 == 1) for n in range(count))
    front = tuple(each for each in trials if each.test)
    facts: dict[str, Any] = {
        "budget": Budget.of(BOARD),
        "board": BOARD,
        "considered": 44,
        "feasible": 19,
        "minutes": 3.0,
    }
    choice: dict[str, Any] = {
        "rivals": count,
        "optimism": 0.0042,
        "extrapolation_error": None,
        "recipe": Recipe(epochs=5, batch=64),
        "again": "pennyweight train x",
    }
    found = Search(
        source="mnist",
        trials=trials,
        unfinished=(),
        front=front,
        winner=(front or trials)[-1],
        repeats=(),
        trade=("macs",),
        notes=("a note",),
        **facts,
        **choice,
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
    assert "2 networks tried in 3 trainings" in text


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160])
def test_networks_that_differ_in_their_recipe_alone_are_told_apart(printed: Printed, width: int) -> None:
    found = search(2)
    other = replace(entry(1, 850, rate=0.0123456, epochs=9), run=Path("elsewhere"))
    text = printed(search_report(replace(found, trials=(*found.trials, other)), width), width)
    assert "0.01235" in text
    assert "3 networks tried" in text
    assert "epochs" in text
    assert "0.1" in text.replace("0.01235", "").partition("★ winner")[0]
    assert "rate" not in printed(search_report(found, width), width).partition("★ winner")[0]


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_name_is_cut_so_that_two_networks_look_alike(printed: Printed, width: int) -> None:
    ends = [{"pooled-resnet.activation": "hard-swish", "pooled-resnet.head": head} for head in ("max", "average")]
    twins = tuple(entry(n + 20, 700 - n, dials=dials, rate=n + 0.5) for n, dials in enumerate(ends))
    found = search(2)
    text = printed(search_report(replace(found, trials=(*found.trials, *twins)), width), width)
    assert "…" not in text.partition("winner ")[0]
    joined = "".join(text.split())
    for each in twins:
        assert each.network.partition(",")[0] in joined
    assert joined.count("activation=hard-swish") == 2
    assert "head=max" in joined
    assert max(map(len, text.splitlines())) <= width


def test_what_was_chosen_besides_has_columns_where_there_is_room_and_else_stands_below_the_name(
    printed: Printed,
) -> None:
    found = replace(search(1, front=()), trade=("macs", "flash_bytes", "ram_bytes"))
    found = replace(found, trials=(*found.trials, entry(1, 850, rate=0.5, tested=True)))
    assert "learning_rate=0.5" not in printed(search_report(found, 120), 120)
    assert "learning_rate=0.5" in printed(search_report(found, 60), 60)


def test_what_the_budget_limits_stays_in_a_narrow_terminal_and_what_nobody_asked_for_goes(printed: Printed) -> None:
    found = replace(search(4), trade=("macs", "flash_bytes", "ram_bytes"))
    heads = printed(search_report(found, 80), 80).partition("KiB")[0]
    assert "params" not in heads
    assert "~flash" in heads
    limited = replace(found, budget=Budget(parameters=70_000))
    assert "params" in printed(search_report(limited, 80), 80)
    assert "params" in printed(search_report(found, 120), 120)


def test_the_winner_is_told_with_its_recipe_and_the_command_that_trains_it_again(printed: Printed) -> None:
    found = search(2)
    text = printed(search_report(found, 120), 120)
    assert "recipe" in text
    assert "epochs 5, batch 64, optimizer nesterov, learning rate 0.1, weight decay 0.0005, seed 0" in text
    again, way_on = next_commands(found)
    assert again == "again: pennyweight train x"
    assert f"pennyweight quantize {found.winner.run}" in way_on
    (alone,) = next_commands(replace(found, again=""))
    assert alone == way_on


def test_dropout_is_told_also_where_there_is_none(printed: Printed) -> None:
    point = Point("mlp", (("mlp.hidden", "8"), ("mlp.dropout", 0.0)))
    found = search(2)
    winner = replace(found.winner, trial=replace(found.winner.trial, point=point))
    assert "dropout 0" in printed(search_report(replace(found, winner=winner), 120), 120)


def test_one_network_in_one_training_is_told_in_the_singular(printed: Printed) -> None:
    found = replace(search(2), considered=1, feasible=1)
    only = replace(found, trials=found.front, rivals=1)
    text = printed(search_report(only, 120), 120)
    assert "1 of 1 drawn network fits, 1 network tried in 1 training, 3m" in text
    assert "too high" not in text


def test_how_much_the_choice_flatters_the_winner_stands_beside_its_validation(printed: Printed) -> None:
    text = printed(search_report(search(6), 120), 120)
    assert "the best of 6 networks on it, so about 0.42 points too high" in text


def test_the_winner_is_told_over_its_seeds(printed: Printed) -> None:
    found = search(2)
    assert "seeds" not in printed(search_report(found, 80), 80)
    again = tuple(entry(number, correct, tested=True, purpose="repeat") for number, correct in ((3, 891), (4, 911)))
    text = printed(search_report(replace(found, repeats=again), 80), 80)
    assert "over 3 seeds" in text
    assert "90.00 % ± 1.00" in text


def test_of_two_seeds_the_figures_are_told_and_no_deviation(printed: Printed) -> None:
    found = replace(search(2), repeats=(entry(3, 891, tested=True, purpose="repeat"),))
    text = printed(search_report(found, 80), 80)
    assert "with 2 seeds" in text
    assert "90.00 %, 89.00 %" in text
    assert "±" not in text
    assert found.over_seeds is None


def test_a_test_figure_from_before_the_search_went_on_is_told_with_when(printed: Printed) -> None:
    found = search(2)
    winner = replace(found.winner, opened_before="2026-11-22T02:32:32+00:00")
    text = printed(search_report(replace(found, winner=winner), 80), 80)
    assert "opened 2026-11-22 02:32 UTC, before the search went on" in text
    assert "before the search" not in printed(search_report(found, 80), 80)


def test_trainings_that_were_stopped_or_failed_are_counted(printed: Printed) -> None:
    cut = [entry(7, None, state="stopped", why="slow"), *(entry(n, None, state="failed", why="nan") for n in (8, 9))]
    text = " ".join(printed(search_report(search(2, unfinished=tuple(cut)), 80), 80).split())
    assert "2 failed; 1 stopped, as it could not reach the front any more (the report says which)" in text
    assert "ended early" not in printed(search_report(search(2), 80), 80)


def compared(found: Search, n: int = 7) -> Comparison:
    """The runs of a search with photos of one's own."""

    def one(each: Entry) -> ComparedRun:
        cost, right = each.cost, Accuracy(n - each.trial.number % 3, n)
        return ComparedRun(
            run=each.run,
            network=each.network,
            source="mnist",
            parameters=cost.parameters,
            macs=cost.macs,
            weight_bytes=cost.weight_bytes,
            flash_bytes=cost.flash_bytes,
            ram_bytes=cost.ram_bytes,
            peak_ram_bytes=cost.peak_ram_bytes,
            epochs=each.epochs,
            seconds_per_epoch=1.0,
            train=None,
            validation=each.validation,
            test=None,
            int8_validation=None,
            int8_test=None,
            photos=right,
            opened=0,
            timing=Timing(0.125, 8, 0.05, 1, "cpu"),
            fingerprint="f",
        )

    said = tuple(f"{each.run}: nothing was found in a photo" for each in found.trials)
    return Comparison(tuple(map(one, found.trials)), (), (*said, "each p-value is that of its pair alone"))


@pytest.mark.parametrize("width", [80, 120])
def test_own_photos_are_a_column_of_the_table_with_their_interval(printed: Printed, width: int) -> None:
    found = search(12)
    text = printed(search_report(found, width, compared(found)), width)
    assert max(map(len, text.splitlines())) <= width
    assert "n = 7" in text
    for head in ("photos %", "ms an", "params", "valid."):
        assert head in text
    rows = rows_of(text)
    assert len(rows) == NETWORKS_SHOWN
    assert all("(" in row and " 0.125 " in row for row in rows)
    assert "71.4 (36 … 92)" in text
    assert "own photos" in text
    assert "p-value" not in text
    assert text.count("nothing was found") == 3
    assert "and 9 more: --json" in text
