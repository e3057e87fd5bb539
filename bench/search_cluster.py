"""The coordinator of a search with 10 to 10,000 workers: how many trainings a second it hands out.

A simulation of discrete events: Coordinator, Schedule, sampler and journal are the real ones and take the time that
they take here; trainings are simulated, and the clock jumps to the end of the next one. Each follows the curve that was
recorded (curves.json) for the network of its family that is nearest in MACs, stretched to its epochs and shifted by a
little noise, and its epochs last as long as that one's, scaled to a mean of FULL_S. So the coordinator's time is real,
and the curves are those of real trainings, though not of these very networks: a short training shows all of its curve.
"""

from __future__ import annotations

import heapq
import json
import math
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

import numpy as np
import torch

from measure import conclude, machine, options, percent, table
from pennyweight import LabelledImages, open_source
from pennyweight.core.budget import Budget
from pennyweight.fit.accuracy import Accuracy
from pennyweight.net.cost import cost
from pennyweight.net.graph import Graph
from pennyweight.net.zoo import build_network
from pennyweight.plan.candidates import Candidates
from pennyweight.plan.clock import Clock
from pennyweight.plan.coordinator import Coordinator
from pennyweight.plan.engines.base import Engine
from pennyweight.plan.journal import Journal
from pennyweight.plan.pace import Pace
from pennyweight.plan.plan import Plan
from pennyweight.plan.samplers import SAMPLERS, find_sampler
from pennyweight.plan.space import Space
from pennyweight.plan.worker import Job, Outcome

WORKERS, QUICK_WORKERS = (10, 100, 1_000, 10_000), (10, 100)
TRAININGS_PER_WORKER, TRAININGS_MIN = 2.5, 500
"""Trainings that are handed out to each worker, and in all at least; the second half of them is counted."""

CAP_S, QUICK_CAP_S = 120.0, 15.0
"""Seconds of the coordinator after which a simulation is cut short: what it then tells is of fewer trials."""

LENGTHS_S = (60.0, 600.0, 3600.0)
"""Mean lengths of a training for which the number of workers is told that saturates the coordinator."""

CURVES = Path(__file__).with_name("curves.json")
"""Trainings of networks of the default space, recorded by search_fidelity.py."""

FULL_S = 600.0
"""Simulated seconds of a full training, the mean of the recorded ones; one of fewer epochs takes its share."""

NOISE = 0.01
"""Made-up standard deviation by which a training's accuracies lie above or below the recorded curve, all alike."""

VALIDATION_IMAGES = 5_000

INPUT_SHAPE, CLASSES = (32, 32, 3), 10
"""Those of the recorded trainings, so that MACs compare."""

SPACE = Space.named("default").text + "\n[recipe]\nlearning_rate = { low = 0.001, high = 0.1, log = true }\n"
"""The default space, with a knob that makes it endless."""

TRADE = ("macs", "flash_bytes", "ram_bytes")


class Enough(Exception):
    """So many trainings as were wanted have been handed out."""


@dataclass
class Simulated(Engine):
    """Workers that take simulated time by `clock`, or none: `full_s` for a training of `full_epochs`.

    `handed` holds, for each job, the real seconds that the coordinator had taken in all when it came, `lasted` from
    when to when it is trained. After `jobs`, or when the coordinator has taken `cap_s`, Enough is raised.
    """

    workers: int
    clock: Clock
    full_s: float
    full_epochs: int
    jobs: int
    cap_s: float = math.inf
    threads: int = 1
    handed: list[float] = field(default_factory=list)
    lasted: list[tuple[float, float]] = field(default_factory=list)
    _spent_s: float = 0.0
    _since: float = field(default_factory=time.perf_counter)
    _under_way: list[tuple[float, int, Outcome]] = field(default_factory=list)

    def submit(self, job: Job) -> None:
        """Train it at once; the outcome comes when its time has passed."""
        now = time.perf_counter()
        self.handed.append(self._spent_s + now - self._since)
        if len(self.handed) >= self.jobs or self.handed[-1] > self.cap_s:
            raise Enough
        outcome = trained(job, self.full_s / self.full_epochs)
        began = self.clock.spent_s
        self.lasted.append((began, began + outcome.seconds))
        heapq.heappush(self._under_way, (began + outcome.seconds, job.number, outcome))
        self._since += time.perf_counter() - now

    def wait(self, seconds: float) -> list[Outcome]:
        """What has ended by now; if nothing has, what ends next, and the clock jumps there."""
        self._spent_s += time.perf_counter() - self._since
        outcomes = []
        if self._under_way:
            self.clock.offset_s += max(0.0, self._under_way[0][0] - self.clock.spent_s)
            now = max(self.clock.spent_s, self._under_way[0][0])
            while self._under_way and self._under_way[0][0] <= now:
                outcomes.append(heapq.heappop(self._under_way)[2])
        self._since = time.perf_counter()
        return outcomes

    def close(self) -> None:
        """Nothing runs."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A recorded training: validation accuracy after each epoch; `pace` is its length in those of the mean one."""

    family: str
    macs: int
    accuracies: tuple[float, ...]
    pace: float

    def stretched(self, epochs: int) -> tuple[float, ...]:
        """The accuracies of a training of so many epochs with the same course."""
        there = np.arange(1, len(self.accuracies) + 1) / len(self.accuracies)
        return tuple(np.interp(np.arange(1, epochs + 1) / epochs, there, self.accuracies).tolist())


@cache
def recorded() -> tuple[Curve, ...]:
    """The trainings in CURVES."""
    told = json.loads(CURVES.read_text(encoding="utf-8"))
    mean_s = fmean(row["seconds"] for row in told["curves"])
    found = []
    for row in told["curves"]:
        graph = build_network(row["network"], INPUT_SHAPE, CLASSES)
        found.append(Curve(family(graph), cost(graph).macs, tuple(row["accuracies"]), row["seconds"] / mean_s))
    return tuple(found)


def family(graph: Graph) -> str:
    return graph.text.partition(":")[0]


def nearest(graph: Graph) -> Curve:
    """The recorded training of the network of the same family whose MACs are nearest by their logarithm."""
    macs, own = cost(graph).macs, [curve for curve in recorded() if curve.family == family(graph)]
    return min(own, key=lambda curve: abs(math.log(curve.macs / macs)))


def trained(job: Job, epoch_s: float) -> Outcome:
    """What a worker would have said of a job, if an epoch of the mean recorded training took `epoch_s`."""
    curve = nearest(job.graph)
    shift = Random(f"{job.graph.text}/{job.recipe}").gauss(0, NOISE)
    accuracies = tuple(accuracy + shift for accuracy in curve.stretched(job.recipe.epochs))
    seconds = epoch_s * curve.pace
    for epoch, floor in enumerate(job.floors):
        if accuracies[epoch] < floor:
            told, why = accuracies[: epoch + 1], "it could not reach the front any more"
            return Outcome(job.number, "stopped", None, told, seconds * len(told), why)
    accuracy = Accuracy(round(VALIDATION_IMAGES * accuracies[-1]), VALIDATION_IMAGES)
    return Outcome(job.number, "done", accuracy, accuracies, seconds * len(accuracies))


def coordinator(folder: Path, images: LabelledImages, sampler: str, *, points: int | None = None) -> Coordinator:
    """A search in `folder` that has not begun, with a journal and a clock without end."""
    space = Space.from_toml(SPACE)
    plan = Plan(
        space=space.text,
        budget=Budget(),
        board=None,
        trade=TRADE,
        sampler=sampler,
        points=points,
        rungs=1 if find_sampler(sampler).plain else 3,
        seed=0,
        device="cpu",
        tensorboard=False,
        training_minutes=None,
    )
    candidates = Candidates(space, images.input_shape, images.classes, plan.budget)
    journal = Journal.create(folder, "bench", space, TRADE, {"space": space.text, "trade": TRADE})
    shapes = {images.input_shape: images}
    return Coordinator(folder, shapes, plan, candidates, journal, Clock(), Pace(), None)


def simulated(images: LabelledImages, workers: int, sampler: str, cap_s: float) -> dict[str, Any]:
    """What a search with so many workers comes to: trainings that were handed out, and how soon."""
    with tempfile.TemporaryDirectory() as folder:
        search = coordinator(Path(folder), images, sampler)
        epochs = search._recipe(search.candidates.pool[0]).epochs
        jobs = max(TRAININGS_MIN, round(TRAININGS_PER_WORKER * workers))
        search.clock = Clock()
        engine = Simulated(workers, search.clock, FULL_S, epochs, jobs, cap_s)
        with suppress(Enough):
            search._train(engine, find_sampler(sampler))
    handed, lasted = engine.handed, engine.lasted
    half = len(handed) // 2
    pace = (handed[-1] - handed[half]) / (len(handed) - 1 - half)
    begin, end = lasted[half][0], lasted[-1][0]
    busy_s = sum(max(0.0, min(until, end) - max(since, begin)) for since, until in lasted)
    return {
        "workers": workers,
        "trainings": len(handed),
        "cut_short": len(handed) < jobs,
        "ms": 1e3 * pace,
        "per_s": 1 / pace,
        "mean_training_s": fmean(until - since for since, until in lasted),
        "busy": busy_s / (workers * (end - begin)),
        "shortest_s": workers * pace,
    }


def main() -> None:
    parser = options(__doc__, seeds=1)
    parser.add_argument("--sampler", default="front", choices=SAMPLERS, help="(%(default)s)")
    parser.add_argument("--workers", type=int, action="append", help="how many; may be repeated")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    facts = machine()
    images, cap_s = open_source("digits", input_shape=INPUT_SHAPE), QUICK_CAP_S if arguments.quick else CAP_S
    numbers = arguments.workers or (QUICK_WORKERS if arguments.quick else WORKERS)
    found = [simulated(images, workers, arguments.sampler, cap_s) for workers in numbers]
    table(
        ("workers", "trainings", "ms each", "handed out a second", "mean training", "busy", "shortest for all busy"),
        [
            (
                f"{row['workers']:,}",
                f"{row['trainings']:,}{' (cut short)' if row['cut_short'] else ''}",
                f"{row['ms']:.1f}",
                f"{row['per_s']:.0f}",
                f"{row['mean_training_s']:.0f} s",
                percent(row["busy"]),
                f"{'at least ' if row['cut_short'] else ''}{row['shortest_s']:.1f} s",
            )
            for row in found
        ],
    )
    for length_s in LENGTHS_S:
        kept = [row["workers"] for row in found if row["shortest_s"] <= length_s and not row["cut_short"]]
        print(f"trainings of {length_s:,.0f} s on average: {max(kept, default=0):,} of these workers are kept busy")
    conclude("search_cluster", facts, found, [], quick=arguments.quick)


if __name__ == "__main__":
    main()
