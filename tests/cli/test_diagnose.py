"""`pennyweight diagnose`, and the last lines of a training that is not healthy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pennyweight.__main__ import main


def test_a_short_training_says_so_in_its_last_lines_and_when_diagnosed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(tmp_path / "run")
    assert main(["train", "digits", "mlp:hidden=8", "--set", "epochs=2", "--out", run]) == 0
    shown = capsys.readouterr().out
    assert "still improving, epoch 2" in shown
    assert "try: --set epochs=10" in shown

    assert main(["diagnose", run, "--json"]) == 0
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert (found["run"], found["healthy"]) == (run, False)
    assert [finding["disease"] for finding in found["findings"]] == ["still improving"]
    assert {"disease", "epoch", "says", "advice", "severity"} == set(found["findings"][0])
    assert main(["diagnose", run, "--csv", str(tmp_path / "found.csv")]) == 0
    assert "still improving, epoch 2" in capsys.readouterr().out
    assert '"try --set epochs=10' in (tmp_path / "found.csv").read_text()


def test_a_training_that_broke_down_can_be_diagnosed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(tmp_path / "run")
    settings = ["--set", "optimizer=sgd", "--set", "learning_rate=100"]
    assert main(["train", "digits", "mlp:hidden=8", *settings, "--out", run]) == 1
    assert "hint: try a lower one" in capsys.readouterr().err
    assert main(["diagnose", run]) == 0
    assert "diverged, epoch 1" in capsys.readouterr().out


def test_what_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagnose", str(tmp_path / "nowhere")]) == 1
    assert "there is no run folder" in capsys.readouterr().err
