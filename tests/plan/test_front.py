"""The Front, and the volume that it has won."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna._hypervolume import compute_hypervolume

from pennyweight.plan.front import dominates, front, hypervolume

POINTS = st.lists(st.tuples(*[st.integers(0, 6)] * 3), max_size=30)
REFERENCE = (7.0, 7.0, 7.0)


def beats(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


@given(POINTS)
def test_no_point_of_a_front_is_dominated_and_every_other_one_is(points: list[tuple[int, ...]]) -> None:
    kept = front(points)
    for index, point in enumerate(points):
        assert (index not in kept) == any(beats(other, point) for other in points)


@given(POINTS)
def test_every_point_left_out_is_dominated_by_one_on_the_front(points: list[tuple[int, ...]]) -> None:
    kept = front(points)
    assert kept == sorted(kept)
    for index in set(range(len(points))) - set(kept):
        assert any(dominates(points[other], points[index]) for other in kept)


def test_equal_points_stand_side_by_side() -> None:
    assert front([(1, 1), (1, 1), (2, 1)]) == [0, 1]


def test_what_is_unknown_may_stand_on_the_front_only_by_another_axis() -> None:
    assert front([(0.1, float("inf")), (0.2, 5.0), (0.3, float("inf"))]) == [0, 1]


@pytest.mark.parametrize("axes", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(5))
def test_the_volume_is_that_of_optuna(axes: int, seed: int) -> None:
    points = np.random.default_rng(seed).random((25, axes))
    reference = np.full(axes, 0.8)
    inside = points[(points < reference).all(axis=1)]
    assert hypervolume(points.tolist(), reference.tolist()) == pytest.approx(compute_hypervolume(inside, reference))


@pytest.mark.parametrize("axes", [2, 3, 4])
def test_the_volume_is_the_share_of_random_places_that_some_point_beats(axes: int) -> None:
    rng = np.random.default_rng(axes)
    points, places = rng.random((12, axes)), rng.random((100_000, axes))
    beaten = np.zeros(len(places), bool)
    for point in points:
        beaten |= (point <= places).all(axis=1)
    assert hypervolume(points.tolist(), [1.0] * axes) == pytest.approx(beaten.mean(), abs=0.006)


@given(POINTS, st.tuples(*[st.integers(0, 9)] * 3))
def test_another_point_never_lowers_the_volume(points: list[tuple[int, ...]], another: tuple[int, ...]) -> None:
    assert hypervolume([*points, another], REFERENCE) >= hypervolume(points, REFERENCE)


@given(POINTS)
def test_what_is_dominated_adds_nothing_to_the_volume(points: list[tuple[int, ...]]) -> None:
    assert hypervolume([points[index] for index in front(points)], REFERENCE) == hypervolume(points, REFERENCE)


@given(POINTS, st.randoms(use_true_random=False))
def test_the_volume_does_not_depend_on_the_order(points: list[tuple[int, ...]], rng: np.random.Generator) -> None:
    mixed = list(points)
    rng.shuffle(mixed)
    assert hypervolume(mixed, REFERENCE) == hypervolume(points, REFERENCE)


def test_what_is_not_better_than_the_reference_on_every_axis_has_no_volume() -> None:
    assert hypervolume([], (1, 1)) == 0
    assert hypervolume([(0, 1), (2, 0), (float("inf"), 0)], (1, 1)) == 0
