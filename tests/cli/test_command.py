"""The command line as a whole: its page, its errors, its exit codes, and what it loads."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pennyweight.__main__ import main
from pennyweight.cli.output import finite
from pennyweight.cli.page import CHOOSE, EXAMPLE, JUDGE, KEEP, LOOK, SHIP, TRAIN

VERBS = (
    "data",
    "networks",
    "boards",
    "profile",
    "train",
    "evaluate",
    "diagnose",
    "compare",
    "search",
    "quantize",
    "export",
    "emulate",
    "report",
    "doctor",
)


def test_the_help_page_names_the_verbs_in_the_order_of_work(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    page = capsys.readouterr().out
    places = [page.index(f"\n  {verb} ") for verb in VERBS]
    assert places == sorted(places)
    assert page.index("pennyweight data digits") < places[0]


def test_the_help_page_gives_every_verb_one_group(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    page = capsys.readouterr().out
    listed = page[page.index("\nLook:") : page.index("\nOptions:")]
    verbs = re.findall(r"^  (\w+)", listed, re.MULTILINE)
    assert sorted(verbs) == sorted(VERBS)
    groups = [page.index(f"\n{group}:") for group in (LOOK, TRAIN, JUDGE, CHOOSE, SHIP, KEEP)]
    assert groups == sorted(groups)


def test_the_verb_example_commands_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    for line in EXAMPLE.splitlines():
        name, verb, *_ = line.split()
        assert (name, verb in VERBS) == ("pennyweight", True)


def test_no_arguments_at_all_give_the_help_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert capsys.readouterr().out.startswith("Usage: pennyweight VERB")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_help_page_and_json(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    assert "--json" in capsys.readouterr().out


def test_the_help_of_train_lists_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    from dataclasses import fields

    from pennyweight.fit.recipe import Recipe

    main(["train", "--help"])
    page = capsys.readouterr().out
    assert [f.name for f in fields(Recipe) if f"\n  {f.name} " not in page] == []


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["profil"], 2, "did you mean profile?"),
        (["profile"], 2, "NETWORK"),
        (["profile", "mlp", "--clases", "3"], 2, "--classes"),
        (["profile", "mlp", "--classes", "three"], 2, "--classes"),
        (["profile", "mlp", "--classes", "1"], 2, "equal to 2"),
        (["profile", "mlp", "--classes", "1000000"], 2, "equal to 100000"),
        (["profile", "mpl"], 2, "did you mean mlp?"),
        (["profile", "mlp:hiden=3"], 2, "did you mean hidden?"),
        (["profile", "mlp", "--board", "microbit"], 2, "did you mean microbit-v"),
        (["profile", "mlp", "--bits", "7"], 2, "known: 8, 32"),
        (["profile", "mlp", "--input", "wide"], 2, "--input"),
        (["profile", "plain-cnn", "--input", "2x2x1"], 1, "give larger pictures"),
        (["data", "nosuchset"], 2, "digits"),
        (["data", "./nosuchfolder"], 1, "no such file"),
        (["train", "digits"], 2, "SOURCE and NETWORK"),
        (["train", "digits", "mlp", "--set", "epohs=1"], 2, "did you mean epochs?"),
        (["train", "nosuchset", "nosuchnet", "--set", "epochs=0"], 2, "epochs=0"),
        (["train", "digits", "mlp", "--input", "wide"], 2, "--input"),
        (["train", "digits", "--resume", "runs/a"], 2, "--resume"),
        (["search", "digits", "--flash", "3parsec"], 2, "known units"),
        (["search", "digits", "--latency", "5ms"], 2, "--board"),
        (["search", "digits", "--latency", "5ms", "--board", "ch32v003"], 2, "whose speed is known: py32f002a"),
    ],
)
def test_an_error_says_what_to_do_and_prints_no_result(
    arguments: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--json"] if len(arguments) > 1 else arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert "\nhint: " in err or code == 1
    assert told in err
    assert "Traceback" not in err


def test_a_file_that_may_not_be_written_is_an_error_with_its_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").write_text("a file, where a folder is asked for")
    out = tmp_path / "taken" / "run"
    assert main(["train", "digits", "mlp:hidden=8", "--set", "epochs=1", "--out", str(out)]) == 1
    err = capsys.readouterr().err
    assert str(tmp_path / "taken") in err
    assert "disk" not in err


def test_escape_sequences_in_a_name_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "./\x1b[31mred"]) == 1
    err = capsys.readouterr().err
    assert "\x1b" not in err
    assert "\\x1b[31mred" in err


def test_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    import pennyweight

    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == pennyweight.__version__


def test_what_is_not_finite_is_null_in_json() -> None:
    facts = finite({"a": float("nan"), "b": [1, float("-inf"), {"c": (2.5, float("inf"))}]})
    assert json.loads(json.dumps(facts, allow_nan=False)) == {"a": None, "b": [1, None, {"c": [2.5, None]}]}


@pytest.mark.skipif(os.name == "nt", reason="a closed pipe is another error there")
def test_a_reader_that_closes_the_pipe_hears_no_complaint() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "pennyweight", "boards"], stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)
    assert done.stderr == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_under_stdout_is_an_error() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "pennyweight", "boards", "--json"], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 1
    assert done.stderr.startswith(b"error: ")
    assert b"Traceback" not in done.stderr
