"""Files that are whole or not there, whatever happens while they are written."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from pennyweight.core.errors import RunError
from pennyweight.core.files import STALE_S, held_alone, read_within, sweep, write_bytes, write_json

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


def test_threads_that_write_one_file_at_once_leave_one_whole_content(tmp_path: Path) -> None:
    contents = [bytes([number]) * 300_000 for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda content: write_bytes(tmp_path / "file", content), contents * 5))
    assert (tmp_path / "file").read_bytes() in contents
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(os.name != "posix", reason="elsewhere no folder can be opened")
def test_the_folder_is_flushed_after_the_file_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed, flush = [], os.fsync

    def watched(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        flushed.append((kind, (tmp_path / "file").exists()))
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    write_bytes(tmp_path / "file", b"new")
    assert flushed == [("file", False), ("folder", True)]


@pytest.mark.skipif(os.name != "posix", reason="elsewhere it cannot be told whether a process lives")
def test_only_drafts_of_dead_processes_and_old_ones_are_swept(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    names = {
        f".a.{ended.pid}.0123abcd.draft": False,
        f".a.{os.getpid()}.0123abcd.draft": True,
        f".a.{os.getppid()}.0123abcd.draft": True,
        f".a.{'9' * 50}.0123abcd.draft": False,
        ".old.draft": False,
        ".unknown.draft": True,
        "plain.draft": True,
    }
    for name in names:
        (tmp_path / name).touch()
    long_ago = time.time() - STALE_S - 60
    os.utime(tmp_path / ".old.draft", (long_ago, long_ago))
    sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {name for name, stays in names.items() if stays}


def test_what_is_no_file_of_the_folder_or_too_large_is_not_read(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "file").write_bytes(b"12345")
    (tmp_path / "secret").write_bytes(b"secret")
    (folder / "inner").symlink_to("sub/file")
    (folder / "outer").symlink_to("../secret")
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "pipe")
    assert read_within(folder, "sub/file", 5) == read_within(folder, "inner", 5) == b"12345"
    for name, reason in (
        ("outer", "outside of the folder"),
        ("../secret", "outside of the folder"),
        ("loop", "itself|symbolic links"),
        ("pipe", "no regular file"),
        ("sub", "no regular file"),
    ):
        with pytest.raises(OSError, match=reason):
            read_within(folder, name, 5)
    with pytest.raises(OSError, match=re.escape("larger than 4 bytes")):
        read_within(folder, "sub/file", 4)
    with pytest.raises(FileNotFoundError):
        read_within(folder, "nothing", 5)


def test_a_device_is_written_to_and_never_replaced() -> None:
    write_bytes(Path("/dev/null"), b"nothing")
    assert Path("/dev/null").is_char_device()


def test_a_file_is_held_by_one_process_at_a_time_and_by_nobody_once_that_is_dead(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    hold = (
        "import sys, pathlib; from pennyweight.core.files import held_alone\n"
        "with held_alone(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", hold, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == b"held"
        with pytest.raises(RunError, match="another process"), held_alone(path):
            pass
        other.kill()
        other.wait()
    with held_alone(path):
        pass
