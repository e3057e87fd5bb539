from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from pennyweight.data.audit import audit
from pennyweight.data.images import LabelledImages, Part, Unreadable
from pennyweight.report.audit import CLASSES_SHOWN, LINES_SHOWN, SIZES_SHOWN, audit_report

Printed = Callable[[Any, int], str]


def images(classes: int, unreadable: int = 0) -> LabelledImages:
    rng = np.random.default_rng(0)
    learning = rng.integers(0, 256, (2 * classes, 8, 8, 1), np.uint8)
    labels = np.repeat(np.arange(classes), 2)
    return LabelledImages(
        "some [set]",
        Part(learning, labels),
        Part(learning[:1], labels[:1]),
        tuple(f"class {number}" for number in range(classes)),
        unreadable=tuple(Unreadable(f"bad\x1b{number}.png", "truncated") for number in range(unreadable)),
    )


def test_long_lists_are_cut_and_say_how_much_is_left(printed: Printed) -> None:
    page = printed(audit_report(audit(images(50, unreadable=100))), 80)
    assert f"and {50 - CLASSES_SHOWN} more" in page
    assert f"and {100 - LINES_SHOWN} more" in page


def test_short_lists_are_whole(printed: Printed) -> None:
    page = printed(audit_report(audit(images(3, unreadable=2))), 80)
    assert "more" not in page
    assert "bad\\x1b0.png: truncated" in page
    assert "some [set]" in page


def test_sizes_are_the_most_common_ones_and_the_extremes(printed: Printed) -> None:
    one = images(3)
    page = printed(audit_report(audit(one)), 80)
    assert "8x8 (7)" in page
    assert "heights, widths" not in page
    sizes = {(10 + number, 1000 - number): 100 - number for number in range(SIZES_SHOWN + 2)}
    page = printed(audit_report(audit(dataclasses.replace(one, sizes=sizes))), 200)
    assert "10x1,000 (100), 11x999 (99)" in page
    assert f"({100 - SIZES_SHOWN + 1}), and 2 more" in page
    assert f"10 … {11 + SIZES_SHOWN}, {999 - SIZES_SHOWN} … 1,000" in page


def test_a_leak_stands_among_the_copies_and_among_what_to_act_upon(printed: Printed) -> None:
    page = printed(audit_report(audit(images(3))), 80)
    assert "leaked: learning 0 (class 0) and test 0 (class 0)" in page
    assert "To act upon" in page
