"""Accuracy with the interval that belongs to it."""

from __future__ import annotations

import math
from dataclasses import dataclass

Z_95 = 1.959963984540054
"""97.5 % quantile of the normal distribution."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """`correct` of `n` images answered rightly. Raises ValueError unless 0 <= correct <= n.

    >>> print(Accuracy(9, 10))
    90.00 % (59.58 … 98.21 %, n = 10)
    """

    correct: int
    n: int

    def __post_init__(self) -> None:
        if not 0 <= self.correct <= self.n:
            raise ValueError(f"{self.correct} of {self.n} images cannot be right")

    @property
    def share(self) -> float:
        """The accuracy in [0, 1]; not a number where n is 0."""
        return self.correct / self.n if self.n else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % score interval (E. B. Wilson, JASA 22, 1927); (0, 1) where n is 0."""
        if not self.n:
            return 0.0, 1.0
        share, spread = self.share, Z_95**2 / self.n
        middle = (share + spread / 2) / (1 + spread)
        half = Z_95 / (1 + spread) * math.sqrt(share * (1 - share) / self.n + spread / (4 * self.n))
        return max(0.0, middle - half), min(1.0, middle + half)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{100 * self.share:.2f} % ({100 * low:.2f} … {100 * high:.2f} %, n = {self.n:,})"
