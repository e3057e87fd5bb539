"""How much of its stack a program used: the stack is painted before it runs, and afterwards the paint is looked for."""

from __future__ import annotations

from pennyweight.core.errors import FirmwareError
from pennyweight.deploy.toolchain.firmware import Firmware
from pennyweight.deploy.toolchain.memory_map import Region

PAINT = bytes.fromhex("a55ac33c")
"""No pointer into flash or RAM, no small number, not the same four times."""


def stack_region(firmware: Firmware) -> Region:
    """Where the program's stack lies. Raises FirmwareError where its linker script does not say so, or not in RAM."""
    start, end = firmware.elf.label("stack_start"), firmware.elf.label("stack_end")
    if end <= start or not firmware.memory.ram.holds(start, end - start):
        raise FirmwareError(f"the program's stack, 0x{start:08x} … 0x{end:08x}, does not lie in RAM")
    return Region(start, end - start)


def painted(length_bytes: int) -> bytes:
    """A stack that nothing has used."""
    return PAINT * (length_bytes // len(PAINT))


def stack_bytes(content: bytes) -> int:
    """The most that a stack held that was painted; it grows downwards, so paint is left at its lowest addresses.

    >>> stack_bytes(painted(64)), stack_bytes(painted(32) + bytes(8) + painted(24))
    (0, 32)
    """
    size = len(PAINT)
    unused = next((at for at in range(0, len(content), size) if content[at : at + size] != PAINT), len(content))
    return len(content) - unused
