"""Files that are whole or not there, whatever happens while they are written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from pennyweight.core.files import write_bytes, write_json

FullDisk = Callable[[int], AbstractContextManager[None]]


def test_a_file_and_the_folders_above_it_come_to_be(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    write_bytes(path, b"newer")
    assert path.read_bytes() == b"newer"
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path, full_disk: FullDisk) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")
    with full_disk(1000), pytest.raises(OSError, match="too large"):
        write_bytes(path, bytes(100_000))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_as_json_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    write_json(path, {"é": [1, None]})
    for odd in ({"loss": float("nan")}, {"loss": float("inf")}):
        with pytest.raises(ValueError, match="JSON"):
            write_json(path, odd)
    assert json.loads(path.read_text(encoding="utf-8")) == {"é": [1, None]}
    assert list(tmp_path.iterdir()) == [path]


def test_others_may_read_the_file_as_far_as_the_umask_lets_them(tmp_path: Path) -> None:
    umask = os.umask(0o022)
    try:
        write_bytes(tmp_path / "file", b"")
    finally:
        os.umask(umask)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


REWRITE = """
import sys
from pathlib import Path
from pennyweight.core.files import write_bytes
path, number = Path(sys.argv[1]), 0
while True:
    number = (number + 1) % 256
    write_bytes(path, bytes([number]) * 3_000_000)
"""


def test_a_kill_at_any_moment_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for wait_s in (0.0, 0.013, 0.029):
        path.unlink(missing_ok=True)
        writer = subprocess.Popen([sys.executable, "-c", REWRITE, str(path)])
        while not path.exists():
            assert writer.poll() is None
            time.sleep(0.005)
        time.sleep(wait_s)
        writer.kill()
        writer.wait()
        content = path.read_bytes()
        assert len(content) == 3_000_000
        assert len(set(content)) == 1
