"""Accuracy that a network reaches with its default recipe, against the plain PyTorch loop on the same images."""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from measure import Bar, percent, table
from pennyweight import LabelledImages, Recipe, build_network, evaluate, train
from pennyweight.fit.defaults import default_recipe
from turns import Contender, race


@dataclass(frozen=True)
class Claim:
    """At least this accuracy of this network; `epochs` and `minutes` limit the training where they are told."""

    network: str
    accuracy: float
    epochs: int | None = None
    minutes: float | None = None

    @property
    def family(self) -> str:
        return self.network.partition(":")[0]

    def recipe(self, images: LabelledImages, *, seed: int, quick: bool) -> Recipe:
        """The default recipe, with the claim's number of epochs."""
        recipe = default_recipe(build_network(self.network, images.input_shape, images.classes), images)
        epochs = 1 if quick else self.epochs or recipe.epochs
        return dataclasses.replace(recipe, epochs=epochs, seed=seed)


def study(
    claim: Claim, images: LabelledImages, *, seeds: Sequence[int], optimizer: str | None, quick: bool
) -> tuple[dict[str, Any], list[Bar]]:
    """Validation accuracy and seconds of each seed, ours and then the plain loop's with as many epochs.

    `optimizer` is the plain loop's; None leaves it out.
    """
    ours: list[dict[str, Any]] = []
    plain: list[dict[str, Any]] = []
    for seed in seeds:
        recipe = claim.recipe(images, seed=seed, quick=quick)
        with tempfile.TemporaryDirectory() as folder:
            trained = train(images, claim.network, recipe=recipe, out=Path(folder) / "run", device="cpu")
            assert trained.validation is not None
            held_out = trained.validation.n
            ours.append({"accuracy": trained.validation.share, "seconds": trained.seconds, "epochs": trained.epochs})
            if optimizer:
                plain.append(plain_training(claim, images, recipe, optimizer, Path(folder)))
    result: dict[str, Any] = {"parameters": trained.parameters, "validation_n": held_out}
    print(
        f"\n{images.name}, {claim.network}: {trained.parameters:,} parameters, {ours[0]['epochs']} epochs, "
        f"{len(seeds)} seeds, validation on {held_out:,} images"
    )
    rows = []
    for name, runs in (("pennyweight, default recipe", ours), (f"plain PyTorch, {optimizer}, batch 128", plain)):
        if not runs:
            continue
        accuracies = [run["accuracy"] for run in runs]
        result[name.split(",")[0]] = runs
        rows.append(
            (
                name,
                percent(statistics.mean(accuracies)),
                percent(min(accuracies)),
                f"{statistics.median(run['seconds'] for run in runs):.0f} s",
            )
        )
    table(("", "validation, mean", "worst", "time"), rows)
    if plain:
        faster = statistics.median(b["seconds"] / a["seconds"] for a, b in zip(ours, plain, strict=True))
        wrong = [1 - statistics.mean(run["accuracy"] for run in runs) for runs in (ours, plain)]
        result |= {"times_as_fast": faster, "errors_share": wrong[0] / wrong[1] if wrong[1] else None}
        print(f"  {faster:.2f}x as fast, {wrong[0] / wrong[1]:.2f}x the errors" if wrong[1] else f"  {faster:.2f}x")
    return result, bars_of(claim, ours)


def plain_training(
    claim: Claim, images: LabelledImages, recipe: Recipe, optimizer: str, folder: Path
) -> dict[str, Any]:
    """The plain loop's final validation accuracy and its seconds without validation, in a process of its own."""
    part, validation = images.split(recipe.validation)
    data = folder / "images.npz"
    np.savez(
        data,
        train_images=part.images,
        train_labels=part.labels,
        validation_images=validation.images,
        validation_labels=validation.labels,
    )
    settings = {
        "data": str(data),
        "network": claim.network,
        "classes": images.classes,
        "epochs": recipe.epochs,
        "seed": recipe.seed,
        "optimizer": optimizer,
        "batch": 128,
    }
    [epochs] = race([Contender("plain PyTorch", "plain_torch", settings)], recipe.epochs)
    return {"accuracy": epochs[-1].accuracy, "seconds": sum(epoch.seconds for epoch in epochs), "epochs": len(epochs)}


def bars_of(claim: Claim, runs: Sequence[dict[str, Any]]) -> list[Bar]:
    """The bars on accuracy, as a mean over the seeds, and on minutes."""
    mean = statistics.mean(run["accuracy"] for run in runs)
    limit = f" in {claim.epochs} epochs" if claim.epochs else ""
    bars = [
        Bar(
            f"{claim.family}: validation at least {percent(claim.accuracy)}{limit}",
            percent(mean),
            mean >= claim.accuracy,
        )
    ]
    if claim.minutes:
        minutes = statistics.median(run["seconds"] for run in runs) / 60
        bars.append(
            Bar(f"{claim.family}: in at most {claim.minutes:g} minutes", f"{minutes:.1f}", minutes <= claim.minutes)
        )
    return bars


def final(claim: Claim, images: LabelledImages, *, quick: bool) -> tuple[dict[str, Any], Bar]:
    """The test accuracy of one training on all learning images, with its interval: the test part is opened once."""
    recipe = dataclasses.replace(claim.recipe(images, seed=0, quick=quick), validation=0, patience=0)
    with tempfile.TemporaryDirectory() as folder:
        trained = train(images, claim.network, recipe=recipe, out=Path(folder) / "run", device="cpu")
        tested = evaluate(trained.run, images, device="cpu")
    result = {
        "test_accuracy": tested.accuracy.share,
        "interval": list(tested.accuracy.interval),
        "n": tested.accuracy.n,
        "seconds": trained.seconds,
    }
    claimed = f"{claim.family}: test at least {percent(claim.accuracy)} in {trained.epochs} epochs"
    return result, Bar(claimed, str(tested.accuracy), tested.accuracy.share >= claim.accuracy)
