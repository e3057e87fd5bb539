"""The Front: what nothing else dominates; and how much of the plane it has won."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

BLOCK = 64
"""Points that are compared at once with all that are kept."""


def front(points: Sequence[Sequence[float]]) -> list[int]:
    """Indices of the points that no other one dominates, in order; on every axis less is better.

    A point dominates another if it is nowhere worse and somewhere better. Equal points do not dominate each other.

    >>> front([(1, 5), (2, 2), (3, 3), (5, 1)])
    [0, 1, 3]
    """
    order = sorted(range(len(points)), key=lambda index: tuple(points[index]))  # none dominates one before it
    columns = np.array([points[index] for index in order], dtype=float).T
    kept = np.empty(0, dtype=np.intp)
    for start in range(0, len(order), BLOCK):
        block = np.arange(start, min(start + BLOCK, len(order)))
        block = block[~_beaten(columns, kept, block)]
        kept = np.concatenate([kept, block[~_beaten(columns, block, block)]])
    return sorted(order[place] for place in kept.tolist())


def _beaten(columns: Floats, rivals: Places, block: Places) -> npt.NDArray[np.bool_]:
    """For each point of `block` whether one of `rivals` dominates it; `columns` is axes by points."""
    worse = np.zeros((len(rivals), len(block)), bool)
    better = worse.copy()
    for column in columns:
        theirs, own = column[rivals][:, None], column[block]
        worse |= theirs > own
        better |= theirs < own
    beaten: npt.NDArray[np.bool_] = np.any(better & ~worse, axis=0)
    return beaten


def dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether `one` is nowhere worse than `other` and somewhere better."""
    pairs = list(zip(one, other, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def hypervolume(points: Sequence[Sequence[float]], reference: Sequence[float]) -> float:
    """The volume between `reference` and the points that are better on every axis (Zitzler and Thiele, 1998).

    Exact, by cutting off one axis after the other (Fleischer 2003 calls it Lebesgue measure): of n points on d axes it
    takes about n ** (d - 1) steps, which is nothing for a front of some dozens on up to four axes.

    >>> hypervolume([(1, 3), (2, 2), (3, 1)], (4, 4))
    6.0
    """
    inside = [tuple(point) for point in points if all(a < b for a, b in zip(point, reference, strict=True))]
    return _volume(sorted(set(inside)), tuple(reference))


def _volume(points: list[tuple[float, ...]], reference: tuple[float, ...]) -> float:
    """Of points that are sorted by their first axis: slices along it, each the volume of the points before it."""
    if not points:
        return 0.0
    if len(reference) == 1:
        return float(reference[0] - points[0][0])
    total = 0.0
    for index, point in enumerate(points):
        end = points[index + 1][0] if index + 1 < len(points) else reference[0]
        if end > point[0]:
            rest = sorted({other[1:] for other in points[: index + 1]})
            total += (end - point[0]) * _volume([rest[at] for at in front(rest)], reference[1:])
    return total
