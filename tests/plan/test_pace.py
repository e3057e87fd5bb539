"""How long a network will train, told by how long others took."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pennyweight.plan.pace import Pace


def test_nothing_is_foretold_before_anything_was_measured() -> None:
    assert Pace().seconds_per_epoch("mlp", 1e6) is None


@given(st.floats(0.01, 10), st.floats(1e-9, 1e-5), st.lists(st.floats(1e3, 1e8), min_size=1, max_size=8))
def test_a_machine_of_constant_speed_is_foretold(base_s: float, rate: float, macs: list[float]) -> None:
    pace = Pace()
    pace.note("mlp", 0.0, base_s)
    for each in macs:
        pace.note("resnet8", each, base_s + rate * each)
        assert pace.seconds_per_epoch("resnet8", 1e6) == pytest.approx(base_s + rate * 1e6, rel=1e-3)
    assert pace.seconds_per_epoch("separable", 1e6) == pytest.approx(base_s + rate * 1e6, rel=1e-3), "by the others"


def test_a_family_is_told_by_its_own_trainings() -> None:
    pace = Pace()
    for family, seconds in (("mlp", 1.0), ("resnet8", 2.0), ("separable", 5.0)):
        pace.note(family, 1e6, seconds)
    assert pace.seconds_per_epoch("separable", 2e6) == pytest.approx(9)
    assert pace.seconds_per_epoch("resnet8", 2e6) == pytest.approx(3)
