"""`pennyweight compare` on the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from pennyweight.__main__ import main

pytestmark = pytest.mark.usefixtures("hasty_clock")


def test_two_trained_networks_are_compared_for_people_programs_and_spreadsheets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for hidden in ("8", "16"):
        assert (
            main(
                [
                    "train",
                    "digits",
                    f"mlp:hidden={hidden}",
                    "--set",
                    "epochs=1",
                    "--out",
                    f"runs/{hidden}",
                    "--tensorboard",
                ]
            )
            == 0
        )
    assert list(Path("runs/8/tensorboard").iterdir())
    assert Path("runs/8/model-card.md").is_file()
    capsys.readouterr()

    assert main(["compare", "runs/8", "runs/16", "--csv", "table.csv"]) == 0
    page = capsys.readouterr().out
    assert "sealed: pennyweight evaluate runs/8" in page
    with Path("table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["run"] for row in rows] == ["runs/8", "runs/16"]

    assert main(["compare", "runs/8", "runs/nothing", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert [run["run"] for run in facts["runs"]] == ["runs/8"]
    assert facts["runs"][0]["train_n"] > 1_000
    assert facts["runs"][0]["test_accuracy"] is None
    assert facts["comparisons"] == []
    assert "runs/nothing" in facts["notes"][0]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ([], 2, "RUN"),
        (["nothing"], 1, "there is no run folder nothing"),
        (["nothing", "--photos", "nowhere"], 1, "nowhere is no folder of photos"),
        (["nothing", "--device", "abacus"], 2, "--device auto"),
    ],
)
def test_a_comparison_of_nothing_is_an_error(
    arguments: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *arguments, "--json"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err
