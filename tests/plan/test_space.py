"""What a search may choose, and the TOML that describes it."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pennyweight.core.errors import UsageError
from pennyweight.fit.recipe import Recipe
from pennyweight.net.zoo import build_network, families
from pennyweight.plan.space import NOT_SEARCHED, Point, Space, shipped_spaces

EVERYTHING = """
input = ["28x28", "14x14x1"]
[networks.mlp]
hidden = ["8", "80-60-50"]
activation = ["relu", "gelu"]
dropout = { low = 0.0, high = 0.5 }
[networks.pooled-resnet]
width = { low = 4, high = 96, log = true }
[recipe]
epochs = [1, 5]
learning_rate = { low = 0.0001, high = 0.1, log = true }
optimizer = "adam"
flip = [true, false]
"""
SPACE = Space.from_toml(EVERYTHING)
SEEDS = st.integers(0, 10_000)


@pytest.mark.parametrize("name", shipped_spaces())
def test_a_shipped_space_is_read_and_its_points_are_networks(name: str) -> None:
    space = Space.named(name)
    assert Space.from_toml(space.text) == space
    for point in space.corners():
        assert build_network(point.network, point.input_shape or (28, 28, 1), 10)
        assert Recipe().with_changes(point.recipe)


def test_the_text_of_a_space_is_read_back_as_the_same_space() -> None:
    assert Space.from_toml(SPACE.text) == SPACE
    assert Space.from_toml(SPACE.text).text == SPACE.text


@given(SEEDS)
def test_a_point_that_is_drawn_is_of_the_space_and_survives_json(seed: int) -> None:
    point = SPACE.draw(Random(seed))
    assert SPACE.holds(point)
    again = Point.from_json(json.loads(json.dumps(point.as_json())))
    assert again == point
    assert again.key == point.key


@given(SEEDS)
def test_a_neighbour_is_of_the_space_and_of_the_same_family(seed: int) -> None:
    rng = Random(seed)
    point = SPACE.draw(rng)
    near = SPACE.near(point, rng)
    assert SPACE.holds(near)
    assert near.family == point.family
    assert 1 <= sum(one != other for one, other in zip(near.values, point.values, strict=True)) <= 2


@given(SEEDS)
def test_every_point_is_a_network_and_a_recipe(seed: int) -> None:
    point = SPACE.draw(Random(seed))
    assert point.input_shape in {(28, 28, 1), (14, 14, 1)}
    assert build_network(point.network, (28, 28, 1), 10)
    recipe = Recipe().with_changes(point.recipe)
    assert recipe.optimizer == "adam"
    assert recipe.epochs in (1, 5)


@given(SEEDS, SEEDS)
def test_two_points_are_equal_exactly_where_their_keys_are(one: int, other: int) -> None:
    first, second = SPACE.draw(Random(one)), SPACE.draw(Random(other))
    assert (first == second) == (first.key == second.key)


def test_a_point_of_another_space_is_not_held() -> None:
    point = SPACE.draw(Random(0), "mlp")
    assert not SPACE.holds(Point("resnet8", point.values))
    assert not SPACE.holds(Point("mlp", point.values[1:]))
    assert not SPACE.holds(Point("mlp", (("mlp.hidden", "9"), *point.values[1:])))


def test_each_family_is_as_likely() -> None:
    rng = Random(0)
    drawn = [SPACE.draw(rng).family for _ in range(2_000)]
    assert abs(drawn.count("mlp") - 1_000) < 150


def test_a_grid_has_every_point_once() -> None:
    space = Space.from_toml('[networks.mlp]\nhidden = ["8", "16"]\ndropout = [0, 0.2, 0.5]\n[recipe]\nepochs = [1, 2]')
    points = list(space.grid())
    assert len(points) == len(set(points)) == 12
    assert all(map(space.holds, points))


def test_a_grid_of_a_range_is_refused_and_every_range_named() -> None:
    with pytest.raises(UsageError, match=r"mlp\.dropout, recipe\.learning_rate, pooled-resnet\.width are ranges"):
        next(SPACE.grid())


def test_a_family_without_dials_and_a_space_without_choice_have_one_point() -> None:
    space = Space.from_toml("[networks.resnet8]")
    point = space.draw(Random(0))
    assert (point, point.network) == (Point("resnet8", ()), "resnet8")
    assert space.near(point, Random(0)) == point
    assert list(space.grid()) == [point]


def test_the_same_shape_written_twice_is_one() -> None:
    assert Space.from_toml('input = ["28x28", "28x28x1"]\n[networks.mlp]').inputs == ("28x28x1",)
    assert Space.from_toml('input = "8x8"\n[networks.mlp]').inputs == ("8x8x1",)


def test_whole_numbers_serve_where_fractions_are_meant() -> None:
    space = Space.from_toml("[networks.mlp]\ndropout = [0, 0.5]")
    assert [point.network for point in space.grid()] == ["mlp:dropout=0", "mlp:dropout=0.5"]


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        Space.from_toml(
            """
            input = ["28x", "8x8"]
            [netwroks]
            [networks.mpl]
            [networks.mlp]
            hiden = ["8"]
            hidden = []
            activation = { low = 1, high = 2 }
            dropout = { low = 0.5, high = 0.1 }
            [networks.pooled-resnet]
            width = { low = 4, high = 8, step = 2 }
            head = ["average", "median"]
            [networks]
            resnet8 = 3
            [recipe]
            optimiser = ["adam"]
            seed = [1, 2]
            epochs = [0, 1.5, true]
            learning_rate = { low = 0, high = 0.1, log = true }
            weight_decay = { low = 0, high = 0.1, log = "yes" }
            """.replace("[networks]\n            resnet8 = 3\n", "")
        )
    message = str(caught.value)
    for fault in (
        "28x", "netwroks", "mpl", "hiden", "mlp.hidden may be nothing", "mlp.activation has ranges only of numbers",
        "mlp.dropout: 0.5 … 0.1 is no range", "pooled-resnet.width takes {low, high}", "head=median", "optimiser",
        "seed", "epochs=0", "epochs=1.5", "epochs=True", "recipe.learning_rate: 0 … 0.1 is no range of a logarithm",
        "recipe.weight_decay: log must be true or false",
    ):  # fmt: skip
        assert fault in message
    assert "did you mean hidden" in message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "networks = 3",
        "networks = [1]",
        "[networks]",
        "[networks]\nmlp = 3",
        "[[networks.mlp]]",
        "[networks.mlp]\nhidden = [[8, 16]]",
        "[networks.mlp]\nhidden = [{ a = 1 }]",
        "[networks.mlp]\nhidden = 12:00:00",
        "[networks.mlp]\ndropout = nan",
        "[networks.mlp]\ndropout = { low = -inf, high = inf }",
        "[networks.mlp]\ndropout = { low = {}, high = [] }",
        "[networks.pooled-resnet]\nwidth = [true]",
        "[networks.pooled-resnet]\nwidth = " + "9" * 5_000,
        "[networks.pooled-resnet]\nwidth = 0x" + "f" * 5_000,
        "[networks.mlp]\n[recipe]\nepochs = 0x" + "f" * 5_000,
        "[networks.mlp]\n[recipe]\nepochs = [[[1]]]",
        "[networks.mlp]\n[recipe]\nlearning_rate = [{}]",
        "[networks.mlp]\n[recipe]\nteacher = 'runs/secret'",
        "[networks.mlp]\nactivation = 'relu,hidden=8'",
        "input = [[28, 28]]\n[networks.mlp]",
        "input = ['0x0']\n[networks.mlp]",
        "a = " + "[" * 5_000,
        "hidden = \x00",
    ],
)
def test_what_is_no_space_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        Space.from_toml(text)


WORDS = st.sampled_from(["networks", "mlp", "recipe", "input", "hidden", "dropout", "epochs", "low", "high", "log"])
VALUES = st.sampled_from(["true", "0.5", "1", "-1", "nan", "1e999", "8x8", "é"])
SIGNS = st.sampled_from([*"[]{}=,.\"' \n", "\x1b[31m"])


@given(st.lists(WORDS | VALUES | SIGNS, max_size=30).map("".join) | st.text())
@example("[networks.mlp]\ndropout={low=0,high=0.5,log=false}")
def test_any_text_is_a_space_or_a_usage_error(text: str) -> None:
    try:
        space = Space.from_toml(text)
    except UsageError:
        return
    assert Space.from_toml(space.text) == space
    assert space.holds(space.draw(Random(0)))


@pytest.mark.parametrize("name", ["no-such-space", "", "a\0b", "\x1b[31m"])
def test_a_space_that_is_not_there_is_a_usage_error_that_names_those_that_are(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        Space.named(name)
    assert "default, mnist-grid" in caught.value.hint
    assert "--show-space > mine.toml" in caught.value.hint
    assert "Errno" not in str(caught.value)
    assert "space" in str(caught.value)


def test_a_file_is_read_and_its_faults_name_it(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(EVERYTHING, encoding="utf-8")
    assert Space.named(str(file)) == SPACE
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"mine\.toml"):
        Space.named(str(file))
    file.write_text("[networks.mpl]", encoding="utf-8")
    with pytest.raises(UsageError, match=r"mine\.toml.*mpl"):
        Space.named(str(file))


def test_every_knob_of_a_recipe_may_be_searched_but_those_that_trials_are_compared_by() -> None:
    for knob in Recipe.__dataclass_fields__:
        value = json.dumps(getattr(Recipe(), knob))
        text = f"[networks.mlp]\n[recipe]\n{knob} = [{value}]"
        if knob in NOT_SEARCHED:
            with pytest.raises(UsageError, match=knob):
                Space.from_toml(text)
        else:
            assert knob in Space.from_toml(text).recipe


@pytest.mark.parametrize("family", families())
def test_every_dial_of_every_family_may_be_searched(family: str) -> None:
    dials = families()[family].dials
    text = "\n".join(f"{dial.name} = [{json.dumps(dial.format(dial.default))}]" for dial in dials)
    point = Space.from_toml(f"[networks.{family}]\n{text}").draw(Random(0))
    assert families()[family].read(point.network.partition(":")[2]) == families()[family].settings()
