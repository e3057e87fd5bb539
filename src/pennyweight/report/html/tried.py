"""What a search tried: the choices of its networks, told by the first training of each, which alone compare."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pennyweight.report.html.facts import Choice, Trial, in_words

NETWORK = "network"
"""The parameter that names the family; every other one is a dial, `mlp.hidden`, or a knob, `recipe.epochs`."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a space with its value in each trial, None where it has none; `order` holds all values."""

    name: str
    values: tuple[Choice | None, ...]
    order: tuple[Choice, ...]

    @property
    def title(self) -> str:
        """Its name for people."""
        return self.name.removeprefix("recipe.").replace("_", " ")

    @property
    def is_number(self) -> bool:
        """Whether all of its values are numbers."""
        return all(isinstance(value, int | float) and not isinstance(value, bool) for value in self.order)

    @property
    def ranks(self) -> list[int]:
        """The place of each trial's value in the order, from 1; 0 where it has none."""
        places = {_key(value): place for place, value in enumerate(self.order, start=1)}
        return [0 if value is None else places[_key(value)] for value in self.values]


def first_trainings(trials: Sequence[Trial]) -> list[Trial]:
    """Of each choice the first training that was done, as all choices had it; what chance promoted is left out."""
    first: dict[tuple[tuple[str, str], ...], Trial] = {}
    for trial in sorted(trials, key=lambda trial: trial.number or 0):
        if trial.choice and trial.validation and trial.state == "done" and trial.purpose != "repeat":
            first.setdefault(choice_key(trial), trial)
    return list(first.values())


def choice_key(trial: Trial, without: str = "") -> tuple[tuple[str, str], ...]:
    """What is the same for the same choice, leaving out the parameter called `without`."""
    return tuple(sorted((name, repr(value)) for name, value in trial.choice.items() if name != without))


def parameters(trials: Sequence[Trial]) -> list[Parameter]:
    """The parameters that take several values in these trials, in the order of the space."""
    names = dict.fromkeys(name for trial in trials for name in trial.choice)
    found = []
    for name in sorted(names, key=lambda name: name != NETWORK):
        values = tuple(trial.choice.get(name) for trial in trials)
        distinct = {_key(value): value for value in values if value is not None}
        if len(distinct) > 1:
            found.append(Parameter(name, values, tuple(sorted(distinct.values(), key=_key))))
    return found


def _key(value: Choice) -> tuple[int, tuple[float, ...], str]:
    """Numbers by their size, words by the numbers in them: 8, 16, 32-16."""
    if isinstance(value, bool | str):
        return 1, tuple(float(digits) for digits in re.findall(r"\d{1,9}", str(value))), in_words(value)
    return 0, (value,), ""
