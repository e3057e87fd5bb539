"""`pennyweight evaluate RUN`, and `pennyweight evaluate FILE.tflite SOURCE`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from pennyweight.cli.options import AsJson, CsvFile, DataDir, Device
from pennyweight.cli.output import print_json
from pennyweight.core.errors import UsageError
from pennyweight.core.text import command

if TYPE_CHECKING:
    from pennyweight.deploy.evaluate import DeployedEvaluation
    from pennyweight.fit.evaluate import Evaluation


def evaluate(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN|FILE.tflite", help="The folder of a finished training, or a .tflite file.", show_default=False
        ),
    ],
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[SOURCE]", help="Other images than those of the run's own source; a folder of your photos, say."
        ),
    ] = None,
    part: Annotated[
        str | None,
        typer.Option(
            "--part",
            metavar="PART",
            help="One of test, validation, train; all, for another SOURCE. Else test, or all where SOURCE has no "
            "test part.",
        ),
    ] = None,
    firmware: Annotated[
        bool,
        typer.Option(
            "--firmware", help="Ask the C of the quantised run, compiled for this machine, and compare with float32."
        ),
    ] = False,
    data_dir: DataDir = None,
    device: Device = "auto",
    json: AsJson = False,
    csv: CsvFile = None,
) -> None:
    """How well a trained network answers.

    Accuracy with its 95 % interval, who is taken for whom, each class, and the time an image takes. The run folder
    counts how often its sealed test part was opened: a network that is chosen by what came out there was not tested.

    A folder of class folders with your own photos is brought to the geometry of the training images first: for MNIST,
    light on dark, a box of 20 pixels, centred. The pictures as the network saw them are kept in the run folder.

    A .tflite file in int8 is asked as the C that export makes of it, one in float32 in PyTorch; it needs a SOURCE.
    """
    from pennyweight.report.evaluation import class_rows, confusion_rows, opened_too_often, photo_rows
    from pennyweight.report.terminal import show_message, show_note

    found = _found(run, source, part, firmware, data_dir, device)
    if json:
        print_json(found.as_json())
    else:
        _show(found)
    for note in found.notes:
        show_note(note)
    if warning := opened_too_often(found):
        show_message(f"warning: {warning}")
    if csv is not None:
        from pennyweight.report.csv import write_tables

        write_tables(
            csv,
            photo_rows(found) or class_rows(found),
            confusion=confusion_rows(found),
            reliability=found.as_json()["reliability"],
        )
    if sheet := getattr(found, "contact_sheet", None):
        show_message(f"{'photos' if found.photos else 'the most confident mistakes'} as pictures: {sheet}")


def _found(
    run: Path, source: str | None, part: str | None, firmware: bool, data_dir: Path | None, device: str
) -> Evaluation | DeployedEvaluation:
    """The evaluation of whatever was named."""
    from pennyweight.deploy.deployable import is_tflite
    from pennyweight.report.progress import ImagesDisplay

    asked = cast(Literal["test", "validation", "train", "all"] | None, part)  # another is refused with a hint
    if is_tflite(run):
        from pennyweight.deploy.evaluate import evaluate_tflite

        if source is None:
            raise UsageError(
                "a .tflite file has no images of its own: name some", hint=command("evaluate", run, "SOURCE")
            )
        with ImagesDisplay() as display:
            return evaluate_tflite(run, source, part=asked, data_dir=data_dir, device=device, on_progress=display)
    if firmware:
        from pennyweight.deploy.evaluate import evaluate_firmware

        with ImagesDisplay() as display:
            return evaluate_firmware(run, source, part=asked, data_dir=data_dir, device=device, on_progress=display)
    from pennyweight.fit.evaluate import evaluate as evaluate_run

    return evaluate_run(run, source, part=asked, data_dir=data_dir, device=device)


def _show(found: Evaluation | DeployedEvaluation) -> None:
    from pennyweight.fit.evaluate import Evaluation
    from pennyweight.report.evaluation import deployed_report, evaluation_report
    from pennyweight.report.terminal import output

    console = output()
    colourful = console.color_system in ("256", "truecolor") and console.encoding.startswith("utf")
    if isinstance(found, Evaluation):
        console.print(evaluation_report(found, console.width, pictures=colourful))
    else:
        console.print(deployed_report(found, console.width, pictures=colourful))
