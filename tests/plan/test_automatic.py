"""What a search chooses for its caller."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pennyweight.core.budget import Budget
from pennyweight.data.source import open_source
from pennyweight.plan.automatic import MINUTES_LEAST, MINUTES_MOST, cheapest_and_large, ladder_for, minutes_for
from pennyweight.plan.candidates import Candidates
from pennyweight.plan.clock import Clock
from pennyweight.plan.pace import Pace
from pennyweight.plan.schedule import FULL_SHARE, Ladder
from pennyweight.plan.space import Space

DIGITS = open_source("digits")
CANDIDATES = Candidates(Space.named("default"), DIGITS.input_shape, DIGITS.classes, Budget(flash_bytes=20_000))
_, LARGE = cheapest_and_large(CANDIDATES, DIGITS)
EPOCHS = LARGE.recipe(DIGITS).epochs


def paced(seconds: float) -> Pace:
    """A machine on which an epoch of any network takes so long."""
    pace = Pace()
    pace.note(("mlp", 128), 1_000, seconds)
    return pace


@given(st.floats(1e-3, 1e4))
def test_a_large_network_can_be_fully_trained_in_the_minutes_that_are_chosen_unless_that_takes_too_long(
    epoch_s: float,
) -> None:
    minutes = minutes_for(LARGE, DIGITS, paced(epoch_s))
    assert MINUTES_LEAST <= minutes <= MINUTES_MOST
    assert minutes == round(minutes)
    if minutes < MINUTES_MOST:
        assert EPOCHS * epoch_s <= 60 * minutes * FULL_SHARE * 1.001
    if minutes > MINUTES_LEAST:
        assert EPOCHS * epoch_s > 60 * (minutes - 1) * FULL_SHARE * 0.999


def test_where_nothing_could_be_measured_the_least_is_chosen() -> None:
    assert minutes_for(LARGE, DIGITS, Pace()) == MINUTES_LEAST
    assert ladder_for(LARGE, DIGITS, Pace(), Clock()) == Ladder.of(3)
