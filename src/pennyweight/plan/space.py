"""Space: what a search may choose: families with their dials, knobs of the recipe, input shapes; a TOML to edit.

A Point is one choice of it. Both are flat: a parameter is called `mlp.hidden`, `recipe.learning_rate` or `input`, and
which parameters there are follows from the family alone.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from importlib.resources import files
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

from pennyweight.core import units
from pennyweight.core.errors import PennyweightError, UsageError, unknown
from pennyweight.core.text import command
from pennyweight.fit.recipe import Recipe
from pennyweight.net.zoo import families
from pennyweight.net.zoo.family import Dial
from pennyweight.net.zoo.family import Value as DialValue
from pennyweight.plan.domain import Choices, Domain, Range, Value

RECIPE, INPUT = "recipe", "input"
"""How the names of parameters begin that are no family's."""

NOT_SEARCHED = ("teacher", "seed", "validation")
"""Settings of a recipe that are no matter of choice: each would change what trials are compared by."""


@dataclass(frozen=True, slots=True)
class Point:
    """One choice of a space: a family, and the value of each of its parameters in the order of the space."""

    family: str
    values: tuple[tuple[str, Value], ...]
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.family, self.values)))

    def __hash__(self) -> int:
        """Reckoned once: a search of many trials looks points up all the time."""
        return self._hash

    @property
    def network(self) -> str:
        """The text of the network.

        >>> Point("mlp", (("mlp.hidden", "80-60"), ("mlp.dropout", 0.2), ("recipe.epochs", 5))).network
        'mlp:hidden=80-60,dropout=0.2'
        """
        known = {dial.name: dial for dial in families()[self.family].dials}
        told = [f"{name}={_word(known[name], value)}" for name, value in self._of(self.family)]
        return f"{self.family}:{','.join(told)}" if told else self.family

    @property
    def recipe(self) -> dict[str, Value]:
        """What is changed in the default recipe."""
        return dict(self._of(RECIPE))

    @property
    def input_shape(self) -> tuple[int, int, int] | None:
        """The shape that pictures are brought to; None leaves them as they are."""
        text = dict(self.values).get(INPUT)
        return None if text is None else units.parse_shape(str(text), INPUT)

    @property
    def key(self) -> str:
        """The same text for the same choice, and for no other."""
        return json.dumps([self.family, self.values])

    def as_json(self) -> dict[str, Value]:
        """The choice as JSON types, flat."""
        return {"network": self.family, **dict(self.values)}

    @staticmethod
    def from_json(facts: Mapping[str, Any]) -> Point:
        """The choice that `as_json` told."""
        return Point(str(facts["network"]), tuple((name, value) for name, value in facts.items() if name != "network"))

    def _of(self, title: str) -> Iterator[tuple[str, Value]]:
        return ((name.removeprefix(f"{title}."), value) for name, value in self.values if name.startswith(f"{title}."))


@dataclass(frozen=True)
class Space:
    """What may be chosen: of each family its dials, of the recipe its knobs, the input shapes (none: as they come)."""

    networks: Mapping[str, Mapping[str, Domain]]
    recipe: Mapping[str, Domain]
    inputs: tuple[str, ...] = ()

    @staticmethod
    def named(name: str) -> Space:
        """The space that ships under `name`, or that of the TOML file at that path. Raises UsageError."""
        text = space_text(name)
        try:
            return Space.from_toml(text)
        except UsageError as error:
            raise UsageError(f"space {name}: {error}", hint=error.hint) from error

    @staticmethod
    def from_toml(text: str) -> Space:
        """The space that a TOML text describes. Raises UsageError with every fault at once."""
        try:
            told = tomllib.loads(text)
        except (ValueError, RecursionError) as error:  # Python's own limits to numbers and nesting are among them
            raise UsageError(f"no TOML: {error}", hint=EXAMPLE) from error
        faults: list[str] = [f"unknown table {name!r}" for name in told if name not in ("networks", RECIPE, INPUT)]
        networks: dict[str, dict[str, Domain]] = {}
        for name, dials in _table(told.get("networks"), "networks", faults).items():
            if name not in families():
                faults.append(_unknown("network", name, families()))
                continue
            known = {dial.name: dial for dial in families()[name].dials}
            networks[name] = {}
            for dial, allowed in _table(dials, f"networks.{name}", faults).items():
                if dial not in known:
                    faults.append(_unknown(f"dial of {name}", dial, known))
                elif domain := _dial_domain(name, known[dial], allowed, faults):
                    networks[name][dial] = domain
        if not networks and not faults:
            faults.append("no network may be chosen: [networks] has none")
        knobs = {f.name: f for f in fields(Recipe) if f.name not in NOT_SEARCHED}
        recipe: dict[str, Domain] = {}
        for knob, allowed in _table(told.get(RECIPE), RECIPE, faults).items():
            if knob not in knobs:
                faults.append(_unknown("knob of the recipe", knob, knobs))
            elif domain := _knob_domain(knob, allowed, faults):
                recipe[knob] = domain
        inputs: dict[str, None] = {}
        shapes = told.get(INPUT, [])
        for shape in shapes if isinstance(shapes, list) else [shapes]:
            try:
                inputs["x".join(map(str, units.parse_shape(str(shape), INPUT)))] = None
            except PennyweightError as error:
                faults.append(str(error))
        if faults:
            raise UsageError("; ".join(faults), hint=EXAMPLE)
        return Space(networks, recipe, tuple(inputs))

    @cached_property
    def text(self) -> str:
        """The TOML that describes this space; `from_toml` reads it back."""
        lines = [f"{INPUT} = {_toml(Choices(self.inputs))}", ""] if self.inputs else []
        for name, dials in self.networks.items():
            lines += [f"[networks.{name}]", *(f"{dial} = {_toml(domain)}" for dial, domain in dials.items()), ""]
        if self.recipe:
            lines += [f"[{RECIPE}]", *(f"{knob} = {_toml(domain)}" for knob, domain in self.recipe.items()), ""]
        return "\n".join(lines)

    @property
    def input_shapes(self) -> list[tuple[int, int, int]]:
        """The shapes that pictures may be brought to."""
        return [units.parse_shape(text, INPUT) for text in self.inputs]

    def domains(self, family: str) -> dict[str, Domain]:
        """Each parameter of a family: name -> what it may be."""
        named: dict[str, Domain] = {f"{family}.{dial}": domain for dial, domain in self.networks[family].items()}
        named |= {f"{RECIPE}.{knob}": domain for knob, domain in self.recipe.items()}
        return named | ({INPUT: Choices(self.inputs)} if self.inputs else {})

    def draw(self, rng: Random, family: str | None = None) -> Point:
        """Any point, of `family` where that is told: each family as likely, each parameter on its own."""
        family = family or rng.choice(list(self.networks))
        return Point(family, tuple((name, domain.draw(rng)) for name, domain in self.domains(family).items()))

    def near(self, point: Point, rng: Random) -> Point:
        """A neighbour: the same family with one parameter moved; two now and then."""
        domains = self.domains(point.family)
        movable = [name for name, domain in domains.items() if domain.ends[0] != domain.ends[-1]]
        if not movable:
            return self.draw(rng)
        moved = rng.sample(movable, min(len(movable), 1 + (rng.random() < 0.3)))
        return Point(
            point.family,
            tuple((name, domains[name].near(value, rng) if name in moved else value) for name, value in point.values),
        )

    def grid(self) -> Iterator[Point]:
        """Every point. Raises UsageError where a parameter is a range, which has no end of values."""
        ranges = [
            name
            for family in self.networks
            for name, domain in self.domains(family).items()
            if isinstance(domain, Range)
        ]
        if ranges:
            raise UsageError(
                f"a grid takes lists of values, and {', '.join(dict.fromkeys(ranges))} are ranges",
                hint="write the values out in the space, such as width = [8, 16, 32]",
            )
        for family in self.networks:
            domains = self.domains(family)
            values = (domain.values for domain in domains.values() if isinstance(domain, Choices))
            for chosen in product(*values):
                yield Point(family, tuple(zip(domains, chosen, strict=True)))

    def corners(self) -> list[Point]:
        """Of each family the point of first values and the one of last: those that cost least and most, as a rule."""
        return [
            Point(family, tuple((name, domain.ends[end]) for name, domain in self.domains(family).items()))
            for family in self.networks
            for end in (0, -1)
        ]

    def holds(self, point: Point) -> bool:
        """Whether `point` is one of this space."""
        if point.family not in self.networks:
            return False
        domains = self.domains(point.family)
        return list(domains) == [name for name, _ in point.values] and all(
            domains[name].holds(value) for name, value in point.values
        )


EXAMPLE = 'such as: [networks.mlp] hidden = ["64-32", "80-60-50"] or [recipe] learning_rate = {low = 0.001, high = 0.1}'


def shipped_spaces() -> dict[str, str]:
    """The spaces that come with the package: name -> TOML."""
    folder = files("pennyweight.plan") / "spaces"
    found = sorted((each for each in folder.iterdir() if each.name.endswith(".toml")), key=lambda each: each.name)
    return {each.name.removesuffix(".toml"): each.read_text(encoding="utf-8") for each in found}


def space_text(name: str) -> str:
    """The TOML of the space that ships under `name`, or of the file at that path, with its comments.

    Raises UsageError where it cannot be read.
    """
    shipped = shipped_spaces()
    if name in shipped:
        return shipped[name]
    hint = f"shipped: {', '.join(shipped)}; for one of yours: {command('search', '--show-space')} > mine.toml"
    try:
        return Path(name).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"space {name}: the file is no text: {error}", hint=hint) from error
    except (FileNotFoundError, ValueError) as error:  # a ValueError is a name with a null byte
        raise UsageError(f"no space is called {name!r}, and there is no such file", hint=hint) from error
    except OSError as error:
        raise UsageError(f"space {name!r} cannot be read: {error.strerror or error}", hint=hint) from error


def _dial_domain(family: str, dial: Dial, told: Any, faults: list[str]) -> Domain | None:
    place = f"{family}.{dial.name}"

    def admitted(value: Any) -> Value:
        read = dial.read(_word(dial, value))
        return dial.format(read) if isinstance(read, tuple) else read

    whole = isinstance(dial.default, int) and not isinstance(dial.default, bool)
    return _domain(place, told, admitted, faults, number=isinstance(dial.default, float) or whole, whole=whole)


def _knob_domain(knob: str, told: Any, faults: list[str]) -> Domain | None:
    default = getattr(Recipe(), knob)

    def admitted(value: Any) -> Value:
        read: Value = getattr(Recipe().with_changes({knob: value}), knob)
        return read

    whole = isinstance(default, int) and not isinstance(default, bool)
    place = f"{RECIPE}.{knob}"
    return _domain(place, told, admitted, faults, number=isinstance(default, float) or whole, whole=whole)


def _domain(place: str, told: Any, admitted: Any, faults: list[str], *, number: bool, whole: bool) -> Domain | None:
    """What `place` may be; None, with the reason among the faults, where it is told wrongly."""
    if isinstance(told, Mapping):
        strange = [name for name in told if name not in ("low", "high", "log")]
        if not number or strange or not {"low", "high"} <= set(told):
            what = "has ranges only of numbers" if not number else "takes {low, high} and log = true, nothing else"
            faults.append(f"{place} {what}")
            return None
        values: Sequence[Any] = (told["low"], told["high"])
    else:
        values = told if isinstance(told, list) else [told]
    if not values:
        faults.append(f"{place} may be nothing: its list is empty")
        return None
    read = []
    for value in values:
        try:
            read.append(admitted(value))
        except (PennyweightError, ValueError) as error:  # a ValueError is a number too long to be written
            faults.append(f"{place}: {error}")
    if len(read) < len(values):
        return None
    if not isinstance(told, Mapping):
        return Choices(tuple(dict.fromkeys(read)))
    low, high, log = float(read[0]), float(read[1]), told.get("log", False)
    if not isinstance(log, bool):
        faults.append(f"{place}: log must be true or false")
        return None
    if low > high or (log and low <= 0):
        faults.append(f"{place}: {low:g} … {high:g} is no range" + (" of a logarithm" if low <= high else ""))
        return None
    return Range(low, high, log, whole)


def _table(told: Any, place: str, faults: list[str]) -> Mapping[str, Any]:
    if told is None or isinstance(told, Mapping):
        return told or {}
    faults.append(f"{place} must be a table")
    return {}


def _unknown(kind: str, word: str, known: Mapping[str, Any]) -> str:
    error = unknown(kind, word, known)
    return f"{error} ({error.hint})"


def _word(dial: Dial, value: Any) -> str:
    """A value of a space as the text of its dial."""
    given: DialValue = value
    if isinstance(dial.default, float) and isinstance(value, int) and not isinstance(value, bool):
        given = float(value)
    return dial.format(given)


def _toml(domain: Domain) -> str:
    if isinstance(domain, Choices):
        return json.dumps(list(domain.values), ensure_ascii=False)
    low, high = domain.ends
    return f"{{ low = {low}, high = {high}{', log = true' if domain.log else ''} }}"
