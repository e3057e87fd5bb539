"""How the families for boards bring pictures of any size down to a few pixels."""

from __future__ import annotations

import math

from pennyweight.net.ops import Shape

LAST_LENGTH = 3.5
"""Halve until the shorter side is below twice this: 28 and 32 pixels end at 4, 96 at 6."""

MOST_HALVINGS = 5


def halvings(input_shape: Shape) -> int:
    """How often to halve a picture so that its shorter side ends at 4 … 7 pixels (more above 224).

    >>> [halvings((side, side, 3)) for side in (4, 8, 28, 32, 96, 224)]
    [0, 1, 3, 3, 4, 5]
    """
    return min(max(int(math.log2(min(input_shape[:2]) / LAST_LENGTH)), 0), MOST_HALVINGS)
