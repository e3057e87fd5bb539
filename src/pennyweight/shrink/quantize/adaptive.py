"""Adaptive rounding: each weight goes up or down as its layer's results lose least, not as the weight itself does.

Nagel et al. 2020, arXiv:2004.10568, equations 21 to 25, layer after layer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from pennyweight.data.images import Pixels
from pennyweight.fit.predict import Normalisation
from pennyweight.shrink.quantize.execute import BATCH, CLAMPS, Executor, Look, batches
from pennyweight.shrink.quantize.fold import FloatNetwork, FloatStep
from pennyweight.shrink.quantize.integers import WEIGHT_MAX, Scales
from pennyweight.shrink.quantize.rounding import rounding

IMAGES, STEPS, STEP_IMAGES = 256, 150, 32
LEARNING_RATE = 0.05
"""The paper takes 10,000 steps at 0.01; 1,000 at that rate gained 0.3 dB over these, in five times the time."""

PENALTY, WARM_UP = 0.01, 0.2
SHARPNESS = 20.0, 2.0
"""What makes each weight choose: its factor, the share of steps without it, and its exponent in the beginning and in
the end (the paper's)."""

STRETCH = 1.2
"""The sigmoid reaches from 0.5 - STRETCH / 2 to 0.5 + STRETCH / 2, so that it can end at 0 and at 1."""


def adaptively_rounded(
    executor: Executor, scales: Scales, images: Pixels, normalisation: Normalisation
) -> FloatNetwork:
    """The network with weights that are whole numbers of their scales, chosen on the first IMAGES images."""
    exact, rounded = executor.weights, dict(executor.weights)
    images, look = images[:IMAGES], rounding(scales)
    for step in executor.network.linear:
        clean = _input(executor, step, images, normalisation, exact, lambda name, tensor: tensor)
        source = _input(executor, step, images, normalisation, rounded, look)
        with torch.no_grad():
            target = torch.cat(
                [CLAMPS[step.clamp](executor.step(step, [part], exact)) for part in torch.split(clean, BATCH)]
            )
        rounded[f"{step.name}.weight"] = _chosen(executor, step, scales, source, target)
    return executor.network.with_arrays(
        {name: tensor.detach().cpu().double().numpy() for name, tensor in rounded.items()}
    )


class _Seen(Exception):
    """What was looked for is there, and nothing behind it needs to be computed."""


@torch.no_grad()
def _input(
    executor: Executor,
    step: FloatStep,
    images: Pixels,
    normalisation: Normalisation,
    weights: Mapping[str, Tensor],
    look: Look,
) -> Tensor:
    """What a step reads of all images, with these weights and under this look."""
    found: list[Tensor] = []

    def until(name: str, tensor: Tensor) -> Tensor:
        if name == step.inputs[0]:
            found.append(look(name, tensor))
            raise _Seen
        return look(name, tensor)

    for batch in batches(images, normalisation, executor.device):
        try:
            executor(batch, until, weights)
        except _Seen:
            continue
    return torch.cat(found)


def _chosen(executor: Executor, step: FloatStep, scales: Scales, source: Tensor, target: Tensor) -> Tensor:
    """The weights of one step, each rounded to the one side or the other."""
    name = f"{step.name}.weight"
    weight = executor.weights[name]
    scale = torch.tensor(scales.weights[step.name], device=weight.device).reshape(-1, *[1] * (weight.ndim - 1))
    low = torch.floor(weight / scale)
    rest = (weight / scale - low).clamp(1e-3, 1 - 1e-3)
    choice = torch.logit((rest - 0.5) / STRETCH + 0.5).requires_grad_()
    optimizer = torch.optim.Adam([choice], LEARNING_RATE)
    generator = torch.Generator().manual_seed(0)
    for number in range(STEPS):
        index = torch.randint(len(source), (STEP_IMAGES,), generator=generator).to(source.device)
        up = ((torch.sigmoid(choice) - 0.5) * STRETCH + 0.5).clamp(0, 1)
        soft = (low + up).clamp(-WEIGHT_MAX, WEIGHT_MAX) * scale
        made = CLAMPS[step.clamp](executor.step(step, [source[index]], {**executor.weights, name: soft}))
        loss = (made - target[index]).square().sum() / STEP_IMAGES
        done = (number / STEPS - WARM_UP) / (1 - WARM_UP)
        if done > 0:
            sharpness = SHARPNESS[1] + (SHARPNESS[0] - SHARPNESS[1]) * (1 + math.cos(math.pi * done)) / 2
            loss = loss + PENALTY * (1 - (2 * up - 1).abs().pow(sharpness)).sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return (low + (choice.detach() > 0)).clamp(-WEIGHT_MAX, WEIGHT_MAX) * scale
