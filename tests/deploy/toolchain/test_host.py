from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import pytest

from pennyweight.core.errors import FirmwareError, MissingExtraError, UsageError
from pennyweight.deploy.toolchain import host
from pennyweight.deploy.toolchain.compiler import host_compilers
from pennyweight.deploy.toolchain.host import build_library, build_program


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "answer.c"
    path.write_text("int answer(int a);\nint answer(int a) { return 6 * a; }\nint main(void) { return answer(7); }\n")
    return path


COMPILERS = [pytest.param(name, marks=[pytest.mark.slow] * (name == "zig")) for name in host_compilers() or ["none"]]


@pytest.mark.parametrize("compiler", COMPILERS)
def test_every_compiler_makes_a_library_and_a_program(source: Path, tmp_path: Path, compiler: str) -> None:
    if compiler == "none":
        pytest.skip("there is no C compiler, and the extra `boards` is not installed")
    library = build_library([source], tmp_path / "answer.so", compiler=compiler)
    assert ctypes.CDLL(str(library)).answer(5) == 30
    program = build_program([source], tmp_path / "answer.exe", compiler=compiler)
    assert subprocess.run([program], check=False).returncode == 42


def test_an_unknown_compiler_and_c_that_is_refused_are_told(source: Path, tmp_path: Path) -> None:
    if not host_compilers():
        pytest.skip("there is no C compiler, and the extra `boards` is not installed")
    with pytest.raises(UsageError, match="unknown compiler 'tcc'"):
        build_library([source], tmp_path / "a.so", compiler="tcc")
    source.write_text("int f(long a) { int b = a; }\n")
    with pytest.raises(FirmwareError, match=r"a\.so cannot be compiled"):
        build_library([source], tmp_path / "a.so")


def test_without_any_compiler_the_extra_is_named(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "host_compilers", dict)
    with pytest.raises(MissingExtraError, match="extra `boards`"):
        build_library([source], tmp_path / "a.so")
