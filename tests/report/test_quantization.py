"""How `pennyweight quantize` looks."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from pennyweight.fit.accuracy import Accuracy
from pennyweight.report.quantization import quantization_report
from pennyweight.shrink.quantize.loss import StepLoss
from pennyweight.shrink.quantize.quantize import Quantized

FOUND = Quantized(
    run=Path("run"),
    network="net\x1b[31m",
    source="set\x1b[31m",
    part="validation",
    float_accuracy=Accuracy(990, 1000),
    int8_accuracy=Accuracy(985, 1000),
    only_float_right=6,
    only_int8_right=1,
    same_answers=993,
    steps=tuple(StepLoss(f"conv{n}", "conv", 30.0 + n if n else math.inf, 0.001) for n in range(10, -1, -1)),
    calibration="mse",
    calibration_images=1,
    rounding="adaptive",
    fine_tuned_epochs=2,
    weight_bytes=2048,
    opened=0,
    notes=(),
    kept=Path("run/integer"),
)


def shown(quantized: Quantized, width: int = 120) -> str:
    console = Console(width=width, record=True, file=io.StringIO(), highlight=False)
    console.print(quantization_report(quantized))
    return console.export_text()


def test_the_page_tells_both_accuracies_the_difference_and_the_worst_steps() -> None:
    page = shown(FOUND)
    for words in ("99.00 %", "98.50 %", "0.50 points", "no difference that these 1,000 images can show (p = 0.12)"):
        assert words in page
    for words in ("99.30 % of the answers", "1 training image", "adaptively", "2 epochs", "-40.0 dB", "and 3 more"):
        assert words in page
    assert "\x1b[31m" not in page


def test_a_difference_that_the_images_show_is_called_certain() -> None:
    assert "certain (p < 0.0001)" in shown(replace(FOUND, only_float_right=60))


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    assert max(map(len, shown(FOUND, width).splitlines())) <= width
