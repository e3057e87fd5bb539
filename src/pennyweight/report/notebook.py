"""Results as HTML for a notebook: what the terminal shows, with its colours."""

from __future__ import annotations

import io
from importlib import import_module
from inspect import signature
from typing import Any

from rich.console import Console

WIDTH = 120
"""Cells of a line; the notebook scrolls sideways where it is narrower."""

REPORTS = {
    "Audit": "audit.audit_report",
    "Profile": "profile.profile_report",
    "Training": "training.training_report",
    "Evaluation": "evaluation.evaluation_report",
    "DeployedEvaluation": "evaluation.deployed_report",
    "Exported": "export.export_report",
    "Analysis": "analysis.analysis_report",
    "Emulated": "emulation.emulation_report",
    "Search": "search.search_report",
    "Checkup": "doctor.doctor_report",
    "Comparison": "comparison.comparison_report",
    "Diagnosis": "diagnosis.diagnosis_report",
    "Quantized": "quantization.quantization_report",
}
"""The function of this room that draws each kind of result, loaded when it is asked for."""

FRAME = '<pre style="overflow-x:auto;line-height:1.25;font-family:ui-monospace,Menlo,Consolas,monospace">{code}</pre>'


def html(result: object) -> str:
    """A result as one `<pre>` with its colours as styles; what users named is escaped."""
    module, name = REPORTS[type(result).__name__].split(".")
    draw: Any = getattr(import_module(f"pennyweight.report.{module}"), name)
    console = Console(
        record=True, width=WIDTH, file=io.StringIO(), force_jupyter=False, highlight=False, markup=False, emoji=False
    )
    room = {"width": WIDTH} if "width" in signature(draw).parameters else {}
    console.print(draw(result, **room))
    return console.export_html(inline_styles=True, code_format=FRAME)
