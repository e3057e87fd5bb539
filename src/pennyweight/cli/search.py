"""`pennyweight search SOURCE`"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from pennyweight.cli.options import AsJson, CsvFile, DataDir, Device, Input, Source
from pennyweight.cli.output import print_json
from pennyweight.core.errors import UsageError

Quantity = TypeVar("Quantity", int, float)


def search(
    source: Source,
    board: Annotated[
        str | None,
        typer.Option("--board", metavar="BOARD", help="Its flash and RAM are limits (see pennyweight boards)."),
    ] = None,
    flash: Annotated[str | None, typer.Option("--flash", metavar="SIZE", help="Most flash, such as 64KiB.")] = None,
    ram: Annotated[str | None, typer.Option("--ram", metavar="SIZE", help="Most RAM, such as 16KiB.")] = None,
    macs: Annotated[
        str | None, typer.Option("--macs", metavar="COUNT", help="Most multiply-accumulates, such as 2M.")
    ] = None,
    parameters: Annotated[
        str | None, typer.Option("--parameters", metavar="COUNT", help="Most parameters, such as 50k.")
    ] = None,
    latency: Annotated[
        str | None,
        typer.Option("--latency", metavar="TIME", help="Longest time of one image on --board, such as 50ms."),
    ] = None,
    price: Annotated[
        str | None, typer.Option("--price", metavar="USD", help="Highest price of --board, such as 1usd.")
    ] = None,
    minutes: Annotated[
        str | None, typer.Option("--minutes", metavar="TIME", help="How long to search: 3, 90s, 1h30m; else 5 minutes.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="Where the runs go; else a new one under runs/.")
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", metavar="NUMBER", help="What the draw and the trainings follow from.", min=0)
    ] = 0,
    input: Input = None,
    data_dir: DataDir = None,
    device: Device = "auto",
    csv: CsvFile = None,
    json: AsJson = False,
) -> None:
    """The most accurate network that a budget allows.

    Only networks that are known to fit are trained: each shortly, the best fully. Out come the winner, the front
    (what no other network beats on every axis), all that was tried, and a report to open in a browser.
    """
    from pennyweight.core import units
    from pennyweight.core.board import find_board
    from pennyweight.core.budget import Budget

    if board is None and (latency is not None or price is not None):
        raise UsageError("--latency and --price are those of a board", hint="add --board (see pennyweight boards)")
    chosen = find_board(board) if board is not None else None
    budget = Budget.of(
        chosen,
        flash_bytes=_limit(units.parse_bytes, flash, "--flash"),
        ram_bytes=_limit(units.parse_bytes, ram, "--ram"),
        macs=_limit(units.parse_count, macs, "--macs"),
        parameters=_limit(units.parse_count, parameters, "--parameters"),
        latency_ms=_limit(units.parse_milliseconds, latency, "--latency"),
        price_usd=_limit(units.parse_price, price, "--price"),
        minutes=_limit(units.parse_minutes, minutes, "--minutes"),
    )
    input_shape = units.parse_shape(input, "--input") if input is not None else None

    from pennyweight.plan.search import search as search_networks
    from pennyweight.report.progress import SearchDisplay
    from pennyweight.report.terminal import output, show_message

    try:
        with SearchDisplay() as display:
            found = search_networks(
                source,
                budget,
                board=chosen,
                out=out,
                seed=seed,
                input_shape=input_shape,
                data_dir=data_dir,
                device=device,
                on_download=display.download,
                on_progress=display,
            )
    except KeyboardInterrupt:
        run = display.last_run
        show_message(
            f"interrupted; each trial is a whole run in {run.parent}: pennyweight evaluate {run}"
            if run
            else "interrupted"
        )
        raise typer.Exit(130) from None
    from pennyweight.report.html.page import write_report

    if json:
        print_json(found.as_json())
    else:
        from pennyweight.report.search import search_report

        console = output()
        console.print(search_report(found, console.width))
    if csv is not None:
        from pennyweight.report.csv import write_csv

        write_csv(csv, [entry.as_json() for entry in found.trials])
    show_message(f"report: {write_report([found.winner.run.parent])}")


def _limit(read: Callable[[str, str], Quantity], text: str | None, option: str) -> Quantity | None:
    return None if text is None else read(text, option)
