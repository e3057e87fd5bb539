"""What a search tells in its end, on scikit-learn's real digits."""

from __future__ import annotations

import json
import shlex
import signal
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from pennyweight.core.budget import Budget
from pennyweight.core.run import SETTINGS, Run
from pennyweight.data.images import LabelledImages
from pennyweight.data.source import open_source
from pennyweight.fit.train import train
from pennyweight.plan.coordinator import SearchProgress
from pennyweight.plan.found import Search
from pennyweight.plan.search import resume_search, search
from pennyweight.plan.space import Space

SPACE = """
[networks.mlp]
hidden = ["4", "8", "16"]
dropout = [0.0, 0.2]

[recipe]
epochs = [2]
learning_rate = [0.003, 0.01]
batch = [32]
"""

pytestmark = pytest.mark.usefixtures("hasty_clock")


@pytest.fixture(scope="module")
def digits() -> LabelledImages:
    return open_source("digits")


def grid(images: LabelledImages | str, folder: Path, text: str = SPACE) -> Search:
    return search(images, space=Space.from_toml(text), sampler="grid", out=folder)


def test_the_command_that_is_told_trains_the_winner_with_its_own_recipe(tmp_path: Path) -> None:
    found = grid("digits", tmp_path / "out")
    program, verb, source, network, *options = shlex.split(found.again)
    assert (program, verb) == ("pennyweight", "train")
    assert network == found.winner.network
    assert {"epochs=2", "batch=32"} < set(options[1::2])
    assert set(options[::2]) == {"--set"}
    again = train(source, network, settings=options[1::2], out=tmp_path / "again")
    assert Run.open(again.run).read(SETTINGS)["recipe"] == asdict(found.recipe)
    assert again.validation == found.winner.validation


def test_images_that_were_resized_are_resized_by_the_command_too(tmp_path: Path) -> None:
    text = 'input = "6x6"\n[networks.mlp]\nhidden = ["4"]\n[recipe]\nepochs = [1]'
    assert "--input 6x6x1" in grid("digits", tmp_path / "out", text).again
    small = open_source("digits", input_shape=(6, 6, 1))
    assert "--input 6x6x1" in grid(small, tmp_path / "small", text.partition("\n")[2]).again


def test_no_command_trains_again_on_images_from_python(tmp_path: Path, digits: LabelledImages) -> None:
    text = '[networks.mlp]\nhidden = ["4"]\n[recipe]\nepochs = [1]'
    found = grid(replace(digits, source=""), tmp_path / "out", text)
    assert found.again == ""
    assert (found.rivals, found.optimism) == (1, 0.0)


def cut_after(count: int, folder: Path) -> Search:
    """A grid that Ctrl-C ended after so many trainings."""

    def interrupt(progress: SearchProgress) -> None:
        if len(progress.trials) == count and progress.running:
            signal.raise_signal(signal.SIGINT)

    space = Space.from_toml(SPACE)
    return search("digits", space=space, sampler="grid", out=folder, on_progress=interrupt)


def test_what_was_opened_before_a_search_went_on_is_kept_and_not_opened_again(tmp_path: Path) -> None:
    first = cut_after(3, tmp_path / "out")
    assert not any(entry.opened_before for entry in first.trials)
    found = resume_search(tmp_path / "out")
    before = {entry.run: entry.test for entry in first.front}
    kept = {entry.run: entry.test for entry in found.trials if entry.opened_before}
    assert kept == before
    for entry in found.trials:
        assert len(Run.open(entry.run).openings()) == (entry.test is not None)
    told = [note for note in found.notes if "opened on the test part" in note]
    assert len(told) == 1
    if found.winner.run != first.winner.run:
        assert any(f"{first.winner.network} ({first.winner.run.name}) had won then" in note for note in found.notes)
    assert json.loads((tmp_path / "out" / "search.json").read_text())["trials"][0].keys() >= {"test_opened_before"}


def test_an_earlier_look_that_cannot_be_read_is_looked_at_again_and_counted(tmp_path: Path) -> None:
    first = cut_after(2, tmp_path / "out")
    for entry in first.front:
        (entry.run / "evaluations" / "test.json").write_text("{}")
    found = resume_search(tmp_path / "out")
    assert not any(entry.opened_before for entry in found.trials)
    openings = {entry.run: len(Run.open(entry.run).openings()) for entry in found.front}
    assert all(count == 1 + (run in {entry.run for entry in first.front}) for run, count in openings.items())


def test_a_search_that_was_given_more_time_tells_all_of_its_time(tmp_path: Path) -> None:
    space = Space.from_toml('[networks.mlp]\nhidden = ["4"]\n[recipe]\nepochs = [1]')
    first = search("digits", Budget(minutes=0.02), space=space, sampler="random", points=1, out=tmp_path / "out")
    assert first.budget.minutes == 0.02
    found = resume_search(tmp_path / "out", minutes=0.5)
    assert found.budget.minutes is not None
    assert found.minutes < found.budget.minutes
    assert 0.5 < found.budget.minutes < 0.6 + first.minutes


def test_epochs_that_the_space_tells_are_full_trainings_whatever_they_are(tmp_path: Path) -> None:
    text = '[networks.mlp]\nhidden = ["4"]\n[recipe]\nepochs = [1, 3]'
    assert grid("digits", tmp_path / "out", text).notes == ()


def test_what_there_was_no_time_for_is_told_once_with_the_command_that_gives_more(tmp_path: Path) -> None:
    found = search("digits", Budget(parameters=3_000, minutes=0.02), out=tmp_path / "out")
    (note,) = found.notes
    assert "epochs of a full training" in note
    assert f"pennyweight search --resume {tmp_path / 'out'} --minutes 10" in note
    assert "foretold" not in note
