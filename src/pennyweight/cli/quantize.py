"""`pennyweight quantize RUN`, and `pennyweight quantize FILE.tflite SOURCE --out FILE`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from pennyweight.cli.options import AsJson, CsvFile, DataDir, Device
from pennyweight.cli.output import print_json
from pennyweight.core.errors import UsageError
from pennyweight.core.text import command

if TYPE_CHECKING:
    from pennyweight.shrink.quantize.calibrated import Rounding
    from pennyweight.shrink.quantize.quantize import Quantized
    from pennyweight.shrink.quantize.ranges import Calibration


def quantize(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN|FILE.tflite",
            help="The folder of a finished training, or a .tflite file in float32.",
            show_default=False,
        ),
    ],
    source: Annotated[
        str | None,
        typer.Argument(metavar="[SOURCE]", help="The images that a file is quantised and compared on."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Where what is made of a .tflite file goes."),
    ] = None,
    part: Annotated[
        str, typer.Option("--part", metavar="PART", help="Compare on one of validation, test, train.")
    ] = "validation",
    calibration: Annotated[
        str, typer.Option("--calibration", metavar="CALIBRATION", help="Ranges by one of min-max, percentile, mse.")
    ] = "mse",
    images: Annotated[
        int, typer.Option("--images", metavar="COUNT", help="Training images on which ranges are seen.", min=1)
    ] = 1024,
    rounding: Annotated[
        str, typer.Option("--rounding", metavar="ROUNDING", help="Weights by nearest, or adaptive: slower and closer.")
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

    A .tflite file in float32 needs a SOURCE, on whose training part ranges are seen. It is not fine-tuned.
    """
    from pennyweight.deploy.deployable import is_tflite
    from pennyweight.report.terminal import show, show_note
    from pennyweight.shrink.quantize.calibrated import Rounding
    from pennyweight.shrink.quantize.ranges import Calibration

    asked = cast(Literal["validation", "test", "train"], part)  # another is refused with a hint, here and below
    ways = cast(Calibration, calibration), images, cast(Rounding, rounding)
    if is_tflite(run):
        found = _file(run, source, out, asked, ways, data_dir, device)
    elif source is not None or out is not None:
        raise UsageError("SOURCE and --out are for a .tflite file: a run has its images, and keeps what is made of it")
    else:
        found = _run(run, asked, ways, max_drop, data_dir, device)
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


Ways = tuple["Calibration", int, "Rounding"]


def _run(
    run: Path,
    part: Literal["validation", "test", "train"],
    ways: Ways,
    max_drop: float,
    data_dir: Path | None,
    device: str,
) -> Quantized:
    from pennyweight.report.progress import TrainingDisplay
    from pennyweight.shrink.quantize.quantize import quantize as quantize_run

    calibration, images, rounding = ways
    with TrainingDisplay() as display:
        return quantize_run(
            run,
            part=part,
            calibration=calibration,
            calibration_images=images,
            rounding=rounding,
            drop_points=max_drop,
            data_dir=data_dir,
            device=device,
            on_progress=display,
        )


def _file(
    file: Path,
    source: str | None,
    out: Path | None,
    part: Literal["validation", "test", "train"],
    ways: Ways,
    data_dir: Path | None,
    device: str,
) -> Quantized:
    from pennyweight.deploy.quantize import quantize_tflite

    if source is None or out is None:
        wanted = command("quantize", file, "SOURCE", "--out", file.with_suffix(".int8.tflite"))
        raise UsageError("a .tflite file needs the images to quantise it on, and --out", hint=wanted)
    calibration, images, rounding = ways
    return quantize_tflite(
        file,
        source,
        out,
        part=part,
        calibration=calibration,
        calibration_images=images,
        rounding=rounding,
        data_dir=data_dir,
        device=device,
    )
