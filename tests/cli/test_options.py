"""Options that verbs share: --csv writes every table, and a file that cannot be is refused before the work."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from pennyweight.__main__ import main
from pennyweight.data.decode import encode_png

CLASSES = ("answered", "images", "interval", "n", "name", "true")
"""Names that columns have too, or that would be parted into two."""

TABLES = {
    "boards": ("key", "flash_bytes", "price_usd"),
    "networks": ("family", "dial", "default"),
    "profile mlp": ("name", "parameters", "macs"),
    "data digits": ("class", "learning", "test"),
    "train digits mlp:hidden=4 --set epochs=2 --out run": ("epoch", "train_loss", "validation_accuracy"),
    "search digits --flash 8KiB --minutes 1s --out runs": ("run", "validation_accuracy", "interval_low", "flash_bytes"),
    "evaluate RUN --part validation": ("name", "precision", "n"),
    "diagnose RUN": ("disease", "epoch", "advice"),
    "compare RUN": ("run", "validation_accuracy", "validation_interval_low", "test_interval_high"),
}

pytestmark = pytest.mark.usefixtures("hasty_clock")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short training on noise in classes of unlucky names."""
    folder = tmp_path_factory.mktemp("unlucky")
    noise = np.random.default_rng(0).integers(0, 256, (len(CLASSES), 20, 8, 8, 1), np.uint8)
    for name, pictures in zip(CLASSES, noise, strict=True):
        (folder / "data" / name).mkdir(parents=True)
        for place, picture in enumerate(pictures):
            (folder / "data" / name / f"{place}.png").write_bytes(encode_png(picture))
    words = ["train", str(folder / "data"), "mlp:hidden=4", "--input", "8x8x1", "--set", "epochs=2"]
    assert main([*words, "--out", str(folder / "run"), "--json"]) == 0
    return folder / "run"


@pytest.mark.parametrize("verb", TABLES)
def test_the_main_table_of_a_verb_is_written(
    verb: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [str(run) if word == "RUN" else word for word in verb.split()]
    capsys.readouterr()
    assert main([*words, "--csv", "table.csv"]) == 0
    assert capsys.readouterr().out
    with Path("table.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, strict=True))
    assert rows
    assert set(TABLES[verb]) <= rows[0].keys()
    assert all(row.keys() == rows[0].keys() and None not in row.values() for row in rows)


def test_classes_that_are_called_like_columns_are_counted_all_the_same(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(run), "--part", "validation", "--csv", str(tmp_path / "table.csv")]) == 0
    capsys.readouterr()
    with (tmp_path / "table-confusion.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, strict=True))
    assert [(row["true"], row["answered"]) for row in rows] == [(true, other) for true in CLASSES for other in CLASSES]
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8") as file:
        n = sum(int(row["n"]) for row in csv.DictReader(file, strict=True))
    assert sum(int(row["images"]) for row in rows) == n > 0


@pytest.mark.parametrize("verb", TABLES)
def test_a_file_that_cannot_be_written_is_refused_before_the_work(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*verb.split(), "--csv", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {tmp_path} cannot be written: it is a folder\nhint: ")
    assert list(tmp_path.iterdir()) == []
