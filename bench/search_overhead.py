"""What a search costs beside its trainings: the coordinator, for each trial; a second worker; the price of a candidate.

The coordinator is the real one, with its sampler, schedule and journal, over an engine that answers at once with
recorded curves. Workers are judged on real trainings, the same ones for all contenders: one worker with one thread, two
of them, and this very process with all threads. Each contender runs in a process of its own, one after the other.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from random import Random
from statistics import median
from typing import Any
from unittest.mock import patch

import torch

import pennyweight.plan.coordinator
from measure import Bar, conclude, data_folder, machine, options, paired_ratio, read, table
from pennyweight import LabelledImages, open_source
from pennyweight.core.budget import Budget
from pennyweight.core.machine import cores
from pennyweight.plan.candidates import Candidates
from pennyweight.plan.journal import Journal
from pennyweight.plan.samplers import find_sampler
from pennyweight.plan.schedule import Schedule
from pennyweight.plan.search import search
from pennyweight.plan.space import Space
from pennyweight.plan.worker import Job
from search_cluster import INPUT_SHAPE, Enough, Simulated, coordinator

SAMPLERS = ("front", "random", "tpe", "nsga2")
AT, QUICK_AT = (10, 100, 500), (10, 40)
"""Numbers of trials at which the overhead is told: the median over WINDOW trials before."""

WINDOW = 10
OVERHEAD_MS = 5.0

PARTS = {
    "ask": (pennyweight.plan.coordinator, "next_candidate"),
    "schedule": (Schedule, "next"),
    "journal, begin": (Journal, "begin"),
    "journal, end": (Journal, "end"),
}
"""Name, and where what is timed lies. The rest are the job with its floors, and the report."""

GRID = """
[networks.mlp]
hidden = ["32", "64", "80-60-50", "128"]
[recipe]
epochs = [EPOCHS]
learning_rate = [0.003, 0.01, 0.03]
"""
EPOCHS = 2
CONTENDERS = {"one worker": ("processes", 1, 1), "two workers": ("processes", 2, 2), "here": ("here", 1, 2)}
"""Name, and engine, workers, cores."""

SPEEDUP = 1.8

CANDIDATES, QUICK_CANDIDATES = 2_000, 300
CANDIDATES_PER_S = 300


@dataclass
class Answering(Simulated):
    """An engine that answers at once, and notes at each job what the parts have taken so far."""

    spent: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PARTS, 0.0))
    noted: list[dict[str, float]] = field(default_factory=list)

    def submit(self, job: Job) -> None:
        """Note, then answer."""
        self.noted.append(self.spent.copy())
        super().submit(job)


@contextmanager
def parts_timed(spent: dict[str, float]) -> Iterator[None]:
    """Adds to `spent` the seconds that each of PARTS takes."""

    def timed(part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def timing(*given: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return call(*given, **named)
            finally:
                spent[part] += time.perf_counter() - began

        return timing

    with ExitStack() as patches:
        for part, (place, name) in PARTS.items():
            patches.enter_context(patch.object(place, name, timed(part, getattr(place, name))))
        yield


def overhead(images: LabelledImages, sampler: str, at: tuple[int, ...]) -> list[dict[str, float]]:
    """For each number of trials the milliseconds of one trial, and of each part of it."""
    with tempfile.TemporaryDirectory() as folder:
        begun = coordinator(Path(folder), images, sampler)
        epochs = begun._recipe(begun.candidates.pool[0]).epochs
        engine = Answering(1, begun.clock, full_s=0.0, full_epochs=epochs, jobs=at[-1] + 1)
        with parts_timed(engine.spent), suppress(Enough):
            begun._train(engine, find_sampler(sampler))
    found = []
    for count in at:
        window = range(count - WINDOW, count)
        each = {"trial": [engine.handed[place + 1] - engine.handed[place] for place in window]}
        for part in PARTS:
            each[part] = [engine.noted[place + 1][part] - engine.noted[place][part] for place in window]
        found.append({"trials": float(count)} | {name: 1e3 * median(seconds) for name, seconds in each.items()})
    return found


def contend(name: str, images: LabelledImages, folder: Path) -> None:
    """The search of a contender, on as many cores as it has."""
    engine, workers, count = CONTENDERS[name]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])
    torch.set_num_threads(cores())
    space = Space.from_toml(GRID.replace("EPOCHS", str(EPOCHS)))
    search(images, Budget(), space=space, sampler="grid", engine=engine, workers=workers, out=folder)


def trials_a_minute(name: str, images: LabelledImages) -> float:
    """How many trials of the grid a contender ends a minute, from the end of its first on."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "search")
        process = get_context("spawn").Process(target=contend, args=(name, images, folder))
        process.start()
        process.join()
        if process.exitcode:
            raise RuntimeError(f"{name} did not end its search")
        told = json.loads((folder / "search.json").read_text(encoding="utf-8"))
    ends = sorted(entry["ended_s"] for entry in told["trials"] if entry["purpose"] != "repeat")
    return 60 * (len(ends) - 1) / float(ends[-1] - ends[0])


def priced_per_s(count: int) -> float:
    """Networks of the default space that are priced and judged a second, each for the first time."""
    budget = Budget(flash_bytes=100 * 1024, ram_bytes=64 * 1024)
    candidates = Candidates(Space.named("default"), (32, 32, 3), 10, budget)
    rng = Random(0)
    points = list({point.network: point for point in (candidates.space.draw(rng) for _ in range(count))}.values())
    began = time.perf_counter()
    for point in points:
        candidates.fitting(point)
    return len(points) / (time.perf_counter() - began)


def main() -> None:
    parser = options(__doc__, seeds=3)
    parser.add_argument("--only", choices=("overhead", "workers", "candidates"), help="one of the three")
    arguments = parser.parse_args()
    quick, only = arguments.quick, arguments.only
    torch.set_num_threads(1)
    facts = machine()
    results: dict[str, Any] = {}
    bars: list[Bar] = []
    if only in (None, "candidates"):
        pace = results["candidates_per_s"] = priced_per_s(QUICK_CANDIDATES if quick else CANDIDATES)
        claim = f"at least {CANDIDATES_PER_S} candidates a second are priced on one core"
        bars.append(Bar(claim, f"{pace:,.0f}", pace >= CANDIDATES_PER_S))
    if only in (None, "overhead"):
        digits = open_source("digits", input_shape=INPUT_SHAPE)
        told = results["overhead_ms"] = {name: overhead(digits, name, QUICK_AT if quick else AT) for name in SAMPLERS}
        table(
            ("ms of one trial", "trials", "in all", *PARTS),
            [
                (name, f"{row['trials']:.0f}", *(f"{row[part]:.1f}" for part in ("trial", *PARTS)))
                for name, rows in told.items()
                for row in rows
            ],
        )
        for row in told["front"]:
            claim = f"the coordinator takes at most {OVERHEAD_MS:g} ms for a trial, at {row['trials']:.0f} trials"
            bars.append(Bar(claim, f"{row['trial']:.1f} ms", row["trial"] <= OVERHEAD_MS))
    if only in (None, "workers"):
        with data_folder(arguments.data_dir) as data:
            images = open_source("digits") if quick else read("mnist", data, quick=False)
            rounds = [
                {name: trials_a_minute(name, images) for name in CONTENDERS}
                for _ in range(1 if quick else arguments.seeds)
            ]
        paces = {name: [each[name] for each in rounds] for name in CONTENDERS}
        ratios = {name: paired_ratio(paces["two workers"], paces[name]) for name in CONTENDERS}
        results["trials_a_minute"], results["two_workers_against"] = paces, ratios
        table(
            (images.name, "trials a minute", "two workers against it"),
            [(name, f"{median(paces[name]):.1f}", f"{ratios[name]:.2f}x") for name in CONTENDERS],
        )
        claim = f"two workers end at least {SPEEDUP} times as many trials a minute as one"
        bars.append(Bar(claim, f"{ratios['one worker']:.2f}x", ratios["one worker"] >= SPEEDUP))
    conclude("search_overhead", facts, results, bars, quick=quick)


if __name__ == "__main__":
    main()
