from __future__ import annotations

import math
from typing import Any

import pytest

from pennyweight.fit.accuracy import Accuracy
from pennyweight.fit.loop import Progress
from pennyweight.plan.coordinator import SearchProgress
from pennyweight.plan.space import Point
from pennyweight.plan.trial import Trial
from pennyweight.report.progress import DownloadDisplay, SearchDisplay, TrainingDisplay


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


def trial(number: int, network: str, correct: int | None = None, **changes: Any) -> Trial:
    facts: dict[str, Any] = (
        {"state": "running"} if correct is None else {"state": "done", "validation": Accuracy(correct, 1000)}
    )
    point = Point("mlp", (("mlp.hidden", network),))
    return Trial(number, point, point.network, {"macs": 100.0 + number}, 3, **facts | changes)


def test_outside_of_a_terminal_a_trial_is_told_once_when_it_has_ended(capsys: pytest.CaptureFixture[str]) -> None:
    ended = [trial(0, "8", 900), trial(1, "16", state="stopped"), trial(2, "32", state="failed")]
    with SearchDisplay() as display:
        for count in (0, 1, 1, 3, 3):
            display(SearchProgress(tuple(ended[:count]), (trial(3, "64"),), ("macs",), 60.0))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "trial   0   90.00 %    3 epochs  mlp:hidden=8",
        "trial   1   stopped    3 epochs  mlp:hidden=16",
        "trial   2    failed    3 epochs  mlp:hidden=32",
    ]


@pytest.mark.parametrize(("cells", "shown"), [(100, "front of 2"), (60, "1:00 left")])
def test_in_a_terminal_the_line_tells_what_runs_the_front_the_best_and_the_time(
    cells: int, shown: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("FORCE_COLOR", "1"), ("TERM", "xterm"), ("COLUMNS", str(cells))):
        monkeypatch.setenv(name, value)
    ended = (trial(0, "8", 900), trial(1, "16", 950), trial(2, "16", 940, purpose="repeat"))
    training = Progress(1, 3, 0, 5, 0.5, 0.9, 1234.5, 75.0)
    with SearchDisplay() as display:
        display(SearchProgress(ended, (trial(3, "64"), trial(4, "32")), ("macs",), 60.0, training))
    err = capsys.readouterr().err
    assert "screening 3: mlp:hidden=64 and 1 more" in err
    assert shown in err
    assert "1:00 left" in err
    if cells == 100:
        assert "best 95.00 %" in err


def test_a_search_that_no_clock_ends_tells_no_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("FORCE_COLOR", "1"), ("TERM", "xterm"), ("COLUMNS", "100")):
        monkeypatch.setenv(name, value)
    with SearchDisplay() as display:
        display(SearchProgress((trial(0, "8", 900),), (trial(3, "64"),), ("macs",), math.inf))
    err = capsys.readouterr().err
    assert "front of 1" in err
    assert "left" not in err
