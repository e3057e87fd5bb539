"""Limits, and how far a network is from keeping them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pennyweight.core.board import find_board
from pennyweight.core.budget import LIMITS, Budget, Excess, nearest
from pennyweight.core.errors import UsageError

NETWORK = [name for name in LIMITS if name != "minutes"]
amounts = st.integers(1, 10**12)
budgets = st.dictionaries(st.sampled_from(NETWORK), amounts).map(lambda limits: Budget.of(**limits))
figures = st.fixed_dictionaries({name: st.one_of(st.none(), amounts) for name in NETWORK})


def test_an_empty_budget_allows_everything() -> None:
    assert Budget().excesses({"ram_bytes": 10**15, "latency_ms": None}) == ()
    assert str(Budget()) == "no limits"


def test_a_board_is_a_budget_of_its_flash_and_ram() -> None:
    board = find_board("microbit-v1")
    assert Budget.of(board).limits == {"flash_bytes": 262_144, "ram_bytes": 16_384}


def test_an_explicit_limit_stands_in_the_place_of_the_boards() -> None:
    board = find_board("microbit-v1")
    tighter = Budget.of(board, ram_bytes=8_192, macs=1_000_000, flash_bytes=None)
    assert tighter.limits == {"macs": 1_000_000, "flash_bytes": 262_144, "ram_bytes": 8_192}
    assert Budget.of(board, ram_bytes=32_768).ram_bytes == 32_768


def test_a_latency_on_a_board_whose_speed_is_unknown_is_refused_with_boards_whose_speed_is_known() -> None:
    with pytest.raises(UsageError, match="cycles per MAC of its core, RISC-V RV32EC, are unknown") as caught:
        Budget.of(find_board("ch32v003"), latency_ms=5)
    assert "py32f002a, " in caught.value.hint
    assert "ch32v003" not in caught.value.hint
    assert Budget.of(find_board("py32f002a"), latency_ms=5).latency_ms == 5


def test_a_short_time_is_told_in_seconds() -> None:
    assert str(Budget(minutes=1 / 60)) == "time up to 1s"
    assert str(Excess("minutes", 5, 2.5)) == "time 5m exceeds the budget of 2m30s (by 100 %)"


def test_every_fault_of_a_budget_is_listed_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        Budget.of(parameters=0, macs=-1, ram_bytes=1.5, latency_ms=math.nan, price_usd=math.inf, minutes=True)
    told = str(caught.value)
    for fault in (
        "parameters must be a number above zero, not 0",
        "macs must be a number above zero, not -1",
        "ram_bytes must be a whole number, not 1.5",
        "latency_ms must be a number above zero, not nan",
        "price_usd must be a number above zero, not inf",
        "minutes must be a number above zero, not True",
    ):
        assert fault in told


def test_an_unknown_limit_or_figure_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown limit 'ram'") as caught:
        Budget.of(ram=1)
    assert "ram_bytes" in caught.value.hint
    with pytest.raises(UsageError, match="unknown figure 'peak_ram_bytes'"):
        Budget(ram_bytes=1).excesses({"peak_ram_bytes": 1})


def test_an_excess_says_what_how_much_and_by_how_much() -> None:
    (excess,) = Budget(ram_bytes=65_536).excesses({"ram_bytes": 71_680})
    assert str(excess) == "peak RAM 71,680 bytes exceeds the budget of 65,536 bytes (by 9 %)"
    (excess,) = Budget(latency_ms=0.5).excesses({"latency_ms": 1.25})
    assert str(excess) == "latency 1.25 ms exceeds the budget of 0.5 ms (by 150 %)"
    (excess,) = Budget(macs=1_000_000).excesses({"macs": 1_000_001})
    assert str(excess).endswith("(by less than 1 %)")


def test_a_figure_exactly_at_its_limit_fits() -> None:
    assert Budget(ram_bytes=100).excesses({"ram_bytes": 100}) == ()


@pytest.mark.parametrize("given_figures", [{"latency_ms": None}, {"latency_ms": math.nan}, {}])
def test_what_is_unknown_does_not_fit_and_is_said(given_figures: dict[str, float | None]) -> None:
    (excess,) = Budget(latency_ms=50).excesses(given_figures)
    assert excess == Excess("latency_ms", None, 50)
    assert excess.ratio == math.inf
    assert "unknown" in str(excess)


def test_the_time_of_a_search_is_judged_only_where_it_is_given() -> None:
    budget = Budget(minutes=3)
    assert budget.excesses({"macs": 5}) == ()
    assert [excess.limit for excess in budget.excesses({"minutes": 4})] == ["minutes"]
    assert [excess.value for excess in budget.excesses({"minutes": None})] == [None]


@given(budgets, figures)
def test_a_limit_is_kept_or_told_and_never_both(budget: Budget, of_a_network: dict[str, int | None]) -> None:
    told = {excess.limit: excess for excess in budget.excesses(of_a_network)}
    assert list(told) == [name for name in LIMITS if name in told]
    for name, allowed in budget.limits.items():
        value = of_a_network[name]
        assert (name not in told) == (value is not None and value <= allowed)
    assert set(told) <= set(budget.limits)
    for excess in told.values():
        assert excess.ratio > 1
        assert LIMITS[excess.limit].title in str(excess)


@given(budgets, figures)
def test_a_tighter_budget_never_lets_more_through(budget: Budget, of_a_network: dict[str, int | None]) -> None:
    tighter = Budget.of(**{name: max(allowed // 2, 1) for name, allowed in budget.limits.items()})
    before = {excess.limit for excess in budget.excesses(of_a_network)}
    assert before <= {excess.limit for excess in tighter.excesses(of_a_network)}


@given(st.lists(figures, min_size=1, max_size=6))
def test_the_nearest_candidate_has_the_smallest_worst_ratio(networks: list[dict[str, int | None]]) -> None:
    budget = Budget(macs=1000, ram_bytes=1000)
    candidates = [budget.excesses(network) for network in networks]
    found = nearest(candidates)
    if any(not excesses for excesses in candidates):
        assert found is None
        return
    assert found is not None
    index, worst = found
    assert worst in candidates[index]
    ratios = [max(excess.ratio for excess in excesses) for excesses in candidates]
    assert worst.ratio == ratios[index] == min(ratios)
    assert index == ratios.index(min(ratios))


def test_nothing_is_nearest_among_no_candidates() -> None:
    assert nearest([]) is None
