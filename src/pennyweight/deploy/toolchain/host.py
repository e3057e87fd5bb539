"""C for this machine: the same files as a shared library or as a program, to be called from Python."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from pennyweight.core.errors import MissingExtraError, unknown
from pennyweight.deploy.toolchain.compiler import STRICT, compile_c, host_compilers


def build_library(
    sources: Sequence[Path],
    output: Path,
    *,
    include: Sequence[Path] = (),
    flags: Sequence[str] = ("-O2",),
    compiler: str | None = None,
) -> Path:
    """`output`, a shared library of these C files for ctypes, made by the `compiler` of that name, or the first found.

    Raises MissingExtraError where there is no compiler, FirmwareError where it refuses the C.
    """
    position = () if sys.platform == "win32" else ("-fPIC",)
    return _build(sources, output, include, ("-shared", *position, *flags), compiler)


def build_program(
    sources: Sequence[Path],
    output: Path,
    *,
    include: Sequence[Path] = (),
    flags: Sequence[str] = ("-O2",),
    compiler: str | None = None,
) -> Path:
    """`output`, a program of these C files; the rest as in `build_library`."""
    return _build(sources, output, include, flags, compiler)


def _build(
    sources: Sequence[Path], output: Path, include: Sequence[Path], flags: Sequence[str], compiler: str | None
) -> Path:
    known = host_compilers()
    if not known:
        raise MissingExtraError("compiling C for this machine, which has no compiler of its own,", "boards")
    if compiler is not None and compiler not in known:
        raise unknown("compiler", compiler, known)
    command = [*known[compiler or next(iter(known))], *STRICT, *flags, *(f"-I{path}" for path in include)]
    compile_c([*command, *map(str, sources), "-o", str(output)], output.name)
    return output
