"""The course of the learning rate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pennyweight.fit.recipe import SCHEDULES
from pennyweight.fit.schedule import learning_rate_share

WARMUPS = st.floats(0, 0.9)
DONE = st.floats(0, 1)
FALLING = [schedule for schedule in SCHEDULES if schedule != "constant"]


@pytest.mark.parametrize("schedule", SCHEDULES)
@given(done=DONE, warmup=WARMUPS)
def test_every_share_lies_in_zero_to_one(schedule: str, done: float, warmup: float) -> None:
    assert 0 <= learning_rate_share(schedule, done, warmup) <= 1


@pytest.mark.parametrize("schedule", FALLING)
@given(warmup=WARMUPS)
def test_all_but_the_constant_one_end_low(schedule: str, warmup: float) -> None:
    assert learning_rate_share(schedule, 1.0, warmup) <= 0.01


@pytest.mark.parametrize("schedule", SCHEDULES)
@given(warmup=WARMUPS)
def test_the_peak_is_reached_where_the_warm_up_ends(schedule: str, warmup: float) -> None:
    done = warmup if schedule in ("linear", "cosine", "one-cycle") else 0.0
    assert learning_rate_share(schedule, done, warmup) == 1


@pytest.mark.parametrize("schedule", FALLING)
@given(pair=st.tuples(DONE, DONE), warmup=WARMUPS)
def test_after_the_warm_up_it_never_rises(schedule: str, pair: tuple[float, float], warmup: float) -> None:
    earlier, later = (warmup + (1 - warmup) * done for done in sorted(pair))
    assert learning_rate_share(schedule, later, warmup) <= learning_rate_share(schedule, earlier, warmup) + 1e-12


@pytest.mark.parametrize("schedule", ["linear", "cosine", "one-cycle"])
@given(pair=st.tuples(DONE, DONE), warmup=st.floats(0.01, 0.9))
def test_in_the_warm_up_it_never_falls(schedule: str, pair: tuple[float, float], warmup: float) -> None:
    earlier, later = (warmup * done for done in sorted(pair))
    assert learning_rate_share(schedule, earlier, warmup) <= learning_rate_share(schedule, later, warmup) + 1e-12
