"""A search of ours against Optuna's: the same space, the same training loop, the same wall time, on CIFAR-10.

The space is the default one, with so many epochs for a full training as are told, under 100 KiB of flash and 64 KiB of
RAM; the images are a fixed part of the learning images. The peers train with our `fit` and default recipe and report
after every epoch: TPE with the median pruner and successive halving (ASHA) have accuracy alone as their aim, NSGA-II
accuracy, MACs, flash and RAM, random search none. What exceeds the budget is rejected before it is trained for them
too, which Optuna does not do by itself; they write no run folders, are scored with what they stopped early as well, and
with the training that the end of their time cuts: all this favours them. Ours is scored with trials that are done.
In one of ours points are drawn at random. With `--keep` a bench that was cut off goes on where it was.

What a method chooses it chooses by validation: its best network, and its front. The score is what these reach on as
many other learning images, which no method saw: the accuracy of the best, and the hypervolume of the front's errors,
and of MACs, flash and RAM in logarithms, each from the least (0) to the most (1) that a network which fits may have.
Test parts stay sealed.
"""

from __future__ import annotations

import json
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from optuna.study import StudyDirection
from optuna.trial import TrialState
from torch import Tensor

from measure import Bar, conclude, data_folder, machine, options, percent, table
from pennyweight import Budget, LabelledImages, open_source, search
from pennyweight.core.errors import TrainingError
from pennyweight.core.run import Run
from pennyweight.data.images import Part
from pennyweight.fit.defaults import default_recipe
from pennyweight.fit.device import choose_device
from pennyweight.fit.loop import State, begin, fit
from pennyweight.fit.network import TrainedNetwork
from pennyweight.fit.predict import Normalisation, logits
from pennyweight.net.module import to_module
from pennyweight.plan.candidates import Candidate, Candidates
from pennyweight.plan.domain import Choices, Domain, Value
from pennyweight.plan.front import front, hypervolume
from pennyweight.plan.space import Point, Space
from search_mnist import sealed_away

BUDGET = Budget(flash_bytes=100 * 1024, ram_bytes=64 * 1024)
COSTS = ("macs", "flash_bytes", "ram_bytes")

RUNGS = 3
"""Of our ladder where points are drawn at random; ours chooses by the time."""

REFERENCE = (1.0, 1.1, 1.1, 1.1)
"""Of the hypervolume: error of guessing, and costs a tenth beyond the most, so that a network at a limit counts too."""

MOMENTS = 40
"""At so many moments, evenly over the time, methods are scored."""

WARM_UP_S = 6.0
"""Of a search that is not counted: the first trainings of a process are slow."""

SHOWN = (0.1, 0.25, 0.5, 1.0)
"""Shares of the time that the tables show."""

SCORES = ("accuracy", "hypervolume")


@dataclass(frozen=True)
class Placed:
    """A network with its accuracy on validation and on held-out images, known `seconds` after its method began."""

    seconds: float
    network: str
    epochs: int
    accuracy: float
    held_out: float
    macs: int
    flash_bytes: int
    ram_bytes: int


@dataclass
class Setting:
    """What a method works with, when it `began`, and what it has placed. It does not see what is `held_out`."""

    images: LabelledImages
    held_out: Part
    space: Space
    candidates: Candidates
    seconds: float
    began: float
    placed: list[Placed] = field(default_factory=list)

    @property
    def spent_s(self) -> float:
        return time.perf_counter() - self.began

    def place(self, seconds: float, found: Candidate, epochs: int, accuracy: float, answers: Tensor) -> None:
        costs = {name: getattr(found.cost, name) for name in COSTS}
        held_out = float((answers.argmax(1).numpy() == self.held_out.labels).mean())
        self.placed.append(Placed(seconds, found.graph.text, epochs, accuracy, held_out, **costs))


class TimeOver(Exception):
    """A peer's time is over."""


def ours(setting: Setting, seed: int, **settings: Any) -> None:
    """Our search. Its trials tell when they ended by its own clock, to which what went before is added."""
    budget = replace(BUDGET, minutes=setting.seconds / 60)
    with tempfile.TemporaryDirectory() as folder:
        found = search(
            sealed_away(setting.images),
            budget,
            space=setting.space,
            seed=seed,
            out=Path(folder) / "search",
            device="cpu",
            **settings,
        )
        before = setting.spent_s - 60 * found.minutes
        for entry in found.trials:
            candidate = setting.candidates.priced(entry.trial.point)
            assert candidate is not None
            answers = TrainedNetwork.of(Run.open(entry.run), choose_device("cpu")).logits(setting.held_out.images)
            setting.place(before + entry.trial.ended_s, candidate, entry.epochs, entry.validation.share, answers)


def peer(
    setting: Setting, seed: int, sampler: optuna.samplers.BaseSampler, pruner: optuna.pruners.BasePruner | None
) -> None:
    """One of Optuna's samplers; without a pruner it has all four aims, where it is one for several."""
    several = isinstance(sampler, optuna.samplers.NSGAIISampler)
    study = optuna.create_study(
        sampler=sampler,
        pruner=pruner or optuna.pruners.NopPruner(),
        directions=[StudyDirection.MAXIMIZE, *(StudyDirection.MINIMIZE for _ in COSTS if several)],
    )
    while setting.spent_s < setting.seconds:
        trial = study.ask()
        found = setting.candidates.fitting(suggested(trial, setting.space))
        if found is None:
            study.tell(trial, state=TrialState.PRUNED)
            continue
        try:
            accuracy = trained(setting, found, seed, None if several else trial)
        except optuna.TrialPruned:
            study.tell(trial, state=TrialState.PRUNED)
        except TrainingError:
            study.tell(trial, state=TrialState.FAIL)
        except TimeOver:
            return
        else:
            study.tell(trial, [accuracy, *(getattr(found.cost, name) for name in COSTS if several)])


def suggested(trial: optuna.Trial, space: Space) -> Point:
    """The point that Optuna chooses."""
    family = trial.suggest_categorical("network", list(space.networks))
    return Point(family, tuple((name, one(trial, name, domain)) for name, domain in space.domains(family).items()))


def one(trial: optuna.Trial, name: str, domain: Domain) -> Value:
    if isinstance(domain, Choices):
        value = trial.suggest_categorical(name, domain.values)
        assert value is not None
        return value
    if domain.whole:
        return trial.suggest_int(name, round(domain.low), round(domain.high), log=domain.log)
    return trial.suggest_float(name, domain.low, domain.high, log=domain.log)


def trained(setting: Setting, found: Candidate, seed: int, trial: optuna.Trial | None) -> float:
    """The accuracy of a training to its end. It is placed however it ends; raises TrialPruned and TimeOver."""
    images = setting.images
    recipe = replace(default_recipe(found.graph, images).with_changes(found.point.recipe), seed=seed)
    train, validation = images.split(recipe.validation)
    state = begin(found.graph, to_module(found.graph, seed=seed), recipe)

    def report(state: State) -> None:
        if trial is not None:
            trial.report(accuracy_of(state), state.epoch)
            if state.epoch < recipe.epochs and trial.should_prune():
                raise optuna.TrialPruned
        if setting.spent_s > setting.seconds:
            raise TimeOver

    normalisation = Normalisation.of(train)
    try:
        fit(state, train, validation, normalisation, recipe, on_epoch=report)
    finally:
        if state.curves:
            ended = setting.spent_s
            with torch.no_grad():
                answers = logits(
                    state.module, setting.held_out.images, normalisation, choose_device("cpu"), state=state.average
                )
            setting.place(ended, found, state.epoch, accuracy_of(state), answers)
            setting.began += setting.spent_s - ended
    return accuracy_of(state)


def accuracy_of(state: State) -> float:
    accuracy = state.curves[-1]["validation_accuracy"]
    assert accuracy is not None
    return accuracy


OURS, RANDOM = "pennyweight search", "random search"

METHODS: dict[str, Callable[[Setting, int], None]] = {
    OURS: lambda setting, seed: ours(setting, seed, sampler="front"),
    "ours, random points": lambda setting, seed: ours(setting, seed, sampler="random", rungs=RUNGS),
    "TPE + median pruner": lambda setting, seed: peer(
        setting, seed, optuna.samplers.TPESampler(seed=seed), optuna.pruners.MedianPruner()
    ),
    "NSGA-II": lambda setting, seed: peer(
        setting, seed, optuna.samplers.NSGAIISampler(population_size=20, seed=seed), None
    ),
    RANDOM: lambda setting, seed: peer(setting, seed, optuna.samplers.RandomSampler(seed=seed), None),
    "ASHA": lambda setting, seed: peer(
        setting,
        seed,
        optuna.samplers.RandomSampler(seed=seed),
        optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3),
    ),
}
"""NSGA-II with a population that a search of some dozen trainings comes through; Optuna's 50 would be random draws."""

PEERS = [name for name in METHODS if not name.startswith((OURS, "ours"))]


def main() -> None:
    parser = options(__doc__, seeds=5)
    parser.add_argument("--minutes", type=float, default=5, help="of each method and seed (%(default)g)")
    parser.add_argument("--images", type=int, default=5_000, help="how many learning images (%(default)s)")
    parser.add_argument("--epochs", type=int, default=12, help="of a full training (%(default)s)")
    parser.add_argument("--only", action="append", choices=METHODS, help="one of the methods; may be repeated")
    parser.add_argument("--keep", type=Path, help="a file of JSON lines: what it has is not run again, the rest added")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.seeds, arguments.minutes, arguments.epochs = 1, 0.1, 4
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    facts = machine()
    with data_folder(arguments.data_dir) as folder:
        source = open_source("digits" if arguments.quick else "cifar10", data_dir=folder)
        images, held_out = apart(source, min(arguments.images, len(source.learning) // 2))
    space = Space.from_toml(f"{Space.named('default').text}\n[recipe]\nepochs = {arguments.epochs}\n")
    candidates = Candidates(space, images.input_shape, images.classes, BUDGET)
    print(
        f"\n{images.name}, {len(images.learning):,} images to train and validate on, full trainings of "
        f"{arguments.epochs} epochs, {arguments.minutes:g} minutes; {len(candidates.pool)} of "
        f"{candidates.considered} drawn networks fit"
    )
    for warm_up in (OURS, RANDOM):
        METHODS[warm_up](Setting(images, held_out, space, candidates, WARM_UP_S, time.perf_counter()), 0)
    runs: dict[str, list[list[Placed]]] = {name: [] for name in arguments.only or METHODS}
    setup = {name: getattr(arguments, name) for name in ("minutes", "images", "epochs")}
    kept = read_kept(arguments.keep, setup)
    for seed in range(arguments.seeds):
        for name, done in rotated(list(runs.items()), seed):
            if (seed, name) not in kept:
                setting = Setting(images, held_out, space, candidates, 60 * arguments.minutes, time.perf_counter())
                METHODS[name](setting, seed)
                kept[seed, name] = setting.placed
                write_kept(arguments.keep, setup, seed, name, setting.placed)
            done.append(kept[seed, name])
            best = max(done[-1], key=lambda each: each.accuracy, default=None)
            told = "none" if best is None else f"the best {percent(best.held_out)}"
            print(f"  seed {seed}, {name}: {len(done[-1])} trainings, {told}", flush=True)
    scale = {name: ends([getattr(found.cost, name) for found in candidates.pool]) for name in COSTS}
    guessed = 1 - 1 / images.classes
    curves = {
        name: [scored(placed, 60 * arguments.minutes, scale, guessed) for placed in done] for name, done in runs.items()
    }
    show(curves)
    results = {
        name: {
            "scores": curves[name],
            "seeds": [[asdict(each) for each in placed] for placed in done],
        }
        for name, done in runs.items()
    }
    conclude(
        "search_peers",
        facts,
        {"setup": setup | {"scale": scale}, "methods": results},
        judge(curves),
        quick=arguments.quick,
    )


def read_kept(file: Path | None, setup: dict[str, Any]) -> dict[tuple[int, str], list[Placed]]:
    """What an earlier run of the same setup came to, by seed and method."""
    if file is None or not file.is_file():
        return {}
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return {
        (line["seed"], line["method"]): [Placed(**each) for each in line["placed"]]
        for line in lines
        if line["setup"] == setup
    }


def write_kept(file: Path | None, setup: dict[str, Any], seed: int, method: str, placed: Sequence[Placed]) -> None:
    """Add to `file` what `method` came to."""
    if file is not None:
        line = {"setup": setup, "seed": seed, "method": method, "placed": [asdict(each) for each in placed]}
        with file.open("a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")


def some(images: LabelledImages, count: int, seed: int = 0) -> LabelledImages:
    """The images with a fixed part of the learning ones."""
    chosen = np.random.default_rng(seed).permutation(len(images.learning))[:count]
    return replace(images, learning=images.learning.take(chosen), source="")


def apart(images: LabelledImages, count: int) -> tuple[LabelledImages, Part]:
    """The images with a fixed part of the learning ones, and as many others.

    It is another part than that of `search_fidelity.py`, which the order of the default space's families is owed to.
    """
    both = some(images, 2 * count, seed=1).learning
    return replace(images, learning=both.take(np.arange(count)), source=""), both.take(np.arange(count, 2 * count))


def rotated(items: list[Any], by: int) -> list[Any]:
    """The items, each seed beginning with another: what else the machine does hits all alike."""
    by %= len(items)
    return items[by:] + items[:by]


def ends(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)


Curves = dict[str, list[float]]


def scored(placed: Sequence[Placed], seconds: float, scale: dict[str, tuple[float, float]], guessed: float) -> Curves:
    """Accuracy and hypervolume, on held-out images, of what would be chosen by validation at each of MOMENTS."""
    curves: Curves = {score: [] for score in SCORES}
    for moment in range(1, MOMENTS + 1):
        so_far = [each for each in placed if each.seconds <= seconds * moment / MOMENTS or moment == MOMENTS]
        costs = [
            tuple(math.log(getattr(each, name) / low) / math.log(high / low) for name, (low, high) in scale.items())
            for each in so_far
        ]
        chosen = front([(1 - each.accuracy, *cost) for each, cost in zip(so_far, costs, strict=True)])
        reached = [((1 - so_far[index].held_out) / guessed, *costs[index]) for index in chosen]
        best = max(so_far, key=lambda each: each.accuracy, default=None)
        curves["accuracy"].append(best.held_out if best else 0.0)
        curves["hypervolume"].append(hypervolume(reached, REFERENCE))
    return curves


def mean_curve(curves: Sequence[Curves], score: str) -> list[float]:
    return [statistics.fmean(column) for column in zip(*(each[score] for each in curves), strict=True)]


def show(curves: dict[str, list[Curves]]) -> None:
    for score in SCORES:
        rows = []
        for name, seeds in curves.items():
            mean, last = mean_curve(seeds, score), [each[score][-1] for each in seeds]
            shown = [f"{mean[round(share * MOMENTS) - 1]:.4f}" for share in SHOWN]
            rows.append((name, *shown, f"{min(last):.4f} … {max(last):.4f}"))
        print(f"\n{score} on held-out images, mean over seeds, after shares of the time")
        table(("", *(f"{share:.0%}" for share in SHOWN), "seeds, in the end"), rows)


def judge(curves: dict[str, list[Curves]]) -> list[Bar]:
    """Ours ahead of each peer in the end, and how soon it has what random search ends with."""
    bars = []
    for score in SCORES:
        for name in PEERS:
            if OURS not in curves or name not in curves:
                continue
            pairs = [(a[score][-1], b[score][-1]) for a, b in zip(curves[OURS], curves[name], strict=True)]
            mean, other = (statistics.fmean(column) for column in zip(*pairs, strict=True))
            wins = sum(a > b for a, b in pairs)
            found = f"{mean:.4f} against {other:.4f}, ahead with {wins} of {len(pairs)} seeds"
            bars.append(Bar(f"{score} in the end: ahead of {name}", found, mean > other))
        if OURS in curves and RANDOM in curves:
            mine, theirs = (mean_curve(curves[name], score) for name in (OURS, RANDOM))
            own = next((moment for moment, value in enumerate(mine, 1) if value >= theirs[-1]), math.inf)
            needed = next(moment for moment, value in enumerate(theirs, 1) if value >= theirs[-1])
            share = own / needed
            found = f"{share:.2f} of its time (its own after {needed / MOMENTS:.0%} of the minutes)"
            claim = f"{score}: the final score of random search in at most a third of its time"
            bars.append(Bar(claim, found if own < math.inf else "never", share <= 1 / 3))
    return bars


if __name__ == "__main__":
    main()
