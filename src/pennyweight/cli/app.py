"""The command: its verbs in the order of work."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer
from typer.main import get_command

import pennyweight
from pennyweight.cli.boards import boards
from pennyweight.cli.compare import compare
from pennyweight.cli.completion import join_bash_words
from pennyweight.cli.data import data
from pennyweight.cli.diagnose import diagnose
from pennyweight.cli.doctor import doctor
from pennyweight.cli.emulate import emulate
from pennyweight.cli.evaluate import evaluate
from pennyweight.cli.export import export
from pennyweight.cli.networks import networks
from pennyweight.cli.page import CHOOSE, JUDGE, KEEP, LOOK, SHIP, TRAIN, Verb, Verbs
from pennyweight.cli.profile import profile
from pennyweight.cli.quantize import quantize
from pennyweight.cli.report import report
from pennyweight.cli.search import search
from pennyweight.cli.train import TrainVerb, train


def command() -> Any:
    """The whole command line as one object, which `main(arguments)` runs."""
    if os.environ.get("_PENNYWEIGHT_COMPLETE") == "complete_bash":
        join_bash_words(os.environ)
    app = typer.Typer(cls=Verbs, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]})
    app.callback()(_pennyweight)
    app.command(cls=Verb, rich_help_panel=LOOK)(data)
    app.command(cls=Verb, rich_help_panel=LOOK)(networks)
    app.command(cls=Verb, rich_help_panel=LOOK)(boards)
    app.command(cls=Verb, rich_help_panel=LOOK)(profile)
    app.command(cls=TrainVerb, rich_help_panel=TRAIN)(train)
    app.command(cls=Verb, rich_help_panel=JUDGE)(evaluate)
    app.command(cls=Verb, rich_help_panel=JUDGE)(diagnose)
    app.command(cls=Verb, rich_help_panel=JUDGE)(compare)
    app.command(cls=Verb, rich_help_panel=CHOOSE)(search)
    app.command(cls=Verb, rich_help_panel=SHIP)(quantize)
    app.command(cls=Verb, rich_help_panel=SHIP)(export)
    app.command(cls=Verb, rich_help_panel=SHIP)(emulate)
    app.command(cls=Verb, rich_help_panel=KEEP)(report)
    app.command(cls=Verb, rich_help_panel=KEEP)(doctor)
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
