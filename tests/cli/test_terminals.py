"""Real processes in poor terminals: 40 columns, no colour, no UTF-8, a pipe that closes, Ctrl-C at the start."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

QUICK = [
    ["--help"],
    ["train", "--help"],
    ["boards"],
    ["networks"],
    ["profile", "resnet8"],
    ["data", "digits"],
    ["doctor"],
]


def poor(tmp_path: Path, encoding: str, *commands: list[str]) -> subprocess.CompletedProcess[bytes]:
    """One process that answers these command lines in a terminal of 40 columns and of this encoding."""
    code = f"from pennyweight.__main__ import main\nfor each in {commands!r}: assert main(each) == 0, each"
    plain = {"COLUMNS": "40", "LANG": "C", "LC_ALL": "C", "TERM": "dumb", "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}
    told = {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, cwd=tmp_path, env=os.environ | plain | told, check=False
    )


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_every_quick_verb_is_readable_in_a_poor_terminal(tmp_path: Path, encoding: str) -> None:
    done = poor(tmp_path, encoding, *QUICK)
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode(encoding).splitlines()
    assert max(map(len, lines)) <= 40
    told = "\n".join(line for line in lines if str(tmp_path) not in line)
    assert "?" not in told
    assert "\\u" not in told
    assert "\x1b" not in told


def test_training_and_evaluating_are_readable_in_a_poor_terminal(tmp_path: Path) -> None:
    train = ["train", "digits", "mlp:hidden=8", "--set", "epochs=1", "--out", "r"]
    done = poor(tmp_path, "ascii", train, ["evaluate", "r"])
    out, err = done.stdout.decode("ascii"), done.stderr.decode("ascii")
    assert done.returncode == 0, err
    assert max(map(len, out.splitlines())) <= 60  # the next command is one line, to be copied
    assert "?" not in out + err
    assert "accuracy" in out


def test_what_no_stand_in_is_known_for_is_no_crash(tmp_path: Path) -> None:
    code = "from pennyweight.__main__ import main\nmain(['data', './кошки…'])"
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=tmp_path, env=environment, check=False)
    assert done.stderr.startswith(b"error: ./?????...: there is no such file")


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_a_reader_who_has_enough_after_one_line_hears_no_complaint(tmp_path: Path) -> None:
    command = f"'{sys.executable}' -m pennyweight networks --json | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, cwd=tmp_path, check=False)
    assert (done.stdout, done.stderr) == (b"{", b"")


@pytest.mark.skipif(os.name == "nt", reason="signals are another matter there")
@pytest.mark.parametrize("module", ["typer.main", "torch.nn"])
def test_an_interruption_while_modules_are_loaded_is_no_traceback(tmp_path: Path, module: str) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "pennyweight", "train", "digits", "mlp"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        next(line for line in process.stderr if line.rpartition("|")[2].strip().startswith(module))
        process.send_signal(signal.SIGINT)
        left = [line for line in process.stderr if not line.startswith("import time:")]
    assert process.returncode == 130
    assert "".join(left) in ("", "interrupted\n")
