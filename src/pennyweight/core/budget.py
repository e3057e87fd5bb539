"""Budget: the limits that a network must keep, and how far it is from keeping them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

from pennyweight.core.board import CORES, Board, boards
from pennyweight.core.errors import UsageError, unknown
from pennyweight.core.units import format_minutes


class Limit(NamedTuple):
    """How people speak of a limit: what it is a limit of, in which unit, and whether only whole numbers make sense."""

    title: str
    unit: str
    whole: bool


LIMITS = {
    "parameters": Limit("parameters", "", True),
    "macs": Limit("multiply-accumulates", "", True),
    "flash_bytes": Limit("flash", "bytes", True),
    "ram_bytes": Limit("peak RAM", "bytes", True),
    "latency_ms": Limit("latency", "ms", False),
    "price_usd": Limit("price", "USD", False),
    "minutes": Limit("time", "minutes", False),
}
"""Every limit of a Budget, in the order in which they are told. All but `minutes` are judged on a network."""


@dataclass(frozen=True, slots=True)
class Excess:
    """A limit that is not kept: by `value`, or because the value is not known (None).

    `limit` is a name in LIMITS.
    """

    limit: str
    value: float | None
    allowed: float

    @property
    def ratio(self) -> float:
        """How many times the allowed value this is: above 1, and infinite where the value is not known."""
        return math.inf if self.value is None else self.value / self.allowed

    def __str__(self) -> str:
        """One sentence.

        >>> print(Excess("ram_bytes", 71_680, 65_536))
        peak RAM 71,680 bytes exceeds the budget of 65,536 bytes (by 9 %)
        >>> print(Excess("latency_ms", None, 50))
        latency is unknown, so it may exceed the budget of 50 ms
        """
        title, unit, _ = LIMITS[self.limit]
        if self.value is None:
            return f"{title} is unknown, so it may exceed the budget of {_say(self.allowed, unit)}"
        percent = (self.ratio - 1) * 100
        more = f"by {percent:,.0f} %" if percent >= 1 else "by less than 1 %"
        return f"{title} {_say(self.value, unit)} exceeds the budget of {_say(self.allowed, unit)} ({more})"


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits; None is no limit, and a budget without any is allowed.

    `latency_ms` is of one image, `price_usd` of one board or chip, `minutes` of a whole training or search.
    Raises UsageError that lists every limit that is not a number above zero.
    """

    parameters: int | None = None
    macs: int | None = None
    flash_bytes: int | None = None
    ram_bytes: int | None = None
    latency_ms: float | None = None
    price_usd: float | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        faults = []
        for name, value in self.limits.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
                faults.append(f"{name} must be a number above zero, not {value!r}")
            elif LIMITS[name].whole and value % 1:
                faults.append(f"{name} must be a whole number, not {value!r}")
        if faults:
            raise UsageError("; ".join(faults), hint="leave a limit out to have none")

    @staticmethod
    def of(board: Board | None = None, **limits: float | None) -> Budget:
        """A board's flash and RAM as limits; `limits` that are given (not None) stand in their place or join them.

        Raises UsageError for a limit that is not known, or not a number above zero, and for a latency on a board whose
        speed nobody measured: no network would be known to keep it.
        """
        for name in limits:
            if name not in LIMITS:
                raise unknown("limit", name, LIMITS)
        if board and limits.get("latency_ms") is not None and board.latency_ms(1) is None:
            measured = [each.key for each in boards().values() if each.latency_ms(1) is not None]
            raise UsageError(
                f"no latency on {board.key} can be promised: the cycles per MAC of its core, {CORES[board.core].name}, "
                "are unknown",
                hint=f"leave the latency out, or take a board whose speed is known: {', '.join(measured)}",
            )
        whole = {"flash_bytes": board.flash_bytes, "ram_bytes": board.ram_bytes} if board else {}
        given = {name: value for name, value in limits.items() if value is not None}
        return Budget(**(whole | given))  # type: ignore[arg-type]  # the constructor judges whole and positive

    @property
    def limits(self) -> dict[str, float]:
        """The limits that are set: name -> allowed."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None}

    def excesses(self, figures: Mapping[str, float | None]) -> tuple[Excess, ...]:
        """The limits that a network with these figures does not keep, in the order of LIMITS; empty: it fits.

        `figures` are named as the limits are. A figure that is None, missing or not a number is unknown, and what is
        unknown does not fit; only `minutes`, which are no figure of a network, are judged only where they are given.
        A figure exactly at its limit fits. Raises UsageError for a figure whose name is no limit's.
        """
        for name in figures:
            if name not in LIMITS:
                raise unknown("figure", name, LIMITS)
        found = []
        for name, allowed in self.limits.items():
            value = figures.get(name)
            if value is not None and math.isnan(value):
                value = None
            if value is None and (name in figures or name != "minutes"):
                found.append(Excess(name, None, allowed))
            elif value is not None and value > allowed:
                found.append(Excess(name, value, allowed))
        return tuple(found)

    def __str__(self) -> str:
        """The limits in words.

        >>> print(Budget(flash_bytes=65_536, latency_ms=50))
        flash up to 65,536 bytes, latency up to 50 ms
        """
        told = [f"{LIMITS[name].title} up to {_say(value, LIMITS[name].unit)}" for name, value in self.limits.items()]
        return ", ".join(told) or "no limits"


def nearest(candidates: Sequence[Sequence[Excess]]) -> tuple[int, Excess] | None:
    """The candidate that is nearest to fitting: its index, and its worst excess, which is the limit in the way.

    `candidates` holds what `Budget.excesses` said of each. The nearest is that whose worst ratio is smallest, the
    first of equals. None where there are no candidates, or where one of them fits.
    """
    if not candidates or not all(candidates):
        return None
    worst = [max(excesses, key=lambda excess: excess.ratio) for excesses in candidates]
    index = min(range(len(worst)), key=lambda i: worst[i].ratio)
    return index, worst[index]


def _say(value: float, unit: str) -> str:
    if unit == "minutes":
        return format_minutes(value)
    number = f"{value:,}" if isinstance(value, int) else f"{value:,.0f}" if value >= 10_000 else f"{value:.6g}"
    return f"{number} {'byte' if (number, unit) == ('1', 'bytes') else unit}".rstrip()
