"""Our own sampler."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pennyweight.plan.candidates import Candidates
from pennyweight.plan.samplers.front import SPREAD, Front
from pennyweight.plan.space import Point
from pennyweight.plan.trial import Trial

SPACE = """
[networks.mlp]
hidden = ["4", "8", "16", "32", "64", "128", "256"]
[networks.pooled-resnet]
width = { low = 4, high = 64 }
"""


@pytest.mark.parametrize("seed", range(3))
def test_it_begins_with_the_smallest_network_of_each_family_then_the_largest_that_fit(
    candidates_of: Callable[..., Candidates], searched: Callable[..., list[Trial]], seed: int
) -> None:
    candidates = candidates_of(SPACE, parameters=10_000)
    trials = searched(Front(), candidates, ("macs",), lambda point: 0.5, 2 * len(SPREAD), seed)
    for place, family in enumerate(("mlp", "pooled-resnet")):
        own = [trial for trial in trials if trial.point.family == family]
        assert len(own) == len(SPREAD)
        macs = [trial.costs["macs"] or 0 for trial in own]
        assert macs[0] == min(macs)
        assert macs[1] == max(macs)
        assert trials[place] is own[0]
        assert trials[2 + place] is own[1]
    assert trials[2].point == Point("mlp", (("mlp.hidden", "128"),))


def test_later_it_looks_beside_what_is_on_the_front(
    candidates_of: Callable[..., Candidates], searched: Callable[..., list[Trial]]
) -> None:
    space = SPACE.replace('"256"]', '"256"]\ndropout = { low = 0.0, high = 0.9 }')
    candidates = candidates_of(space)

    def share(point: Point) -> float:
        dropout = dict(point.values).get("mlp.dropout")
        return 0.2 if dropout is None else 0.9 - abs(float(dropout) - 0.3)

    trials = searched(Front(), candidates, (), share, 60, seed=0)[30:]
    near = [abs(float(dict(trial.point.values).get("mlp.dropout", 9.0)) - 0.3) < 0.15 for trial in trials]
    assert sum(near) > len(near) / 3  # a sixth, were they drawn
