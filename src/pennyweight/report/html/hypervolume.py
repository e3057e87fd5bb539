"""How the front grew: its hypervolume while the search ran."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pennyweight.core.units import format_minutes
from pennyweight.report.html.facts import Trial
from pennyweight.report.html.figure import BLUE, Figure, Table, drawing, figure_cell, label, percent, words

SAMPLES = 2**14
"""Points of the box at which it is asked whether the front has won them: the share is told to about 0.1 %."""

MARGIN = 0.1
"""By so much of their range the costs of the box go beyond the dearest network, which counts for nothing otherwise."""

NEARLY = 0.95


def hypervolume_figure(key: str, trials: Sequence[Trial], trade: Sequence[str]) -> Figure | None:
    """The front's hypervolume by time; None where there were not two trainings, or their times are not kept."""
    placed = sorted(
        (trial for trial in trials if trial.validation and trial.ended_s is not None and trial.purpose != "repeat"),
        key=lambda trial: trial.ended_s or 0.0,
    )
    costs = [name for name in trade if all((trial.costs.get(name) or 0) > 0 for trial in placed)]
    if len(placed) < 2 or not costs:
        return None
    grown = growth(placed, costs)
    times = [trial.ended_s or 0.0 for trial in placed]
    minutes = times[-1] >= 120
    x = [time / 60 if minutes else time for time in times]
    steps = [place for place in range(len(placed)) if place == 0 or grown[place] > grown[place - 1]]
    trace: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines",
        "x": [float(f"{value:.5g}") for value in x],
        "y": [percent(value) for value in grown],
        "line": {"color": BLUE, "width": 2.25, "shape": "hv"},
        "text": [label(trial.network, 48) for trial in placed],
        "hovertemplate": "%{y:.2f} %<br>%{text}<extra></extra>",
    }
    return Figure(
        key=key,
        title=_finding(times, grown),
        about="The share that the front has won of the box of all accuracies and of the costs that were trained, each "
        "in its logarithm (hypervolume, in all traded costs at once): it grows with each network that nothing beats.",
        drawings={
            "": drawing([trace], {"title": {"text": f"{'minutes' if minutes else 'seconds'} of the search"}}, {})
        },
        table=Table(
            "When the front grew",
            ("after, s", "hypervolume, %", "network", "run"),
            tuple(
                (
                    figure_cell(times[place], ",.1f"),
                    figure_cell(100 * grown[place], ".2f"),
                    words(placed[place].network, 48),
                    words(placed[place].run, 32),
                )
                for place in steps
            ),
        ),
        height_px=240,
        above="hypervolume, %",
    )


def growth(trials: Sequence[Trial], costs: Sequence[str]) -> list[float]:
    """The hypervolume after each of the trials, as a share of the box, on SAMPLES points of a Sobol sequence.

    The box has all accuracies, and the logarithm of each cost from the cheapest of the trials to MARGIN beyond the
    dearest.
    """
    from scipy.stats.qmc import Sobol

    logs = np.log([[float(trial.costs[name] or 1) for name in costs] for trial in trials])
    ranges = np.ptp(logs, axis=0)
    places = (logs - logs.min(axis=0)) / np.where(ranges > 0, ranges, 1) / (1 + MARGIN)
    errors = [1 - (trial.validation.share if trial.validation else 0.0) for trial in trials]
    points = np.column_stack([errors, places])
    samples: npt.NDArray[np.float64] = Sobol(points.shape[1], seed=0).random_base2(int(math.log2(SAMPLES)))
    won = np.zeros(SAMPLES, bool)
    shares = []
    for point in points:
        won |= (samples >= point).all(axis=1)
        shares.append(float(won.mean()))
    return shares


def _finding(times: Sequence[float], grown: Sequence[float]) -> str:
    place = next(place for place, value in enumerate(grown) if value >= NEARLY * grown[-1])
    early, end = format_minutes(times[place] / 60), format_minutes(times[-1] / 60)
    if place == len(grown) - 1:
        return f"The front still grew at the end, after {end}"
    return f"After {early} of {end} the front had {NEARLY:.0%} of what it came to".replace("%", " %")
