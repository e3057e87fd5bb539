"""Options that verbs share: --csv writes every table, and a file that cannot be is refused before the work."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from pennyweight.__main__ import main

TABLES = {
    "boards": ("key", "flash_bytes", "price_usd"),
    "networks": ("family", "dial", "default"),
    "profile mlp": ("name", "parameters", "macs"),
    "data digits": ("class", "learning", "test"),
    "train digits mlp:hidden=4 --set epochs=2 --out run": ("epoch", "train_loss", "validation_accuracy"),
    "search digits --flash 8KiB --minutes 1s --out runs": ("run", "validation_accuracy", "interval_low", "flash_bytes"),
}


@pytest.mark.parametrize("verb", TABLES)
def test_the_main_table_of_a_verb_is_written(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*verb.split(), "--csv", "table.csv"]) == 0
    assert capsys.readouterr().out
    with Path("table.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, strict=True))
    assert rows
    assert set(TABLES[verb]) <= rows[0].keys()
    assert all(row.keys() == rows[0].keys() and None not in row.values() for row in rows)


@pytest.mark.parametrize("verb", [*TABLES, "compare run"])
def test_a_file_that_cannot_be_written_is_refused_before_the_work(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*verb.split(), "--csv", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {tmp_path} cannot be written: it is a folder\nhint: ")
    assert list(tmp_path.iterdir()) == []
