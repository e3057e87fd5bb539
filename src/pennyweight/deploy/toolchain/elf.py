"""Elf: a linked 32-bit program, read from the bytes of its ELF file.

Every offset is checked before it is followed: a file that is cut short or lies is a FirmwareError.
The layout is that of the System V ABI, chapters 4 and 5 (ELF header, sections, symbol table, program headers).
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from dataclasses import dataclass
from typing import Literal

from pennyweight.core.errors import FirmwareError

EM_ARM, EM_RISCV = 40, 243
LONGEST_NAME = 4096

_HEADER = struct.Struct("<16xHHIIIIIHHHHHH")
_SECTION = struct.Struct("<10I")
_SEGMENT = struct.Struct("<8I")
_SYMBOL = struct.Struct("<IIIBBH")
_PT_LOAD, _SHT_SYMTAB, _SHT_NOBITS, _STT_OBJECT, _STT_FUNC = 1, 2, 8, 1, 2
_SHF_WRITE, _SHF_ALLOC, _SHF_EXECINSTR = 1, 2, 4


@dataclass(frozen=True, slots=True)
class Symbol:
    """A function or a variable: its address, without the bit that says Thumb, and its bytes."""

    name: str
    address: int
    size_bytes: int
    is_function: bool


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the program in memory: `kind` says of what. Data has initial values, bss begins as zeros."""

    name: str
    size_bytes: int
    kind: Literal["text", "rodata", "data", "bss"]


@dataclass(frozen=True, slots=True)
class Segment:
    """Bytes that lie in flash at `address`."""

    address: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Elf:
    """A linked program; `symbols` is sorted by address, `labels` are the addresses of all global symbols.

    Those that the linker script defines are among the labels.
    """

    machine: int
    entry: int
    sections: tuple[Section, ...]
    segments: tuple[Segment, ...]
    symbols: tuple[Symbol, ...]
    labels: dict[str, int]

    @property
    def is_arm(self) -> bool:
        """Whether it is a program for a Cortex-M, else for RISC-V."""
        return self.machine == EM_ARM

    def label(self, name: str) -> int:
        """The address of a global symbol. Raises FirmwareError where the program has none of this name."""
        if name not in self.labels:
            raise FirmwareError(f"the program has no symbol {name}")
        return self.labels[name]

    def place(self, address: int) -> str:
        """The function that holds `address`, and how far into it; "no function" where none does."""
        functions = [symbol for symbol in self.symbols if symbol.is_function]
        at = bisect_right(functions, address, key=lambda symbol: symbol.address) - 1
        if at < 0 or address >= functions[at].address + functions[at].size_bytes:
            return "no function"
        offset = address - functions[at].address
        return f"{functions[at].name}+0x{offset:x}" if offset else functions[at].name


def read_elf(content: bytes) -> Elf:
    """The program in an ELF file. Raises FirmwareError where it is none for a 32-bit, little-endian machine."""
    _, machine, _, entry, segments, sections, _, _, segment_size, segment_count, section_size, count, names = _fields(
        _HEADER, content, 0
    )
    if content[:6] != b"\x7fELF\x01\x01" or machine not in (EM_ARM, EM_RISCV):
        raise FirmwareError("this is no ELF file for a 32-bit Arm or RISC-V core")
    headers = [_fields(_SECTION, content, sections + at * section_size) for at in range(count)]
    if headers and names >= count:
        raise FirmwareError(f"the ELF file names section {names} for its names, but has {count}")
    titles = _table(content, headers[names]) if headers else b""
    symbols, labels = _symbols(content, headers, machine)
    return Elf(
        machine,
        entry & ~1,
        tuple(_section(_text(titles, header[0]), header) for header in headers if header[2] & _SHF_ALLOC),
        tuple(_loaded(content, segments, segment_size, segment_count)),
        symbols,
        labels,
    )


def _fields(layout: struct.Struct, content: bytes, offset: int) -> tuple[int, ...]:
    if offset + layout.size > len(content):
        raise FirmwareError(f"the ELF file ends at byte {len(content):,}, before what should lie at {offset:,}")
    return layout.unpack_from(content, offset)


def _slice(content: bytes, offset: int, length: int) -> bytes:
    if offset + length > len(content):
        raise FirmwareError(f"the ELF file ends at byte {len(content):,}, before byte {offset + length:,}")
    return content[offset : offset + length]


def _table(content: bytes, header: tuple[int, ...]) -> bytes:
    return _slice(content, header[4], header[5])


def _text(table: bytes, offset: int) -> str:
    end = table.find(b"\0", offset, offset + LONGEST_NAME)
    if end < 0:
        raise FirmwareError(f"the ELF file has no name at byte {offset:,} of a table of {len(table):,} bytes")
    return table[offset:end].decode("utf-8", "backslashreplace")


def _section(name: str, header: tuple[int, ...]) -> Section:
    _, kind, flags, _, _, size, *_ = header
    if kind == _SHT_NOBITS:
        return Section(name, size, "bss")
    if flags & _SHF_WRITE:
        return Section(name, size, "data")
    return Section(name, size, "text" if flags & _SHF_EXECINSTR else "rodata")


def _loaded(content: bytes, offset: int, size: int, count: int) -> list[Segment]:
    found, left_bytes = [], len(content)
    for at in range(count):
        kind, start, _, address, length, _, _, _ = _fields(_SEGMENT, content, offset + at * size)
        if kind != _PT_LOAD or not length:
            continue
        left_bytes -= length
        if left_bytes < 0:
            raise FirmwareError(f"the ELF file of {len(content):,} bytes has segments of more")
        found.append(Segment(address, _slice(content, start, length)))
    return found


def _symbols(content: bytes, headers: list[tuple[int, ...]], machine: int) -> tuple[tuple[Symbol, ...], dict[str, int]]:
    found: list[Symbol] = []
    labels: dict[str, int] = {}
    header = next((header for header in headers if header[1] == _SHT_SYMTAB), None)
    if header is None:
        return (), labels
    if header[6] >= len(headers):
        raise FirmwareError(f"the ELF file names section {header[6]} for its symbols, but has {len(headers)}")
    table, texts = _table(content, header), _table(content, headers[header[6]])
    for offset in range(0, len(table) - _SYMBOL.size + 1, _SYMBOL.size):
        name, value, size, info, _, section = _SYMBOL.unpack_from(table, offset)
        kind, is_global = info & 15, info >> 4
        address = value & ~1 if kind == _STT_FUNC and machine == EM_ARM else value
        if section and is_global:
            labels[_text(texts, name)] = address
        if section and kind in (_STT_FUNC, _STT_OBJECT):
            found.append(Symbol(_text(texts, name), address, size, kind == _STT_FUNC))
    return tuple(sorted(found, key=lambda symbol: symbol.address)), labels
