"""What one parameter of a search may be: one of some values, or a number of a range."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

Value = bool | int | float | str

STEP = 0.15
"""How far a neighbour lies, as the standard deviation of a share of a range."""

DIGITS = 3
"""Significant digits of a number that is drawn, so that what is told of it is what was trained with."""


@dataclass(frozen=True, slots=True)
class Choices:
    """A parameter that takes one of some values."""

    values: tuple[Value, ...]

    def draw(self, rng: Random) -> Value:
        """One of the values, each as likely."""
        return rng.choice(self.values)

    def near(self, value: Value, rng: Random) -> Value:
        """Another value: the one before or after where they are numbers in order, else any; itself if it is alone."""
        others = [other for other in self.values if other != value]
        if not others:
            return value
        if value in self.values and _ascending(self.values):
            place = self.values.index(value)
            others = [self.values[at] for at in (place - 1, place + 1) if 0 <= at < len(self.values)]
        return rng.choice(others)

    def nearest(self, value: Value) -> Value:
        """`value` where it is one of them, else of numbers the nearest, of words the first."""
        numbers = [other for other in self.values if _is_number(other)]
        if value in self.values or not _is_number(value) or not numbers:
            return value if value in self.values else self.values[0]
        return min(numbers, key=lambda other: abs(float(other) - float(value)))

    def holds(self, value: Value) -> bool:
        """Whether `value` is one of them."""
        return value in self.values

    @property
    def ends(self) -> tuple[Value, Value]:
        """The first and the last value."""
        return self.values[0], self.values[-1]


@dataclass(frozen=True, slots=True)
class Range:
    """A parameter that takes any number from `low` to `high`, even in its logarithm where `log`; `whole` ones only.

    A number that is drawn has DIGITS significant digits, or as many as a hundred steps of a narrow range need.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def draw(self, rng: Random) -> Value:
        """A number of the range, each as likely (in its logarithm where `log`)."""
        return self._at(rng.random())

    def near(self, value: Value, rng: Random) -> Value:
        """A number not far away, normal around `value` and turned back at the ends; a whole one differs if it can."""
        share = abs(rng.gauss(self._share(float(value)), STEP))
        moved = self._at(min(max(2 - share, 0.0) if share > 1 else share, 1.0))
        if self.whole and moved == value and self.low < self.high:
            down = value > self.low and (value >= self.high or rng.random() < 0.5)
            return int(value) - 1 if down else int(value) + 1
        return moved

    def nearest(self, value: Value) -> Value:
        """The number of the range that is nearest to the number `value`."""
        held = min(max(float(value), self.low), self.high)
        return round(held) if self.whole else held

    def holds(self, value: Value) -> bool:
        """Whether `value` is a number of this range."""
        if isinstance(value, bool | str) or (self.whole and not isinstance(value, int)):
            return False
        return self.low <= value <= self.high

    @property
    def ends(self) -> tuple[Value, Value]:
        """The lowest and the highest number."""
        return (round(self.low), round(self.high)) if self.whole else (self.low, self.high)

    @property
    def _bounds(self) -> tuple[float, float]:
        """The ends on the scale on which all is even; a whole number stands for what is rounded to it."""
        half = 0.5 if self.whole else 0.0
        low, high = self.low - half, self.high + half
        return (math.log(low), math.log(high)) if self.log else (low, high)

    def _share(self, value: float) -> float:
        low, high = self._bounds
        return ((math.log(value) if self.log else value) - low) / (high - low) if low < high else 0.0

    def _at(self, share: float) -> int | float:
        low, high = self._bounds
        value = low + share * (high - low)
        value = min(max(math.exp(value) if self.log else value, self.low), self.high)
        return round(value) if self.whole else self.rounded(value)

    def rounded(self, value: float) -> float:
        """The number with no more digits than a reader needs; the ends stay what they are."""
        if value in (self.low, self.high, 0.0):
            return value
        places = DIGITS - 1 - _magnitude(value)
        if self.low < self.high:
            places = max(places, -_magnitude((self.high - self.low) / 100))
        return min(max(round(value, places), self.low), self.high)


Domain = Choices | Range


def _magnitude(value: float) -> int:
    """The power of ten that a number begins with."""
    return math.floor(math.log10(abs(value)))


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _ascending(values: Sequence[Value]) -> bool:
    numbers = [value for value in values if isinstance(value, int | float) and _is_number(value)]
    return len(numbers) == len(values) and numbers == sorted(numbers)
