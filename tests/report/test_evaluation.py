from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pennyweight.fit.accuracy import Accuracy
from pennyweight.fit.evaluate import Evaluation
from pennyweight.report.evaluation import evaluation_report, opened_too_often

Printed = Callable[[Any, int], str]


def evaluation(classes: int, wrong: int = 3, name: str = "c{}") -> Evaluation:
    """Each class has 100 images, of which `wrong` are taken for the next class."""
    confusion = tuple(
        tuple(100 - wrong if a == t else wrong if a == (t + 1) % classes else 0 for a in range(classes))
        for t in range(classes)
    )
    accuracy = Accuracy((100 - wrong) * classes, 100 * classes)
    names = tuple(name.format(number) for number in range(classes))
    return Evaluation(Path("runs/a"), "digits", "test", accuracy, 0.25, names, confusion, 1)


def test_a_small_matrix_is_drawn_whole(printed: Printed) -> None:
    page = printed(evaluation_report(evaluation(4), 80), 80)
    (row,) = (line for line in page.splitlines() if line.startswith("c1 "))
    assert row.split() == ["c1", "·", "97", "3", "·", "97.00", "%"]


def test_the_accuracy_comes_with_its_interval_and_n(printed: Printed) -> None:
    page = printed(evaluation_report(evaluation(4), 80), 80)
    assert str(evaluation(4).accuracy) in page


@pytest.mark.parametrize("classes", [2, 10, 20, 21, 200])
@pytest.mark.parametrize("name", ["{}", "a class with a long name, number {}"])
@pytest.mark.parametrize("width", [80, 120])
def test_no_number_is_cut_whatever_the_classes(printed: Printed, classes: int, name: str, width: int) -> None:
    page = printed(evaluation_report(evaluation(classes, name=name), width), width)
    assert max(map(len, page.splitlines())) <= width
    assert "97" in page
    assert "3" in page


def test_many_classes_give_the_worst_confusions_first(printed: Printed) -> None:
    many = evaluation(30)
    rows = [list(row) for row in many.confusion]
    rows[7][3] = 50
    page = printed(evaluation_report(replace(many, confusion=tuple(map(tuple, rows))), 80), 80)
    lines = page.splitlines()
    first = next(index for index, line in enumerate(lines) if "taken for" in line) + 1
    assert lines[first].split()[:3] == ["c7", "c3", "50"]
    assert "and 19 more" in page


def test_a_faultless_network_has_no_confusions(printed: Printed) -> None:
    assert "No image was taken for another class" in printed(evaluation_report(evaluation(30, wrong=0), 80), 80)


def test_a_class_without_images_has_no_share(printed: Printed) -> None:
    bare = evaluation(3)
    page = printed(evaluation_report(replace(bare, confusion=(*bare.confusion[:2], (0, 0, 0))), 80), 80)
    assert next(line for line in page.splitlines() if line.startswith("c2 ")).split()[-1] == "–"


def test_only_a_second_look_at_the_test_part_is_warned_of() -> None:
    once = evaluation(3)
    assert opened_too_often(once) == ""
    assert "2 times" in opened_too_often(replace(once, opened=2))
    assert opened_too_often(replace(once, opened=2, part="validation")) == ""
