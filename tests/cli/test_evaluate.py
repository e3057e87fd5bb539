"""`pennyweight evaluate`, with a user's own photos."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from PIL import Image

from pennyweight.__main__ import main

pytestmark = pytest.mark.usefixtures("hasty_clock")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("runs") / "run"
    assert main(["train", "digits", "mlp:hidden=8", "--set", "epochs=1", "--out", str(folder), "--json"]) == 0
    return str(folder)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two photos: a stroke called 1, and nothing called 0."""
    for name in ("0", "1"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        paper = Image.new("L", (90, 120), 230)
        if name == "1":
            paper.paste(20, (40, 20, 50, 100))
        paper.save(tmp_path / "photos" / name / "a.png")
    return tmp_path / "photos"


def test_photos_are_answered_listed_and_kept(run: str, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    table = photos.parent / "photos.csv"
    assert main(["evaluate", run, str(photos), "--csv", str(table)]) == 0
    out, err = capsys.readouterr()
    assert "n = 2)" in out
    assert "0/a.png" in out
    assert "▀" not in out  # a pipe has no colours
    assert "nothing found in 0/a.png" in err
    (sheet,) = (Path(run) / "evaluations").glob("photos-all-????????.png")
    assert str(sheet) in err.replace("\n", "")
    with Image.open(sheet) as picture:
        assert picture.width > 2 * 100
    with table.open() as file:
        assert [row["file"] for row in csv.DictReader(file)] == ["0/a.png", "1/a.png"]


def test_json_has_the_photos_and_nothing_else_is_on_stdout(
    run: str, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["evaluate", run, str(photos), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert [photo["file"] for photo in facts["photos"]] == ["0/a.png", "1/a.png"]
    assert facts["photos"][0]["note"] == "nothing found"
    assert {"per_class", "calibration_error", "reliability", "mistakes", "timing", "seconds_per_epoch"} <= set(facts)
    assert facts["part"] == "all"


def test_a_class_that_the_network_never_saw_is_named(
    run: str, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "1").rename(photos / "seven")
    assert main(["evaluate", run, str(photos)]) == 0
    assert "of classes that the network does not know left out: seven" in capsys.readouterr().err
