"""Firmware: a program linked for one board's core, flash and RAM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from pennyweight.core.errors import FirmwareError
from pennyweight.core.units import counted
from pennyweight.deploy.toolchain.compiler import STRICT, compile_c, zig
from pennyweight.deploy.toolchain.elf import Elf, read_elf
from pennyweight.deploy.toolchain.linker_script import STACK_ALIGNMENT_BYTES, STACK_SECTION, linker_script
from pennyweight.deploy.toolchain.memory_map import MemoryMap, Region
from pennyweight.deploy.toolchain.target import find_target

BOARD = Path(__file__).parent / "board"
"""The C that every program brings along: start, memcpy and memset, and board.h."""

Optimisation = Literal["-Os", "-O2", "-O3"]

ROOMY_BYTES = 1 << 26
"""What flash and RAM are taken to hold when a program that does not fit is linked to see how large it is."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """The bytes that a program takes: of flash, program text, constants and initial values; of RAM, all the rest.

    Paddings between variables are counted with the section that holds them.
    """

    text_bytes: int
    rodata_bytes: int
    data_bytes: int
    bss_bytes: int
    stack_bytes: int

    @property
    def flash_bytes(self) -> int:
        """What the program takes of the flash."""
        return self.text_bytes + self.rodata_bytes + self.data_bytes

    @property
    def ram_bytes(self) -> int:
        """What the program takes of the RAM, with the stack that was set aside for it."""
        return self.data_bytes + self.bss_bytes + self.stack_bytes


class ExcessError(FirmwareError):
    """A program that does not fit; `memories` says which are too small, "flash" or "RAM"."""

    def __init__(self, message: str, hint: str, memories: tuple[str, ...]) -> None:
        super().__init__(message, hint)
        self.memories = memories


@dataclass(frozen=True, slots=True)
class Firmware:
    """A linked program: the ELF file as it is, and what was read from it."""

    core: str
    memory: MemoryMap
    elf_file: bytes
    elf: Elf
    footprint: Footprint


def load_firmware(elf_file: bytes, core: str, memory: MemoryMap) -> Firmware:
    """The program in an ELF file, of this project or of another toolchain, for a core and its memory.

    Raises FirmwareError where it is damaged, not for this kind of core, or lies outside the flash.
    """
    elf = read_elf(elf_file)
    if elf.is_arm != find_target(core).is_arm:
        raise FirmwareError(f"the program is for {'Arm' if elf.is_arm else 'RISC-V'}, not for {core}")
    for segment in elf.segments:
        if not memory.flash.holds(segment.address, len(segment.content)):
            where = f"{counted(len(segment.content), 'byte')} at 0x{segment.address:08x}"
            raise FirmwareError(f"the program has {where}, outside the flash at {memory.flash}")
    return Firmware(core, memory, elf_file, elf, _footprint(elf))


def build_firmware(
    sources: Sequence[Path],
    core: str,
    memory: MemoryMap,
    *,
    stack_bytes: int = 1024,
    include: Sequence[Path] = (),
    optimisation: Optimisation = "-Os",
) -> Firmware:
    """The program of these C files, which define `main` and may include board.h, linked with start, memcpy and memset.

    `stack_bytes` are set aside for the stack, rounded up to 16. Functions and variables that nothing uses are left out.
    Raises MissingExtraError without ziglang, FirmwareError where the compiler refuses the C, ExcessError where flash or
    RAM are too small: it says which, and by how many bytes.
    """
    target = find_target(core)
    stack_bytes = -(-stack_bytes // STACK_ALIGNMENT_BYTES) * STACK_ALIGNMENT_BYTES
    own = [BOARD / name for name in ("start.c", "memory.c", "board.c")]
    with TemporaryDirectory(prefix="pennyweight-") as folder:
        script, output = Path(folder, "board.ld"), Path(folder, "firmware.elf")

        def link(within: MemoryMap) -> bytes:
            script.write_text(linker_script(within, stack_bytes), encoding="ascii")
            command = [*zig(), *target.flags, *STRICT, optimisation, *_FLAGS]
            command += [f"-I{path}" for path in (*include, BOARD, BOARD / "include")]
            command += [*map(str, (*sources, *own)), "-T", str(script), "-o", str(output)]
            compile_c(command, f"the program for {core}")
            return output.read_bytes()

        try:
            content = link(memory)
        except FirmwareError:
            needed = _footprint(read_elf(link(_roomy(memory))))
            _raise_excess(needed, memory)
            raise
    return load_firmware(content, core, memory)


_FLAGS = (
    "-fhosted",  # only so are memcpy and memset of a few bytes known to the compiler, and become instructions
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
    "-gline-tables-only",  # without it the linker leaves out the symbols
    "-Wl,--gc-sections",
    "-Wl,-e,reset",
)


def _roomy(memory: MemoryMap) -> MemoryMap:
    return MemoryMap(Region(memory.flash.origin, ROOMY_BYTES), Region(memory.ram.origin, ROOMY_BYTES))


def _footprint(elf: Elf) -> Footprint:
    sizes = dict.fromkeys(("text", "rodata", "data", "bss"), 0)
    for section in elf.sections:
        sizes[section.kind] += section.size_bytes
    stack_bytes = sum(section.size_bytes for section in elf.sections if section.name == STACK_SECTION)
    return Footprint(sizes["text"], sizes["rodata"], sizes["data"], sizes["bss"] - stack_bytes, stack_bytes)


def _raise_excess(needed: Footprint, memory: MemoryMap) -> None:
    rows = (
        (
            "flash",
            needed.flash_bytes,
            memory.flash,
            f"text {needed.text_bytes:,}, constants {needed.rodata_bytes:,}, initial values {needed.data_bytes:,}",
        ),
        (
            "RAM",
            needed.ram_bytes,
            memory.ram,
            f"variables {needed.data_bytes + needed.bss_bytes:,}, stack {needed.stack_bytes:,}",
        ),
    )
    faults = {
        name: f"{name} overflows by {counted(taken - region.length_bytes, 'byte')}: the program takes {taken:,} "
        f"({parts}) of {region.length_bytes:,}"
        for name, taken, region, parts in rows
        if taken > region.length_bytes
    }
    if faults:
        hint = "choose a smaller network or a larger board: pennyweight boards"
        raise ExcessError("\n".join(faults.values()), hint, tuple(faults))
