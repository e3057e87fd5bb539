"""`pennyweight evaluate`, with a user's own photos, of firmware and of files."""

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


@pytest.fixture(scope="module")
def file(run: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The run's network as a .tflite file in int8; the run is quantised then."""
    path = tmp_path_factory.mktemp("files") / "net.tflite"
    assert main(["export", run, "--to", "tflite", "--out", str(path), "--json"]) == 0
    return str(path)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_firmware_is_shown_beside_float(
    run: str, file: str, width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    capsys.readouterr()
    assert main(["evaluate", run, "--firmware", "--part", "validation"]) == 0
    out, err = capsys.readouterr()
    assert max(map(len, out.splitlines())) <= width
    for word in ("in float32", "\nfirmware ", "images can", "answered by", "precision"):
        assert word in out
    assert "warning" not in err


def test_firmware_and_file_have_the_names_that_scripts_hold_on_to(
    run: str, file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    facts = {}
    for words in ([run, "--firmware"], [file, "digits", "--part", "test"]):
        table = tmp_path / "classes.csv"
        assert main(["evaluate", *words, "--json", "--csv", str(table)]) == 0
        found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
        facts[len(facts)] = found
        assert {"accuracy", "interval", "n", "confusion", "per_class", "calibration_error", "mistakes"} <= set(found)
        with table.open() as opened:
            assert [row["name"] for row in csv.DictReader(opened)] == list("0123456789")
    assert facts[0]["confusion"] == facts[1]["confusion"]
    assert facts[0]["against_float"]["p_value"] <= 1
    assert (facts[0]["test_openings"], facts[1]["test_openings"]) == (1, None)


def test_photos_are_answered_by_the_firmware_too(
    run: str, file: str, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["evaluate", run, str(photos), "--firmware"]) == 0
    out, err = capsys.readouterr()
    assert "0/a.png" in out
    assert "nothing found in 0/a.png" in err


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["FILE"], 2, "pennyweight evaluate"),
        (["FILE", "nosuchset"], 2, "digits"),
        (["none.tflite", "digits"], 2, "cannot read none.tflite"),
    ],
)
def test_a_file_that_cannot_be_asked_is_told(
    file: str, words: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", *(file if word == "FILE" else word for word in words)]) == code
    assert told in capsys.readouterr().err
