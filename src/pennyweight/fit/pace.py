"""How long an epoch takes, measured on a few steps before a training is planned."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import torch

from pennyweight.data.images import Part
from pennyweight.fit.loop import begin, fit
from pennyweight.fit.predict import Normalisation
from pennyweight.fit.recipe import Recipe
from pennyweight.net.graph import Graph
from pennyweight.net.module import to_module

STEPS = 4


def seconds_per_epoch(graph: Graph, part: Part, recipe: Recipe, device: torch.device) -> float:
    """Measured seconds that one epoch over `part` takes, without validation: a few steps, scaled up."""
    few = part.take(np.arange(min(len(part), STEPS * recipe.batch)))
    once = replace(recipe, epochs=2, validation=0.0, patience=0, teacher="")
    state = begin(graph, to_module(graph, seed=0).to(device), once)
    empty = part.take(np.arange(0))
    times: list[float] = []
    began = time.perf_counter()

    def note(_: object) -> None:
        times.append(time.perf_counter() - began)

    fit(state, few, empty, Normalisation.of(few), once, on_epoch=note)
    return (times[1] - times[0]) * len(part) / len(few)
