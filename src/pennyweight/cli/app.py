"""The command: its verbs in the order of work, and its help page."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

import pennyweight
from pennyweight.cli import boards, data, evaluate, networks, profile, search, train
from pennyweight.core.errors import unknown

VERBS = (
    data.data,
    networks.networks,
    boards.boards,
    profile.profile,
    train.train,
    evaluate.evaluate,
    search.search,
)

CLASSES: dict[Any, type[TyperCommand]] = {train.train: train.TrainCommand}

EXAMPLE = """\
pennyweight profile resnet8 --board microbit-v2
pennyweight train digits mlp --set epochs=10
pennyweight search digits --flash 64KiB --ram 16KiB --minutes 2"""


class Verbs(TyperGroup):
    """The group of all verbs."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page: what it is for, the verbs, an example, the options."""
        formatter.write_usage(ctx.command_path, "VERB …")
        self.format_help_text(ctx, formatter)
        rows = []
        for name, verb in self.commands.items():
            words = [name, *(str(param.metavar) for param in verb.params if param.param_type_name == "argument")]
            rows.append((" ".join(words), verb.get_short_help_str(100)))
        with formatter.section("Verbs, in the order of work"):
            formatter.write_dl(rows)
        with formatter.section("Example"):
            for line in EXAMPLE.splitlines():
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")
        with formatter.section("Options"):
            options = (param.get_help_record(ctx) for param in self.get_params(ctx))
            formatter.write_dl([record for record in options if record])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The verb that the first word names. Raises our UsageError with the nearest verbs where there is none."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            raise unknown("verb", args[0], self.commands)
        return super().resolve_command(ctx, args)


def command() -> Any:
    """The whole command line as one object, which `main(arguments)` runs."""
    app = typer.Typer(
        cls=Verbs,
        add_completion=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(_pennyweight)
    for verb in VERBS:
        app.command(cls=CLASSES.get(verb))(verb)
    return get_command(app)


def _pennyweight(
    version: Annotated[bool, typer.Option("--version", help="print the version", is_eager=True)] = False,
) -> None:
    """Give it labelled images and a budget. It answers with the most accurate network that fits, and with the price
    of every trade that was possible.

    Every verb has --help, and --json for programs.
    """
    if version:
        typer.echo(pennyweight.__version__)
        raise typer.Exit
