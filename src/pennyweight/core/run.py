"""Run: the folder of one training. Nothing in it is pickled, and every file is whole or absent.

settings.json            what was asked: source, network, recipe, device; the data's fingerprint and normalisation
graph.json               the network
environment.json         versions, processor, threads
checkpoint.safetensors   while training: everything that the next epoch needs; gone when it has ended
weights.safetensors      when it has ended: parameters and running statistics
results.json             when it has ended: curves, figures, and the checksums of settings, graph and weights
openings.json            how often, when and with what outcome the sealed test part was opened
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pennyweight.core.errors import RunError
from pennyweight.core.files import DRAFT, write_bytes, write_json

SETTINGS, GRAPH, ENVIRONMENT = "settings.json", "graph.json", "environment.json"
CHECKPOINT, WEIGHTS, RESULTS, OPENINGS = (
    "checkpoint.safetensors",
    "weights.safetensors",
    "results.json",
    "openings.json",
)
CHECKED = (SETTINGS, GRAPH, WEIGHTS)
"""The files whose checksums the results hold: what a network answers follows from them."""


@dataclass(frozen=True, slots=True)
class Run:
    """One training's folder.

    Reading a file that is missing, half written or changed since the end of the training raises RunError; so does
    writing where that fails (a full disk, say), and the old file then stays.
    """

    folder: Path

    @staticmethod
    def create(
        folder: Path,
        settings: dict[str, Any],
        graph: dict[str, Any],
        environment: dict[str, Any],
        checkpoint: bytes,
    ) -> Run:
        """A new run in `folder`, which must be empty or not there.

        The settings are written last: a folder that has them can be resumed.
        """
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise RunError(
                f"{folder} exists and is not empty",
                hint=f"choose another --out, or pennyweight train --resume {folder}",
            )
        run = Run(folder)
        run.save(checkpoint)
        for name, facts in ((GRAPH, graph), (ENVIRONMENT, environment), (SETTINGS, settings)):
            with _writing(folder / name) as path:
                write_json(path, facts)
        return run

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
        except (ValueError, RecursionError) as error:
            raise RunError(f"{self.folder}: {name} cannot be read: {error}") from error
        if not isinstance(facts, dict):
            raise RunError(f"{self.folder}: {name} is not a JSON object")
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

    def finish(self, weights: bytes, results: dict[str, Any]) -> None:
        """Write the weights and then the results; remove the checkpoint, and drafts that a kill left behind."""
        with _writing(self.folder / WEIGHTS) as path:
            write_bytes(path, weights)
        checksums = {name: _sha256(self._content(name)) for name in CHECKED}
        with _writing(self.folder / RESULTS) as path:
            write_json(path, results | {"sha256": checksums})
        for leftover in (self.folder / CHECKPOINT, *self.folder.glob(f".*{DRAFT}")):
            leftover.unlink(missing_ok=True)

    def count_opening(self, outcome: dict[str, Any]) -> int:
        """Note that the sealed test part was opened, with what came out; returns how often that makes."""
        openings = self.openings()
        openings.append({"at": datetime.now(UTC).isoformat(timespec="seconds")} | outcome)
        with _writing(self.folder / OPENINGS) as path:
            write_json(path, {"openings": openings})
        return len(openings)

    def openings(self) -> list[dict[str, Any]]:
        """Each opening of the sealed test part, oldest first."""
        if not (self.folder / OPENINGS).exists():
            return []
        openings = self.read(OPENINGS).get("openings")
        if not isinstance(openings, list):
            raise RunError(f"{self.folder}: {OPENINGS} is malformed")
        return openings

    def _content(self, name: str) -> bytes:
        try:
            content = (self.folder / name).read_bytes()
        except FileNotFoundError as error:
            hint = "" if name != RESULTS else f"its training has not ended: pennyweight train --resume {self.folder}"
            raise RunError(f"{self.folder}: {name} is missing", hint=hint) from error
        except OSError as error:
            raise RunError(f"{self.folder}: {name} cannot be read: {error}") from error
        if name in CHECKED and self.finished:
            told = self.read(RESULTS).get("sha256")
            if not isinstance(told, dict) or _sha256(content) != told.get(name):
                raise RunError(
                    f"{self.folder}: {name} is not what the training wrote (its checksum is not the one in {RESULTS})",
                    hint="train again, or bring the original file back",
                )
        return content


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextmanager
def _writing(path: Path) -> Iterator[Path]:
    """Turns what the disk refuses into a RunError."""
    try:
        yield path
    except OSError as error:
        raise RunError(
            f"{path} cannot be written: {error.strerror or error}",
            hint="make room on the disk, or see who may write there",
        ) from error
