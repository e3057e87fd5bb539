"""Counter: the instructions that ran in unicorn, exact and without a call into Python, by hooks.c.

Each block of instructions that unicorn translates is decoded once; a block always runs to its end, or the program ends.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from pennyweight.deploy.emulate.kinds import Kinds
from pennyweight.deploy.toolchain.firmware import Firmware
from pennyweight.deploy.toolchain.host import build_library

MOST_BLOCKS = 1 << 16
"""So many blocks are remembered: those of some 500 KiB of program."""

_MISALIGNED = ctypes.CFUNCTYPE(None, ctypes.c_uint64, ctypes.c_int32)


_Count = ctypes.c_uint64 * len(fields(Kinds))


class _Block(ctypes.Structure):
    """`struct block` of hooks.c."""

    _fields_: ClassVar = [
        ("bytes", ctypes.c_uint32),
        ("instructions", ctypes.c_uint32),
        ("kinds", ctypes.c_uint32 * len(fields(Kinds))),
    ]
    kinds: Sequence[int]


class Counter(ctypes.Structure):
    """`struct counter` of hooks.c."""

    _fields_: ClassVar = [
        ("instructions", ctypes.c_uint64),
        ("before", ctypes.c_uint64),
        ("limit", ctypes.c_uint64),
        ("_kinds", _Count),
        ("follows", ctypes.c_uint64),
        ("origin", ctypes.c_uint64),
        ("bytes", ctypes.c_uint64),
        ("code", ctypes.c_void_p),
        ("known", ctypes.c_void_p),
        ("blocks", ctypes.POINTER(_Block)),
        ("running", ctypes.POINTER(_Block)),
        ("block_count", ctypes.c_uint32),
        ("most_blocks", ctypes.c_uint32),
        ("is_arm", ctypes.c_uint32),
        ("stop", ctypes.c_void_p),
        ("misaligned", _MISALIGNED),
    ]
    before: int
    _kinds: Sequence[int]

    def __init__(self, uc: Any, firmware: Firmware, limit: int) -> None:
        """Counts from now on, and stops `uc`, a unicorn.Uc, beyond `limit` instructions."""
        from unicorn.unicorn_const import UC_HOOK_BLOCK
        from unicorn.unicorn_py3.unicorn import uclib

        flash = firmware.memory.flash
        self._code = (ctypes.c_uint8 * (flash.length_bytes + 4))()
        for segment in firmware.elf.segments:
            ctypes.memmove(
                ctypes.addressof(self._code) + segment.address - flash.origin, segment.content, len(segment.content)
            )
        self._known = (ctypes.c_uint32 * (flash.length_bytes // 2 + 1))()
        self._blocks = (_Block * (MOST_BLOCKS + 1))()
        self.limit, self.origin, self.bytes = limit, flash.origin, flash.length_bytes
        self.code, self.known = ctypes.addressof(self._code), ctypes.addressof(self._known)
        self.blocks = self.running = ctypes.cast(self._blocks, ctypes.POINTER(_Block))
        self.most_blocks, self.is_arm = MOST_BLOCKS, firmware.elf.is_arm
        self.stop = ctypes.cast(uclib.uc_emu_stop, ctypes.c_void_p).value
        self._uc, self._uclib = uc, uclib
        self._hook(UC_HOOK_BLOCK, _library().count_block)

    @property
    def kinds(self) -> Kinds:
        """What has run, by kinds, without the block that is about to."""
        return Kinds(*self._kinds) - Kinds(*self.running.contents.kinds)

    def watch_memory(self, misaligned: Callable[[int, int], None] | None) -> None:
        """From now on count loads from flash, and call `misaligned`, where it is told, with the address and the bytes
        of every access that is not aligned to its size."""
        from unicorn.unicorn_const import UC_HOOK_MEM_READ, UC_HOOK_MEM_WRITE

        if misaligned is not None:
            self.misaligned = _MISALIGNED(misaligned)
        self._hook(UC_HOOK_MEM_READ | UC_HOOK_MEM_WRITE, _library().watch_access)

    def _hook(self, kinds: int, function: Any) -> None:
        """As Uc.hook_add, which takes Python's functions only."""
        handle = ctypes.c_size_t()
        self._uclib.uc_hook_add(self._uc._uch, ctypes.byref(handle), kinds, function, ctypes.addressof(self), 1, 0)


@cache
def _library() -> ctypes.CDLL:
    with TemporaryDirectory(prefix="pennyweight-", ignore_cleanup_errors=True) as folder:
        return ctypes.CDLL(str(build_library([Path(__file__).with_name("hooks.c")], Path(folder, "hooks.so"))))
