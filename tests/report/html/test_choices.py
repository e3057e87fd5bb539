"""What the report says of a search's choices: the first training of each, in lines, importance and pairs."""

from __future__ import annotations

import random
from typing import Any

import pytest

from pennyweight.fit.accuracy import Accuracy
from pennyweight.report.html.choices import choices_figure
from pennyweight.report.html.facts import Trial
from pennyweight.report.html.importance import NETWORKS_MIN, ask_forest, importance_figure
from pennyweight.report.html.pairs import dropout_pairs, pairs_table
from pennyweight.report.html.tried import first_trainings, parameters


def trial(number: int, correct: int, n: int = 1000, **changes: Any) -> Trial:
    """A training that was done; `changes` may hold its choice."""
    choice = {"network": "mlp"} | changes.pop("choice", {})
    facts: dict[str, Any] = {"epochs": 1, "number": number, "purpose": "screening", "seed": 0, "ended_s": float(number)}
    costs = {"macs": 100.0 + number, "flash_bytes": 200.0}
    return Trial(
        f"trial-{number:04}",
        "mlp",
        Accuracy(correct, n),
        None,
        costs,
        seconds=1.0,
        choice=choice,
        **facts | changes,
    )


def drawn(count: int, *, follows: bool) -> list[Trial]:
    """Trials whose accuracy follows their learning rate, and never the seven values of something else."""
    draw = random.Random(0)
    trials = []
    for number in range(count):
        rate, shade = 10 ** draw.uniform(-3, -1), draw.choice("abcdefg")
        correct = round(500 + 400 * (rate > 0.01) + draw.gauss(0, 5)) if follows else draw.randint(500, 900)
        trials.append(trial(number, correct, choice={"recipe.learning_rate": rate, "mlp.shade": shade}))
    return trials


def test_of_each_choice_the_first_training_is_told_and_a_later_one_is_not() -> None:
    first, other = trial(0, 500, choice={"mlp.hidden": "8"}), trial(1, 600, choice={"mlp.hidden": "16"})
    longer = trial(2, 900, choice={"mlp.hidden": "8"}, epochs=9, purpose="full")
    again = trial(3, 900, choice={"mlp.hidden": "32"}, purpose="repeat")
    failed = trial(4, 900, choice={"mlp.hidden": "64"}, state="failed")
    assert first_trainings([longer, again, failed, other, first]) == [first, other]


def test_words_are_ordered_by_the_numbers_in_them_and_a_missing_value_has_no_place() -> None:
    values = ["32-16", "8", None, "16", "32"]
    trials = [trial(place, 500, choice={"mlp.hidden": each} if each else {}) for place, each in enumerate(values)]
    (found,) = parameters(trials)
    assert found.order == ("8", "16", "32", "32-16")
    assert found.ranks == [4, 1, 0, 2, 3]


def test_what_the_accuracy_follows_from_is_important_and_what_it_does_not_is_not() -> None:
    trials = drawn(80, follows=True)
    forest = ask_forest(trials, parameters(trials))
    assert forest.is_worth
    assert forest.n == 80
    rate, shade = forest.found
    assert (rate.parameter.name, shade.parameter.name) == ("recipe.learning_rate", "mlp.shade")
    assert rate.low > 0.05
    assert shade.low < 0.005
    assert rate.low < rate.worse < rate.high
    assert importance_figure("key", forest).title.startswith("Of all choices learning rate mattered most: ")


@pytest.mark.parametrize("count", [NETWORKS_MIN, 60])
def test_a_forest_that_knows_nothing_is_not_believed(count: int) -> None:
    trials = drawn(count, follows=False)
    assert not ask_forest(trials, parameters(trials)).is_worth


def test_importance_is_the_same_each_time() -> None:
    trials = drawn(30, follows=True)
    assert ask_forest(trials, parameters(trials)) == ask_forest(trials, parameters(trials))


def test_pairs_differ_in_dropout_alone_and_are_told_by_their_longest_training_in_common() -> None:
    def with_dropout(number: int, correct: int, dropout: float, **changes: Any) -> Trial:
        return trial(
            number, correct, choice={"mlp.hidden": "8", "mlp.dropout": dropout, **changes.pop("choice", {})}, **changes
        )

    trials = [
        with_dropout(0, 500, 0.0),
        with_dropout(1, 520, 0.2),
        with_dropout(2, 800, 0.0, epochs=3),
        with_dropout(3, 830, 0.2, epochs=3),
        with_dropout(4, 900, 0.2, epochs=9),
        with_dropout(5, 990, 0.2, seed=1),
        with_dropout(6, 990, 0.2, choice={"recipe.learning_rate": 0.1}),
        with_dropout(7, 780, 0.5, epochs=3),
    ]
    pairs = dropout_pairs(trials)
    assert [(pair.without.number, pair.dropped.number) for pair in pairs] == [(2, 3), (2, 7)]
    assert pairs[0].difference == pytest.approx(0.03)
    assert pairs[0].interval[0] < 0 < 0.03 < pairs[0].interval[1]
    assert pairs_table(pairs).caption.startswith("Dropout alone made 2 networks 0.50 points better on average (95 % ")
    assert pairs_table(pairs[1:]).caption.startswith("Dropout alone made one network 2.00 points worse on average")
    assert [row[5].text for row in pairs_table(pairs).rows] == ["+3.00", "-2.00"]


def test_a_line_goes_through_every_choice_down_to_the_accuracy() -> None:
    trials = drawn(30, follows=True)
    figure = choices_figure("key", trials)
    traces = [trace for trace in figure.drawings[""]["data"] if trace["mode"] == "lines"]
    lines = sum(trace["x"].count(None) for trace in traces)
    assert lines == len(trials)
    assert all(0 <= place <= 1 for trace in traces for place in trace["x"] if place is not None)
    assert {y for trace in traces for y in trace["y"]} == {0, 1, 2, None}
    assert len(figure.table.rows) == 30


def test_families_have_drawings_of_their_own_with_their_own_dials() -> None:
    trials = [
        trial(
            number, 500 + number, choice={"network": family, f"{family}.width": number, "recipe.epochs": 1 + number % 2}
        )
        for number, family in enumerate(["mlp", "resnet8"] * 4)
    ]
    figure = choices_figure("key", trials)
    assert list(figure.drawings) == ["all", "mlp", "resnet8"]
    told = {word: drawing["layout"]["yaxis"]["ticktext"] for word, drawing in figure.drawings.items()}
    assert told["all"] == ["network", "epochs", "accuracy"]
    assert told["resnet8"] == ["resnet8.width", "accuracy"]


def test_what_the_best_have_in_common_is_told() -> None:
    trials = [
        trial(
            number,
            500 + number,
            choice={"recipe.optimizer": "muon" if number > 14 else "adamw", "mlp.hidden": str(number)},
        )
        for number in range(20)
    ]
    assert choices_figure("key", trials).title == "The 4 most accurate of 20 networks have in common: optimizer muon"


def test_choices_that_are_hostile_stay_text() -> None:
    hostile = "<b>x</b><script>alert(1)</script>\u202e"
    trials = [
        trial(number, 500 + number, choice={"network": hostile, hostile: hostile + str(number)}) for number in range(5)
    ]
    for drawing in choices_figure("key", trials).drawings.values():
        assert "<script" not in str(drawing)
        assert "<b>x" not in str(drawing)
        assert "\u202e" not in str(drawing)
