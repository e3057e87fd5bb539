"""Quantities as people write and read them."""

from __future__ import annotations

from collections.abc import Callable
from reprlib import repr as shortened
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pennyweight.core import units
from pennyweight.core.errors import UsageError

PARSERS: list[Callable[[str, str], Any]] = [
    units.parse_bytes,
    units.parse_count,
    units.parse_minutes,
    units.parse_price,
    units.parse_milliseconds,
    units.parse_shape,
]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("65536", 65_536),
        ("64KiB", 65_536),
        ("64 KiB", 65_536),
        ("64kib", 65_536),
        ("64K", 65_536),
        ("64k", 65_536),
        ("64kB", 64_000),
        ("64KB", 64_000),
        ("2MiB", 2_097_152),
        ("2MB", 2_000_000),
        ("1G", 1_073_741_824),
        ("71_680 bytes", 71_680),
        ("1.5KiB", 1536),
        ("0", 0),
    ],
)
def test_bytes_count_in_1024_except_where_the_unit_is_decimal(text: str, count: int) -> None:
    assert units.parse_bytes(text) == count


@pytest.mark.parametrize(("text", "count"), [("2M", 2_000_000), ("500k", 500_000), ("12_000", 12_000), ("1e6", 10**6)])
def test_counts_are_decimal(text: str, count: int) -> None:
    assert units.parse_count(text) == count


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("3", 3), ("3min", 3), ("90s", 1.5), ("1h30m", 90), ("1h 30m", 90), ("2m30s", 2.5), ("1h30s", 60.5), ("0.5h", 30)],
)
def test_a_plain_duration_is_minutes(text: str, minutes: float) -> None:
    assert units.parse_minutes(text) == pytest.approx(minutes)


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "-1",
        "nan",
        "inf",
        "-inf",
        "1e999",
        "9" * 40,
        "1,5",
        "0x10",
        "1 2",
        "12_",
        "_12",
        "KiB",
        "٣",
        "\x1b[31m",
    ],
)
def test_what_is_no_quantity_is_refused_with_its_argument_and_its_text(
    parse: Callable[[str, str], Any], text: str
) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text, "--flash")
    assert str(caught.value).startswith("--flash: ")
    assert shortened(text) in str(caught.value)
    assert str(caught.value).isprintable()
    assert caught.value.hint


@pytest.mark.parametrize(
    ("parse", "text", "unit"),
    [
        (units.parse_bytes, "64kbit", "KiB"),
        (units.parse_count, "3T", "k"),
        (units.parse_minutes, "3days", "h"),
        (units.parse_price, "3eur", "USD"),
        (units.parse_milliseconds, "3ns", "us"),
    ],
)
def test_an_unknown_unit_is_refused_and_the_known_ones_are_listed(
    parse: Callable[[str, str], Any], text: str, unit: str
) -> None:
    with pytest.raises(UsageError, match="unknown unit") as caught:
        parse(text, "limit")
    assert unit in caught.value.hint


@pytest.mark.parametrize("text", ["1.5", "0.1 B", "0.0001KiB"])
def test_a_part_of_a_byte_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="whole number of bytes"):
        units.parse_bytes(text)


@pytest.mark.parametrize("text", ["1.5", "1.0005k", "1e-3"])
def test_a_part_of_a_parameter_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a whole number"):
        units.parse_count(text)


def test_a_megabyte_of_text_is_refused_in_a_short_message() -> None:
    for parse in PARSERS:
        with pytest.raises(UsageError) as caught:
            parse("1" * 1_000_000, "--macs")
        assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("text", "shape"), [("32x32x3", (32, 32, 3)), ("28x28", (28, 28, 1)), ("100X120x4", (100, 120, 4))]
)
def test_a_shape_without_channels_is_grey(text: str, shape: tuple[int, int, int]) -> None:
    assert units.parse_shape(text) == shape


@pytest.mark.parametrize("text", ["32", "32x", "x32", "0x28", "28x28x0", "32x32x3x1", "32.5x32", "70000x2"])
def test_what_is_no_shape_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        units.parse_shape(text)


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in PARSERS:
        try:
            parse(text, "limit")
        except UsageError as error:
            assert str(error).startswith("limit: ")  # noqa: PT017 - both ways out are right


@given(st.integers(0, 2**62))
def test_bytes_round_trip_to_the_digits_printed(count: int) -> None:
    text = units.format_bytes(count)
    unit = units.BYTE_UNITS[text.split()[1]]
    assert abs(units.parse_bytes(text) - count) <= 0.005 * unit + 1 + 1e-15 * count


@given(st.integers(0, 1023), st.sampled_from(["B", "KiB", "MiB", "GiB"]))
def test_whole_binary_units_round_trip_exactly(count: int, unit: str) -> None:
    size = units.parse_bytes(f"{count}{unit}")
    assert units.parse_bytes(units.format_bytes(size)) == size


@given(st.integers(0, 2**62))
def test_counts_round_trip_to_the_digits_printed(count: int) -> None:
    text = units.format_count(count)
    unit = units.COUNT_UNITS[(text.split()[1:] or [""])[0]]
    assert abs(units.parse_count(text) - count) <= 0.005 * unit + 1e-15 * count


@given(st.floats(0, units.LONGEST_MINUTES))
def test_durations_round_trip_to_the_tenth_of_a_second(minutes: float) -> None:
    again = units.parse_minutes(units.format_minutes(minutes))
    assert again == pytest.approx(minutes, rel=1e-12, abs=0.05 / 60 + 1e-9)


@given(st.floats(0, 1e6))
def test_prices_round_trip_to_the_digits_printed(usd: float) -> None:
    assert units.parse_price(units.format_price(usd)) == pytest.approx(usd, abs=0.005 + 1e-9)


@given(st.floats(1e-6, 1e9))
def test_latencies_round_trip_to_three_digits(milliseconds: float) -> None:
    assert units.parse_milliseconds(units.format_milliseconds(milliseconds)) == pytest.approx(milliseconds, rel=0.0051)
