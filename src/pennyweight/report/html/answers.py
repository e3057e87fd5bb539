"""The answers: who is taken for whom, how sure the network is, its worst mistakes, and photos of one's own."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Iterator, Sequence

from pennyweight.core.text import command, visible
from pennyweight.core.units import counted, format_milliseconds, format_milliseconds_range
from pennyweight.fit.answer import Answer
from pennyweight.fit.class_figures import confusions
from pennyweight.fit.kept import KeptEvaluation
from pennyweight.fit.timing import Quartiles, Timing
from pennyweight.report.html.facts import Gap, RunFacts
from pennyweight.report.html.figure import (
    BLUE,
    INK,
    QUIET,
    Drawing,
    Figure,
    Key,
    Table,
    drawing,
    figure_cell,
    in_percent,
    interval,
    label,
    name_in_sentence,
    percent,
    shortened,
    words,
)
from pennyweight.report.html.section import Fact, Picture, Section

CLASSES_DRAWN = 32
"""A confusion matrix shows so many classes at most: those with the most mistakes."""

COUNTS_WRITTEN = 16
"""Up to so many classes there is room for a number in every cell."""

CONFUSIONS_LISTED = 60

PICTURES_SHOWN = 48
"""Pictures of one kind at most, so that a page of large photos still opens at once."""


def answers_section(key: str, run: RunFacts) -> Section:
    title = "The answers"
    if run.own is None:
        validation = command("evaluate", run.folder, "--part", "validation")
        gap = Gap("No evaluation is kept in this run: who is taken for whom is not known. "
                  "Without opening the test part:", validation)  # fmt: skip
        if run.results is None:
            gap = Gap(f"There are no answers: {run.obstacle}.")
        return Section(f"{key}-answers", title, gaps=[gap])
    name, kept = run.own
    lead = f"On the {name} part: {in_percent(kept.accuracy)}, {interval(kept.accuracy)}."
    gaps = []
    if name != "test":
        sealed = "What follows is" if run.openings else "The test part is still sealed; what follows is"
        gaps.append(Gap(f"{sealed} of validation images."))
    figures = [confusion_figure(f"{key}-confusion", kept), reliability_figure(f"{key}-reliability", kept)]
    table = classes_table(kept)
    if table is None:
        gaps.append(Gap("Figures of each class are not kept.", command("evaluate", run.folder, "--part", name)))
    wrong = _pictures(kept.mistakes)
    return Section(
        f"{key}-answers",
        title,
        lead,
        facts=_timing(kept.timing),
        gaps=gaps,
        figures=[figure for figure in figures if figure],
        tables=[table] if table else [],
        pictures=[("The most confident mistakes, as the network saw them", wrong)] if wrong else [],
    )


def _timing(timing: Timing | None) -> list[Fact]:
    if timing is None:
        return []
    where = f"measured on {shortened(timing.device, 40)}, {counted(timing.threads, 'thread')}"
    if timing.unsteady:
        where += "; the measurement was unsteady: take it again"
    alone = f"{_quartiles(timing.batch1_ms_quartiles)}{where}"
    of_many = f"in batches of {timing.best_batch:,}, {_quartiles(timing.best_batch_ms_per_image_quartiles)}{where}"
    return [
        Fact("One image alone", format_milliseconds(timing.batch1_ms), alone),
        Fact("One image of many", format_milliseconds(timing.best_batch_ms_per_image), of_many),
    ]


def _quartiles(told: Quartiles | None) -> str:
    """The quartiles of a time with a comma behind them; nothing where there are none."""
    return f"quartiles {format_milliseconds_range(*told)}, " if told else ""


def photos_sections(key: str, run: RunFacts) -> Iterator[Section]:
    """A section for each evaluation on a user's own photos."""
    for place, (name, kept) in enumerate(run.evaluations.items()):
        pictures = _pictures(kept.photos)
        if not pictures:
            continue
        accuracy, not_blank = kept.accuracy, kept.not_blank
        lead = f"{shortened(kept.source or visible(name), 80)}, as the network saw them."
        lead += f" {in_percent(accuracy)} right, {interval(accuracy)}."
        if not_blank:
            lead += f" Without those in which nothing was found: {in_percent(not_blank)}, {interval(not_blank)}."
        hidden = len(kept.photos) - len(pictures)
        gaps = (
            [Gap(f"{hidden:,} more are in the run folder, in evaluations/{visible(name)}.json.")] if hidden > 0 else []
        )
        yield Section(
            f"{key}-photos{place}", "Own photos", lead, gaps=gaps, pictures=[("Photos and answers", pictures)]
        )


def _pictures(answers: Sequence[Answer]) -> list[Picture]:
    """The first PICTURES_SHOWN of the pictures."""
    found = []
    for each in answers[:PICTURES_SHOWN]:
        true, answer = name_in_sentence(each.true), name_in_sentence(each.answer)
        remarks = [f"{100 * each.confidence:.1f} % sure"]
        remarks += [shortened(told, 60) for told in (each.file, each.note) if told]
        says = f"{true}, rightly" if each.right else f"{true} taken for {answer}"
        url = "data:image/png;base64," + b64encode(each.png).decode()
        found.append(Picture(url, says, " · ".join(remarks), not each.right))
    return found


def confusion_figure(key: str, kept: KeptEvaluation) -> Figure | None:
    """Who is taken for whom; None where the evaluation keeps no counts."""
    matrix, names = kept.confusion, kept.class_names
    if not matrix:
        return None
    wrong = confusions(matrix)
    shown = list(range(len(matrix)))
    if len(matrix) > CLASSES_DRAWN:
        errors = [sum(row) - row[i] + sum(other[i] for other in matrix) - row[i] for i, row in enumerate(matrix)]
        shown = sorted(sorted(shown, key=lambda i: -errors[i])[:CLASSES_DRAWN])
    title = "No image was taken for another class"
    if wrong:
        count, true, answer = wrong[0]
        one, other = (name_in_sentence(names[i]) for i in (true, answer))
        title = f"{one} is taken for {other} most often: {count:,} of {sum(matrix[true]):,}"
    about = (
        "A row for each true class, a column for each answer. Blue is right, orange wrong; darker is a larger share."
    )
    if len(shown) < len(matrix):
        about += f" Of {len(matrix):,} classes the {len(shown)} with the most mistakes are drawn."
    rows = tuple(
        (
            words(names[true]),
            words(names[answer]),
            figure_cell(count),
            figure_cell(100 * count / sum(matrix[true]), ".2f"),
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


def _matrix(matrix: Sequence[Sequence[int]], names: Sequence[str], shown: Sequence[int]) -> Drawing:
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
    return drawing(traces, x, y)


def classes_table(kept: KeptEvaluation) -> Table | None:
    """Precision, recall and F1 of each class; None where the evaluation keeps none."""
    rows = []
    for each in kept.per_class:
        scores = (each.precision, each.recall, each.f1)
        cells = (figure_cell(None if score is None else 100 * score, ".2f", score) for score in scores)
        rows.append((words(each.name), *cells, figure_cell(each.n)))
    if not rows:
        return None
    return Table("Each class", ("class", "precision, %", "recall, %", "F1, %", "images"), tuple(rows))


def reliability_figure(key: str, kept: KeptEvaluation) -> Figure | None:
    """How often answers of each confidence are right; None where the evaluation keeps no bins."""
    bins = [
        (each.confidence, each.accuracy, each.n)
        for each in kept.reliability
        if each.confidence is not None and each.accuracy is not None and each.n
    ]
    if not bins:
        return None
    images = sum(n for _, _, n in bins)
    surer = 100 * sum((confidence - accuracy) * n for confidence, accuracy, n in bins) / images
    error = kept.calibration_error
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
            "x": [percent(confidence) for confidence, _, _ in bins],
            "y": [percent(accuracy) for _, accuracy, _ in bins],
            "marker": {
                "size": [6 + 22 * math.sqrt(n / images) for _, _, n in bins],
                "color": BLUE,
                "opacity": 0.85,
                "line": {"width": 0},
            },
            "customdata": [n for _, _, n in bins],
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
        drawings={"": drawing(traces, axis | {"title": {"text": "confidence, %"}}, axis)},
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
