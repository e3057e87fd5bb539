"""Journal: every trial of a search, in a storage of Optuna's: a kill loses nothing, and its dashboard can look in.

By default that is `journal.log` in the search's folder, a file that only grows; any other storage of Optuna's is named
by its URL. One process at a time writes it. A trial is a line when it begins and a few when it has ended; what was
half written when a process died never happened.
"""

from __future__ import annotations

import json
import math
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import DuplicatedStudyError, StorageInternalError
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from pennyweight.core.errors import RunError, UsageError
from pennyweight.core.files import writing
from pennyweight.core.text import command
from pennyweight.plan.samplers.distributions import distributions
from pennyweight.plan.space import Space
from pennyweight.plan.trial import Trial

FILE = "journal.log"

OURS, FACTS = "pennyweight:trial", "pennyweight:search"
"""The user attributes that hold a Trial, and the facts of the search, as JSON text."""

SYNC_S = 1.0
"""A power cut, not a kill, may take lines that were written within so long after others; their trainings are still in
their folders."""

STATES = {"done": TrialState.COMPLETE, "stopped": TrialState.PRUNED, "failed": TrialState.FAIL}


class Journal:
    """The trials of one search. `facts` are what it was begun with."""

    def __init__(self, path: Path, storage: BaseStorage, study: int, space: Space, trade: Sequence[str]) -> None:
        self._path, self._storage, self._study, self._space, self._trade = path, storage, study, space, tuple(trade)
        self._ids: dict[int, int] = {}

    @property
    def facts(self) -> dict[str, Any]:
        """What the search was begun with."""
        return _facts(self._storage, self._study)

    @staticmethod
    def create(
        folder: Path, name: str, space: Space, trade: Sequence[str], facts: Mapping[str, Any], url: str = ""
    ) -> Journal:
        """A new journal in `folder`, or in the storage at `url`. Raises RunError where it cannot be written."""
        directions = [StudyDirection.MAXIMIZE, *(StudyDirection.MINIMIZE for _ in trade)]
        with _keeping(folder / FILE):
            storage = _storage(folder / FILE, url)
            try:
                study = storage.create_new_study(directions, name)
            except DuplicatedStudyError as error:
                hint = "a search is called after its folder: choose another --out"
                raise RunError(f"the storage has a search called {name} already", hint=hint) from error
            storage.set_study_user_attr(study, FACTS, json.dumps(facts))
            storage.set_study_system_attr(study, "study:metric_names", ["validation accuracy", *trade])
        return Journal(folder / FILE, storage, study, space, trade)

    @staticmethod
    def open(folder: Path, name: str, url: str = "") -> Journal:
        """The journal that was begun in `folder`. Raises RunError where there is none or it is damaged."""
        path = folder / FILE
        if not url:
            _mend(path)
        with _keeping(path):
            storage = _storage(path, url)
            try:
                study = storage.get_study_id_from_name(name)
            except KeyError as error:
                raise RunError(f"{path.parent} has no search called {name} to resume", hint="search anew") from error
            with _reading(path):
                facts = _facts(storage, study)
                return Journal(path, storage, study, Space.from_toml(facts["space"]), facts["trade"])

    def begin(self, trial: Trial) -> None:
        """Keep a trial that is about to run."""
        frozen = create_trial(
            state=TrialState.RUNNING,
            params=trial.point.as_json(),
            distributions=distributions(self._space, trial.point),
            user_attrs={OURS: json.dumps(trial.as_json())},
        )
        with _keeping(self._path):
            self._ids[trial.number] = self._storage.create_new_trial(self._study, template_trial=frozen)

    def note(self, trial: Trial) -> None:
        """Keep what is new of a trial that goes on."""
        with _keeping(self._path):
            self._storage.set_trial_user_attr(self._ids[trial.number], OURS, json.dumps(trial.as_json()))

    def end(self, trial: Trial) -> None:
        """Keep what came of a trial that was begun."""
        own = self._ids[trial.number]
        values = None
        if trial.state == "done":
            errors, *costs = trial.axes(self._trade)
            values = [1 - errors, *costs]
        with _keeping(self._path):
            self._storage.set_trial_user_attr(own, OURS, json.dumps(trial.as_json()))
            self._storage.set_trial_state_values(own, STATES[trial.state], values)

    def trials(self) -> list[Trial]:
        """Every trial, in the order in which they began; what did not end is running.

        Raises RunError where one cannot be read.
        """
        found: list[Trial] = []
        with _keeping(self._path), _reading(self._path):
            kept = self._storage.get_all_trials(self._study, deepcopy=False)
        for frozen in kept:
            with _reading(self._path):
                trial = Trial.from_json(json.loads(frozen.user_attrs[OURS]))
                if trial.number != len(found) or not self._space.holds(trial.point):
                    raise ValueError(f"trial {trial.number} at place {len(found)}, {trial.point.key}")
            self._ids[trial.number] = frozen._trial_id
            if trial.ended and not frozen.state.is_finished():  # killed between the two lines of an end
                self.end(trial)
            found.append(trial)
        return found


class _File(JournalFileBackend):
    """Optuna's file, forced onto the disk once in SYNC_S at most: what a killed process wrote is there all the same."""

    def __init__(self, path: Path) -> None:
        self._path, self._mine, self._synced_s = path, JournalFileSymlinkLock(str(path)), -math.inf
        super().__init__(str(path), self._mine)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Add lines to the end."""
        lines = "".join(f"{json.dumps(log, separators=(',', ':'))}\n" for log in logs)
        self._mine.acquire()
        try:
            with self._path.open("ab") as file:
                file.write(lines.encode())
                file.flush()
                if time.monotonic() - self._synced_s >= SYNC_S:
                    os.fsync(file.fileno())
                    self._synced_s = time.monotonic()
        finally:
            self._mine.release()


def _storage(path: Path, url: str) -> BaseStorage:
    """The storage at `url`, or the file at `path`. Raises UsageError for a URL that no storage has."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if not url:
        with _reading(path):
            return JournalStorage(_File(path))
    try:
        return optuna.storages.get_storage(url)
    except ImportError as error:
        driver = getattr(error.__cause__ or error, "name", None)
        hint = f"pip install {driver}" if driver else "install the driver of that database"
        raise UsageError(f"the storage needs a driver: {error}", hint=hint) from error
    except Exception as error:  # each database has errors of its own
        hint = "such as postgresql://USER@HOST/DATABASE; the password may come from the environment (PGPASSWORD)"
        raise UsageError(f"the storage cannot be opened: {without_password(str(error))}", hint=hint) from error


def without_password(text: str) -> str:
    """A storage's URL, or a text with one in it, without its password.

    >>> without_password("postgresql://me:secret@host/trials")
    'postgresql://me@host/trials'
    >>> without_password("postgresql://host/trials?user=me&password=secret")
    'postgresql://host/trials?user=me&password='
    """
    return re.sub(r"\bpassword=[^&\s]*", "password=", re.sub(r"(://[^:@/\s]*):[^@/\s]*@", r"\1@", text))


@contextmanager
def _keeping(path: Path) -> Iterator[None]:
    """Turns what the disk or a database refuses into a RunError."""
    try:
        with writing(path):
            yield
    except StorageInternalError as error:
        raise RunError(
            f"the storage does not answer: {without_password(str(error.__cause__ or error))}",
            hint=f"see that it runs, then {command('search', '--resume', path.parent)}",
        ) from error


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turns whatever a damaged journal makes Optuna and us stumble over into a RunError."""
    try:
        yield
    except (AssertionError, AttributeError, LookupError, TypeError, ValueError, UsageError) as error:
        raise RunError(f"{path} is damaged: {error!r}", hint="search anew") from error


def _facts(storage: BaseStorage, study: int) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(storage.get_study_user_attrs(study)[FACTS])
    return facts


def _mend(path: Path) -> None:
    """Take away what a killed process left: a last line that is not whole, and its lock. Raises RunError.

    Such a line may even have its end, after a power cut; Optuna would pass over it, and stumble over what follows it.
    Whoever calls this holds the search's folder alone.
    """
    if not path.is_file():
        raise RunError(f"{path.parent} is no search that can be resumed: {path.name} is missing", hint="search anew")
    with writing(path), path.open("rb+") as file:
        content = file.read()
        whole = content.rfind(b"\n") + 1
        last = content.rfind(b"\n", 0, max(whole - 1, 0)) + 1
        try:
            json.loads(content[last:whole])
        except ValueError:
            whole = last
        if whole < len(content):
            file.truncate(whole)
            os.fsync(file.fileno())
    for leftover in path.parent.glob(f"{path.name}.lock*"):
        with suppress(OSError):
            leftover.unlink()
