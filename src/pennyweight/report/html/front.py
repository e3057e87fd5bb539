"""What was possible: every training as a point of accuracy and cost, and the front."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pennyweight.core.text import visible
from pennyweight.core.units import format_bytes, format_count, format_milliseconds
from pennyweight.report.html.facts import Gap, SearchFacts, Trial
from pennyweight.report.html.figure import (
    BLUE,
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
from pennyweight.report.html.section import Section


def front_section(key: str, search: SearchFacts) -> Section:
    figures = [front_figure(f"{key}-front", search.trials)]
    gaps = [Gap(f"{note[:1].upper()}{note[1:]}.") for note in search.notes if note]
    tables = []
    if figures[0] is None and search.trials:
        tables.append(trials_table(search.trials))
    return Section(
        f"{key}-possible",
        "What was possible",
        gaps=gaps,
        figures=[figure for figure in figures if figure],
        tables=tables,
    )


def front_figure(key: str, trials: Sequence[Trial]) -> Figure | None:
    """Accuracy against each cost; None where nothing can be placed."""
    placed = [trial for trial in trials if trial.validation]
    if not placed:
        return None
    drawings: dict[str, Drawing] = {}
    for word, name, title, scale in (
        ("MACs", "macs", "multiply-accumulates of one image", 1),
        ("flash", "flash_bytes", "flash, KiB (estimated)", 1024),
        ("RAM", "ram_bytes", "RAM, KiB (estimated)", 1024),
        ("parameters", "parameters", "learnable parameters", 1),
    ):
        costs = {trial.run: cost / scale for trial in placed if (cost := trial.costs.get(name)) is not None}
        if costs:
            drawings[word] = _plane([trial for trial in placed if trial.run in costs], costs, title)
    if not drawings:
        return None
    return Figure(
        key=key,
        title=_front_finding(placed),
        about="Each point is a training, its whisker the 95 % interval of its accuracy on the validation part. "
        "Up and to the left is better. Of one on the front no other is as good on every axis and better on one.",
        drawings=drawings,
        table=trials_table(trials),
        height_px=400,
        choice="Accuracy against",
        above="validation accuracy, %",
        keys=tuple(key for key, trials in groups(placed) if trials),
        is_open=True,
    )


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


def _plane(placed: Sequence[Trial], costs: Mapping[str, float], title: str) -> Drawing:
    traces = []
    for (name, colour, sign), trials in groups(placed):
        symbol, size, opacity = _MARKERS[sign]
        shares = [trial.validation for trial in trials if trial.validation]
        spans = [share.interval for share in shares]
        if not shares:
            continue
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "x": [costs[trial.run] for trial in trials],
                "y": [percent(share.share) for share in shares],
                "error_y": {
                    "type": "data",
                    "array": [percent(high - share.share) for share, (_, high) in zip(shares, spans, strict=True)],
                    "arrayminus": [percent(share.share - low) for share, (low, _) in zip(shares, spans, strict=True)],
                    "thickness": 1,
                    "width": 0,
                    "color": colour,
                },
                "marker": {"symbol": symbol, "size": size, "color": colour, "line": {"width": 1.5, "color": colour}},
                "opacity": opacity,
                "text": [_hover(trial) for trial in trials],
                "hovertemplate": "%{text}<extra></extra>",
            }
        )
    values = list(costs.values())
    wide = min(values) > 0 and max(values) > 8 * min(values)
    x = {"title": {"text": title}, "type": "log", "dtick": "D2"} if wide else {"title": {"text": title}}
    return drawing(traces, x | {"tickformat": "~s"}, {})


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
                figure_cell(trial.costs.get("parameters")),
                figure_cell(trial.costs.get("macs")),
                *(figure_cell(None if value is None else value / 1024, ",.2f") for value in kib),
                Cell("–" if latency is None else format_milliseconds(latency), latency),
                figure_cell(trial.epochs),
                figure_cell(trial.seconds, ",.1f"),
                words(trial.run, 32),
            )
        )
    return Table(
        caption="Every training: ★ winner, ● front; costs in int8, all but parameters and MACs estimated",
        heads=(
            "★",
            "network",
            "validation, %",
            "test, %",
            "parameters",
            "MACs",
            "flash, KiB",
            "RAM, KiB",
            "latency",
            "epochs",
            "training, s",
            "run",
        ),
        rows=tuple(rows),
        marked=frozenset(index for index, trial in enumerate(ranked) if trial.is_winner),
    )
