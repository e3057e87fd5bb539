"""Ctrl-C in the middle of a training."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


@pytest.mark.skipif(os.name == "nt", reason="signals are another matter there")
def test_an_interrupted_training_says_how_to_go_on(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "pennyweight", "train", "digits", "mlp", "--set", "epochs=100000"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("runs/*/settings.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    (run,) = (tmp_path / "runs").iterdir()
    assert process.returncode == 130
    assert out == ""
    assert err.splitlines()[-1] == f"interrupted; to go on: pennyweight train --resume runs/{run.name}"
