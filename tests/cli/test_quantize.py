"""`pennyweight quantize`"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from pennyweight.__main__ import main


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("runs") / "run"
    assert main(["train", "digits", "pooled-resnet:width=4", "--set", "epochs=3", "--out", str(folder), "--json"]) == 0
    return str(folder)


def test_people_see_both_accuracies_and_the_layers_that_lose_most(
    run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    table = tmp_path / "steps.csv"
    assert main(["quantize", run, "--csv", str(table)]) == 0
    out, _ = capsys.readouterr()
    for word in ("float", "int8", "n = 287)", "images can show", "alone on integers", "conv1"):
        assert word in out
    with table.open() as file:
        assert {"conv1", "dense1"} <= {row["name"] for row in csv.DictReader(file)}


def test_programs_get_one_object(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["quantize", run, "--part", "test", "--calibration", "percentile", "--images", "200", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert (facts["part"], facts["calibration"], facts["calibration_images"]) == ("test", "percentile", 200)
    assert facts["test_openings"] == 1
    assert Path(facts["kept"], "network.safetensors").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ([], 2, "RUN"),
        (["nothing"], 1, "there is no run folder nothing"),
        (["RUN", "--part", "all"], 2, "known: validation, test, train"),
        (["RUN", "--images", "0"], 2, "--images"),
    ],
)
def test_what_cannot_be_done_is_refused(
    run: str, arguments: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["quantize", *(run if word == "RUN" else word for word in arguments)]) == code
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["net.tflite"], "pennyweight quantize net.tflite SOURCE --out net.int8.tflite"),
        (["net.tflite", "digits"], "--out net.int8.tflite"),
        (["RUN", "digits"], "a run has its images"),
        (["RUN", "--out", "a.tflite"], "a run has its images"),
        (["net.tflite", "digits", "--out", "out.tflite"], "cannot read net.tflite"),
        (["net.tflite", "digits", "--out", "out.tflite", "--calibration", "nothing"], "known: min-max"),
    ],
)
def test_a_file_needs_images_and_a_place(
    run: str, words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["quantize", *(run if word == "RUN" else word for word in words)]) == 2
    assert told in capsys.readouterr().err
