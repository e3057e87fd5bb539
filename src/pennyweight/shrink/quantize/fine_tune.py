"""Quantisation-aware fine-tuning: the weights learn on, rounded as on integers in every step.

Jacob et al. 2018, arXiv:1712.05877, 3. The network is its own teacher: it learns to answer as it did in float, and
nothing else (Hinton et al. 2015, arXiv:1503.02531), on images as they are: a teacher's answers belong to no others.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from pennyweight.data.images import Part
from pennyweight.fit.loop import Progress, begin, fit
from pennyweight.fit.predict import Normalisation
from pennyweight.fit.recipe import Recipe
from pennyweight.net.graph import Graph
from pennyweight.shrink.quantize.execute import Executor
from pennyweight.shrink.quantize.fold import FloatNetwork
from pennyweight.shrink.quantize.integers import WEIGHT_MAX, Scales
from pennyweight.shrink.quantize.rounding import round_weight, rounding

LEARNING_RATE = 5e-5
"""Adam's peak, a fortieth of what a training from the start takes: the weights move by a few steps of rounding."""

TEMPERATURE = 4.0
"""Softens the answers that are learnt, so that the order of the wrong classes counts too."""


class RoundedModule(nn.Module):
    """A FloatNetwork as a module that learns: its tensors and weights are rounded, its ranges stay."""

    def __init__(self, executor: Executor, scales: Scales) -> None:
        super().__init__()
        self._executor, self._scales, self._look = executor, scales, rounding(scales)
        self._learnt = nn.ParameterDict(
            {name.replace(".", "/"): nn.Parameter(tensor.clone()) for name, tensor in executor.weights.items()}
        )

    @property
    def weights(self) -> dict[str, Tensor]:
        """What was learnt, by `step.weight` and `step.bias`."""
        return {name.replace("/", "."): tensor for name, tensor in self._learnt.items()}

    def forward(self, images: Tensor) -> Tensor:
        """The logits that the integers would answer."""
        weights = self.weights
        for step in self._scales.weights:
            weight = weights[f"{step}.weight"]
            largest = weight.detach().abs().flatten(1).amax(1)
            weights[f"{step}.weight"] = round_weight(weight, largest.clamp_min(torch.finfo().tiny) / WEIGHT_MAX)
        with torch.autocast(images.device.type, enabled=False):
            return self._executor(images.float(), self._look, weights)


def fine_tuned(
    executor: Executor,
    scales: Scales,
    graph: Graph,
    train: Part,
    validation: Part,
    teacher: Tensor,
    normalisation: Normalisation,
    recipe: Recipe,
    epochs: int,
    on_progress: Callable[[Progress], None] | None = None,
) -> FloatNetwork:
    """The network after so many more epochs; `teacher` are the logits of the training images in float.

    Raises TrainingError when the loss is not a number.
    """
    gentle = Recipe(
        epochs=epochs,
        batch=recipe.batch,
        optimizer="adam",
        learning_rate=LEARNING_RATE,
        weight_decay=0.0,
        schedule="cosine",
        distill=1.0,
        temperature=TEMPERATURE,
        seed=recipe.seed,
    )
    module = RoundedModule(executor, scales).to(executor.device)
    state = begin(graph, module, gentle)
    fit(state, train, validation, normalisation, gentle, teacher_logits=teacher, on_progress=on_progress)
    return executor.network.with_arrays(
        {name: tensor.detach().cpu().double().numpy() for name, tensor in module.weights.items()}
    )
