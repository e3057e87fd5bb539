"""`pennyweight export RUN --to FORM`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from pennyweight.cli.options import AsJson, DataDir, Device
from pennyweight.cli.output import print_json


def export(
    network: Annotated[
        Path,
        typer.Argument(
            metavar="RUN|FILE.tflite",
            help="The folder of a finished training, or a .tflite file in int8.",
            show_default=False,
        ),
    ],
    to: Annotated[str, typer.Option("--to", metavar="FORM", help="One of c, tflite, onnx.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="PATH", help="The folder or file; else one of that NAME in the current folder."),
    ] = None,
    arduino: Annotated[bool, typer.Option("--arduino", help="The C as an Arduino library.")] = False,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="What C calls the network.")] = "model",
    data_dir: DataDir = None,
    device: Device = "auto",
    json: AsJson = False,
) -> None:
    """A trained network as C for a firmware project, or as a file for another runtime.

    C99 without heap, operating system or library: the network, the kernels that it needs, an example that checks its
    own answer to one image, a Makefile and a CMakeLists.txt. A .tflite file computes the same bytes in TensorFlow Lite
    Micro. ONNX is in the form QuantizeLinear/DequantizeLinear. A training that is not quantised is quantised first.
    """
    from pennyweight.deploy.export.export import Form
    from pennyweight.deploy.export.export import export as export_network
    from pennyweight.report.progress import TrainingDisplay
    from pennyweight.report.terminal import show, show_note

    with TrainingDisplay() as display:
        found = export_network(
            network,
            cast(Form, to),  # another is refused with a hint
            out=out,
            arduino=arduino,
            name=name,
            data_dir=data_dir,
            device=device,
            on_progress=display,
        )
    if json:
        print_json(found.as_json())
    else:
        from pennyweight.report.export import export_report

        show(export_report(found))
    for note in found.notes:
        show_note(note)
