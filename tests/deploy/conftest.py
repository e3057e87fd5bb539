"""Small programs, compiled for boards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pennyweight.core.board import find_board
from pennyweight.deploy.toolchain.firmware import Firmware, build_firmware
from pennyweight.deploy.toolchain.memory_map import MemoryMap, memory_map

Build = Callable[..., Firmware]


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
