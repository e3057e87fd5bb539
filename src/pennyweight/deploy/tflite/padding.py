"""How TFLite pads windows."""

from __future__ import annotations

from pennyweight.net.ops import Pair

SAME, VALID = 0, 1
"""Ways of padding, by their number in the schema."""


def same_padding(length: int, kernel: int, stride: int) -> Pair:
    """Rows before and after the image where it pads SAME: ceil(length / stride) windows, an odd row after.

    >>> same_padding(32, 3, 2)
    (0, 1)
    """
    total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
    return total // 2, total - total // 2
