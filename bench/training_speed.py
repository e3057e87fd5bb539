"""Images a second of our training loop against Keras `fit` and a plain PyTorch loop, and time to Keras's accuracy.

All see the same training and validation images for the same number of epochs; the test part stays sealed. Ours runs
with its default recipe, with the plain loop's own batch, optimiser and augmentation, and on MNIST, where Keras
augments nothing, with a recipe for speed. Keras runs with larger batches too. The first epoch warms up and is left
out of all speeds. Ours multiplies in bfloat16 where `fit/device.py` says that this processor gains by it; the others
in float32.
"""

from __future__ import annotations

import dataclasses
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from measure import Bar, conclude, data_folder, machine, options, paired_ratio, percent, read, table
from pennyweight import LabelledImages, Recipe, build_network
from pennyweight.fit.defaults import default_recipe
from turns import Contender, Epoch, race

OURS, ALIKE, FAST, PLAIN, KERAS = (
    "pennyweight, default recipe",
    "pennyweight, same settings",
    "pennyweight, recipe for speed",
    "plain PyTorch, batch 128",
    "Keras fit, batch 128",
)
BATCH = 128


@dataclass(frozen=True)
class Race:
    """What is trained, how the plain loop does it, and how often each contender sees the images."""

    source: str
    network: str
    optimizer: str
    epochs: int
    keras_batches: tuple[int, ...]
    fast: Recipe | None = None

    @property
    def alike(self) -> Recipe:
        """The recipe that does what the plain loop does."""
        if self.optimizer == "adam":
            return Recipe(
                batch=BATCH, optimizer="adam", learning_rate=1e-3, weight_decay=0, schedule="constant", warmup=0
            )
        return Recipe(batch=BATCH, optimizer="nesterov", learning_rate=0.1, flip=True, shift=4)


RACES = (
    Race(
        "mnist",
        "mlp:hidden=80-60-50",
        optimizer="adam",
        epochs=20,
        keras_batches=(BATCH, 512, 2048),
        fast=Recipe(batch=2048, optimizer="adamw", learning_rate=0.02, weight_decay=0.1),
    ),
    Race("cifar10", "resnet8", optimizer="sgd", epochs=4, keras_batches=(BATCH, 512)),
)


def main() -> None:
    parser = options(__doc__, seeds=3)
    parser.add_argument("--keras-python", default=sys.executable, help="a Python that has the extra `bench`")
    parser.add_argument("--only", choices=[race.source for race in RACES], help="one of the two races")
    parser.add_argument("--epochs", type=int, help="of every contender, in place of 20 (mnist) and 4 (cifar10)")
    arguments = parser.parse_args()
    facts = machine()
    reason = why_no_keras(arguments.keras_python)
    if reason:
        print(f"Keras is left out: {reason}")
    results, bars = {}, []
    with data_folder(arguments.data_dir) as folder:
        for wanted in RACES:
            if arguments.only not in (None, wanted.source):
                continue
            epochs = arguments.epochs or (2 if arguments.quick else wanted.epochs)
            wanted = dataclasses.replace(wanted, epochs=epochs)
            images = read(wanted.source, folder, quick=arguments.quick)
            seeds = range(1 if arguments.quick else arguments.seeds)
            runs = [run(wanted, images, seed, None if reason else arguments.keras_python) for seed in seeds]
            results[wanted.source] = report(wanted, images, runs)
            bars += judge(wanted, results[wanted.source])
    conclude("training_speed", facts, results, bars, quick=arguments.quick)


def why_no_keras(python: str) -> str:
    """The reason why Keras cannot take part; empty where it can."""
    try:
        tried = subprocess.run([python, "-c", "import tensorflow, keras"], capture_output=True, text=True, check=False)
    except OSError as error:
        return f"{python}: {error}"
    return tried.stderr.strip().splitlines()[-1] if tried.returncode else ""


Runs = dict[str, list[Epoch]]


def run(wanted: Race, images: LabelledImages, seed: int, keras_python: str | None) -> Runs:
    """The epochs of each contender by its name, from one seed."""
    graph = build_network(wanted.network, images.input_shape, images.classes)
    recipes = {OURS: default_recipe(graph, images), ALIKE: wanted.alike}
    if wanted.fast:
        recipes[FAST] = wanted.fast
    train, validation = images.split(recipes[OURS].validation)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "images.npz"
        np.savez(
            data,
            train_images=train.images,
            train_labels=train.labels,
            validation_images=validation.images,
            validation_labels=validation.labels,
        )
        common = {"data": str(data), "network": wanted.network, "classes": images.classes}
        plain = common | {"epochs": wanted.epochs, "seed": seed, "optimizer": wanted.optimizer, "batch": BATCH}
        contenders = [
            Contender(
                name,
                "our_loop",
                common | {"recipe": asdict(dataclasses.replace(recipe, epochs=wanted.epochs, patience=0, seed=seed))},
            )
            for name, recipe in recipes.items()
        ]
        contenders.append(Contender(PLAIN, "plain_torch", plain))
        if keras_python:
            contenders += [
                Contender(f"Keras fit, batch {batch}", "keras_fit", plain | {"batch": batch}, keras_python)
                for batch in wanted.keras_batches
            ]
        epochs = race(contenders, wanted.epochs)
    if seed == 0:
        for contender in contenders:
            print(f"  {contender.name}: {', '.join(f'{name} {value}' for name, value in contender.facts.items())}")
    return {contender.name: own for contender, own in zip(contenders, epochs, strict=True)}


def speeds(runs: Sequence[Runs], name: str) -> list[float]:
    """Images a second of every epoch but each seed's first."""
    return [epoch.images_per_s for run in runs for epoch in run[name][1:] or run[name]]


def seconds_to(accuracy: float, epochs: Sequence[Epoch]) -> float | None:
    """Until the first epoch's end with at least this accuracy, at the median pace; None where there was none.

    The median pace spares everybody the first epoch's compilation.
    """
    pace = statistics.median(epoch.seconds for epoch in epochs[1:] or epochs)
    reached = next((number for number, epoch in enumerate(epochs, 1) if epoch.accuracy >= accuracy), None)
    return None if reached is None else reached * pace


def report(wanted: Race, images: LabelledImages, runs: Sequence[Runs]) -> dict[str, Any]:
    """Print the table of one race and return its figures."""
    print(
        f"\n{wanted.source}, {wanted.network}: {len(images.learning):,} images to train and validate on, "
        f"{wanted.epochs} epochs, {len(runs)} seeds"
    )
    results: dict[str, Any] = {}
    ours = [name for name in (OURS, ALIKE, FAST) if name in runs[0]]
    for name in runs[0]:
        to_keras = [seconds_to(run[KERAS][-1].accuracy, run[name]) for run in runs] if KERAS in runs[0] else []
        results[name] = {
            "images_per_s": statistics.median(speeds(runs, name)),
            "times_as_fast": {own: paired_ratio(speeds(runs, own), speeds(runs, name)) for own in ours},
            "final_accuracy": statistics.mean(run[name][-1].accuracy for run in runs),
            "final_accuracies": [run[name][-1].accuracy for run in runs],
            "seconds_to_final_accuracy_of_keras": to_keras,
        }
    titles = ("", "images/s", *(own.split(", ")[1] for own in ours), "accuracy", "to Keras's accuracy")
    rows = [
        (
            name,
            f"{row['images_per_s']:,.0f}",
            *(f"{ratio:.2f}x" for ratio in row["times_as_fast"].values()),
            percent(row["final_accuracy"]),
            reached(row["seconds_to_final_accuracy_of_keras"]),
        )
        for name, row in results.items()
    ]
    table(titles, rows)
    return results


def reached(seconds: Sequence[float | None]) -> str:
    found = [value for value in seconds if value is not None]
    if not found:
        return "never" if seconds else "-"
    return f"{statistics.median(found):.1f} s" + (
        f" ({len(found)} of {len(seconds)})" if len(found) < len(seconds) else ""
    )


def judge(wanted: Race, results: dict[str, Any]) -> list[Bar]:
    """The bars of one race, for the default recipe and, where there is one, for the recipe for speed."""
    if wanted.source == "cifar10":
        ratio = results[PLAIN]["times_as_fast"][OURS]
        return [Bar(f"cifar10 resnet8, {OURS}: images/s at least 1.5x plain PyTorch", f"{ratio:.2f}x", ratio >= 1.5)]
    bars = []
    for name in (OURS, FAST):
        claims = (
            f"mnist mlp, {name}: images/s at least 5x Keras fit",
            f"mnist mlp, {name}: accuracy at least that of Keras after as many epochs",
            f"mnist mlp, {name}: at the accuracy of Keras in a fifth of its time",
        )
        if KERAS not in results:
            bars += [Bar(claim, "no Keras here", None) for claim in claims]
            continue
        ours, keras = results[name], results[KERAS]
        ratio = keras["times_as_fast"][name]
        accuracies = f"{percent(ours['final_accuracy'])} against {percent(keras['final_accuracy'])}"
        times = zip(*(row["seconds_to_final_accuracy_of_keras"] for row in (ours, keras)), strict=True)
        sooner = statistics.median(0 if mine is None else theirs / mine for mine, theirs in times)
        bars += [
            Bar(claims[0], f"{ratio:.2f}x", ratio >= 5),
            Bar(claims[1], accuracies, ours["final_accuracy"] >= keras["final_accuracy"]),
            Bar(claims[2], f"{sooner:.1f}x sooner" if sooner else "never", sooner >= 5),
        ]
    return bars


if __name__ == "__main__":
    main()
