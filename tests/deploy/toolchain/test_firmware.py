from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest

from pennyweight.core.board import boards
from pennyweight.core.errors import FirmwareError, MissingExtraError, UsageError
from pennyweight.deploy.toolchain.firmware import Firmware, load_firmware
from pennyweight.deploy.toolchain.memory_map import MemoryMap, Region
from pennyweight.deploy.toolchain.target import TARGETS

Build = Callable[..., Firmware]

PROGRAM = """
static const int32_t constants[100] = {1, 2, 3};
static int32_t initial[10] = {4, 5, 6};
static int32_t zeros[50];
int main(void)
{
    for (int i = 0; i < 10; i++) {
        zeros[i] = constants[initial[i]];
    }
    (void)board_write(zeros, sizeof zeros);
    (void)board_write(initial, sizeof initial);
    return 0;
}
"""
MEMORY = MemoryMap(Region(0, 32_768), Region(0x2000_0000, 8_192))


def test_every_byte_is_counted_in_flash_and_in_ram(build: Build) -> None:
    firmware = build(PROGRAM, "microbit-v1", stack_bytes=500)
    footprint = firmware.footprint
    assert (footprint.rodata_bytes, footprint.data_bytes, footprint.bss_bytes) == (400, 40, 200)
    assert footprint.stack_bytes == 512, "a multiple of 16"
    assert footprint.flash_bytes == sum(len(segment.content) for segment in firmware.elf.segments)
    assert footprint.ram_bytes == firmware.elf.label("bss_end") - firmware.memory.ram.origin


@pytest.mark.parametrize("core", ["cortex-m0", "rv32imc"])
def test_what_fits_exactly_is_built_and_with_four_bytes_less_the_region_is_named(build: Build, core: str) -> None:
    taken = build(PROGRAM, core, MEMORY).footprint
    flash, ram = Region(0, taken.flash_bytes), Region(0x2000_0000, taken.ram_bytes)
    assert build(PROGRAM, core, MemoryMap(flash, ram)).footprint == taken
    with pytest.raises(FirmwareError, match=r"^flash overflows by 4 bytes: .* of [0-9,]+$"):
        build(PROGRAM, core, MemoryMap(replace(flash, length_bytes=taken.flash_bytes - 4), ram))
    with pytest.raises(FirmwareError, match=r"^RAM overflows by 4 bytes: .*variables 240, stack 1,024"):
        build(PROGRAM, core, MemoryMap(flash, replace(ram, length_bytes=taken.ram_bytes - 4)))
    with pytest.raises(FirmwareError, match=r"^flash overflows by .*\nRAM overflows by "):
        build(PROGRAM, core, MemoryMap(Region(0, 64), Region(0x2000_0000, 64)))


@pytest.mark.slow
@pytest.mark.parametrize("board", [board.key for board in boards().values() if board.core in TARGETS])
def test_a_program_is_built_for_every_board_that_has_a_compiler(build: Build, board: str) -> None:
    firmware = build(PROGRAM, board)
    assert firmware.elf.entry == firmware.elf.label("reset")
    assert firmware.memory.flash.holds(firmware.elf.entry)
    assert firmware.memory.ram.holds(firmware.elf.label("stack_start"))


def test_functions_that_nothing_calls_are_left_out(build: Build) -> None:
    unused = "int unused(int a); int unused(int a) { return a * 3; }"
    assert build(PROGRAM + unused, "bluepill").footprint == build(PROGRAM, "bluepill").footprint


def test_copies_of_a_few_bytes_are_instructions_and_no_calls(build: Build) -> None:
    text = "int main(void) { uint32_t a; (void)board_read(&a, 4); uint8_t b[4]; memcpy(b, &a, 4); return b[1]; }"
    lean = build(text, "bluepill").footprint.text_bytes
    assert lean == build(text.replace("memcpy(b, &a, 4)", "b[1] = (uint8_t)(a >> 8)"), "bluepill").footprint.text_bytes


def test_what_the_compiler_refuses_is_told(build: Build) -> None:
    with pytest.raises(FirmwareError, match=r"(?s)the program for cortex-m0 cannot be compiled:.*implicit conversion"):
        build("int main(void) { int a = 300; int8_t b = a; return b; }", "microbit-v1")
    with pytest.raises(FirmwareError, match="undefined symbol: nowhere"):
        build("int nowhere(void); int main(void) { return nowhere(); }", "microbit-v1")


def test_without_ziglang_the_extra_is_named(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ziglang", None)
    with pytest.raises(MissingExtraError, match="extra `boards`"):
        build(PROGRAM, "microbit-v1")


def test_a_core_without_a_compiler_is_refused(build: Build) -> None:
    with pytest.raises(UsageError, match="no compiler for Tensilica Xtensa LX6 comes with ziglang"):
        build(PROGRAM, "xtensa-lx6", MEMORY)
    with pytest.raises(UsageError, match="unknown core 'cortex-m99'"):
        build(PROGRAM, "cortex-m99", MEMORY)


def test_a_program_of_another_core_or_place_is_refused(build: Build) -> None:
    firmware = build(PROGRAM, "bluepill")
    assert load_firmware(firmware.elf_file, firmware.core, firmware.memory) == firmware
    with pytest.raises(FirmwareError, match="the program is for Arm, not for rv32imc"):
        load_firmware(firmware.elf_file, "rv32imc", firmware.memory)
    with pytest.raises(FirmwareError, match=re.escape("at 0x08000000, outside the flash at 0x00000000 … 0x00007fff")):
        load_firmware(firmware.elf_file, firmware.core, MEMORY)
