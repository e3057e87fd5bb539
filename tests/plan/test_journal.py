"""The journal: a kill at any moment loses nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from random import Random

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from pennyweight.core.errors import RunError, UsageError
from pennyweight.fit.accuracy import Accuracy
from pennyweight.plan.journal import FILE, Journal
from pennyweight.plan.space import Space
from pennyweight.plan.trial import Trial

SPACE = Space.from_toml(
    '[networks.mlp]\nhidden = ["8", "16"]\ndropout = { low = 0, high = 0.5 }\n'
    "[networks.pooled-resnet]\nwidth = { low = 4, high = 8 }\n[recipe]\nflip = [true, false]"
)
TRADE = ("macs", "latency_ms")
FACTS = {"space": SPACE.text, "trade": list(TRADE), "source": "digits\u2028\x1b"}
NAME = "a search"


def trial(number: int) -> Trial:
    point = SPACE.draw(Random(number))
    return Trial(number, point, point.network, {"macs": 10.0 * number, "latency_ms": None}, 5)


def done(begun: Trial) -> Trial:
    return replace(begun, state="done", validation=Accuracy(90, 100), accuracies=(0.5, 0.9), seconds=1.0)


def filled(folder: Path, url: str = "") -> list[Trial]:
    """A journal with a trial of every state; its trials."""
    journal = Journal.create(folder, NAME, SPACE, TRADE, FACTS, url)
    begun = [trial(number) for number in range(5)]
    ended = [
        done(begun[0]),
        replace(begun[1], state="stopped", why="no use", accuracies=(0.1,)),
        replace(begun[2], state="failed", why="loss is nan"),
        done(begun[3]),
    ]
    for each in begun:
        journal.begin(each)
    for each in reversed(ended):
        journal.end(each)
    return [*ended, begun[4]]


def test_what_was_kept_is_read_back(tmp_path: Path) -> None:
    kept = filled(tmp_path)
    journal = Journal.open(tmp_path, NAME)
    assert journal.facts == FACTS
    assert journal.trials() == kept


def test_a_search_goes_on_where_it_was(tmp_path: Path) -> None:
    kept = filled(tmp_path)
    journal = Journal.open(tmp_path, NAME)
    journal.trials()
    journal.end(done(kept[4]))
    journal.begin(trial(5))
    assert Journal.open(tmp_path, NAME).trials() == [*kept[:4], done(kept[4]), trial(5)]


def test_a_kill_at_any_byte_leaves_a_journal_that_opens_without_loss(tmp_path: Path) -> None:
    filled(tmp_path)
    path = tmp_path / FILE
    content = path.read_bytes()
    lines = content.splitlines(keepends=True)
    cuts = [
        len(b"".join(lines[:count])) + extra
        for count in range(3, len(lines))
        for extra in (0, 1, len(lines[count]) - 1)
    ]
    for cut in cuts:
        path.write_bytes(content[:cut])
        (tmp_path / f"{FILE}.lock").symlink_to(path)
        trials = Journal.open(tmp_path, NAME).trials()
        begun = sum(b'"op_code":4' in line for line in content[:cut].splitlines(keepends=True) if line.endswith(b"\n"))
        assert [each.number for each in trials] == list(range(begun))
        assert not list(tmp_path.glob("*.lock*"))
        assert Journal.open(tmp_path, NAME).trials() == trials


def test_what_is_written_in_a_row_waits_for_the_disk_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, synced = Journal.create(tmp_path, NAME, SPACE, TRADE, FACTS), list[int]()
    monkeypatch.setattr(os, "fsync", synced.append)
    monkeypatch.setattr(time, "monotonic", lambda: 1e9)
    for number in range(3):
        journal.begin(trial(number))
        journal.end(done(trial(number)))
    assert len(synced) == 1
    assert Journal.open(tmp_path, NAME).trials() == [done(trial(number)) for number in range(3)]


@pytest.mark.parametrize("torn", [b"garbage\n", b"\xff\xfe\n", b"\0" * 80 + b"\n", b"\0" * 80, b'{"op_code":\n'])
def test_a_last_line_that_a_power_cut_spoilt_is_taken_away(tmp_path: Path, torn: bytes) -> None:
    kept = filled(tmp_path)
    with (tmp_path / FILE).open("ab") as file:
        file.write(torn)
    journal = Journal.open(tmp_path, NAME)
    assert journal.trials() == kept
    journal.begin(trial(5))
    assert Journal.open(tmp_path, NAME).trials() == [*kept, trial(5)]


def test_a_trial_that_was_ended_by_half_is_ended_wholly(tmp_path: Path) -> None:
    kept = filled(tmp_path)
    path = tmp_path / FILE
    lines = path.read_bytes().splitlines(keepends=True)
    assert b'"op_code":6' in lines[-1]
    path.write_bytes(b"".join(lines[:-1]))
    assert Journal.open(tmp_path, NAME).trials() == kept
    states = [each.state.name for each in study(path).trials]
    assert states == ["COMPLETE", "PRUNED", "FAIL", "COMPLETE", "RUNNING"]


def study(path: Path) -> optuna.Study:
    """What Optuna itself, and so its dashboard, sees."""
    return optuna.load_study(study_name=NAME, storage=JournalStorage(JournalFileBackend(str(path))))


def test_optuna_sees_the_same_trials(tmp_path: Path) -> None:
    kept = filled(tmp_path)
    seen = study(tmp_path / FILE)
    assert seen.metric_names == ["validation accuracy", *TRADE]
    assert [each.params for each in seen.trials] == [each.point.as_json() for each in kept]
    assert seen.trials[3].values == [pytest.approx(0.9), 30.0, float("inf")]


def test_what_is_no_search_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"journal\.log is missing"):
        Journal.open(tmp_path, NAME)
    filled(tmp_path)
    with pytest.raises(RunError, match="no search called another"):
        Journal.open(tmp_path, "another")
    with pytest.raises(RunError, match="already"):
        Journal.create(tmp_path, NAME, SPACE, TRADE, FACTS)


@pytest.mark.parametrize(
    "damage",
    [
        b"garbage\n",
        b"[]\n",
        b"{}\n",
        b"null\n",
        b'{"op_code": 99, "worker_id": "x"}\n',
        b"\xff\xfe\n",
        b"\0" * 80 + b"\n",
    ],
)
@pytest.mark.parametrize("line", [0, 1, 4, -2])
def test_a_damaged_journal_is_refused(tmp_path: Path, damage: bytes, line: int) -> None:
    filled(tmp_path)
    path = tmp_path / FILE
    lines = path.read_bytes().splitlines(keepends=True)
    lines[line] = damage
    path.write_bytes(b"".join(lines))
    with pytest.raises(RunError, match="damaged"):
        Journal.open(tmp_path, NAME).trials()


@pytest.mark.parametrize(("old", "new"), [(b"networks.mlp", b"networks.mpl"), (b'\\"epochs\\": 5', b'\\"epocks\\": 5')])
def test_a_journal_whose_facts_are_strange_is_refused(tmp_path: Path, old: bytes, new: bytes) -> None:
    filled(tmp_path)
    path = tmp_path / FILE
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))
    with pytest.raises(RunError, match="damaged"):
        Journal.open(tmp_path, NAME).trials()


def test_a_full_disk_is_an_error_with_a_hint_and_what_was_kept_stays(
    tmp_path: Path, full_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    kept = filled(tmp_path)
    journal = Journal.open(tmp_path, NAME)
    journal.trials()
    with full_disk((tmp_path / FILE).stat().st_size + 100), pytest.raises(RunError, match=r"journal\.log") as caught:
        journal.begin(trial(5))
    assert "room" in caught.value.hint
    assert Journal.open(tmp_path, NAME).trials() == kept


@pytest.mark.parametrize("url", ["nosuchdatabase://here", "postgresql+nodriver://here/x", "rubbish"])
def test_a_storage_that_does_not_exist_is_a_usage_error(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError) as caught:
        Journal.create(tmp_path, NAME, SPACE, TRADE, FACTS, url)
    assert caught.value.hint


def test_an_sqlite_storage_keeps_the_same(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/trials.db"
    kept = filled(tmp_path, url)
    assert Journal.open(tmp_path, NAME, url).trials() == kept
    with pytest.raises(RunError, match="no search called another"):
        Journal.open(tmp_path, "another", url)


class Postgres:
    """A private server of PostgreSQL; it listens on a socket in its own folder only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self._as_user:
            shutil.chown(folder, "postgres")
        self._run("initdb", "-D", f"{folder}/data", "-U", "tester", "-A", "trust", "--no-sync")
        self.start()

    @property
    def url(self) -> str:
        return f"postgresql+psycopg2://tester:s3cret@/postgres?host={self.folder}"

    def start(self) -> None:
        options = f"-k {self.folder} -c listen_addresses='' -F"
        self._run("pg_ctl", "-D", f"{self.folder}/data", "-o", options, "-l", f"{self.folder}/log", "-w", "start")

    def stop(self) -> None:
        if (self.folder / "data" / "postmaster.pid").exists():
            self._run("pg_ctl", "-D", f"{self.folder}/data", "-m", "immediate", "-w", "stop")

    def _run(self, *words: str) -> None:
        said = subprocess.run(
            [*self._as_user, *words], cwd="/", capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
        )
        assert said.returncode == 0, said.stdout + said.stderr


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    if not all(map(shutil.which, ("postgres", "initdb", "pg_ctl"))):
        pytest.skip("no PostgreSQL server on the PATH")
    if os.geteuid() == 0 and not shutil.which("runuser"):
        pytest.skip("PostgreSQL does not run as root, and there is no runuser")
    pytest.importorskip("psycopg2", reason="psycopg2 is not installed")
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # tmp_path is closed to other users, and long for a socket
    server = None
    try:
        server = Postgres(folder)
        yield server
    finally:
        if server:
            server.stop()
        shutil.rmtree(folder)


def test_postgresql_keeps_the_same_and_a_server_that_dies_loses_nothing(tmp_path: Path, postgres: Postgres) -> None:
    kept = filled(tmp_path, postgres.url)
    journal = Journal.open(tmp_path, NAME, postgres.url)
    assert journal.facts == FACTS
    assert journal.trials() == kept
    postgres.stop()
    with pytest.raises(RunError, match="does not answer") as caught:
        journal.begin(trial(5))
    assert "s3cret" not in str(caught.value) + caught.value.hint
    with pytest.raises(UsageError) as refused:
        Journal.open(tmp_path, NAME, postgres.url)
    assert "s3cret" not in str(refused.value) + refused.value.hint
    postgres.start()
    resumed = Journal.open(tmp_path, NAME, postgres.url)
    assert resumed.trials() == kept
    resumed.end(done(kept[4]))
    assert Journal.open(tmp_path, NAME, postgres.url).trials() == [*kept[:4], done(kept[4])]
