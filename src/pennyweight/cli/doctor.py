"""`pennyweight doctor`"""

from __future__ import annotations

import typer

from pennyweight.cli.options import AsJson, DataDir
from pennyweight.cli.output import print_json


def doctor(data_dir: DataDir = None, json: AsJson = False) -> None:
    """What this machine has and what works, and why a GPU is not used.

    Devices (each takes one small training step), threads, memory, disk, extras, tools, data sets. The exit code is 1
    where something that is needed is broken.
    """
    from pennyweight.fit.doctor import doctor as examine

    found = examine(data_dir=data_dir)
    if json:
        print_json(found.as_json())
    else:
        from pennyweight.report.doctor import doctor_report
        from pennyweight.report.terminal import show

        show(doctor_report(found))
    if found.broken:
        raise typer.Exit(1)
