"""The help pages: that of the command, and that of each verb; and what a shell completes on them."""

from __future__ import annotations

import shutil
import textwrap
from typing import Any

from typer.core import TyperCommand, TyperGroup

from pennyweight.cli.completion import offers
from pennyweight.core.errors import unknown

LOOK, TRAIN, JUDGE, CHOOSE, SHIP, KEEP = "Look", "Train", "Judge", "Choose", "Ship", "Keep house"
"""The groups of verbs, in the order of work."""

EXAMPLE = """\
pennyweight data digits
pennyweight profile resnet8 --board microbit-v2
pennyweight train digits mlp --set epochs=10
pennyweight evaluate runs/digits-mlp-1
pennyweight search digits --flash 64KiB --ram 16KiB --minutes 2
pennyweight export runs/digits-mlp-1 --to c"""

WIDEST, NARROW, NARROWEST = 100, 60, 40
"""Cells that a page takes at most and at least; below the second, the page of verbs leaves their arguments out."""


class _Page:
    """A command whose page fits into the terminal, and into what stdout can write."""

    def get_help(self, ctx: Any) -> str:
        """The page."""
        from pennyweight.report.terminal import printable

        cells = shutil.get_terminal_size().columns
        ctx.terminal_width = max(min(cells, WIDEST), NARROWEST) - 2
        return printable(super().get_help(ctx))  # type: ignore[misc]


class Verb(_Page, TyperCommand):
    """A verb, whose usage line names its arguments as the page of the command does."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for param in self.params:
            param.shell_complete = _completing(param)  # type: ignore[method-assign]

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        """Write the usage line."""
        formatter.write_usage(ctx.command_path, " ".join([*argument_names(self), "[OPTIONS]"]))


class Verbs(_Page, TyperGroup):
    """The group of all verbs."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page: what it is for, an example, the verbs in their groups, the options."""
        formatter.write_usage(ctx.command_path, "VERB …")
        self.format_help_text(ctx, formatter)
        with formatter.section("Example"):
            indent, cells = " " * formatter.current_indent, formatter.width - len(" \\")
            for example in EXAMPLE.splitlines():
                folded = textwrap.wrap(
                    example, cells, initial_indent=indent, subsequent_indent=indent + "    ", break_on_hyphens=False
                )
                formatter.write(" \\\n".join(folded) + "\n")
        groups: dict[str, list[tuple[str, str]]] = {}
        for name, verb in self.commands.items():
            arguments = argument_names(verb) if formatter.width >= NARROW else []
            line = " ".join([name, *arguments]), verb.get_short_help_str(WIDEST)
            groups.setdefault(str(getattr(verb, "rich_help_panel", "")), []).append(line)
        widest = max(len(title) for lines in groups.values() for title, _ in lines)
        for group, lines in groups.items():
            with formatter.section(group):
                formatter.write_dl([(name.ljust(widest), told) for name, told in lines])
        with formatter.section("Options"):
            options = (param.get_help_record(ctx) for param in self.get_params(ctx))
            formatter.write_dl([record for record in options if record])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The verb that the first word names. Raises our UsageError with the nearest verbs where there is none."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            raise unknown("verb", args[0], self.commands)
        return super().resolve_command(ctx, args)


def argument_names(verb: Any) -> list[str]:
    """What the page calls a verb's arguments, in order."""
    return [param.metavar for param in verb.params if param.param_type_name == "argument"]


def _completing(param: Any) -> Any:
    return lambda ctx, incomplete: offers(param.metavar or "", incomplete)
