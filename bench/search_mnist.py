"""MNIST, the original's grid of mlps: how soon a search has a network as good as the original's, against Keras.

All choose from the space `mnist-grid` within the original's 71,220 parameters, and see the same training and validation
images. The peers are Keras `fit` at batch 32 through the grid, in the order in which `--sampler grid` goes and in a
random order for each seed, and KerasTuner's Hyperband. What exceeds the parameters is left out of their spaces before
they begin. Their clock is read after every epoch, ours once a trial has ended, its run folder written. It begins with
the images in memory and the libraries imported; a peer that is not there after `--limit-s` is stopped, and the ratio is
a lower bound. Validation only; the test part is opened once, in the end, by the two searches for the most accurate
network.
"""

from __future__ import annotations

import dataclasses
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from measure import Bar, conclude, data_folder, machine, options, paired_ratio, percent, read, table
from pennyweight import Budget, LabelledImages, build_network, search
from pennyweight.fit.defaults import default_recipe
from pennyweight.plan.candidates import Candidates
from pennyweight.plan.coordinator import SearchProgress
from pennyweight.plan.space import Space
from pennyweight.plan.trial import Trial
from training_speed import why_no_keras
from turns import Contender

SPACE = "mnist-grid"
PARAMETERS, TARGET = 71_220, 0.9802
MINUTES = 5.0
"""Of the search that hunts the target; it ends once it is there."""

QUICK_TARGET, QUICK_MINUTES = 0.2, 0.3
BATCH = 32
"""At which Keras goes through the grid."""

OURS, GRID, SHUFFLED, HYPERBAND = (
    "pennyweight search",
    "Keras fit, grid in order",
    "Keras fit, grid in random order",
    "KerasTuner Hyperband",
)
WANTED = {GRID: 20, HYPERBAND: 5}
"""How many times as soon as these a search of ours is to be."""

FOREVER = 10**9
"""Epochs that Hyperband never comes to."""

SMALL = 7_000


@dataclass(frozen=True)
class Hunt:
    """A method's way to the target: the seconds until it was there, or was given up, and what it did in that time."""

    seconds: float
    reached: bool
    best: float
    epochs: int


class Reached(Exception):
    """The search has a network that is good enough."""


def main() -> None:
    parser = options(__doc__, seeds=3)
    parser.add_argument("--keras-python", default=sys.executable, help="a Python that has the extra `bench`")
    parser.add_argument("--limit-s", type=float, default=1200, help="how long a peer may take (%(default)g)")
    parser.add_argument("--minutes", type=float, default=20, help="of a search for the most accurate (%(default)g)")
    parser.add_argument("--only", choices=("sooner", "best"), help="one of the two parts")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.seeds, arguments.limit_s, arguments.minutes = 1, 5.0, 0.1
    facts = machine()
    results: dict[str, Any] = {}
    bars: list[Bar] = []
    with data_folder(arguments.data_dir) as folder:
        images = read("mnist", folder, quick=arguments.quick)
        if arguments.only != "best":
            results["sooner"], judged = sooner(images, arguments)
            bars += judged
        if arguments.only != "sooner":
            results["best"], judged = best(images, arguments.minutes)
            bars += judged
    conclude("search_mnist", facts, results, bars, quick=arguments.quick)


def sooner(images: LabelledImages, arguments: Any) -> tuple[dict[str, Any], list[Bar]]:
    """How soon each method reaches the target, seed by seed, and the bars."""
    target, limit_s = QUICK_TARGET if arguments.quick else TARGET, arguments.limit_s
    space = within_parameters(Space.named(SPACE), images)
    reason = why_no_keras(arguments.keras_python)
    if reason:
        print(f"Keras is left out: {reason}")
    print(f"\nuntil {percent(target)} on validation, at most {PARAMETERS:,} parameters", flush=True)
    methods = (OURS,) if reason else (OURS, GRID, SHUFFLED, HYPERBAND)
    hunts: dict[str, list[Hunt]] = {method: [] for method in methods}
    with tempfile.TemporaryDirectory() as folder:
        data = save(images, Path(folder) / "images.npz")
        for seed in range(arguments.seeds):
            for method, done in hunts.items():
                if method == OURS:
                    hunt = ours(images, Space.named(SPACE), seed, target, QUICK_MINUTES if arguments.quick else MINUTES)
                else:
                    settings = settings_of(method, space, seed) | {"data": data, "classes": images.classes}
                    hunt = theirs(method, settings, arguments.keras_python, target, limit_s)
                done.append(hunt)
                print(f"  seed {seed}, {method}: {said(hunt)}, {hunt.epochs} epochs", flush=True)
    rows = [(method, *(said(hunt) for hunt in done), ratio(hunts[OURS], done)[1]) for method, done in hunts.items()]
    table(("", *(f"seed {seed}" for seed in range(arguments.seeds)), "ours sooner"), rows)
    bars = []
    for method, wanted in WANTED.items():
        claim = f"mnist, {SPACE}: {percent(TARGET)} at least {wanted}x sooner than {method}"
        if method not in hunts:
            bars.append(Bar(claim, "no Keras here", None))
            continue
        least, told = ratio(hunts[OURS], hunts[method])
        bounded = least < wanted and least > 0 and not all(hunt.reached for hunt in hunts[method])
        bars.append(Bar(claim, told, None if bounded else least >= wanted))
    return {method: [asdict(hunt) for hunt in done] for method, done in hunts.items()}, bars


def within_parameters(space: Space, images: LabelledImages) -> dict[str, list[Any]]:
    """What each parameter of the grid may be: name -> values, in order, without the layouts that exceed the budget."""
    candidates = Candidates(space, images.input_shape, images.classes, Budget(parameters=PARAMETERS))
    points = [point for point in space.grid() if candidates.fitting(point)]
    names = {name: name.partition(".")[2] for name, _ in points[0].values}
    return {short: list(dict.fromkeys(dict(point.values)[name] for point in points)) for name, short in names.items()}


def settings_of(method: str, space: dict[str, list[Any]], seed: int) -> dict[str, Any]:
    """What the peer in `keras_search.py` is told: points in their order, or a space and the epochs of Hyperband."""
    common = {"seed": seed, "space": space}
    if method == HYPERBAND:
        choices = {name: values for name, values in space.items() if name != "epochs"}
        return common | {"space": choices, "max_epochs": max(space["epochs"])}
    return common | {"points": points_of(space, random.Random(seed) if method == SHUFFLED else None)}


def points_of(space: dict[str, list[Any]], rng: random.Random | None) -> list[dict[str, Any]]:
    """The grid at batch 32, in its order or in that of `rng`."""
    points: list[dict[str, Any]] = [{}]
    for name, values in (space | {"batch": [BATCH]}).items():
        points = [point | {name: value} for point in points for value in values]
    if rng:
        rng.shuffle(points)
    return points


def save(images: LabelledImages, path: Path) -> str:
    """The path of the training and the validation images, as arrays for another Python."""
    train, validation = parts(images)
    np.savez(
        path,
        train_images=train.images,
        train_labels=train.labels,
        validation_images=validation.images,
        validation_labels=validation.labels,
    )
    return str(path)


def parts(images: LabelledImages) -> Any:
    """The training and the validation part of every search of ours."""
    network = build_network("mlp", images.input_shape, images.classes)
    return images.split(default_recipe(network, images).validation)


def sealed_away(images: LabelledImages) -> LabelledImages:
    """The images with a few to learn from in the place of the test part, which a search opens in the end."""
    return dataclasses.replace(images, sealed=images.learning.take(np.arange(100)), source="")


def ours(images: LabelledImages, space: Space, seed: int, target: float, minutes: float) -> Hunt:
    """Our search, stopped once it has a network that is good enough."""
    trials: Sequence[Trial] = ()

    def highest() -> float:
        return max((trial.validation.share for trial in trials if trial.validation), default=0.0)

    def watch(progress: SearchProgress) -> None:
        nonlocal trials
        trials = progress.trials
        if progress.training is None and highest() >= target:
            raise Reached

    hidden = sealed_away(images)
    budget = Budget(parameters=PARAMETERS, minutes=minutes)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        try:
            found = search(
                hidden,
                budget,
                space=space,
                trade=("parameters",),
                seed=seed,
                out=Path(folder) / "search",
                device="cpu",
                on_progress=watch,
            )
            trials = [entry.trial for entry in (*found.trials, *found.unfinished)]
        except Reached:
            pass
        seconds = time.perf_counter() - began
    return Hunt(seconds, highest() >= target, highest(), sum(len(trial.accuracies) for trial in trials))


def theirs(method: str, settings: dict[str, Any], python: str, target: float, limit_s: float) -> Hunt:
    """A peer's search, stopped after the first epoch that is good enough, or after the first beyond the limit."""
    most = sum(point["epochs"] for point in settings["points"]) if "points" in settings else FOREVER
    highest, epochs = 0.0, 0
    with Contender(method, "keras_search", settings, python) as contender:
        began = time.perf_counter()
        while highest < target and epochs < most and time.perf_counter() - began < limit_s:
            highest = max(highest, contender.epoch().accuracy)
            epochs += 1
        seconds = time.perf_counter() - began
    return Hunt(seconds, highest >= target, highest, epochs)


def said(hunt: Hunt) -> str:
    if hunt.reached:
        return f"{hunt.seconds:.1f} s"
    return f"not reached within {hunt.seconds:,.0f} s (best {percent(hunt.best)})"


def ratio(ours: Sequence[Hunt], theirs: Sequence[Hunt]) -> tuple[float, str]:
    """How many times as long they took: the median over the seeds, and in words; 0 where ours was not always there."""
    if not all(hunt.reached for hunt in ours):
        return 0.0, "ours was not always there"
    times = paired_ratio([hunt.seconds for hunt in theirs], [hunt.seconds for hunt in ours])
    missed = sum(not hunt.reached for hunt in theirs)
    if not missed:
        return times, f"{times:.1f}x"
    gave_up = statistics.median(hunt.seconds for hunt in theirs if not hunt.reached)
    return times, f"at least {times:.1f}x ({missed} of {len(theirs)} not there within {gave_up:,.0f} s)"


def best(images: LabelledImages, minutes: float) -> tuple[dict[str, Any], list[Bar]]:
    """The most accurate mlp of the grid's layouts with our own recipes, and the best small network of any family.

    Both are chosen on validation; each search opens the test part once, for its Front.
    """
    layouts = dataclasses.replace(Space.named(SPACE), recipe={})
    results, bars, rows = {}, [], []
    for what, space, parameters, wanted in (
        ("mlp", layouts, PARAMETERS, 0.989),
        ("any family", Space.named("default"), SMALL, 0.993),
    ):
        with tempfile.TemporaryDirectory() as folder:
            budget = Budget(parameters=parameters, minutes=minutes)
            out = Path(folder) / "search"
            found = search(images, budget, space=space, trade=("parameters",), out=out, device="cpu")
        winner, title = found.winner, f"{what} within {parameters:,} parameters"
        assert winner.test is not None
        results[title] = found.as_json()
        low, high = winner.test.interval
        rows.append(
            (
                f"{title}: {winner.network}",
                f"{winner.cost.parameters:,}",
                str(winner.epochs),
                percent(winner.validation.share),
                f"{percent(winner.test.share)} ({100 * low:.2f} … {100 * high:.2f})",
                str(len(found.trials)),
            )
        )
        claim = f"mnist, {title}, in {minutes:g} minutes: at least {percent(wanted)} on validation"
        bars.append(Bar(claim, percent(winner.validation.share), winner.validation.share >= wanted))
    print("\nthe most accurate")
    table(("", "parameters", "epochs", "validation", "test", "trainings"), rows)
    return results, bars


if __name__ == "__main__":
    main()
