"""The tables of the five student projects that Pennyweight grew out of, made again: one command a table.

    python bench/originals.py mnist | cats-vs-dogs | cifar10 | board-vgg

Each line is a run under `--out`; a finished one is used again and an interrupted one resumes. The test part is opened
once for each line: the lines were written down before, and none is chosen by what comes out. `docs/originals.md` puts
the figures beside the originals'.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measure import Bar, conclude, data_folder, machine
from pennyweight import LabelledImages, compare, evaluate, open_source, resume, train, write_report
from pennyweight.report.comparison import comparison_report
from pennyweight.report.evaluation import evaluation_report
from pennyweight.report.terminal import output

SMALL_VGG = "vgg:widths=32-64,dense=512-512,dropout=0.5"
THEIR_RECIPE = ("optimizer=adam", "learning_rate=0.001", "batch=128", "schedule=constant", "weight_decay=0")
UNAUGMENTED = ("flip=no", "shift=0", "rotate=0")

BASE = "plain-cnn"
BASE_PARAMETERS = 18_893_570
LARGEST = 35_458
"""The base of the cats-against-dogs project, and the shallow residual network that it was beaten with."""


@dataclass(frozen=True)
class Line:
    """One training: a network, and what its recipe has other than the default."""

    network: str
    settings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """The lines of one project on its images; `photos` names a folder of a user's own, beside the data sets."""

    source: str
    lines: tuple[Line, ...]
    input_shape: tuple[int, int, int] | None = None
    photos: str = ""


TABLES = {
    "mnist": Table(
        "mnist",
        (
            Line("mlp:hidden=80-60-50"),
            Line("mlp:hidden=80-60"),
            Line("mlp:hidden=110-100-90"),
            Line("mlp:hidden=60-100-80"),
            Line("plain-cnn", ("epochs=4",)),
            Line("squeezenet", ("epochs=8",)),
            Line("mobilenetv2:stem=imagenet", ("epochs=5",)),
            Line("pooled-resnet:width=8"),
        ),
        photos="own_digits",
    ),
    "cats-vs-dogs": Table(
        "cats-vs-dogs",
        (
            Line(BASE, (*THEIR_RECIPE, *UNAUGMENTED, "crop=1", "epochs=10")),
            Line(BASE, ("epochs=20",)),
            Line("shallow-resnet", ("epochs=50",)),
            Line("pooled-resnet:width=16", ("epochs=50",)),
            Line("bottleneck:width=16", ("epochs=50",)),
        ),
        input_shape=(100, 100, 1),
    ),
    "cifar10": Table(
        "cifar10",
        (
            Line("vgg:widths=64-128,dense=1024-1024,dropout=0.65", ("epochs=10",)),
            Line(SMALL_VGG, ("epochs=5",)),
            Line(SMALL_VGG, ("epochs=5", "learning_rate=0.0001")),
            Line(SMALL_VGG, ("epochs=5", "learning_rate=0.01")),
            Line(SMALL_VGG, ("epochs=5", "batch=64")),
            Line("vgg:widths=32-64-64,dense=256,dropout=0.5", ("epochs=5",)),
            Line("vgg:widths=16-32,dense=256,dropout=0.5", ("epochs=5",)),
            Line(SMALL_VGG, (*THEIR_RECIPE, *UNAUGMENTED, "epochs=8")),
            Line("vgg:widths=32-64,dense=512-512,dropout=0", (*THEIR_RECIPE, *UNAUGMENTED, "epochs=8")),
        ),
    ),
    "board-vgg": Table("cifar10", (Line("board-vgg", ("epochs=12",)),)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("table", choices=TABLES, help="the project")
    parser.add_argument("--data-dir", type=Path, help="folder of the data sets (PENNYWEIGHT_DATA, else ../shared)")
    parser.add_argument("--out", type=Path, default=Path("runs/originals"), help="where the runs go (%(default)s)")
    parser.add_argument("--train-only", action="store_true", help="leave every test part sealed for now")
    arguments = parser.parse_args()
    wanted = TABLES[arguments.table]
    facts = machine()
    with data_folder(arguments.data_dir) as folder:
        images = open_source(wanted.source, data_dir=folder, input_shape=wanted.input_shape)
        runs = [run_of(line, images, arguments.out / arguments.table) for line in wanted.lines]
        if arguments.train_only:
            return
        for run in runs:
            if not (run / "evaluations" / "test.json").is_file():
                evaluate(run, images, device="cpu")
        photos = folder / wanted.photos if folder and wanted.photos else None
        compared = compare(runs, photos=photos, data_dir=folder, device="cpu")
    console = output()
    console.print(comparison_report(compared))
    if len(runs) == 1:
        console.print(evaluation_report(evaluate(runs[0], images, part="validation", device="cpu"), 120))
    made = write_report(runs, arguments.out / f"{arguments.table}.html")
    print(f"report: {made}")
    bars = judge(compared.as_json()["runs"]) if arguments.table == "cats-vs-dogs" else []
    conclude(f"originals {arguments.table}", facts, compared.as_json(), bars, quick=False)


def run_of(line: Line, images: LabelledImages, folder: Path) -> Path:
    """The finished run of one line."""
    parts = (line.network, *line.settings)
    run = folder / "".join(c if c.isalnum() or c in ".-" else "_" for c in "_".join(parts))
    if run.is_dir():
        done = resume(run, images)
    else:
        done = train(images, line.network, settings=line.settings, out=run, device="cpu")
    print(f"{line.network} {' '.join(line.settings)}: validation {done.validation}, {done.seconds:.0f} s", flush=True)
    return run


def judge(rows: list[dict[str, Any]]) -> list[Bar]:
    """Whether a network of at most 35,458 parameters is better than the best training of the base, on the test part."""
    base = max(row["test_accuracy"] for row in rows if row["parameters"] == BASE_PARAMETERS)
    ours = max((row for row in rows if row["parameters"] <= LARGEST), key=lambda row: row["validation_accuracy"])
    found = f"{ours['network']}: {ours['test_accuracy']:.4f} against {base:.4f}"
    claim = f"at most {LARGEST:,} parameters, chosen on validation, beat the base of {BASE_PARAMETERS:,} on test"
    return [Bar(claim, found, ours["test_accuracy"] > base)]


if __name__ == "__main__":
    main()
