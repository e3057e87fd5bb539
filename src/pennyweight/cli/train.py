"""`pennyweight train SOURCE NETWORK`, and `pennyweight train --resume RUN`"""

from __future__ import annotations

import time
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pennyweight.cli.options import AsJson, DataDir, Device, Input
from pennyweight.cli.output import print_json
from pennyweight.cli.page import Verb
from pennyweight.core.errors import UsageError
from pennyweight.fit.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pennyweight.fit.loop import Progress
    from pennyweight.fit.train import Training


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
    json: AsJson = False,
) -> None:
    """Train a network, or carry on a training.

    The recipe is a good one for the network and the images unless --recipe or --set change it. What comes out is a
    run folder: settings, curves, weights. Ctrl-C loses nothing: --resume goes on from the last whole epoch and ends
    in the same numbers.
    """
    if resume is not None and any((source, network, settings, recipe, out, input, device != "auto")):
        raise UsageError(
            "--resume carries on what was begun, with its own settings",
            hint=f"pennyweight train --resume {resume}, with --data-dir and --json where needed",
        )
    if resume is None and (source is None or network is None):
        raise UsageError("SOURCE and NETWORK are needed", hint="pennyweight train digits mlp")

    from pennyweight.report.progress import TrainingDisplay

    began = time.time()
    try:
        with TrainingDisplay() as display:
            if source is not None and network is not None:
                done = _train(source, network, settings or [], recipe, out, input, data_dir, device, display)
            elif resume is not None:
                done = _resume(resume, data_dir, display)
    except KeyboardInterrupt:
        from pennyweight.report.terminal import show_message

        run = resume or _begun_run(out, began)
        show_message(f"interrupted; to go on: pennyweight train --resume {run}" if run else "interrupted")
        raise typer.Exit(130) from None

    if json:
        print_json(done.as_json())
    else:
        from pennyweight.report.terminal import output, visible
        from pennyweight.report.training import next_command, training_report

        console = output()
        console.print(training_report(done))
        console.print(f"\nnext: {visible(next_command(done))}", soft_wrap=True)


def _train(
    source: str,
    network: str,
    settings: Sequence[str],
    recipe: Path | None,
    out: Path | None,
    input: str | None,
    data_dir: Path | None,
    device: str,
    on_progress: Callable[[Progress], None],
) -> Training:
    from pennyweight.core.units import parse_shape
    from pennyweight.data.source import open_source
    from pennyweight.fit.defaults import default_recipe
    from pennyweight.fit.train import train as train_network
    from pennyweight.net.network import open_network

    input_shape = parse_shape(input, "--input") if input is not None else None
    _changed(Recipe(), recipe, settings)  # a wrong setting is refused before the images are read
    images = open_source(source, data_dir=data_dir, input_shape=input_shape)
    graph, _ = open_network(network, images.input_shape, images.classes)
    return train_network(
        images,
        network,
        recipe=_changed(default_recipe(graph, images), recipe, settings),
        out=out,
        device=device,
        on_progress=on_progress,
    )


def _resume(folder: Path, data_dir: Path | None, on_progress: Callable[[Progress], None]) -> Training:
    from pennyweight.fit.train import resume

    return resume(folder, data_dir=data_dir, on_progress=on_progress)


def _changed(recipe: Recipe, file: Path | None, settings: Sequence[str]) -> Recipe:
    return (recipe.with_file(file) if file else recipe).with_settings(settings)


def _begun_run(out: Path | None, began: float) -> Path | None:
    """The folder of the run that was begun since: `out`, or the newest under runs/; None before its checkpoint."""
    from pennyweight.core.run import CHECKPOINT

    folders = [out] if out else list(Path("runs").glob("*"))
    written = {path: path.stat().st_mtime for folder in folders if (path := folder / CHECKPOINT).is_file()}
    newest = max(written, key=lambda path: written[path], default=None)
    return newest.parent if newest and written[newest] >= began else None


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
