"""The answers: who is taken for whom, how sure the network is, its worst mistakes, and photos of one's own."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Iterator, Mapping
from typing import Any

from pennyweight.core.text import visible
from pennyweight.core.units import counted, format_milliseconds, format_milliseconds_range
from pennyweight.fit.accuracy import Accuracy
from pennyweight.report.html.facts import Gap, RunFacts, accuracy_of, amount, count, items, share_of_one
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


PNG = b"\x89PNG\r\n\x1a\n"
"""The first bytes of every PNG file (W3C, Portable Network Graphics, 5.2)."""


def answers_section(key: str, run: RunFacts) -> Section:
    title = "The answers"
    if run.own is None:
        validation = f"pennyweight evaluate {run.command} --part validation"
        gap = Gap("No evaluation is kept in this run: who is taken for whom is not known. "
                  "Without opening the test part:", validation)  # fmt: skip
        if run.results is None:
            gap = Gap("There are no answers before the training has ended.")
        return Section(f"{key}-answers", title, gaps=[gap])
    name, facts = run.own
    accuracy = run.accuracy(name)
    lead = f"On the {name} part: {in_percent(accuracy)}, {interval(accuracy)}." if accuracy else f"On the {name} part."
    gaps = []
    if name != "test":
        gaps.append(Gap("The test part is still sealed; what follows is of validation images.", ""))
    figures = [confusion_figure(f"{key}-confusion", facts), reliability_figure(f"{key}-reliability", facts)]
    table = classes_table(facts)
    if table is None:
        gaps.append(Gap("Figures of each class are not kept.", f"pennyweight evaluate {run.command} --part {name}"))
    wrong = _pictures(facts.get("mistakes"))
    return Section(
        f"{key}-answers",
        title,
        lead,
        facts=_timing(facts),
        gaps=gaps,
        figures=[figure for figure in figures if figure],
        tables=[table] if table else [],
        pictures=[("The most confident mistakes, as the network saw them", wrong)] if wrong else [],
    )


def _timing(facts: Mapping[str, Any]) -> list[Fact]:
    timing = facts.get("timing")
    if not isinstance(timing, Mapping):
        return []
    one, best = amount(timing.get("batch1_ms")), amount(timing.get("best_batch_ms_per_image"))
    threads, device = count(timing.get("threads")), shortened(visible(timing.get("device") or "an unknown device"), 40)
    where = f"measured on {device}" + (f", {counted(threads, 'thread')}" if threads else "")
    if timing.get("times_unsteady") is True:
        where += "; the measurement was unsteady: take it again"
    found = []
    if one is not None:
        remark = f"{_quartiles(timing.get('batch1_ms_quartiles'))}{where}"
        found.append(Fact("One image alone", format_milliseconds(one), remark))
    if best is not None:
        batch = count(timing.get("best_batch"))
        remark = f"in batches of {batch:,}, " if batch else ""
        remark += f"{_quartiles(timing.get('best_batch_ms_per_image_quartiles'))}{where}"
        found.append(Fact("One image of many", format_milliseconds(best), remark))
    return found


def _quartiles(told: object) -> str:
    """The quartiles of a time with a comma behind them; nothing where two are not told."""
    both = [each for each in map(amount, items(told)) if each is not None]
    return f"quartiles {format_milliseconds_range(*both)}, " if len(both) == 2 else ""


def photos_sections(key: str, run: RunFacts) -> Iterator[Section]:
    """A section for each evaluation on a user's own photos."""
    for place, (name, facts) in enumerate(run.evaluations.items()):
        pictures = _pictures(facts.get("photos"))
        if not pictures:
            continue
        accuracy = run.accuracy(name)
        lead = f"{shortened(visible(facts.get('source') or name), 80)}, as the network saw them."
        if accuracy:
            lead += f" {in_percent(accuracy)} right, {interval(accuracy)}."
        if not_blank := _not_blank(facts):
            lead += f" Without those in which nothing was found: {in_percent(not_blank)}, {interval(not_blank)}."
        hidden = len(items(facts.get("photos"))) - len(pictures)
        gaps = (
            [Gap(f"{hidden:,} more are in the run folder, in evaluations/{visible(name)}.json.")] if hidden > 0 else []
        )
        yield Section(
            f"{key}-photos{place}", "Own photos", lead, gaps=gaps, pictures=[("Photos and answers", pictures)]
        )


def _not_blank(facts: Mapping[str, Any]) -> Accuracy | None:
    told = facts.get("not_blank")
    return accuracy_of(told.get("correct"), told.get("n")) if isinstance(told, Mapping) else None


def _pictures(rows: object) -> list[Picture]:
    """The pictures that are PNG files indeed, the first PICTURES_SHOWN of them."""
    found = []
    for row in items(rows)[:PICTURES_SHOWN]:
        if not isinstance(row, Mapping):
            continue
        try:
            png = base64.b64decode(str(row.get("png_base64")), validate=True)
        except (binascii.Error, ValueError):
            continue
        if not png.startswith(PNG):
            continue
        true, answer = (name_in_sentence(row.get(name)) for name in ("true", "answer"))
        confidence = share_of_one(row.get("confidence"))
        remarks = [f"{100 * confidence:.1f} % sure"] if confidence is not None else []
        remarks += [shortened(visible(row[name]), 60) for name in ("file", "note") if row.get(name)]
        says = f"{true} taken for {answer}" if true != answer else f"{true}, rightly"
        url = "data:image/png;base64," + base64.b64encode(png).decode()
        found.append(Picture(url, says, " · ".join(remarks), true != answer))
    return found


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
    """The confusion matrix and the class names of an evaluation; nothing where they are not whole.

    Every count must be one: a matrix with holes tells wrong shares.
    """
    rows, names = facts.get("confusion"), facts.get("classes")
    if not isinstance(rows, list) or not rows or not isinstance(names, list) or len(names) != len(rows):
        return [], []
    if not all(isinstance(row, list) and len(row) == len(rows) for row in rows):
        return [], []
    matrix = [[told for each in row if (told := count(each)) is not None] for row in rows]
    whole = all(len(row) == len(rows) for row in matrix)
    return (matrix, list(map(str, names))) if whole else ([], [])


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
    return drawing(traces, x, y)


def classes_table(facts: Mapping[str, Any]) -> Table | None:
    """Precision, recall and F1 of each class; None where the evaluation keeps none."""
    rows = []
    for row in items(facts.get("per_class")):
        if not isinstance(row, Mapping):
            return None
        scores = [share_of_one(row.get(name)) for name in ("precision", "recall", "f1")]
        rows.append(
            (
                words(row.get("name")),
                *(figure_cell(None if score is None else 100 * score, ".2f", score) for score in scores),
                figure_cell(count(row.get("n"))),
            )
        )
    if not rows:
        return None
    return Table("Each class", ("class", "precision, %", "recall, %", "F1, %", "images"), tuple(rows))


def reliability_figure(key: str, facts: Mapping[str, Any]) -> Figure | None:
    """How often answers of each confidence are right; None where the evaluation keeps no bins."""
    bins = []
    for row in items(facts.get("reliability")):
        if isinstance(row, Mapping):
            confidence, accuracy, n = (
                share_of_one(row.get("confidence")),
                share_of_one(row.get("accuracy")),
                count(row.get("n")),
            )
            if confidence is not None and accuracy is not None and n:
                bins.append((confidence, accuracy, n))
    if not bins:
        return None
    images = sum(n for _, _, n in bins)
    surer = 100 * sum((confidence - accuracy) * n for confidence, accuracy, n in bins) / images
    error = share_of_one(facts.get("calibration_error"))
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
