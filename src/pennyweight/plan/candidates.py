"""Candidates: points of a space priced before anything is trained, and kept only where they fit the budget."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from random import Random

from pennyweight.core.board import Board
from pennyweight.core.budget import Budget, nearest
from pennyweight.core.errors import BudgetError, GraphError
from pennyweight.data.images import LabelledImages
from pennyweight.fit.defaults import default_recipe
from pennyweight.fit.recipe import LEARNING_RATES, Recipe
from pennyweight.net.cost import Cost, cost
from pennyweight.net.graph import Graph
from pennyweight.net.zoo import build_network, families
from pennyweight.plan.space import INPUT, RECIPE, Point, Space

PROBES = 300
"""Points that are drawn and priced before a search begins, to see how many fit."""

RELIABLE = ("muon", "adamw", "adam", "nadam", "rmsprop", "nesterov", "sgd", "adadelta")
"""Optimisers, by how well they train a small network at their own learning rates: ours, a rough order."""

MACS_PER_NUMBER = 100
"""Multiply-accumulates that take as long in training as one number of an activation that is made, read and kept."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A point that may be tried: its network, and what it costs in int8.

    The time of an epoch grows with its `work`, by which small networks, whose activations take longer than their
    multiply-accumulates, can be told with large ones (docs/log.md).
    """

    point: Point
    graph: Graph
    cost: Cost
    work: float

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """The shape of the pictures that it takes."""
        height, width, channels = self.graph.input_shape
        return height, width, channels

    def recipe(self, images: LabelledImages) -> Recipe:
        """The recipe of a full training on `images`: the usual one, changed as the point says."""
        usual, changes = default_recipe(self.graph, images), self.point.recipe
        if changes.get("optimizer", usual.optimizer) != usual.optimizer:
            changes = {"learning_rate": 0} | changes  # each optimiser has its own
        return usual.with_changes(changes)


@dataclass
class Candidates:
    """Prices the points of `space` for pictures of `input_shape` and judges them by `budget`; each network once.

    `affordable` says whether there is time to train a candidate; `seed` decides which points the `pool` is drawn from.
    """

    space: Space
    input_shape: tuple[int, int, int]
    classes: int
    budget: Budget
    board: Board | None = None
    affordable: Callable[[Candidate], bool] = lambda candidate: True
    seed: int = 0
    _priced: dict[tuple[str, tuple[int, int, int]], tuple[Graph, Cost, float] | None] = field(default_factory=dict)

    def priced(self, point: Point) -> Candidate | None:
        """The candidate at `point`; None where its network cannot take such pictures."""
        network, shape = point.network, point.input_shape or self.input_shape
        if (network, shape) not in self._priced:
            try:
                graph = build_network(network, shape, self.classes)
                self._priced[network, shape] = graph, (priced := cost(graph, board=self.board)), _work(graph, priced)
            except GraphError:
                self._priced[network, shape] = None
        found = self._priced[network, shape]
        return None if found is None else Candidate(point, *found)

    def fitting(self, point: Point) -> Candidate | None:
        """The candidate at `point`, where it keeps the budget and can be trained within the time."""
        found = self._kept(point)
        return found if found is not None and self.affordable(found) else None

    def _kept(self, point: Point) -> Candidate | None:
        """The candidate at `point`, where it keeps the budget."""
        found = self.priced(point)
        return None if found is None or self.budget.excesses(found.cost.to_figures()) else found

    def usual(self, candidate: Candidate, images: LabelledImages) -> Candidate:
        """A network that costs the same, all else as near to what it usually is as the space allows.

        That is: its recipe near to the default one, and the dials at their defaults that change neither parameters nor
        MACs.
        """
        family, values = candidate.point.family, dict(candidate.point.values)
        domains, recipe = self.space.domains(family), default_recipe(candidate.graph, images)
        if optimizers := domains.get(f"{RECIPE}.optimizer"):
            optimizer = next(each for each in (recipe.optimizer, *RELIABLE) if optimizers.holds(each))
            if optimizer != recipe.optimizer:
                recipe = replace(recipe, optimizer=optimizer, learning_rate=LEARNING_RATES[optimizer])
        dials = {f"{family}.{dial.name}": dial for dial in families()[family].dials}
        found = candidate
        for name, domain in domains.items():
            if dial := dials.get(name):
                default = dial.format(dial.default) if isinstance(dial.default, tuple) else dial.default
                changed = values | {name: default if domain.holds(default) else values[name]}
            elif name == INPUT:
                continue
            else:
                changed = values | {name: domain.nearest(getattr(recipe, name.removeprefix(f"{RECIPE}.")))}
            other = self._kept(Point(family, tuple(changed.items())))
            if other and (other.cost.parameters, other.cost.macs) == (found.cost.parameters, found.cost.macs):
                found, values = other, changed
        return found

    @property
    def considered(self) -> int:
        """How many networks were priced so far."""
        return sum(found is not None for found in self._priced.values())

    @property
    def feasible(self) -> int:
        """How many of them keep the budget."""
        costs = (found[1] for found in self._priced.values() if found)
        return sum(not self.budget.excesses(cost.to_figures()) for cost in costs)

    @cached_property
    def pool(self) -> list[Candidate]:
        """Some candidates that keep the budget, by rising MACs: those at the space's corners and PROBES drawn ones."""
        rng = Random(self.seed)
        points = [*self.space.corners(), *(self.space.draw(rng) for _ in range(PROBES))]
        found = [each for point in dict.fromkeys(points) if (each := self._kept(point))]
        return sorted(found, key=lambda each: each.cost.macs)

    def impossible(self) -> BudgetError:
        """The error that names the nearest network and the limit in its way, for where the pool is empty."""
        costs = [found for found in self._priced.values() if found]
        blocked = nearest([self.budget.excesses(cost.to_figures()) for _, cost, _ in costs])
        if blocked is None:
            return BudgetError("no network of the search's space can take these images")
        index, excess = blocked
        return BudgetError(
            f"no network fits: the nearest of {len(costs)}, {costs[index][0].text}, fails, as its {excess}",
            hint="raise that limit, choose another --board, or take smaller images with --input",
        )


def _work(graph: Graph, priced: Cost) -> float:
    return sum(math.prod(graph.shapes[layer.name]) for layer in graph.layers) + priced.macs / MACS_PER_NUMBER
