"""Whether a network's confidence is its accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BINS = 15
"""As many as in Guo et al., On Calibration of Modern Neural Networks, ICML 2017."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Images of about one confidence: their mean confidence and their accuracy; None where there are none."""

    confidence: float | None
    accuracy: float | None
    n: int


def reliability(confidences: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> tuple[Bin, ...]:
    """BINS bins of equal width over (0, 1], each closed at its upper end; `right` says which images were answered so.

    >>> reliability(np.array([0.9, 1.0]), np.array([True, False]))[-1]
    Bin(confidence=1.0, accuracy=0.0, n=1)
    """
    place = np.clip(np.ceil(confidences * BINS).astype(np.int64) - 1, 0, BINS - 1)
    n = np.bincount(place, minlength=BINS)
    confidence = np.bincount(place, confidences, BINS)
    accuracy = np.bincount(place, right, BINS)
    return tuple(
        Bin(float(confidence[i] / n[i]), float(accuracy[i] / n[i]), int(n[i])) if n[i] else Bin(None, None, 0)
        for i in range(BINS)
    )


def calibration_error(bins: Sequence[Bin]) -> float:
    """Expected calibration error in [0, 1] (Guo et al. 2017): |accuracy - confidence|, averaged over the images.

    >>> calibration_error([Bin(0.9, 0.5, 1), Bin(0.3, 0.3, 3)])
    0.1
    """
    total = sum(each.n for each in bins)
    return sum(each.n * abs(each.accuracy - each.confidence) for each in bins if each.n) / total  # type: ignore[operator]
