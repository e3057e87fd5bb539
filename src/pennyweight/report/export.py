"""How `pennyweight export` looks."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from pennyweight.core.text import visible
from pennyweight.core.units import counted, format_bytes
from pennyweight.net.ops import describe
from pennyweight.report.terminal import bullets, facts

if TYPE_CHECKING:
    from pennyweight.deploy.export.export import Exported, Project
    from pennyweight.shrink.quantize.quantize import Quantized

FORMS = {"c": "C99", "tflite": "TensorFlow Lite", "onnx": "ONNX"}


def export_report(exported: Exported) -> RenderableType:
    """What was written and where, what it takes, and how it is used."""
    project = exported.project
    figures: dict[str, str | Text] = {"written": Text(visible(exported.path), style="bold")}
    if project is None:
        figures["as"] = f"{FORMS[exported.form]}, {format_bytes(exported.written_bytes)}"
    else:
        kind = "an Arduino library" if project.arduino else FORMS[exported.form]
        figures["as"] = f"{kind}, {counted(len(project.files), 'file')}"
    figures["network"] = f"{visible(exported.network)}, {format_bytes(exported.weight_bytes)} of weights"
    if exported.quantized is not None:
        figures["int8"] = _quantized(exported.quantized)
    if project is None:
        figures |= _file(exported)
        return facts(figures)
    figures |= {
        "flash": f"{format_bytes(project.constants_bytes)} of constants, and the program",
        "RAM": f"{format_bytes(project.arena_bytes)}, and the stack",
        "input": f"{describe(exported.input_shape)} (height, width, channels), a byte each, 0 to 255",
        "example": f"{visible(project.image)}; it checks its own answer",
        "to build it": _way(exported, project),
    }
    return Group(facts(figures), Text(), Text("What your program calls"), bullets(project.calls))


def _quantized(quantized: Quantized) -> str:
    drop = quantized.drop_points
    lost = f"loses {drop:.2f} points" if drop >= 0 else f"gains {-drop:.2f} points"
    return (
        f"was not quantised, so that was done first: {quantized.int8_accuracy} on the {quantized.part} part, "
        f"{lost} against float"
    )


def _file(exported: Exported) -> dict[str, str]:
    shape = ", ".join(map(str, exported.input_shape))
    classes = len(exported.class_names)
    names = f"normalisation and {counted(classes, 'class name')}" if classes else "normalisation"
    if exported.form == "onnx":
        return {
            "input": f"image: uint8 (count, {shape}), pixels from 0 to 255; the normalisation is inside",
            "output": "float32 (count, classes)",
            "metadata": names,
        }
    return {"input": f"int8 (1, {shape}), quantised after the normalisation", "metadata": names}


def _way(exported: Exported, project: Project) -> str:
    folder = visible(shlex.quote(str(exported.path)))
    if project.arduino:
        return f"put {folder} into the folder libraries of the Arduino IDE, and open an example of {project.name}"
    return f"make -C {folder} && {visible(shlex.quote(str(exported.path / project.name)))}"
