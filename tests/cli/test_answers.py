"""What the quick verbs answer, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pennyweight.__main__ import main

pytestmark = pytest.mark.usefixtures("hasty_clock")


@pytest.fixture
def answer(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: str) -> Any:
        """The one JSON object on stdout."""
        assert main([*arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out, parse_constant=pytest.fail)

    return run


def test_networks_lists_every_family_with_its_dials(answer: Any) -> None:
    known = {network["name"]: network for network in answer("networks")["networks"]}
    assert {"mlp", "plain-cnn", "shallow-resnet", "resnet50", "squeezenet", "mobilenetv2", "vgg", "board-vgg"} <= set(
        known
    )
    assert [dial["name"] for dial in known["mlp"]["dials"]] == ["hidden", "activation", "dropout"]


def test_boards_come_with_the_source_and_date_of_every_figure(answer: Any) -> None:
    boards = answer("boards")["boards"]
    assert len(boards) >= 15
    assert all(board["sources"]["flash_bytes"]["date"].startswith("20") for board in boards)
    assert all((board["price_usd"] is None) == (board["sources"]["price_usd"] is None) for board in boards)


def test_profile_has_the_names_that_scripts_hold_on_to(answer: Any) -> None:
    facts = answer("profile", "mlp", "--input", "28x28x1", "--board", "microbit-v1")
    assert facts["parameters"] == 71_220
    assert facts["weight_bytes"] > 0
    assert facts["peak_ram_lower_bound_bytes"] <= facts["peak_ram_bytes"]
    assert set(facts["layers"][0]) >= {
        "name",
        "op",
        "output_shape",
        "parameters",
        "macs",
        "weight_bytes",
        "activation_bytes",
    }
    assert sum(layer["macs"] for layer in facts["layers"]) == facts["macs"]
    assert [fit["board"] for fit in facts["fits"]] == ["microbit-v1"]


def test_data_has_the_names_that_scripts_hold_on_to(answer: Any) -> None:
    facts = answer("data", "digits")
    assert {"classes", "counts", "unreadable", "duplicates", "leaked"} <= set(facts)
    assert sum(counts["learning"] + counts["test"] for counts in facts["counts"].values()) == 1_797


@pytest.mark.parametrize(
    "arguments",
    [["networks"], ["boards"], ["profile", "mobilenetv2"], ["profile", "mlp", "--bits", "32"], ["data", "digits"]],
    ids=" ".join,
)
@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_terminal(
    arguments: list[str], width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert max(map(len, out.splitlines())) <= width
    assert "…" not in out
    assert err == ""


def test_a_tiny_network_is_trained_evaluated_and_resumed(
    answer: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(tmp_path / "run")
    trained = answer("train", "digits", "mlp:hidden=8", "--set", "epochs=1", "--set", "seed=3", "--out", run)
    assert (trained["run"], trained["epochs"], trained["recipe"]["seed"]) == (run, 1, 3)

    tested = answer("evaluate", run)
    low, high = tested["interval"]
    assert 0 <= low <= tested["accuracy"] <= high <= 1
    assert sum(map(sum, tested["confusion"])) == tested["n"] > 300
    assert answer("evaluate", run, "--part", "validation")["n"] == trained["validation_n"]

    assert main(["evaluate", run]) == 0
    out, err = capsys.readouterr()
    assert "true ╲ answer" in out
    assert "opened 2 times" in err

    assert answer("train", "--resume", run) == trained
    assert main(["train", "--resume", run]) == 0
    assert f"pennyweight evaluate {run}" in capsys.readouterr().out


def test_a_network_of_the_users_own_is_called_once(
    answer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "users_own_nets.py").write_text(
        "import torch\n"
        "def tiny(classes):\n"
        "    with open('calls', 'a') as calls:\n"
        "        calls.write('called ')\n"
        "    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, classes))\n"
    )
    monkeypatch.chdir(tmp_path)
    trained = answer("train", "digits", "users_own_nets:tiny", "--set", "epochs=1", "--set", "batch=500")
    assert (trained["parameters"], trained["recipe"]["batch"]) == (650, 500)
    assert (tmp_path / "calls").read_text() == "called "


def test_a_budget_that_nothing_meets_says_by_how_much(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "digits", "--flash", "64", "--json"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "flash" in err
    assert "64 bytes" in err
