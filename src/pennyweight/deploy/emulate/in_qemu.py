"""The second opinion: qemu-system-arm (or -riscv32), which is no pip package, on a machine with the board's core.

QEMU counts instructions by its own means (`-icount shift=0`) and knows Helium, but not where a board's memory ends: its
machines have more. We drive it as a debugger would.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pennyweight.core.errors import FirmwareError, PennyweightError, UsageError
from pennyweight.core.text import visible
from pennyweight.deploy.emulate.calls import Calls, Machine
from pennyweight.deploy.emulate.emulation import Emulation
from pennyweight.deploy.emulate.gdb_remote import GdbRemote
from pennyweight.deploy.emulate.stack import painted, stack_bytes, stack_region
from pennyweight.deploy.toolchain.firmware import Firmware
from pennyweight.deploy.toolchain.memory_map import MemoryMap, Region

TIMEOUT_S = 600.0
"""How long a program may take from one call of board.h to the next."""

CFSR, MMFAR, BFAR = 0xE000ED28, 0xE000ED34, 0xE000ED38
MMARVALID, BFARVALID = 1 << 7, 1 << 15

XPSR, THUMB = 25, 1 << 24
"""The number of the program status register in GDB's m-profile register set, and its bit that says Thumb."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """A machine of QEMU: its program and name, and where it has memory (QEMU 7.2, hw/arm/mps2*.c, hw/riscv/virt.c)."""

    program: str
    machine: str
    memory: MemoryMap


def _arm(machine: str, flash: int, ram: int, mebibytes: tuple[int, int] = (4, 4)) -> _Kind:
    code, data = (size << 20 for size in mebibytes)
    return _Kind("qemu-system-arm", machine, MemoryMap(Region(flash, code), Region(ram, data)))


_RAM = 0x2000_0000
_M3 = _arm("mps2-an385", 0, _RAM)
_RISCV = _Kind("qemu-system-riscv32", "virt", MemoryMap(Region(0x8000_0000, 64 << 20), Region(0x8400_0000, 32 << 20)))

_KINDS = {
    "cortex-m0": _M3,  # an M3 runs every instruction of the M0; QEMU's own M0, the micro:bit, has but 16 KiB of RAM
    "cortex-m0plus": _M3,
    "cortex-m3": _M3,
    "cortex-m4f": _arm("mps2-an386", 0, _RAM),
    "cortex-m7": _arm("mps2-an500", 0, _RAM),
    "cortex-m33": _arm("mps2-an505", 0x1000_0000, 0x3800_0000, (4, 2)),
    "cortex-m55": _arm("mps3-an547", 0x1100_0000, 0x3100_0000, (2, 4)),
    "rv32ec": _RISCV,
    "rv32imc": _RISCV,
    "rv32imac": _RISCV,
}


def qemu_for(core: str) -> str | None:
    """The path of the QEMU that knows this core, None where it is not installed."""
    return shutil.which(_kind(core).program)


def memory_map_in_qemu(core: str, memory: MemoryMap) -> MemoryMap:
    """Where a program must be linked for both engines to run it: as told where QEMU has memory there, else moved.

    The sizes stay. Raises FirmwareError where QEMU's machine has less memory than told.
    """
    there = _kind(core).memory
    moved = []
    for told, has in ((memory.flash, there.flash), (memory.ram, there.ram)):
        if told.length_bytes > has.length_bytes:
            raise FirmwareError(f"QEMU's {_kind(core).machine} has {has.length_bytes:,} of {told.length_bytes:,} bytes")
        fits = has.holds(told.origin, told.length_bytes)
        moved.append(told if fits else Region(has.origin, told.length_bytes))
    return MemoryMap(*moved)


def run_in_qemu(
    firmware: Firmware,
    data: bytes = b"",
    *,
    timeout_s: float = TIMEOUT_S,
    mark_names: Mapping[int, str] | None = None,
) -> Emulation:
    """What the program, linked for `memory_map_in_qemu`, does with `data` as its input.

    Raises FirmwareError where the core faults, or where the program runs for `timeout_s` without a call of board.h;
    PennyweightError where QEMU is missing or fails.
    """
    kind = _kind(firmware.core)
    qemu = shutil.which(kind.program)
    if qemu is None:
        raise PennyweightError(f"{kind.program} is not installed", hint=f"apt-get install {kind.program}, or its like")
    if firmware.memory != memory_map_in_qemu(firmware.core, firmware.memory):
        raise UsageError("the program is linked for addresses at which QEMU's machine has no memory")
    with TemporaryDirectory(prefix="pennyweight-") as folder:
        elf, log, said = (Path(folder, name) for name in ("firmware.elf", "replay", "qemu.txt"))
        elf.write_bytes(firmware.elf_file)
        command = [qemu, "-machine", kind.machine, "-display", "none", "-monitor", "none", "-serial", "none"]
        command += ["-bios", "none"] * (not firmware.elf.is_arm)
        command += [
            "-device",
            f"loader,file={elf}",
            "-icount",
            f"shift=0,rr=record,rrfile={log}",
            "-S",
            "-gdb",
            "stdio",
        ]
        with (
            said.open("wb") as errors,
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors) as process,
        ):
            try:
                return _Core(process, firmware, data, timeout_s, mark_names or {}).run()
            except (ConnectionError, BrokenPipeError) as error:
                process.kill()
                process.wait()
                told = visible(said.read_text("utf-8", "replace").strip()[:1000])
                raise PennyweightError(f"{kind.program} failed: {told or error}") from error
            finally:
                process.kill()


def _kind(core: str) -> _Kind:
    if core not in _KINDS:
        raise UsageError(f"QEMU has no machine for the core {core}", hint=f"it has for {', '.join(_KINDS)}")
    return _KINDS[core]


class _Core(Machine):
    def __init__(
        self,
        process: subprocess.Popen[bytes],
        firmware: Firmware,
        data: bytes,
        timeout_s: float,
        mark_names: Mapping[int, str],
    ) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._firmware, self._timeout_s = firmware, timeout_s
        self._gdb = GdbRemote(process.stdin, process.stdout, timeout_s)
        self._calls = Calls(firmware, data, mark_names)
        self._stack = stack_region(firmware)
        self._arguments, self._sp, self._pc = ((0, 1), 13, 15) if firmware.elf.is_arm else ((10, 11), 2, 32)

    def run(self) -> Emulation:
        gdb, elf = self._gdb, self._firmware.elf
        self.store(self._stack.origin, painted(self._stack.length_bytes))
        gdb.set_register(self._sp, self._stack.end)
        gdb.set_register(self._pc, elf.entry)
        if elf.is_arm:
            gdb.set_register(XPSR, THUMB)
        fault = elf.labels.get("fault")
        for address in self._calls.addresses | ({fault: ""} if fault is not None else {}):
            gdb.stop_at(address)
        while self._calls.exit_code is None:
            self._resume()
            pc = gdb.register(self._pc)
            if pc not in self._calls.addresses:
                raise self._calls.error(self._fault(), self._faulting())
            self._calls.serve(pc, self)
            if self._calls.exit_code is None:
                gdb.step_over(pc)
        return self._calls.emulation("qemu", stack_bytes(self.load(self._stack.origin, self._stack.length_bytes)))

    def argument(self, at: int) -> int:
        return self._gdb.register(self._arguments[at])

    def answer(self, value: int) -> None:
        self._gdb.set_register(self._arguments[0], value)

    def load(self, address: int, length_bytes: int) -> bytes:
        return self._gdb.load(address, length_bytes)

    def store(self, address: int, content: bytes) -> None:
        self._gdb.store(address, content)

    def instructions(self) -> int:
        said = self._gdb.monitor("info replay")
        found = re.search(r"instruction count = (\d+)", said)
        if found is None:
            raise ConnectionError(f"QEMU does not tell the instruction count: {said[:100]!r}")
        return int(found[1])

    def _resume(self) -> None:
        try:
            self._gdb.resume()
        except TimeoutError:
            raise self._calls.error(f"the program asked for nothing in {self._timeout_s:g} s") from None

    def _fault(self) -> str:
        """What Arm's fault registers tell (ARMv8-M, D1.2: CFSR, MMFAR, BFAR)."""
        status, memory_address, bus_address = (self._word(register) for register in (CFSR, MMFAR, BFAR))
        for is_valid, address in ((status & MMARVALID, memory_address), (status & BFARVALID, bus_address)):
            if is_valid:
                return f"access to 0x{address:08x}, {self._calls.where(address)}"
        return "the core faults"

    def _faulting(self) -> int:
        """The address of the instruction that faulted: it lies on the stack, 24 bytes up (ARMv7-M, B1.5.6)."""
        sp = self._gdb.register(self._sp)
        if not self._firmware.memory.ram.holds(sp + 24, 4):
            return self._gdb.register(self._pc)
        return self._word(sp + 24)

    def _word(self, address: int) -> int:
        return int.from_bytes(self.load(address, 4), "little")
