from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pennyweight.core.gpu import GpuVerdict, Obstacle
from pennyweight.fit.doctor import Checkup, Device, doctor
from pennyweight.report.doctor import doctor_report

Printed = Callable[[Any, int], str]


@pytest.fixture(scope="module")
def checkup() -> Checkup:
    return doctor()


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_line_is_wider_than_the_terminal(printed: Printed, checkup: Checkup, width: int) -> None:
    assert max(map(len, printed(doctor_report(checkup), width).splitlines())) <= width


def test_a_gpu_that_is_not_used_comes_with_what_mends_it(printed: Printed, checkup: Checkup) -> None:
    unused = GpuVerdict(
        "unused", "a card is here and not used", (Obstacle("torch is for CPUs only", "pip install torch"),)
    )
    page = printed(doctor_report(replace(checkup, gpu=unused)), 80)
    assert "• torch is for CPUs only\n  → pip install torch" in page
    assert "All that is needed works" in page


def test_what_is_broken_is_the_last_word(printed: Printed, checkup: Checkup) -> None:
    broken = replace(
        checkup,
        devices=(Device("cpu", "2 cores", None, "illegal \x1binstruction"),),
        broken=(Obstacle("cpu fails", "pip install torch"),),
    )
    page = printed(doctor_report(broken), 80)
    assert "fails: illegal \\x1binstruction" in page
    assert page.rstrip().endswith("→ pip install torch")
    assert "All that is needed works" not in page
