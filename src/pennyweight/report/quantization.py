"""How `pennyweight quantize` looks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from pennyweight.core.text import visible
from pennyweight.core.units import counted, format_bytes
from pennyweight.fit.compare import SIGNIFICANT
from pennyweight.report.terminal import and_more, facts, percent, table

if TYPE_CHECKING:
    from pennyweight.shrink.quantize.quantize import Quantized

STEPS_SHOWN = 8


def quantization_report(quantized: Quantized) -> RenderableType:
    """Both accuracies, what the images show of the difference, and the steps that lose most."""
    n, drop = quantized.int8_accuracy.n, quantized.drop_points
    right = f"{quantized.only_float_right:,} only float got right, {quantized.only_int8_right:,} only int8"
    figures: dict[str, str | Text] = {
        "float": str(quantized.float_accuracy),
        "int8": Text(str(quantized.int8_accuracy), style="bold"),
        "int8 loses": f"{drop:.2f} points: {difference(quantized.p_value, n)}",
        "images": f"the {quantized.part} part of {visible(quantized.source)}; {right}; "
        f"{percent(quantized.same_answers / n)} of the answers are the same",
        "ranges": f"{quantized.calibration} on {counted(quantized.calibration_images, 'training image')}",
        "weights": f"rounded to the {quantized.rounding}" if quantized.rounding == "nearest" else "rounded adaptively",
        "network": f"{visible(quantized.network)}, {format_bytes(quantized.weight_bytes)} of weights",
        "kept": visible(quantized.kept),
    }
    if quantized.fine_tuned_epochs:
        figures["fine-tuned"] = counted(quantized.fine_tuned_epochs, "epoch")
    numbers = ("noise in the answers", "clipped")
    made = table("alone on integers", "op", *numbers, numbers=numbers)
    for step in quantized.steps[:STEPS_SHOWN]:
        noise = f"{-step.signal_to_noise_db:.1f} dB" if math.isfinite(step.signal_to_noise_db) else "none"
        made.add_row(visible(step.name), step.op, noise, percent(step.clipped))
    if more := and_more(STEPS_SHOWN, len(quantized.steps)):
        made.add_row(Text(f"{more}, which cost less", style="dim"))
    return Group(facts(figures), Text(), made)


def difference(p_value: float, n: int) -> str:
    """What the images show of a difference between two networks, in words."""
    p = f"p = {p_value:.2g}" if p_value >= 1e-4 else "p < 0.0001"
    return f"{f'no difference that these {n:,} images can show' if p_value >= SIGNIFICANT else 'certain'} ({p})"
