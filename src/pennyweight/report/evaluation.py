"""How `pennyweight evaluate` looks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from io import BytesIO
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pennyweight.core.text import visible
from pennyweight.core.units import counted, format_milliseconds, format_milliseconds_range
from pennyweight.report.quantization import difference
from pennyweight.report.terminal import and_more, facts, percent, table

if TYPE_CHECKING:
    from pennyweight.deploy.evaluate import AgainstFloat, DeployedEvaluation
    from pennyweight.fit.answer import Answer
    from pennyweight.fit.evaluate import Evaluation

MATRIX_CLASSES_MAX = 20
CONFUSIONS_SHOWN = 12
NAME_CELLS_MAX = 16
FILE_CELLS_MAX = 32
PHOTOS_SHOWN = 40
DRAWN_MAX = 12
DRAWN_SIDE = 16
"""Cells that a drawn photo is wide at most; no more than DRAWN_MAX are drawn."""

ANSWERED_BY = {
    "firmware": "the C of the int8 network, as export writes it, compiled for this machine",
    "float32": "PyTorch, in float32",
}

UNSTEADY = "unsteady: measure again while the machine has nothing else to do"


def evaluation_report(evaluation: Evaluation, width: int, *, pictures: bool = False) -> RenderableType:
    """The figures, then each photo where the images are photos, else who is taken for whom and each class.

    The confusion matrix is drawn where it fits into `width` cells, else the worst confusions are listed. With
    `pictures`, for a terminal of many colours, the first photos are drawn as the network saw them.
    """
    timing = evaluation.timing
    figures: dict[str, str | Text] = {"accuracy": Text(str(evaluation.accuracy), style="bold")}
    if evaluation.not_blank is not None:
        figures["without blank ones"] = f"{evaluation.not_blank}, the photos in which something was found"
    figures |= {
        "images": f"{_part(evaluation.part)} of {visible(evaluation.source)}",
        "loss": f"{evaluation.loss:.4f}",
        "calibration error": f"{percent(evaluation.calibration_error)} between confidence and accuracy",
        "run": visible(evaluation.run),
        "time per image": (
            f"{_time(timing.batch1_ms, timing.batch1_ms_quartiles)} alone, "
            f"{_time(timing.best_batch_ms_per_image, timing.best_batch_ms_per_image_quartiles)} in batches of "
            f"{timing.best_batch:,}: medians and quartiles, measured on this machine, {timing.device}, "
            f"{counted(timing.threads, 'thread')}{f'; {UNSTEADY}' if timing.unsteady else ''}"
        ),
    }
    if evaluation.seconds_per_epoch is not None:
        figures["training"] = f"{evaluation.seconds_per_epoch:,.2f} s an epoch, the median"
    if evaluation.opened and evaluation.part == "test":
        figures["test part opened"] = "once" if evaluation.opened == 1 else f"{evaluation.opened:,} times"
    return Group(facts(figures), Text(), *(_photos(evaluation, width, pictures) or _classes(evaluation, width)))


def deployed_report(evaluation: DeployedEvaluation, width: int, *, pictures: bool = False) -> RenderableType:
    """The figures of firmware, or of a file's network, and beside them those in float32; the rest as above."""
    figures: dict[str, str | Text] = {"accuracy": Text(str(evaluation.accuracy), style="bold")}
    if evaluation.not_blank is not None:
        figures["without blank ones"] = f"{evaluation.not_blank}, the photos in which something was found"
    if evaluation.against_float is not None:
        figures |= _beside_float(evaluation, evaluation.against_float)
    figures |= {
        "answered by": ANSWERED_BY[evaluation.form],
        "images": f"{_part(evaluation.part)} of {visible(evaluation.source)}",
        "loss": f"{evaluation.loss:.4f}" if math.isfinite(evaluation.loss) else "infinite: a true class had no chance",
        "calibration error": f"{percent(evaluation.calibration_error)} between confidence and accuracy",
        "network": visible(evaluation.network),
        "time per image": f"{format_milliseconds(evaluation.ms_per_image)}, the mean, on this machine",
    }
    if evaluation.kept is not None:
        figures["kept"] = visible(evaluation.kept)
    return Group(facts(figures), Text(), *(_photos(evaluation, width, pictures) or _classes(evaluation, width)))


def _beside_float(evaluation: DeployedEvaluation, exact: AgainstFloat) -> dict[str, str | Text]:
    n = evaluation.accuracy.n
    lost = 100 * (exact.accuracy.share - evaluation.accuracy.share)
    return {
        "in float32": str(exact.accuracy),
        f"firmware {'loses' if lost >= 0 else 'gains'}": (
            f"{abs(lost):.2f} points: {difference(exact.p_value, n)}; {exact.only_float_right:,} only float got right, "
            f"{exact.only_firmware_right:,} only firmware; {percent(exact.same_answers / n)} of the answers agree"
        ),
    }


def _time(median_ms: float, quartiles_ms: tuple[float, float] | None) -> str:
    beside = f" ({format_milliseconds_range(*quartiles_ms)})" if quartiles_ms else ""
    return f"{format_milliseconds(median_ms)}{beside}"


def _part(part: str) -> str:
    return "all" if part == "all" else f"the {part} part"


def _photos(evaluation: Evaluation | DeployedEvaluation, width: int, pictures: bool) -> list[RenderableType]:
    """A row for each photo, and their pictures."""
    photos = evaluation.photos
    if not photos:
        return []
    made = table("photo", "true", "answer", "confidence", "verdict", numbers=("confidence",), spare=("confidence",))
    for photo in photos[:PHOTOS_SHOWN]:
        verdict = Text("right", style="green") if photo.right else Text("wrong", style="red")
        made.add_row(
            Text(_end(visible(photo.file))),
            Text(_short(visible(photo.true))),
            Text(_short(visible(photo.answer))),
            percent(photo.confidence),
            verdict + Text(f", {photo.note}" if photo.note else ""),
        )
    if more := and_more(PHOTOS_SHOWN, evaluation.accuracy.n):
        made.add_row(Text(more, style="dim"))
    return [*([Text("as the network saw them"), _drawn(photos[:DRAWN_MAX], width)] if pictures else []), made]


def _drawn(photos: Sequence[Answer], width: int) -> RenderableType:
    """The photos side by side, two pixels a cell, one above the other."""
    made = Table.grid(padding=(0, 2, 1, 0))
    cells = [_halves(photo.png) for photo in photos]
    columns = max(1, width // (DRAWN_SIDE + 2))
    for start in range(0, len(cells), columns):
        made.add_row(*cells[start : start + columns])
    return made


def _halves(png: bytes) -> Text:
    """A PNG as half blocks, at most DRAWN_SIDE cells wide."""
    from PIL import Image

    with Image.open(BytesIO(png)) as opened:
        picture = opened.convert("RGB")
    picture.thumbnail((DRAWN_SIDE, DRAWN_SIDE), Image.Resampling.BOX)
    drawn = Text(no_wrap=True)
    for y in range(0, picture.height, 2):
        for x in range(picture.width):
            upper, lower = (picture.getpixel((x, min(y + below, picture.height - 1))) for below in (0, 1))
            drawn.append("▀", f"#{bytes(upper).hex()} on #{bytes(lower).hex()}")  # type: ignore[arg-type]
        drawn.append("\n")
    drawn.rstrip()
    return drawn


def _classes(evaluation: Evaluation | DeployedEvaluation, width: int) -> list[RenderableType]:
    """Who is taken for whom, and the figures of each class."""
    matrix = _matrix(evaluation) if len(evaluation.class_names) <= MATRIX_CLASSES_MAX else None
    drawn = matrix if matrix and _cells(matrix) <= width else _worst(evaluation)
    made = table("class", "images", "precision", "recall", "F1", numbers=("images", "precision", "recall", "F1"))
    weakest = sorted(evaluation.per_class, key=lambda each: 2.0 if each.f1 is None else each.f1)
    shown = weakest[:MATRIX_CLASSES_MAX]
    for each in evaluation.per_class:
        if each in shown:
            shares = ("–" if share is None else percent(share) for share in (each.precision, each.recall, each.f1))
            made.add_row(Text(_short(visible(each.name))), f"{each.n:,}", *shares)
    if more := and_more(len(shown), len(evaluation.per_class)):
        made.add_row(Text(f"{more}, better ones", style="dim"))
    return [drawn, Text(), made]


def class_rows(evaluation: Evaluation | DeployedEvaluation) -> list[dict[str, Any]]:
    """The figures of each class, for a table of comma-separated values."""
    return [asdict(each) for each in evaluation.per_class]


def confusion_rows(evaluation: Evaluation | DeployedEvaluation) -> list[dict[str, Any]]:
    """A row for each pair of classes, as they were and as they were answered; no class names a column."""
    names = evaluation.class_names
    return [
        {"true": true, "answered": answered, "images": count}
        for true, row in zip(names, evaluation.confusion, strict=True)
        for answered, count in zip(names, row, strict=True)
    ]


def photo_rows(evaluation: Evaluation | DeployedEvaluation) -> list[dict[str, Any]]:
    """What was answered to each photo, for a table of comma-separated values; nothing where there are no photos."""
    names = ("file", "true", "answer", "confidence", "right", "note")
    return [{name: getattr(photo, name) for name in names} for photo in evaluation.photos]


def opened_too_often(evaluation: Evaluation | DeployedEvaluation) -> str:
    """The warning for a test part that was opened more than once, else nothing."""
    if evaluation.part != "test" or (evaluation.opened or 0) < 2:
        return ""
    return (
        f"the test part of this run was opened {evaluation.opened:,} times; "
        "if what came out led to any choice, this accuracy is optimistic"
    )


def _matrix(evaluation: Evaluation | DeployedEvaluation) -> Table:
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


def _worst(evaluation: Evaluation | DeployedEvaluation) -> RenderableType:
    from pennyweight.fit.class_figures import confusions

    names, confusion = evaluation.class_names, evaluation.confusion
    wrong = confusions(confusion)
    made = table("true", "taken for", "images", "of its class", numbers=("images", "of its class"))
    for count, true, answer in wrong[:CONFUSIONS_SHOWN]:
        share = count / sum(confusion[true])
        made.add_row(_short(visible(names[true])), _short(visible(names[answer])), f"{count:,}", percent(share))
    if more := and_more(CONFUSIONS_SHOWN, len(wrong)):
        made.add_row(Text(more, style="dim"))
    return made if wrong else Text("No image was taken for another class.")


def _end(path: str) -> str:
    return path if len(path) <= FILE_CELLS_MAX else "…" + path[1 - FILE_CELLS_MAX :]


def _short(name: str) -> str:
    return name if len(name) <= NAME_CELLS_MAX else name[: NAME_CELLS_MAX - 1] + "…"
