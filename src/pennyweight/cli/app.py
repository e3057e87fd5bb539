"""The command: its verbs in the order of work."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.main import get_command

import pennyweight
from pennyweight.cli.boards import boards
from pennyweight.cli.data import data
from pennyweight.cli.evaluate import evaluate
from pennyweight.cli.networks import networks
from pennyweight.cli.page import Verb, Verbs
from pennyweight.cli.profile import profile
from pennyweight.cli.search import search
from pennyweight.cli.train import TrainVerb, train


def command() -> Any:
    """The whole command line as one object, which `main(arguments)` runs."""
    app = typer.Typer(
        cls=Verbs,
        add_completion=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(_pennyweight)
    app.command(cls=Verb)(data)
    app.command(cls=Verb)(networks)
    app.command(cls=Verb)(boards)
    app.command(cls=Verb)(profile)
    app.command(cls=TrainVerb)(train)
    app.command(cls=Verb)(evaluate)
    app.command(cls=Verb)(search)
    return get_command(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(pennyweight.__version__)
        raise typer.Exit


def _pennyweight(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Give it labelled images and a budget. It answers with the most accurate network that fits, and with the price
    of every trade that was possible.

    Every verb has --help, and --json for programs.
    """
