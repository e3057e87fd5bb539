"""The recipe: what it takes, what it refuses, and that it survives TOML."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, fields
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pennyweight.core.errors import UsageError
from pennyweight.fit.recipe import LEARNING_RATES, OPTIMIZERS, Recipe

TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    values = {}
    for f in fields(Recipe):
        low, high = f.metadata["low"], min(f.metadata["high"], 10**6)
        match f.default:
            case bool():
                values[f.name] = draw(st.booleans())
            case int():
                values[f.name] = draw(st.integers(int(low), int(high)))
            case float():
                values[f.name] = draw(st.floats(low, high))
            case _:
                choices = f.metadata["choices"]
                values[f.name] = draw(st.sampled_from(choices) if choices else TEXTS)
    if not values["validation"]:
        values["patience"] = 0
    return Recipe(**values)


def toml(recipe: Recipe) -> str:
    """JSON's strings, numbers and booleans are TOML's as well."""
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in asdict(recipe).items())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(recipe=recipes())
def test_a_recipe_comes_back_from_toml_from_json_and_from_texts(tmp_path: Path, recipe: Recipe) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(toml(recipe), encoding="utf-8")
    assert Recipe().with_file(path) == recipe
    assert Recipe().with_changes(json.loads(json.dumps(asdict(recipe)))) == recipe
    changes = {name: value for name, value in asdict(recipe).items() if name != "teacher"}
    texts = [f" {name} = {value} " for name, value in changes.items()]
    assert Recipe(teacher=recipe.teacher).with_settings(texts) == recipe


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        Recipe().with_settings(
            ["epochs=0", "batch=2.5", "optimizer=sdg", "learning_rate=nan", "flip=perhaps", "crop=2", "seed=-1"]
        )
    for fault in (
        "epochs=0",
        "batch='2.5'",
        "optimizer=sdg",
        "learning_rate=nan",
        "flip='perhaps'",
        "crop=2",
        "seed=-1",
    ):
        assert fault in str(caught.value)
    assert "1 … 100000" in str(caught.value)
    assert "nadam" in str(caught.value)
    assert caught.value.exit_code == 2


def test_every_unknown_setting_is_told_at_once_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"'epoch'.*'optimiser'") as caught:
        Recipe().with_settings(["epoch=3", "optimiser=adam", "batch=7"])
    assert "epochs" in caught.value.hint
    assert "optimizer" in caught.value.hint


@pytest.mark.parametrize("text", ["epochs", "", "epochs:3"])
def test_a_setting_without_a_value_says_how_to_write_it(text: str) -> None:
    with pytest.raises(UsageError, match="has no value") as caught:
        Recipe().with_settings([text])
    assert "epochs=10" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", True),
        ("epochs", None),
        ("epochs", [1]),
        ("epochs", {"a": 1}),
        ("epochs", math.inf),
        ("epochs", "1e999"),
        ("learning_rate", "fast"),
        ("learning_rate", True),
        ("learning_rate", 10**400),
        ("flip", 2),
        ("optimizer", 5),
        ("optimizer", ["sgd"]),
        ("teacher", 5),
    ],
)
def test_a_value_of_another_type_is_a_fault_and_no_traceback(name: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"recipe: {name}="):
        Recipe().with_changes({name: value})


def test_patience_needs_validation() -> None:
    with pytest.raises(UsageError, match="patience needs a validation part"):
        Recipe(patience=3, validation=0.0)


@pytest.mark.parametrize("content", [b"epochs = ", b"\xff", b"[epochs]\nmany = 3", b"[train]\nepochs = 3"])
def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "recipe.toml"
    path.write_bytes(content)
    with pytest.raises(UsageError):
        Recipe().with_file(path)
    with pytest.raises(UsageError, match="cannot be read"):
        Recipe().with_file(tmp_path / "absent.toml")


def test_a_recipe_is_not_changed_by_its_changes() -> None:
    recipe = Recipe(epochs=3)
    assert recipe.with_settings(["epochs=5"]).epochs == 5
    assert recipe.epochs == 3


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_learning_rate_is_the_one_asked_for_or_the_optimisers_own(optimizer: str) -> None:
    assert Recipe(optimizer=optimizer).peak_learning_rate == LEARNING_RATES[optimizer]
    assert Recipe(optimizer=optimizer, learning_rate=0.25).peak_learning_rate == 0.25


@pytest.mark.parametrize(
    ("text", "told", "hint"),
    [
        ("epochs = 3\noptimiser = 'adam'\nseed = 1\n", "r.toml, line 2: unknown recipe setting", "optimizer"),
        ("epochs = 0\n\nbatch = 1\n", "r.toml, lines 1 and 3: ", "lists every setting"),
        ("seed = 1\n[train]\nepochs = 3\n", "r.toml, line 2: ", "known: epochs"),
        ("epochs = ten\n", "line 1", "words in quotes"),
    ],
)
def test_a_faulty_recipe_file_names_the_lines_and_says_what_to_do(
    text: str, told: str, hint: str, tmp_path: Path
) -> None:
    file = tmp_path / "r.toml"
    file.write_text(text)
    with pytest.raises(UsageError) as raised:
        Recipe().with_file(file)
    assert told in str(raised.value)
    assert hint in raised.value.hint


def test_an_absent_recipe_file_has_a_hint(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        Recipe().with_file(tmp_path / "absent.toml")
    assert "epochs = 10" in raised.value.hint
