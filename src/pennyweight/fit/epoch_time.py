"""How long an epoch of a training took, from its curves as anybody may have written them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median

from pennyweight.core.units import LONGEST_MINUTES


def seconds_per_epoch(curves: Iterable[object]) -> float | None:
    """The median of the epochs whose time is known; None where none is. What is no time of an epoch is passed over.

    >>> seconds_per_epoch([{"seconds": 3.0}, {"seconds": 1.0}, {"seconds": "soon"}, {"seconds": 1.5}, None])
    1.5
    """
    told = (row.get("seconds") for row in curves if isinstance(row, Mapping))
    numbers = (each for each in told if isinstance(each, int | float) and not isinstance(each, bool))
    known = [each for each in numbers if 0 < each <= 60 * LONGEST_MINUTES]
    return float(median(known)) if known else None
