"""The trainings: loss, accuracy and learning rate by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pennyweight.core.text import visible
from pennyweight.core.units import counted, format_minutes
from pennyweight.report.html.facts import Gap, RunFacts, SearchFacts, Trial, amount, known
from pennyweight.report.html.figure import (
    BLUE,
    GREEN,
    QUIET,
    Figure,
    Key,
    Table,
    drawing,
    figure_cell,
    label,
    percent,
    scaled,
    shortened,
    words,
)
from pennyweight.report.html.front import groups
from pennyweight.report.html.section import Section


def curves_section(key: str, run: RunFacts, search: SearchFacts | None) -> Section:
    figures = curve_figures(f"{key}-curves", run)
    courses = courses_figure(f"{key}-courses", search.trials, search.courses) if search else None
    gaps = []
    if not figures:
        gaps.append(Gap(f"There are no curves{f': {run.obstacle}' if run.obstacle else ' in this run'}."))
    elif len(run.curves) == 1:
        gaps.append(Gap("It was trained for one epoch: that is a point, not a course."))
    missing = [
        name
        for name, column in (("training loss", "train_loss"), ("validation loss", "validation_loss"))
        if known(run.curve(column)) and None in run.curve(column)
    ]
    if missing:
        gaps.append(Gap(f"The {' and the '.join(missing)} was not a number in some epochs: the lines have gaps there."))
    seconds, each, lead = amount((run.results or {}).get("seconds")), run.seconds_per_epoch, ""
    if seconds is not None and run.curves:
        lead = f"{counted(len(run.curves), 'epoch')} in {format_minutes(seconds / 60)}"
        lead += f", {each:,.3g} s each (median)." if each else "."
    elif run.curves:
        lead = f"{run.progress} so far."
    if search:
        lead = f"The winner, {shortened(visible(run.network), 60)}: {lead}" if lead else lead
    return Section(
        f"{key}-trainings",
        "The trainings" if courses else "The training",
        lead,
        gaps=gaps,
        figures=[*figures, *([courses] if courses else [])],
    )


def courses_figure(key: str, trials: Sequence[Trial], courses: Mapping[str, list[float | None]]) -> Figure | None:
    """The validation accuracy of every training, epoch by epoch; None where there are not two courses."""
    drawn = [trial for trial in trials if len(known(courses.get(trial.run, ()))) > 1]
    if len(drawn) < 2:
        return None
    traces, rows = [], []
    for found, trials_of in groups(drawn):
        course = [point for trial in trials_of for point in (*enumerate(courses[trial.run], start=1), (None, None))]
        if not course:
            continue
        named = found.sign != "○"
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": [epoch for epoch, _ in course],
                "y": [percent(value) for _, value in course],
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
        drawings={"": drawing(traces, {"title": {"text": "epoch"}, "showgrid": False}, {})},
        table=Table(
            "The course of every training",
            ("network", "run", "epochs", "last, %", "best, %"),
            tuple(rows),
        ),
        height_px=340,
        above="validation accuracy, %",
        keys=tuple(Key(key_of.name, key_of.colour) for key_of, trials_of in groups(drawn) if trials_of),
    )


def _along(trials: Sequence[Trial], courses: Mapping[str, list[float | None]]) -> list[str]:
    """The network's name for every point of its course, and for the gap after it."""
    return [label(trial.network, 48) for trial in trials for _ in range(len(courses[trial.run]) + 1)]


def curve_figures(key: str, run: RunFacts) -> list[Figure]:
    """Loss, accuracy and learning rate by epoch, each where the run has one."""
    epochs = run.epochs
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
        series = [(name, [scaled(v, scale) for v in run.curve(column)], colour) for name, column, colour in columns]
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
            {"dtick": 1} if max(epochs, default=0) <= 12 else {}
        )
        y: dict[str, Any] = {"rangemode": "tozero"} if word != "accuracy" else {}
        figures.append(
            Figure(
                key=f"{key}-{word}",
                title=title,
                about=about,
                drawings={"": drawing(traces, x, y)},
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
    return f"At the epochs' ends the learning rate was at most {max(rates):.2g}" if rates else "The learning rate"
