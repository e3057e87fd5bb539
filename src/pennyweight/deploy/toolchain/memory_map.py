"""MemoryMap: at which addresses a board's flash and RAM lie."""

from __future__ import annotations

from dataclasses import dataclass

from pennyweight.core.board import Board
from pennyweight.deploy.toolchain.target import find_target


@dataclass(frozen=True, slots=True)
class Region:
    """Addresses from `origin` to `origin + length_bytes - 1`."""

    origin: int
    length_bytes: int

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.origin + self.length_bytes

    def holds(self, address: int, length_bytes: int = 1) -> bool:
        """Whether all these bytes lie inside."""
        return self.origin <= address and address + length_bytes <= self.end

    def __str__(self) -> str:
        return f"0x{self.origin:08x} … 0x{self.end - 1:08x}"


@dataclass(frozen=True, slots=True)
class MemoryMap:
    """What a program has: flash that it runs from, and RAM."""

    flash: Region
    ram: Region


FLASH_ADDRESS, RAM_ADDRESS = 0x0000_0000, 0x2000_0000
"""Where the architecture puts code and SRAM (ARMv6-M, ARMv7-M and ARMv8-M, system address map)."""


def memory_map(board: Board) -> MemoryMap:
    """The memory map of a board. Raises UsageError where we cannot compile for its core."""
    find_target(board.core)
    flash = FLASH_ADDRESS if board.flash_address is None else board.flash_address
    ram = RAM_ADDRESS if board.ram_address is None else board.ram_address
    return MemoryMap(Region(flash, board.flash_bytes), Region(ram, board.ram_bytes))
