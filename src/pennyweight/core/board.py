"""Board: one microcontroller board, or a chip to build one around, and the catalogue of those that we know.

The catalogue is the TOML files beside this module in `boards/`, and those that a user adds: one table a board.

    [my-board]
    name = "My board (STM32G030F6)"
    core = "cortex-m0plus"
    mhz = 64
    flash = "32 KiB"                # what a program can use: without a bootloader that must stay
    ram = "8 KiB"                   # the largest block that one buffer can fill
    flash_address = 0x0800_0000     # where they begin; may be left out: where the architecture puts them
    ram_address = 0x2000_0000
    price_usd = 0.70                # may be left out: not known
    price_kind = "chip"             # or "board"
    note = "anything that a reader of the figures must know"

    [my-board.sources]              # `hardware` stands for core, mhz, flash, ram, addresses, unless they have their own
    hardware = { title = "RIOT: WeAct-G030F6 board", date = 2026-11-21, url = "https://…" }
    price = { title = "invoice 17", date = 2026-10-02 }

A date is the source's own, or where it bears none the day on which it was read.
"""

from __future__ import annotations

import math
import os
import re
import tomllib
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from importlib import resources
from pathlib import Path
from reprlib import repr as shortened
from typing import Any, Literal, cast

from pennyweight.core.errors import UsageError, unknown
from pennyweight.core.text import visible
from pennyweight.core.units import parse_bytes

BOARDS_VARIABLE = "PENNYWEIGHT_BOARDS"
"""The environment variable that names TOML files, or folders of them, with boards of the user's own."""

LARGEST_FILE_BYTES = 1_000_000
FASTEST_MHZ = 10_000
DEAREST_USD = 1_000_000

PAGE_BYTES = 4096
"""Memories begin at a multiple of this, as virtual boards map whole pages."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a figure was read, and the day for which it stands."""

    title: str
    date: date
    url: str = ""


@dataclass(frozen=True, slots=True)
class Core:
    """A processor core; `cycles_per_mac` is what one int8 multiply-accumulate of a convolution took on it.

    None where nobody published a measurement. `engine` is the software that was measured.
    """

    key: str
    name: str
    cycles_per_mac: float | None = None
    engine: str = ""
    source: Source | None = None


RESNET8_MACS = 12_501_632
"""Multiply-accumulates of MLPerf Tiny's ResNet-8 for one image of 32x32x3."""


def _measured(key: str, name: str, mhz: int, seconds: float, images: int, engine: str, log: str) -> Core:
    """A core by the `log` of an image classification run of MLPerf Tiny: `seconds` for `images` through ResNet-8 int8.

    Cycles per MAC = Hz x seconds / MACs.
    """
    cycles = mhz * 1e6 * seconds / images / RESNET8_MACS
    version, run = log.split(" ")
    url = f"https://github.com/mlcommons/tiny_results_{version}/blob/main/closed/{run}/ic/performance/results.txt"
    return Core(key, name, cycles, engine, Source(f"MLPerf Tiny {version}: {run}", date(2026, 11, 21), url))


TINYMAIX_CIFAR_MACS = 3_082_240
"""Multiply-accumulates of TinyMaix's CIFAR-10 network: 5x5 with stride 2 to 32, 32, 64, then 1,024 to 10."""

_TINYMAIX = Source(
    "TinyMaix benchmark: ESP32-C3, cifar, 127 ms at 160 MHz",
    date(2026, 11, 22),
    "https://github.com/sipeed/TinyMaix/blob/main/benchmark.md",
)

_BOSCH = "v1.2 bosch/results/NUCLEO_G0B1RE_int8"
_ST = "v1.2 STMicroelectronics/results"
_PLUMERAI = "v1.1 plumerai/results/NUCLEO_U575ZI_Q"

CORES: dict[str, Core] = {
    core.key: core
    for core in (
        Core("cortex-m0", "Arm Cortex-M0"),
        _measured("cortex-m0plus", "Arm Cortex-M0+", 64, 15.216, 10, "Bosch HALE 1.0", _BOSCH),
        Core("cortex-m3", "Arm Cortex-M3"),
        _measured("cortex-m4f", "Arm Cortex-M4F", 120, 16.512, 100, "X-CUBE-AI 9.0", f"{_ST}/NUCLEO_L4R5ZI"),
        _measured("cortex-m7", "Arm Cortex-M7", 280, 10.211, 250, "X-CUBE-AI 9.0", f"{_ST}/NUCLEO_H7A3ZI_Q"),
        _measured("cortex-m33", "Arm Cortex-M33", 160, 15.643, 150, "Plumerai", _PLUMERAI),
        Core("cortex-m55", "Arm Cortex-M55"),
        Core("rv32ec", "RISC-V RV32EC"),
        Core("rv32imc", "RISC-V RV32IMC", 0.127 * 160e6 / TINYMAIX_CIFAR_MACS, "TinyMaix", _TINYMAIX),
        Core("rv32imac", "RISC-V RV32IMAC"),
        Core("xtensa-lx6", "Tensilica Xtensa LX6"),
        Core("xtensa-lx7", "Tensilica Xtensa LX7"),
    )
}
"""Every core that a board may have, by its key."""


@dataclass(frozen=True, slots=True)
class Sources:
    """The source of each figure of a board, under the figure's own name; None for those that were left out."""

    core: Source
    mhz: Source
    flash_bytes: Source
    ram_bytes: Source
    price_usd: Source | None
    flash_address: Source | None = None
    ram_address: Source | None = None


@dataclass(frozen=True, slots=True)
class Board:
    """One microcontroller board, or a bare chip.

    `flash_bytes` is what a program can use: without a bootloader that must stay. `ram_bytes` is the largest block that
    one buffer can fill: a chip's memories at scattered addresses do not add up. `price_usd` is what one piece costs,
    None where it is not known; `price_kind` says of what: of the bare chip or of a board with all that it needs.
    `flash_address` and `ram_address` are where the two begin, None where the architecture puts them.
    """

    key: str
    name: str
    core: str
    mhz: float
    flash_bytes: int
    ram_bytes: int
    price_usd: float | None
    price_kind: Literal["chip", "board"]
    sources: Sources
    note: str = ""
    flash_address: int | None = None
    ram_address: int | None = None

    def latency_ms(self, macs: int) -> float | None:
        """An estimate of the milliseconds that `macs` int8 multiply-accumulates take: macs x cycles / (MHz x 1000).

        It supposes convolutions, and an engine as good as the one that `CORES` names. None where none was measured.
        """
        cycles = CORES[self.core].cycles_per_mac
        return None if cycles is None else macs * cycles / (self.mhz * 1000)


def boards(extra: Path | None = None) -> dict[str, Board]:
    """Every board that we know, key -> Board, from the cheapest to the dearest, those without a price last.

    Behind the catalogue come the user's own: the files and folders that PENNYWEIGHT_BOARDS names (separated as PATH
    is), then `extra`, a file or a folder; a later board replaces an earlier one with the same key.
    Raises UsageError that lists every fault of all of these files.
    """
    known = dict(_catalogue())
    told = [Path(part) for part in os.environ.get(BOARDS_VARIABLE, "").split(os.pathsep) if part]
    faults: list[str] = []
    for path in (*told, *([extra] if extra is not None else [])):
        for file in _files(path, faults):
            known |= _read(file.name, _content(file, faults), faults)
    _raise(faults)
    return dict(sorted(known.items(), key=lambda item: (item[1].price_usd or math.inf, item[0])))


def find_board(name: str, extra: Path | None = None) -> Board:
    """The board whose key is `name`, in either case. Raises UsageError with the nearest keys where there is none."""
    known = boards(extra)
    board = known.get(name.strip().lower())
    if board is None:
        raise unknown("board", name, known)
    return board


@cache
def _catalogue() -> dict[str, Board]:
    faults: list[str] = []
    known: dict[str, Board] = {}
    for file in resources.files("pennyweight.core").joinpath("boards").iterdir():
        if file.name.endswith(".toml"):
            known |= _read(file.name, file.read_text(encoding="utf-8"), faults)
    _raise(faults)
    return known


def _raise(faults: list[str]) -> None:
    if faults:
        raise UsageError("\n".join(faults), hint="the head of pennyweight/core/board.py shows a whole board")


def _files(path: Path, faults: list[str]) -> list[Path]:
    if path.is_dir():
        found = sorted(path.glob("*.toml"))
        if not found:
            faults.append(f"{path}: no TOML file lies in this folder")
        return found
    if not path.is_file():
        faults.append(f"{path}: there is no such file or folder of boards")
        return []
    return [path]


def _content(file: Path, faults: list[str]) -> str:
    try:
        if file.stat().st_size > LARGEST_FILE_BYTES:
            faults.append(f"{file.name}: larger than {LARGEST_FILE_BYTES:,} bytes, so it is no file of boards")
            return ""
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        faults.append(f"{file.name}: cannot be read as UTF-8 text: {error}")
        return ""


def _read(file: str, text: str, faults: list[str]) -> dict[str, Board]:
    """The faultless boards of one TOML text; what is wrong with the others joins `faults`."""
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        faults.append(f"{file}: not TOML: {error}")
        return {}
    found = {}
    for key, table in tables.items():
        here: list[str] = []
        board = _Reader(key, table, here).board()
        faults.extend(f"{file}: [{_printable(key)}] {fault}" for fault in here)
        if board is not None and not here:
            found[key] = board
    return found


def _printable(text: str) -> str:
    return visible(text) if len(text) <= 60 else shortened(text)


_MISSING = object()
_ADDRESSES = ("flash_address", "ram_address")
_KEYS = ("name", "core", "mhz", "flash", "ram", *_ADDRESSES, "price_usd", "price_kind", "note", "sources")
_HARDWARE = ("core", "mhz", "flash", "ram")
_SOURCE_KEYS = ("hardware", *_HARDWARE, "addresses", "price")


class _Reader:
    """Reads one table as a board, and gathers every fault rather than stopping at the first."""

    def __init__(self, key: str, table: Any, faults: list[str]) -> None:
        self.key, self.faults = key, faults
        self.table: dict[str, Any] = table if isinstance(table, dict) else {}
        if not isinstance(table, dict):
            faults.append("must be a table")

    def board(self) -> Board | None:
        if self.faults:
            return None
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.key) or len(self.key) > 60:
            self.faults.append("its key may hold small letters, digits and single hyphens only")
        self._only(self.table, _KEYS, "")
        price = self._number("price_usd", DEAREST_USD, needed=False)
        values = {
            "name": self._text(self.table, "name"),
            "core": self._choice("core", tuple(CORES)),
            "mhz": self._number("mhz", FASTEST_MHZ),
            "flash_bytes": self._bytes("flash"),
            "ram_bytes": self._bytes("ram"),
            "price_usd": price,
            "price_kind": self._choice("price_kind", ("chip", "board")),
            "sources": self._sources(priced=price is not None),
            "note": self._text(self.table, "note", needed=False),
        } | {name: self._address(name) for name in _ADDRESSES}
        return None if self.faults else Board(self.key, **cast(dict[str, Any], values))

    def _sources(self, *, priced: bool) -> Sources | None:
        given = self.table.get("sources", {})
        if not isinstance(given, dict):
            self.faults.append("sources must be a table")
            return None
        self._only(given, _SOURCE_KEYS, "sources.")
        read = {name: self._source(name, given[name]) for name in _SOURCE_KEYS if name in given}
        told = [name for name in _ADDRESSES if name in self.table]
        for name in (*_HARDWARE, *(["addresses"] if told else []), *(["price"] if priced else [])):
            if name not in read and (name == "price" or "hardware" not in read):
                self.faults.append(f"{name} has no source: say sources.{name} = {{ title = …, date = … }}")
        core, mhz, flash, ram = [cast(Source, read.get(name, read.get("hardware"))) for name in _HARDWARE]
        addresses = read.get("addresses", read.get("hardware"))
        at = {name: addresses if name in told else None for name in _ADDRESSES}
        return Sources(core, mhz, flash, ram, read.get("price"), **at)

    def _source(self, name: str, value: Any) -> Source | None:
        where = f"sources.{name}"
        if not isinstance(value, dict):
            self.faults.append(f"{where} must be a table with title, date and perhaps url")
            return None
        self._only(value, ("title", "date", "url"), f"{where}.")
        title = self._text(value, "title", where=f"{where}.")
        url = self._text(value, "url", where=f"{where}.", needed=False)
        day = value.get("date", _MISSING)
        if not isinstance(day, date) or isinstance(day, datetime):
            self.faults.append(f"{where}.date {_told(day, 'must be a date such as 2026-11-21')}")
            return None
        if url and not re.match(r"https?://", url):
            self.faults.append(f"{where}.url must begin with https:// or http://, not {shortened(url)}")
        return Source(title, day, url)

    def _only(self, table: dict[str, Any], allowed: tuple[str, ...], where: str) -> None:
        for name in table:
            if name not in allowed:
                error = unknown("entry", name, allowed)
                self.faults.append(f"unknown entry {where}{_printable(name)}: {error.hint}")

    def _text(self, table: dict[str, Any], name: str, *, where: str = "", needed: bool = True) -> str:
        value = table.get(name, _MISSING if needed else "")
        if not isinstance(value, str) or (needed and not value.strip()):
            self.faults.append(f"{where}{name} {_told(value, 'must be a text')}")
            return ""
        if not value.isprintable() or len(value) > 1000:
            self.faults.append(f"{where}{name} must be at most 1,000 printable characters, not {shortened(value)}")
            return ""
        return value

    def _choice(self, name: str, allowed: tuple[str, ...]) -> str:
        value = self.table.get(name, _MISSING)
        if not isinstance(value, str) or value not in allowed:
            self.faults.append(f"{name} {_told(value, 'must be one of ' + ', '.join(allowed))}")
            return ""
        return value

    def _number(self, name: str, largest: float, *, needed: bool = True) -> float | None:
        value = self.table.get(name, _MISSING)
        if value is _MISSING and not needed:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= largest:
            self.faults.append(f"{name} {_told(value, f'must be a number above 0, at most {largest:,}')}")
            return None
        return value

    def _address(self, name: str) -> int | None:
        value = self.table.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value not in range(0, 2**32, PAGE_BYTES):
            rule = f"must be a multiple of {PAGE_BYTES:,} below 2^32 such as 0x2000_0000"
            self.faults.append(f"{name} {_told(value, rule)}")
            return None
        return value

    def _bytes(self, name: str) -> int:
        value = self.table.get(name, _MISSING)
        if isinstance(value, str):
            try:
                value = parse_bytes(value, name)
            except UsageError as error:
                self.faults.append(f"{error}; {error.hint}")
                return 0
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**63:
            self.faults.append(f"{name} {_told(value, 'must be a size above 0 such as 64 KiB')}")
            return 0
        return value


def _told(value: Any, rule: str) -> str:
    return f"is missing; it {rule}" if value is _MISSING else f"{rule}, not {shortened(value)}"
