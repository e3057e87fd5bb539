"""`pennyweight compare RUN…`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pennyweight.cli.options import AsJson, CsvFile, DataDir, Device
from pennyweight.cli.output import print_json


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN…",
            help="Folders of finished trainings; that of a search stands for its front.",
            show_default=False,
        ),
    ],
    photos: Annotated[
        Path | None,
        typer.Option(
            "--photos", metavar="FOLDER", help="Photos of your own, one folder a class: each run answers them."
        ),
    ] = None,
    data_dir: DataDir = None,
    device: Device = "auto",
    csv: CsvFile = None,
    json: AsJson = False,
) -> None:
    """Trained networks side by side, and what differs for certain.

    Parameters, training time, memory, time per image, and every accuracy with its 95 % interval. Of runs that answered
    the same images it says whether these can show any difference. The sealed test part stays sealed: its accuracy is
    there once pennyweight evaluate has looked.
    """
    from pennyweight.fit.compare import compare as compare_runs
    from pennyweight.report.terminal import output, show_message

    found = compare_runs(runs, photos=photos, data_dir=data_dir, device=device, on_progress=show_message)
    if json:
        print_json(found.as_json())
    else:
        from pennyweight.report.comparison import comparison_report, next_command

        console = output()
        console.print(comparison_report(found))
        if command := next_command(found):
            console.print(f"\nsealed: {command} opens a test part; do it once, in the end", soft_wrap=True)
    if csv is not None:
        from pennyweight.report.csv import write_tables

        write_tables(csv, [run.as_json() for run in found.runs], comparisons=found.as_json()["comparisons"])
