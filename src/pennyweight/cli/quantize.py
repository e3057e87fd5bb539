"""`pennyweight quantize RUN`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from pennyweight.cli.options import AsJson, CsvFile, DataDir, Device
from pennyweight.cli.output import print_json


def quantize(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished training.", show_default=False)],
    part: Annotated[
        str, typer.Option("--part", metavar="PART", help="Compare on one of validation, test, train.")
    ] = "validation",
    calibration: Annotated[
        str, typer.Option("--calibration", metavar="HOW", help="Ranges by one of min-max, percentile, mse.")
    ] = "mse",
    images: Annotated[
        int, typer.Option("--images", metavar="COUNT", help="Training images on which ranges are seen.", min=1)
    ] = 1024,
    rounding: Annotated[
        str, typer.Option("--rounding", metavar="HOW", help="Weights by nearest, or adaptive: slower and closer.")
    ] = "nearest",
    max_drop: Annotated[
        float,
        typer.Option(
            "--max-drop", metavar="POINTS", help="Fine-tune where int8 loses more percentage points of accuracy."
        ),
    ] = 0.3,
    data_dir: DataDir = None,
    device: Device = "auto",
    json: AsJson = False,
    csv: CsvFile = None,
) -> None:
    """A trained network in int8, as microcontrollers run it, and what that costs.

    Accuracy in float and in int8 on the same images, whether these can show a difference, and the layers that lose
    most. The integer network is kept in the run folder. The test part stays sealed unless --part test asks for it,
    which the run folder counts.
    """
    from pennyweight.report.progress import TrainingDisplay
    from pennyweight.report.terminal import show, show_note
    from pennyweight.shrink.quantize.quantize import Rounding
    from pennyweight.shrink.quantize.quantize import quantize as quantize_run
    from pennyweight.shrink.quantize.ranges import Calibration

    with TrainingDisplay() as display:
        found = quantize_run(
            run,
            part=cast(Literal["validation", "test", "train"], part),  # another is refused with a hint, here and below
            calibration=cast(Calibration, calibration),
            calibration_images=images,
            rounding=cast(Rounding, rounding),
            drop_points=max_drop,
            data_dir=data_dir,
            device=device,
            on_progress=display,
        )
    if json:
        print_json(found.as_json())
    else:
        from pennyweight.report.quantization import quantization_report

        show(quantization_report(found))
    for note in found.notes:
        show_note(note)
    if csv is not None:
        from pennyweight.report.csv import write_csv

        write_csv(csv, found.as_json()["steps"])
