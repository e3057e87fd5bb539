"""Search under a budget, on scikit-learn's real digits."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

from pennyweight.core.board import find_board
from pennyweight.core.budget import Budget
from pennyweight.core.errors import BudgetError, RunError
from pennyweight.core.run import Run
from pennyweight.data.source import open_source
from pennyweight.fit.recipe import Recipe
from pennyweight.fit.train import resume
from pennyweight.plan.search import Search, SearchProgress, candidates, search

BUDGET = Budget(flash_bytes=12 * 1024, ram_bytes=2 * 1024, macs=30_000, minutes=0.5)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Search, list[SearchProgress], Path]:
    folder = tmp_path_factory.mktemp("search") / "out"
    seen: list[SearchProgress] = []
    return search("digits", BUDGET, out=folder, on_progress=seen.append), seen, folder


def test_nothing_that_exceeds_the_budget_is_ever_trained(found: tuple[Search, list[SearchProgress], Path]) -> None:
    result, seen, _ = found
    costs = {each.graph.text: each.cost for each in candidates((8, 8, 1), 10)}
    assert 0 < result.feasible < result.considered == len(costs)
    for text in {progress.network for progress in seen} | {entry.network for entry in result.trials}:
        assert not BUDGET.excesses(costs[text].to_figures())


def test_the_test_part_is_opened_once_for_each_network_of_the_front_and_for_no_other(
    found: tuple[Search, list[SearchProgress], Path],
) -> None:
    result, _, _ = found
    on_front = {entry.run for entry in result.front}
    for entry in result.trials:
        assert len(Run.open(entry.run).openings()) == (entry.run in on_front)
        assert (entry.test is not None) == (entry.run in on_front)
    assert result.winner.run in on_front


def test_no_network_of_the_front_is_beaten_on_every_axis_by_another_of_it(
    found: tuple[Search, list[SearchProgress], Path],
) -> None:
    result, _, _ = found
    points = [
        (-entry.validation.share, entry.cost.macs, entry.cost.flash_bytes, entry.cost.peak_ram_bytes)
        for entry in result.front
    ]
    for one in points:
        assert not any(other != one and all(a <= b for a, b in zip(other, one, strict=True)) for other in points)


def test_the_winner_is_the_most_accurate_on_validation_and_answers_digits(
    found: tuple[Search, list[SearchProgress], Path],
) -> None:
    result, _, _ = found
    assert result.winner.validation.share == max(entry.validation.share for entry in result.front)
    assert result.winner.test is not None
    assert result.winner.test.interval[0] > 1 / 10, "no better than chance"


def test_what_was_found_is_kept_as_json(found: tuple[Search, list[SearchProgress], Path]) -> None:
    result, _, folder = found
    kept = json.loads((folder / "search.json").read_text(encoding="utf-8"))
    assert kept == json.loads(json.dumps(result.as_json()))
    wanted = {
        "run", "network", "test_accuracy", "interval", "n", "parameters", "macs", "flash_bytes", "peak_ram_bytes",
    }  # fmt: skip
    for entry in [*kept["trials"], *kept["front"], kept["winner"]]:
        assert wanted <= entry.keys()


def test_a_folder_in_use_is_not_written_into(found: tuple[Search, list[SearchProgress], Path]) -> None:
    _, _, folder = found
    before = (folder / "search.json").read_bytes()
    with pytest.raises(RunError, match="not empty"):
        search("digits", BUDGET, out=folder)
    assert (folder / "search.json").read_bytes() == before


def test_an_impossible_budget_is_refused_at_once_with_the_nearest_network_and_the_limit(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match=r"nearest of \d+, mlp:hidden=8, .*flash .*3,200 bytes"):
        search("digits", Budget(flash_bytes=3_200, minutes=60), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_candidates_are_priced_on_the_board() -> None:
    board = find_board("nucleo-l4r5zi")
    priced = candidates((32, 32, 3), 10, board)
    assert [each.cost.macs for each in priced] == sorted(each.cost.macs for each in priced)
    for each in priced:
        assert each.cost.latency_ms is not None
        assert np.isclose(each.cost.latency_ms, board.latency_ms(each.cost.macs) or 0)


def test_the_only_network_that_fits_wins(tmp_path: Path) -> None:
    images = open_source("digits")
    result = search(images, Budget(parameters=700, minutes=0.05), out=tmp_path / "out")
    assert result.winner.network == "mlp:hidden=8"


def test_a_search_whose_time_is_over_trains_one_network_and_says_that_it_is_not_trained_fully(tmp_path: Path) -> None:
    result = search("digits", Budget(parameters=3_000, minutes=0.001), out=tmp_path / "out")
    assert len(result.trials) == 1
    assert any("epochs of a full training" in note for note in result.notes)


def test_a_network_that_diverges_is_left_out_and_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "pennyweight.plan.search.default_recipe",
        lambda graph, images: Recipe(
            epochs=12,
            validation=0.2,
            optimizer="nesterov",
            learning_rate=100 if "mlp" in graph.text else 0.02,
            weight_decay=1,
        ),
    )
    result = search("digits", Budget(parameters=2_000, minutes=2), out=tmp_path / "out")
    assert "mlp" not in result.winner.network
    assert any(note.startswith("mlp:") and "left out" in note for note in result.notes)


def test_a_full_training_that_turns_out_too_slow_is_stopped_and_can_be_resumed(tmp_path: Path) -> None:
    def dawdle(progress: SearchProgress) -> None:
        if progress.final and progress.training is not None:
            time.sleep(max(0.0, progress.seconds_left + 0.3 * 12))

    result = search("digits", Budget(parameters=700, minutes=0.2), out=tmp_path / "out", on_progress=dawdle)
    [note] = [note for note in result.notes if "--resume" in note]
    assert result.winner.run.name == "trial-01"
    stopped = resume(Path(note.rpartition(" ")[2]))
    assert stopped.epochs > result.winner.epochs


def test_a_summary_that_cannot_be_written_is_a_run_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="file cannot be written"):
        search("digits", Budget(parameters=700, minutes=0.05), out=tmp_path / "file")

    def block(progress: SearchProgress) -> None:
        (tmp_path / "out" / "search.json" / "taken").mkdir(parents=True, exist_ok=True)

    with pytest.raises(RunError, match=r"search\.json cannot be written"):
        search("digits", Budget(parameters=700, minutes=0.05), out=tmp_path / "out", on_progress=block)
