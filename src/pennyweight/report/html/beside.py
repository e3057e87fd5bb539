"""Several runs side by side: their curves on one plane, what sets them apart, and what they cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import fields, replace

from pennyweight.core.text import visible
from pennyweight.fit.recipe import Recipe
from pennyweight.report.html.facts import Gap, RunFacts, known, side_by_side
from pennyweight.report.html.figure import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    Cell,
    Drawing,
    Figure,
    Key,
    Table,
    accuracy_cell,
    drawing,
    figure_cell,
    label,
    name_in_sentence,
    scaled,
    shortened,
    words,
)
from pennyweight.report.html.front import front_figure
from pennyweight.report.html.section import Chapter, Section

COLOURS = (BLUE, RED, GREEN, PURPLE, ORANGE, SKY, INK)
DASHES = {"solid": "━━", "dot": "••••", "dash": "╍╍"}
"""How lines are told apart: by colour, and where there are more of them by their dashes too."""

USUAL = {setting.name: setting.default for setting in fields(Recipe)}
"""What a recipe says where it is not told otherwise."""

VERSUS = (
    ("validation loss", "validation_loss", "cross-entropy of the validation images, nats", 1),
    ("training loss", "train_loss", "cross-entropy of the training images, nats", 1),
    ("validation accuracy", "validation_accuracy", "validation accuracy, %", 100),
)
"""What there is to be drawn by epoch: its name, its column, its axis, and its unit."""

WIDE = 20
"""A loss that falls by such a factor is drawn on a logarithmic axis."""

TICKS = [digit * 10.0**power for power in range(-6, 6) for digit in (1, 2, 5)]
LOGARITHMIC = {"type": "log", "tickvals": TICKS, "ticktext": [f"{tick:g}" for tick in TICKS]}


def beside_chapter(runs: Sequence[RunFacts]) -> Chapter:
    """What is seen at one glance of these runs."""
    names = names_of(runs)
    gaps = []
    if len({str(run.settings.get("fingerprint")) for run in runs}) > 1:
        gaps.append(Gap("They were trained on different images: their accuracies cannot be compared."))
    front = front_figure("beside-front", side_by_side(runs))
    figures = [curves_beside("beside-curves", runs, names), front and replace(front, is_open=False)]
    section = Section(
        "beside",
        "Side by side",
        _shared(runs),
        gaps=gaps,
        figures=[figure for figure in figures if figure],
        tables=[] if figures[0] else [runs_table(runs)],
    )
    return Chapter("", [section])


def names_of(runs: Sequence[RunFacts]) -> list[str]:
    """A short name for each run: its network, images and settings as far as they set it apart, else its folder."""
    parts = [_apart(run, runs) for run in runs]
    if len({run.network for run in runs}) > 1 or not all(parts):
        parts = [[shortened(visible(run.network), 40), *mine] for run, mine in zip(runs, parts, strict=True)]
    if len({run.source for run in runs}) > 1:
        parts = [[*mine, f"on {shortened(visible(run.source), 40)}"] for run, mine in zip(runs, parts, strict=True)]
    names = [", ".join(mine) for mine in parts]
    return [
        name if names.count(name) == 1 else f"{name} ({shortened(visible(run.folder.name), 24)})"
        for name, run in zip(names, runs, strict=True)
    ]


def curves_beside(key: str, runs: Sequence[RunFacts], names: Sequence[str]) -> Figure | None:
    """The course of every run on one plane; None where no run has one."""
    drawings = {}
    for word, column, title, scale in VERSUS:
        traces = [
            _line(run, name, place, column, scale) for place, (run, name) in enumerate(zip(runs, names, strict=True))
        ]
        values = [value for trace in traces for value in known(trace["y"])]
        if values:
            wide = scale == 1 and min(values) > 0 and max(values) > WIDE * min(values)
            y: Drawing = LOGARITHMIC if wide else {} if scale == 100 else {"rangemode": "tozero"}
            x = {"title": {"text": "epoch"}, "tickformat": "d", "showgrid": False}
            drawings[word] = drawing(traces, x, y | {"title": {"text": title}})
    if not drawings:
        return None
    return Figure(
        key=key,
        title=_finding(runs, names),
        about="A line for each run, in the colour that stands before it in the table.",
        drawings=drawings,
        table=runs_table(runs),
        height_px=380,
        choice="By epoch",
        is_open=True,
    )


def runs_table(runs: Sequence[RunFacts]) -> Table:
    """A row for each run: its line in the figure, what sets it apart, and what came out."""
    rows = []
    for place, run in enumerate(runs):
        key, seconds = _key(place), run.seconds_per_epoch
        rows.append(
            (
                Cell(key.sign, place, is_number=False, colour=key.colour),
                words(run.network, 40),
                words(", ".join(_apart(run, runs)) or "–", 80),
                accuracy_cell(run.validation),
                accuracy_cell(run.accuracy("test")),
                figure_cell(run.cost.parameters if run.cost else None),
                figure_cell(len(run.curves)),
                figure_cell(seconds, ".3g"),
                words(run.folder, 40),
            )
        )
    heads = ("", "network", "settings", "validation, %", "test, %", "parameters", "epochs", "s per epoch", "run")
    return Table("Every run, with the settings that are its own", heads, tuple(rows))


def _finding(runs: Sequence[RunFacts], names: Sequence[str]) -> str:
    lowest = [
        (min(losses), name)
        for run, name in zip(runs, names, strict=True)
        if (losses := known(run.curve("validation_loss")))
    ]
    if not lowest:
        return f"{len(runs)} trainings, epoch by epoch"
    loss, name = min(lowest)
    return f"The validation loss came down furthest, to {loss:.3g}, with {name_in_sentence(name, 60)}"


def _line(run: RunFacts, name: str, place: int, column: str, scale: float) -> Drawing:
    key = _key(place)
    values = [scaled(value, scale) for value in run.curve(column)]
    return {
        "type": "scatter",
        "mode": "lines" if len(values) > 1 else "markers",
        "name": label(name, 60),
        "x": run.epochs,
        "y": values,
        "line": {"color": key.colour, "width": 2, "dash": key.name},
        "marker": {"color": key.colour},
        "hovertemplate": "%{fullData.name}<br>epoch %{x}: %{y:.4~g}<extra></extra>",
    }


def _key(place: int) -> Key:
    """Colour, sign and kind of the line at this place; after the last colour the next kind begins."""
    dash = list(DASHES)[place // len(COLOURS) % len(DASHES)]
    return Key(dash, COLOURS[place % len(COLOURS)], DASHES[dash])


def _apart(run: RunFacts, runs: Sequence[RunFacts]) -> list[str]:
    """The settings of this run that are not those of most of the others."""
    return [_setting(run, name) for name, most in _of_most(runs).items() if _setting(run, name) != most]


def _shared(runs: Sequence[RunFacts]) -> str:
    """The settings of most runs that are not the usual ones, in a sentence."""
    told = [most for name, most in _of_most(runs).items() if most != _written(name, USUAL[name])]
    return f"Trained with {', '.join(told)}, where the table says nothing else." if told else ""


def _of_most(runs: Sequence[RunFacts]) -> dict[str, str]:
    """Each setting as most of the runs have it."""
    return {name: Counter(_setting(run, name) for run in runs).most_common(1)[0][0] for name in USUAL}


def _setting(run: RunFacts, name: str) -> str:
    return _written(name, run.recipe.get(name, USUAL[name]))


def _written(name: str, value: object) -> str:
    return f"{name}={shortened(visible(f'{value:.4g}' if isinstance(value, float) else value), 40)}"
