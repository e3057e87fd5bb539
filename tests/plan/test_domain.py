"""What one parameter of a search may be."""

from __future__ import annotations

import math
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pennyweight.plan.domain import Choices, Domain, Range

NUMBERS = st.floats(1e-6, 1e6)
RANGES = st.builds(
    lambda ends, log: Range(min(ends), max(ends), log), st.tuples(NUMBERS, NUMBERS), st.booleans()
) | st.builds(
    lambda ends, log: Range(min(ends), max(ends), log, whole=True),
    st.tuples(st.integers(1, 10_000), st.integers(1, 10_000)),
    st.booleans(),
)
CHOICES = st.builds(
    lambda values: Choices(tuple(values)),
    st.lists(st.integers(), min_size=1, unique=True) | st.lists(st.text(), min_size=1, unique=True),
)


@given(RANGES | CHOICES, st.integers())
def test_what_is_drawn_and_its_neighbours_lie_in_the_domain(domain: Domain, seed: int) -> None:
    rng = Random(seed)
    value = domain.draw(rng)
    for _ in range(5):
        assert domain.holds(value)
        value = domain.near(value, rng)


@given(RANGES | CHOICES)
def test_a_domain_holds_its_ends(domain: Domain) -> None:
    assert all(domain.holds(end) for end in domain.ends)


@given(RANGES | CHOICES, st.integers())
def test_a_neighbour_is_another_value_where_there_is_one_to_count_to(domain: Domain, seed: int) -> None:
    rng = Random(seed)
    value = domain.draw(rng)
    countable = isinstance(domain, Choices) or domain.whole
    if countable and domain.ends[0] != domain.ends[1]:
        assert domain.near(value, rng) != value


@given(RANGES, st.integers())
def test_a_number_that_is_drawn_has_no_more_digits_than_tell_it_apart(domain: Range, seed: int) -> None:
    rng = Random(seed)
    value = domain.draw(rng)
    for _ in range(5):
        if not domain.whole and value not in domain.ends and domain.high > 2 * domain.low:
            assert float(f"{value:.3g}") == value
        value = domain.near(value, rng)


def test_a_narrow_range_has_values_enough_for_all_that() -> None:
    rng = Random(0)
    assert len({Range(0.7, 0.7001).draw(rng) for _ in range(1_000)}) > 90


def test_every_whole_number_of_a_range_is_as_likely() -> None:
    rng = Random(0)
    seen = Counter(Range(1, 4, whole=True).draw(rng) for _ in range(8_000))
    assert sorted(seen) == [1, 2, 3, 4]
    assert all(abs(count - 2_000) < 200 for count in seen.values())


def test_the_draws_of_a_logarithmic_range_are_even_in_their_logarithm() -> None:
    rng = Random(0)
    logs = [math.log10(float(Range(1e-4, 1.0, log=True).draw(rng))) for _ in range(4_000)]
    assert [sum(low <= each < low + 1 for each in logs) for low in (-4, -3, -2, -1)] == pytest.approx(
        [1_000] * 4, abs=120
    )


def test_neighbours_in_a_list_of_rising_numbers_are_those_beside() -> None:
    seen = {Choices((8, 16, 32, 64)).near(16, Random(seed)) for seed in range(30)}
    assert seen == {8, 32}


def test_words_are_all_neighbours_of_one_another() -> None:
    seen = {Choices(("relu", "gelu", "tanh")).near("relu", Random(seed)) for seed in range(30)}
    assert seen == {"gelu", "tanh"}


def test_neighbours_lie_near() -> None:
    rng = Random(0)
    distances = [abs(float(Range(0, 1).near(0.5, rng)) - 0.5) for _ in range(1_000)]
    assert sum(distances) / 1_000 < 0.15


def test_from_the_end_of_a_range_one_comes_away() -> None:
    assert sum(Range(0, 1).near(1.0, Random(seed)) == 1.0 for seed in range(100)) == 0


@pytest.mark.parametrize("value", [True, "4", 0, 9, 4.5, math.nan])
def test_a_range_of_whole_numbers_holds_nothing_else(value: bool | str | float) -> None:
    assert not Range(1, 8, whole=True).holds(value)
    assert Range(1, 8, whole=True).holds(4)


@given(RANGES | CHOICES, st.floats(-1e6, 1e6))
def test_the_nearest_value_of_a_domain_is_in_it_and_none_is_nearer(domain: Domain, value: float) -> None:
    found = domain.nearest(value)
    assert domain.holds(found)
    assert domain.nearest(found) == found
    if not isinstance(found, str):
        assert all(abs(found - value) <= abs(end - value) for end in domain.ends if not isinstance(end, str))
