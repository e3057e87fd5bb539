"""What the benches share: their options, the data, the machine they ran on, and the verdict on each bar."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from pennyweight import LabelledImages, open_source
from pennyweight.fit.device import choose_device, environment

UNPACK = Path(__file__).parents[2] / "shared" / "data" / "unpack.py"
QUICK_IMAGES = 512


@dataclass(frozen=True)
class Bar:
    """What was claimed and what came out; `met` is None where it could not be judged."""

    claim: str
    found: str
    met: bool | None

    def __str__(self) -> str:
        verdict = {True: "met", False: "NOT met", None: "not judged"}[self.met]
        return f"bar: {self.claim}: {self.found}: {verdict}"


def options(description: str | None, *, seeds: int) -> argparse.ArgumentParser:
    """A parser with the options that every bench has."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--data-dir", type=Path, help="folder of the data sets (PENNYWEIGHT_DATA, else ../shared)")
    parser.add_argument("--seeds", type=int, default=seeds, help="how many seeds, from 0 (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="a few hundred images, one epoch: shows that it runs")
    return parser


@contextmanager
def data_folder(told: Path | None) -> Iterator[Path | None]:
    """The folder that was told; else the shared sets unpacked for as long as needed; None: the usual places."""
    if told or "PENNYWEIGHT_DATA" in os.environ or not UNPACK.is_file():
        yield told
        return
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, str(UNPACK), folder], check=True, stdout=subprocess.DEVNULL)
        yield Path(folder)


def read(source: str, folder: Path | None, *, quick: bool) -> LabelledImages:
    """The images of a source; a few of them if it is to be quick."""
    images = open_source(source, data_dir=folder)
    if not quick:
        return images
    few = np.arange(QUICK_IMAGES)
    return dataclasses.replace(images, learning=images.learning.take(few), sealed=images.sealed.take(few))


def machine() -> dict[str, Any]:
    """What a figure's reader must know: date, processor, threads, versions, and how busy it was at the start."""
    facts = environment(choose_device("cpu")) | {
        "cores": os.cpu_count(),
        "load_at_start": [round(load, 2) for load in os.getloadavg()],
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
    }
    print("machine:", ", ".join(f"{name} {value}" for name, value in facts.items()))
    return facts


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows in columns, the first to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    for row in (titles, *rows):
        first, *rest = (
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join(["", first, *rest]).rstrip())


def paired_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median over the rounds of ours / theirs."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def conclude(bench: str, facts: dict[str, Any], results: Any, bars: Sequence[Bar], *, quick: bool) -> None:
    """Print the bars and, in the last line, everything as JSON. A quick run judges nothing."""
    if quick:
        bars = [dataclasses.replace(bar, met=None) for bar in bars]
    print(*bars, sep="\n")
    verdicts = [asdict(bar) for bar in bars]
    print(json.dumps({"bench": bench, "quick": quick, "machine": facts, "results": results, "bars": verdicts}))
