"""What this machine has besides a GPU: cores, memory, disk, installed packages and programs."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from pennyweight.core.install import install_command

CGROUP = Path("/sys/fs/cgroup")
"""Where Linux tells a container its limits (cgroup v2)."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of memory; None where the system does not tell."""

    total_bytes: int | None
    free_bytes: int | None


def cores() -> int:
    """Processor cores that this process may use."""
    with suppress(AttributeError):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor() -> str:
    """The processor's name."""
    with suppress(OSError):
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        if match := re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE):
            return match[1].strip()
    return platform.processor() or platform.machine()


def memory() -> Memory:
    """The memory of this machine, or what its container may take of it."""
    if platform.system() == "Windows":
        return _windows_memory()
    with suppress(OSError, KeyError):
        text = Path("/proc/meminfo").read_text(encoding="ascii", errors="replace")
        rows = {name: int(kib) * 1024 for name, kib in re.findall(r"^(\w+):\s+(\d+) kB$", text, re.MULTILINE)}
        return _within(Memory(rows["MemTotal"], rows["MemAvailable"]), CGROUP)
    with suppress(ValueError, OSError):
        return Memory(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), None)
    return Memory(None, None)


def _within(whole: Memory, group: Path) -> Memory:
    """The memory that the control group leaves of the machine's."""
    with suppress(OSError, ValueError):
        limit = int((group / "memory.max").read_text())
        used = int((group / "memory.current").read_text())
        if whole.total_bytes and whole.free_bytes and limit < whole.total_bytes:
            return Memory(limit, min(whole.free_bytes, max(limit - used, 0)))
    return whole


def _windows_memory() -> Memory:
    """What GlobalMemoryStatusEx tells (Win32, sysinfoapi.h): the length, the load, then seven 64-bit numbers."""
    status = (ctypes.c_uint64 * 8)()
    status[0] = ctypes.sizeof(status)
    ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))  # type: ignore[attr-defined,unused-ignore]
    return Memory(status[1], status[2])


def free_disk_bytes(folder: Path) -> int:
    """Bytes that are free where `folder` is, or would be made."""
    return shutil.disk_usage(_existing(folder)).free


def may_write(folder: Path) -> bool:
    """Whether files can be made in `folder`, or where it would be made."""
    return os.access(_existing(folder), os.W_OK | os.X_OK)


def _existing(folder: Path) -> Path:
    return next(place for place in (folder.absolute(), *folder.absolute().parents) if place.is_dir())


@dataclass(frozen=True, slots=True)
class Extra:
    """An extra of this package: which of its packages are missing, and the command that installs it."""

    name: str
    missing: tuple[str, ...]
    mend: str


def extras() -> tuple[Extra, ...]:
    """The extras that the package declares; the one without a name is what it needs in any case."""
    needed: dict[str, list[str]] = {"": []}
    for requirement in metadata.requires("pennyweight") or ():
        package, _, marker = requirement.partition(";")
        extra = re.search(r"""extra\s*==\s*["']([^"']+)["']""", marker)
        needed.setdefault(extra[1] if extra else "", []).append(re.split(r"[^\w.-]", package.strip())[0])
    return tuple(
        Extra(name, tuple(each for each in packages if not version_of(each)), install_command(name))
        for name, packages in needed.items()
    )


def version_of(package: str) -> str:
    """The version of an installed package, else nothing."""
    with suppress(metadata.PackageNotFoundError):
        return metadata.version(package)
    return ""


@dataclass(frozen=True, slots=True)
class Tool:
    """A program of use to some verb: where it was found (or nothing), and how to get it."""

    name: str
    purpose: str
    found: str
    mend: str


def tools() -> tuple[Tool, ...]:
    """The programs that are looked for. None is needed for training, searching or reports."""
    compilers = ("cc", "gcc", "clang", "cl")
    browsers = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
    return (
        Tool("zig", "compiling for boards", _package("ziglang"), "pip install ziglang"),
        Tool("unicorn", "emulating boards", _package("unicorn"), "pip install unicorn"),
        Tool("qemu-system-arm", "emulating boards", _program("qemu-system-arm"), "your system's package of that name"),
        Tool("C compiler", "checking generated C", _program(*compilers), "your system's package gcc or clang"),
        Tool("Chromium", "testing reports", _program(*browsers), "your system's package chromium"),
    )


def _package(name: str) -> str:
    version = version_of(name)
    return f"{name} {version}" if version else ""


def _program(*names: str) -> str:
    return next(filter(None, map(shutil.which, names)), "")
