"""Quantization: how the integers of a tensor stand for real numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pennyweight.core.errors import GraphError

Int8 = npt.NDArray[np.int8]

LOW, HIGH = -128, 127
"""The least and the greatest int8."""


@dataclass(frozen=True, slots=True)
class Quantization:
    """An int8 `q` stands for `scale * (q - zero_point)`. The scale is a float32 value, as a .tflite keeps it.

    Raises GraphError for a scale that is no positive number of float32's normal range, or a zero point outside int8.
    """

    scale: float
    zero_point: int

    def __post_init__(self) -> None:
        with np.errstate(over="ignore", under="ignore"):
            scale = float(np.float32(self.scale))
        if not (math.isfinite(scale) and scale >= np.finfo(np.float32).tiny):
            raise GraphError(f"a scale is a positive float32, not {self.scale}")
        if not LOW <= self.zero_point <= HIGH:
            raise GraphError(f"a zero point lies in {LOW} … {HIGH}, unlike {self.zero_point}")
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "zero_point", int(self.zero_point))

    def quantise(self, reals: npt.ArrayLike) -> Int8:
        """The nearest int8s, a half away from zero, kept in range; NaN raises GraphError."""
        reals = np.asarray(reals, np.float64)
        if np.isnan(reals).any():
            raise GraphError("a number that is not a number has no int8")
        with np.errstate(over="ignore"):
            steps = np.clip(reals / self.scale, -1000, 1000)
        integers: Int8 = np.clip(round_away(steps) + self.zero_point, LOW, HIGH).astype(np.int8)
        return integers

    def dequantise(self, integers: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
        """The real numbers, float32, that integers stand for."""
        return ((integers.astype(np.int64) - self.zero_point) * self.scale).astype(np.float32)


def round_away(reals: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """The nearest whole numbers, a half away from zero, as C's `round`."""
    whole: npt.NDArray[np.floating] = np.trunc(reals)
    return np.where(np.abs(reals - whole) >= 0.5, whole + np.sign(reals), whole)
