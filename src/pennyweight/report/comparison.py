"""How `pennyweight compare` looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from pennyweight.core.text import command, visible
from pennyweight.core.units import counted, format_bytes, format_count
from pennyweight.report.evaluation import UNSTEADY
from pennyweight.report.terminal import table

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from pennyweight.fit.accuracy import Accuracy
    from pennyweight.fit.compare import ComparedRun, Comparison

PARTS = {
    "train": "train",
    "validation": "validation",
    "int8_validation": "validation in int8",
    "test": "test",
    "int8_test": "test in int8",
    "photos": "photos",
}
"""The accuracies of a run, and how they are called. Those of photos and of int8 are shown where a run has one."""

ALWAYS = ("train", "validation", "test")

GAP = 2
"""Cells between two columns."""


def comparison_report(comparison: Comparison) -> RenderableType:
    """The runs' accuracies and costs, what the images show of the differences, and what was left out."""
    runs = comparison.runs
    parts: list[RenderableType] = [_SideBySide((_accuracies(runs), _costs(runs), _times(runs))), Text()]
    legend = "in brackets 95 % intervals, and quartiles of times   ~ estimated   flash and RAM in int8"
    parts.append(Text(legend, style="dim"))
    timing = runs[0].timing
    where = f"on {timing.device} with {counted(timing.threads, 'thread')}"
    parts.append(Text(f"Times per image were measured just now, {where}.", style="dim"))
    for (a, part, n), pairs in groupby(comparison.differences, key=lambda each: (each.a, each.part, each.n)):
        parts += [Text(), Text(f"The same {n:,} images ({part}), exact McNemar test", style="bold")]
        for pair in pairs:
            right = f"{pair.only_a_right:,} only {visible(a)} got right, {pair.only_b_right:,} only {visible(pair.b)}"
            parts.append(Text(f"{right}: {visible(pair.says)}"))
    if notes := (*comparison.notes, *_openings(runs), *_unsteady(runs)):
        parts += [Text(), *(Text(f"note: {visible(note)}", style="dim") for note in notes)]
    return Group(*parts)


@dataclass(frozen=True)
class _SideBySide:
    """Tables with a row for each run; where one is too wide, all as one with a row for each figure.

    As many runs stand beside each other as there is room for, the others below. Where there is room for none, the
    tables are as they are in too little room.
    """

    tables: Sequence[Table]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room = options.update(max_width=10_000)
        fits = all(console.measure(each, options=room).maximum <= options.max_width for each in self.tables)
        yield from (not fits and self._turned(options.max_width)) or self._as_they_are()

    def _as_they_are(self) -> list[RenderableType]:
        parts: list[RenderableType] = []
        for each in self.tables:
            parts += [each, Text()]
        return parts[:-1]

    def _turned(self, cells: int) -> list[RenderableType]:
        """Tables with a column for each run, which fit into so many cells; none where there is no room."""
        names, *rest = self.tables[0].columns
        figures = [*rest, *(column for each in self.tables[1:] for column in each.columns[1:])]
        heads = [Text(str(column.header), style="dim") for column in figures]
        wide = max(cell.cell_len for column in figures for cell in _cells(column) if column.justify == "right")
        together = (cells - max(head.cell_len for head in heads)) // (wide + GAP)
        if not together:
            return []
        made: list[RenderableType] = []
        runs = _cells(names)
        for first in range(0, len(runs), together):
            shown = slice(first, first + together)
            turned = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
            turned.add_column(no_wrap=True)
            for run in runs[shown]:
                turned.add_column(run, max_width=wide, overflow="fold")
            for head, column in zip(heads, figures, strict=True):
                turned.add_row(head, *_cells(column)[shown])
            made += [turned, Text()]
        return made[:-1]


def _cells(column: Column) -> list[Text]:
    return [cell if isinstance(cell, Text) else Text(str(cell)) for cell in column.cells]


def _accuracies(runs: Sequence[ComparedRun]) -> Table:
    shown = [part for part in PARTS if part in ALWAYS or any(getattr(run, part) for run in runs)]
    heads, columns = [], []
    for part in shown:
        accuracies: list[Accuracy | None] = [getattr(run, part) for run in runs]
        counts = {accuracy.n for accuracy in accuracies if accuracy}
        heads.append(f"{PARTS[part]} % (n = {counts.pop():,})" if len(counts) == 1 else f"{PARTS[part]} %")
        columns.append([_accuracy(accuracy, part, run) for accuracy, run in zip(accuracies, runs, strict=True)])
    made = table("run", "network", *heads, numbers=heads)
    for run, *cells in zip(runs, *columns, strict=True):
        made.add_row(Text(visible(run.run), style="bold"), visible(run.network), *cells)
    return made


def _accuracy(accuracy: Accuracy | None, part: str, run: ComparedRun) -> Text:
    if accuracy is None:
        sealed = part == "test" and not run.opened
        return Text("sealed" if sealed else "–", style="dim")
    low, high = accuracy.interval
    return Text.assemble(f"{100 * accuracy.share:.2f} ", (f"({100 * low:.2f} … {100 * high:.2f})", "dim"))


def _costs(runs: Sequence[ComparedRun]) -> Table:
    numbers = ("parameters", "MACs", "weights", "~flash", "~RAM", "s/epoch", "epochs")
    made = table("run", *numbers, numbers=numbers)
    for run in runs:
        made.add_row(
            Text(visible(run.run), style="bold"),
            f"{run.parameters:,}",
            format_count(run.macs),
            format_bytes(run.weight_bytes),
            format_bytes(run.flash_bytes),
            format_bytes(run.ram_bytes),
            "–" if run.seconds_per_epoch is None else f"{run.seconds_per_epoch:.3g}",
            f"{run.epochs:,}",
        )
    return made


def _times(runs: Sequence[ComparedRun]) -> Table:
    numbers = ("ms an image alone", "ms an image in batches", "batches of")
    made = table("run", *numbers, numbers=numbers)
    for run in runs:
        made.add_row(
            Text(visible(run.run), style="bold"),
            _time(run.timing.batch1_ms, run.timing.batch1_ms_quartiles),
            _time(run.timing.best_batch_ms_per_image, run.timing.best_batch_ms_per_image_quartiles),
            f"{run.timing.best_batch:,}",
        )
    return made


def _time(median_ms: float, quartiles_ms: tuple[float, float] | None) -> Text:
    beside = f"({quartiles_ms[0]:.3g} … {quartiles_ms[1]:.3g})" if quartiles_ms else ""
    return Text.assemble(f"{median_ms:.3g} ", (beside, "dim"))


def _unsteady(runs: Sequence[ComparedRun]) -> list[str]:
    """What a reader must know of times that were measured beside other work."""
    names = ", ".join(str(run.run) for run in runs if run.timing.unsteady)
    return [f"the times per image of {names} are {UNSTEADY}"] if names else []


def _openings(runs: Sequence[ComparedRun]) -> list[str]:
    """What a reader must know of the sealed test parts."""
    return [
        f"the test part of {run.run} was opened {run.opened:,} times; if what came out led to any choice, "
        "its test accuracy is optimistic"
        for run in runs
        if run.opened > 1
    ]


def next_command(comparison: Comparison) -> str:
    """What opens a test part that is still sealed; empty where none is."""
    for run in comparison.runs:
        if run.test is None and not run.opened:
            return command("evaluate", run.run)
    return ""
