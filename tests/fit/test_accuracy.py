"""An accuracy and its Wilson interval."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from pennyweight.fit.accuracy import Accuracy

COUNTS = st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(COUNTS)
def test_the_interval_is_wilsons(counts: tuple[int, int]) -> None:
    correct, n = counts
    low, high = Accuracy(correct, n).interval
    reference = binomtest(correct, n).proportion_ci(confidence_level=0.95, method="wilson")
    assert (low, high) == pytest.approx((reference.low, reference.high), abs=1e-12)


@given(COUNTS)
def test_the_interval_holds_the_accuracy_and_lies_in_zero_to_one(counts: tuple[int, int]) -> None:
    accuracy = Accuracy(*counts)
    low, high = accuracy.interval
    assert 0 <= low <= accuracy.share + 1e-12
    assert accuracy.share - 1e-12 <= high <= 1
    assert low < high


def test_nothing_seen_says_nothing() -> None:
    assert math.isnan(Accuracy(0, 0).share)
    assert Accuracy(0, 0).interval == (0, 1)


@pytest.mark.parametrize(("correct", "n"), [(2, 1), (-1, 1), (0, -1)])
def test_counts_that_cannot_be_are_refused(correct: int, n: int) -> None:
    with pytest.raises(ValueError, match="cannot be right"):
        Accuracy(correct, n)
