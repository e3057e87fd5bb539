"""How `pennyweight diagnose` looks, and the lines with which a training ends that is not healthy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from pennyweight.core.text import visible

if TYPE_CHECKING:
    from pennyweight.fit.curves import Finding
    from pennyweight.fit.diagnose import Diagnosis

STYLES = {"severe": "bold red", "moderate": "bold yellow", "mild": "bold cyan"}


def diagnosis_report(diagnosis: Diagnosis) -> RenderableType:
    """Healthy or not; each finding with its epoch, its evidence and what to try; what could not be judged."""
    parts: list[RenderableType] = []
    if diagnosis.healthy:
        parts.append(Text("healthy: nothing was found", style="bold green"))
    elif not diagnosis.findings:
        of = f" of {diagnosis.epochs_asked:,}" if diagnosis.epochs_asked else ""
        sofar = f"{diagnosis.epochs:,}{of} epochs, nothing found so far"
        parts.append(Text(sofar if diagnosis.epochs else "nothing can be said yet", style="bold yellow"))
    for finding in diagnosis.findings:
        if parts:
            parts.append(Text())
        parts.append(_title(finding))
        parts.append(Padding(Text(visible(finding.says)), (0, 0, 0, 2)))
        parts += [Padding(Text(f"try: {visible(advice)}"), (0, 0, 0, 2)) for advice in finding.advice]
    if diagnosis.notes:
        parts += [Text(), Text("Notes", style="bold")]
        parts += [Padding(Text(visible(note), style="dim"), (0, 0, 0, 2)) for note in diagnosis.notes]
    return Group(*parts, Text(), Text(visible(diagnosis.run), style="dim"))


def leading_finding(findings: Sequence[Finding]) -> RenderableType:
    """The first finding in two lines: what is wrong, and what to try first."""
    finding, *_ = findings
    lines = [Text.assemble(_title(finding), ": ", visible(finding.says))]
    if finding.advice:
        lines.append(Text(f"try: {visible(finding.advice[0])}"))
    return Group(*lines)


def _title(finding: Finding) -> Text:
    since = "" if finding.epoch is None else f", epoch {finding.epoch:,}"
    return Text.assemble((finding.disease, STYLES[finding.severity]), since)
