"""`pennyweight report PATH…`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pennyweight.cli.options import AsJson
from pennyweight.cli.output import print_json


def report(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH…", help="Folders of trainings or searches.", show_default=False),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The file; else report.html in the first folder.")
    ] = None,
    json: AsJson = False,
) -> None:
    """One HTML file to look at, to keep and to send.

    It holds all that it shows and opens without a network: what was possible, the curves, who is taken for whom, the
    worst mistakes, where MACs and memory go, and how it was made. Images and the sealed test part stay closed.
    """
    from pennyweight.report.html.page import write_report
    from pennyweight.report.terminal import output, show_message

    warnings: list[str] = []
    written = write_report(paths, out, on_warning=warnings.append)
    if json:
        print_json({"report": str(written), "report_bytes": written.stat().st_size, "warnings": warnings})
    else:
        from pennyweight.core.text import visible

        output().print(visible(written), soft_wrap=True)
    for warning in warnings:
        show_message(f"warning: {warning}")
