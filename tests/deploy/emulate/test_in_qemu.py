from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace

import pytest

from pennyweight.core.errors import FirmwareError, PennyweightError, UsageError
from pennyweight.deploy.emulate.in_qemu import memory_map_in_qemu, qemu_for, run_in_qemu
from pennyweight.deploy.emulate.in_unicorn import CPU_MODELS, run_in_unicorn
from pennyweight.deploy.toolchain.firmware import Firmware
from pennyweight.deploy.toolchain.memory_map import MemoryMap, Region

Build = Callable[..., Firmware]
MEMORY = MemoryMap(Region(0, 65_536), Region(0x2000_0000, 16_384))

WORK = """
static int8_t pixels[256];
static int32_t sums[16];
static uint32_t seed = 12345u;
__attribute__((noinline)) static uint32_t drawn(void) { return seed = seed * 1664525u + 1013904223u; }
__attribute__((noinline)) static int32_t steps(uint32_t n)
{
    int32_t count = 0;
    for (; n != 1u && count < 100; count++) {
        n = (n & 1u) ? 3u * n + 1u : n / 2u;
    }
    return count;
}
int main(void)
{
    int32_t found = 0;
    while (board_read(pixels, sizeof pixels) == sizeof pixels) {
        board_mark(1u);
        for (int i = 0; i < 256; i++) {
            int32_t value = pixels[i] + (int32_t)(drawn() >> 24);
            pixels[i] = (int8_t)(value > 127 ? 127 : value);
        }
        board_mark(2u);
        for (int i = 0; i < 2048; i++) {
            sums[i & 15] += pixels[i & 255] * pixels[(i * 7) & 255];
        }
        board_mark(3u);
        found += steps(drawn() >> 16 | 1u) / (pixels[0] | 1);
        found += (int32_t)(((int64_t)sums[3] * 1518500250) >> 31);
        (void)board_write(sums, sizeof sums);
    }
    (void)board_write(&found, sizeof found);
    return found & 63;
}
"""


def require(core: str) -> None:
    if qemu_for(core) is None:
        pytest.skip("qemu-system-arm, or qemu-system-riscv32, is not installed")


@pytest.mark.parametrize("core", sorted(CPU_MODELS))
def test_both_engines_agree_on_every_byte_and_every_instruction(build: Build, core: str) -> None:
    pytest.importorskip("unicorn", reason="the extra `boards` is not installed")
    require(core)
    firmware = build(WORK, core, memory_map_in_qemu(core, MEMORY), optimisation="-O2")
    images = bytes(range(256)) * 2
    second, first = run_in_qemu(firmware, images), run_in_unicorn(firmware, images)
    assert replace(second, engine="unicorn") == first
    assert len(first.marks) == 6


HELIUM = """
#include <arm_mve.h>
int main(void)
{
    static int8_t a[40];
    static int8_t b[40];
    (void)board_read(a, sizeof a);
    (void)board_read(b, sizeof b);
    board_mark(1u);
    int32_t sum = 0;
    for (uint32_t i = 0; i < 40u; i += 16u) {
        const mve_pred16_t inside = vctp8q(40u - i);
        sum = vmladavaq_p(sum, vldrbq_z_s8(a + i, inside), vldrbq_z_s8(b + i, inside), inside);
    }
    board_mark(2u);
    (void)board_write(&sum, sizeof sum);
    return 0;
}
"""


def test_helium_runs_on_the_cortex_m55(build: Build) -> None:
    require("cortex-m55")
    firmware = build(HELIUM, "cortex-m55", memory_map_in_qemu("cortex-m55", MEMORY))
    a, b = list(range(-20, 20)), list(range(60, 100))
    found = run_in_qemu(firmware, struct.pack("80b", *a, *b))
    assert struct.unpack("<i", found.output) == (sum(x * y for x, y in zip(a, b, strict=True)),)
    assert 12 <= found.instructions_by_mark()[1] <= 60, "three rounds of sixteen lanes, not forty of one"


def test_a_core_that_faults_and_a_program_that_hangs_are_told(build: Build) -> None:
    require("cortex-m4f")
    memory = memory_map_in_qemu("cortex-m4f", MEMORY)
    faulty = build('int main(void) { board_mark(4u); __asm__ volatile("udf #0"); return 0; }', "cortex-m4f", memory)
    with pytest.raises(FirmwareError, match=r"the core faults, at 0x.* in main.*, after mark dense"):
        run_in_qemu(faulty, mark_names={4: "dense"})
    endless = build('int main(void) { board_mark(4u); for (;;) __asm__ volatile(""); }', "cortex-m4f", memory)
    with pytest.raises(FirmwareError, match=r"the program asked for nothing in 0\.5 s, after mark 4"):
        run_in_qemu(endless, timeout_s=0.5)


@pytest.mark.parametrize(
    ("message", "statement"),
    [
        (
            "access to 0x31004000, outside flash and RAM, at 0x1100.* in main",
            "for (volatile uint8_t *p = b;; p++) *p = 1;",
        ),
        ("access to 0x40000000, outside flash and RAM, at 0x1100.* in main", "return *(volatile int *)0x40000000u;"),
        ("access to 0x11000100, in flash, at 0x1100.* in main", "*(volatile uint8_t *)0x11000100u = 1;"),
        ("the core faults, at 0x31000", "((void (*)(void))((uintptr_t)b | 1u))();"),
        (
            "access to 0x30fff[0-9a-f]*, below the stack of 1,024 bytes",
            "volatile int a[900]; for (int i = 0; i < 9; i++) a[i] = 1; return a[b[0]];",
        ),
    ],
    ids=("write", "read", "flash", "jump", "stack"),
)
def test_the_cortex_m55_keeps_to_the_boards_memory(build: Build, message: str, statement: str) -> None:
    require("cortex-m55")
    text = f"extern uint8_t b[8]; uint8_t b[8]; int main(void) {{ b[0]++; {statement} return 0; }}"
    with pytest.raises(FirmwareError, match=f"^{message}"):
        run_in_qemu(build(text, "cortex-m55", memory_map_in_qemu("cortex-m55", MEMORY)))


def test_a_board_whose_memory_qemu_has_elsewhere_keeps_its_sizes() -> None:
    moved = memory_map_in_qemu("cortex-m33", MEMORY)
    assert (moved.flash.length_bytes, moved.ram.length_bytes) == (65_536, 16_384)
    assert moved != MEMORY
    assert memory_map_in_qemu("cortex-m4f", MEMORY) == MEMORY
    with pytest.raises(FirmwareError, match="QEMU's mps2-an386 has 4,194,304 of 8,388,608 bytes"):
        memory_map_in_qemu("cortex-m4f", replace(MEMORY, flash=Region(0, 8 << 20)))


def test_a_program_that_is_linked_elsewhere_is_refused(build: Build) -> None:
    require("cortex-m33")
    with pytest.raises(UsageError, match="addresses at which QEMU's machine has no memory"):
        run_in_qemu(build("int main(void) { return 0; }", "cortex-m33", MEMORY))


def test_without_qemu_it_is_named(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    firmware = build("int main(void) { return 0; }", "cortex-m4f", MEMORY)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(PennyweightError, match="qemu-system-arm is not installed"):
        run_in_qemu(firmware)
