from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pennyweight.core.board import find_board
from pennyweight.deploy.analysis import Analysis, Flash, LayerAnalysis, Ram
from pennyweight.deploy.emulated import Difference, Emulated, SecondOpinion
from pennyweight.deploy.latency import Latency
from pennyweight.report.analysis import analysis_report
from pennyweight.report.emulation import emulation_report

Printed = Callable[[Any, int], str]


def layer(name: str, macs: int, instructions: int) -> LayerAnalysis:
    latency = Latency(1.3 * instructions, 1.3 * instructions / 64_000, 0.15)
    return LayerAnalysis(name, "depthwise_conv", (112, 112, 128), macs, 36_864, 1_605_632, instructions, latency)


ANALYSIS = Analysis(
    network="separable:width=64",
    board=find_board("microbit-v2"),
    engine="unicorn",
    input_shape=(224, 224, 3),
    layers=(layer("image", 0, 301_056), layer("batch_normalization_12_FusedBatchNormV3", 1_234_567_890, 2_345_678_901)),
    flash=Flash(123_456, 7_984, 128, 0),
    ram=Ram(98_304, 12, 368, 512),
    instructions=2_345_979_957,
    latency=Latency(3_049_773_944.1, 47_652.7, 0.15),
)
EMULATED = Emulated(ANALYSIS, 20, "the validation part of mnist", None, None)


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("report", [analysis_report, emulation_report])
def test_the_largest_figures_fit_the_usual_widths(printed: Printed, report: Any, width: int) -> None:
    page = printed(report(ANALYSIS if report is analysis_report else EMULATED, width), width)
    assert max(map(len, page.splitlines())) <= width
    for figure in (
        "1,234,567,890",
        "2,345,678,901",
        "36,864",
        "1,605,632",
        "123,456",
        "98,304",
        "± 15 %",
        "1.90 per MAC",
    ):
        assert figure in page


def test_only_latency_is_marked_as_an_estimate(printed: Printed) -> None:
    lines = printed(analysis_report(ANALYSIS, 120), 120).splitlines()
    marked = {word for line in lines for word in line.split() if "~" in word}
    assert {"~cycles", "~47.7"} <= marked <= {"~cycles", "~ms", "~47.7"}


def test_a_core_of_unknown_timing_is_told_so(printed: Printed) -> None:
    layers = tuple(replace(each, latency=None) for each in ANALYSIS.layers)
    page = printed(analysis_report(replace(ANALYSIS, latency=None, layers=layers), 120), 120)
    assert "not known" in page
    assert "–" in page


def test_agreement_and_difference_are_told(printed: Printed) -> None:
    assert "equal to the integer reference, byte for byte" in printed(emulation_report(EMULATED, 120), 120)
    opinion = SecondOpinion(agrees=True, instructions=2_345_979_957, relinked=True)
    wrong = replace(EMULATED, difference=Difference("conv2", 3, 17, 512), second_opinion=opinion)
    page = printed(emulation_report(wrong, 120, layers=False), 120)
    assert "conv2 differs first from the reference, in image 4: 17 of 512 bytes" in page
    assert "the same bytes; 2,345,979,957 instructions, linked for addresses where QEMU has memory" in page
    assert "depthwise_conv" not in page


def test_names_cannot_command_the_terminal(printed: Printed) -> None:
    bad = replace(ANALYSIS, network="\x1b[31mred", layers=(replace(ANALYSIS.layers[0], name="\x1b]0;x\x07"),))
    emulated = replace(EMULATED, analysis=bad, source="\x1b[2J", difference=Difference("\x1b[31m", 0, 1, 1))
    assert "\x1b" not in printed(analysis_report(bad, 120), 120)
    assert "\x1b" not in printed(emulation_report(emulated, 120), 120)
