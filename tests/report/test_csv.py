"""Comma-separated tables: what goes in comes out, nothing runs in a spreadsheet, and nothing is half written."""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pennyweight.core.errors import PennyweightError
from pennyweight.report.csv import check_writable, write_csv, write_tables

TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.text(" ab;,\t\r\n\"'=+-@＝＋－＠")


def table(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_bytes().decode(), newline=""), strict=True))


@given(rows=st.lists(st.tuples(TEXTS, st.integers(), st.floats()), min_size=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
def test_what_is_written_is_what_a_reader_reads(tmp_path: Path, rows: list[tuple[str, int, float]]) -> None:
    write_csv(tmp_path / "a.csv", [{"name": name, "count": count, "share": share} for name, count, share in rows])
    head, *body = table(tmp_path / "a.csv")
    assert head == ["name", "count", "share"]
    for (name, count, share), cells in zip(rows, body, strict=True):
        assert cells[0].replace("'", "") == name.replace("'", "")
        for cell in re.split(r"[;,\t\r\n]", cells[0]):
            assert not cell.lstrip(' "').startswith(tuple("=+-@＝＋－＠"))
        assert int(cells[1]) == count
        assert (float(cells[2]) == share) if math.isfinite(share) else cells[2] == ""


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", "＝1+1", " =1", '=cmd|"/c calc"!A1']
)
def test_text_that_a_spreadsheet_would_run_begins_with_an_apostrophe(tmp_path: Path, text: str) -> None:
    write_csv(tmp_path / "a.csv", [{"class": text, "change": -1, "shape": ["-1", 2]}])
    assert table(tmp_path / "a.csv")[1] == [f"'{text}", "-1", "'-1x2"]


@pytest.mark.parametrize("start", "=+-@＝＋－＠")
@pytest.mark.parametrize("separator", [";", ",", "\t", ';"', "; '", "\n"])
def test_where_cells_are_parted_by_another_sign_nothing_runs_either(tmp_path: Path, separator: str, start: str) -> None:
    write_csv(tmp_path / "a.csv", [{"n": 1, "class": f"b{separator}{start}1+1;c-d"}])
    written = table(tmp_path / "a.csv")[1][1]
    assert written.replace("'", "") == f"b{separator}{start}1+1;c-d".replace("'", "")
    after = written[1:].lstrip("".join({*separator} - {"'"}))
    assert after.startswith("'")


def test_every_text_is_quoted_and_no_number_is(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", [{"class": 'a"b', "n": 3, "share": 0.5, "right": True, "f1": None}])
    assert (tmp_path / "a.csv").read_bytes() == (b'"class","n","share","right","f1"\r\n"a""b",3,0.5,True,\r\n')


def test_every_key_has_a_column_and_what_is_unknown_is_empty(tmp_path: Path) -> None:
    rows = [
        {"a": 1, "test_interval": [0.25, 0.5], "ms_quartiles": (1.5, 2.5), "shape": (8, 8, 1)},
        {"b": None, "test_interval": None, "fits": True},
    ]
    write_csv(tmp_path / "new" / "a.csv", rows)
    assert table(tmp_path / "new" / "a.csv") == [
        ["a", "test_interval_low", "test_interval_high", "ms_quartiles_low", "ms_quartiles_high", "shape", "b", "fits"],
        ["1", "0.25", "0.5", "1.5", "2.5", "8x8x1", "", ""],
        ["", "", "", "", "", "", "", "True"],
    ]


def test_a_column_that_is_called_like_an_interval_and_holds_none_stays_one(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", [{"interval": 7, "quartiles": "ab", "my interval": [1, 2, 3]}])
    assert table(tmp_path / "a.csv") == [["interval", "quartiles", "my interval"], ["7", "ab", "1x2x3"]]


def test_a_name_that_is_no_unicode_text_is_written_as_an_escape(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", [{"file": "a\udce9"}])
    assert table(tmp_path / "a.csv")[1] == ["a\\udce9"]


def test_a_file_that_cannot_be_written_is_refused_before_and_after_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "a.csv", tmp_path / "file" / "b" / "a.csv"):
        with pytest.raises(PennyweightError, match="cannot be written"):
            check_writable(path)
        with pytest.raises(PennyweightError, match="cannot be written"):
            write_csv(path, [{"a": 1}])
    check_writable(tmp_path / "not" / "yet" / "there.csv")
    check_writable(Path("table.csv"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_somebody_else_is_refused_before_the_work(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(PennyweightError, match="you may not write"):
        check_writable(tmp_path / "a.csv")


def test_on_a_full_disk_the_old_table_stays(
    tmp_path: Path, full_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    write_csv(tmp_path / "a.csv", [{"a": 1}])
    with full_disk(100), pytest.raises(PennyweightError, match="too large"):
        write_csv(tmp_path / "a.csv", [{"a": "x" * 1000}])
    assert table(tmp_path / "a.csv") == [["a"], ["1"]]
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_each_table_goes_into_a_file_of_its_own_beside_the_main_one(tmp_path: Path) -> None:
    write_tables(tmp_path / "a.csv", [{"x": 1}], confusion=[{"y": 2}], near_copies=[{"z": 3}], none=[])
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", "a-confusion.csv", "a-near-copies.csv"}
    assert (tmp_path / "a-confusion.csv").read_text().splitlines()[1] == "2"


def test_a_choice_has_a_column_for_each_of_its_parameters_and_a_course_is_figures_in_a_row(tmp_path: Path) -> None:
    rows = [
        {"choice": {"network": "mlp", "mlp.dropout": 0.2}, "accuracies": [0.5, 0.75]},
        {"choice": {"network": "resnet8", "resnet8.width": 4}, "accuracies": []},
    ]
    write_csv(tmp_path / "a.csv", rows)
    head, *told = table(tmp_path / "a.csv")
    assert head == ["choice.network", "choice.mlp.dropout", "accuracies", "choice.resnet8.width"]
    assert told == [["mlp", "0.2", "0.5 0.75", ""], ["resnet8", "", "", "4"]]
