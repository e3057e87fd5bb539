"""A run of each kind, made without training: only what a report reads."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pennyweight.core.files import write_json
from pennyweight.core.run import Run
from pennyweight.core.version import VERSION
from pennyweight.data.decode import encode_png
from pennyweight.fit.accuracy import Accuracy
from pennyweight.net.cost import cost
from pennyweight.net.zoo import build_network

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(2)>",
    "".join(chr(0x0628 + place % 20) for place in range(200)),
    "two\nlines and a \x1b[31m colour",
    "\u202eright to left\u200f",
    '"><svg onload=alert(3)> {{ 7 * 7 }} ${x} %{y} &amp;',
    "<a href='javascript:alert(4)'>link</a><b>bold</b>",
)
"""Names of classes that somebody may have."""


class Folders:
    """Makes run folders and search folders under `root`."""

    hostile = HOSTILE

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(
        self,
        name: str = "run",
        network: str = "pooled-resnet:width=4",
        *,
        class_names: Sequence[str] = tuple("0123456789"),
        epochs: int = 8,
        finished: bool = True,
        settings: dict[str, Any] | None = None,
    ) -> Path:
        """A run that learned steadily."""
        graph = build_network(network, (8, 8, 1), len(class_names))
        asked = {
            "pennyweight": VERSION,
            "created": "2026-11-21T12:00:00+00:00",
            "source": "digits",
            "input_shape": [8, 8, 1],
            "class_names": list(class_names),
            "fingerprint": "12155e587a64bdc0" * 4,
            "network": graph.text,
            "recipe": {"epochs": epochs, "batch": 64, "optimizer": "muon", "seed": 0},
            "device": "cpu",
        }
        run = Run.create(
            self.root / name, asked | (settings or {}), graph.to_json(), {"python": "3.11.7", "threads": 1}
        )
        if finished:
            checksums = {file: run.checksum(file) for file in ("settings.json", "graph.json")}
            results = {
                "parameters": cost(graph).parameters,
                "validation_correct": 280,
                "validation_n": 287,
                "epochs": epochs,
                "seconds": 1.5,
                "curves": [row(epoch, epochs) for epoch in range(1, epochs + 1)],
            }
            run.finish(b"weights", results, checksums)
        return run.folder

    def evaluate(self, run: Path, part: str = "test", **changes: Any) -> None:
        """Keep an evaluation in a run."""
        names = json.loads((run / "settings.json").read_bytes())["class_names"]
        Run(run).keep_evaluation(part, evaluation(names) | {"part": part} | changes)

    def deploy(self, run: Path, *, board: str = "microbit-v1", **changes: Any) -> None:
        """Keep what `quantize`, `evaluate --firmware` and `emulate` leave in a run; `changes` are of the last."""
        (run / "integer").mkdir(exist_ok=True)
        for name, facts in deployment(Run(run).checksum("weights.safetensors"), board).items():
            write_json(run / "integer" / name, facts | (changes if name.startswith("emulated") else {}))

    def search(
        self, name: str = "search", trials: int = 4, *, class_names: Sequence[str] = tuple("0123456789")
    ) -> Path:
        """A search whose last training won; after it another was stopped and one failed."""
        entries = []
        for place in range(1, trials + 1):
            network = f"pooled-resnet:width={4 * place}"
            folder = self.run(f"{name}/trial-{place:02}", network, class_names=class_names)
            price, right = cost(build_network(network, (8, 8, 1), len(class_names))), Accuracy(250 + place, 287)
            entries.append(
                {
                    "run": f"elsewhere/{folder.name}",
                    "network": network,
                    "test_accuracy": None,
                    "interval": None,
                    "n": None,
                    "validation_accuracy": right.share,
                    "validation_interval": list(right.interval),
                    "validation_n": right.n,
                    "parameters": price.parameters,
                    "macs": price.macs,
                    "flash_bytes": price.flash_bytes,
                    "ram_bytes": price.ram_bytes,
                    "peak_ram_bytes": price.peak_ram_bytes,
                    "latency_ms": None,
                    "price_usd": 0.1,
                    "epochs": 8,
                    "seconds": 1.5,
                    "number": place - 1,
                    "choice": {
                        "network": "pooled-resnet",
                        "pooled-resnet.width": 4 * place,
                        "recipe.learning_rate": 0.01 * (1 + place % 3),
                    },
                    "state": "done",
                    "purpose": "full",
                    "why": "",
                    "ended_s": 1.5 * place,
                    "seed": 0,
                    "accuracies": [row(epoch, 8)["validation_accuracy"] for epoch in range(1, 9)],
                }
            )
        begun = entries[0] | {"validation_accuracy": None, "validation_interval": None, "validation_n": None}
        stopped = {"state": "stopped", "why": "it could not reach the front any more", "accuracies": [0.3, 0.4]}
        failed = {"state": "failed", "why": "the loss became nan", "accuracies": []}
        facts = {
            "source": "digits",
            "budget": {"flash_bytes": 16384, "ram_bytes": 2048, "minutes": 2.0},
            "board": "ch32v003",
            "considered": 44,
            "feasible": 15,
            "minutes": 1.9,
            "trials": entries,
            "unfinished": [
                begun | {"run": f"elsewhere/trial-{number:02}", "number": number} | ended
                for number, ended in ((trials, stopped), (trials + 1, failed))
            ],
            "trade": ["macs", "flash_bytes"],
            "over_seeds": {"mean": 0.871, "deviation": 0.0123, "seeds": 3},
            "front": [entries[0], entries[-1]],
            "winner": entries[-1],
            "notes": ["the winner was chosen on the validation part"],
        }
        write_json(self.root / name / "search.json", facts)
        return self.root / name


def row(epoch: int, epochs: int) -> dict[str, Any]:
    """An epoch of a training that goes well."""
    loss = 2.2 * math.exp(-6 * epoch / epochs) + 0.05
    return {
        "epoch": epoch,
        "train_loss": loss,
        "train_accuracy": 1 - loss / 2.6,
        "validation_loss": loss + 0.03,
        "validation_accuracy": 1 - (loss + 0.03) / 2.6,
        "learning_rate": 0.03 * (1 - epoch / epochs),
        "images_per_s": 10_000.0,
        "seconds": 0.1,
    }


def evaluation(names: Sequence[str]) -> dict[str, Any]:
    """An evaluation in which each class was once taken for the next one."""
    import numpy as np

    classes = len(names)
    png = base64.b64encode(encode_png(np.arange(64, dtype=np.uint8).reshape(8, 8, 1))).decode()
    accuracy = Accuracy(9 * classes, 10 * classes)
    mistakes = [
        {"index": i, "true": names[i], "answer": names[i - 1], "confidence": 0.9, "png_base64": png}
        for i in range(min(classes, 24))
    ]
    return {
        "source": "digits",
        "accuracy": accuracy.share,
        "correct": accuracy.correct,
        "interval": list(accuracy.interval),
        "n": accuracy.n,
        "loss": 0.2,
        "classes": list(names),
        "confusion": [[9 * (i == j) + (j == (i + 1) % classes) for j in range(classes)] for i in range(classes)],
        "test_openings": 1,
        "per_class": [{"name": name, "precision": 0.9, "recall": 0.9, "f1": 0.9, "n": 10} for name in names],
        "calibration_error": 0.031,
        "reliability": [
            {"confidence": 0.5, "accuracy": 0.25, "n": 4},
            {"confidence": 0.95, "accuracy": 0.93, "n": 10 * classes - 4},
        ],
        "mistakes": mistakes,
        "photos": [],
        "timing": {
            "batch1_ms": 0.2,
            "best_batch": 256,
            "best_batch_ms_per_image": 0.01,
            "threads": 1,
            "device": "cpu",
        },
    }


def deployment(checksum: str, board: str) -> dict[str, dict[str, Any]]:
    """The files of a network that lost a little in int8, and ran on a board."""
    created = {"created": "2026-11-21T13:00:00+00:00", "source": "digits"}
    layer = {"name": "conv1", "op": "conv", "macs": 900, "instructions": 3600, "cycles": 5000.0, "weight_bytes": 640}
    return {
        "results.json": created
        | {
            "part": "validation",
            "n": 287,
            "float_correct": 280,
            "int8_correct": 279,
            "only_float_right": 2,
            "only_int8_right": 1,
            "weight_bytes": 2000,
            "fine_tuned_epochs": 2,
            "sha256": {"weights.safetensors": checksum},
        },
        "firmware-test.json": created
        | {
            "part": "test",
            "n": 359,
            "correct": 350,
            "against_float": {"correct": 351, "only_float_right": 1, "only_firmware_right": 0},
        },
        f"emulated-{board}.json": created
        | {
            "board": board,
            "agrees": True,
            "images": 20,
            "macs": 1000,
            "instructions": 4600,
            "latency_ms": 12.5,
            "latency_error": 0.3,
            "flash": {"weights_bytes": 2000, "code_bytes": 3000, "constants_bytes": 8, "initial_values_bytes": 0}
            | {"available_bytes": 1 << 18},
            "ram": {"activations_bytes": 700, "variables_bytes": 0, "stack_bytes": 324, "available_bytes": 1 << 14},
            "layers": [layer, layer | {"name": "<b>pool", "macs": 0, "instructions": 1000}],
        },
    }


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)
