"""How reports are printed in these tests."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from rich.console import Console, RenderableType


@pytest.fixture
def printed() -> Callable[[RenderableType, int], str]:
    def render(report: RenderableType, width: int) -> str:
        console = Console(file=io.StringIO(), width=width, highlight=False, markup=False, emoji=False)
        console.print(report)
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue()

    return render
