"""`pennyweight search SOURCE`"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from pennyweight.cli.options import AsJson, CsvFile, DataDir, Device, Input
from pennyweight.cli.output import print_json
from pennyweight.core.errors import UsageError

if TYPE_CHECKING:
    from pennyweight.core.board import Board
    from pennyweight.core.budget import Budget
    from pennyweight.deploy.emulated import Emulated
    from pennyweight.shrink.quantize.quantize import Quantized

WITH_RESUME = (
    "resume", "minutes", "workers", "engine", "ray_address", "storage", "data_dir", "photos", "emulate", "csv", "json"
)  # fmt: skip
"""What may be told anew where a search is resumed; --minutes are then how much longer it may take."""

EMULATED_IMAGES = 100
"""So many images of the validation part go through the winner's firmware."""

Quantity = TypeVar("Quantity", int, float)


def search(
    context: typer.Context,
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="SOURCE",
            help="Images, as `pennyweight data` takes them: a set's name, a folder, an .npz, hf:owner/name.",
            show_default=False,
        ),
    ] = None,
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
        str | None,
        typer.Option(
            "--minutes",
            metavar="TIME",
            help="How long to search: 3, 90s, 1h30m; else as it sees fit. With --resume: so much longer.",
        ),
    ] = None,
    space: Annotated[
        str,
        typer.Option("--space", metavar="SPACE", help="What may be chosen: a space by name, or a TOML of yours."),
    ] = "default",
    show_space: Annotated[
        bool, typer.Option("--show-space", help="Print the space as TOML, to edit and give to --space.")
    ] = False,
    trade: Annotated[
        str, typer.Option("--trade", metavar="COSTS", help="Costs of the front: macs, flash, ram, parameters, latency.")
    ] = "macs,flash,ram",
    sampler: Annotated[
        str,
        typer.Option("--sampler", metavar="SAMPLER", help="One of front, tpe, nsga2; random and grid train plainly."),
    ] = "front",
    training: Annotated[
        str | None,
        typer.Option(
            "--training", metavar="TIME", help="Longest full training of a network, as far as it is foreseen."
        ),
    ] = None,
    networks: Annotated[
        int | None,
        typer.Option("--networks", metavar="COUNT", help="End after so many networks, whatever time it takes.", min=1),
    ] = None,
    rungs: Annotated[
        int,
        typer.Option(
            "--rungs",
            metavar="COUNT",
            help="Height of the ladder of short trainings; 1 has none, 0 asks the time.",
            min=0,
            max=5,
        ),
    ] = 0,
    workers: Annotated[
        int | None, typer.Option("--workers", metavar="COUNT", help="Trainings at a time on this machine.", min=1)
    ] = None,
    engine: Annotated[
        str, typer.Option("--engine", metavar="ENGINE", help="One of auto, here, processes, ray.")
    ] = "auto",
    ray_address: Annotated[
        str | None,
        typer.Option("--ray-address", metavar="ADDRESS", help="Of a running Ray cluster; else a local one."),
    ] = None,
    storage: Annotated[
        str, typer.Option("--storage", metavar="URL", help="Keep the trials in this Optuna storage, not in a file.")
    ] = "",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="Where the runs go; else a new one under runs/.")
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option("--resume", metavar="FOLDER", help="Go on with the search in this folder, --minutes longer."),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", metavar="NUMBER", help="What the draw and the trainings follow from.", min=0)
    ] = 0,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write event files of every training.")] = False,
    photos: Annotated[
        Path | None,
        typer.Option(
            "--photos",
            metavar="FOLDER",
            help="Photos of your own, in class folders: in the end each network is timed and answers them.",
        ),
    ] = None,
    emulate: Annotated[
        str | None,
        typer.Option(
            "--emulate",
            metavar="BOARD",
            help="In the end bring the winner to int8 and run its C on this virtual board (extra `boards`).",
        ),
    ] = None,
    input: Input = None,
    data_dir: DataDir = None,
    device: Device = "auto",
    csv: CsvFile = None,
    json: AsJson = False,
) -> None:
    """The most accurate network that a budget allows, and what else is possible.

    Only networks that are known to fit are trained: many shortly, the best fully. Out come the winner, the front
    (what no other network beats), all that was tried, and a report to open in a browser. Ctrl-C ends it with the best
    so far; killed, it goes on with --resume.
    """
    from pennyweight.core import units
    from pennyweight.core.board import find_board
    from pennyweight.core.budget import Budget
    from pennyweight.core.errors import DataError
    from pennyweight.core.text import command
    from pennyweight.plan.space import Space, space_text

    chosen_space = Space.named(space)
    if show_space:
        typer.echo(space_text(space).rstrip())
        return
    if source is None and resume is None:
        raise UsageError("name the images to search with, or a search to --resume", hint="pennyweight search mnist")
    if source is not None and resume is not None:
        raise UsageError("a search that goes on has its images: leave SOURCE or --resume out")
    if resume is not None:
        _refuse_beside_resume(context)
    if board is None and (latency is not None or price is not None):
        raise UsageError("--latency and --price are those of a board", hint="add --board (see pennyweight boards)")
    chosen = find_board(board) if board is not None else None
    virtual = find_board(emulate) if emulate is not None else None
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
    if photos is not None and not photos.is_dir():
        raise DataError(f"{photos} is no folder of photos", hint="give a folder that holds one folder a class")
    if chosen is not None:
        _refuse_a_dear_board(chosen, budget)
    if virtual is not None:
        _refuse_a_board_without_its_tools(virtual)

    from pennyweight.report.terminal import output, show_message

    if resume is not None:
        show_message(f"opening the search in {resume}")
    else:
        is_timed = not (budget.minutes is None and training is None and (networks or sampler == "grid"))
        show_message(f"opening {source}{', then measuring how fast this machine trains' * is_timed}")

    from pennyweight.fit.compare import compare
    from pennyweight.plan.search import resume_search
    from pennyweight.plan.search import search as search_networks
    from pennyweight.report.html.page import write_report
    from pennyweight.report.progress import SearchDisplay

    folder = resume

    def begin(path: Path, chosen: Sequence[str]) -> None:
        nonlocal folder
        folder = path
        display.planned = partial(_planned, path)
        for line in (f"search in {path}", *chosen):
            show_message(line)

    try:
        with SearchDisplay() as display:
            if resume is not None:
                found = resume_search(
                    resume,
                    workers=workers,
                    engine=engine,
                    ray_address=ray_address,
                    storage=storage,
                    minutes=budget.minutes,
                    data_dir=data_dir,
                    on_begin=begin,
                    on_progress=display,
                )
            else:
                assert source is not None
                found = search_networks(
                    source,
                    budget,
                    board=chosen,
                    space=chosen_space,
                    trade=tuple(word.strip() for word in trade.split(",") if word.strip()),
                    sampler=sampler,
                    points=networks,
                    training_minutes=_limit(units.parse_minutes, training, "--training"),
                    rungs=rungs,
                    workers=workers,
                    engine=engine,
                    ray_address=ray_address,
                    storage=storage,
                    out=out,
                    seed=seed,
                    input_shape=input_shape,
                    data_dir=data_dir,
                    device=device,
                    tensorboard=tensorboard,
                    on_download=display.download,
                    on_begin=begin,
                    on_progress=display,
                )
    except KeyboardInterrupt:
        goes_on = f"; {command('search', '--resume', folder)} goes on" if folder else ""
        show_message(f"interrupted{goes_on}")
        raise typer.Exit(130) from None

    table = [entry.as_json() for entry in (*found.trials, *found.unfinished)]
    told = found.as_json()
    compared = None
    if photos is not None:
        runs = [entry.run for entry in found.trials if entry.trial.purpose != "repeat"]
        place = count()
        with SearchDisplay() as looking:
            compared = compare(
                runs,
                photos=photos,
                data_dir=data_dir,
                device=device,
                on_progress=lambda _: looking.look(f"timing, and answering {photos}", next(place), len(runs)),
            )
        told["compared"] = compared.as_json()
        figures = {str(run.run): run.as_json() for run in compared.runs}
        table = [figures.get(row["run"], {}) | row for row in table]
    if not json:
        from pennyweight.report.search import search_report

        console = output()
        console.print(search_report(found, console.width, compared))
        console.print()
    emulated = None
    if virtual is not None:
        from pennyweight.report.emulation import winner_report

        show_message(f"bringing the winner to int8, and running it on {virtual.name}")
        quantized, emulated = _on_a_virtual_board(found.winner.run, virtual, data_dir, device)
        told |= {"quantized": quantized.as_json(), "emulated": emulated.as_json()}
        if not json:
            console.print(winner_report(quantized, emulated))
            console.print()
    if json:
        print_json(told)
    else:
        from pennyweight.report.search import next_commands

        for line in next_commands(found):
            console.print(line, soft_wrap=True)
        if emulated is not None:
            console.print(f"its C: {command('export', found.winner.run, '--to', 'c')}", soft_wrap=True)
    if csv is not None:
        from pennyweight.report.csv import write_csv

        write_csv(csv, table)
    show_message(f"report: {write_report([found.winner.run.parent])}")
    if emulated is not None and not emulated.agrees:
        raise typer.Exit(1)


def _planned(folder: Path) -> int | None:
    """How many networks the search in `folder` will try; None where time decides, or before a training has begun."""
    from pennyweight.core.board import find_board
    from pennyweight.core.run import SETTINGS, Run
    from pennyweight.core.search_folder import search_facts
    from pennyweight.plan.candidates import Candidates
    from pennyweight.plan.plan import Plan
    from pennyweight.plan.space import Space

    facts = search_facts(folder)
    plan = Plan.from_json(facts["plan"])
    if plan.sampler != "grid":
        return plan.points
    run = next((trial for trial in folder.glob("trial-*") if (trial / SETTINGS).is_file()), None)
    if run is None:
        return None
    space, classes = Space.from_toml(plan.space), len(Run.open(run).read(SETTINGS)["class_names"])
    height, width, channels = facts["input_shape"]
    board = find_board(plan.board) if plan.board else None
    priced = Candidates(space, (height, width, channels), classes, plan.budget, board)
    fitting = sum(priced.fitting(point) is not None for point in space.grid())
    return fitting if plan.points is None else min(fitting, plan.points)


def _refuse_a_dear_board(board: Board, budget: Budget) -> None:
    """Raises BudgetError where the board itself costs more than is allowed, or nobody knows its price."""
    from pennyweight.core.board import boards
    from pennyweight.core.budget import Budget
    from pennyweight.core.errors import BudgetError
    from pennyweight.core.units import format_price

    if budget.price_usd is None:
        return
    allowed = Budget(price_usd=budget.price_usd)
    if not allowed.excesses({"price_usd": board.price_usd}):
        return
    price = (
        f"costs {format_price(board.price_usd)} a {board.price_kind}"
        if board.price_usd is not None
        else "has no known price"
    )
    within = [each.key for each in boards().values() if not allowed.excesses({"price_usd": each.price_usd})]
    hint = f"within that price: {', '.join(within)}" if within else "pennyweight boards tells every price"
    raise BudgetError(f"{board.key} {price}, and {format_price(budget.price_usd)} is allowed", hint=hint)


def _refuse_a_board_without_its_tools(board: Board) -> None:
    """Raises before the search what would be raised after it: MissingExtraError, or UsageError for the board's core."""
    from pennyweight.core.errors import MissingExtraError
    from pennyweight.deploy.toolchain.compiler import zig
    from pennyweight.deploy.toolchain.target import find_target

    find_target(board.core)
    zig()
    if find_spec("unicorn") is None:
        raise MissingExtraError("emulating boards", "boards")


def _on_a_virtual_board(run: Path, board: Board, data_dir: Path | None, device: str) -> tuple[Quantized, Emulated]:
    """What int8 costs the winner, and what its firmware does on a board."""
    from pennyweight.deploy.emulated import emulate
    from pennyweight.report.progress import ImagesDisplay, TrainingDisplay
    from pennyweight.shrink.quantize.quantize import quantize

    with TrainingDisplay() as display:
        quantized = quantize(run, data_dir=data_dir, device=device, on_progress=display)
    with ImagesDisplay() as images:
        return quantized, emulate(run, board, images=EMULATED_IMAGES, data_dir=data_dir, on_progress=images)


def _refuse_beside_resume(context: typer.Context) -> None:
    """Raises UsageError for options that only a new search has."""
    given = [name for name in context.params if str(context.get_parameter_source(name)).endswith("COMMANDLINE")]
    strange = [f"--{name.replace('_', '-')}" for name in given if name not in WITH_RESUME]
    if strange:
        raise UsageError(
            f"{' and '.join(strange)} cannot change a search that was begun",
            hint="leave them out, or begin a search in another --out",
        )


def _limit(read: Callable[[str, str], Quantity], text: str | None, option: str) -> Quantity | None:
    return None if text is None else read(text, option)
