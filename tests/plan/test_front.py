"""The Front."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pennyweight.plan.front import front

POINTS = st.lists(st.tuples(*[st.integers(0, 6)] * 3), max_size=30)


def dominates(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


@given(POINTS)
def test_no_point_of_a_front_is_dominated_and_every_other_one_is(points: list[tuple[int, ...]]) -> None:
    kept = front(points)
    for index, point in enumerate(points):
        assert (index not in kept) == any(dominates(other, point) for other in points)


@given(POINTS)
def test_every_point_left_out_is_dominated_by_one_on_the_front(points: list[tuple[int, ...]]) -> None:
    kept = front(points)
    for index in set(range(len(points))) - set(kept):
        assert any(dominates(points[other], points[index]) for other in kept)


def test_equal_points_stand_side_by_side() -> None:
    assert front([(1, 1), (1, 1), (2, 1)]) == [0, 1]
