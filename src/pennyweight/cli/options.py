"""The arguments and options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="FOLDER",
        help="Where the named sets lie; else PENNYWEIGHT_DATA, else the user's cache.",
    ),
]


def _writable(file: Path | None) -> Path | None:
    """The same file. Raises PennyweightError where it cannot be written, before any work is done for it."""
    if file is not None:
        from pennyweight.report.csv import check_writable

        check_writable(file)
    return file


CsvFile = Annotated[
    Path | None,
    typer.Option(
        "--csv",
        metavar="FILE",
        help="Write the tables as comma-separated values: the main one to FILE, others beside it.",
        callback=_writable,
    ),
]

Device = Annotated[str, typer.Option("--device", metavar="DEVICE", help="One of auto, cpu, cuda, mps.")]

Input = Annotated[
    str | None, typer.Option("--input", metavar="HxWxC", help="Bring every image to this shape, such as 32x32x3.")
]

Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="One of digits, mnist, fashion-mnist, cifar10, svhn, cats-vs-dogs, a folder of class folders, an .npz, "
        "or hf:owner/name.",
        show_default=False,
    ),
]
