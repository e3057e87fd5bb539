"""Where accuracy is lost: what each step, alone on integers, does to the answers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pennyweight.data.images import Pixels
from pennyweight.fit.predict import Normalisation
from pennyweight.net.graph import INPUT
from pennyweight.net.integer.quantization import HIGH, LOW
from pennyweight.shrink.quantize.execute import Executor, Look, batches
from pennyweight.shrink.quantize.integers import Scales, keeps_quantization
from pennyweight.shrink.quantize.rounding import rounded_weights, rounding


@dataclass(frozen=True, slots=True)
class StepLoss:
    """What one step costs: with it alone on integers, the logits are `signal_to_noise_db` above what changes in them.

    `clipped` is the share of the numbers it makes that lie outside of the range its integers cover. Without any change
    the signal-to-noise ratio is infinite.
    """

    name: str
    op: str
    signal_to_noise_db: float
    clipped: float


@torch.inference_mode()
def step_losses(
    executor: Executor, scales: Scales, images: Pixels, normalisation: Normalisation
) -> tuple[StepLoss, ...]:
    """The loss of each step that rounds, and of the image's own rounding; the one that costs most comes first."""
    seen = list(batches(images, normalisation, executor.device))
    clipped: dict[str, float] = {}
    exact = torch.cat([executor(batch, _clipping(scales, clipped, len(batch) / len(images))) for batch in seen])
    found = []
    steps = [step for step in executor.network.steps if not keeps_quantization(step.op)]
    for name, op in ((INPUT, INPUT), *((step.name, step.op.name) for step in steps)):
        look, weights = rounding(scales, {name}), rounded_weights(executor.weights, scales, {name})
        noise = torch.cat([executor(batch, look, weights) for batch in seen]) - exact
        powers = float(exact.double().square().sum()), float(noise.double().square().sum())
        ratio_db = 10 * math.log10(powers[0] / powers[1]) if min(powers) > 0 else math.inf
        found.append(StepLoss(name, op, ratio_db, clipped[name]))
    return tuple(sorted(found, key=lambda loss: loss.signal_to_noise_db))


def _clipping(scales: Scales, clipped: dict[str, float], weight: float) -> Look:
    """The look that adds to `clipped` the share of each tensor outside of its range, times `weight`."""

    def look(name: str, tensor: Tensor) -> Tensor:
        told = scales.tensors[name]
        low, high = ((end - told.zero_point) * told.scale for end in (LOW - 0.5, HIGH + 0.5))
        outside = (tensor < low) | (tensor > high)
        clipped[name] = clipped.get(name, 0.0) + weight * float(outside.float().mean())
        return tensor

    return look
