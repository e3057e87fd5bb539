"""Compilers: which there are, and what they say when they fail."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec

from pennyweight.core.errors import FirmwareError, MissingExtraError
from pennyweight.core.text import visible

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-Wconversion")
"""What every C file that we write or ship must pass."""

PATIENCE_S = 600
"""How long one compilation may take; the first for a core also builds the compiler's own runtime library."""

LONGEST_COMPLAINT = 4000
"""Characters of what a compiler said that an error repeats."""


def zig() -> tuple[str, ...]:
    """The command of zig's C compiler. Raises MissingExtraError where ziglang is not installed."""
    if find_spec("ziglang") is None:
        raise MissingExtraError("compiling for boards", "boards")
    return (sys.executable, "-m", "ziglang", "cc")


@cache
def host_compilers() -> dict[str, tuple[str, ...]]:
    """The C compilers for this machine, name -> command; the system's own first, zig last."""
    found: dict[str, tuple[str, ...]] = {}
    for name in ("cc", "gcc", "clang"):
        if path := shutil.which(name):
            found[name] = (path,)
    if find_spec("ziglang") is not None:
        found["zig"] = zig()
    return found


def compile_c(command: Sequence[str], what: str) -> None:
    """Run a compiler. Raises FirmwareError with what it said where it fails; `what` is what it was to make."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FirmwareError(f"{what} cannot be compiled: {visible(error)}") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()[:LONGEST_COMPLAINT]
        lines = "\n".join(visible(line) for line in said.splitlines())
        raise FirmwareError(f"{what} cannot be compiled:\n{lines}")
