"""What every family of networks is made of: dials that a text can turn, and the layers that follow from them.

A family is one module of this package with a docstring (its first line is the summary), a frozen dataclass `Dials`
and a function `build(dials, net, classes)` that lays the layers with a Builder and ends with one logit a class.
Every field of `Dials` carries its help and what it allows as metadata, made by `dial`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from pennyweight.core.errors import GraphError, UsageError, unknown
from pennyweight.net.build import ACTIVATIONS, Builder
from pennyweight.net.graph import Graph
from pennyweight.net.ops import Shape, describe

Value = bool | int | float | str | tuple[int, ...]

LONGEST_WIDTHS = 32
"""How many layers a dial such as `hidden` may name."""


@dataclass(frozen=True)
class Dial:
    """One setting of a family. Its default's type is its type: a bool, int, float, str (a choice) or tuple of widths.

    Numbers, and each of several widths, lie in `low … high`; `samples` are values that a search may try first.
    """

    name: str
    default: Value
    help: str
    choices: tuple[str, ...] = ()
    low: float = 0
    high: float = 0
    samples: tuple[Value, ...] = ()

    @property
    def allowed(self) -> str:
        """What a text may give, in words."""
        match self.default:
            case bool():
                return "yes or no"
            case int():
                return f"a whole number from {self.low:,} to {self.high:,}"
            case float():
                return f"a number from {self.low:g} to {self.high:g}"
            case str():
                return ", ".join(self.choices)
        return f"whole numbers from {self.low:,} to {self.high:,} joined by '-', such as {self.format(self.default)}"

    def read(self, text: str) -> Value:
        """The value that `text` stands for. Raises UsageError where it is not allowed."""
        try:
            value = self._parse(text.strip())
        except ValueError:
            value = None
        if value is None or not self._allows(value):
            raise UsageError(f"{self.name}={text} is not allowed: {self.name} takes {self.allowed}")
        return value

    def format(self, value: Value) -> str:
        """The text that `read` turns into `value`."""
        match value:
            case bool():
                return "yes" if value else "no"
            case float():
                short = f"{value:g}"
                return short if float(short) == value else repr(value)
            case tuple():
                return "-".join(map(str, value))
        return str(value)

    def _parse(self, text: str) -> Value:
        match self.default:
            case bool():
                return {"yes": True, "no": False}.get(text, text)
            case int():
                return int(text)
            case float():
                return float(text)
            case str():
                return text
        return tuple(int(part) for part in text.split("-"))

    def _allows(self, value: Value) -> bool:
        match value:
            case str():
                return value in self.choices
            case tuple():
                return len(value) <= LONGEST_WIDTHS and all(self.low <= width <= self.high for width in value)
            case bool():
                return True
        return self.low <= value <= self.high


def dial(
    help: str,
    *,
    choices: tuple[str, ...] = (),
    low: float = 0,
    high: float = 0,
    samples: tuple[Value, ...] = (),
) -> Mapping[str, Any]:
    """The metadata of a field of `Dials`."""
    return {"help": help, "choices": choices, "low": low, "high": high, "samples": samples}


ACTIVATION = dial("the activation after every hidden layer", choices=tuple(ACTIVATIONS))
POOLING = dial("what each pooling window keeps", choices=("max", "average"))
HEAD = dial("how the last feature maps become one number a channel", choices=("average", "max"))
DROPOUT = dial("share of the numbers that training drops", low=0, high=0.95)
BATCH_NORM = dial("batch normalisation after every convolution, which then needs no bias")
STEM = dial(
    "strides of the first layers: as published for ImageNet, or fewer so that a small picture is not lost; "
    "auto takes small below 64 pixels",
    choices=("auto", "imagenet", "small"),
)

SMALL_BELOW = 64
"""Pixels of the shorter side below which `stem=auto` means small."""


def is_small(stem: str, input_shape: Shape) -> bool:
    """Whether the dial `stem` asks for the small picture's strides."""
    return stem == "small" or (stem == "auto" and min(input_shape[:2]) < SMALL_BELOW)


@dataclass(frozen=True)
class Family:
    """A family of networks: `settings` is its dataclass of dials, `lay` adds its layers to a Builder."""

    name: str
    summary: str
    settings: type
    lay: Callable[[Any, Builder, int], None]

    @cached_property
    def dials(self) -> tuple[Dial, ...]:
        """The dials, in the order of the canonical text."""
        return tuple(Dial(f.name, getattr(self.settings, f.name), **f.metadata) for f in fields(self.settings))

    def read(self, text: str) -> Any:
        """The dials that a text such as `hidden=80-60,dropout=0.2` sets, the others at their defaults.

        Raises UsageError that lists every unknown, repeated or malformed dial.
        """
        known = {dial.name: dial for dial in self.dials}
        values: dict[str, Value] = {}
        faults: list[UsageError] = []
        for part in text.split(",") if text.strip() else ():
            name, equals, value = (piece.strip() for piece in part.partition("="))
            if not equals:
                faults.append(UsageError(f"{part.strip()!r} is not dial=value"))
            elif name not in known:
                faults.append(unknown(f"dial of {self.name}", name, known))
            elif name in values:
                faults.append(UsageError(f"{name} is set twice"))
            else:
                try:
                    values[name] = known[name].read(value)
                except UsageError as error:
                    faults.append(error)
        if faults:
            hints = [fault.hint for fault in faults if fault.hint]
            raise UsageError(
                f"{self.name}: " + "; ".join(map(str, faults)),
                hint="; ".join(dict.fromkeys(hints)) or f"the dials of {self.name}: {', '.join(known)}",
            )
        return self.settings(**values)

    def text(self, dials: Any) -> str:
        """The canonical text: the family and the dials that differ from their defaults."""
        turned = [
            f"{dial.name}={dial.format(getattr(dials, dial.name))}"
            for dial in self.dials
            if getattr(dials, dial.name) != dial.default
        ]
        return f"{self.name}:{','.join(turned)}" if turned else self.name

    def build(self, dials: Any, input_shape: Shape, classes: int) -> Graph:
        """The Graph of the network with these dials. Raises GraphError where it cannot take such pictures."""
        text = self.text(dials)
        if len(input_shape) != 3 or min(input_shape) < 1:
            raise GraphError(f"{text} takes height x width x channels, not {describe(input_shape)}")
        if classes < 2:
            raise GraphError(f"{text} tells at least 2 classes apart, not {classes}")
        net = Builder(input_shape)
        try:
            self.lay(dials, net, classes)
        except GraphError as error:
            raise GraphError(
                f"{text} cannot take pictures of {describe(input_shape)}: {error}",
                hint="give larger pictures, or a family that adapts: pooled-resnet, separable, bottleneck",
            ) from error
        return net.graph(text)
