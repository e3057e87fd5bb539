"""The engine that pip installs: unicorn, which is QEMU's translator as a library.

The program sees the board's flash, which it may read and run but not write, its RAM, which it may read and write but
not run, and nothing else: no peripheral, no system registers. No interrupt ever comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from pennyweight.core.errors import FirmwareError, MissingExtraError, UsageError
from pennyweight.core.units import counted
from pennyweight.deploy.emulate.calls import Calls, Machine
from pennyweight.deploy.emulate.counter import Counter
from pennyweight.deploy.emulate.emulation import Emulation
from pennyweight.deploy.emulate.kinds import Kinds
from pennyweight.deploy.emulate.stack import painted, stack_bytes, stack_region
from pennyweight.deploy.toolchain.firmware import Firmware
from pennyweight.deploy.toolchain.memory_map import Region

ALIGNED_ONLY = ("cortex-m0", "cortex-m0plus", "rv32ec")
"""Cores on which a misaligned access is a fault (ARMv6-M, A3.2; WCH: QingKe V2 manual), which unicorn lets pass."""

NOWHERE = 0xFFFF_FFFE
"""Where no program comes, for unicorn asks where to stop."""

INSTRUCTION_LIMIT = 20_000_000_000
"""What runs for longer hangs: this is a thousand images through MLPerf Tiny's ResNet-8."""

CPU_MODELS = {
    "cortex-m0": "UC_CPU_ARM_CORTEX_M0",
    "cortex-m0plus": "UC_CPU_ARM_CORTEX_M0",
    "cortex-m3": "UC_CPU_ARM_CORTEX_M3",
    "cortex-m4f": "UC_CPU_ARM_CORTEX_M4",
    "cortex-m7": "UC_CPU_ARM_CORTEX_M7",
    "cortex-m33": "UC_CPU_ARM_CORTEX_M33",
    "rv32ec": "UC_CPU_RISCV32_BASE32",
    "rv32imc": "UC_CPU_RISCV32_BASE32",
    "rv32imac": "UC_CPU_RISCV32_BASE32",
}
"""What unicorn calls each core. The M0+ has the M0's instructions; the M55's Helium is unknown to unicorn."""


def run_in_unicorn(
    firmware: Firmware,
    data: bytes = b"",
    *,
    instruction_limit: int = INSTRUCTION_LIMIT,
    mark_names: Mapping[int, str] | None = None,
    check_alignment: bool = True,
    count_flash_loads: bool = False,
) -> Emulation:
    """What the program does with `data` as its input, on the memory map that it was linked for.

    `check_alignment` says whether a misaligned access is an error on the cores of ALIGNED_ONLY, as it is on the real
    ones, and `count_flash_loads` whether `Kinds.flash_loads` is counted. Either makes the emulation about twenty times
    slower, so many images want it for the first alone.

    Raises MissingExtraError without unicorn, UsageError for a core that it does not know, and FirmwareError where the
    program leaves its memory, comes to what is no instruction of its core, or runs longer than `instruction_limit`: it
    says where, and after which mark, by its name in `mark_names` where it has one.
    """
    unicorn = _unicorn()
    if firmware.core not in CPU_MODELS:
        raise UsageError(f"unicorn does not know the core {firmware.core}", hint=f"it knows {', '.join(CPU_MODELS)}")
    board = _Board(unicorn, firmware, data, instruction_limit, mark_names or {})
    is_aligned_only = check_alignment and firmware.core in ALIGNED_ONLY
    if is_aligned_only or count_flash_loads:
        board.watch_memory(is_aligned_only)
    return board.run()


def _unicorn() -> ModuleType:
    try:
        import unicorn
    except ImportError as error:
        raise MissingExtraError("emulating boards", "boards") from error
    return unicorn


class _Board(Machine):
    def __init__(
        self, unicorn: ModuleType, firmware: Firmware, data: bytes, limit: int, mark_names: Mapping[int, str]
    ) -> None:
        self._unicorn, self._firmware, self._limit = unicorn, firmware, limit
        self._calls = Calls(firmware, data, mark_names)
        self._fault: tuple[str, int] | None = None
        self._uc = self._core()
        self._map(firmware.memory.flash, unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC)
        self._map(firmware.memory.ram, unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE)
        for segment in firmware.elf.segments:
            self._uc.mem_write(segment.address, segment.content)
        self._stack = stack_region(firmware)
        self._uc.mem_write(self._stack.origin, painted(self._stack.length_bytes))
        self._uc.hook_add(unicorn.UC_HOOK_MEM_INVALID, self._on_invalid)
        self._counter = Counter(self._uc, firmware, limit)
        for address in self._calls.addresses:
            self._uc.hook_add(unicorn.UC_HOOK_CODE, self._on_call, begin=address, end=address)

    def run(self) -> Emulation:
        self._uc.reg_write(self._sp, self._stack.end)
        entry = self._firmware.elf.entry | self._firmware.elf.is_arm
        try:
            self._uc.emu_start(entry, NOWHERE)
        except self._unicorn.UcError as error:
            raise self._error(f"the core cannot go on: {error}") from error
        except FirmwareError as error:
            raise self._error(str(error)) from error
        if self._calls.exit_code is None or self._fault:
            raise self._error(f"the program has not ended after {counted(self._limit, 'instruction')}")
        return self._calls.emulation("unicorn", stack_bytes(self.load(self._stack.origin, self._stack.length_bytes)))

    def watch_memory(self, is_aligned_only: bool) -> None:
        """From now on count loads from flash; a misaligned access may be an error."""
        self._counter.watch_memory(self._on_misaligned if is_aligned_only else None)

    def argument(self, at: int) -> int:
        return int(self._uc.reg_read(self._arguments[at]))

    def answer(self, value: int) -> None:
        self._uc.reg_write(self._arguments[0], value)

    def load(self, address: int, length_bytes: int) -> bytes:
        return bytes(self._uc.mem_read(address, length_bytes))

    def store(self, address: int, content: bytes) -> None:
        self._uc.mem_write(address, content)

    def instructions(self) -> int:
        return self._counter.before

    def kinds(self) -> Kinds:
        return self._counter.kinds

    def _core(self) -> Any:
        """The core at rest; notes which of its registers are which."""
        from unicorn import arm_const as arm
        from unicorn import riscv_const as riscv

        unicorn, model = self._unicorn, CPU_MODELS[self._firmware.core]
        if self._firmware.elf.is_arm:
            self._arguments = (arm.UC_ARM_REG_R0, arm.UC_ARM_REG_R1)
            self._pc, self._sp, self._lr = arm.UC_ARM_REG_PC, arm.UC_ARM_REG_SP, arm.UC_ARM_REG_LR
            thumb = unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS
            return unicorn.Uc(unicorn.UC_ARCH_ARM, thumb, getattr(arm, model))
        self._arguments = (riscv.UC_RISCV_REG_A0, riscv.UC_RISCV_REG_A1)
        self._pc, self._sp, self._lr = riscv.UC_RISCV_REG_PC, riscv.UC_RISCV_REG_SP, riscv.UC_RISCV_REG_RA
        return unicorn.Uc(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV32, getattr(riscv, model))

    def _map(self, region: Region, rights: int) -> None:
        """Map a region. Unicorn maps whole pages: accesses to what is too much at the end are watched."""
        page = self._uc.ctl_get_page_size()
        whole_bytes = -(-region.length_bytes // page) * page
        self._uc.mem_map(region.origin, whole_bytes, rights)
        if whole_bytes > region.length_bytes:
            kinds = self._unicorn.UC_HOOK_MEM_READ | self._unicorn.UC_HOOK_MEM_WRITE
            self._uc.hook_add(kinds, self._on_invalid, begin=region.end, end=region.origin + whole_bytes - 1)

    def _on_call(self, uc: Any, address: int, size: int, _: Any) -> None:
        self._calls.serve(address, self)
        if self._calls.exit_code is not None:
            uc.emu_stop()

    def _on_invalid(self, uc: Any, access: int, address: int, size: int, value: int, _: Any) -> bool:
        unicorn, where = self._unicorn, self._calls.where(address)
        if access in (unicorn.UC_MEM_FETCH_UNMAPPED, unicorn.UC_MEM_FETCH_PROT):
            self._stop(f"jump to 0x{address:08x}, {where}, from before", (uc.reg_read(self._lr) & ~1))
        else:
            reads = (unicorn.UC_MEM_READ, unicorn.UC_MEM_READ_UNMAPPED, unicorn.UC_MEM_READ_PROT)
            kind = "read" if access in reads else "write"
            self._stop(f"{kind} of {counted(size, 'byte')} at 0x{address:08x}, {where}", uc.reg_read(self._pc))
        return False

    def _on_misaligned(self, address: int, size: int) -> None:
        self._stop(f"access to {counted(size, 'byte')} at 0x{address:08x}, misaligned", self._uc.reg_read(self._pc))

    def _stop(self, fault: str, pc: int) -> None:
        self._fault = self._fault or (fault, pc)
        self._uc.emu_stop()

    def _error(self, what: str) -> FirmwareError:
        return self._calls.error(*(self._fault or (what, self._uc.reg_read(self._pc))))
