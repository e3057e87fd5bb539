"""Candidates are priced before anything is trained."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from pennyweight.core.board import find_board
from pennyweight.core.budget import Budget
from pennyweight.data.source import open_source
from pennyweight.fit.defaults import default_recipe
from pennyweight.net.cost import cost
from pennyweight.net.zoo import build_network
from pennyweight.plan.candidates import Candidate, Candidates
from pennyweight.plan.space import Point, Space

SPACE = Space.from_toml(
    '[networks.mlp]\nhidden = ["8", "16", "64-32"]\n[networks.pooled-resnet]\nwidth = { low = 4, high = 16 }\n'
    "[recipe]\nlearning_rate = [0.01, 0.1]"
)


def candidates(**limits: float) -> Candidates:
    return Candidates(SPACE, (8, 8, 1), 10, Budget.of(None, **limits))


def test_what_fits_keeps_the_budget_and_what_does_not_is_none() -> None:
    some = candidates(parameters=1_000)
    for seed in range(50):
        point = SPACE.draw(Random(seed))
        figures = cost(build_network(point.network, (8, 8, 1), 10)).to_figures()
        found = some.fitting(point)
        assert (found is not None) == (not some.budget.excesses(figures))
        if found:
            assert found.point == point
            assert found.cost.to_figures() == figures


def test_a_network_is_priced_once_whatever_its_recipe() -> None:
    some = candidates()
    one, *others = (point for point in (SPACE.draw(Random(seed), "mlp") for seed in range(60)))
    twin = next(each for each in others if each.network == one.network and each != one)
    first, second = some.priced(one), some.priced(twin)
    assert first
    assert second
    assert first.graph is second.graph
    assert some.considered == 1


def test_the_pool_holds_what_fits_by_rising_macs_each_once() -> None:
    some = candidates(parameters=2_000)
    found = some.pool
    assert [each.cost.macs for each in found] == sorted(each.cost.macs for each in found)
    assert len({each.point for each in found}) == len(found)
    assert all(each.cost.parameters <= 2_000 for each in found)
    assert some.feasible < some.considered


def test_the_pool_holds_a_network_that_fits_at_a_corner_of_a_large_space() -> None:
    space = Space.from_toml("[networks.pooled-resnet]\nwidth = { low = 4, high = 128 }")
    smallest = cost(build_network("pooled-resnet:width=4", (8, 8, 1), 10)).parameters
    found = Candidates(space, (8, 8, 1), 10, Budget(parameters=smallest)).pool
    assert [each.point.network for each in found] == ["pooled-resnet:width=4"]


def test_an_impossible_budget_names_the_nearest_network_and_the_limit_in_its_way() -> None:
    some = candidates(parameters=10)
    assert not some.pool
    error = some.impossible()
    nearest = min(cost(build_network(f"mlp:hidden={hidden}", (8, 8, 1), 10)).parameters for hidden in (8, 16))
    assert f"parameters {nearest:,} exceeds the budget of 10" in str(error)
    assert "mlp:hidden=8" in str(error)
    assert error.hint


def test_a_space_that_cannot_take_the_images_says_so() -> None:
    space = Space.from_toml("[networks.squeezenet]")
    some = Candidates(space, (1, 1, 1), 10, Budget())
    assert not some.pool
    assert "can take these images" in str(some.impossible())


def test_pictures_are_brought_to_the_shape_of_the_point() -> None:
    space = Space.from_toml('input = ["4x4", "16x16"]\n[networks.pooled-resnet]')
    some = Candidates(space, (8, 8, 1), 10, Budget())
    small, large = map(some.priced, space.corners())
    assert small
    assert large
    assert (small.input_shape, large.input_shape) == ((4, 4, 1), (16, 16, 1))
    assert small.cost.macs < large.cost.macs


def test_a_board_limits_flash_and_gives_the_price() -> None:
    board = find_board("microbit-v1")
    some = Candidates(SPACE, (8, 8, 1), 10, Budget.of(board), board)
    found = some.pool
    assert all(each.cost.price_usd == board.price_usd for each in found)
    assert all(each.cost.flash_bytes <= board.flash_bytes for each in found)


MEASURED_S = {
    "pooled-resnet:width=14,activation=hard-swish,head=max": 10.2,
    "bottleneck:width=3": 6.9,
    "separable:width=8": 3.8,
    "pooled-resnet:width=4": 5.6,
    "resnet8:width=3": 10.5,
    "pooled-resnet:width=29,head=max": 17.0,
    "resnet8:width=10": 21.1,
    "separable:width=71": 19.2,
}
"""What an epoch of 36,000 images of CIFAR-10 took on two cores; their multiply-accumulates are from 84 k to 5.4 M."""


def test_times_differ_less_for_equal_work_than_for_equal_macs() -> None:
    def spread(rates: list[float]) -> float:
        return max(rates) / min(rates)

    priced = {name: candidates_of(name) for name in MEASURED_S}
    assert spread([MEASURED_S[name] / found.work for name, found in priced.items()]) < 3.5
    assert spread([MEASURED_S[name] / found.cost.macs for name, found in priced.items()]) > 20


def candidates_of(network: str) -> Candidate:
    """The candidate of a network for CIFAR-10."""
    family, _, dials = network.partition(":")
    values = dict(dial.split("=") for dial in dials.split(","))
    point = Point(family, tuple((f"{family}.{name}", int(v) if v.isdigit() else v) for name, v in values.items()))
    found = Candidates(Space.named("default"), (32, 32, 3), 10, Budget()).priced(point)
    assert found is not None
    return found


DIGITS = open_source("digits")

GRID = Space.from_toml(
    '[networks.mlp]\nhidden = ["8", "16"]\nactivation = ["tanh", "relu"]\ndropout = [0.2, 0.0]\n'
    '[recipe]\noptimizer = ["sgd", "adam"]\nepochs = [5, 1000]\nlearning_rate = [0.3, 0.001]\nbatch = [16, 4096]'
)


@given(st.integers(0, 10_000))
def test_the_usual_form_of_a_network_costs_the_same_is_in_the_space_and_is_as_trained_where_nothing_is_searched(
    seed: int,
) -> None:
    some = Candidates(GRID, DIGITS.input_shape, DIGITS.classes, Budget())
    drawn = some.priced(GRID.draw(Random(seed)))
    assert drawn
    usual = some.usual(drawn, DIGITS)
    assert GRID.holds(usual.point)
    assert (usual.cost.parameters, usual.cost.macs) == (drawn.cost.parameters, drawn.cost.macs)
    hidden = dict(drawn.point.values)["mlp.hidden"]
    assert usual.graph.text == build_network(f"mlp:hidden={hidden}", DIGITS.input_shape, DIGITS.classes).text
    assert usual.point.recipe == {"optimizer": "adam", "epochs": 5, "learning_rate": 0.001, "batch": 16}


def test_a_point_with_another_optimizer_has_that_ones_learning_rate_unless_the_space_tells_one() -> None:
    graph = build_network("mlp:hidden=8", DIGITS.input_shape, DIGITS.classes)
    usual = default_recipe(graph, DIGITS)
    for values, rate in (
        ((("recipe.optimizer", "adam"),), 0.002),
        ((("recipe.optimizer", "adam"), ("recipe.learning_rate", 0.5)), 0.5),
        ((("recipe.optimizer", usual.optimizer),), usual.peak_learning_rate),
    ):
        candidate = Candidate(Point("mlp", (("mlp.hidden", "8"), *values)), graph, cost(graph), 1.0)
        assert candidate.recipe(DIGITS).peak_learning_rate == rate


def test_the_usual_form_of_a_network_keeps_the_budget() -> None:
    space = Space.from_toml('[networks.mlp]\nhidden = ["8"]\nactivation = ["relu", "tanh"]')
    for activation in ("relu", "tanh"):
        point = Point("mlp", (("mlp.hidden", "8"), ("mlp.activation", activation)))
        priced = Candidates(space, DIGITS.input_shape, DIGITS.classes, Budget()).priced(point)
        assert priced
        some = Candidates(space, DIGITS.input_shape, DIGITS.classes, Budget(flash_bytes=priced.cost.flash_bytes))
        assert some.fitting(some.usual(priced, DIGITS).point)
