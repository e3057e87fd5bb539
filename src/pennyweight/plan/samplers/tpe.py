"""TPE: where good trials lie denser than bad ones (Bergstra et al. 2011; on several axes Ozaki et al. 2022)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from pennyweight.plan.samplers.distributions import FAMILY, every_distribution
from pennyweight.plan.samplers.of_optuna import OfOptuna, ask
from pennyweight.plan.space import Point, Space

STARTUP = 5
"""Trials of a family before its parameters are anything but drawn. Optuna's 10 are meant for a whole search."""


class Tpe(OfOptuna):
    """Optuna's TPESampler: it is asked for a family, then, shown the trials of that one, for all its parameters."""

    def answer(self, space: Space, shown: Sequence[FrozenTrial], axes: int, rng: Random) -> Point:
        """The family that does well, and where in it."""
        known = every_distribution(space)
        families = {FAMILY: known[FAMILY]}
        family = ask(_Tpe(families, rng), shown, axes, families)[FAMILY]
        wanted = {name: known[name] for name in space.domains(family)}
        kin = [trial for trial in shown if trial.params[FAMILY] == family]
        said = ask(_Tpe(wanted, rng), kin, axes, wanted)
        return Point(family, tuple((name, said[name]) for name in wanted))


class _Tpe(TPESampler):
    """TPE over parameters that all trials have: all of them at once."""

    def __init__(self, wanted: Mapping[str, BaseDistribution], rng: Random) -> None:
        super().__init__(n_startup_trials=STARTUP, multivariate=True, constant_liar=True, seed=rng.getrandbits(32))
        self._wanted = {name: each for name, each in wanted.items() if not each.single()}

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._wanted
