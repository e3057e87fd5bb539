from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pennyweight.fit.curves import Finding
from pennyweight.fit.diagnose import Diagnosis
from pennyweight.report.diagnosis import diagnosis_report, leading_finding

Printed = Callable[[Any, int], str]
FINDING = Finding("overfitting", 7, "the loss of \x1b[31m<b> rises", ("--set patience=5", "more images"), "moderate")


def test_a_healthy_run_is_called_healthy_in_green(printed: Printed) -> None:
    diagnosis = Diagnosis(Path("runs/a"), True, (), (), 20, 20)
    assert "healthy" in printed(diagnosis_report(diagnosis), 80)
    assert "green" in str(diagnosis_report(diagnosis).renderables[0].style)  # type: ignore[union-attr]


def test_a_run_without_findings_that_is_not_healthy_is_not_called_so(printed: Printed) -> None:
    page = printed(diagnosis_report(Diagnosis(Path("runs/a"), False, (), ("no epoch has ended",), 0, 20)), 80)
    assert "healthy" not in page
    assert "no epoch has ended" in page


def test_a_training_on_its_way_says_how_far_it_is(printed: Printed) -> None:
    page = printed(diagnosis_report(Diagnosis(Path("runs/a"), False, (), (), 40, 200)), 80)
    assert "40 of 200 epochs, nothing found so far" in page


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_finding_has_its_epoch_evidence_and_advice_and_nothing_that_a_terminal_obeys(
    printed: Printed, width: int
) -> None:
    page = printed(diagnosis_report(Diagnosis(Path("runs/\x1b[2Ja"), False, (FINDING,), (), 20, 20)), width)
    assert "overfitting, epoch 7" in page
    assert "--set patience=5" in page
    assert "more images" in page
    assert "\\x1b" in page
    assert "\x1b" not in page
    assert max(map(len, page.splitlines())) <= width


def test_the_end_of_a_training_says_what_is_wrong_and_what_to_try_first(printed: Printed) -> None:
    lines = printed(leading_finding([FINDING]), 120).splitlines()
    assert lines[0].startswith("overfitting, epoch 7: ")
    assert lines[1:] == ["try: --set patience=5"]
