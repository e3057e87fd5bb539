"""`pennyweight search` on the command line."""

from __future__ import annotations

import csv
import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image

from pennyweight.__main__ import main
from pennyweight.core.board import boards
from pennyweight.core.units import format_price
from pennyweight.data.source import open_source
from pennyweight.plan.coordinator import SearchProgress
from pennyweight.plan.search import search
from pennyweight.plan.space import Space, shipped_spaces

SPACE = """
[networks.mlp]
hidden = ["4", "8", "16"]

[recipe]
epochs = [3]
"""

pytestmark = pytest.mark.usefixtures("hasty_clock")


class Searched(NamedTuple):
    """A search as its caller saw it."""

    folder: Path
    space: Path
    out: str
    err: str
    rows: list[dict[str, str]]

    @property
    def facts(self) -> dict[str, Any]:
        """What it printed."""
        facts: dict[str, Any] = json.loads(self.out)
        return facts


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    """Three networks on a ladder of two rungs."""
    home = tmp_path_factory.mktemp("cli-search")
    space, folder, table = home / "space.toml", home / "out", home / "table.csv"
    space.write_text(SPACE, encoding="utf-8")
    out, err = io.StringIO(), io.StringIO()
    words = ["digits", "--networks", "3", "--rungs", "2", "--space", str(space), "--out", str(folder)]
    with redirect_stdout(out), redirect_stderr(err):
        assert main(["search", *words, "--json", "--csv", str(table)]) == 0
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, strict=True))
    return Searched(folder, space, out.getvalue(), err.getvalue(), rows)


def test_json_is_one_object_and_all_else_goes_to_stderr(searched: Searched) -> None:
    assert searched.facts["source"] == "digits"
    assert searched.facts["winner"]["test_accuracy"] > 0.1
    assert f"search in {searched.folder}" in searched.err
    assert f"report: {searched.folder / 'report.html'}" in searched.err
    assert (searched.folder / "report.html").is_file()


def test_the_winner_ends_in_int8_as_c_on_a_virtual_board(
    searched: Searched, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ziglang", reason="the extra `boards` is not installed")
    pytest.importorskip("unicorn", reason="the extra `boards` is not installed")
    monkeypatch.setenv("COLUMNS", "100")
    words = ["digits", "--networks", "1", "--rungs", "1", "--space", str(searched.space), "--emulate", "microbit-v1"]
    assert main(["search", *words, "--out", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    for word in ("BBC micro:bit v1", "in int8", "of 262,144 bytes", "of 16,384 bytes", "instructions, about", "± 30 %"):
        assert word in out
    assert "the same as Python's on 100 images, byte for byte" in out
    assert f"its C: pennyweight export {tmp_path / 'out'}" in out
    assert main(["search", *words, "--out", str(tmp_path / "again"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert (facts["emulated"]["agrees"], facts["emulated"]["images"]) == (True, 100)
    assert facts["quantized"]["run"] == facts["winner"]["run"]


@pytest.mark.parametrize("missing", ["ziglang", "unicorn"])
def test_a_board_that_cannot_be_emulated_is_told_before_the_search(
    missing: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    out = tmp_path / "out"
    assert main(["search", "digits", "--networks", "1", "--out", str(out), "--emulate", "microbit-v1"]) == 1
    assert "needs the extra `boards`" in capsys.readouterr().err
    assert not out.exists()


def test_every_training_is_timed_and_answers_own_photos_where_there_are_some(
    searched: Searched, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sealed = open_source("digits").sealed
    for index in range(10):
        folder = tmp_path / "photos" / str(sealed.labels[index])
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(sealed.images[index, ..., 0]).resize((32, 32)).save(folder / f"{index}.png")
    words = ["digits", "--networks", "2", "--rungs", "1", "--space", str(searched.space), "--json"]
    table = tmp_path / "grid.csv"
    told = ["--out", str(tmp_path / "out"), "--photos", str(tmp_path / "photos"), "--csv", str(table)]
    assert main(["search", *words, *told]) == 0
    with table.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["purpose"] != "repeat"]
    assert rows
    for row in rows:
        assert row["photos_n"] == "10"
        assert float(row["photos_interval_low"]) <= float(row["photos_accuracy"]) <= float(row["photos_interval_high"])
        assert float(row["batch1_ms"]) > 0
        assert row["network"]
        assert float(row["validation_interval_low"]) <= float(row["validation_accuracy"])
    assert len(json.loads(capsys.readouterr().out)["compared"]["runs"]) == len(rows)


def test_own_photos_are_a_column_of_the_one_table(
    searched: Searched, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    sealed = open_source("digits").sealed
    for index in range(3):
        folder = tmp_path / "photos" / str(sealed.labels[index])
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(sealed.images[index, ..., 0]).resize((32, 32)).save(folder / f"{index}.png")
    words = ["digits", "--sampler", "grid", "--space", str(searched.space), "--out", str(tmp_path / "out")]
    assert main(["search", *words, "--photos", str(tmp_path / "photos")]) == 0
    out, err = capsys.readouterr()
    assert out.count("photos %") == 1
    assert out.count("McNemar") == 0
    assert max(map(len, out.partition("again:")[0].splitlines())) <= 80
    assert "again: pennyweight train digits mlp:hidden=" in out
    assert "next: pennyweight quantize" in out
    assert [f"{place} of 3" in err for place in (1, 2, 3, 4)] == [True, True, True, False]
    assert err.count("answering") == 1
    assert main(["search", "--resume", str(tmp_path / "out"), "--minutes", "0.01"]) == 0


def test_the_first_line_comes_before_anything_is_opened(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "./no-such-folder"]) == 1
    assert capsys.readouterr().err.startswith("opening ./no-such-folder, then measuring")


def test_a_board_that_is_too_dear_is_told_with_its_price_and_those_that_are_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cheapest, *_, dearest = (board for board in boards().values() if board.price_usd is not None)
    assert main(["search", "digits", "--board", dearest.key, "--price", f"{cheapest.price_usd}usd"]) == 1
    err = capsys.readouterr().err
    assert f"{dearest.key} costs {format_price(dearest.price_usd or 0)} a {dearest.price_kind}, and " in err
    assert f"within that price: {cheapest.key}" in err
    assert "network" not in err


def test_a_board_of_unknown_price_keeps_no_price(capsys: pytest.CaptureFixture[str]) -> None:
    unpriced = [board.key for board in boards().values() if board.price_usd is None]
    if not unpriced:
        pytest.skip("every board has a price")
    assert main(["search", "digits", "--board", unpriced[0], "--price", "1000usd"]) == 1
    assert "has no known price" in capsys.readouterr().err


def test_the_help_says_that_a_search_that_goes_on_takes_minutes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "--help"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "With --resume: so much longer." in told


def test_it_ends_after_so_many_networks(searched: Searched) -> None:
    choices = {json.dumps(trial["choice"]) for trial in searched.facts["trials"]}
    assert len(choices) == 3


def test_the_csv_has_all_trials(searched: Searched) -> None:
    facts = searched.facts
    told = {str(trial["number"]): trial for trial in facts["trials"] + facts["unfinished"]}
    assert {row["number"] for row in searched.rows} == told.keys()
    assert len(searched.rows) == len(told)
    assert {row["network"] for row in searched.rows} == {trial["network"] for trial in told.values()}
    assert {row["choice.mlp.hidden"] for row in searched.rows} == {"4", "8", "16"}
    assert {row["state"] for row in searched.rows} <= {"done", "stopped", "failed"}
    assert {"purpose", "validation_interval_low", "macs", "seed", "epochs"} <= searched.rows[0].keys()


@pytest.mark.parametrize("name", shipped_spaces())
def test_the_space_that_is_shown_is_taken_back(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "--space", name, "--show-space"]) == 0
    shown = capsys.readouterr().out
    (tmp_path / "mine.toml").write_text(shown, encoding="utf-8")
    assert Space.named(str(tmp_path / "mine.toml")) == Space.named(name)
    assert main(["search", "--space", str(tmp_path / "mine.toml"), "--show-space"]) == 0
    assert capsys.readouterr().out == shown


def test_a_search_that_was_broken_off_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def break_off(progress: SearchProgress) -> None:
        if len(progress.trials) == 2:
            raise KeyboardInterrupt

    folder = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        search("digits", space=Space.from_toml(SPACE), points=3, rungs=2, out=folder, on_progress=break_off)
    assert main(["search", "--resume", str(folder), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert len({json.dumps(trial["choice"]) for trial in facts["trials"]}) == 3
    assert facts["winner"]["test_accuracy"] is not None
    assert main(["search", "--resume", str(folder)]) == 1
    assert "this search has ended" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "a search to --resume"),
        (["digits", "--resume", "FOLDER"], "leave SOURCE or --resume out"),
        (["digits", "--trade", "macs,colour"], "colour"),
        (["digits", "--trade", "latency"], "--board"),
        (["digits", "--sampler", "front2"], "front"),
        (["digits", "--engine", "steam"], "processes"),
        (["digits", "--engine", "here", "--workers", "2"], "one worker"),
        (["digits", "--ray-address", "ray://x", "--engine", "here"], "no use for the address"),
        (["digits", "--space", "defualt"], "--show-space"),
        (["digits", "--space", "[networks.mpl]"], "mlp"),
        (["digits", "--space", "[networks.mlp]\nhiden = ['8']"], "hidden"),
        (["digits", "--space", "[networks.mlp]\n[recipe]\nlearning_rate = []"], "its list is empty"),
        (["digits", "--sampler", "grid", "--space", "[networks.resnet8]\nwidth = {low = 3, high = 5}"], "ranges"),
        (["digits", "--networks", "0"], "networks"),
        (["digits", "--rungs", "9"], "rungs"),
        (["digits", "--storage", "abacus://here"], "abacus"),
    ],
)
def test_what_is_not_known_or_does_not_go_together_is_a_fault_of_usage(
    words: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if "--space" in words and "[" in words[-1]:
        Path("mine.toml").write_text(words[-1], encoding="utf-8")
        words = [*words[:-1], "mine.toml"]
    assert main(["search", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "error: " in err
    assert says in err


def test_a_folder_that_is_no_search_is_not_resumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "--resume", str(tmp_path)]) == 1
    assert "is not a search" in capsys.readouterr().err
