"""Pairs of networks that differ in dropout alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from pennyweight.fit.accuracy import Accuracy
from pennyweight.report.html.facts import Trial
from pennyweight.report.html.figure import Table, accuracy_cell, figure_cell, words
from pennyweight.report.html.tried import choice_key

DROPOUT = ".dropout"
"""How the dial ends that is told apart, in every family that has it."""


@dataclass(frozen=True)
class Pair:
    """Two trainings of which the second has dropout, and is like the first in all else."""

    without: Trial
    dropped: Trial
    dropout: float
    difference: float
    interval: tuple[float, float]


def dropout_pairs(trials: Sequence[Trial]) -> list[Pair]:
    """All pairs of the same choices and seed, each by the longest training that both had."""
    alike: dict[object, dict[float, dict[float, Trial]]] = {}
    for trial in trials:
        dial = next((name for name in trial.choice if name.endswith(DROPOUT)), None)
        share = trial.choice[dial] if dial else None
        if dial and trial.state == "done" and trial.validation and isinstance(share, int | float):
            by_share = alike.setdefault((choice_key(trial, dial), trial.seed), {})
            by_share.setdefault(float(share), {})[trial.epochs or 0] = trial
    return [
        _pair(by_share[0.0][epochs], dropped[epochs], share)
        for by_share in alike.values()
        for share, dropped in sorted(by_share.items())
        if share > 0 and (epochs := max(dropped.keys() & by_share.get(0.0, {}).keys(), default=None)) is not None
    ]


def _pair(without: Trial, dropped: Trial, dropout: float) -> Pair:
    assert without.validation is not None
    assert dropped.validation is not None
    difference = dropped.validation.share - without.validation.share
    return Pair(without, dropped, dropout, difference, newcombe(dropped.validation, without.validation))


def newcombe(one: Accuracy, other: Accuracy) -> tuple[float, float]:
    """The 95 % interval of `one` less `other` (R. G. Newcombe, Statistics in Medicine 17, 1998, method 10).

    It is that of two independent samples, so it is rather too wide for two networks on the same images.

    >>> low, high = newcombe(Accuracy(56, 70), Accuracy(48, 80))  # the paper's first example
    >>> round(low, 4), round(high, 4)
    (0.0524, 0.3339)
    """
    (low, high), (other_low, other_high) = one.interval, other.interval
    difference = one.share - other.share
    down = math.hypot(one.share - low, other_high - other.share)
    up = math.hypot(high - one.share, other.share - other_low)
    return difference - down, difference + up


def pairs_table(pairs: Sequence[Pair]) -> Table:
    """The pairs, those that dropout helped most on top."""
    ranked = sorted(pairs, key=lambda pair: -pair.difference)
    return Table(
        caption=_finding(pairs),
        heads=("network", "chosen besides", "dropout", "without, %", "with, %", "points", "low", "high", "epochs"),
        rows=tuple(
            (
                words(pair.without.network, 48),
                words(pair.without.settings or "–", 60),
                figure_cell(pair.dropout, "g"),
                accuracy_cell(pair.without.validation),
                accuracy_cell(pair.dropped.validation),
                *(figure_cell(100 * value, "+.2f") for value in (pair.difference, *pair.interval)),
                figure_cell(pair.without.epochs),
            )
            for pair in ranked
        ),
    )


def _finding(pairs: Sequence[Pair]) -> str:
    """What dropout did on average; the interval is that of Student's t over pairs, of one pair its own."""
    from scipy.stats import t

    mean = fmean(pair.difference for pair in pairs)
    low, high = pairs[0].interval
    if len(pairs) > 1:
        half = float(t.ppf(0.975, len(pairs) - 1)) * stdev(pair.difference for pair in pairs) / math.sqrt(len(pairs))
        low, high = mean - half, mean + half
    who = f"{len(pairs)} networks" if len(pairs) > 1 else "one network"
    how = "better" if mean >= 0 else "worse"
    return (
        f"Dropout alone made {who} {100 * abs(mean):.2f} points {how} on average "
        f"(95 % interval {100 * low:+.2f} … {100 * high:+.2f})".replace("-", "−")
    )
