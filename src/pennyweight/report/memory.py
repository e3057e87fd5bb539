"""How a memory plan looks: time goes across and addresses go up, with the buffers that lie there as letters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from pennyweight.core.text import visible
from pennyweight.report.terminal import and_more, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pennyweight.net.memory import Buffer, MemoryPlan

HEADS = ("", "buffer", "offset", "bytes", "from", "to")
BUFFERS_SHOWN = 24
CELLS_MAX = 3
"""The widest that a step is drawn."""

LINES = 16
"""How high all addresses are drawn."""

LETTERS = "abcdefghijklmnopqrstuvwxyz"
COLOURS = ("cyan", "green", "magenta", "blue")
SHARED = "▒"
"""Bytes that two buffers hold: what a layer reads, and what it has written over it already."""

GROUND = "·"


def memory_drawing(plan: MemoryPlan, width: int) -> RenderableType:
    """The buffers where and while they live, and a table of them; ▼ marks the step that needs most.

    Where there are too many, the smallest are left out of the table; where the steps are more than cells, several
    share one, which shows the neediest of them.
    """
    shown = sorted(plan.buffers, key=lambda buffer: -buffer.size_bytes)[:BUFFERS_SHOWN]
    names = {buffer.name for buffer in shown}
    letters = dict(zip((buffer.name for buffer in plan.buffers if buffer.name in names), LETTERS, strict=False))
    lines: list[RenderableType] = [
        Text.assemble(("memory plan", "bold"), f"  {plan.peak_bytes:,} B for {len(plan.steps):,} steps"),
        Text(_proof(plan), style="dim"),
        *_map(plan, letters, width),
        Text(f"▼ most is needed at {visible(plan.peak_step)}   {SHARED} read, and written over", style="dim"),
    ]
    made = table(*HEADS, numbers=("offset", "bytes"), spare=("from", "to"))
    for buffer in plan.buffers:
        if letter := letters.get(buffer.name):
            made.add_row(
                Text(letter, style=_style(letter)),
                visible(buffer.name),
                f"{buffer.offset_bytes:,}",
                f"{buffer.size_bytes:,}",
                visible(plan.steps[buffer.first_step]),
                visible(plan.steps[buffer.last_step]),
            )
    lines.append(made)
    if more := and_more(len(shown), len(plan.buffers)):
        lines.append(Text(f"{more}, smaller ones", style="dim"))
    return Group(*lines)


def _proof(plan: MemoryPlan) -> str:
    """What is proven of a plan."""
    if plan.is_optimal and plan.is_best_order:
        return "no order of layers and no placement takes less"
    if plan.is_optimal:
        return f"no placement takes less in this order of layers; no order goes below {plan.floor_bytes:,} B"
    return f"no order of layers and no placement goes below {plan.floor_bytes:,} B"


def _style(letter: str) -> str:
    return COLOURS[LETTERS.index(letter) % len(COLOURS)]


def _map(plan: MemoryPlan, letters: dict[str, str], width: int) -> list[Text]:
    """Lines from the highest addresses down to 0, after one that marks the neediest step."""
    edge = len(f"{plan.peak_bytes:,}") + 1
    room = max(width - edge, 10)
    columns = _columns(plan, room)
    peak = next(place for place, steps in enumerate(columns) if plan.live_bytes.index(plan.lower_bound_bytes) in steps)
    lines = [Text(" " * (edge + peak) + "▼", style="yellow")]
    high = min(LINES, -(-plan.peak_bytes // 4))
    for line in reversed(range(high)):
        address = (2 * line + 1) * plan.peak_bytes // (2 * high)
        label = f"{plan.peak_bytes:,}" if line == high - 1 else "0" if line == 0 else ""
        drawn = Text(label.rjust(edge - 1) + " ", style="dim")
        for steps in columns:
            neediest = max(steps, key=plan.live_bytes.__getitem__)
            drawn.append(*_cell(plan.buffers, letters, neediest, address))
        lines.append(drawn)
    return lines


def _columns(plan: MemoryPlan, room: int) -> list[range]:
    """The steps that each column shows."""
    count = len(plan.steps)
    if count <= room:
        return [range(step, step + 1) for step in range(count) for _ in range(min(room // count, CELLS_MAX))]
    return [range(place * count // room, (place + 1) * count // room) for place in range(room)]


def _cell(buffers: Sequence[Buffer], letters: dict[str, str], step: int, address: int) -> tuple[str, str]:
    """The sign of an address in a step, and its style."""
    here = [
        buffer
        for buffer in buffers
        if buffer.first_step <= step <= buffer.last_step
        and buffer.offset_bytes <= address < buffer.offset_bytes + buffer.size_bytes
    ]
    if not here:
        return GROUND, "dim"
    if len(here) > 1:
        return SHARED, "yellow"
    letter = letters.get(here[0].name, "-")
    return letter, _style(letter) if letter in LETTERS else "dim"
