"""TPE."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pennyweight.plan.candidates import Candidates
from pennyweight.plan.samplers.random import Random as RandomSampler
from pennyweight.plan.samplers.tpe import Tpe
from pennyweight.plan.space import Point
from pennyweight.plan.trial import Trial

SPACE = """
[networks.mlp]
dropout = { low = 0.0, high = 0.9 }
[networks.pooled-resnet]
width = { low = 4, high = 16 }
[recipe]
momentum = { low = 0.0, high = 0.9 }
"""


def miss(point: Point) -> float:
    """How far from the best place a point is."""
    values = dict(point.values)
    if "mlp.dropout" not in values:
        return 0.8
    return (abs(float(values["mlp.dropout"]) - 0.3) + abs(float(values["recipe.momentum"]) - 0.6)) / 2


@pytest.mark.parametrize("trade", [(), ("macs",)])
def test_it_prefers_the_family_and_the_region_that_did_well(
    candidates_of: Callable[..., Candidates], searched: Callable[..., list[Trial]], trade: tuple[str, ...]
) -> None:
    candidates = candidates_of(SPACE)
    misses = {}
    for sampler in (Tpe(), RandomSampler()):
        trials = [
            trial
            for seed in range(3)
            for trial in searched(sampler, candidates, trade, lambda p: 1 - miss(p), 50, seed)[25:]
        ]
        if not trade:
            misses[type(sampler)] = sum(miss(trial.point) for trial in trials) / len(trials)
        else:
            own = [miss(trial.point) for trial in trials if trial.point.family == "mlp"]
            misses[type(sampler)] = sum(own) / len(own)
    assert misses[Tpe] < 0.6 * misses[RandomSampler]
