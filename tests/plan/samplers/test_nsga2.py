"""NSGA-II."""

from __future__ import annotations

from collections.abc import Callable

from pennyweight.plan.candidates import Candidates
from pennyweight.plan.front import hypervolume
from pennyweight.plan.samplers import find_sampler
from pennyweight.plan.space import Point
from pennyweight.plan.trial import Trial

SPACE = """
[networks.pooled-resnet]
width = { low = 4, high = 64, log = true }
[networks.separable]
width = { low = 8, high = 64, log = true }
[recipe]
momentum = { low = 0.0, high = 0.9 }
label_smoothing = { low = 0.0, high = 0.9 }
warmup = { low = 0.0, high = 0.9 }
distill = { low = 0.0, high = 0.9 }
color = { low = 0.0, high = 0.9 }
ema = { low = 0.0, high = 0.9 }
"""


def share(point: Point) -> float:
    """More with a wider network, and the nearer its recipe is to 0.3 in all."""
    values = dict(point.values)
    width = float(values[f"{point.family}.width"])
    far = sum(abs(float(value) - 0.3) for name, value in values.items() if name.startswith("recipe."))
    return 0.95 - 1 / width - 0.12 * far


def test_it_wins_more_volume_than_random_search(
    candidates_of: Callable[..., Candidates], searched: Callable[..., list[Trial]]
) -> None:
    candidates = candidates_of(SPACE)
    macs = [each.cost.macs for point in candidates.space.corners() if (each := candidates.priced(point))]
    volumes: dict[str, list[float]] = {"nsga2": [], "random": []}
    for name, found in volumes.items():
        for seed in range(3):
            trials = searched(find_sampler(name), candidates, ("macs",), share, 200, seed)
            found.append(hypervolume([trial.axes(("macs",)) for trial in trials], (1.0, max(macs))))
    assert sum(volumes["nsga2"]) > sum(volumes["random"])
    assert sum(ours > theirs for ours, theirs in zip(*volumes.values(), strict=True)) >= 2
