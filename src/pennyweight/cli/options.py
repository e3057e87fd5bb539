"""The arguments and options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="print one JSON object on stdout and nothing else")]

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="FOLDER",
        help="where the named sets lie; else PENNYWEIGHT_DATA, else the user's cache",
    ),
]

Device = Annotated[str, typer.Option("--device", metavar="DEVICE", help="auto, cpu, cuda or mps")]

Input = Annotated[
    str | None, typer.Option("--input", metavar="HxWxC", help="bring every image to this shape, such as 32x32x3")
]

Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="digits, mnist, fashion-mnist, cifar10, svhn, cats-vs-dogs, a folder of class folders, an .npz, "
        "or hf:owner/name",
        show_default=False,
    ),
]
