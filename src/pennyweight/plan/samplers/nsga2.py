"""NSGA-II: generations of points that are crossed and mutated (Deb et al. 2002)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from optuna.distributions import BaseDistribution
from optuna.samplers import NSGAIISampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from pennyweight.plan.domain import Value
from pennyweight.plan.samplers.distributions import FAMILY, every_distribution
from pennyweight.plan.samplers.of_optuna import OfOptuna, ask
from pennyweight.plan.space import Point, Space

POPULATION = 20
"""Points of a generation. A search has some hundred trials: of Optuna's own 50, most would be drawn at random."""


class Nsga2(OfOptuna):
    """Optuna's NSGAIISampler. Every point has genes for all families, of which its own family's are at work."""

    def parameters(self, space: Space, point: Point) -> Mapping[str, Value]:
        """The point's own, and for the other families what is drawn once for it."""
        rng = Random(point.key)
        dormant = {name: value for family in space.networks for name, value in space.draw(rng, family).values}
        return dormant | point.as_json()

    def answer(self, space: Space, shown: Sequence[FrozenTrial], axes: int, rng: Random) -> Point:
        """A child of the last generation."""
        wanted = every_distribution(space)
        said = ask(_Generations(wanted, rng), shown, axes, wanted)
        family = said[FAMILY]
        return Point(family, tuple((name, said[name]) for name in space.domains(family)))


class _Generations(NSGAIISampler):
    """NSGA-II where each POPULATION of ended trials, in their order, is a generation."""

    def __init__(self, wanted: Mapping[str, BaseDistribution], rng: Random) -> None:
        super().__init__(population_size=POPULATION, seed=rng.getrandbits(32))
        self._wanted = {name: each for name, each in wanted.items() if not each.single()}

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._wanted

    def get_trial_generation(self, study: Study, trial: FrozenTrial) -> int:
        return len(_ended(study)) // POPULATION

    def get_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        return _ended(study)[generation * POPULATION : (generation + 1) * POPULATION]


def _ended(study: Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
