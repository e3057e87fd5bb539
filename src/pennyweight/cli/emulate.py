"""`pennyweight emulate RUN`"""

from __future__ import annotations

from typing import Annotated

import typer

from pennyweight.cli.options import AsJson, CsvFile, DataDir
from pennyweight.cli.output import print_json


def emulate(
    model: Annotated[
        str,
        typer.Argument(metavar="RUN|FILE.tflite", help="A quantised run, or an int8 .tflite file.", show_default=False),
    ],
    board: Annotated[
        str,
        typer.Option(
            "--board", metavar="BOARD", help="The board to emulate (see pennyweight boards).", show_default=False
        ),
    ],
    images: Annotated[int, typer.Option("--images", metavar="COUNT", help="Images to run.", min=1)] = 20,
    part: Annotated[
        str, typer.Option("--part", metavar="PART", help="Take them from validation or train.")
    ] = "validation",
    source: Annotated[
        str | None,
        typer.Option("--source", metavar="SOURCE", help="Take them from these images; else the run's, or noise."),
    ] = None,
    layers: Annotated[bool, typer.Option("--layers", help="Show every layer.")] = False,
    qemu: Annotated[bool, typer.Option("--qemu", help="Run the firmware in QEMU too.")] = False,
    data_dir: DataDir = None,
    json: AsJson = False,
    csv: CsvFile = None,
) -> None:
    """Run a network's firmware on a virtual board.

    The C that export writes is compiled for the board's core and runs here, within its flash and RAM. Its answers are
    compared with the integer reference, byte for byte; instructions, stack, flash and RAM are measured, and latency is
    estimated. A run folder keeps it all for model card, compare and report. Exits with 1 where a byte differs.
    """
    from pennyweight.deploy.emulated import emulate as emulate_model
    from pennyweight.report.progress import ImagesDisplay

    with ImagesDisplay() as display:
        found = emulate_model(
            model,
            board,
            images=images,
            part=part,
            source=source,
            data_dir=data_dir,
            qemu=qemu,
            on_progress=display,
        )
    if json:
        print_json(found.as_json())
    else:
        from pennyweight.report.emulation import emulation_report
        from pennyweight.report.terminal import output

        console = output()
        console.print(emulation_report(found, console.width, layers=layers))
    if csv is not None:
        from pennyweight.report.csv import write_csv

        write_csv(csv, found.analysis.rows())
    if not found.agrees:
        raise typer.Exit(1)
