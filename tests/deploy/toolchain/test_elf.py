from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress

import pytest

from pennyweight.core.errors import FirmwareError
from pennyweight.deploy.toolchain.elf import read_elf
from pennyweight.deploy.toolchain.firmware import Firmware

Build = Callable[..., Firmware]


@pytest.fixture
def firmware(build: Build) -> Firmware:
    text = "__attribute__((noinline)) int twice(int a); int twice(int a) { return a * 2 + (int)board_read(0, 0); }"
    return build(
        f"extern int8_t buffer[24]; int8_t buffer[24]; {text} int main(void) {{ return twice(buffer[1]++); }}",
        "bluepill",
    )


def test_an_address_is_placed_in_its_function(firmware: Firmware) -> None:
    elf = firmware.elf
    assert elf.place(elf.label("twice")) == "twice"
    assert elf.place(elf.label("twice") + 2) == "twice+0x2"
    assert elf.place(0) == elf.place(0xFFFF_FFFF) == "no function"
    with pytest.raises(FirmwareError, match="the program has no symbol thrice"):
        elf.label("thrice")


def test_variables_have_their_sizes(firmware: Firmware) -> None:
    (buffer,) = (symbol for symbol in firmware.elf.symbols if symbol.name == "buffer")
    assert (buffer.size_bytes, buffer.is_function) == (24, False)
    assert firmware.memory.ram.holds(buffer.address, buffer.size_bytes)


def test_a_damaged_file_is_an_error_and_nothing_worse(firmware: Firmware) -> None:
    whole = firmware.elf_file
    headers = range(52), range(len(whole) - 4000, len(whole))
    draw = random.Random(5)
    for _ in range(500):
        damaged = bytearray(whole)
        for _ in range(draw.randint(1, 4)):
            damaged[draw.choice(draw.choice(headers))] = draw.randint(0, 255)
        with suppress(FirmwareError):
            read_elf(bytes(damaged[: draw.choice((len(whole), draw.randrange(len(whole))))]))


PROGRAM_HEADERS, HEADER_BYTES, HEADER_COUNT = 28, 42, 44
"""Where the ELF header says at which byte the program headers begin, how large each is, and how many there are."""


def test_segments_that_the_file_does_not_hold_are_refused(firmware: Firmware) -> None:
    whole = firmware.elf_file
    at = int.from_bytes(whole[PROGRAM_HEADERS : PROGRAM_HEADERS + 4], "little")
    size = int.from_bytes(whole[HEADER_BYTES : HEADER_BYTES + 2], "little")
    while whole[at : at + 4] != b"\1\0\0\0":
        at += size
    beyond = bytearray(whole)
    beyond[at + 4 : at + 8] = (len(whole) - 8).to_bytes(4, "little")
    with pytest.raises(FirmwareError, match="ends at byte"):
        read_elf(bytes(beyond))
    again_and_again = bytearray(whole)
    again_and_again[PROGRAM_HEADERS : PROGRAM_HEADERS + 4] = at.to_bytes(4, "little")
    again_and_again[HEADER_BYTES : HEADER_COUNT + 2] = b"\0\0\xff\xff"
    with pytest.raises(FirmwareError, match="has segments of more"):
        read_elf(bytes(again_and_again))


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"MZ" * 100, b"\x7fELF\x02\x01" + bytes(100)])
def test_another_file_is_refused(content: bytes) -> None:
    with pytest.raises(FirmwareError, match="ELF file"):
        read_elf(content)
