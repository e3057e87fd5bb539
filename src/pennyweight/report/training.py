"""How the end of `pennyweight train` looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from pennyweight.core.text import command, visible
from pennyweight.core.units import format_minutes
from pennyweight.report.diagnosis import leading_finding
from pennyweight.report.terminal import facts

if TYPE_CHECKING:
    from pennyweight.fit.train import Training


def training_report(training: Training) -> RenderableType:
    """What was trained, and how well it does on the validation part."""
    validation = training.validation
    return facts(
        {
            "network": visible(training.network),
            "images": visible(training.source),
            "parameters": f"{training.parameters:,}",
            "validation": Text(str(validation), style="bold") if validation else "no images were held out",
            "epochs": f"{training.epochs:,} in {format_minutes(training.seconds / 60)}",
            "run": visible(training.run),
        }
    )


def training_verdict(training: Training) -> RenderableType | None:
    """What the curves show to be wrong, and what to try first, in two lines; None where they are healthy."""
    return leading_finding(findings) if (findings := training.findings) else None


def next_command(training: Training) -> str:
    """What to type next."""
    return command("evaluate", training.run)
