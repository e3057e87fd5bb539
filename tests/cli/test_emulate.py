"""`pennyweight emulate`, and `pennyweight profile` of what has weights."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest
from tests.deploy.c.zoo_networks import zoo_network

from pennyweight.__main__ import main
from pennyweight.deploy.tflite.write import write

pytest.importorskip("ziglang", reason="the extra `boards` is not installed")
pytest.importorskip("unicorn", reason="the extra `boards` is not installed")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = str(tmp_path_factory.mktemp("runs") / "run")
    assert main(["train", "digits", "pooled-resnet:width=4", "--set", "epochs=1", "--out", folder, "--json"]) == 0
    assert main(["quantize", folder, "--json"]) == 0
    return folder


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("models") / "small.tflite"
    path.write_bytes(write(zoo_network("pooled-resnet:width=4", (8, 8, 3), 10)))
    return str(path)


def test_a_run_is_emulated_on_images_of_its_own(run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    table = tmp_path / "layers.csv"
    assert main(["emulate", run, "--board", "microbit-v1", "--images", "3", "--layers", "--csv", str(table)]) == 0
    out, _ = capsys.readouterr()
    for word in (
        "byte for byte",
        "3 of the validation part of digits",
        "per MAC",
        "± 30 %",
        "activations (rw)",
        "conv2",
    ):
        assert word in out
    with table.open() as rows:
        assert {"image", "conv2", "dense1"} <= {row["name"] for row in csv.DictReader(rows)}


def test_programs_get_one_object(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["emulate", file, "--board", "bluepill", "--images", "2", "--source", "digits", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert (facts["agrees"], facts["images"], facts["source"]) == (True, 2, "the validation part of digits")
    assert facts["ram"]["stack_bytes"] > 0


def test_what_has_weights_is_measured_on_a_board(run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    table = tmp_path / "layers.csv"
    assert main(["profile", run, "--board", "bluepill", "--csv", str(table)]) == 0
    out, _ = capsys.readouterr()
    assert "weights (ro)" in out
    assert "emulated in unicorn" in out
    with (tmp_path / "layers-segments.csv").open() as rows:
        segments = {row["segment"]: int(row["bytes"]) for row in csv.DictReader(rows)}
    assert segments["code"] > 1000
    assert main(["profile", run, "--board", "bluepill", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert facts["flash"]["code_bytes"] == segments["code"]


def test_without_a_board_what_has_weights_is_estimated_on_every_one(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["profile", file]) == 0
    out, err = capsys.readouterr()
    assert "ch32v003" in out
    assert "small.tflite --board BOARD measures" in err


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["emulate"], 2, "RUN"),
        (["emulate", "FILE"], 2, "--board"),
        (["emulate", "FILE", "--board", "abacus"], 2, "unknown board 'abacus'"),
        (["emulate", "FILE", "--board", "bluepill", "--images", "0"], 2, "--images"),
        (
            ["emulate", "FILE", "--board", "bluepill", "--source", "digits", "--part", "test"],
            2,
            "known: validation, train",
        ),
        (["emulate", "nothing", "--board", "bluepill"], 1, "there is no run folder nothing"),
        (["emulate", "nothing.tflite", "--board", "bluepill"], 2, "cannot read nothing.tflite"),
        (["profile", "FILE", "--board", "bluepill", "--classes", "3"], 2, "has a shape and classes of its own"),
        (["profile", "FILE", "--board", "bluepill", "--bits", "32"], 2, "is in int8"),
    ],
)
def test_what_cannot_be_done_is_refused(
    file: str, arguments: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([file if word == "FILE" else word for word in arguments]) == code
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["ziglang", "unicorn"])
def test_a_missing_extra_is_named(
    file: str, missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    if missing == "ziglang":
        monkeypatch.setattr("pennyweight.deploy.toolchain.compiler.find_spec", lambda name: None)
    assert main(["emulate", file, "--board", "bluepill", "--images", "1"]) == 1
    assert "needs the extra `boards`" in capsys.readouterr().err
