"""Calibration: the range of real numbers that each tensor's 256 integers shall cover, seen on training images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from pennyweight.core.errors import GraphError, unknown
from pennyweight.data.images import Pixels
from pennyweight.fit.predict import Normalisation
from pennyweight.shrink.quantize.execute import Executor, batches
from pennyweight.shrink.quantize.fold import Reals

Calibration = Literal["min-max", "percentile", "mse"]

Ranges = dict[str, tuple[float, float]]

BINS = 2048

PERCENT = 99.99
"""What `percentile` keeps of a tensor's numbers, the rest left out in equal parts at both ends."""

SHRINKINGS = np.linspace(0.025, 1, 40)
"""The shares of the lowest and of the highest number at which `mse` tries to end the range."""


@torch.inference_mode()
def ranges(executor: Executor, images: Pixels, normalisation: Normalisation, calibration: Calibration) -> Ranges:
    """The range of each tensor by its name; 0 lies in all of them.

    `min-max` covers every number that was seen, `percentile` the PERCENT in the middle, and `mse` is the range of least
    mean squared error of rounding and clipping, behind the activation where one alone reads the tensor.
    Raises GraphError where a tensor is not finite.
    """
    if calibration not in get_args(Calibration):
        raise unknown("calibration", calibration, get_args(Calibration))
    extremes = _extremes(executor, images, normalisation)
    if infinite := [name for name, ends in extremes.items() if not np.isfinite(ends).all()]:
        raise GraphError(
            f"numbers that are not finite come out of {', '.join(infinite)}",
            hint="train again with a lower learning rate",
        )
    if calibration == "min-max":
        return extremes
    found = dict(extremes)
    for name, (counts, middles) in _histograms(executor, images, normalisation, extremes).items():
        if calibration == "percentile":
            found[name] = _percentiles(counts, middles)
        else:
            found[name] = _least_error(counts, middles, executor.activation(name))
    return found


def _extremes(executor: Executor, images: Pixels, normalisation: Normalisation) -> Ranges:
    found: Ranges = {}

    def look(name: str, tensor: Tensor) -> Tensor:
        low, high = found.get(name, (0.0, 0.0))
        least, greatest = torch.aminmax(tensor)
        found[name] = min(low, float(least)), max(high, float(greatest))
        if not (torch.isfinite(least) and torch.isfinite(greatest)):
            found[name] = float(least), float(greatest)
        return tensor

    for batch in batches(images, normalisation, executor.device):
        executor(batch, look)
    return found


def _histograms(
    executor: Executor, images: Pixels, normalisation: Normalisation, extremes: Ranges
) -> dict[str, tuple[Reals, Reals]]:
    """How many numbers of each tensor lie in each of BINS equal parts of its range, and their middles.

    One of the middles is 0, so that zeros are exact. A tensor of zeros alone has none.
    """
    counts: dict[str, Tensor] = {}
    bins = {name: _bins(*ends) for name, ends in extremes.items() if ends[0] < ends[1]}

    def look(name: str, tensor: Tensor) -> Tensor:
        if name in bins:
            seen = torch.histc(tensor.cpu(), BINS, *bins[name]).double()
            counts[name] = counts[name] + seen if name in counts else seen
        return tensor

    for batch in batches(images, normalisation, executor.device):
        executor(batch, look)
    return {name: (counts[name].numpy(), _middles(*ends)) for name, ends in bins.items()}


def _bins(low: float, high: float) -> tuple[float, float]:
    """The ends of BINS equal parts that hold a range and have 0 in the middle of one."""
    width = (high - low) / (BINS - 2)
    start = (np.floor(low / width) - 0.5) * width
    return float(start), float(start + BINS * width)


def _middles(low: float, high: float) -> Reals:
    width = (high - low) / BINS
    return low + width / 2 + width * np.arange(BINS, dtype=np.float64)


def _percentiles(counts: Reals, middles: Reals) -> tuple[float, float]:
    shares = np.cumsum(counts) / counts.sum()
    outside = (1 - PERCENT / 100) / 2
    low, high = np.interp((outside, 1 - outside), shares, middles)
    return min(float(low), 0.0), max(float(high), 0.0)


def _least_error(counts: Reals, middles: Reals, activation: Callable[[Reals], Reals]) -> tuple[float, float]:
    """The ends, shares of those seen, of least mean squared error behind the activation that reads the tensor."""
    seen = counts > 0
    values, weights = middles[seen], counts[seen]
    exact = activation(values)
    lows = values[0] * SHRINKINGS if values[0] < 0 else np.zeros(1)
    highs = values[-1] * SHRINKINGS if values[-1] > 0 else np.zeros(1)
    best, least = (0.0, 0.0), np.inf
    for low in lows:
        steps = (highs[:, None] - low) / 255
        zeros = np.rint(-low / steps)
        rounded = (np.clip(np.rint(values / steps) + zeros, 0, 255) - zeros) * steps
        errors = (activation(rounded) - exact) ** 2 @ weights
        place = int(errors.argmin())
        if errors[place] < least:
            best, least = (float(low), float(highs[place])), errors[place]
    return best
