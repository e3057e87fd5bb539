"""`pennyweight evaluate RUN`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from pennyweight.cli.options import AsJson, CsvFile, DataDir, Device
from pennyweight.cli.output import print_json


def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished training.", show_default=False)],
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
    """
    from pennyweight.fit.evaluate import evaluate as evaluate_run
    from pennyweight.report.evaluation import class_rows, confusion_rows, opened_too_often, photo_rows

    found = evaluate_run(
        run,
        source,
        part=cast(Literal["test", "validation", "train", "all"] | None, part),  # another is refused with a hint
        data_dir=data_dir,
        device=device,
    )
    from pennyweight.report.terminal import output, show_message, show_note

    if json:
        print_json(found.as_json())
    else:
        from pennyweight.report.evaluation import evaluation_report

        console = output()
        colourful = console.color_system in ("256", "truecolor") and console.encoding.startswith("utf")
        console.print(evaluation_report(found, console.width, pictures=colourful))
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
    if found.contact_sheet is not None:
        show_message(
            f"{'photos' if found.photos else 'the most confident mistakes'} as pictures: {found.contact_sheet}"
        )
