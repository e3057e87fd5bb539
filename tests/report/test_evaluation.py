from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pennyweight.data.decode import encode_png
from pennyweight.fit.accuracy import Accuracy
from pennyweight.fit.answer import Answer
from pennyweight.fit.calibration import calibration_error, reliability
from pennyweight.fit.class_figures import class_figures
from pennyweight.fit.evaluate import Evaluation
from pennyweight.fit.timing import Timing
from pennyweight.report.evaluation import class_rows, evaluation_report, opened_too_often, photo_rows

Printed = Callable[[Any, int], str]


def evaluation(classes: int, wrong: int = 3, name: str = "c{}") -> Evaluation:
    """Each class has 100 images, of which `wrong` are taken for the next class."""
    confusion = tuple(
        tuple(100 - wrong if a == t else wrong if a == (t + 1) % classes else 0 for a in range(classes))
        for t in range(classes)
    )
    names = tuple(name.format(number) for number in range(classes))
    bins = reliability(np.full(100, 0.9), np.arange(100) >= wrong)
    return Evaluation(
        run=Path("runs/a"),
        source="digits",
        part="test",
        accuracy=Accuracy((100 - wrong) * classes, 100 * classes),
        not_blank=None,
        loss=0.25,
        class_names=names,
        confusion=confusion,
        opened=1,
        per_class=class_figures(names, np.array(confusion)),
        calibration_error=calibration_error(bins),
        reliability=bins,
        mistakes=(),
        photos=(),
        timing=Timing(0.25, 128, 0.0123456, 2, "cpu", (0.24, 0.27), (0.0121, 0.013)),
        seconds_per_epoch=12.5,
        notes=(),
        kept=Path("runs/a/evaluations/test.json"),
        contact_sheet=None,
    )


def photo(file: str = "3/a.png", answer: str = "3", side: int = 28, note: str = "") -> Answer:
    """A photo of a 3 and what was answered."""
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 1), dtype=np.uint8)
    return Answer(0, "3", answer, 0.9876, encode_png(pixels), file, note)


def test_a_small_matrix_is_drawn_whole(printed: Printed) -> None:
    page = printed(evaluation_report(evaluation(4), 80), 80)
    row = next(line for line in page.splitlines() if line.startswith("c1 "))
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
    confusion = (*bare.confusion[:2], (0, 0, 0))
    figures = class_figures(bare.class_names, np.array(confusion))
    page = printed(evaluation_report(replace(bare, confusion=confusion, per_class=figures), 80), 80)
    matrix, classes = (line.split() for line in page.splitlines() if line.startswith("c2 "))
    assert matrix[-1] == "–"
    assert classes == ["c2", "0", "0.00", "%", "–", "0.00", "%"]


def test_only_a_second_look_at_the_test_part_is_warned_of() -> None:
    once = evaluation(3)
    assert opened_too_often(once) == ""
    assert "2 times" in opened_too_often(replace(once, opened=2))
    assert opened_too_often(replace(once, opened=2, part="validation")) == ""


def test_each_class_has_its_figures_and_of_many_the_weakest_are_shown(printed: Printed) -> None:
    page = printed(evaluation_report(evaluation(4), 80), 80)
    assert [line for line in page.splitlines() if line.startswith("c1 ")][1].split()[:4] == ["c1", "100", "97.00", "%"]
    many = evaluation(30)
    rows = [list(row) for row in many.confusion]
    rows[29] = [100] + 29 * [0]
    weak = replace(many, per_class=class_figures(many.class_names, np.array(rows)))
    page = printed(evaluation_report(weak, 80), 80)
    assert any(line.split()[:3] == ["c29", "100", "0.00"] for line in page.splitlines())
    assert "and 10 more, better ones" in page


def test_the_time_says_that_it_was_measured_here_with_how_many_threads(printed: Printed) -> None:
    page = " ".join(printed(evaluation_report(evaluation(4), 120), 120).split())
    assert "0.25 ms (0.24 … 0.27 ms) alone, 0.0123 ms (0.0121 … 0.013 ms) in batches of 128: medians and" in page
    assert "measured on this machine, cpu, 2 threads" in page
    assert "12.50 s an epoch" in page
    assert "unsteady" not in page


def test_times_whose_quartiles_lie_far_apart_are_called_unsteady(printed: Printed) -> None:
    restless = replace(evaluation(4), timing=Timing(0.25, 128, 0.01, 2, "cpu", (0.2, 0.4), (0.01, 0.01)))
    assert "2 threads; unsteady" in " ".join(printed(evaluation_report(restless, 120), 120).split())


def test_photos_in_which_nothing_was_found_have_a_figure_without_them(printed: Printed) -> None:
    found = replace(evaluation(4), not_blank=Accuracy(5, 6))
    assert f"without blank ones {Accuracy(5, 6)}" in " ".join(printed(evaluation_report(found, 120), 120).split())
    assert "blank" not in printed(evaluation_report(evaluation(4), 120), 120)


@pytest.mark.parametrize("width", [80, 120])
def test_photos_are_listed_with_answer_and_confidence(printed: Printed, width: int) -> None:
    shown = (photo(), photo("3/" + 90 * "x" + ".png", "8"), photo("3/\x1b[31m.png", note="nothing found"))
    page = printed(evaluation_report(replace(evaluation(10), photos=shown), width), width)
    assert max(map(len, page.splitlines())) <= width
    assert next(line for line in page.splitlines() if line.startswith("3/a")).split() == [
        "3/a.png", "3", "3", "98.76", "%", "right",
    ]  # fmt: skip
    assert next(line for line in page.splitlines() if "xxx" in line).split()[-1] == "wrong"
    assert "nothing found" in page
    assert "\x1b" not in page
    assert "▀" not in page


def test_in_a_narrow_terminal_photos_lose_their_confidence_before_their_verdict(printed: Printed) -> None:
    two = replace(evaluation(10), photos=(photo(), photo("3/b.png", "8")))
    lines = [line.split() for line in printed(evaluation_report(two, 40), 40).splitlines() if line.startswith("3/")]
    assert lines == [["3/a.png", "3", "3", "right"], ["3/b.png", "3", "8", "wrong"]]
    noted = replace(two, photos=(photo("3/b.png", "8", note="nothing found"),))
    assert "verdict wrong, nothing found" in " ".join(printed(evaluation_report(noted, 40), 40).split())


@pytest.mark.parametrize("side", [1, 8, 28, 96])
def test_pictures_are_drawn_as_half_blocks_within_the_width(printed: Printed, side: int) -> None:
    many = replace(evaluation(10), photos=tuple(photo(side=side) for _ in range(30)))
    page = printed(evaluation_report(many, 80, pictures=True), 80)
    assert max(map(len, page.splitlines())) <= 80
    assert page.count("▀") == 12 * min(side, 16) * ((min(side, 16) + 1) // 2)


def test_tables_for_spreadsheets_have_a_row_each() -> None:
    assert [row["name"] for row in class_rows(evaluation(3))] == ["c0", "c1", "c2"]
    assert photo_rows(evaluation(3)) == []
    (row,) = photo_rows(replace(evaluation(3), photos=(photo(),)))
    assert (row["file"], row["true"], row["right"]) == ("3/a.png", "3", True)
