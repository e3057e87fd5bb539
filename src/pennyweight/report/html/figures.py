"""The figures: facts in, a plotly figure out, with the finding as its title and its data as a table.

A drawing is the JSON that plotly.js takes. Its colours are the page's CSS variables, which the page's script resolves
when it draws, so that figures follow the reader's light or dark mode.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from pennyweight.core.text import visible
from pennyweight.core.units import format_bytes, format_count, format_milliseconds
from pennyweight.net.cost import LayerCost
from pennyweight.net.memory import MemoryPlan
from pennyweight.report.html.facts import RunFacts, Share, Trial, known, number

Drawing = dict[str, Any]

BLUE, RED, GREEN, QUIET, INK = "var(--blue)", "var(--red)", "var(--green)", "var(--quiet)", "var(--ink)"

LABEL_LETTERS = 18
"""Letters of a name beside an axis."""

CLASSES_DRAWN = 32
"""A confusion matrix shows so many classes at most: those with the most mistakes."""

COUNTS_WRITTEN = 16
"""Up to so many classes there is room for a number in every cell."""

LAYERS_DRAWN = 40
STEPS_NAMED = 32
CONFUSIONS_LISTED = 60


@dataclass(frozen=True)
class Cell:
    """What stands in a table: `text`, by which `value` it is sorted, and a bar of `share` of the cell behind it."""

    text: str
    value: float | None = None
    share: float | None = None
    is_number: bool = True
    full: str = ""


@dataclass(frozen=True)
class Table:
    """Heads and rows. `marked` are the numbers of rows that stand out."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    marked: frozenset[int] = frozenset()


class Key(NamedTuple):
    """What a colour in a figure stands for, and the sign that has it."""

    name: str
    colour: str
    sign: str = "━"


@dataclass(frozen=True)
class Figure:
    """A figure: `drawings` has one under each choice that the reader has, or one under the empty word.

    `above` stands over the y axis, with the `keys` of colours; the table begins open where it `is_open`.
    """

    key: str
    title: str
    about: str
    drawings: Mapping[str, Drawing]
    table: Table
    height_px: int = 340
    choice: str = ""
    above: str = ""
    keys: tuple[Key, ...] = ()
    is_open: bool = False
    width: Literal["whole", "half", "third"] = "whole"


def words(text: object, limit: int = 60) -> Cell:
    """A cell with a name from anywhere in it, shortened."""
    full = visible(text)
    short = shortened(full, limit)
    return Cell(short, is_number=False, full=full if full != short else "")


def figure_cell(value: float | None, form: str = ",.0f", share: float | None = None) -> Cell:
    """A cell with a number, or a dash where there is none."""
    return Cell("–" if value is None else format(value, form), value, share)


def shortened(text: str, limit: int) -> str:
    """The text, its end replaced by … where it is longer than `limit`."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def name_in_sentence(text: object, limit: int = 40) -> str:
    """A name for the middle of a sentence: one that is written from right to left does not turn the words around it.

    Unicode Standard Annex 9: U+2068 and U+2069 isolate what they enclose.
    """
    short = shortened(visible(text), limit)
    return short if short.isascii() else f"\u2068{short}\u2069"


def label(text: object, limit: int = LABEL_LETTERS) -> str:
    """A name as plotly takes it: harmless, short, and with nothing that it reads as markup.

    >>> label("<b>cat</b>")
    '&lt;b&gt;cat&lt;/b&gt;'
    """
    return html.escape(shortened(visible(text), limit), quote=False)


def front_figure(key: str, trials: Sequence[Trial]) -> Figure | None:
    """Accuracy against each cost; None where nothing can be placed."""
    placed = [trial for trial in trials if trial.validation]
    if not placed:
        return None
    drawings: dict[str, Drawing] = {}
    for word, name, title, scale in (
        ("MACs", "macs", "multiply-accumulates of one image", 1),
        ("flash", "flash_bytes", "flash, KiB (estimated)", 1024),
        ("RAM", "peak_ram_bytes", "peak RAM, KiB", 1024),
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
        "Up and to the left is better. No other network beats one of the front on every axis.",
        drawings=drawings,
        table=trials_table(trials),
        height_px=400,
        choice="Accuracy against",
        above="validation accuracy, %",
        keys=tuple(key for key, trials in _groups(placed) if trials),
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
        return f"{name} is the most accurate: {best.validation} on validation"
    share = (least.costs["macs"] or 0) / (best.costs["macs"] or 1)
    lost = 100 * (best.validation.share - least.validation.share)
    part = f"{100 * share:.0f} %" if share >= 0.01 else f"{100 * share:.1g} %"
    other = shortened(visible(least.network), 40)
    return f"{name} reaches {best.validation}; with {part} of its MACs, {other} loses {lost:.1f} points"


def _validation(trial: Trial) -> float:
    return trial.validation.share if trial.validation else 0.0


_MARKERS = {"○": ("circle-open", 7, 0.75), "●": ("circle", 10, 1.0), "★": ("star", 15, 1.0)}
"""Of each sign the symbol, size in pixels and opacity."""


def _groups(placed: Sequence[Trial]) -> tuple[tuple[Key, list[Trial]], ...]:
    """The trainings by what became of them."""
    return (
        (Key("tried", QUIET, "○"), [trial for trial in placed if not trial.on_front and not trial.is_winner]),
        (Key("front", BLUE, "●"), [trial for trial in placed if trial.on_front and not trial.is_winner]),
        (Key("winner", RED, "★"), [trial for trial in placed if trial.is_winner]),
    )


def _plane(placed: Sequence[Trial], costs: Mapping[str, float], title: str) -> Drawing:
    traces = []
    for (name, colour, sign), trials in _groups(placed):
        symbol, size, opacity = _MARKERS[sign]
        shares = [trial.validation for trial in trials if trial.validation]
        if not shares:
            continue
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "x": [costs[trial.run] for trial in trials],
                "y": [_percent(share.share) for share in shares],
                "error_y": {
                    "type": "data",
                    "array": [_percent(share.high - share.share) for share in shares],
                    "arrayminus": [_percent(share.share - share.low) for share in shares],
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
    return _drawing(traces, x | {"tickformat": "~s"}, {})


def _hover(trial: Trial) -> str:
    lines = [f"<b>{label(trial.network, 48)}</b>"]
    for title, share in (("validation", trial.validation), ("test", trial.test)):
        if share:
            lines.append(f"{title} {share} ({100 * share.low:.2f} … {100 * share.high:.2f} %)")
    for name, title in (("macs", "MACs"), ("parameters", "parameters")):
        value = trial.costs.get(name)
        if value is not None:
            lines.append(f"{format_count(int(value))} {title}")
    for name, title in (("flash_bytes", "flash"), ("peak_ram_bytes", "RAM")):
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
        kib = [trial.costs.get(name) for name in ("flash_bytes", "peak_ram_bytes")]
        rows.append(
            (
                Cell(mark, 2 if trial.is_winner else 1 if trial.on_front else 0, is_number=False),
                words(trial.network, 48),
                _share_cell(trial.validation),
                _share_cell(trial.test),
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
        caption="Every training: ★ winner, ● front; costs in int8, flash and latency estimated",
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


def _share_cell(share: Share | None) -> Cell:
    if share is None:
        return Cell("–")
    return Cell(f"{100 * share.share:.2f}", share.share, full=share.details)


def courses_figure(key: str, trials: Sequence[Trial], courses: Mapping[str, list[float | None]]) -> Figure | None:
    """The validation accuracy of every training, epoch by epoch; None where there are not two courses."""
    drawn = [trial for trial in trials if len(known(courses.get(trial.run, ()))) > 1]
    if len(drawn) < 2:
        return None
    traces, rows = [], []
    for found, trials_of in _groups(drawn):
        course = [point for trial in trials_of for point in (*enumerate(courses[trial.run], start=1), (None, None))]
        if not course:
            continue
        named = found.sign != "○"
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": [epoch for epoch, _ in course],
                "y": [_percent(value) for _, value in course],
                "line": {"color": found.colour, "width": {"○": 1, "●": 1.75, "★": 2.5}[found.sign]},
                "opacity": 1 if named else 0.6,
            }
            | ({"hovertemplate": "%{text}<br>epoch %{x}: %{y:.2f} %<extra></extra>", "text": _along(trials_of, courses)}
               if named else {"hoverinfo": "skip"})
        )  # fmt: skip
    for trial in sorted(drawn, key=lambda trial: (-trial.is_winner, -trial.on_front)):
        values = known(courses[trial.run])
        rows.append(
            (
                words(trial.network, 48),
                words(trial.run, 32),
                figure_cell(len(courses[trial.run])),
                figure_cell(100 * values[-1], ".2f"),
                figure_cell(100 * max(values), ".2f"),
            )
        )
    longest = max(len(courses[trial.run]) for trial in drawn)
    return Figure(
        key=key,
        title=f"{len(drawn)} trainings of up to {longest:,} epochs",
        about="The accuracy on the validation part after each epoch. Short trainings choose who is trained fully.",
        drawings={"": _drawing(traces, {"title": {"text": "epoch"}, "showgrid": False}, {})},
        table=Table(
            "The course of every training",
            ("network", "run", "epochs", "last, %", "best, %"),
            tuple(rows),
        ),
        height_px=340,
        above="validation accuracy, %",
        keys=tuple(Key(key_of.name, key_of.colour) for key_of, trials_of in _groups(drawn) if trials_of),
    )


def _along(trials: Sequence[Trial], courses: Mapping[str, list[float | None]]) -> list[str]:
    """The network's name for every point of its course, and for the gap after it."""
    return [label(trial.network, 48) for trial in trials for _ in range(len(courses[trial.run]) + 1)]


def curve_figures(key: str, run: RunFacts) -> list[Figure]:
    """Loss, accuracy and learning rate by epoch, each where the run has one."""
    epochs = [number(row.get("epoch")) or place for place, row in enumerate(run.curves, start=1)]
    figures = []
    for word, title, about, columns, above, scale in (
        (
            "loss",
            _loss_finding(run),
            "Cross-entropy of the training images, augmented as they were learnt from, and of the held-out ones.",
            (("training", "train_loss", QUIET), ("validation", "validation_loss", BLUE)),
            "cross-entropy, nats",
            1,
        ),
        (
            "accuracy",
            _accuracy_finding(run),
            "The share of right answers in each epoch.",
            (("training", "train_accuracy", QUIET), ("validation", "validation_accuracy", BLUE)),
            "accuracy, %",
            100,
        ),
        (
            "rate",
            _rate_finding(run),
            "The size of the steps at the end of each epoch.",
            (("learning rate", "learning_rate", GREEN),),
            "learning rate",
            1,
        ),
    ):
        series = [(name, [_scaled(v, scale) for v in run.curve(column)], colour) for name, column, colour in columns]
        series = [(name, values, colour) for name, values, colour in series if known(values)]
        if not series:
            continue
        traces = [
            {
                "type": "scatter",
                "mode": "lines+markers" if len(epochs) <= 30 else "lines",
                "name": name,
                "x": epochs,
                "y": values,
                "line": {"color": colour, "width": 2.25},
                "marker": {"size": 5},
                "hovertemplate": f"epoch %{{x}}: %{{y:.4~g}}<extra>{name}</extra>",
            }
            for name, values, colour in series
        ]
        rows = tuple(
            (figure_cell(epoch), *(figure_cell(values[place], ".4g") for _, values, _ in series))
            for place, epoch in enumerate(epochs)
        )
        x = {"title": {"text": "epoch"}, "tickformat": "d", "showgrid": False} | (
            {"dtick": 1} if len(epochs) <= 12 else {}
        )
        y: dict[str, Any] = {"rangemode": "tozero"} if word != "accuracy" else {}
        figures.append(
            Figure(
                key=f"{key}-{word}",
                title=title,
                about=about,
                drawings={"": _drawing(traces, x, y)},
                table=Table(f"{above.capitalize()}, by epoch", ("epoch", *(name for name, _, _ in series)), rows),
                height_px=240,
                above=above,
                keys=tuple(Key(name, colour) for name, _, colour in series) if len(series) > 1 else (),
                width="third",
            )
        )
    return figures


def _loss_finding(run: RunFacts) -> str:
    losses = run.curve("validation_loss")
    found = [(loss, place) for place, loss in enumerate(losses, start=1) if loss is not None]
    if not found:
        return "The training loss"
    lowest, epoch = min(found)
    where = "in the last epoch" if epoch == len(losses) else f"in epoch {epoch} of {len(losses)}"
    return f"Validation loss was lowest {where}: {lowest:.3g}"


def _accuracy_finding(run: RunFacts) -> str:
    train, validation = (known(run.curve(name)[-1:]) for name in ("train_accuracy", "validation_accuracy"))
    if not validation:
        return f"Training ended at {100 * train[0]:.2f} %" if train else "The accuracy"
    ended = f"Validation ended at {100 * validation[0]:.2f} %"
    return f"{ended}, training at {100 * train[0]:.2f} %" if train else ended


def _rate_finding(run: RunFacts) -> str:
    rates = known(run.curve("learning_rate"))
    return f"The learning rate peaked near {max(rates):.2g}" if rates else "The learning rate"


def confusion_figure(key: str, facts: Mapping[str, Any]) -> Figure | None:
    """Who is taken for whom; None where the counts are not those of a square matrix."""
    matrix, names = confusion_of(facts)
    if not matrix:
        return None
    wrong = sorted(
        (
            (-count, true, answer)
            for true, row in enumerate(matrix)
            for answer, count in enumerate(row)
            if count and true != answer
        )
    )
    shown = list(range(len(matrix)))
    if len(matrix) > CLASSES_DRAWN:
        errors = [sum(row) - row[i] + sum(other[i] for other in matrix) - row[i] for i, row in enumerate(matrix)]
        shown = sorted(sorted(shown, key=lambda i: -errors[i])[:CLASSES_DRAWN])
    title = "No image was taken for another class"
    if wrong:
        count, true, answer = wrong[0]
        one, other = (name_in_sentence(names[i]) for i in (true, answer))
        title = f"{one} is taken for {other} most often: {-count:,} of {sum(matrix[true]):,}"
    about = (
        "A row for each true class, a column for each answer. Blue is right, orange wrong; darker is a larger share."
    )
    if len(shown) < len(matrix):
        about += f" Of {len(matrix):,} classes the {len(shown)} with the most mistakes are drawn."
    rows = tuple(
        (
            words(names[true]),
            words(names[answer]),
            figure_cell(-count),
            figure_cell(-100 * count / sum(matrix[true]), ".2f"),
        )
        for count, true, answer in wrong[:CONFUSIONS_LISTED]
    )
    return Figure(
        key=key,
        title=title,
        about=about,
        drawings={"": _matrix(matrix, names, shown)},
        table=Table("The most frequent confusions", ("true", "taken for", "images", "of its class, %"), rows),
        height_px=min(max(len(shown) * 30 + 70, 330), 640),
        width="half" if len(shown) <= COUNTS_WRITTEN else "whole",
    )


def confusion_of(facts: Mapping[str, Any]) -> tuple[list[list[int]], list[str]]:
    """The confusion matrix and the class names of an evaluation; nothing where they are not whole."""
    rows, names = facts.get("confusion"), facts.get("classes")
    if not isinstance(rows, list) or not rows or not isinstance(names, list) or len(names) != len(rows):
        return [], []
    if not all(isinstance(row, list) and len(row) == len(rows) for row in rows):
        return [], []
    return [[int(number(count) or 0) for count in row] for row in rows], list(map(str, names))


def _matrix(matrix: list[list[int]], names: list[str], shown: list[int]) -> Drawing:
    shares = [[matrix[true][answer] / max(sum(matrix[true]), 1) for answer in shown] for true in shown]
    places = list(range(len(shown)))
    counts = [[matrix[true][answer] for answer in shown] for true in shown]
    written: Drawing = {}
    if len(shown) <= COUNTS_WRITTEN:
        texts = [[f"{count:,}" if count else "" for count in row] for row in counts]
        written = {"text": texts, "texttemplate": "%{text}", "textfont": {"color": INK}}
    worst = max((shares[i][j] for i in places for j in places if i != j), default=0)
    traces: list[Drawing] = []
    for right, colour, most in ((True, "blue", 1.0), (False, "orange", max(worst, 0.02))):
        traces.append(
            {
                "type": "heatmap",
                "x": places,
                "y": places,
                "z": [
                    [round(shares[i][j], 4) if (i == j) == right and (right or shares[i][j]) else None for j in places]
                    for i in places
                ],
                "zmin": 0,
                "zmax": most,
                "colorscale": [[0, "var(--page)"], [1, f"var(--{colour}-fill)"]],
                "showscale": False,
                "xgap": 1,
                "ygap": 1,
                "hoverongaps": False,
                "customdata": counts,
                "hovertemplate": "true %{y}, answered %{x}<br>%{customdata:,} images, %{z:.2%} of them<extra></extra>",
            }
            | written
        )
    axis = {
        "tickmode": "array",
        "tickvals": places,
        "ticktext": [label(names[i]) for i in shown],
        "showgrid": False,
        "zeroline": False,
        "showline": False,
        "constrain": "domain",
    }
    x = axis | {"title": {"text": "answer"}, "side": "bottom"}
    y = axis | {"autorange": "reversed", "title": {"text": "true class"}}
    return _drawing(traces, x, y)


def classes_table(facts: Mapping[str, Any]) -> Table | None:
    """Precision, recall and F1 of each class; None where the evaluation keeps none."""
    rows = []
    for row in facts.get("per_class") or ():
        if not isinstance(row, Mapping):
            return None
        scores = [number(row.get(name)) for name in ("precision", "recall", "f1")]
        rows.append(
            (
                words(row.get("name")),
                *(figure_cell(None if score is None else 100 * score, ".2f", score) for score in scores),
                figure_cell(number(row.get("n"))),
            )
        )
    if not rows:
        return None
    return Table("Each class", ("class", "precision, %", "recall, %", "F1, %", "images"), tuple(rows))


def reliability_figure(key: str, facts: Mapping[str, Any]) -> Figure | None:
    """How often answers of each confidence are right; None where the evaluation keeps no bins."""
    bins = []
    for row in facts.get("reliability") or ():
        told = [number(row.get(name)) for name in ("confidence", "accuracy", "n")] if isinstance(row, Mapping) else []
        if len(told) == 3 and None not in told and told[2]:
            bins.append([value or 0.0 for value in told])
    if not bins:
        return None
    images = sum(n for _, _, n in bins)
    surer = 100 * sum((confidence - accuracy) * n for confidence, accuracy, n in bins) / images
    error = number(facts.get("calibration_error"))
    title = f"It is {abs(surer):.1f} points too {'sure' if surer > 0 else 'unsure'} of itself on average"
    if abs(surer) < 0.5:
        title = "It is as sure of itself as it is right"
    traces: list[Drawing] = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": "as sure as right",
            "x": [0, 100],
            "y": [0, 100],
            "line": {"color": QUIET, "width": 1, "dash": "dot"},
            "hoverinfo": "skip",
        },
        {
            "type": "scatter",
            "mode": "markers",
            "name": "answers",
            "x": [_percent(confidence) for confidence, _, _ in bins],
            "y": [_percent(accuracy) for _, accuracy, _ in bins],
            "marker": {
                "size": [6 + 22 * math.sqrt(n / images) for _, _, n in bins],
                "color": BLUE,
                "opacity": 0.85,
                "line": {"width": 0},
            },
            "customdata": [int(n) for _, _, n in bins],
            "hovertemplate": "%{customdata:,} answers<br>confidence %{x:.1f} %, right %{y:.1f} %<extra></extra>",
        },
    ]
    axis = {"range": [-4, 106], "dtick": 20, "zeroline": False}
    about = "Each dot is a bin of answers by their confidence, its area how many; below the line is too sure."
    if error is not None:
        about += f" Expected calibration error: {100 * error:.2f} points (15 equal bins)."
    return Figure(
        key=key,
        title=title,
        about=about,
        drawings={"": _drawing(traces, axis | {"title": {"text": "confidence, %"}}, axis)},
        table=Table(
            "Answers by confidence",
            ("confidence, %", "right, %", "answers"),
            tuple(
                (figure_cell(100 * confidence, ".1f"), figure_cell(100 * accuracy, ".1f"), figure_cell(n))
                for confidence, accuracy, n in bins
            ),
        ),
        height_px=330,
        width="half",
        above="right answers, %",
        keys=(Key("answers", BLUE, "●"), Key("as sure as right", QUIET, "┈")),
    )


def layers_figure(key: str, layers: Sequence[LayerCost]) -> Figure:
    """What each layer costs, in the order of execution."""
    slowest = max(layers, key=lambda layer: layer.macs)
    heaviest = max(layers, key=lambda layer: layer.weight_bytes)
    title = f"{slowest.name} takes {100 * slowest.macs_share:.0f} % of the MACs, "
    title += "and" if heaviest is slowest else heaviest.name
    title += f" {100 * heaviest.weight_bytes_share:.0f} % of the weights"
    drawings, most = {}, 1
    for word, above, costs in (
        ("MACs", "multiply-accumulates of one image", [layer.macs for layer in layers]),
        ("weights", "weights in int8, bytes", [layer.weight_bytes for layer in layers]),
        ("activations", "activations in int8, bytes", [layer.activation_bytes for layer in layers]),
    ):
        costly = [place for place, cost in enumerate(costs) if cost]
        kept = set(sorted(costly, key=lambda place: -costs[place])[:LAYERS_DRAWN])
        drawn = [(label(layers[place].name), costs[place]) for place in costly if place in kept]
        if len(kept) < len(costly):
            drawn.append((f"{len(costly) - len(kept)} more", sum(costs) - sum(costs[place] for place in kept)))
        drawings[word] = _bars(drawn, above)
        most = max(most, len(drawn))
    rows = tuple(
        (
            words(layer.name),
            words(layer.op),
            words("×".join(map(str, layer.output_shape))),
            figure_cell(layer.parameters),
            figure_cell(layer.macs, share=layer.macs_share),
            figure_cell(layer.weight_bytes, share=layer.weight_bytes_share),
            figure_cell(layer.activation_bytes, share=layer.activation_bytes_share),
            words(layer.deployed),
        )
        for layer in layers
    )
    heads = ("layer", "op", "output", "parameters", "MACs", "weights, B", "activations, B", "deployed")
    return Figure(
        key=key,
        title=title,
        about="Layers in the order of execution, deployed in int8; those that cost nothing of it are left out.",
        drawings=drawings,
        table=Table("Every layer", heads, rows),
        height_px=most * 24 + 70,
        choice="Cost of each layer in",
    )


def _bars(drawn: Sequence[tuple[str, int]], title: str) -> Drawing:
    places = list(range(len(drawn)))
    most = max((value for _, value in drawn), default=1)
    trace = {
        "type": "bar",
        "orientation": "h",
        "y": places,
        "x": [value for _, value in drawn],
        "text": [f"{value:,}" for _, value in drawn],
        "textposition": "outside",
        "cliponaxis": False,
        "marker": {"color": BLUE},
        "hovertemplate": "%{y}: %{x:,}<extra></extra>",
        "width": 0.66,
    }
    y = {
        "tickmode": "array",
        "tickvals": places,
        "ticktext": [name for name, _ in drawn],
        "autorange": "reversed",
        "showgrid": False,
        "zeroline": False,
    }
    x = {"title": {"text": title}, "range": [0, 1.22 * most], "showgrid": False, "showticklabels": False}
    return _drawing([trace], x, y)


def lifetimes_figure(key: str, plan: MemoryPlan) -> Figure:
    """Which buffer lies where in RAM, and from which step to which."""
    peak = plan.live_bytes.index(plan.lower_bound_bytes)
    steps = list(range(len(plan.steps)))
    trace = {
        "type": "bar",
        "x": [(buffer.first_step + buffer.last_step) / 2 for buffer in plan.buffers],
        "width": [buffer.last_step - buffer.first_step + 0.92 for buffer in plan.buffers],
        "base": [buffer.offset_bytes for buffer in plan.buffers],
        "y": [buffer.size_bytes for buffer in plan.buffers],
        "marker": {
            "color": [
                "var(--orange-fill)" if buffer.first_step <= peak <= buffer.last_step else "var(--blue-fill)"
                for buffer in plan.buffers
            ],
            "line": {"width": 1, "color": "var(--page)"},
        },
        "text": [label(buffer.name) for buffer in plan.buffers],
        "textposition": "inside",
        "insidetextanchor": "middle",
        "constraintext": "inside",
        "textangle": 0,
        "textfont": {"color": INK},
        "customdata": [
            [plan.steps[buffer.first_step], plan.steps[buffer.last_step], buffer.offset_bytes]
            for buffer in plan.buffers
        ],
        "hovertemplate": "<b>%{text}</b>: %{y:,} B at %{customdata[2]:,}<br>"
        "from %{customdata[0]} to %{customdata[1]}<extra></extra>",
    }
    x: Drawing = {"title": {"text": "step"}, "range": [-0.6, len(steps) - 0.4], "showgrid": False, "zeroline": False}
    if len(steps) <= STEPS_NAMED:
        x |= {"tickmode": "array", "tickvals": steps, "ticktext": list(plan.steps), "tickangle": -60}
        x["title"] = {"text": ""}
    proof = "no placement is smaller" if plan.is_optimal else f"the bound is {plan.lower_bound_bytes:,} B"
    rows = tuple(
        (
            words(buffer.name),
            words(", ".join(buffer.tensors)),
            figure_cell(buffer.offset_bytes),
            figure_cell(buffer.size_bytes),
            words(plan.steps[buffer.first_step]),
            words(plan.steps[buffer.last_step]),
        )
        for buffer in plan.buffers
    )
    return Figure(
        key=key,
        title=f"RAM peaks at {plan.peak_bytes:,} B while {plan.peak_step} runs; {proof}",
        about="Each box is a buffer: its height is what it takes, its width how long it must be kept.",
        drawings={"": _drawing([trace], x, {"rangemode": "tozero", "tickformat": ",d"})},
        table=Table("Every buffer", ("buffer", "tensors", "offset, B", "size, B", "from step", "to step"), rows),
        height_px=380,
        above="address, bytes",
        keys=(Key("live at the peak", "var(--orange-fill)", "■"), Key("at other times", "var(--blue-fill)", "■")),
    )


def counts_figure(key: str, names: Sequence[str], counts: Sequence[int], part: str) -> Figure:
    """How many images each class has in an evaluated part."""
    fewest, most = min(counts), max(counts)
    title = f"Between {fewest:,} and {most:,} images a class" if fewest < most else f"{most:,} images of every class"
    order = sorted(range(len(counts)), key=lambda i: -counts[i])[:LAYERS_DRAWN] if len(counts) > LAYERS_DRAWN else None
    drawn = [(label(names[i]), counts[i]) for i in (order or range(len(counts)))]
    about = f"Images of each class in the {part} part."
    if order:
        about += f" Of {len(counts):,} classes the {LAYERS_DRAWN} largest are drawn."
    rows = tuple((words(name), figure_cell(count)) for name, count in zip(names, counts, strict=True))
    return Figure(
        key=key,
        title=title,
        about=about,
        drawings={"": _bars(drawn, "images")},
        table=Table("Images of each class", ("class", "images"), rows),
        height_px=len(drawn) * 24 + 70,
    )


def _percent(share: float | None) -> float | None:
    return _scaled(share, 100)


def _scaled(value: float | None, scale: float) -> float | None:
    return None if value is None else float(f"{scale * value:.5g}")


def _drawing(traces: Sequence[Drawing], x: Drawing, y: Drawing, *, above: str = "", legend: bool = False) -> Drawing:
    """The JSON of a quiet figure; `above` stands over the y axis, where it takes no width."""
    axis = {
        "automargin": True,
        "fixedrange": True,
        "gridcolor": "var(--line)",
        "zerolinecolor": "var(--line)",
        "linecolor": "var(--line)",
        "ticks": "",
    }
    return {
        "data": list(traces),
        "layout": {
            "margin": {"l": 44, "r": 12, "t": 10, "b": 44},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": "system-ui, sans-serif", "size": 12, "color": "var(--soft)"},
            "hoverlabel": {
                "bgcolor": "var(--page)",
                "bordercolor": "var(--line)",
                "align": "left",
                "font": {"color": INK, "size": 13},
            },
            "hovermode": "closest",
            "dragmode": False,
            "showlegend": False,
            "uniformtext": {"minsize": 9, "mode": "hide"},
            "xaxis": axis | x,
            "yaxis": axis | y,
        },
    }
