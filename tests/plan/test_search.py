"""Search under a budget, on scikit-learn's real digits: what is chosen, what is kept, and what a kill leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from pennyweight.core.board import find_board
from pennyweight.core.budget import Budget
from pennyweight.core.errors import BudgetError, RunError, TrainingError, UsageError
from pennyweight.core.run import Run
from pennyweight.data.source import open_source
from pennyweight.plan.coordinator import SearchProgress
from pennyweight.plan.found import Search
from pennyweight.plan.search import resume_search, search
from pennyweight.plan.space import Space
from pennyweight.plan.trial import Trial
from pennyweight.plan.worker import rows

SMALL = """
[networks.mlp]
hidden = ["8", "16", "32", "32-32"]
[networks.separable]
width = { low = 4, high = 12, log = true }
[recipe]
epochs = [9]
"""
"""A space whose networks train in a second each."""

BUDGET = Budget(flash_bytes=16 * 1024, ram_bytes=2 * 1024, macs=60_000)


@pytest.fixture(scope="module")
def space() -> Space:
    return Space.from_toml(SMALL)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, space: Space) -> tuple[Search, list[SearchProgress], Path]:
    folder = tmp_path_factory.mktemp("search") / "out"
    seen: list[SearchProgress] = []
    return search("digits", BUDGET, space=space, points=7, out=folder, on_progress=seen.append), seen, folder


def test_nothing_that_exceeds_the_budget_is_ever_trained(found: tuple[Search, list[SearchProgress], Path]) -> None:
    result, seen, _ = found
    assert 0 < result.feasible < result.considered
    for entry in (*result.trials, *result.unfinished):
        assert not BUDGET.excesses(entry.cost.to_figures())
    trained = {entry.trial.number for entry in (*result.trials, *result.unfinished)}
    assert {trial.number for progress in seen for trial in progress.running} <= trained


def test_many_networks_are_trained_shortly_and_few_for_longer(
    found: tuple[Search, list[SearchProgress], Path],
) -> None:
    result, _, _ = found
    assert len({entry.trial.point.key for entry in result.trials}) == 7
    epochs = [entry.epochs for entry in result.trials if entry.trial.purpose == "screening"]
    assert epochs.count(1) == 7
    assert 1 <= epochs.count(3) < 7
    assert result.winner.epochs == 9


def test_the_winner_is_trained_with_three_seeds_and_their_mean_is_told(
    found: tuple[Search, list[SearchProgress], Path],
) -> None:
    result, _, _ = found
    assert [entry.trial.seed for entry in result.repeats] == [1, 2]
    mean, deviation, seeds = result.over_seeds or (0, 0, 0)
    shares = [entry.test.share for entry in (result.winner, *result.repeats) if entry.test]
    assert seeds == len(shares) == 3
    assert min(shares) <= mean <= max(shares)
    assert deviation >= 0


def test_the_test_part_is_opened_once_for_the_front_and_the_repeats_and_for_no_other(
    found: tuple[Search, list[SearchProgress], Path],
) -> None:
    result, _, _ = found
    told = {entry.run for entry in (*result.front, *result.repeats)}
    for entry in result.trials:
        assert len(Run.open(entry.run).openings()) == (entry.run in told)
        assert (entry.test is not None) == (entry.run in told)
    assert result.winner.run in told


def test_no_network_of_the_front_is_as_good_as_another_of_it_everywhere_and_better_somewhere(
    found: tuple[Search, list[SearchProgress], Path],
) -> None:
    result, _, _ = found
    points = [entry.trial.axes(result.trade) for entry in result.front]
    for one in points:
        assert not any(other != one and all(a <= b for a, b in zip(other, one, strict=True)) for other in points)
    assert result.winner.validation.share == max(entry.validation.share for entry in result.front)
    assert result.winner.test is not None
    assert result.winner.test.interval[0] > 1 / 10, "no better than chance"


def test_what_was_found_is_kept_as_json(found: tuple[Search, list[SearchProgress], Path]) -> None:
    result, _, folder = found
    kept = json.loads((folder / "search.json").read_text(encoding="utf-8"))
    told = json.loads(json.dumps(result.as_json()))
    assert {name: kept[name] for name in told} == told


def test_a_folder_in_use_is_not_written_into(found: tuple[Search, list[SearchProgress], Path]) -> None:
    _, _, folder = found
    before = (folder / "search.json").read_bytes()
    with pytest.raises(RunError, match="not empty"):
        search("digits", BUDGET, out=folder)
    assert (folder / "search.json").read_bytes() == before


def test_a_search_that_has_ended_is_not_resumed(found: tuple[Search, list[SearchProgress], Path]) -> None:
    with pytest.raises(RunError, match="has ended"):
        resume_search(found[2])


def test_an_impossible_budget_is_refused_at_once_with_the_nearest_network_and_the_limit(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match=r"nearest of \d+, mlp:hidden=8, .*flash .*2,400 bytes"):
        search("digits", Budget(flash_bytes=2_400, minutes=60), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_only_network_that_fits_wins(tmp_path: Path) -> None:
    space = Space.from_toml('[networks.mlp]\nhidden = ["8", "512"]\n[recipe]\nepochs = [3]')
    result = search(open_source("digits"), Budget(parameters=700), space=space, points=5, out=tmp_path / "out")
    assert result.winner.network == "mlp:hidden=8"


def test_a_search_whose_time_is_over_trains_one_network_and_says_that_it_is_not_trained_fully(tmp_path: Path) -> None:
    result = search("digits", Budget(parameters=3_000, minutes=0.02), out=tmp_path / "out")
    assert result.trials
    assert any("epochs of a full training" in note for note in result.notes)


def test_a_grid_trains_every_point_that_fits_once_and_as_its_recipe_says(tmp_path: Path) -> None:
    text = '[networks.mlp]\nhidden = ["8", "16"]\n[recipe]\nepochs = [1, 2]\noptimizer = ["adamw", "sgd"]'
    space = Space.from_toml(text)
    result = search("digits", Budget(), space=space, sampler="grid", out=tmp_path / "out")
    done = [entry for entry in result.trials if entry.trial.purpose != "repeat"]
    assert [entry.trial.point.key for entry in done] == [point.key for point in space.grid()]
    for entry in done:
        assert entry.epochs == entry.trial.point.recipe["epochs"]


def test_pictures_of_several_sizes_are_chosen_among(tmp_path: Path) -> None:
    space = Space.from_toml('input = ["8x8x1", "5x5x1"]\n[networks.mlp]\nhidden = ["8"]\n[recipe]\nepochs = [1]')
    result = search("digits", Budget(), space=space, sampler="grid", out=tmp_path / "out")
    shapes = {Run.open(entry.run).read("settings.json")["input_shape"][0] for entry in result.trials}
    assert shapes == {8, 5}
    assert all(entry.test for entry in result.front)


def test_two_workers_find_what_one_finds(tmp_path: Path) -> None:
    space = Space.from_toml('[networks.mlp]\nhidden = ["8", "16", "32"]\n[recipe]\nepochs = [2]')
    tables = []
    for workers in (1, 2):
        result = search("digits", Budget(), space=space, sampler="grid", workers=workers, out=tmp_path / str(workers))
        tables.append(sorted((entry.network, str(entry.validation)) for entry in result.trials))
    assert tables[0] == tables[1]


def test_a_network_that_diverges_is_left_out_and_told_of(tmp_path: Path) -> None:
    space = Space.from_toml(
        '[networks.mlp]\nhidden = ["8"]\n[recipe]\nepochs = [4]\n'
        'optimizer = ["nesterov"]\nweight_decay = [1.0, 0.0]\nlearning_rate = [100.0]'
    )
    result = search("digits", Budget(), space=space, sampler="grid", out=tmp_path / "out")
    assert result.winner.trial.point.recipe["weight_decay"] == 0.0
    assert [entry.trial.state for entry in result.unfinished] == ["failed"]
    assert any(note.startswith("mlp:") and "left out" in note for note in result.notes)


def test_where_none_can_be_trained_the_reasons_are_told(tmp_path: Path) -> None:
    space = Space.from_toml(
        '[networks.mlp]\nhidden = ["8"]\n[recipe]\n'
        'optimizer = ["nesterov"]\nweight_decay = [1.0]\nlearning_rate = [100.0]'
    )
    with pytest.raises(TrainingError, match=r"none of the networks .* learning rate 100"):
        search("digits", Budget(), space=space, sampler="grid", out=tmp_path / "out")


def test_words_that_are_not_known_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    for wrong in ({"trade": ("speed",)}, {"trade": ("latency",)}, {"sampler": "best"}, {"engine": "diesel"}):
        with pytest.raises(UsageError):
            search("digits", BUDGET, out=tmp_path / "out", **wrong)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_latency_and_price_are_those_of_the_board(tmp_path: Path, space: Space) -> None:
    board = find_board("nucleo-l4r5zi")
    result = search(
        "digits",
        Budget.of(board),
        board=board,
        space=Space.from_toml('[networks.mlp]\nhidden = ["8"]\n[recipe]\nepochs = [1]'),
        trade=("latency",),
        points=1,
        out=tmp_path / "out",
    )
    assert result.winner.cost.latency_ms == board.latency_ms(result.winner.cost.macs)


SCRIPT = """
import sys
from pathlib import Path
from pennyweight.core.budget import Budget
from pennyweight.plan.search import resume_search, search
from pennyweight.plan.space import Space
folder = Path(sys.argv[1])
if (folder / "search.json").exists():
    resume_search(folder)
else:
    search("digits", Budget(), space=Space.from_toml(sys.argv[2]), points=5, out=folder)
"""


def started(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", SCRIPT, str(folder), SMALL]
    return subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"})


def table(folder: Path) -> list[tuple[object, ...]]:
    """What a search did, without what differs from one time to the next."""
    kept = json.loads((folder / "search.json").read_text(encoding="utf-8"))
    rows = sorted((*kept["trials"], *kept["unfinished"]), key=lambda row: row["number"])
    return [
        (row["number"], row["network"], row["state"], row["purpose"], row["epochs"], row["seed"], row["accuracies"])
        for row in rows
    ]


@pytest.mark.slow
def test_a_search_that_is_killed_again_and_again_ends_with_the_table_of_an_undisturbed_one(tmp_path: Path) -> None:
    assert started(tmp_path / "whole").wait(timeout=200) == 0
    wanted = table(tmp_path / "whole")
    folder, kills = tmp_path / "killed", 0
    while True:
        process = started(folder)
        seen = len(list(folder.glob("trial-*/results.json")))
        try:
            while process.poll() is None and kills < 4:
                if len(list(folder.glob("trial-*/results.json"))) > seen:
                    time.sleep(0.1 * kills)
                    process.kill()
                    kills += 1
                    break
                time.sleep(0.01)
            code = process.wait(timeout=200)
        finally:
            process.kill()
        if code == 0:
            break
        assert code == -signal.SIGKILL
    assert kills == 4
    assert table(folder) == wanted


def test_ctrl_c_once_ends_a_search_with_the_best_so_far_which_can_be_resumed(tmp_path: Path) -> None:
    def interrupt(progress: SearchProgress) -> None:
        if len(progress.trials) == 2 and progress.running:
            signal.raise_signal(signal.SIGINT)

    space = Space.from_toml(SMALL)
    result = search("digits", Budget(), space=space, points=6, out=tmp_path / "out", on_progress=interrupt)
    assert len(result.trials) == 2
    assert any("interrupted" in note for note in result.notes)
    assert result.winner.test is not None
    resumed = resume_search(tmp_path / "out")
    assert len({entry.trial.point.key for entry in resumed.trials}) == 6
    assert [entry.run.name for entry in resumed.trials][:2] == [entry.run.name for entry in result.trials]


def test_ctrl_c_before_any_training_is_done_says_how_to_go_on(tmp_path: Path) -> None:
    def interrupt(progress: SearchProgress) -> None:
        if progress.running and progress.training is None:
            signal.raise_signal(signal.SIGINT)

    space = Space.from_toml('[networks.mlp]\nhidden = ["8"]\n[recipe]\nepochs = [2]')
    with pytest.raises(TrainingError, match="interrupted before any") as told:
        search("digits", Budget(), space=space, points=1, out=tmp_path / "out", on_progress=interrupt)
    assert "--resume" in told.value.hint
    assert resume_search(tmp_path / "out").winner.epochs == 2


def test_a_search_of_two_workers_that_was_killed_goes_on_with_one(tmp_path: Path) -> None:
    def stop(progress: SearchProgress) -> None:
        if len(progress.running) == 2:
            raise RuntimeError("killed")

    space = Space.from_toml('[networks.mlp]\nhidden = ["8", "16", "32"]\n[recipe]\nepochs = [2]')
    with pytest.raises(RuntimeError, match="killed"):
        search("digits", Budget(), space=space, sampler="grid", workers=2, out=tmp_path / "out", on_progress=stop)
    resumed = resume_search(tmp_path / "out", workers=1)
    assert sorted(entry.network for entry in resumed.trials if entry.trial.purpose == "full") == [
        "mlp:hidden=16", "mlp:hidden=32", "mlp:hidden=8",
    ]  # fmt: skip


def test_ctrl_c_twice_ends_a_search_at_once(tmp_path: Path) -> None:
    def interrupt(progress: SearchProgress) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        search("digits", Budget(), space=Space.from_toml(SMALL), points=6, out=tmp_path / "out", on_progress=interrupt)


def test_what_a_caller_raises_while_a_network_trains_comes_out_and_the_search_can_be_resumed(tmp_path: Path) -> None:
    def fall(progress: SearchProgress) -> None:
        if progress.training is not None and progress.training.epoch == 1:
            raise ValueError("the caller's own fault")

    space = Space.from_toml('[networks.mlp]\nhidden = ["8"]\n[recipe]\nepochs = [3]')
    with pytest.raises(ValueError, match="own fault"):
        search("digits", Budget(), space=space, points=1, out=tmp_path / "out", on_progress=fall)
    assert resume_search(tmp_path / "out").winner.epochs == 3


def interrupted(folder: Path) -> Path:
    """A search that was killed before its first trial had ended."""

    def stop(progress: SearchProgress) -> None:
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        search("digits", Budget(), space=Space.from_toml(SMALL), points=2, out=folder, on_progress=stop)
    return folder


def test_a_search_of_other_images_or_of_another_journal_is_not_resumed(tmp_path: Path) -> None:
    folder = interrupted(tmp_path / "one")
    images = open_source("digits")
    other = replace(images, learning=images.learning.take(images.learning.labels.argsort()[:900]))
    with pytest.raises(RunError, match="not the ones"):
        resume_search(folder, other)
    facts = json.loads((folder / "search.json").read_text(encoding="utf-8"))
    facts["plan"]["seed"] = 5
    (folder / "search.json").write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(RunError, match="another search: seed differ"):
        resume_search(folder)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"plan": 3}', '{"plan": {"space": 1}}'])
def test_a_damaged_search_folder_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "search.json").write_text(content, encoding="utf-8")
    with pytest.raises(RunError):
        resume_search(tmp_path)


def test_a_folder_that_cannot_be_written_is_a_run_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="file cannot be written"):
        search("digits", Budget(parameters=700, minutes=0.05), out=tmp_path / "file")


def test_what_cannot_be_searched_leaves_no_folder(tmp_path: Path) -> None:
    space = Space.from_toml("[networks.separable]\nwidth = { low = 4, high = 8 }")
    with pytest.raises(UsageError, match="ranges"):
        search("digits", Budget(), space=space, sampler="grid", out=tmp_path / "out")
    with pytest.raises(UsageError, match="storage"):
        search("digits", Budget(), points=1, storage="nowhere://at/all", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_disk_without_room_ends_a_search_that_goes_on_once_there_is_room(
    tmp_path: Path, full_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    folder = tmp_path / "out"
    space = Space.from_toml('[networks.mlp]\nhidden = ["8", "300"]\n[recipe]\nepochs = [2]')
    with full_disk(50_000), pytest.raises(RunError, match="File too large") as caught:
        search("digits", space=space, sampler="grid", out=folder)
    assert "--resume" in (caught.value.hint or "")
    found = resume_search(folder)
    assert {entry.network for entry in found.trials} == {"mlp:hidden=8", "mlp:hidden=300"}
    assert not found.unfinished


SLOW = """
[networks.mlp]
hidden = ["8", "300", "300-300"]
[recipe]
epochs = [2000]
"""
"""A space of which nothing is trained fully within seconds."""


def test_where_nothing_can_be_trained_fully_in_time_trainings_are_shorter_and_end(tmp_path: Path) -> None:
    found = search("digits", Budget(minutes=0.1), space=Space.from_toml(SLOW), out=tmp_path / "out")
    assert found.winner.epochs < 2000
    assert found.winner.epochs > 1, "no last resort"
    assert found.minutes < 0.15


def test_what_time_cut_off_goes_on_where_it_was_and_has_not_ended(tmp_path: Path) -> None:
    space = Space.from_toml('[networks.mlp]\nhidden = ["300"]\n[recipe]\nepochs = [60]')
    seen: list[int] = []

    def cut(progress: SearchProgress) -> None:
        if progress.training is not None and progress.training.epoch == 5 and not seen:
            seen.append(progress.training.epoch)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(TrainingError, match="interrupted"):
        search("digits", space=space, sampler="grid", out=tmp_path / "out", on_progress=cut)
    checkpoint = rows(tmp_path / "out" / "trial-0000")
    assert len(checkpoint) >= 5
    epochs: list[int] = []

    def watch(progress: SearchProgress) -> None:
        if progress.training is not None and progress.running[0].number == 0:
            epochs.append(progress.training.epoch)

    found = resume_search(tmp_path / "out", on_progress=watch)
    assert min(epochs) >= 5, "its first epochs are not trained again"
    first = [entry for entry in found.trials if entry.trial.number == 0]
    assert [entry.epochs for entry in first] == [60]


def test_ctrl_c_in_the_last_resort_ends_it(tmp_path: Path) -> None:
    space = Space.from_toml('[networks.mlp]\nhidden = ["300"]\n[recipe]\nepochs = [1000]')

    def interrupt(progress: SearchProgress) -> None:
        if progress.training is not None and progress.training.epochs == 1:
            os.kill(os.getpid(), signal.SIGINT)

    with suppress(TrainingError):  # its only epoch may have ended by then
        search("digits", Budget(minutes=1e-6), space=space, out=tmp_path / "out", on_progress=interrupt)
    assert json.loads((tmp_path / "out" / "search.json").read_text())["considered"]


def test_a_search_that_was_given_more_minutes_and_killed_has_them_still(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    space = Space.from_toml('[networks.mlp]\nhidden = ["8", "16", "32"]\n[recipe]\nepochs = [200]')
    search("digits", Budget(minutes=0.05), space=space, out=folder)

    def kill(progress: SearchProgress) -> None:
        if progress.running:
            raise RuntimeError("killed")

    with pytest.raises(RunError, match="this search has ended"):
        resume_search(folder)
    with pytest.raises(RuntimeError, match="killed"):
        resume_search(folder, minutes=0.5, on_progress=kill)
    before = json.loads((folder / "search.json").read_text())["trials"]
    found = resume_search(folder)
    assert {trial["number"] for trial in before} < {entry.trial.number for entry in found.trials}
    with pytest.raises(RunError, match="this search has ended"):
        resume_search(folder)


def test_a_search_that_was_killed_before_anything_ended_chooses_as_it_would_have(tmp_path: Path) -> None:
    begun: list[Trial] = []

    def kill(progress: SearchProgress) -> None:
        begun.extend(progress.running[:1])
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        search("digits", Budget(minutes=0.1), out=tmp_path / "out", on_progress=kill)
    found = resume_search(tmp_path / "out")
    costs = {entry.trial.costs["macs"] for entry in (*found.trials, *found.unfinished)}
    assert all(cost is not None and cost < 2e6 for cost in costs), "there is time for small ones alone"
    assert found.minutes < 0.2


def test_a_training_in_which_the_search_died_thrice_goes_on_in_a_process_of_its_own(tmp_path: Path) -> None:
    space = Space.from_toml('[networks.mlp]\nhidden = ["8", "16"]\n[recipe]\nepochs = [2]')

    def die(progress: SearchProgress) -> None:
        if progress.running and progress.running[0].number == 0:
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        search("digits", space=space, sampler="grid", out=tmp_path / "out", on_progress=die)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="killed"):
            resume_search(tmp_path / "out", on_progress=die)

    def not_watching(progress: SearchProgress) -> None:
        assert progress.training is None, "it is trained in another process"

    found = resume_search(tmp_path / "out", on_progress=not_watching)
    undisturbed = search("digits", space=space, sampler="grid", out=tmp_path / "undisturbed")
    assert not found.unfinished
    assert [entry.trial.accuracies for entry in found.trials] == [
        entry.trial.accuracies for entry in undisturbed.trials
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (r"\"number\": 0", r"\"number\": 7"),
        (r"\"state\": \"running\"", r"\"state\": \"bogus\""),
        (r"\"network\": \"mlp\"", r"\"network\": \"nosuch\""),
        (r"\"mlp.hidden\": \"8\"", r"\"mlp.hidden\": \"512\""),
        (r"\"epochs\": 2", r"\"epochs\": \"x\""),
        (r"\"purpose\": \"full\"", r"\"run\": \"/etc\", \"purpose\": \"full\""),
        (r"\"costs\": {", r"\"costs\": {\"x\": \"y\", "),
    ],
)
def test_a_journal_that_tells_what_cannot_be_is_refused(tmp_path: Path, old: str, new: str) -> None:
    def die(progress: SearchProgress) -> None:
        raise RuntimeError("killed")

    space = Space.from_toml('[networks.mlp]\nhidden = ["8", "16"]\n[recipe]\nepochs = [2]')
    with pytest.raises(RuntimeError, match="killed"):
        search("digits", space=space, sampler="grid", out=tmp_path / "out", on_progress=die)
    journal = tmp_path / "out" / "journal.log"
    kept = journal.read_text()
    assert old in kept
    journal.write_text(kept.replace(old, new))
    with pytest.raises(RunError, match="damaged"):
        resume_search(tmp_path / "out")


def test_no_storage_is_opened_on_the_word_of_a_folder(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'trials.db'}"
    space = Space.from_toml('[networks.mlp]\nhidden = ["8"]\n[recipe]\nepochs = [2]')
    search("digits", space=space, sampler="grid", out=tmp_path / "out", storage=url)
    with pytest.raises(RunError, match="another storage") as caught:
        resume_search(tmp_path / "out", minutes=0.01)
    assert url in (caught.value.hint or "")
    assert resume_search(tmp_path / "out", minutes=0.01, storage=url).winner.network == "mlp:hidden=8"
