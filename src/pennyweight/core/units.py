"""Quantities as people write them: bytes, counts, minutes, prices, milliseconds and shapes, read and printed.

Reading is strict: a number that is negative, not finite, not whole where it must be, or too large is a UsageError that
names the argument and the text, and so is a unit that is not known; its hint lists those that are. Units may be
written in either case, with a space before them or without. `_` may group digits; `,` may not, for it is a decimal
sign to half of the world. What `format_…` prints, `parse_…` reads back, exactly to the digits that were printed.
"""

from __future__ import annotations

import re
from decimal import Decimal
from reprlib import repr as shortened

from pennyweight.core.errors import UsageError

LARGEST = 2**63 - 1
"""No byte, parameter or MAC is counted beyond a signed 64-bit integer."""

LONGEST_MINUTES = 10 * 366 * 24 * 60
"""Ten years."""

LONGEST_SIDE = 65_536
"""No picture is taken to be wider, higher or deeper."""

BYTE_UNITS = {
    "": 1,
    "B": 1,
    "bytes": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "K": 2**10,
    "M": 2**20,
    "G": 2**30,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
"""kB, MB and GB are decimal (IEC 80000-13), so a budget in them is never larger than was meant; K alone is KiB."""

COUNT_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}
PRICE_UNITS = {"": 1, "USD": 1, "$": 1}
MILLISECOND_UNITS = {
    "": Decimal(1),
    "us": Decimal("0.001"),
    "µs": Decimal("0.001"),
    "ms": Decimal(1),
    "s": Decimal(1000),
}
MINUTE_UNITS = {"": Decimal(1), "h": Decimal(60), "m": Decimal(1), "min": Decimal(1), "s": 1 / Decimal(60)}

_NUMBER = r"[0-9]+(?:_[0-9]+)*(?:\.[0-9]+)?(?:e[+-]?[0-9]{1,3})?"
_QUANTITY = re.compile(rf"({_NUMBER})\s*([a-zµ$]*)", re.ASCII | re.IGNORECASE)
_DURATION = re.compile(rf"(?:({_NUMBER})\s*h)?\s*(?:({_NUMBER})\s*m(?:in)?)?\s*(?:({_NUMBER})\s*s)?", re.I | re.ASCII)


def _refuse(argument: str, text: str, why: str, hint: str) -> UsageError:
    return UsageError(f"{argument}: {shortened(text)} {why}", hint=hint)


def _quantity(argument: str, text: str, units: dict[str, Decimal] | dict[str, int], largest: int, hint: str) -> Decimal:
    """The number in `text` times its unit, between 0 and `largest`."""
    match = _QUANTITY.fullmatch(text.strip())
    if match is None:
        why = "is empty" if not text.strip() else "is negative" if text.lstrip().startswith("-") else "is no quantity"
        raise _refuse(argument, text, why, hint)
    number, unit = match.groups()
    scale = {name.lower(): Decimal(value) for name, value in units.items()}.get(unit.lower())
    if scale is None:
        known = ", ".join(name for name in units if name)
        raise _refuse(argument, text, f"has the unknown unit {shortened(unit)}", f"known units: {known}")
    value = Decimal(number.replace("_", "")) * scale
    if value > largest:
        raise _refuse(argument, text, "is too large", f"at most {largest:,}")
    return value


def parse_bytes(text: str, argument: str = "size") -> int:
    """How many bytes `text` says, to the nearest whole one.

    A plain number is bytes; KiB, MiB, GiB, and K, M, G for short, count in 1,024; kB, MB, GB in 1,000.
    Raises UsageError that names `argument`.

    >>> parse_bytes("64KiB"), parse_bytes("16 kB"), parse_bytes("1.5M"), parse_bytes("12_000")
    (65536, 16000, 1572864, 12000)
    """
    value = _quantity(argument, text, BYTE_UNITS, LARGEST, "write bytes as 65536, 64KiB or 64kB")
    if value < 1024 and value % 1:
        raise _refuse(argument, text, "is not a whole number of bytes", "write bytes as 65536, 64KiB or 64kB")
    return round(value)


def format_bytes(count: int) -> str:
    """`count` bytes for people, in binary units to two decimals at most.

    >>> format_bytes(512), format_bytes(65_536), format_bytes(71_987)
    ('512 B', '64 KiB', '70.3 KiB')
    """
    for unit in ("GiB", "MiB", "KiB"):
        if count >= BYTE_UNITS[unit]:
            return f"{_decimals(count / BYTE_UNITS[unit], 2)} {unit}"
    return f"{count} B"


def counted(count: int, noun: str) -> str:
    """So many of something, for people.

    >>> counted(1, "byte"), counted(1200, "byte")
    ('1 byte', '1,200 bytes')
    """
    return f"{count:,} {noun}{'s' * (count != 1)}"


def parse_count(text: str, argument: str = "count") -> int:
    """The whole number that `text` says; k, M and G stand for thousands, millions and milliards.

    Raises UsageError that names `argument`.

    >>> parse_count("2M"), parse_count("2.5k"), parse_count("12_000"), parse_count("1e6")
    (2000000, 2500, 12000, 1000000)
    """
    hint = "write a whole number as 500000, 500k or 5e5"
    value = _quantity(argument, text, COUNT_UNITS, LARGEST, hint)
    if value % 1:
        raise _refuse(argument, text, "is not a whole number", hint)
    return int(value)


def format_count(count: int) -> str:
    """`count` for people, to two decimals of its unit at most.

    >>> format_count(650), format_count(71_220), format_count(12_501_632)
    ('650', '71.22 k', '12.5 M')
    """
    for unit in ("G", "M", "k"):
        if count >= COUNT_UNITS[unit]:
            return f"{_decimals(count / COUNT_UNITS[unit], 2)} {unit}"
    return str(count)


def parse_minutes(text: str, argument: str = "minutes") -> float:
    """The minutes that `text` says: a plain number is minutes, else hours, minutes and seconds in this order.

    Raises UsageError that names `argument`.

    >>> parse_minutes("3"), parse_minutes("90s"), parse_minutes("1h30m"), parse_minutes("1.5h")
    (3.0, 1.5, 90.0, 90.0)
    """
    hint = "write a duration as 3 (minutes), 90s, 2m30s or 1h30m"
    parts = _DURATION.fullmatch(text.strip())
    if parts is None or not any(parts.groups()):
        return float(_quantity(argument, text, MINUTE_UNITS, LONGEST_MINUTES, hint))
    named = zip(parts.groups(), ("h", "m", "s"), strict=True)
    value = sum(Decimal(part.replace("_", "")) * MINUTE_UNITS[unit] for part, unit in named if part)
    if value > LONGEST_MINUTES:
        raise _refuse(argument, text, "is too large", "at most ten years")
    return float(value)


def format_minutes(minutes: float) -> str:
    """`minutes` for people, to the tenth of a second.

    >>> format_minutes(3), format_minutes(1.5), format_minutes(90), format_minutes(0.0125)
    ('3m', '1m30s', '1h30m', '0.8s')
    """
    tenths = round(minutes * 600)
    hours, rest = divmod(tenths, 36_000)
    whole, tenths = divmod(rest, 600)
    parts = [f"{hours}h"] * bool(hours) + [f"{whole}m"] * bool(whole) + [f"{_decimals(tenths / 10, 1)}s"] * bool(tenths)
    return "".join(parts) or "0s"


def parse_price(text: str, argument: str = "price") -> float:
    """The US dollars that `text` says. Raises UsageError that names `argument`.

    >>> parse_price("0.5"), parse_price("0.5usd"), parse_price("4 $")
    (0.5, 0.5, 4.0)
    """
    return float(_quantity(argument, text, PRICE_UNITS, 10**9, "write a price in US dollars as 0.5 or 0.5usd"))


def format_price(usd: float) -> str:
    """A price for people, to the cent, or to the tenth of one below ten cents.

    >>> format_price(4), format_price(0.1), format_price(0.034)
    ('4.00 USD', '0.10 USD', '0.034 USD')
    """
    return f"{usd:.2f} USD" if usd >= 0.1 or usd == 0 else f"{usd:.3f} USD"


def parse_milliseconds(text: str, argument: str = "latency") -> float:
    """The milliseconds that `text` says; a plain number is milliseconds, us and s are known too.

    Raises UsageError that names `argument`.

    >>> parse_milliseconds("50"), parse_milliseconds("50ms"), parse_milliseconds("1.5s"), parse_milliseconds("200us")
    (50.0, 50.0, 1500.0, 0.2)
    """
    hint = "write a latency as 50 (milliseconds), 50ms or 1.5s"
    return float(_quantity(argument, text, MILLISECOND_UNITS, LARGEST, hint))


def format_milliseconds(milliseconds: float) -> str:
    """A latency for people, to three digits.

    >>> format_milliseconds(0.0000951), format_milliseconds(0.2), format_milliseconds(1521.6)
    ('0.0951 µs', '0.2 ms', '1.52 s')
    """
    if 0 < milliseconds < 0.001:
        return f"{1000 * milliseconds:.3g} µs"
    if milliseconds < 999.5:
        return f"{milliseconds:.3g} ms"
    seconds = milliseconds / 1000
    return f"{seconds:.3g} s" if seconds < 999.5 else f"{seconds:.0f} s"


def format_milliseconds_range(lower: float, upper: float) -> str:
    """A range of latencies for people, the unit once where both have the same.

    >>> format_milliseconds_range(0.83, 0.914), format_milliseconds_range(990, 1210)
    ('0.83 … 0.914 ms', '990 ms … 1.21 s')
    """
    low, high = format_milliseconds(lower), format_milliseconds(upper)
    return f"{low.removesuffix(high[high.index(' ') :])} … {high}"


def parse_shape(text: str, argument: str = "shape") -> tuple[int, int, int]:
    """`(height, width, channels)`; one channel where none is said. Raises UsageError that names `argument`.

    >>> parse_shape("32x32x3"), parse_shape("28x28")
    ((32, 32, 3), (28, 28, 1))
    """
    hint = "write a shape as height x width x channels: 32x32x3, or 28x28 for grey pictures"
    if not re.fullmatch(r"\s*[0-9]{1,9}x[0-9]{1,9}(x[0-9]{1,9})?\s*", text, re.ASCII | re.IGNORECASE):
        raise _refuse(argument, text, "is empty" if not text.strip() else "is no shape", hint)
    height, width, channels = [*map(int, text.lower().split("x")), 1][:3]
    if not 1 <= min(height, width, channels) <= max(height, width, channels) <= LONGEST_SIDE:
        raise _refuse(argument, text, f"has a length outside 1 … {LONGEST_SIDE:,}", hint)
    return height, width, channels


def _decimals(value: float, places: int) -> str:
    text = f"{value:.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
