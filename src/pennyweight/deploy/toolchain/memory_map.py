"""MemoryMap: at which addresses a board's flash and RAM lie.

Looked up in memory maps in use: rmicrobit (nRF51), nrf-hal (nRF52), stm32h7xx-hal, probe-rs' target of the RP2040, a
linker script for the CH32V003, esp32c3-memory.x. The rest is what these families have in common, and not checked board
by board: STM32 and PY32 flash at 0x08000000, RP2350 as RP2040. A virtual board runs the same wherever they lie.
"""

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


_RAM = 0x2000_0000

_STM32 = (0x0800_0000, _RAM)
"""Also of the PY32, whose memory map is the STM32's."""

_BY_BOARD: dict[str, tuple[int, int]] = {
    "nano-33-ble-sense": (0x1_0000, _RAM),
    "pico": (0x1000_0000, _RAM),
    "pico2": (0x1000_0000, _RAM),
    "py32f002a": _STM32,
    "stm32g030f6": _STM32,
    "bluepill": _STM32,
    "blackpill-f411": _STM32,
    "stm32f4-discovery": _STM32,
    "stm32f746g-discovery": _STM32,
    "nucleo-l053r8": _STM32,
    "nucleo-l452re": _STM32,
    "nucleo-l4r5zi": _STM32,
    "nucleo-g0b1re": _STM32,
    "nucleo-u575zi-q": _STM32,
    "nucleo-h743zi": (0x0800_0000, 0x2400_0000),
    "esp32-c3": (0x4200_0000, 0x3FC8_0000),
}
"""Where flash and RAM begin, for the boards that differ from what follows."""

_OTHERS = (0x0000_0000, _RAM)
"""Where the architecture puts code and SRAM (ARMv6-M, ARMv7-M and ARMv8-M, system address map); the CH32V does too."""


def memory_map(board: Board) -> MemoryMap:
    """The memory map of a board, by its key. Raises UsageError where we cannot compile for its core."""
    find_target(board.core)
    flash, ram = _BY_BOARD.get(board.key, _OTHERS)
    return MemoryMap(Region(flash, board.flash_bytes), Region(ram, board.ram_bytes))
