"""Small programs, compiled for boards; a trained run to deploy; MLPerf Tiny's trained ResNet-8."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pennyweight.core.board import find_board
from pennyweight.deploy.toolchain.firmware import Firmware, build_firmware
from pennyweight.deploy.toolchain.memory_map import MemoryMap, memory_map

Build = Callable[..., Firmware]

MODELS = Path(__file__).parents[3] / "shared" / "models"


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """A program from the text of its one C file, for a board, or for a core and a memory."""
    pytest.importorskip("ziglang", reason="the extra `boards` is not installed")

    def built(text: str, board: str, memory: MemoryMap | None = None, **options: Any) -> Firmware:
        source = tmp_path / "main.c"
        source.write_text(f'#include "board.h"\n#include <string.h>\n{text}\n', encoding="utf-8")
        if memory is not None:
            return build_firmware([source], board, memory, **options)
        found = find_board(board)
        return build_firmware([source], found.core, memory_map(found), **options)

    return built


@pytest.fixture(scope="session")
def trained_digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a short training on digits, which is not quantised."""
    from pennyweight.fit.train import train

    folder = tmp_path_factory.mktemp("runs") / "run"
    train("digits", "pooled-resnet:width=4", settings=["epochs=2"], out=folder, device="cpu")
    return folder


@pytest.fixture
def digits_run(trained_digits: Path, tmp_path: Path) -> Path:
    """A copy of it, for one test alone."""
    return Path(shutil.copytree(trained_digits, tmp_path / "run"))


def _model(name: str) -> bytes:
    path = MODELS / name
    if not path.is_file():
        pytest.skip(f"no trained model: {name} does not lie in ../shared/models")
    return path.read_bytes()


@pytest.fixture(scope="session")
def resnet8_int8() -> bytes:
    """The file of MLPerf Tiny's int8 ResNet-8 for CIFAR-10; skips where it is not there."""
    return _model("mlperf_tiny_resnet8_int8.tflite")


@pytest.fixture(scope="session")
def resnet8_float() -> bytes:
    """The same network's float32 file."""
    return _model("mlperf_tiny_resnet8_float.tflite")
