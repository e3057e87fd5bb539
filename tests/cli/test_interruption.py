"""Ctrl-C in the middle of a training."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


def hear_ctrl_c() -> None:
    """A shell that runs the tests in its background has them, and what they start, ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.skipif(os.name == "nt", reason="signals are another matter there")
@pytest.mark.parametrize(
    ("out", "told"), [([], "runs/digits-mlp-1"), (["--out", "my run"], "'my run'")], ids=["runs", "out"]
)
def test_an_interrupted_training_says_how_to_go_on_with_itself_and_no_other(
    out: list[str], told: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "pennyweight", "train", "digits", "mlp", "--set", "epochs=100000", *out]
    another = tmp_path / "runs" / "another-1" / "checkpoint.safetensors"
    another.parent.mkdir(parents=True)
    another.touch()
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=hear_ctrl_c
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        next(line for line in process.stderr if line.startswith("epoch 1/"))
        in_an_hour = time.time() + 3600
        os.utime(another, (in_an_hour, in_an_hour))
        process.send_signal(signal.SIGINT)
        *_, last = process.stderr
        assert process.stdout.read() == ""
    assert process.returncode == 130
    assert last == f"interrupted; to go on: pennyweight train --resume {told}\n"
