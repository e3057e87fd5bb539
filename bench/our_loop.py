"""Contender: `pennyweight.fit`, as `pennyweight train` runs it."""

from __future__ import annotations

import numpy as np

from pennyweight.data.images import Part
from pennyweight.fit.loop import State, begin, fit
from pennyweight.fit.predict import Normalisation
from pennyweight.fit.recipe import Recipe
from pennyweight.net.module import to_module
from pennyweight.net.zoo import build_network
from turns import Epoch, Turns


def main() -> None:
    turns = Turns()
    settings = turns.settings
    data = np.load(settings["data"])
    train = Part(data["train_images"], data["train_labels"])
    validation = Part(data["validation_images"], data["validation_labels"])
    recipe = Recipe(**settings["recipe"])
    graph = build_network(settings["network"], train.images.shape[1:], settings["classes"])
    batch = min(recipe.batch, len(train))
    images = len(train) // batch * batch

    def hand_in(state: State) -> None:
        row = state.curves[-1]
        assert row["images_per_s"] is not None
        assert row["validation_accuracy"] is not None
        turns.done(Epoch(images, images / row["images_per_s"], row["validation_accuracy"]))
        turns.wait()

    turns.ready(batch=batch)
    turns.wait()
    state = begin(graph, to_module(graph, seed=recipe.seed), recipe)
    fit(state, train, validation, Normalisation.of(train), recipe, on_epoch=hand_in)
