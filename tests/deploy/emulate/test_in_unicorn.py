from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import astuple

import pytest

from pennyweight.core.errors import FirmwareError, MissingExtraError, UsageError
from pennyweight.deploy.emulate import in_unicorn
from pennyweight.deploy.emulate.in_unicorn import run_in_unicorn
from pennyweight.deploy.emulate.kinds import Kinds
from pennyweight.deploy.toolchain.firmware import Firmware
from pennyweight.deploy.toolchain.memory_map import MemoryMap, Region

unicorn = pytest.importorskip("unicorn", reason="the extra `boards` is not installed")

Build = Callable[..., Firmware]
CORES = sorted(in_unicorn.CPU_MODELS)
SMALL = MemoryMap(Region(0, 16_384), Region(0x2000_0000, 2_048))

ECHO = """
static int32_t initial = 1000;
static int32_t zero;
int main(void)
{
    uint8_t byte;
    while (board_read(&byte, 1u) == 1u) {
        zero += byte;
        initial += 1;
    }
    (void)board_write(&initial, sizeof initial);
    (void)board_write(&zero, sizeof zero);
    return -3;
}
"""


@pytest.mark.parametrize("core", CORES)
def test_a_program_finds_its_variables_initialised_reads_its_input_and_answers(build: Build, core: str) -> None:
    found = run_in_unicorn(build(ECHO, core, SMALL), bytes([10, 20, 30]))
    assert found.output == (1003).to_bytes(4, "little") + (60).to_bytes(4, "little")
    assert found.exit_code == -3


COUNTED = """
int main(void)
{{
    board_mark(1u);
    __asm__ volatile({assembly} : : : {clobbered}, "memory");
    board_mark(7u);
    __asm__ volatile({assembly} : : : {clobbered}, "memory");
    board_mark(1u);
    return 0;
}}
"""
ARM_LOOP = ("movs r3, #{rounds}", "1: nop", "nop", "subs r3, #1", "bne 1b")
ARM_LOOP_IT = (
    "movs r3, #{rounds}",
    "1: cmp r3, #5",
    "ite eq",
    "moveq r2, #1",
    "addne.w r2, r2, r3",
    "subs r3, #1",
    "bne 1b",
)
RISCV_LOOP = ("li a5, {rounds}", "1: nop", ".option norvc", "nop", ".option rvc", "addi a5, a5, -1", "bnez a5, 1b")


def assembly(*lines: str) -> str:
    return '".syntax unified\\n"' * ("a5" not in "".join(lines)) + " ".join(f'"{line}\\n"' for line in lines)


@pytest.mark.parametrize(
    ("core", "loop", "clobbered", "each"),
    [
        ("cortex-m0", ARM_LOOP, '"r3", "cc"', 4),
        ("cortex-m4f", ARM_LOOP, '"r3", "cc"', 4),
        ("cortex-m4f", ARM_LOOP_IT, '"r2", "r3", "cc"', 6),
        ("cortex-m33", ARM_LOOP_IT, '"r2", "r3", "cc"', 6),
        ("rv32ec", RISCV_LOOP, '"a5"', 4),
    ],
)
def test_the_count_of_instructions_is_exact(
    build: Build, core: str, loop: tuple[str, ...], clobbered: str, each: int
) -> None:
    def between(rounds: int) -> dict[int, int]:
        text = COUNTED.format(assembly=assembly(*loop).format(rounds=rounds), clobbered=clobbered)
        found = run_in_unicorn(build(text, core, SMALL))
        assert [mark.number for mark in found.marks] == [1, 7, 1]
        assert sum(found.instructions_by_mark().values()) == found.instructions - found.marks[0].instructions
        return found.instructions_by_mark()

    few, many = between(10), between(210)
    assert many[7] - few[7] == many[1] - few[1] == 200 * each
    assert few[7] <= 1 + 10 * each + 6, "the loop, and the call of board_mark"


def test_blocks_are_counted_as_single_instructions_are(build: Build) -> None:
    text = "int main(void) { int n = 0; for (uint32_t i = 27; i != 1; n++) i = i & 1 ? 3 * i + 1 : i / 2; return n; }"
    firmware = build(text.replace("27", "27 + (uint32_t)board_read(0, 0)"), "rv32imc", SMALL)
    board = in_unicorn._Board(unicorn, firmware, b"", 10**6, {})
    single = []
    board._uc.hook_add(unicorn.UC_HOOK_CODE, lambda uc, address, size, _: single.append(address))
    found = board.run()
    assert found.exit_code == 111
    assert found.instructions in (len(single), len(single) - 1), "board_exit's own may be seen"


KINDS_ARM = (
    "ldr r3, =bytes",
    "movs r4, #3",
    "movs r5, #{rounds}",
    "1: ldr r2, [r3]",
    "ldr.w r6, [r3, r4, lsl #2]",
    "strb r2, [r3]",
    "push {{r2, r4}}",
    "pop.w {{r2, r4}}",
    "strd r2, r4, [r3]",
    "muls r2, r4, r2",
    "smlad r2, r4, r4, r2",
    "smull r2, r6, r2, r4",
    "udiv r2, r2, r4",
    "cbz r3, 2f",
    "nop",
    "2: subs r5, #1",
    "bne 1b",
)
KINDS_ARMV6M = (
    "ldr r3, =bytes",
    "movs r5, #{rounds}",
    "1: ldr r2, [r3]",
    "ldrb r4, [r3, #1]",
    "strh r2, [r3]",
    "push {{r2, r4}}",
    "pop {{r2, r4}}",
    "muls r2, r4, r2",
    "b 2f",
    "nop",
    "2: subs r5, #1",
    "bne 1b",
)
KINDS_RISCV = (
    "la a3, bytes",
    "li a5, {rounds}",
    "1: lw a2, 0(a3)",
    "lbu a4, 0(a3)",
    "sw a2, 4(a3)",
    "mul a2, a4, a2",
    "mulh a2, a4, a2",
    "div a2, a4, a2",
    "j 2f",
    "nop",
    "2: addi a5, a5, -1",
    "bnez a5, 1b",
)
ROUND_ARM = Kinds(2, 1, 1, 3, 6, 1, 1, 1, 1, branches=2, taken=1, others=2)
ROUND_ARMV6M = Kinds(2, 1, 1, 2, 4, 1, branches=2, taken=2, others=1)
ROUND_RISCV = Kinds(2, 1, 1, multiplies=1, long_multiplies=1, divides=1, branches=2, taken=2, others=1)


@pytest.mark.parametrize(
    ("core", "lines", "clobbered", "wanted"),
    [
        ("cortex-m4f", KINDS_ARM, '"r2", "r3", "r4", "r5", "r6", "cc"', ROUND_ARM),
        ("cortex-m0", KINDS_ARMV6M, '"r2", "r3", "r4", "r5", "cc"', ROUND_ARMV6M),
        ("rv32imc", KINDS_RISCV, '"a2", "a3", "a4", "a5"', ROUND_RISCV),
    ],
)
def test_kinds_of_instructions_are_told_apart(
    build: Build, core: str, lines: tuple[str, ...], clobbered: str, wanted: Kinds
) -> None:
    def spent(rounds: int) -> Kinds:
        text = "extern uint8_t bytes[64]; uint8_t bytes[64];" + COUNTED
        found = run_in_unicorn(
            build(text.format(assembly=assembly(*lines).format(rounds=rounds), clobbered=clobbered), core, SMALL)
        )
        kinds = found.kinds_by_mark()
        assert {mark: each.instructions for mark, each in kinds.items()} == found.instructions_by_mark()
        return kinds[7]

    few, many = spent(10), spent(210)
    assert many - few == Kinds(*(200 * count for count in astuple(wanted)))


FAULTS = {
    "write of 1 byte at 0x20000800, outside flash and RAM": "for (volatile uint8_t *p = bytes;; p++) *p = 1;",
    "read of 4 bytes at 0x40000000, outside flash and RAM": "return *(volatile int *)0x40000000u;",
    "write of 4 bytes at 0x00000100, in flash": "*(volatile uint32_t *)0x100u = 1;",
    r"jump to 0x2000010., in RAM, from before": "((void (*)(void))((uintptr_t)bytes | 1u))();",
    "the core cannot go on: .*": "__asm__ volatile(UNDEFINED);",
    "board_write was given 4,096 bytes at 0x20000000, outside the memory": (
        "return (int)board_write((void *)0x20000000u, 4096u);"
    ),
}


@pytest.mark.parametrize("core", ["cortex-m0", "cortex-m7", "rv32ec"])
@pytest.mark.parametrize(("message", "statement"), FAULTS.items(), ids=range(len(FAULTS)))
def test_a_fault_is_named_with_its_place(build: Build, core: str, message: str, statement: str) -> None:
    undefined = '".2byte 0xde00"' if core.startswith("cortex") else '".4byte 0xffffffff"'
    if core == "rv32ec":
        statement = statement.replace("| 1u", "")
    text = f"extern uint8_t bytes[64]; uint8_t bytes[64]; int main(void) {{ board_mark(3u); {statement} return 0; }}"
    firmware = build(text.replace("UNDEFINED", undefined), core, SMALL, stack_bytes=256)
    where = "board_write" if "board_write" in message else "main"
    with pytest.raises(FirmwareError, match=rf"^{message}, at 0x0000[0-9a-f]{{4}} in {where}.*, after mark conv 1$"):
        run_in_unicorn(firmware, mark_names={3: "conv 1"})


ARM_STORE = ("ldr r3, =0x40000000", "movs r2, #1", "here: str r2, [r3]", "movs r2, #2", "movs r2, #3")
RISCV_STORE = ("li a5, 0x40000000", "li a4, 1", "here: sw a4, 0(a5)", "li a4, 2", "li a4, 3")


@pytest.mark.parametrize(
    ("core", "lines", "clobbered"),
    [
        ("cortex-m0", ARM_STORE, '"r2", "r3", "cc"'),
        ("cortex-m4f", ARM_STORE, '"r2", "r3", "cc"'),
        ("rv32imc", RISCV_STORE, '"a4", "a5"'),
    ],
)
def test_a_fault_is_placed_at_its_very_instruction(
    build: Build, core: str, lines: tuple[str, ...], clobbered: str
) -> None:
    code = assembly(".global here", *lines)
    firmware = build(f"int main(void) {{ __asm__ volatile({code} : : : {clobbered}); return 0; }}", core, SMALL)
    with pytest.raises(FirmwareError, match=f"at 0x{firmware.elf.label('here'):08x} in main"):
        run_in_unicorn(firmware)


def test_a_stack_that_overflows_is_told_as_such(build: Build) -> None:
    deep = """
    __attribute__((noinline)) static int deep(int n)
    {
        volatile int a[8];
        a[n & 7] = n;
        return n > 0 ? deep(n - 1) + a[n & 7] : 0;
    }
    int main(void) { return deep(1000); }
    """
    with pytest.raises(FirmwareError, match=r"below the stack of 512 bytes, which is too small, at .* in deep"):
        run_in_unicorn(build(deep, "bluepill", stack_bytes=512))
    assert run_in_unicorn(build(deep.replace("1000", "4"), "bluepill", stack_bytes=512)).exit_code == 10


@pytest.mark.parametrize("core", ["cortex-m0", "cortex-m33", "rv32imac"])
def test_the_most_that_the_stack_held_is_measured(build: Build, core: str) -> None:
    text = "int main(void) {{ volatile uint8_t a[{size}]; for (int i = 0; i < {size}; i++) a[i] = 1; return a[3]; }}"
    less, more = (run_in_unicorn(build(text.format(size=size), core, SMALL)).stack_bytes for size in (64, 320))
    assert 64 <= less <= 64 + 64
    assert more - less == 256


def test_misaligned_accesses_fault_where_the_core_does(build: Build) -> None:
    text = "extern uint8_t b[9]; uint8_t b[9]; int main(void) { return *(volatile int *)(void *)(b + 1); }"
    for core in ("cortex-m0", "cortex-m0plus", "rv32ec"):
        firmware = build(text, core, SMALL)
        with pytest.raises(FirmwareError, match=r"access to 4 bytes at 0x20000401, misaligned, at .* in main"):
            run_in_unicorn(firmware)
        assert run_in_unicorn(firmware, check_alignment=False).exit_code == 0
    assert run_in_unicorn(build(text, "cortex-m3", SMALL)).exit_code == 0


@pytest.mark.parametrize("core", ["cortex-m4f", "rv32imc"])
def test_a_program_that_hangs_is_an_error_that_says_where(build: Build, core: str) -> None:
    text = (
        '__attribute__((noinline)) static void spin(void) { for (;;) __asm__ volatile(""); } int main(void) { spin(); }'
    )
    with pytest.raises(FirmwareError, match=r"has not ended after 1,000,000 instructions, at 0x[0-9a-f]{8} in spin"):
        run_in_unicorn(build(text, core, SMALL), instruction_limit=1_000_000)


def test_a_core_that_unicorn_does_not_know_is_refused(build: Build) -> None:
    with pytest.raises(UsageError, match="unicorn does not know the core cortex-m55"):
        run_in_unicorn(build(ECHO, "cortex-m55", SMALL))


def test_without_unicorn_the_extra_is_named(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    firmware = build(ECHO, "cortex-m0", SMALL)
    monkeypatch.setitem(sys.modules, "unicorn", None)
    with pytest.raises(MissingExtraError, match="extra `boards`"):
        run_in_unicorn(firmware)
