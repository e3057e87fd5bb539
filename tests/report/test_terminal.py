from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.text import Text

import pennyweight
from pennyweight.report.terminal import STAND_INS, bullets, facts, short, show_error, show_note, table

Printed = Callable[[Any, int], str]
FOLDER = Path(str(pennyweight.__file__)).parent


def test_every_character_that_we_print_has_a_stand_in_in_ascii() -> None:
    assert all(each.isascii() for each in STAND_INS.values())
    strange = {
        each: file.name
        for room in ("report", "cli")
        for file in (FOLDER / room).glob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for each in node.value
        if not each.isascii() and each not in STAND_INS
    }
    assert strange == {}


def test_a_note_is_wrapped_between_words_where_the_width_is_known(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    note = "nothing found in 3/a.png, 3/b.png, 3/c.png and 12 more"
    monkeypatch.delenv("COLUMNS", raising=False)
    show_note(note)
    assert capsys.readouterr().err == f"note: {note}\n"
    monkeypatch.setenv("COLUMNS", "40")
    show_note(note)
    told = capsys.readouterr().err
    assert max(map(len, told.splitlines())) <= 40
    assert told.split() == f"note: {note}".split()


def test_an_error_is_wrapped_between_words_and_a_command_in_it_is_left_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    known = "known: microbit-v1, microbit-v2, arduino-uno-r4-minima, stm32f746g-discovery"
    show_error("unknown board 'x'", known)
    told = capsys.readouterr().err
    assert max(map(len, told.splitlines())) <= 40
    assert told.split() == f"error: unknown board 'x' hint: {known}".split()
    command = "pennyweight search --resume runs/search-mnist-1 --minutes 10"
    show_error("this search has ended", command)
    assert f"hint: {command}\n" in capsys.readouterr().err


def boards() -> Any:
    made = table("board", "flash", "", "fits", numbers=("flash",))
    made.add_row("stm32f746g-discovery", "1,024 KiB", Text("█████"), "yes")
    made.add_row("pico", "2,048 KiB", Text("██"), "no")
    return made


def test_a_table_that_fits_stands_in_columns(printed: Printed) -> None:
    first, *rows = printed(boards(), 60).splitlines()
    assert first.split() == ["board", "flash", "fits"]
    assert rows[0].split() == ["stm32f746g-discovery", "1,024", "KiB", "█████", "yes"]


def test_a_table_that_is_too_wide_loses_its_decoration_first(printed: Printed) -> None:
    page = printed(boards(), 42)
    assert "█" not in page
    assert page.splitlines()[1].split() == ["stm32f746g-discovery", "1,024", "KiB", "yes"]


def test_a_table_that_is_still_too_wide_is_stacked_and_loses_no_figure(printed: Printed) -> None:
    assert printed(boards(), 30).splitlines() == [
        "stm32f746g-discovery",
        "  flash 1,024 KiB  fits yes",
        "pico  flash 2,048 KiB  fits no",
    ]


@pytest.mark.parametrize("width", [20, 40, 60, 100])
def test_long_names_never_make_a_line_wider_than_the_terminal(printed: Printed, width: int) -> None:
    made = table("class", "images", numbers=("images",))
    made.add_row("a" * 200, "5")
    for report in (made, facts({"run": "b/" * 100, "n": "5"}), bullets(["c" * 200])):
        assert max(map(len, printed(report, width).splitlines())) <= width


def test_a_long_fact_stands_below_its_title_in_a_narrow_terminal(printed: Printed) -> None:
    rows = {"largest class / smallest": "a sentence of many words that does not fit", "copies": "3"}
    assert printed(facts(rows), 40).splitlines()[0] == "largest class / smallest"
    assert printed(facts(rows), 40).splitlines()[-1] == "copies  3"


def test_a_short_name_stays_and_a_long_one_is_cut_to_its_cells() -> None:
    assert short("cat", 10) == "cat"
    assert len(short("ab" * 50, 10)) == 10
