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
integer/                 the network in int8, and what `quantize`, `evaluate --firmware` and `emulate` found of it
tensorboard/             event files, where they were asked for

Checksums tell of accidents and careless edits. They are no proof against forgery: whoever writes a file can write its
checksum too, or take lines out of openings.jsonl.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pennyweight.core.errors import RunError
from pennyweight.core.files import read_within, sweep, write_bytes, write_json, writing
from pennyweight.core.text import command

SETTINGS, GRAPH, ENVIRONMENT, OPENINGS = "settings.json", "graph.json", "environment.json", "openings.jsonl"
CHECKPOINT, WEIGHTS, RESULTS = "checkpoint.safetensors", "weights.safetensors", "results.json"
FAILURE, EVALUATIONS = "failure.json", "evaluations"

SEARCH = "search.json"
"""The file in the folder of a search, around its runs, that tells of all of them."""

ASKED = (SETTINGS, GRAPH)
"""The files that a training follows from. Its checkpoint holds their checksums."""

CHECKED = (*ASKED, WEIGHTS)
"""The files whose checksums the results hold: what a network answers follows from them."""

OWN_CHECKSUM = "sha256_of_the_rest"
"""The key under which the results hold the checksum of all else that they say."""

TEXT_MAX_BYTES = 64 << 20
TENSORS_MAX_BYTES = 4 << 30
"""No file of a run is larger; a larger one is not read."""


@dataclass(frozen=True, slots=True)
class Run:
    """One training's folder.

    Reading a file that is missing, half written, changed since the end of the training, too large or no file of this
    folder (a pipe, a link to elsewhere) raises RunError; so does writing where that fails (a full disk, say), and the
    old file then stays.
    """

    folder: Path

    @staticmethod
    def create(folder: Path, settings: dict[str, Any], graph: dict[str, Any], environment: dict[str, Any]) -> Run:
        """A new run in `folder`, which must be empty or not there. With a checkpoint it can be resumed.

        Of several that are begun in one folder at once, one is; the others raise RunError.
        """
        with writing(folder):
            try:
                folder.mkdir(parents=True, exist_ok=True)
                if any(folder.iterdir()):
                    raise FileExistsError
                (folder / OPENINGS).touch(exist_ok=False)
            except FileExistsError as error:
                raise RunError(
                    f"{folder} exists and is not empty",
                    hint=f"choose another --out, or {command('train', '--resume', folder)}",
                ) from error
        for name, facts in ((GRAPH, graph), (ENVIRONMENT, environment), (SETTINGS, settings)):
            with writing(folder / name) as path:
                write_json(path, facts)
        return Run(folder)

    @staticmethod
    def open(folder: Path | str) -> Run:
        """The run in `folder`, finished or not."""
        folder = Path(folder)
        try:
            there, whole = folder.is_dir(), (folder / SETTINGS).is_file()
        except OSError as error:  # a name that is too long, say
            raise RunError(f"{folder} cannot be opened: {error.strerror or error}") from error
        if not there:
            raise RunError(f"there is no run folder {folder}", hint="pennyweight train SOURCE NETWORK makes one")
        if not whole:
            raise RunError(f"{folder} is not a run: {SETTINGS} is missing", hint="train again into another folder")
        return Run(folder)

    @property
    def finished(self) -> bool:
        """Whether the training has ended."""
        return (self.folder / RESULTS).is_file()

    def read(self, name: str, *, checked: bool = True) -> dict[str, Any]:
        """The JSON object in the file called `name`; not `checked` also where the results tell no checksum of it."""
        try:
            facts = json.loads(self._content(name, checked=checked))
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
        with writing(self.folder / CHECKPOINT) as path:
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
        with writing(self.folder / WEIGHTS) as path:
            write_bytes(path, weights)
        results = results | {"sha256": {**asked, WEIGHTS: _sha256(weights)}}
        with writing(self.folder / RESULTS) as path:
            write_json(path, results | {OWN_CHECKSUM: _sha256_of_facts(results)})
        for leftover in (CHECKPOINT, FAILURE):
            (self.folder / leftover).unlink(missing_ok=True)
        sweep(self.folder)

    def count_opening(self) -> int:
        """Note that the sealed test part is about to be opened; returns how often that makes.

        Whoever looks calls this first: a look that is killed half way was a look.
        """
        self.openings()
        line = json.dumps({"at": datetime.now(UTC).isoformat(timespec="seconds")}).encode() + b"\n"
        with writing(self.folder / OPENINGS) as path, path.open("ab", buffering=0) as file:
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
        with writing(self.folder / FAILURE) as path:
            write_json(path, facts)

    def failure(self) -> dict[str, Any] | None:
        """What ended the training before its time; None where nothing did."""
        return self.read(FAILURE) if (self.folder / FAILURE).is_file() else None

    def keep_evaluation(self, name: str, facts: dict[str, Any]) -> Path:
        """The file of the evaluation called `name`, a plain word such as `test`, with `facts` in the old ones' place.

        The contact sheet of the old one is removed. Nothing is written where `evaluations` is a link.
        """
        with writing(self.subfolder(EVALUATIONS) / f"{name}.json") as path:
            write_json(path, facts)
            path.with_suffix(".png").unlink(missing_ok=True)
            sweep(path.parent)
        return path

    def keep_contact_sheet(self, name: str, png: bytes) -> Path:
        """The file beside the evaluation called `name` that shows its pictures."""
        with writing(self.subfolder(EVALUATIONS) / f"{name}.png") as path:
            write_bytes(path, png)
        return path

    def evaluations(self, left_out: dict[str, str] | None = None) -> dict[str, dict[str, Any]]:
        """Each evaluation by its name, in alphabetic order. `left_out` is told which cannot be read, and why."""
        found = {}
        for path in sorted((self.folder / EVALUATIONS).glob("*.json")):
            try:
                found[path.stem] = self.read(f"{EVALUATIONS}/{path.name}")
            except RunError as error:
                if left_out is not None:
                    left_out[path.stem] = str(error)
        return found

    def subfolder(self, name: str) -> Path:
        """The folder called `name` in this one, to write into. A link in its place raises RunError."""
        folder = self.folder / name
        if folder.is_symlink():
            raise RunError(f"{folder} is a link, and nothing is written through it", hint="remove the link")
        return folder

    def _content(self, name: str, *, checked: bool = True) -> bytes:
        try:
            content = read_within(
                self.folder, name, TENSORS_MAX_BYTES if name in (CHECKPOINT, WEIGHTS) else TEXT_MAX_BYTES
            )
        except FileNotFoundError as error:
            if name == RESULTS:
                raise self._without_results() from error
            hint = "train again, or bring the original file back"
            raise RunError(f"{self.folder}: {name} is missing", hint=hint) from error
        except OSError as error:
            raise RunError(f"{self.folder}: {name} cannot be read: {error}") from error
        if checked and name in CHECKED and self.finished:
            told = self.read(RESULTS).get("sha256")
            if not isinstance(told, dict) or _sha256(content) != told.get(name):
                raise self._changed([name])
        return content

    def _without_results(self) -> RunError:
        failure = self.failure()
        if failure is None:
            way = f"to go on: {command('train', '--resume', self.folder)}"
            return RunError(f"{self.folder}: its training has not ended: {RESULTS} is missing", hint=way)
        what = failure.get("what") or f"see {FAILURE}"
        return RunError(f"{self.folder}: its training broke down: {what}", hint=command("diagnose", self.folder))

    def _changed(self, names: list[str]) -> RunError:
        return RunError(
            f"{self.folder}: {' and '.join(names)} {'is' if len(names) == 1 else 'are'} not what the training wrote",
            hint=f"bring the original file{'s' * (len(names) > 1)} back, or train again",
        )


def fresh_folder(stem: str) -> Path:
    """A folder of one's own, made just now: `runs/stem-1`, or the first number that is free."""
    runs, number = Path("runs"), 1
    with writing(runs):
        runs.mkdir(exist_ok=True)
    while True:
        with writing(runs / f"{stem}-{number}") as folder:
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
