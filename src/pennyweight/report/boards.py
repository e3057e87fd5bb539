"""How `pennyweight boards` looks."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from pennyweight.core.board import CORES, Board
from pennyweight.core.units import format_bytes
from pennyweight.report.terminal import table


def boards_report(boards: Sequence[Board]) -> RenderableType:
    """One line a board."""
    rows = table("board", "core", "MHz", "flash", "RAM", "USD", "of", numbers=("MHz", "flash", "RAM", "USD"))
    for board in boards:
        rows.add_row(
            board.key,
            CORES[board.core].name,
            f"{board.mhz:g}",
            format_bytes(board.flash_bytes),
            format_bytes(board.ram_bytes),
            "–" if board.price_usd is None else f"{board.price_usd:.2f}",
            f"the {board.price_kind}",
        )
    note = "Names, notes, and the source and date of every figure: pennyweight boards --json"
    return Group(rows, Text(), Text(note, style="dim"))
