"""Integers in simulation: real numbers rounded to those that the integers stand for, with gradients that pass through.

Jacob et al. 2018, arXiv:1712.05877, 3; the gradient of rounding is taken as 1, and 0 where a number is clipped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor

from pennyweight.net.integer.quantization import HIGH, LOW
from pennyweight.shrink.quantize.execute import Look
from pennyweight.shrink.quantize.integers import WEIGHT_MAX, Scales


def rounding(scales: Scales, names: Iterable[str] | None = None) -> Look:
    """The look under which every tensor, or each of these names, is rounded to 8 bits."""
    rounded = scales.tensors if names is None else {name: scales.tensors[name] for name in names}

    def look(name: str, tensor: Tensor) -> Tensor:
        if name not in rounded:
            return tensor
        told = rounded[name]
        return torch.fake_quantize_per_tensor_affine(tensor, told.scale, told.zero_point, LOW, HIGH)

    return look


def rounded_weights(
    weights: Mapping[str, Tensor], scales: Scales, names: Iterable[str] | None = None
) -> dict[str, Tensor]:
    """The weights with those of every convolution and dense layer, or of each of these names, rounded to 8 bits."""
    rounded = dict(weights)
    for step in scales.weights if names is None else set(names) & scales.weights.keys():
        weight = weights[f"{step}.weight"]
        own = torch.from_numpy(np.array(scales.weights[step])).to(weight.device)
        rounded[f"{step}.weight"] = round_weight(weight, own)
    return rounded


def round_weight(weight: Tensor, scales: Tensor) -> Tensor:
    """A weight rounded to 8 bits, each output channel on its own scale."""
    zeros = torch.zeros_like(scales, dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(weight, scales, zeros, 0, -WEIGHT_MAX, WEIGHT_MAX)
