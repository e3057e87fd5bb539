"""`pennyweight train SOURCE NETWORK`, and `pennyweight train --resume RUN`"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from pennyweight.cli.options import AsJson, CsvFile, DataDir, Device, Input
from pennyweight.cli.output import print_json
from pennyweight.cli.page import Verb
from pennyweight.core.errors import UsageError
from pennyweight.core.text import command
from pennyweight.fit.recipe import Recipe


class TrainVerb(Verb):
    """The verb, whose help ends with every setting of a recipe."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the settings, each with its limits."""
        with formatter.section("Settings of a recipe (--set NAME=VALUE)"):
            formatter.write_dl([(setting.name, _describe(setting)) for setting in fields(Recipe)])


def train(
    source: Annotated[
        str | None, typer.Argument(metavar="SOURCE", help="The images (see pennyweight data --help).")
    ] = None,
    network: Annotated[
        str | None, typer.Argument(metavar="NETWORK", help="What to train (see pennyweight networks).")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Change one setting of the recipe; may be repeated."),
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option("--recipe", metavar="FILE", help="A TOML file of settings; --set goes before it.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="The run folder; else a new one under runs/.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option("--resume", metavar="RUN", help="Carry on an interrupted training to its end.")
    ] = None,
    input: Input = None,
    data_dir: DataDir = None,
    device: Device = "auto",
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write TensorBoard's event files into the run folder too.")
    ] = False,
    csv: CsvFile = None,
    json: AsJson = False,
) -> None:
    """Train a network, or carry on a training.

    The recipe is a good one for the network and the images unless --recipe or --set change it. What comes out is a
    run folder: settings, curves, weights. Ctrl-C loses nothing: --resume goes on from the last whole epoch and ends
    in the same numbers.
    """
    if resume is not None and any((source, network, settings, recipe, out, input, device != "auto")):
        way = command("train", "--resume", resume)
        raise UsageError(
            "--resume carries on what was begun, with its own settings",
            hint=f"{way}, with --data-dir, --tensorboard, --csv and --json where needed",
        )
    if resume is None and (source is None or network is None):
        raise UsageError("SOURCE and NETWORK are needed", hint="pennyweight train digits mlp")

    from pennyweight.core.units import parse_shape

    input_shape = parse_shape(input, "--input") if input is not None else None

    from pennyweight.fit.train import resume as resume_training
    from pennyweight.fit.train import train as train_network
    from pennyweight.report.progress import TrainingDisplay

    begun = [resume] if resume is not None else []
    try:
        with TrainingDisplay() as display:
            if source is not None and network is not None:
                done = train_network(
                    source,
                    network,
                    recipe_file=recipe,
                    settings=settings or (),
                    input_shape=input_shape,
                    data_dir=data_dir,
                    out=out,
                    device=device,
                    tensorboard=tensorboard,
                    on_begin=begun.append,
                    on_download=display.download,
                    on_progress=display,
                )
            elif resume is not None:
                done = resume_training(resume, data_dir=data_dir, tensorboard=tensorboard, on_progress=display)
    except KeyboardInterrupt:
        from pennyweight.report.terminal import show_message

        way_on = f"; to go on: {command('train', '--resume', begun[0])}" if begun else ""
        show_message(f"interrupted{way_on}")
        raise typer.Exit(130) from None

    if json:
        print_json(done.as_json())
    else:
        from pennyweight.report.terminal import output
        from pennyweight.report.training import next_command, training_report, training_verdict

        console = output()
        console.print(training_report(done))
        if verdict := training_verdict(done):
            console.print("", verdict)
        console.print(f"\nnext: {next_command(done)}", soft_wrap=True)
    if csv is not None:
        from pennyweight.report.csv import write_csv

        write_csv(csv, done.curves)


def _describe(setting: Any) -> str:
    limits, default = setting.metadata, setting.default
    if limits["choices"]:
        return f"{limits['help']}: {', '.join(limits['choices'])}"
    if isinstance(default, bool):
        return f"{limits['help']}: yes or no"
    if isinstance(default, str):
        return str(limits["help"])
    high = f"{limits['high']:,}" if limits["high"] != float("inf") else ""
    return f"{limits['help']} ({limits['low']:,} … {high})"
