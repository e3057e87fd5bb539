"""How `pennyweight evaluate` looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pennyweight.core.text import visible
from pennyweight.report.terminal import and_more, facts, percent, table

if TYPE_CHECKING:
    from pennyweight.fit.evaluate import Evaluation

MATRIX_CLASSES_MAX = 20
CONFUSIONS_SHOWN = 12
NAME_CELLS_MAX = 16


def evaluation_report(evaluation: Evaluation, width: int) -> RenderableType:
    """The accuracy, and the confusion matrix where it fits into `width` cells, else the worst confusions."""
    matrix = _matrix(evaluation) if len(evaluation.class_names) <= MATRIX_CLASSES_MAX else None
    drawn = matrix if matrix and _cells(matrix) <= width else _worst(evaluation)
    figures: dict[str, str | Text] = {
        "accuracy": Text(str(evaluation.accuracy), style="bold"),
        "images": f"{_part(evaluation.part)} of {visible(evaluation.source)}",
        "loss": f"{evaluation.loss:.4f}",
        "run": visible(evaluation.run),
    }
    if evaluation.opened and evaluation.part == "test":
        figures["test part opened"] = "once" if evaluation.opened == 1 else f"{evaluation.opened:,} times"
    return Group(facts(figures), Text(), drawn)


def _part(part: str) -> str:
    return "all" if part == "all" else f"the {part} part"


def opened_too_often(evaluation: Evaluation) -> str:
    """The warning for a test part that was opened more than once, else nothing."""
    if evaluation.part != "test" or evaluation.opened < 2:
        return ""
    return (
        f"the test part of this run was opened {evaluation.opened:,} times; "
        "if what came out led to any choice, this accuracy is optimistic"
    )


def _matrix(evaluation: Evaluation) -> Table:
    """A row for each true class, a column for each answer, and the share of the class that was answered rightly."""
    names = [visible(name) for name in evaluation.class_names]
    widest = max(len(f"{count:,}") for row in evaluation.confusion for count in row)
    numbered = max(map(len, names)) > max(widest, 4)
    heads = [str(number) for number in range(len(names))] if numbered else names
    made = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    made.add_column("true ╲ answer", no_wrap=True)
    for head in heads:
        made.add_column(Text(head), justify="right", no_wrap=True)
    made.add_column("right", justify="right", no_wrap=True)
    for index, (name, row) in enumerate(zip(names, evaluation.confusion, strict=True)):
        cells = [_cell(count, true=index == answer) for answer, count in enumerate(row)]
        title = f"{heads[index]:>2} {_short(name)}" if numbered else name
        made.add_row(Text(title), *cells, percent(row[index] / sum(row)) if sum(row) else "–")
    return made


def _cell(count: int, *, true: bool) -> Text:
    if not count:
        return Text("·", style="dim")
    return Text(f"{count:,}", style="green" if true else "")


def _cells(made: Table) -> int:
    """How many cells wide the table wants to be."""
    from rich.console import Console

    return Console(width=10_000).measure(made).maximum


def _worst(evaluation: Evaluation) -> RenderableType:
    names, confusion = evaluation.class_names, evaluation.confusion
    wrong = [
        (count, true, answer)
        for true, row in enumerate(confusion)
        for answer, count in enumerate(row)
        if count and true != answer
    ]
    wrong.sort(reverse=True)
    made = table("true", "taken for", "images", "of its class", numbers=("images", "of its class"))
    for count, true, answer in wrong[:CONFUSIONS_SHOWN]:
        share = count / sum(confusion[true])
        made.add_row(_short(visible(names[true])), _short(visible(names[answer])), f"{count:,}", percent(share))
    if more := and_more(CONFUSIONS_SHOWN, len(wrong)):
        made.add_row(Text(more, style="dim"))
    return made if wrong else Text("No image was taken for another class.")


def _short(name: str) -> str:
    return name if len(name) <= NAME_CELLS_MAX else name[: NAME_CELLS_MAX - 1] + "…"
