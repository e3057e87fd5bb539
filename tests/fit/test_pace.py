"""How long an epoch takes is told from a few steps."""

from __future__ import annotations

from time import perf_counter

import torch

from pennyweight.data.images import LabelledImages
from pennyweight.fit.pace import STEPS, seconds_per_epoch
from pennyweight.fit.recipe import Recipe
from pennyweight.net.graph import Graph

CPU = torch.device("cpu")
RECIPE = Recipe(batch=4, patience=3, validation=0.2)


def test_it_is_a_time_no_longer_than_the_measurement_scaled_up(digits: LabelledImages, mlp: Graph) -> None:
    began = perf_counter()
    told = seconds_per_epoch(mlp, digits.learning, RECIPE, CPU)
    scale = len(digits.learning) / (STEPS * RECIPE.batch)
    assert 0 < told < scale * (perf_counter() - began)


def test_fewer_images_than_a_few_steps_take_are_measured_as_they_are(digits: LabelledImages, mlp: Graph) -> None:
    few = digits.learning.take(torch.arange(3).numpy())
    assert seconds_per_epoch(mlp, few, RECIPE, CPU) > 0
