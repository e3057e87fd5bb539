"""Run: the folder of one training. Nothing in it is pickled; its files are whole or absent, and one only grows.

settings.json            what was asked: source, network, recipe, device; the data's fingerprint and normalisation
graph.json               the network
environment.json         versions, processor, threads
openings.jsonl           a line for each time that the sealed test part was opened, written before the look
checkpoint.safetensors   while training: everything that the next epoch needs; gone when it has ended
weights.safetensors      when it has ended: parameters and running statistics
results.json             when it has ended: curves, figures, the checksums of settings, graph and weights, and its own
failure.json             where the loss stopped being a number: in which epoch, and in which words
evaluations/*.json       what `evaluate` found, one file a part or other source, its latest look; *.png shows mistakes
model-card.md            all of this for a reader: data, recipe, cost, accuracy, limits
tensorboard/             event files, where they were asked for

Checksums tell of accidents and careless edits. They are no proof against forgery: whoever writes a file can write its
checksum too, or take lines out of openings.jsonl.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pennyweight.core.errors import RunError
from pennyweight.core.files import DRAFT, write_bytes, write_json

SETTINGS, GRAPH, ENVIRONMENT, OPENINGS = "settings.json", "graph.json", "environment.json", "openings.jsonl"
CHECKPOINT, WEIGHTS, RESULTS = "checkpoint.safetensors", "weights.safetensors", "results.json"
FAILURE, EVALUATIONS = "failure.json", "evaluations"

ASKED = (SETTINGS, GRAPH)
"""The files that a training follows from. Its checkpoint holds their checksums."""

CHECKED = (*ASKED, WEIGHTS)
"""The files whose checksums the results hold: what a network answers follows from them."""

OWN_CHECKSUM = "sha256_of_the_rest"
"""The key under which the results hold the checksum of all else that they say."""


@dataclass(frozen=True, slots=True)
class Run:
    """One training's folder.

    Reading a file that is missing, half written or changed since the end of the training raises RunError; so does
    writing where that fails (a full disk, say), and the old file then stays.
    """

    folder: Path

    @staticmethod
    def create(folder: Path, settings: dict[str, Any], graph: dict[str, Any], environment: dict[str, Any]) -> Run:
        """A new run in `folder`, which must be empty or not there. With a checkpoint it can be resumed.

        Of several that are begun in one folder at once, one is; the others raise RunError.
        """
        with _writing(folder):
            try:
                folder.mkdir(parents=True, exist_ok=True)
                if any(folder.iterdir()):
                    raise FileExistsError
                (folder / OPENINGS).touch(exist_ok=False)
            except FileExistsError as error:
                raise RunError(
                    f"{folder} exists and is not empty",
                    hint=f"choose another --out, or pennyweight train --resume {folder}",
                ) from error
        for name, facts in ((GRAPH, graph), (ENVIRONMENT, environment), (SETTINGS, settings)):
            with _writing(folder / name) as path:
                write_json(path, facts)
        return Run(folder)

    @staticmethod
    def open(folder: Path) -> Run:
        """The run in `folder`, finished or not."""
        if not folder.is_dir():
            raise RunError(f"there is no run folder {folder}", hint="pennyweight train SOURCE NETWORK makes one")
        if not (folder / SETTINGS).is_file():
            raise RunError(f"{folder} is not a run: {SETTINGS} is missing", hint="train again into another folder")
        return Run(folder)

    @property
    def finished(self) -> bool:
        """Whether the training has ended."""
        return (self.folder / RESULTS).is_file()

    def read(self, name: str) -> dict[str, Any]:
        """The JSON object in the file called `name`."""
        try:
            facts = json.loads(self._content(name))
            if not isinstance(facts, dict):
                raise ValueError("it is not a JSON object")
            whole = name != RESULTS or facts.pop(OWN_CHECKSUM, None) == _sha256_of_facts(facts)
        except (ValueError, RecursionError) as error:
            hint = "bring the original file back, or train again"
            raise RunError(f"{self.folder}: {name} cannot be read: {error}", hint=hint) from error
        if not whole:
            raise self._changed([name])
        return facts

    def weights(self) -> bytes:
        """The weights file's content. Raises RunError where the training has not ended."""
        self.read(RESULTS)
        return self._content(WEIGHTS)

    def checkpoint(self) -> bytes:
        """The checkpoint's content."""
        return self._content(CHECKPOINT)

    def save(self, checkpoint: bytes) -> None:
        """Replace the checkpoint."""
        with _writing(self.folder / CHECKPOINT) as path:
            write_bytes(path, checkpoint)

    def withdraw(self) -> None:
        """Take a run away again that could not even begin, so that its folder is free."""
        for name in (SETTINGS, GRAPH, ENVIRONMENT, CHECKPOINT, OPENINGS):
            (self.folder / name).unlink(missing_ok=True)
        with suppress(OSError):
            self.folder.rmdir()

    def checksum(self, name: str) -> str:
        """SHA-256 of the file called `name`: 64 hexadecimal digits."""
        return _sha256(self._content(name))

    def check(self, asked: Mapping[str, str]) -> None:
        """Raises RunError with the names of the files that have not the checksums with which the training began."""
        if changed := [name for name in ASKED if self.checksum(name) != asked.get(name)]:
            raise self._changed(changed)

    def finish(self, weights: bytes, results: dict[str, Any], asked: Mapping[str, str]) -> None:
        """Write the weights and then the results; remove the checkpoint, and what failures and kills left behind.

        `asked` holds the checksums of the files with which the training began: changed since, they raise RunError.
        """
        self.check(asked)
        with _writing(self.folder / WEIGHTS) as path:
            write_bytes(path, weights)
        results = results | {"sha256": {**asked, WEIGHTS: _sha256(weights)}}
        with _writing(self.folder / RESULTS) as path:
            write_json(path, results | {OWN_CHECKSUM: _sha256_of_facts(results)})
        for leftover in (self.folder / CHECKPOINT, self.folder / FAILURE, *self.folder.glob(f".*{DRAFT}")):
            leftover.unlink(missing_ok=True)

    def count_opening(self) -> int:
        """Note that the sealed test part is about to be opened; returns how often that makes.

        Whoever looks calls this first: a look that is killed half way was a look.
        """
        self.openings()
        line = json.dumps({"at": datetime.now(UTC).isoformat(timespec="seconds")}).encode() + b"\n"
        with _writing(self.folder / OPENINGS) as path, path.open("ab", buffering=0) as file:
            written = file.write(line)
            if written < len(line):
                file.truncate(file.tell() - written)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
        return len(self.openings())

    def openings(self) -> list[dict[str, Any]]:
        """Each opening of the sealed test part, oldest first."""
        content = self._content(OPENINGS)
        try:
            openings = [json.loads(line) for line in content.splitlines()]
            whole = all(isinstance(opening["at"], str) for opening in openings) and content[-1:] in (b"", b"\n")
        except (ValueError, TypeError, LookupError, RecursionError):
            whole = False
        if not whole:
            raise self._changed([OPENINGS])
        return openings

    def note_failure(self, facts: dict[str, Any]) -> None:
        """Keep what ended a training before its time: `epoch` (from 1), `what` and `hint`."""
        with _writing(self.folder / FAILURE) as path:
            write_json(path, facts)

    def failure(self) -> dict[str, Any] | None:
        """What ended the training before its time; None where nothing did."""
        return self.read(FAILURE) if (self.folder / FAILURE).is_file() else None

    def keep_evaluation(self, name: str, facts: dict[str, Any]) -> None:
        """Replace the evaluation called `name`, a plain word such as `test`."""
        with _writing(self.folder / EVALUATIONS / f"{name}.json") as path:
            write_json(path, facts)

    def evaluations(self) -> dict[str, dict[str, Any]]:
        """Each evaluation by its name, in alphabetic order."""
        paths = sorted((self.folder / EVALUATIONS).glob("*.json"))
        return {path.stem: self.read(f"{EVALUATIONS}/{path.name}") for path in paths}

    def _content(self, name: str) -> bytes:
        try:
            content = (self.folder / name).read_bytes()
        except FileNotFoundError as error:
            hint = "train again, or bring the original file back"
            if name == RESULTS:
                hint = f"its training has not ended: pennyweight train --resume {self.folder}"
            raise RunError(f"{self.folder}: {name} is missing", hint=hint) from error
        except OSError as error:
            raise RunError(f"{self.folder}: {name} cannot be read: {error}") from error
        if name in CHECKED and self.finished:
            told = self.read(RESULTS).get("sha256")
            if not isinstance(told, dict) or _sha256(content) != told.get(name):
                raise self._changed([name])
        return content

    def _changed(self, names: list[str]) -> RunError:
        return RunError(
            f"{self.folder}: {' and '.join(names)} {'is' if len(names) == 1 else 'are'} not what the training wrote",
            hint=f"bring the original file{'s' * (len(names) > 1)} back, or train again",
        )


def fresh_folder(stem: str) -> Path:
    """A folder of one's own, made just now: `runs/stem-1`, or the first number that is free."""
    runs, number = Path("runs"), 1
    with _writing(runs):
        runs.mkdir(exist_ok=True)
    while True:
        with _writing(runs / f"{stem}-{number}") as folder:
            try:
                folder.mkdir()
                return folder
            except FileExistsError:
                number += 1


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _sha256_of_facts(facts: dict[str, Any]) -> str:
    """SHA-256 of what `facts` say, whatever their order and the spaces between them."""
    return _sha256(json.dumps(facts, sort_keys=True).encode())


@contextmanager
def _writing(path: Path) -> Iterator[Path]:
    """Turns what the disk refuses into a RunError."""
    try:
        yield path
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
        raise RunError(
            f"{path} cannot be written: {error.strerror or error}",
            hint="make room on the disk" if full else "choose another folder, or see who may write there",
        ) from error
