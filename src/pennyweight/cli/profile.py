"""`pennyweight profile NETWORK`"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, cast

import typer

from pennyweight.cli.options import AsJson, CsvFile
from pennyweight.cli.output import print_json

CLASSES_MAX = 100_000
"""More classes are a slip: nobody has a data set of so many."""


def profile(
    network: Annotated[
        str,
        typer.Argument(
            metavar="NETWORK",
            help="A family and its dials, such as mlp:hidden=80-60 (see pennyweight networks), or your own.",
            show_default=False,
        ),
    ],
    input: Annotated[str, typer.Option("--input", metavar="HxWxC", help="Shape of the images.")] = "32x32x3",
    classes: Annotated[
        int,
        typer.Option("--classes", metavar="COUNT", help="Classes to tell apart.", min=2, max=CLASSES_MAX),
    ] = 10,
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
    """
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
