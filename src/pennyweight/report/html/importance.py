"""How much each choice mattered: permutation importance in a random forest that foretells the accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pennyweight.fit.accuracy import Z_95
from pennyweight.report.html.facts import Trial
from pennyweight.report.html.figure import BLUE, Figure, Table, drawing, figure_cell, label, words
from pennyweight.report.html.tried import Parameter

NETWORKS_MIN = 20
"""From so many networks on importance is told."""

NETWORKS_FEW = 60
"""Below so many the figure says that they are few."""

FOLDS, TREES, SHUFFLES = 5, 64, 8

WORTH = 0.9
"""A forest is worth asking where its error is below this share of that of a guess that knows no choice."""


@dataclass(frozen=True)
class Importance:
    """By how much the forest's guess of the accuracy is worse without knowing a parameter, with its 95 % interval."""

    parameter: Parameter
    worse: float
    low: float
    high: float


@dataclass(frozen=True)
class Forest:
    """Mean absolute errors, as shares, of the forest and of a guess that knows no choice; and what the forest tells."""

    n: int
    error: float
    blind_error: float
    found: tuple[Importance, ...]

    @property
    def is_worth(self) -> bool:
        """Whether the forest knows anything."""
        return self.error < WORTH * self.blind_error


def ask_forest(trials: Sequence[Trial], tried: Sequence[Parameter]) -> Forest:
    """Permutation importance (Breiman 2001, Machine Learning 45) on networks that a forest has not seen.

    Cross-validated: each of FOLDS forests is asked about the networks that were held out from it, once as they are and
    SHUFFLES times with the values of one parameter dealt anew among those that have it. The interval is that of the
    mean over networks.
    """
    from sklearn.ensemble import RandomForestRegressor

    draw = np.random.default_rng(0)
    ranks = np.array([parameter.ranks for parameter in tried], float).T
    shares = np.array([trial.validation.share if trial.validation else 0.0 for trial in trials])
    n = len(trials)
    error, blind = np.zeros(n), np.zeros(n)
    shuffled = np.zeros((n, len(tried)))
    for held in np.array_split(draw.permutation(n), FOLDS):
        seen = np.setdiff1d(np.arange(n), held)
        forest = RandomForestRegressor(TREES, random_state=0).fit(ranks[seen], shares[seen])
        error[held] = np.abs(forest.predict(ranks[held]) - shares[held])
        blind[held] = np.abs(shares[seen].mean() - shares[held])
        for column in range(len(tried)):
            dealt = np.concatenate([_dealt(ranks[held], column, draw) for _ in range(SHUFFLES)])
            guesses = forest.predict(dealt).reshape(SHUFFLES, len(held))
            shuffled[held, column] = np.abs(guesses - shares[held]).mean(axis=0)
    worse = shuffled - error[:, None]
    mean, half = worse.mean(axis=0), Z_95 * worse.std(axis=0, ddof=1) / np.sqrt(n)
    found = [
        Importance(
            parameter, float(mean[column]), float(mean[column] - half[column]), float(mean[column] + half[column])
        )
        for column, parameter in enumerate(tried)
    ]
    found.sort(key=lambda each: -each.worse)
    return Forest(n, float(error.mean()), float(blind.mean()), tuple(found))


def _dealt(ranks: npt.NDArray[np.float64], column: int, draw: np.random.Generator) -> npt.NDArray[np.float64]:
    """The rows with the values of one column dealt anew among the rows that have one."""
    dealt = ranks.copy()
    having = ranks[:, column] > 0
    dealt[having, column] = draw.permutation(ranks[having, column])
    return dealt


def importance_figure(key: str, forest: Forest) -> Figure:
    """The parameters, the one that matters most on top."""
    found = forest.found
    places = list(range(len(found)))
    trace = {
        "type": "bar",
        "orientation": "h",
        "y": places,
        "x": [_points(each.worse) for each in found],
        "error_x": {
            "type": "data",
            "array": [_points(each.high - each.worse) for each in found],
            "thickness": 1,
            "width": 0,
            "color": "var(--ink)",
        },
        "marker": {"color": BLUE},
        "width": 0.6,
        "hovertemplate": [f"{label(each.parameter.title, 40)}: {_told(each)}<extra></extra>" for each in found],
    }
    y = {
        "tickmode": "array",
        "tickvals": places,
        "ticktext": [label(each.parameter.title, 24) for each in found],
        "autorange": "reversed",
        "showgrid": False,
        "zeroline": False,
    }
    few = f" {forest.n} networks are few: where a bar's whisker reaches zero, chance explains it." * (
        forest.n < NETWORKS_FEW
    )
    return Figure(
        key=key,
        title=_finding(found),
        about=f"A random forest foretells the accuracy of networks that it has not seen from their choices, and is off "
        f"by {_points(forest.error):.3g} points on average (by {_points(forest.blind_error):.3g} without knowing any). "
        f"The bars tell how much more it is off when one choice is dealt anew: n = {forest.n:,} networks, each in its "
        f"first training, with 95 % intervals.{few}",
        drawings={"": drawing([trace], {"title": {"text": "points of accuracy"}, "rangemode": "tozero"}, y)},
        table=Table(
            "How much each choice mattered",
            ("choice", "importance, points", "low", "high", "values"),
            tuple(
                (
                    words(each.parameter.name, 40),
                    *(figure_cell(_points(value), ".2f") for value in (each.worse, each.low, each.high)),
                    figure_cell(len(each.parameter.order)),
                )
                for each in found
            ),
        ),
        height_px=90 + 30 * len(found),
    )


def _finding(found: Sequence[Importance]) -> str:
    sure = [each for each in found if each.low > 0]
    if not sure:
        return "No choice is known to have mattered"
    name = words(sure[0].parameter.title, 40).text
    return f"Of all choices {name} mattered most: {_told(sure[0])}"


def _told(each: Importance) -> str:
    return f"{_points(each.worse):.2f} points ({_points(each.low):.2f} … {_points(each.high):.2f})"


def _points(share: float) -> float:
    return float(f"{100 * share:.5g}")
