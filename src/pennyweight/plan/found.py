"""What a search found, and the file in its folder that tells it."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from pennyweight.core.board import Board
from pennyweight.core.budget import Budget
from pennyweight.core.shown import Shown
from pennyweight.core.text import visible
from pennyweight.fit.accuracy import Accuracy
from pennyweight.fit.recipe import Recipe
from pennyweight.net.cost import Cost
from pennyweight.plan.trial import COSTS, Trial


@dataclass(frozen=True, slots=True)
class Entry:
    """A trial with its run folder. `test` is None where the sealed test part was not opened for it.

    `opened_before` tells when it was opened, where an earlier end of a search that went on had opened it.
    """

    trial: Trial
    run: Path
    cost: Cost
    test: Accuracy | None = None
    opened_before: str = ""

    @property
    def network(self) -> str:
        """The canonical text of the network."""
        return self.trial.network

    @property
    def epochs(self) -> int:
        """How many epochs it was trained for; fewer than were asked for where it did not come to its end."""
        return self.trial.epochs if self.trial.state == "done" else len(self.trial.accuracies)

    @property
    def validation(self) -> Accuracy:
        """Its accuracy on validation; of no images where it did not come so far."""
        return self.trial.validation or Accuracy(0, 0)

    def as_json(self) -> dict[str, Any]:
        """The entry as JSON types; costs are those of int8, accuracies None where there are none."""
        trial, validation = self.trial, self.trial.validation
        return {
            "number": trial.number,
            "run": str(self.run),
            "network": trial.network,
            "choice": trial.point.as_json(),
            "state": trial.state,
            "purpose": trial.purpose,
            "why": trial.why,
            "test_accuracy": self.test.share if self.test else None,
            "interval": list(self.test.interval) if self.test else None,
            "n": self.test.n if self.test else None,
            "test_opened_before": self.opened_before or None,
            "validation_accuracy": validation.share if validation else None,
            "validation_interval": list(validation.interval) if validation else None,
            "validation_n": validation.n if validation else None,
            **{name: getattr(self.cost, name) for name in COSTS},
            "epochs": self.epochs,
            "epochs_asked": trial.epochs,
            "seconds": round(trial.seconds, 3),
            "began_s": round(trial.began_s, 3),
            "ended_s": round(trial.ended_s, 3),
            "seed": trial.seed,
            "accuracies": list(trial.accuracies),
        }


SEEDS_MIN = 3
"""Of fewer seeds a deviation says nothing."""


@dataclass(frozen=True, slots=True)
class Search(Shown):
    """What a search found. `feasible` of `considered` networks that were drawn and priced fit the budget.

    `trials` are the trainings that are done, `unfinished` those that were stopped or failed; `repeats` are the
    winner's with other seeds. `trade` names the costs that the Front trades accuracy against. `budget` has the minutes
    that it had in all, `minutes` are those it took. `optimism` is the share by which the winner's accuracy on
    validation is too high because it was chosen by it, of `rivals` networks; `extrapolation_error` is by how much the
    end of a training that is foretold at its half is off on average, None where too few tell; `recipe` is the winner's,
    and `again` the command that trains it once more, empty where the images came from Python.
    """

    source: str
    budget: Budget
    board: Board | None
    considered: int
    feasible: int
    minutes: float
    trials: tuple[Entry, ...]
    unfinished: tuple[Entry, ...]
    front: tuple[Entry, ...]
    winner: Entry
    repeats: tuple[Entry, ...]
    trade: tuple[str, ...]
    rivals: int
    optimism: float
    extrapolation_error: float | None
    recipe: Recipe
    again: str
    notes: tuple[str, ...]

    @property
    def of_each_seed(self) -> tuple[float, ...]:
        """The winner's test accuracy with each of its seeds."""
        return tuple(entry.test.share for entry in (self.winner, *self.repeats) if entry.test)

    @property
    def over_seeds(self) -> tuple[float, float, int] | None:
        """Their mean, standard deviation and number; None of fewer than SEEDS_MIN."""
        shares = self.of_each_seed
        return (fmean(shares), stdev(shares), len(shares)) if len(shares) >= SEEDS_MIN else None

    def as_json(self) -> dict[str, Any]:
        """The result as JSON types."""
        seeds = self.over_seeds
        return {
            "source": self.source,
            "budget": {name: limit for name, limit in asdict(self.budget).items() if limit is not None},
            "board": self.board.key if self.board else None,
            "considered": self.considered,
            "feasible": self.feasible,
            "minutes": round(self.minutes, 3),
            "trade": list(self.trade),
            "trials": [entry.as_json() for entry in self.trials],
            "unfinished": [entry.as_json() for entry in self.unfinished],
            "front": [entry.as_json() for entry in self.front],
            "winner": self.winner.as_json(),
            "repeats": [entry.as_json() for entry in self.repeats],
            "of_each_seed": list(self.of_each_seed),
            "over_seeds": {"mean": seeds[0], "deviation": seeds[1], "seeds": seeds[2]} if seeds else None,
            "rivals": self.rivals,
            "optimism": self.optimism,
            "extrapolation_error": self.extrapolation_error,
            "recipe": asdict(self.recipe),
            "again": self.again,
            "notes": list(self.notes),
        }


def moment(text: str) -> str:
    """A moment as ISO 8601 has it, for people.

    >>> moment("2026-11-22T02:32:32+00:00")
    '2026-11-22 02:32 UTC'
    """
    return re.sub(r"T(\d\d:\d\d):\d\d\+00:00$", r" \1 UTC", visible(text))
