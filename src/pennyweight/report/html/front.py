"""What was possible: every training as a point of accuracy and cost, and the front."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pennyweight.core.text import visible
from pennyweight.core.units import counted, format_bytes, format_count, format_milliseconds
from pennyweight.fit.accuracy import Accuracy
from pennyweight.report.html.facts import COSTS, Gap, SearchFacts, Trial
from pennyweight.report.html.figure import (
    BLUE,
    GREEN,
    QUIET,
    RED,
    Cell,
    Drawing,
    Figure,
    Key,
    Table,
    accuracy_cell,
    drawing,
    figure_cell,
    in_percent,
    label,
    percent,
    shortened,
    words,
)
from pennyweight.report.html.hypervolume import hypervolume_figure
from pennyweight.report.html.section import Section


def front_section(key: str, search: SearchFacts) -> Section:
    everything = [*search.trials, *search.unfinished]
    figures = [
        front_figure(f"{key}-front", everything, search.trade),
        hypervolume_figure(f"{key}-hypervolume", search.trials, search.trade),
    ]
    gaps = [Gap(f"{note[:1].upper()}{note[1:]}.") for note in search.notes if note]
    tables = []
    if figures[0] is None and everything:
        tables.append(trials_table(everything))
    return Section(
        f"{key}-possible",
        "What was possible",
        gaps=gaps,
        figures=[figure for figure in figures if figure],
        tables=tables,
    )


AXES = {
    "macs": ("MACs", "multiply-accumulates of one image", 1),
    "flash_bytes": ("flash", "flash, KiB (estimated)", 1024),
    "ram_bytes": ("RAM", "RAM, KiB (estimated)", 1024),
    "parameters": ("parameters", "learnable parameters", 1),
    "latency_ms": ("latency", "time of one image on the board, ms (estimated)", 1),
}
"""Of each cost its name, its axis, and its scale."""


def front_figure(key: str, trials: Sequence[Trial], trade: Sequence[str] = ()) -> Figure | None:
    """Accuracy against each cost, those of `trade` first; None where nothing can be placed."""
    placed = [trial for trial in trials if trial.validation]
    if not placed:
        return None
    floor, top = _range(placed)
    below = sum(_validation(trial) < floor for trial in placed)
    drawings: dict[str, Drawing] = {}
    for name in sorted(COSTS, key=lambda name: name not in trade):
        word, title, scale = AXES[name]
        costs = {trial.run: cost / scale for trial in placed if (cost := trial.costs.get(name)) is not None}
        if costs:
            drawings[word] = _plane([trial for trial in placed if trial.run in costs], costs, title)
            drawings[word]["layout"]["yaxis"]["range"] = [percent(floor), percent(top)]
    if not drawings:
        return None
    tested = any(trial.test for trial in placed)
    return Figure(
        key=key,
        title=_front_finding(placed),
        about="Each point is a training, its whisker the 95 % interval of its accuracy on the validation part"
        + (", and beside it that on the test part, which was opened after the choice" if tested else "")
        + ". Up and to the left is better. Of one on the front no other is as good on every axis and better on one."
        + (
            f" {counted(below, 'training')} that answered worse {'lies' if below == 1 else 'lie'} below."
            if below
            else ""
        ),
        drawings=drawings,
        table=trials_table(trials),
        height_px=400,
        choice="Accuracy against",
        above="accuracy, %" if tested else "validation accuracy, %",
        keys=(*(key for key, trials in groups(placed) if trials), *([TEST] if tested else [])),
        is_open=True,
    )


ROOM = 2.5
"""Of the room that the front and its whiskers take up, how much there is for all."""


def _range(placed: Sequence[Trial]) -> tuple[float, float]:
    """The accuracies that are drawn: those of the front in full, and of the others what is not far below."""
    shown = [share.interval for trial in placed for share in (trial.validation, trial.test) if share]
    lowest, top = min(low for low, _ in shown), max(high for _, high in shown)
    front = [
        share.interval[0]
        for trial in placed
        if trial.on_front or trial.is_winner
        for share in (trial.validation, trial.test)
        if share
    ]
    floor = max(lowest, top - ROOM * (top - min(front, default=lowest)))
    margin = 0.04 * (top - floor)
    return floor - margin, top + margin


def _front_finding(placed: Sequence[Trial]) -> str:
    front = [trial for trial in placed if trial.on_front and trial.costs.get("macs")]
    best = next((trial for trial in placed if trial.is_winner), max(placed, key=_validation))
    if best.validation is None or not best.costs.get("macs"):
        return "Accuracy and cost of every training"
    name = shortened(visible(best.network), 40)
    least = min(front, key=lambda trial: trial.costs["macs"] or 0, default=best)
    if least.network == best.network or least.validation is None:
        return f"{name} is the most accurate: {in_percent(best.validation)} on validation"
    share = (least.costs["macs"] or 0) / (best.costs["macs"] or 1)
    lost = 100 * (best.validation.share - least.validation.share)
    part = f"{100 * share:.0f} %" if share >= 0.01 else f"{100 * share:.1g} %"
    other = shortened(visible(least.network), 40)
    found = f"{name} reaches {in_percent(best.validation)}; with {part} of its MACs, {other} loses {lost:.1f} points"
    if best.epochs and least.epochs and best.epochs > 2 * least.epochs:
        return f"{found}, after {least.epochs:.0f} epochs against {best.epochs:.0f}"
    if least.validation.interval[1] >= best.validation.interval[0]:
        return f"{found}, too little for these images to be sure of"
    return found


def _validation(trial: Trial) -> float:
    return trial.validation.share if trial.validation else 0.0


_MARKERS = {"○": ("circle-open", 7, 0.75), "●": ("circle", 10, 1.0), "★": ("star", 15, 1.0)}
"""Of each sign the symbol, size in pixels and opacity."""


def groups(placed: Sequence[Trial]) -> tuple[tuple[Key, list[Trial]], ...]:
    """The trainings by what became of them."""
    return (
        (Key("tried", QUIET, "○"), [trial for trial in placed if not trial.on_front and not trial.is_winner]),
        (Key("front", BLUE, "●"), [trial for trial in placed if trial.on_front and not trial.is_winner]),
        (Key("winner", RED, "★"), [trial for trial in placed if trial.is_winner]),
    )


TEST = Key("test", GREEN, "◆")


def _plane(placed: Sequence[Trial], costs: Mapping[str, float], title: str) -> Drawing:
    traces = []
    for (name, colour, sign), trials in groups(placed):
        symbol, size, opacity = _MARKERS[sign]
        shares = [trial.validation for trial in trials if trial.validation]
        if shares:
            marker = {"symbol": symbol, "size": size, "color": colour, "line": {"width": 1.5, "color": colour}}
            at = [costs[trial.run] for trial in trials]
            traces.append(_points(name, at, shares, marker, opacity, [_hover(trial) for trial in trials]))
    values = list(costs.values())
    wide = min(values) > 0 and max(values) > 8 * min(values)
    tested = [trial for trial in placed if trial.test]
    if tested:
        marker = {"symbol": "diamond", "size": 8, "color": TEST.colour}
        beside = [_beside(costs[trial.run], values, wide=wide) for trial in tested]
        shares = [trial.test for trial in tested if trial.test]
        traces.append(_points(TEST.name, beside, shares, marker, 1.0, [_hover(trial) for trial in tested]))
    x = {"title": {"text": title}, "type": "log", "dtick": "D2"} if wide else {"title": {"text": title}}
    return drawing(traces, x | {"tickformat": "~s"}, {})


def _points(
    name: str, x: list[float], shares: Sequence[Accuracy], marker: Drawing, opacity: float, text: list[str]
) -> Drawing:
    """Accuracies with their intervals."""
    spans = [share.interval for share in shares]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": x,
        "y": [percent(share.share) for share in shares],
        "error_y": {
            "type": "data",
            "array": [percent(high - share.share) for share, (_, high) in zip(shares, spans, strict=True)],
            "arrayminus": [percent(share.share - low) for share, (low, _) in zip(shares, spans, strict=True)],
            "thickness": 1,
            "width": 0,
            "color": marker["color"],
        },
        "marker": marker,
        "opacity": opacity,
        "text": text,
        "hovertemplate": "%{text}<extra></extra>",
    }


def _beside(cost: float, costs: Sequence[float], *, wide: bool) -> float:
    """A place a little to the right of `cost`, so that two whiskers can be told apart."""
    low, high = min(costs), max(costs)
    return cost * (high / low) ** 0.012 if wide else cost + 0.012 * (high - low)


def _hover(trial: Trial) -> str:
    lines = [f"<b>{label(trial.network, 48)}</b>"]
    for title, share in (("validation", trial.validation), ("test", trial.test)):
        if share:
            lines.append(f"{title} {label(share, 80)}")
    for name, title in (("macs", "MACs"), ("parameters", "parameters")):
        value = trial.costs.get(name)
        if value is not None:
            lines.append(f"{format_count(int(value))} {title}")
    for name, title in (("flash_bytes", "flash"), ("ram_bytes", "RAM")):
        value = trial.costs.get(name)
        if value is not None:
            lines.append(f"{format_bytes(int(value))} {title}")
    return "<br>".join(lines)


def trials_table(trials: Sequence[Trial]) -> Table:
    """Every training with its costs, the best first."""
    ranked = sorted(trials, key=lambda trial: (-_validation(trial), trial.costs.get("macs") or math.inf))
    searched = any(trial.purpose for trial in trials)
    timed = any(trial.costs.get("latency_ms") is not None for trial in trials)
    rows = []
    for trial in ranked:
        mark = "★" if trial.is_winner else "●" if trial.on_front else ""
        latency = trial.costs.get("latency_ms")
        kib = [trial.costs.get(name) for name in ("flash_bytes", "ram_bytes")]
        rows.append(
            (
                Cell(mark, 2 if trial.is_winner else 1 if trial.on_front else 0, is_number=False),
                words(trial.network, 48),
                accuracy_cell(trial.validation),
                accuracy_cell(trial.test),
                *([words(trial.settings or "–", 80)] if searched else ()),
                figure_cell(trial.costs.get("parameters")),
                figure_cell(trial.costs.get("macs")),
                *(figure_cell(None if value is None else value / 1024, ",.2f") for value in kib),
                *([Cell("–" if latency is None else format_milliseconds(latency), latency)] if timed else ()),
                figure_cell(trial.epochs),
                figure_cell(trial.seconds, ",.1f"),
                words(trial.run, 32),
                *(_searched(trial) if searched else ()),
            )
        )
    return Table(
        caption="Every training: ★ winner, ● front; costs in int8, all but parameters and MACs estimated",
        heads=(
            "★",
            "network",
            "validation, %",
            "test, %",
            *(("chosen besides",) if searched else ()),
            "parameters",
            "MACs",
            "flash, KiB",
            "RAM, KiB",
            *(("latency",) if timed else ()),
            "epochs",
            "training, s",
            "run",
            *(("trained for", "seed", "ended") if searched else ()),
        ),
        rows=tuple(rows),
        marked=frozenset(index for index, trial in enumerate(ranked) if trial.is_winner),
    )


def _searched(trial: Trial) -> tuple[Cell, ...]:
    """What only a search tells of a training."""
    return words(trial.purpose, 20), figure_cell(trial.seed), ended_cell(trial)


def ended_cell(trial: Trial) -> Cell:
    """How a training ended, and why if it was before its time."""
    return words(": ".join(part for part in (trial.state, trial.why) if part), 160)
