"""Run: the folder of one training. Nothing in it is pickled, and every file is whole or absent.

settings.json            what was asked: source, network, recipe, device; the data's fingerprint and normalisation
graph.json               the network
environment.json         versions, processor, threads
checkpoint.safetensors   while training: everything that the next epoch needs; gone when it has ended
weights.safetensors      when it has ended: parameters and running statistics
results.json             when it has ended: curves, figures, and the checksum of the weights
openings.json            how often, when and with what outcome the sealed test part was opened
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pennyweight.core.errors import RunError
from pennyweight.core.files import write_bytes, write_json

SETTINGS, GRAPH, ENVIRONMENT = "settings.json", "graph.json", "environment.json"
CHECKPOINT, WEIGHTS, RESULTS, OPENINGS = (
    "checkpoint.safetensors",
    "weights.safetensors",
    "results.json",
    "openings.json",
)


@dataclass(frozen=True, slots=True)
class Run:
    """One training's folder. Reading a file that is missing, half written or changed raises RunError."""

    folder: Path

    @staticmethod
    def create(folder: Path, settings: dict[str, Any], graph: dict[str, Any], environment: dict[str, Any]) -> Run:
        """A new run in `folder`, which must be empty or not there; the settings are written last."""
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise RunError(
                f"{folder} exists and is not empty",
                hint=f"choose another --out, or pennyweight train --resume {folder}",
            )
        write_json(folder / GRAPH, graph)
        write_json(folder / ENVIRONMENT, environment)
        write_json(folder / SETTINGS, settings)
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
            facts = json.loads((self.folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            hint = "" if name != RESULTS else f"its training has not ended: pennyweight train --resume {self.folder}"
            raise RunError(f"{self.folder}: {name} is missing", hint=hint) from error
        except (ValueError, OSError) as error:
            raise RunError(f"{self.folder}: {name} cannot be read: {error}") from error
        if not isinstance(facts, dict):
            raise RunError(f"{self.folder}: {name} is not a JSON object")
        return facts

    def weights(self) -> bytes:
        """The weights file's content, checked against its checksum in the results."""
        told = self.read(RESULTS).get("weights_sha256")
        try:
            content = (self.folder / WEIGHTS).read_bytes()
        except OSError as error:
            raise RunError(f"{self.folder}: {WEIGHTS} cannot be read: {error}") from error
        if hashlib.sha256(content).hexdigest() != told:
            raise RunError(
                f"{self.folder}: {WEIGHTS} is not what the training wrote (its checksum is not the one in {RESULTS})",
                hint="train again, or bring the original file back",
            )
        return content

    def finish(self, weights: bytes, results: dict[str, Any]) -> None:
        """Write the weights and then the results, and remove the checkpoint."""
        write_bytes(self.folder / WEIGHTS, weights)
        write_json(self.folder / RESULTS, results | {"weights_sha256": hashlib.sha256(weights).hexdigest()})
        (self.folder / CHECKPOINT).unlink(missing_ok=True)

    def count_opening(self, outcome: dict[str, Any]) -> int:
        """Note that the sealed test part was opened, with what came out; returns how often that makes."""
        openings = self.openings()
        openings.append({"at": datetime.now(UTC).isoformat(timespec="seconds")} | outcome)
        write_json(self.folder / OPENINGS, {"openings": openings})
        return len(openings)

    def openings(self) -> list[dict[str, Any]]:
        """Each opening of the sealed test part, oldest first."""
        if not (self.folder / OPENINGS).exists():
            return []
        openings = self.read(OPENINGS).get("openings")
        if not isinstance(openings, list):
            raise RunError(f"{self.folder}: {OPENINGS} is malformed")
        return openings
