from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pennyweight.fit.accuracy import Accuracy
from pennyweight.fit.compare import ComparedRun, Comparison, Difference
from pennyweight.fit.timing import Timing
from pennyweight.report.comparison import comparison_report, next_command

Printed = Callable[[Any, int], str]


def compared(name: str, test: Accuracy | None, opened: int = 0, photos: Accuracy | None = None) -> ComparedRun:
    return ComparedRun(
        run=Path(name),
        network="mlp:hidden=80-60",
        source="digits",
        parameters=71_220,
        macs=12_501_632,
        weight_bytes=284_880,
        flash_bytes=76_000,
        ram_bytes=865 + 256,
        peak_ram_bytes=865,
        epochs=20,
        seconds_per_epoch=1.234,
        train=None,
        validation=Accuracy(280, 287),
        test=test,
        int8_validation=None,
        int8_test=None,
        photos=photos,
        opened=opened,
        timing=Timing(0.456, 64, 0.0123, 2, "cpu", (0.444, 0.888), (0.0122, 0.0129)),
        fingerprint="f",
    )


PAIR = Difference(Path("runs/a"), Path("runs/b"), "test", 359, 6, 2)
COMPARISON = Comparison(
    (
        compared("runs/a", Accuracy(344, 359), opened=3),
        compared("runs/b", Accuracy(340, 359), opened=1, photos=Accuracy(7, 10)),
        compared("runs/c", None, opened=1),
        compared("runs/d with spaces", None),
    ),
    (PAIR,),
    ("runs/e was left out: there is no run folder runs/e",),
)


def figures(accuracy: Accuracy) -> str:
    low, high = accuracy.interval
    return f"{100 * accuracy.share:.2f} ({100 * low:.2f} … {100 * high:.2f})"


def words(page: str) -> str:
    return re.sub(r"\s+", " ", page)


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_every_figure_is_there_in_a_terminal_of_any_width(printed: Printed, width: int) -> None:
    page = printed(comparison_report(COMPARISON), width)
    assert max(map(len, page.splitlines())) <= width
    told = words(page)
    for figure in (
        *map(figures, (Accuracy(280, 287), Accuracy(344, 359), Accuracy(340, 359), Accuracy(7, 10))),
        "71,220",
        "12.5 M",
        "278.2 KiB",
        "74.22 KiB",
        "1.09 KiB",
        "1.23",
        "0.456 (0.444 … 0.888)",
        "0.0123 (0.0122 … 0.0129)",
        "the times per image of runs/a, runs/b, runs/c, runs/d with spaces are unsteady",
        "on cpu with 2 threads",
        "6 only runs/a got right, 2 only runs/b: no difference that these 359 images can show (p = 0.29)",
        "runs/e was left out",
        "the test part of runs/a was opened 3 times",
    ):
        assert figure in told, figure
    assert told.count("sealed") == 1  # runs/c was opened, and what came out is not kept


@pytest.mark.parametrize(("width", "together"), [(80, 2), (100, 3)])
def test_a_terminal_too_narrow_for_a_row_a_run_gets_a_column_a_run(printed: Printed, width: int, together: int) -> None:
    lines = printed(comparison_report(COMPARISON), width).splitlines()
    of_test = next(line for line in lines if line.startswith("test %"))[6:]
    assert of_test.count(" … ") + of_test.count("–") == together
    assert next(line.split()[:2] for line in lines if line.startswith("parameters")) == ["parameters", "71,220"]
    assert lines[0].split()[:2] == ["runs/a", "runs/b"]


def test_what_nobody_asked_for_has_no_column(printed: Printed) -> None:
    page = printed(comparison_report(Comparison(COMPARISON.runs[:1], (), ())), 120)
    assert "photos" not in page
    assert "McNemar" not in page


def test_what_firmware_answered_stands_beside_what_float32_answered(printed: Printed) -> None:
    run = replace(COMPARISON.runs[0], int8_test=Accuracy(343, 359))
    told = words(printed(comparison_report(Comparison((run,), (), ())), 200))
    assert "test in int8 % (n = 359)" in told
    assert figures(Accuracy(343, 359)) in told
    assert "in int8" not in words(printed(comparison_report(COMPARISON), 200)).partition("flash and RAM")[0]


def test_the_command_that_unseals_is_told_for_a_run_that_nobody_evaluated() -> None:
    assert next_command(COMPARISON) == "pennyweight evaluate 'runs/d with spaces'"
    assert next_command(Comparison(COMPARISON.runs[:2], (), ())) == ""


def test_names_do_not_reach_the_terminal_as_they_are(printed: Printed) -> None:
    name = "\x1b[31mred"
    pair = Difference(Path(name), Path(name), "test", 9, 9, 0)
    page = printed(comparison_report(Comparison((compared(name, None),), (pair,), (name,))), 80)
    assert "\x1b" not in page
    assert "\\x1b[31mred" in page


def test_a_notebook_shows_it_with_names_escaped() -> None:
    page = Comparison((compared("<script>", None),), (), ())._repr_html_()
    assert "&lt;script&gt;" in page
    assert "<script>" not in page
    assert "71,220" in page
