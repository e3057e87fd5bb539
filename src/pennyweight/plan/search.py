"""`pennyweight search`: which network, among those that fit a budget, is the most accurate.

First form: a random draw from four families, every candidate costed before anything is trained, a short training each,
and full ones for the best while the minutes last. What is chosen is chosen on the validation part; the sealed test
part is opened once, in the end, for the networks on the Front.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pennyweight.core.board import Board
from pennyweight.core.budget import Budget, nearest
from pennyweight.core.errors import BudgetError, DataError, GraphError, RunError, TrainingError
from pennyweight.core.files import write_json, writing
from pennyweight.core.run import SEARCH
from pennyweight.core.shown import Shown
from pennyweight.data.images import LabelledImages
from pennyweight.data.source import open_source
from pennyweight.fit.accuracy import Accuracy
from pennyweight.fit.defaults import default_recipe
from pennyweight.fit.device import choose_device
from pennyweight.fit.evaluate import evaluate
from pennyweight.fit.loop import Progress
from pennyweight.fit.pace import seconds_per_epoch
from pennyweight.fit.train import train
from pennyweight.net.cost import Cost, cost
from pennyweight.net.graph import Graph
from pennyweight.net.zoo import build_network, families
from pennyweight.plan.front import front

FAMILIES = ("mlp", "pooled-resnet", "separable", "bottleneck")
"""The families that are drawn from: each has one dial that sets its size."""

MINUTES = 5.0
"""How long a search takes where its budget does not tell."""

SCREENING_SHARE = 0.5
"""Of the minutes, for the short trainings; the rest is the winner's full training."""

TRIALS_MAX = 24
TRIALS_AIM = 10
"""Short trainings that the screening time is cut for; where they end sooner, there are more, up to the maximum."""

EPOCHS_MIN = 5
"""Fewer epochs do not tell networks apart: where time is short, fewer networks are tried instead."""

FINAL_MARGIN = 0.85
"""Of the time that is left, for a full training whose pace is known from its short one."""

GRACE = 0.2
"""Of the minutes, by which a training that turns out slower than its pace may overrun; then it is stopped."""

SHORT_SHARE = 0.25
"""Of the epochs of a full training, at most, for a short one."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A network that may be tried, and what it costs in int8."""

    graph: Graph
    cost: Cost


@dataclass(frozen=True, slots=True)
class Entry:
    """A network that was trained. `test` is None where the sealed test part was not opened for it."""

    run: Path
    network: str
    validation: Accuracy
    test: Accuracy | None
    cost: Cost
    epochs: int
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """The entry as JSON types; costs are those of int8, test figures None where the test part stayed sealed."""
        return {
            "run": str(self.run),
            "network": self.network,
            "test_accuracy": self.test.share if self.test else None,
            "interval": list(self.test.interval) if self.test else None,
            "n": self.test.n if self.test else None,
            "validation_accuracy": self.validation.share,
            "validation_interval": list(self.validation.interval),
            "validation_n": self.validation.n,
            "parameters": self.cost.parameters,
            "macs": self.cost.macs,
            "flash_bytes": self.cost.flash_bytes,
            "ram_bytes": self.cost.ram_bytes,
            "peak_ram_bytes": self.cost.peak_ram_bytes,
            "latency_ms": self.cost.latency_ms,
            "price_usd": self.cost.price_usd,
            "epochs": self.epochs,
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True, slots=True)
class Search(Shown):
    """What a search found. `feasible` of `considered` networks fit the budget; each trial is one training."""

    source: str
    budget: Budget
    board: Board | None
    considered: int
    feasible: int
    minutes: float
    trials: tuple[Entry, ...]
    front: tuple[Entry, ...]
    winner: Entry
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The result as JSON types."""
        return {
            "source": self.source,
            "budget": {name: limit for name, limit in asdict(self.budget).items() if limit is not None},
            "board": self.board.key if self.board else None,
            "considered": self.considered,
            "feasible": self.feasible,
            "minutes": round(self.minutes, 3),
            "trials": [entry.as_json() for entry in self.trials],
            "front": [entry.as_json() for entry in self.front],
            "winner": self.winner.as_json(),
            "notes": list(self.notes),
        }


class _OutOfTimeError(Exception):
    """The minutes are over while something still trains."""


@dataclass(frozen=True, slots=True)
class SearchProgress:
    """Where a search stands; `training` is where the current training stands, None between two."""

    network: str
    trials: tuple[Entry, ...]
    final: bool
    seconds_left: float
    training: Progress | None


def search(
    source: str | LabelledImages,
    budget: Budget,
    *,
    board: Board | None = None,
    out: Path | None = None,
    seed: int = 0,
    input_shape: tuple[int, int, int] | None = None,
    data_dir: Path | None = None,
    device: str = "auto",
    on_download: Callable[[str, int, int], None] | None = None,
    on_progress: Callable[[SearchProgress], None] | None = None,
) -> Search:
    """The networks that were tried within about the budget's minutes, their Front, and the winner, trained fully.

    `budget` limits the network in int8 (`Budget.of(board, …)` takes a board's memory) and the minutes, which are 5
    unless told; `board` gives latency and price.
    The winner is the network of the best validation accuracy; its full training joins the trials. Each trial is a run
    folder under `out`, a new one under `runs/` unless told, where `search.json` keeps what is done so far.
    It cannot be resumed: what it trained stays in its run folders.
    Raises BudgetError where no network fits: it names the nearest one and the limit in its way; TrainingError where
    none could be trained, DataError where there are too few images to choose by, RunError where `out` cannot be
    written.
    """
    began = time.perf_counter()
    minutes = budget.minutes or MINUTES
    if isinstance(source, str):
        images = open_source(source, data_dir=data_dir, input_shape=input_shape, on_download=on_download)
    else:
        images = source
    considered = candidates(images.input_shape, images.classes, board)
    feasible = [each for each in considered if not budget.excesses(each.cost.to_figures())]
    if not feasible:
        raise _impossible(budget, considered)
    where = choose_device(device)
    part, validation = images.split(default_recipe(feasible[0].graph, images).validation)
    if not len(validation):
        raise DataError(f"{images.name} has too few images to choose by: none are left for validation")
    folder = _folder(out)
    trials: list[Entry] = []

    def left(share: float = 1.0) -> float:
        return share * minutes * 60 - (time.perf_counter() - began)

    def attempt(each: Candidate, epochs: int, title: str, *, final: bool = False) -> Entry:
        def tell(training: Progress | None) -> None:
            if trials and left() < -GRACE * minutes * 60:
                raise _OutOfTimeError
            if on_progress is not None:
                on_progress(SearchProgress(each.graph.text, tuple(trials), final, left(), training))

        tell(None)
        recipe = replace(default_recipe(each.graph, images), epochs=epochs, seed=seed)
        done = train(
            images,
            each.graph,
            recipe=recipe,
            out=folder / title,
            device=device,
            on_progress=tell,
        )
        assert done.validation is not None
        return Entry(done.run, each.graph.text, done.validation, None, each.cost, done.epochs, done.seconds)

    notes: list[str] = []
    order = _order(feasible, random.Random(seed))
    for number, each in enumerate(order[:TRIALS_MAX], start=1):
        if left(SCREENING_SHARE) <= 0:
            break
        recipe = default_recipe(each.graph, images)
        try:
            pace = seconds_per_epoch(each.graph, part, recipe, where)
            share = left(SCREENING_SHARE) / max(TRIALS_AIM - len(trials), 1)
            epochs = int(min(max(share / pace, EPOCHS_MIN), SHORT_SHARE * recipe.epochs))
            if epochs * pace > left(SCREENING_SHARE):
                epochs = 0 if trials else int(left(SCREENING_SHARE) / pace)
            if epochs >= 1:
                trials.append(attempt(each, epochs, f"trial-{number:02}"))
        except TrainingError as error:
            notes.append(f"{each.graph.text} was left out: {error}")
        except _OutOfTimeError:
            notes.append(f"{each.graph.text} was left out: it turned out slower than the time that was left")
            break
        with writing(folder / SEARCH) as path:
            write_json(path, {"trials": [entry.as_json() for entry in trials], "notes": notes})
    if not trials and not notes:
        trials.append(attempt(feasible[0], 1, "trial-00"))
        notes.append("there was time for one epoch of the cheapest network only")
    if not trials:
        raise TrainingError("none of the networks that fit could be trained: " + "; ".join(notes))

    standing = list(trials)
    by_text = {each.graph.text: each for each in feasible}
    full_epochs = {entry.network: default_recipe(by_text[entry.network].graph, images).epochs for entry in trials}
    while short := [entry for entry in standing if entry.epochs < full_epochs[entry.network]]:
        first = min(short, key=_axes)
        epochs = min(full_epochs[first.network], int(FINAL_MARGIN * left() * first.epochs / first.seconds))
        if epochs <= first.epochs:
            break
        title = f"full-{len(trials) + 1:02}"
        try:
            full = attempt(by_text[first.network], epochs, title, final=True)
        except TrainingError as error:
            notes.append(f"the full training of {first.network} failed: {error}")
            break
        except _OutOfTimeError:
            notes.append(f"a full training was stopped, as time was over: pennyweight train --resume {folder / title}")
            break
        # It supersedes the short one of the same network, whichever was luckier on validation.
        standing = [entry for entry in standing if entry is not first] + [full]
        trials.append(full)
    best = min(standing, key=_axes)
    if best.epochs < (wanted := full_epochs[best.network]):
        notes.append(f"the winner had {best.epochs} of the {wanted} epochs of a full training: give more --minutes")
    notes.append(
        f"the winner is the best of {len(standing)} networks on the validation part, each in its longest training, so "
        "that figure is optimistic; its test accuracy is not: the test part was opened after the choice"
    )
    epochs_of_all = sorted({entry.epochs for entry in standing})
    if epochs_of_all[-1] > 2 * epochs_of_all[0]:
        notes.append(
            f"networks were trained for {epochs_of_all[0]} to {epochs_of_all[-1]} epochs: a shorter training says less "
            "than the network could; give more --minutes"
        )

    opened: dict[Path, Entry] = {}
    for index in front([_axes(entry) for entry in standing]):
        entry = standing[index]
        test = evaluate(entry.run, images, part="test", device=device).accuracy
        opened[entry.run] = replace(entry, test=test)
    trials = [opened.get(entry.run, entry) for entry in trials]
    spent = (time.perf_counter() - began) / 60
    if spent > 1.1 * minutes:
        notes.append(f"it took {spent:.1f} minutes instead of {minutes:g}: the machine was slower than was measured")
    result = Search(
        source=images.name,
        budget=budget,
        board=board,
        considered=len(considered),
        feasible=len(feasible),
        minutes=spent,
        trials=tuple(trials),
        front=tuple(entry for entry in trials if entry.test is not None),
        winner=opened[best.run],
        notes=tuple(notes),
    )
    with writing(folder / SEARCH) as path:
        write_json(path, result.as_json())
    return result


def candidates(
    input_shape: tuple[int, int, int], classes: int, board: Board | None = None, names: Sequence[str] = FAMILIES
) -> list[Candidate]:
    """Every network that the families' sizes allow for these images, with its cost, from few MACs to many."""
    found = []
    for name in names:
        family = families()[name]
        size = family.dials[0]
        for value in size.samples:
            try:
                graph = build_network(f"{name}:{size.name}={size.format(value)}", input_shape, classes)
            except GraphError:
                continue
            found.append(Candidate(graph, cost(graph, board=board)))
    return sorted(found, key=lambda each: each.cost.macs)


def _order(feasible: list[Candidate], rng: random.Random) -> list[Candidate]:
    """First the largest network of each family, for accuracy grows with size; then the others in random order."""
    largest = {each.graph.text.partition(":")[0]: each for each in feasible}
    first = sorted(largest.values(), key=lambda each: each.cost.macs)
    rest = [each for each in feasible if each not in first]
    rng.shuffle(rest)
    return first + rest


def _axes(entry: Entry) -> tuple[float, ...]:
    """What a network of the Front is not beaten on, by weight: errors, MACs, flash, RAM."""
    return 1 - entry.validation.share, entry.cost.macs, entry.cost.flash_bytes, entry.cost.peak_ram_bytes


def _impossible(budget: Budget, considered: list[Candidate]) -> BudgetError:
    found = nearest([budget.excesses(each.cost.to_figures()) for each in considered])
    if found is None:
        return BudgetError("no network of the search's families can take these images")
    index, excess = found
    return BudgetError(
        f"no network fits: the nearest of {len(considered)}, {considered[index].graph.text}, fails, as its {excess}",
        hint="raise that limit, choose another --board, or take smaller images with --input",
    )


def _folder(out: Path | None) -> Path:
    if out is None:
        out = Path("runs") / f"search-{datetime.now():%Y%m%d-%H%M%S}"
    with writing(out):
        if out.exists() and any(out.iterdir()):
            raise RunError(f"{out} exists and is not empty", hint="choose another --out")
    return out
