"""`pennyweight evaluate RUN`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from pennyweight.cli.options import AsJson, DataDir, Device
from pennyweight.cli.output import print_json


def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished training.", show_default=False)],
    source: Annotated[
        str | None, typer.Argument(metavar="[SOURCE]", help="Other images than those of the run's own source.")
    ] = None,
    part: Annotated[
        str,
        typer.Option("--part", metavar="PART", help="One of test, validation, train; all, for another SOURCE."),
    ] = "test",
    data_dir: DataDir = None,
    device: Device = "auto",
    json: AsJson = False,
) -> None:
    """How well a trained network answers.

    Accuracy with its 95 % interval, and who is taken for whom. The run folder counts how often its sealed test part
    was opened: a network that is chosen by what came out there was not tested.
    """
    from pennyweight.fit.evaluate import evaluate as evaluate_run
    from pennyweight.report.evaluation import opened_too_often

    found = evaluate_run(
        run,
        source,
        part=cast(Literal["test", "validation", "train", "all"], part),  # another is refused with a hint
        data_dir=data_dir,
        device=device,
    )
    from pennyweight.report.terminal import output, show_message

    if json:
        print_json(found.as_json())
    else:
        from pennyweight.report.evaluation import evaluation_report

        console = output()
        console.print(evaluation_report(found, console.width))
    if warning := opened_too_often(found):
        show_message(f"warning: {warning}")
