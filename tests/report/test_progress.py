from __future__ import annotations

import pytest

from pennyweight.fit.loop import Progress
from pennyweight.report.progress import DownloadDisplay, TrainingDisplay


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
