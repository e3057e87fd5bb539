"""`pennyweight diagnose RUN`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pennyweight.cli.options import AsJson, CsvFile, DataDir
from pennyweight.cli.output import print_json


def diagnose(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a training.", show_default=False)],
    data_dir: DataDir = None,
    csv: CsvFile = None,
    json: AsJson = False,
) -> None:
    """What went wrong in a training, and what to try next.

    Overfitting, underfitting, diverged, dead, too short or noisy, with the epoch, from the curves; wrong labels,
    leaked test images and constant classes from validation answers and the images, where these are at hand.
    """
    from pennyweight.fit.diagnose import diagnose as diagnose_run

    found = diagnose_run(run, data_dir=data_dir)
    if json:
        print_json(found.as_json())
    else:
        from pennyweight.report.diagnosis import diagnosis_report
        from pennyweight.report.terminal import show

        show(diagnosis_report(found))
    if csv is not None:
        from pennyweight.report.csv import write_csv

        # What begins with a sign, in the cell or behind a semicolon, would be marked as no formula.
        write_csv(csv, [{**each.as_json(), "advice": f"try {' | '.join(each.advice)}"} for each in found.findings])
