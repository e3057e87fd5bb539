"""The help pages: that of the command, and that of each verb."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

from pennyweight.core.errors import unknown

EXAMPLE = """\
pennyweight profile resnet8 --board microbit-v2
pennyweight train digits mlp --set epochs=10
pennyweight search digits --flash 64KiB --ram 16KiB --minutes 2"""


class Verb(TyperCommand):
    """A verb, whose usage line names its arguments as the page of the command does."""

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        """Write the usage line."""
        formatter.write_usage(ctx.command_path, " ".join([*argument_names(self), "[OPTIONS]"]))


class Verbs(TyperGroup):
    """The group of all verbs."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page: what it is for, the verbs, an example, the options."""
        formatter.write_usage(ctx.command_path, "VERB …")
        self.format_help_text(ctx, formatter)
        with formatter.section("Verbs, in the order of work"):
            formatter.write_dl(
                [
                    (" ".join([name, *argument_names(verb)]), verb.get_short_help_str(formatter.width))
                    for name, verb in self.commands.items()
                ]
            )
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


def argument_names(verb: Any) -> list[str]:
    """What the page calls a verb's arguments, in order."""
    return [param.metavar for param in verb.params if param.param_type_name == "argument"]
