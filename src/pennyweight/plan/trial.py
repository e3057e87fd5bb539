"""Trial: one training of one point of a space, for so many epochs, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from pennyweight.fit.accuracy import Accuracy
from pennyweight.plan.front import front
from pennyweight.plan.space import Point

State = Literal["running", "done", "stopped", "failed"]

COSTS = ("parameters", "macs", "flash_bytes", "ram_bytes", "peak_ram_bytes", "latency_ms", "price_usd")
"""The figures of a Cost that trials are told by."""

Purpose = Literal["screening", "full", "repeat"]
"""Why a network is trained: to choose by, fully because it was chosen, or again with another seed."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A training. It ends as `done`, `stopped` (it could not reach the Front any more) or `failed`.

    One that time or Ctrl-C cut off has not ended: it is still `running`, and a resumed search goes on with it.

    `network` is the canonical text, `costs` holds COSTS in int8, `epochs` are those that were asked for, `rung` tells
    how high it stands on the ladder. `accuracies` on validation are one an epoch, `validation` the figure of the
    weights that were kept. `began_s` and `ended_s` are seconds of the search, `why` tells in words what ended it before
    its time. `seed` is that of its recipe, `deaths` counts how often the search died before its first epoch had ended.
    """

    number: int
    point: Point
    network: str
    costs: Mapping[str, float | None]
    epochs: int
    purpose: Purpose = "screening"
    rung: int = 0
    seed: int = 0
    began_s: float = 0.0
    state: State = "running"
    validation: Accuracy | None = None
    accuracies: tuple[float, ...] = ()
    seconds: float = 0.0
    ended_s: float = 0.0
    why: str = ""
    deaths: int = 0
    _axes: dict[tuple[str, ...], tuple[float, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def run(self) -> str:
        """The name of its folder within the search's."""
        return f"trial-{self.number:04}"

    @property
    def seconds_per_epoch(self) -> float:
        """What an epoch of it took; 0 before any ended."""
        return self.seconds / len(self.accuracies) if self.accuracies else 0.0

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state != "running"

    def axes(self, trade: Sequence[str]) -> tuple[float, ...]:
        """What it is placed by, less is better: the share of errors on validation, then the costs in `trade`.

        Reckoned once: a search of many trials places them all the time.
        """
        assert self.validation is not None
        trade = tuple(trade)
        if trade not in self._axes:
            self._axes[trade] = 1 - self.validation.share, *traded(self.costs, trade)
        return self._axes[trade]

    def as_json(self) -> dict[str, Any]:
        """The trial as JSON types; `from_json` reads it back."""
        told = {f.name: getattr(self, f.name) for f in fields(self) if f.init}
        return told | {
            "point": self.point.as_json(),
            "costs": dict(self.costs),
            "accuracies": list(self.accuracies),
            "validation": [self.validation.correct, self.validation.n] if self.validation else None,
        }

    @staticmethod
    def from_json(facts: Mapping[str, Any]) -> Trial:
        """The trial that `as_json` told. Raises TypeError, ValueError or LookupError where it is none."""
        validation, number = facts["validation"], int(facts["number"])
        told = Trial(
            **{
                **facts,
                "number": number,
                "point": Point.from_json(facts["point"]),
                "costs": {str(name): None if cost is None else float(cost) for name, cost in facts["costs"].items()},
                "epochs": int(facts["epochs"]),
                "accuracies": tuple(map(float, facts["accuracies"])),
                "validation": Accuracy(*map(int, validation)) if validation else None,
            }
        )
        if number < 0 or told.state not in get_args(State) or told.purpose not in get_args(Purpose):
            raise ValueError(f"there is no trial {number} that is {told.state} and for {told.purpose}")
        if (told.state == "done") != (told.validation is not None):
            raise ValueError(f"trial {number} is {told.state} {'with' if told.validation else 'without'} an accuracy")
        return told


def traded(costs: Mapping[str, float | None], trade: Sequence[str]) -> tuple[float, ...]:
    """The costs in `trade`; one that is unknown is beyond all others."""
    return tuple([math.inf if (cost := costs.get(name)) is None else cost for name in trade])


def standing(trials: Sequence[Trial]) -> list[Trial]:
    """The trials that stand for their points: of each the one that is done with the most epochs, the last of equals.

    A longer training supersedes a short one, whichever was luckier on validation. Repeats with other seeds, which
    only tell how much the figure varies, stand for nothing.
    """
    longest: dict[Point, Trial] = {}
    for trial in trials:
        if trial.state != "done" or trial.validation is None or trial.purpose == "repeat":
            continue
        held = longest.get(trial.point)
        if held is None or trial.epochs >= held.epochs:
            longest[trial.point] = trial
    return list(longest.values())


def leading(trials: Sequence[Trial], trade: Sequence[str]) -> list[Trial]:
    """The trials that nothing of their own rung dominates, the best of the highest rung first.

    Longer trainings are no fair rivals of shorter ones. A point is judged on the highest rung on which it is done.
    """
    found, judged = list[Trial](), set[Point]()
    done = [trial for trial in trials if trial.state == "done" and trial.purpose != "repeat"]
    for rung in sorted({trial.rung for trial in done}, reverse=True):
        here = [(trial.axes(trade), trial.number, trial) for trial in done if trial.rung == rung]
        members = sorted(here[index] for index in front([axes for axes, _, _ in here]))
        found += [trial for _, _, trial in members if trial.point not in judged]
        judged |= {trial.point for _, _, trial in here}
    return found
