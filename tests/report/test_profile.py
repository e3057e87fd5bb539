from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pennyweight.net.profile import profile
from pennyweight.report.profile import profile_report

Printed = Callable[[Any, int], str]


@pytest.mark.parametrize("network", ["mlp", "resnet8", "squeezenet", "resnet50"])
@pytest.mark.parametrize("width", [80, 120])
def test_nothing_is_cut_at_the_usual_widths(printed: Printed, network: str, width: int) -> None:
    page = printed(profile_report(profile(network), width), width)
    assert max(map(len, page.splitlines())) <= width
    assert "…" not in page


def test_every_layer_and_board_has_its_line(printed: Printed) -> None:
    facts = profile("resnet8")
    starts = [line.split(" ")[0] for line in printed(profile_report(facts, 80), 80).splitlines()]
    assert {layer.name for layer in facts.layers} | {fit.board.key for fit in facts.fits} <= set(starts)


def test_estimates_are_marked_and_exact_figures_are_not(printed: Printed) -> None:
    page = printed(profile_report(profile("resnet8"), 80), 80)
    figures = {line.split("  ")[0]: line for line in page.splitlines()}
    assert "~" not in figures["MACs"]
    assert "~" not in figures["activations (rw)"]
    assert figures["flash"].count("~") == 2


def test_one_board_alone_is_told_what_is_in_the_way(printed: Printed) -> None:
    page = printed(profile_report(profile("resnet8", board="ch32v003"), 120), 120)
    assert "no: flash, RAM" in page
    assert "are live at conv3" in page
