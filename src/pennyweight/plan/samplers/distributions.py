"""Domains in the words of Optuna, for its samplers and for its dashboard."""

from __future__ import annotations

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from pennyweight.plan.domain import Choices, Domain
from pennyweight.plan.space import Point, Space

FAMILY = "network"
"""The parameter that says which family, and with it which others there are."""


def distributions(space: Space, point: Point) -> dict[str, BaseDistribution]:
    """The distribution of each parameter that `point` has."""
    known = every_distribution(space)
    return {name: known[name] for name in point.as_json()}


def every_distribution(space: Space) -> dict[str, BaseDistribution]:
    """The distribution of each parameter, whichever families have it."""
    domains = {name: domain for family in space.networks for name, domain in space.domains(family).items()}
    return {FAMILY: CategoricalDistribution(tuple(space.networks))} | {
        name: _distribution(domain) for name, domain in domains.items()
    }


def _distribution(domain: Domain) -> BaseDistribution:
    if isinstance(domain, Choices):
        return CategoricalDistribution(domain.values)
    low, high = domain.ends
    if domain.whole:
        return IntDistribution(int(low), int(high), log=domain.log)
    return FloatDistribution(float(low), float(high), log=domain.log)
