"""The trainings: loss, accuracy and learning rate by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Any

from pennyweight.core.text import visible
from pennyweight.core.units import counted, format_minutes
from pennyweight.report.html.facts import Gap, RunFacts, SearchFacts, Trial, amount, known
from pennyweight.report.html.figure import (
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
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
from pennyweight.report.html.front import ended_cell, groups
from pennyweight.report.html.section import Section


def curves_section(key: str, run: RunFacts, search: SearchFacts | None) -> Section:
    figures = curve_figures(f"{key}-curves", run)
    courses = courses_figure(f"{key}-courses", search) if search else None
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


STOPPED, FAILED = Key("stopped", ORANGE, "✕"), Key("failed", PURPLE, "✕")


def courses_figure(key: str, search: SearchFacts) -> Figure | None:
    """The validation accuracy of every training, epoch by epoch; None where there are not two courses."""
    drawn = [trial for trial in (*search.trials, *search.unfinished) if known(trial.accuracies)]
    longest = max((len(trial.accuracies) for trial in drawn), default=0)
    if len(drawn) < 2 or longest < 2:
        return None
    marks = [(mark, [trial for trial in drawn if trial.state == mark.name]) for mark in (STOPPED, FAILED)]
    marks = [(mark, marked) for mark, marked in marks if marked]
    found = [(group, trials_of) for group, trials_of in groups(drawn) if trials_of]
    cut = "".join(f"; {len(marked)} {mark.name} before the end" for mark, marked in marks)
    about = "The accuracy on the validation part after each epoch. Short trainings choose who is trained fully"
    about += "; a cross marks one that ended before its time, and the table says why." if marks else "."
    if (error := search.extrapolation_error) is not None:
        about += f" Where one will end, told at its half by what others gained, was off by {100 * error:.1f} points."
    return Figure(
        key=key,
        title=f"{len(drawn):,} trainings of up to {longest:,} epochs{cut}",
        about=about,
        drawings={
            "": drawing(
                [*(_course(group, trials_of) for group, trials_of in found), *(_ends(*mark) for mark in marks)],
                {"title": {"text": "epoch"}, "showgrid": False},
                {},
            )
        },
        table=_courses_table(drawn),
        height_px=340,
        above="validation accuracy, %",
        keys=(*(Key(group.name, group.colour) for group, _ in found), *(mark for mark, _ in marks)),
    )


def _course(group: Key, trials: Sequence[Trial]) -> dict[str, Any]:
    """The courses of one group as one line with gaps; a training of one epoch is a point."""
    points = [
        (epoch, share, f"{label(trial.network, 48)}<br>{label(trial.settings, 80)}")
        for trial in trials
        for epoch, share in (*enumerate(trial.accuracies, start=1), (None, None))
    ]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": [epoch for epoch, _, _ in points],
        "y": [percent(share) for _, share, _ in points],
        "line": {"color": group.colour, "width": {"○": 1, "●": 1.75, "★": 2.5}[group.sign]},
        "marker": {"size": 4},
        "opacity": 0.6 if group.sign == "○" else 1,
        "text": [text for _, _, text in points],
        "hovertemplate": "%{text}<br>epoch %{x}: %{y:.2f} %<extra></extra>",
    }


def _ends(mark: Key, trials: Sequence[Trial]) -> dict[str, Any]:
    """A cross at the last epoch of each of the trials, with the reason."""
    ends = [
        next(
            (epoch, share) for epoch, share in reversed(list(enumerate(trial.accuracies, start=1))) if share is not None
        )
        for trial in trials
    ]
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [epoch for epoch, _ in ends],
        "y": [percent(share) for _, share in ends],
        "marker": {"symbol": "x", "size": 8, "color": mark.colour},
        "text": [f"{label(trial.network, 48)}<br>{mark.name}: {_folded(trial.why)}" for trial in trials],
        "hovertemplate": "%{text}<extra></extra>",
    }


def _folded(text: str) -> str:
    """A reason in lines that fit beside a point."""
    return "<br>".join(label(line, 60) for line in wrap(visible(text), 44)[:4])


def _courses_table(drawn: Sequence[Trial]) -> Table:
    rows = []
    for trial in sorted(drawn, key=lambda trial: (-trial.is_winner, -trial.on_front)):
        values = known(trial.accuracies)
        rows.append(
            (
                words(trial.network, 48),
                words(trial.run, 32),
                figure_cell(len(trial.accuracies)),
                figure_cell(100 * values[-1], ".2f"),
                figure_cell(100 * max(values), ".2f"),
                ended_cell(trial),
            )
        )
    return Table(
        "The course of every training", ("network", "run", "epochs", "last, %", "best, %", "ended"), tuple(rows)
    )


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
