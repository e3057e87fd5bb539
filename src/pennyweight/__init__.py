"""Pennyweight: the most accurate image classifier that fits.

Every verb of the command line is a function here (`audit` for data, `write_report` for report, `families` for networks,
the others by their names); what `evaluate` and `quantize` do with firmware and with files are `evaluate_firmware`,
`evaluate_tflite` and `quantize_tflite`. Names are loaded when they are first asked for, so that `import pennyweight`
costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pennyweight.core.version import VERSION as __version__

_PLACES = {
    "Board": "core.board",
    "boards": "core.board",
    "Budget": "core.budget",
    "PennyweightError": "core.errors",
    "Run": "core.run",
    "LabelledImages": "data.images",
    "Part": "data.images",
    "analyse": "deploy.analysis",
    "audit": "data.audit",
    "compare": "fit.compare",
    "open_source": "data.source",
    "Graph": "net.graph",
    "build_network": "net.zoo",
    "families": "net.zoo",
    "open_network": "net.network",
    "profile": "net.profile",
    "to_module": "net.module",
    "Recipe": "fit.recipe",
    "diagnose": "fit.diagnose",
    "doctor": "fit.doctor",
    "emulate": "deploy.emulated",
    "evaluate": "fit.evaluate",
    "evaluate_firmware": "deploy.evaluate",
    "evaluate_tflite": "deploy.evaluate",
    "export": "deploy.export.export",
    "resume": "fit.train",
    "train": "fit.train",
    "quantize": "shrink.quantize.quantize",
    "quantize_tflite": "deploy.quantize",
    "resume_search": "plan.search",
    "search": "plan.search",
    "Space": "plan.space",
    "write_report": "report.html.page",
}

__all__ = ["__version__", *sorted(_PLACES)]

if TYPE_CHECKING:
    from pennyweight.core.board import Board as Board
    from pennyweight.core.board import boards as boards
    from pennyweight.core.budget import Budget as Budget
    from pennyweight.core.errors import PennyweightError as PennyweightError
    from pennyweight.core.run import Run as Run
    from pennyweight.data.audit import audit as audit
    from pennyweight.data.images import LabelledImages as LabelledImages
    from pennyweight.data.images import Part as Part
    from pennyweight.data.source import open_source as open_source
    from pennyweight.deploy.analysis import analyse as analyse
    from pennyweight.deploy.emulated import emulate as emulate
    from pennyweight.deploy.evaluate import evaluate_firmware as evaluate_firmware
    from pennyweight.deploy.evaluate import evaluate_tflite as evaluate_tflite
    from pennyweight.deploy.export.export import export as export
    from pennyweight.deploy.quantize import quantize_tflite as quantize_tflite
    from pennyweight.fit.compare import compare as compare
    from pennyweight.fit.diagnose import diagnose as diagnose
    from pennyweight.fit.doctor import doctor as doctor
    from pennyweight.fit.evaluate import evaluate as evaluate
    from pennyweight.fit.recipe import Recipe as Recipe
    from pennyweight.fit.train import resume as resume
    from pennyweight.fit.train import train as train
    from pennyweight.net.graph import Graph as Graph
    from pennyweight.net.module import to_module as to_module
    from pennyweight.net.network import open_network as open_network
    from pennyweight.net.profile import profile as profile
    from pennyweight.net.zoo import build_network as build_network
    from pennyweight.net.zoo import families as families
    from pennyweight.plan.search import resume_search as resume_search
    from pennyweight.plan.search import search as search
    from pennyweight.plan.space import Space as Space
    from pennyweight.report.html.page import write_report as write_report
    from pennyweight.shrink.quantize.quantize import quantize as quantize


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'pennyweight' has no attribute {name!r}")
    return getattr(import_module(f"pennyweight.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
