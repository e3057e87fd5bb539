"""Plan: what a search follows from, besides its images and its clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pennyweight.core.budget import Budget


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a search follows from; kept in its journal.

    `points` ends it after so many networks, `rungs` is the height of the ladder (0: what the time asks for);
    `training_minutes` is how long a full training of a network may take on this machine, None without a limit.
    """

    space: str
    budget: Budget
    board: str | None
    trade: tuple[str, ...]
    sampler: str
    points: int | None
    training_minutes: float | None
    rungs: int
    seed: int
    device: str
    tensorboard: bool

    def as_json(self) -> dict[str, Any]:
        """The plan as JSON types; `from_json` reads it back."""
        return asdict(self)

    @staticmethod
    def from_json(facts: Mapping[str, Any]) -> Plan:
        """The plan that `as_json` told. Raises TypeError or UsageError where it is none."""
        return Plan(**{**facts, "budget": Budget(**facts["budget"]), "trade": tuple(facts["trade"])})
