"""What a program asks of its board, by board.h: the same for every engine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from pennyweight.core.errors import FirmwareError
from pennyweight.core.text import visible
from pennyweight.core.units import counted
from pennyweight.deploy.emulate.emulation import Emulation, Mark
from pennyweight.deploy.emulate.kinds import Kinds
from pennyweight.deploy.emulate.stack import stack_region
from pennyweight.deploy.toolchain.firmware import Firmware

OVERFLOW_BYTES = 4096
"""An access so far below the stack, with which the RAM begins, is taken for the stack's overflow."""

NAMES = ("board_read", "board_write", "board_mark", "board_exit")


class Machine(ABC):
    """A core that stands still at the first instruction of a function, as an engine shows it."""

    @abstractmethod
    def argument(self, at: int) -> int:
        """The function's argument number `at`, counted from 0, as an unsigned word."""

    @abstractmethod
    def answer(self, value: int) -> None:
        """Replace the first argument, which the functions of board.c return."""

    @abstractmethod
    def load(self, address: int, length_bytes: int) -> bytes:
        """What lies in memory."""

    @abstractmethod
    def store(self, address: int, content: bytes) -> None:
        """Write to memory."""

    @abstractmethod
    def instructions(self) -> int:
        """How many have run since reset."""

    def kinds(self) -> Kinds | None:
        """The same by kinds, where the engine tells them."""
        return None


class Calls:
    """The calls of one run: its input and output, its marks, and its exit code once it has ended."""

    def __init__(self, firmware: Firmware, data: bytes, mark_names: Mapping[int, str]) -> None:
        self._firmware, self._data, self._mark_names = firmware, data, mark_names
        self._position = 0
        self.output = bytearray()
        self.marks: list[Mark] = []
        self.exit_code: int | None = None
        self.instructions = 0
        self.kinds: Kinds | None = None
        self.addresses = {firmware.elf.labels[name]: name for name in NAMES if name in firmware.elf.labels}

    def serve(self, address: int, machine: Machine) -> None:
        """Do what the function at `address` stands for. Raises FirmwareError where it names memory that is not ours."""
        name, memory = self.addresses[address], self._firmware.memory
        first = machine.argument(0)
        if name == "board_mark":
            self.marks.append(Mark(first, machine.instructions(), machine.kinds()))
        elif name == "board_exit":
            self.exit_code = first - (first >> 31 << 32)
            self.instructions, self.kinds = machine.instructions(), machine.kinds()
        else:
            length = machine.argument(1)
            regions = (memory.ram,) if name == "board_read" else (memory.ram, memory.flash)
            if length and not any(region.holds(first, length) for region in regions):
                raise FirmwareError(f"{name} was given {counted(length, 'byte')} at 0x{first:08x}, outside the memory")
            if name == "board_read":
                content = self._data[self._position : self._position + length]
                self._position += len(content)
                machine.store(first, content)
                machine.answer(len(content))
            else:
                self.output += machine.load(first, length)
                machine.answer(length)

    def where(self, address: int) -> str:
        """In which memory an address lies, for the error that it was not to be used so."""
        memory, stack = self._firmware.memory, stack_region(self._firmware)
        if memory.flash.holds(address):
            return "in flash"
        if memory.ram.holds(address):
            return "in RAM"
        if stack.origin - OVERFLOW_BYTES <= address < stack.origin:
            return f"below the stack of {counted(stack.length_bytes, 'byte')}, which is too small"
        return "outside flash and RAM"

    def error(self, what: str, pc: int | None = None) -> FirmwareError:
        """The error that says what happened, at which instruction of which function if known, and after which mark."""
        place = "" if pc is None else f", at 0x{pc:08x} in {visible(self._firmware.elf.place(pc))}"
        mark = self.marks[-1].number if self.marks else None
        after = "" if mark is None else f", after mark {visible(self._mark_names.get(mark, str(mark)))}"
        return FirmwareError(f"{what}{place}{after}")

    def emulation(self, engine: str, stack_bytes: int) -> Emulation:
        """What the run came to, once it has ended."""
        if self.exit_code is None:
            raise ValueError("the program still runs")
        marks, footprint = tuple(self.marks), self._firmware.footprint
        return Emulation(
            engine, bytes(self.output), self.exit_code, self.instructions, marks, stack_bytes, footprint, self.kinds
        )
