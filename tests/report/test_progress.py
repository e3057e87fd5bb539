from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import pytest

from pennyweight.fit.accuracy import Accuracy
from pennyweight.fit.loop import Progress
from pennyweight.plan.coordinator import SearchProgress
from pennyweight.plan.space import Point
from pennyweight.plan.trial import Trial
from pennyweight.report.progress import DownloadDisplay, ImagesDisplay, SearchDisplay, TrainingDisplay


def test_outside_of_a_terminal_an_epoch_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingDisplay() as display:
        for epoch in range(3):
            for step in range(5):
                display(Progress(epoch, 3, step, 5, 0.5, 0.9 if epoch else None, 1234.5, 75.0))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "epoch 1/3  loss 0.500  1,234 images/s  1:15 left",
        "epoch 2/3  loss 0.500  validation 90.00 % after epoch 1  1,234 images/s  1:15 left",
        "epoch 3/3  loss 0.500  validation 90.00 % after epoch 2  1,234 images/s  1:15 left",
    ]


def test_a_training_too_short_to_tell_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingDisplay():
        pass
    assert capsys.readouterr() == ("", "")


def test_outside_of_a_terminal_a_download_is_told_once_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    with DownloadDisplay() as display:
        for received_bytes in (0, 512, 1024):
            display("a.gz", received_bytes, 1024)
        display("b.gz", 512, 0)
        display("b.gz", 700, 0)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == ["fetching a.gz of 1 KiB", "fetching b.gz"]


def test_outside_of_a_terminal_each_thing_that_is_done_with_images_is_told_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with ImagesDisplay() as display:
        display("compiling", 0, 20)
        for done in (0, 5, 10, 15):
            display("emulating", done, 20)
    out, err = capsys.readouterr()
    assert (out, err.splitlines()) == ("", ["compiling: 0 of 20 images", "emulating: 0 of 20 images"])


def trial(number: int, network: str, correct: int | None = None, **changes: Any) -> Trial:
    facts: dict[str, Any] = (
        {"state": "running"} if correct is None else {"state": "done", "validation": Accuracy(correct, 1000)}
    )
    point = Point("mlp", (("mlp.hidden", network),))
    return Trial(number, point, point.network, {"macs": 100.0 + number}, **{"epochs": 3} | facts | changes)


def test_outside_of_a_terminal_a_trial_is_told_once_when_it_has_ended(capsys: pytest.CaptureFixture[str]) -> None:
    ended = [
        trial(0, "8", 900),
        trial(1, "16", state="stopped", accuracies=(0.1,)),
        trial(2, "32", state="failed", why="no number"),
        trial(3, "32-32", 910, epochs=1),
        trial(4, "8", 905, purpose="repeat", seed=1),
    ]
    with SearchDisplay() as display:
        for count in (0, 1, 1, 3, 5):
            display(SearchProgress(tuple(ended[:count]), (trial(5, "64"),), ("macs",), 60.0))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "trial   0   90.00 %    3 epochs  mlp:hidden=8  best so far",
        "trial   1   stopped  1 of 3 epochs  mlp:hidden=16",
        "trial   2    failed  0 of 3 epochs  mlp:hidden=32: no number",
        "trial   3   91.00 %     1 epoch  mlp:hidden=32-32  best so far",
        "trial   4   90.50 %    3 epochs  mlp:hidden=8  (again, seed 1)",
    ]


def test_of_networks_that_differ_in_their_recipe_alone_no_two_lines_are_alike(
    capsys: pytest.CaptureFixture[str],
) -> None:
    first = trial(0, "8", 900)
    ended = tuple(
        replace(first, number=number, point=Point("mlp", (("mlp.hidden", "8"), ("recipe.learning_rate", rate))))
        for number, rate in enumerate((0.01, 0.1))
    )
    with SearchDisplay() as display:
        for count in (0, 1, 2):
            display(SearchProgress(ended[:count], (trial(5, "64"),), ("macs",), 60.0))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("mlp:hidden=8 ")[1].split()[0] for line in lines] == ["learning_rate=0.01", "learning_rate=0.1"]


def test_a_long_training_is_not_silent_outside_of_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    training = Progress(1, 4, 0, 5, 0.5, 0.9, 1234.5, 75.0)
    with SearchDisplay() as display:
        for clock[0] in (0.0, 29.0, 31.0, 40.0):
            display(SearchProgress((), (trial(0, "8"),), ("macs",), 60.0, training))
    line = "trial 0: mlp:hidden=8  25 % trained  1:00 left"
    assert capsys.readouterr().err.splitlines() == [line]


def test_what_had_ended_before_a_search_went_on_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    ended = tuple(trial(number, str(number), 900 + number) for number in range(40))
    with SearchDisplay() as display:
        for count in (39, 39, 40):
            display(SearchProgress(ended[:count], (trial(40, "64"),), ("macs",), 60.0))
    assert capsys.readouterr().err.splitlines() == [
        "39 trainings had ended before, the best with 93.80 %",
        "trial  39   93.90 %    3 epochs  mlp:hidden=39  best so far",
    ]


def test_the_end_of_a_search_says_that_the_test_part_is_opened(capsys: pytest.CaptureFixture[str]) -> None:
    with SearchDisplay() as display:
        display(SearchProgress((), (trial(0, "8"),), ("macs",), 60.0))
        for _ in range(2):
            display(SearchProgress((trial(0, "8", 900),), (), ("macs",), -1.0))
    assert capsys.readouterr().err.splitlines()[1:] == ["opening the sealed test part for the front of 1"]


def test_where_it_is_known_how_many_networks_there_are_each_line_tells_it(capsys: pytest.CaptureFixture[str]) -> None:
    ended = (trial(0, "8", 900), trial(1, "16", 910), trial(2, "8", 920))
    with SearchDisplay() as display:
        display.planned = lambda: 768
        for count in range(4):
            display(SearchProgress(ended[:count], (trial(3, "64"),), ("macs",), math.inf))
    told = re.findall(r"\d+ of 768", capsys.readouterr().err)
    assert told == ["1 of 768", "2 of 768", "1 of 768"]


def in_terminal(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("FORCE_COLOR", "1"), ("TERM", "xterm"), ("COLUMNS", str(cells))):
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("cells", [40, 60, 80, 120])
def test_in_a_terminal_the_line_tells_the_best_and_the_time_however_narrow_it_is(
    cells: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    in_terminal(cells, monkeypatch)
    ended = (trial(0, "8", 900), trial(1, "16", 950), trial(2, "16", 940, purpose="repeat"))
    training = Progress(1, 3, 0, 5, 0.5, 0.9, 1234.5, 75.0)
    with SearchDisplay() as display:
        display(SearchProgress((), (trial(0, "8"),), ("macs",), 60.0))
        display(SearchProgress(ended, (trial(3, "110-100-90"), trial(4, "32")), ("macs",), 60.0, training))
    err = capsys.readouterr().err
    assert "trial 3" in err
    assert "best 95.00 %" in err
    assert "1:00 left" in err
    assert ("3 trainings" in err) == (cells >= 60)
    assert ("front of 2" in err) == (cells >= 80)
    assert ("mlp:hidden=110-100-90 and 1 more" in err) == (cells >= 120)


def test_a_search_that_no_clock_ends_tells_no_time_left_but_how_many_there_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    in_terminal(100, monkeypatch)
    with SearchDisplay() as display:
        display.planned = lambda: 12
        display(SearchProgress((trial(0, "8", 900),), (trial(3, "64"),), ("macs",), math.inf))
    err = capsys.readouterr().err
    assert "front of 1" in err
    assert "1 of 12" in err
    assert "left" not in err


def test_photos_are_told_once_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with SearchDisplay() as display:
        for place in range(3):
            display.look("answering photos/", place, 3)
    assert capsys.readouterr().err == "answering photos/: 3 networks\n"
