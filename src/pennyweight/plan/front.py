"""The Front: what nothing else beats on every axis."""

from __future__ import annotations

from collections.abc import Sequence


def front(points: Sequence[Sequence[float]]) -> list[int]:
    """Indices of the points that no other one dominates, in order; on every axis less is better.

    A point dominates another if it is nowhere worse and somewhere better. Equal points do not dominate each other.

    >>> front([(1, 5), (2, 2), (3, 3), (5, 1)])
    [0, 1, 3]
    """
    return [
        index
        for index, point in enumerate(points)
        if not any(_dominates(other, point) for other in points if other is not point)
    ]


def _dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    pairs = list(zip(one, other, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)
