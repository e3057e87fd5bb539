"""The course of the learning rate: which share of its peak it has at which share of the training."""

from __future__ import annotations

import math


def learning_rate_share(schedule: str, done: float, warmup: float) -> float:
    """The share in [0, 1] of the peak learning rate when `done` in [0, 1] of the steps are taken.

    `constant` stays; `step` is divided by 10 after a half and again after three quarters; `linear`, `cosine` and
    `one-cycle` rise linearly during `warmup`, then fall to 0: on a line, on a half cosine, or (one-cycle) on a
    line and from a tenth of the peak upwards.

    >>> learning_rate_share("linear", 0.6, warmup=0.2)
    0.5
    """
    if schedule == "constant":
        return 1.0
    if schedule == "step":
        return 1.0 if done < 0.5 else 0.1 if done < 0.75 else 0.01
    if done < warmup:
        rise = done / warmup
        return 0.1 + 0.9 * rise if schedule == "one-cycle" else rise
    rest = (1 - done) / (1 - warmup)
    return (1 - math.cos(math.pi * rest)) / 2 if schedule == "cosine" else rest
