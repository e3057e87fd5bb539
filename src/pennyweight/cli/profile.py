"""`pennyweight profile NETWORK`, and of what has weights the analyst's page"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from pennyweight.cli.options import AsJson, CsvFile
from pennyweight.cli.output import print_json

if TYPE_CHECKING:
    from pennyweight.net.graph import Graph

CLASSES_MAX = 100_000
"""More classes are a slip: nobody has a data set of so many."""

INPUT, CLASSES = "32x32x3", 10


def profile(
    network: Annotated[
        str,
        typer.Argument(
            metavar="NETWORK",
            help="A family and its dials, such as mlp:hidden=80-60 (see pennyweight networks), your own, a run, or a "
            ".tflite file.",
            show_default=False,
        ),
    ],
    input: Annotated[
        str | None, typer.Option("--input", metavar="HxWxC", help="Shape of the images.", show_default=INPUT)
    ] = None,
    classes: Annotated[
        int | None,
        typer.Option(
            "--classes",
            metavar="COUNT",
            help="Classes to tell apart.",
            min=2,
            max=CLASSES_MAX,
            show_default=str(CLASSES),
        ),
    ] = None,
    board: Annotated[
        str | None, typer.Option("--board", metavar="BOARD", help="Judge this board only (see pennyweight boards).")
    ] = None,
    bits: Annotated[int, typer.Option("--bits", metavar="8|32", help="8 for int8, 32 for float32.")] = 8,
    csv: CsvFile = None,
    json: AsJson = False,
) -> None:
    """What a network costs, and where it fits.

    Parameters, multiply-accumulates, bytes of weights and activations, a memory plan with every buffer's lifetime,
    and for each board whether the network fits, or what is in the way. ~ marks what is estimated.

    A quantised run or an int8 .tflite file has weights: with --board its firmware is compiled and runs on the virtual
    board. Then bytes and instructions are measured, by layer and by segment, and cycles estimated from them.
    """
    if not _is_model(network):
        _estimate(network, input or INPUT, classes or CLASSES, board, bits, csv, json)
        return
    from pennyweight.core.errors import UsageError
    from pennyweight.core.text import command
    from pennyweight.report.terminal import show_note

    if input is not None or classes is not None:
        raise UsageError(f"{network} has a shape and classes of its own", hint="leave out --input and --classes")
    if board is None:
        _estimate(_graph_of(Path(network)), INPUT, CLASSES, None, bits, csv, json)
        show_note(f"these are estimates; {command('profile', network, '--board')} BOARD measures them on its firmware")
    elif bits != 8:
        raise UsageError(f"{network} is in int8", hint="leave out --bits")
    else:
        _measure(network, board, csv, json)


def _is_model(text: str) -> bool:
    """Whether the text is the path of something with weights, a .tflite file or a run, and no network to be built."""
    from pennyweight.core.run import SETTINGS
    from pennyweight.net.zoo import families

    is_file = text.lower().endswith(".tflite")
    return text.partition(":")[0].strip() not in families() and (is_file or Path(text, SETTINGS).is_file())


def _graph_of(path: Path) -> Graph:
    """The graph of a .tflite file, in int8 or float32, or of a run, quantised or not."""
    from pennyweight.core.run import Run
    from pennyweight.deploy.deployable import is_tflite, read_tflite
    from pennyweight.deploy.tflite.read import read
    from pennyweight.fit.graph import graph_of

    return read(read_tflite(path), str(path)).graph if is_tflite(path) else graph_of(Run.open(path))


def _estimate(
    network: str | Graph, input: str, classes: int, board: str | None, bits: int, csv: Path | None, json: bool
) -> None:
    from pennyweight.core.units import parse_shape
    from pennyweight.net.memory import Bits
    from pennyweight.net.profile import profile as profile_network

    found = profile_network(
        network,
        input_shape=parse_shape(input, "--input"),
        classes=classes,
        board=board,
        bits=cast(Bits, bits),  # a number that is neither is refused with a hint
    )
    if json:
        print_json(found.as_json())
    else:
        from pennyweight.report.profile import profile_report
        from pennyweight.report.terminal import output

        console = output()
        console.print(profile_report(found, console.width))
    if csv is not None:
        from pennyweight.report.csv import write_tables

        boards = [{**fit, "excesses": "; ".join(fit["excesses"])} for fit in found.as_json()["fits"]]
        write_tables(csv, [asdict(layer) for layer in found.layers], boards=boards)


def _measure(model: str, board: str, csv: Path | None, json: bool) -> None:
    from pennyweight.deploy.analysis import analyse

    found = analyse(model, board)
    if json:
        print_json(found.as_json())
    else:
        from pennyweight.report.analysis import analysis_report
        from pennyweight.report.terminal import output

        console = output()
        console.print(analysis_report(found, console.width))
    if csv is not None:
        from pennyweight.report.csv import write_tables

        write_tables(csv, found.rows(), segments=found.segments())
