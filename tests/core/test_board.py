"""The catalogue of boards, and the boards that users add."""

from __future__ import annotations

import math
import os
import re
import tomllib
from dataclasses import asdict, fields
from datetime import date
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pennyweight.core import board as board_module
from pennyweight.core.board import (
    BOARDS_VARIABLE,
    CORES,
    RESNET8_MACS,
    TINYMAIX_CIFAR_MACS,
    Sources,
    boards,
    find_board,
)
from pennyweight.core.errors import UsageError

MINE = """
[my-board]
name = "Mine"
core = "cortex-m4f"
mhz = 80
flash = "256 KiB"
ram = 65536
price_usd = 3.5
price_kind = "board"
[my-board.sources]
hardware = { title = "the datasheet", date = 2026-01-02, url = "https://example.org/sheet" }
price = { title = "an invoice", date = 2026-02-03 }
"""


@pytest.fixture(autouse=True)
def no_boards_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(BOARDS_VARIABLE, raising=False)


def written(folder: Path, text: str, name: str = "mine.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_catalogue_reaches_from_a_ten_cent_chip_to_an_stm32h7() -> None:
    known = boards()
    assert len(known) >= 18
    assert next(iter(known)) == "ch32v003"
    assert known["ch32v003"].price_usd == 0.10
    assert {"microbit-v1", "microbit-v2", "pico", "nucleo-l4r5zi", "nucleo-h743zi"} <= set(known)
    assert {key: board.key for key, board in known.items()} == {key: key for key in known}


def test_no_table_of_the_catalogue_is_lost_or_hides_another() -> None:
    files = [file for file in resources.files("pennyweight.core").joinpath("boards").iterdir() if ".toml" in file.name]
    keys = [key for file in files for key in tomllib.loads(file.read_text(encoding="utf-8"))]
    assert sorted(keys) == sorted(boards())


@pytest.mark.parametrize("key", boards())
def test_every_figure_of_the_catalogue_has_a_source_with_an_address_and_a_date(key: str) -> None:
    board = boards()[key]
    for figure in fields(Sources):
        source = getattr(board.sources, figure.name)
        if getattr(board, figure.name) is None:
            assert figure.name == "price_usd"
            assert source is None
            assert "price" in board.note
        else:
            assert source.title
            assert re.match(r"https?://\S+$", source.url)
            assert date(2010, 1, 1) < source.date <= date(2026, 11, 21)


@pytest.mark.parametrize("key", boards())
def test_every_board_of_the_catalogue_is_plausible(key: str) -> None:
    board = boards()[key]
    assert board.core in CORES
    assert 16 <= board.mhz <= 600
    assert 2 * 1024 <= board.ram_bytes < board.flash_bytes <= 16 * 2**20
    assert board.ram_bytes % 512 == board.flash_bytes % 512 == 0
    assert board.price_usd is None or 0.01 <= board.price_usd <= 100


@pytest.mark.parametrize("key", CORES)
def test_every_core_that_was_measured_says_by_whom_and_where(key: str) -> None:
    core = CORES[key]
    assert core.key == key
    assert (core.cycles_per_mac is None) == (core.source is None) == (core.engine == "")
    assert core.source is None or core.source.url.startswith("https://github.com/")


@pytest.mark.parametrize(
    ("core", "cycles"), [("cortex-m0plus", 7.79), ("cortex-m4f", 1.585), ("cortex-m33", 1.335), ("cortex-m7", 0.915)]
)
def test_cycles_are_those_of_mlperf_tiny(core: str, cycles: float) -> None:
    assert CORES[core].cycles_per_mac == pytest.approx(cycles, abs=0.0005)


def test_cycles_of_a_risc_v_core_are_those_of_tinymaix() -> None:
    assert find_board("esp32-c3").latency_ms(TINYMAIX_CIFAR_MACS) == pytest.approx(127)


def test_the_estimate_gives_back_the_measured_latency_of_resnet8() -> None:
    assert find_board("nucleo-l4r5zi").latency_ms(RESNET8_MACS) == pytest.approx(165.12)
    assert find_board("nucleo-g0b1re").latency_ms(RESNET8_MACS) == pytest.approx(1521.6)


def test_the_latency_on_a_core_that_nobody_measured_is_unknown() -> None:
    assert find_board("ch32v003").latency_ms(1000) is None


def test_a_board_is_found_in_either_case() -> None:
    assert find_board(" Microbit-V1 ").ram_bytes == 16 * 1024


def test_an_unknown_board_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown board 'micro-bit-v1'") as caught:
        find_board("micro-bit-v1")
    assert "microbit-v1" in caught.value.hint


def test_a_users_board_joins_the_catalogue(tmp_path: Path) -> None:
    found = find_board("my-board", written(tmp_path, MINE))
    assert (found.flash_bytes, found.ram_bytes, found.price_usd) == (262_144, 65_536, 3.5)
    assert found.sources.mhz.title == "the datasheet"
    assert found.sources.price_usd is not None
    assert found.sources.price_usd.date == date(2026, 2, 3)
    assert asdict(found)["sources"]["mhz"]["url"] == "https://example.org/sheet"


def test_a_user_may_tell_where_memories_begin(tmp_path: Path) -> None:
    told = MINE.replace("ram = 65536", "ram = 65536\nflash_address = 0x0800_1000\nram_address = 0x2000_0000")
    found = find_board("my-board", written(tmp_path, told))
    assert (found.flash_address, found.ram_address) == (0x0800_1000, 0x2000_0000)
    assert found.sources.flash_address is not None
    assert found.sources.flash_address.title == "the datasheet"
    left_out = find_board("my-board", written(tmp_path, MINE))
    assert (left_out.flash_address, left_out.sources.ram_address) == (None, None)


@pytest.mark.parametrize("address", ["-4096", "0x0800_0001", "4294967296", "true", '"0x0800_0000"'])
def test_an_address_at_which_no_memory_begins_is_refused(tmp_path: Path, address: str) -> None:
    told = MINE.replace("ram = 65536", f"ram = 65536\nflash_address = {address}")
    with pytest.raises(UsageError, match=r"flash_address must be a multiple of 4,096"):
        boards(written(tmp_path, told))


def test_a_figure_may_have_a_source_of_its_own(tmp_path: Path) -> None:
    own = MINE + 'ram = { title = "measured", date = 2026-03-04 }\n'
    found = find_board("my-board", written(tmp_path, own))
    assert found.sources.ram_bytes.title == "measured"
    assert found.sources.flash_bytes.title == "the datasheet"


def test_a_users_price_replaces_ours_and_may_be_unknown(tmp_path: Path) -> None:
    cheaper = MINE.replace("my-board", "pico").replace("3.5", "0.01")
    assert find_board("pico", written(tmp_path, cheaper)).price_usd == 0.01
    assert next(iter(boards(tmp_path))) == "pico"
    unknown = re.sub("price_usd.*\n|^price = .*\n", "", MINE, flags=re.MULTILINE)
    assert find_board("my-board", written(tmp_path, unknown)).price_usd is None
    assert boards()["pico"].price_usd == 4.0


def test_the_environment_names_files_and_folders_and_the_argument_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    written(folder, MINE.replace("my-board", "third-board"))
    first = written(tmp_path, MINE)
    second = written(tmp_path, MINE.replace("Mine", "Newer"), "newer.toml")
    monkeypatch.setenv(BOARDS_VARIABLE, os.pathsep.join([str(first), str(folder)]))
    assert {"my-board", "third-board"} <= set(boards())
    assert find_board("my-board").name == "Mine"
    assert find_board("my-board", second).name == "Newer"


def test_every_fault_of_every_file_is_listed_at_once(tmp_path: Path) -> None:
    bad = """
    text = "no table"
    [Bad_Key]
    [bad]
    name = ""
    core = "cortex-m9"
    mhz = nan
    flash = "64 kbit"
    ram = -5
    price_usd = 0
    price_kind = "gift"
    flahs = 1
    note = "\\u001b[31mred"
    [bad.sources]
    core = { title = "somewhere", date = "yesterday", url = "javascript:alert(1)" }
    mhz = 3
    """
    written(tmp_path, bad, "bad.toml")
    written(tmp_path, "[[[", "worse.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError) as caught:
        boards(tmp_path)
    told = str(caught.value)
    for fault in (
        "bad.toml: [text] must be a table",
        "bad.toml: [Bad_Key] its key may hold",
        "bad.toml: [Bad_Key] name is missing",
        "bad.toml: [bad] name must be a text, not ''",
        "core must be one of cortex-m0,",
        "mhz must be a number above 0, at most 10,000, not nan",
        "flash: '64 kbit' has the unknown unit 'kbit'; known units: B,",
        "ram must be a size above 0 such as 64 KiB, not -5",
        "price_usd must be a number above 0, at most 1,000,000, not 0",
        "price_kind must be one of chip, board, not 'gift'",
        "unknown entry flahs: did you mean flash?",
        "note must be at most 1,000 printable characters",
        "sources.core.date must be a date such as 2026-11-21, not 'yesterday'",
        "sources.mhz must be a table",
        "flash has no source",
        "ram has no source",
        "worse.toml: not TOML",
        "binary.toml: cannot be read as UTF-8 text",
    ):
        assert fault in told
    assert "\x1b" not in told
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("line", ["price = { title", "hardware = { title"])
def test_a_figure_without_a_source_is_refused(tmp_path: Path, line: str) -> None:
    without = "\n".join(row for row in MINE.splitlines() if not row.startswith(line))
    with pytest.raises(UsageError, match="has no source"):
        boards(written(tmp_path, without))


def test_an_address_that_is_no_web_page_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="url must begin with https"):
        boards(written(tmp_path, MINE.replace("https://example.org/sheet", "javascript:alert(1)")))


def test_a_missing_file_and_an_empty_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file or folder"):
        boards(tmp_path / "nowhere.toml")
    with pytest.raises(UsageError, match="no TOML file lies in this folder"):
        boards(tmp_path)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="larger than"):
        boards(written(tmp_path, "#" * (board_module.LARGEST_FILE_BYTES + 1)))


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 5000, "a." * 3000 + "b = 1", "a = " + "{b = " * 2000, f"a = {'9' * 9999}"]
)
def test_a_file_that_is_built_to_exhaust_the_reader_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"mine\.toml") as caught:
        boards(written(tmp_path, text))
    assert len(str(caught.value)) < 1000


VALUES = st.sampled_from(
    ['"64 KiB"', '"cortex-m0"', '"chip"', "1", "-1", "inf", "nan", "true", "[]", "{}", '""', "2026-01-01", "1e400"]
)
SOUND = {
    "name": '"Mine"',
    "core": '"cortex-m3"',
    "mhz": "8",
    "flash": "99",
    "ram": "9",
    "price_kind": '"chip"',
    "sources": '{ hardware = { title = "the datasheet", date = 2026-01-02 } }',
}


@given(
    changed=st.dictionaries(
        st.sampled_from([*SOUND, "price_usd", "note", "flash_address", "other"]), VALUES, max_size=3
    )
)
def test_any_table_is_read_or_refused_with_its_file(
    changed: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = "[mine]\n" + "\n".join(f"{key} = {value}" for key, value in (SOUND | changed).items())
    path = written(tmp_path_factory.getbasetemp(), text, "any.toml")
    try:
        found = find_board("mine", path)
    except UsageError as error:
        assert changed
        assert all(line.startswith("any.toml: ") for line in str(error).splitlines())  # noqa: PT017 - both ways are right
    else:
        assert "other" not in changed
        assert 0 < found.mhz < math.inf
        assert min(found.flash_bytes, found.ram_bytes) > 0
        assert found.core in CORES
