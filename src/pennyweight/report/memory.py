"""How a memory plan looks: a row for each buffer, a column for each step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from pennyweight.core.text import visible
from pennyweight.report.terminal import and_more, table

if TYPE_CHECKING:
    from pennyweight.net.memory import Buffer, MemoryPlan

HEADS = ("buffer", "offset", "bytes")
BUFFERS_SHOWN = 24
CELLS_MAX = 3
"""The widest that a step is drawn."""


def memory_drawing(plan: MemoryPlan, width: int) -> RenderableType:
    """The buffers with their offsets and lifetimes; ▼ and colour mark the step in which most is live.

    Where there are too many, the smallest are left out; where the steps are more than cells, several share one.
    """
    shown = sorted(plan.buffers, key=lambda buffer: -buffer.size_bytes)[:BUFFERS_SHOWN]
    beside = zip(HEADS, *map(_figures, shown), strict=True)
    room = max(width - sum(max(map(len, column)) + 2 for column in beside), 10)
    cells = min(room, len(plan.steps) * CELLS_MAX) // len(plan.steps) * len(plan.steps) or room
    peak = plan.live_bytes.index(plan.lower_bound_bytes)
    made = table(*HEADS, "", numbers=HEADS[1:])
    made.columns[3].header = Text("▼".rjust(_cell(peak, plan, cells) + 1), style="yellow")
    for buffer in plan.buffers:
        if buffer in shown:
            made.add_row(*_figures(buffer), _life(buffer, plan, cells, peak))
    proof = "no placement is smaller" if plan.is_optimal else f"no placement goes below {plan.lower_bound_bytes:,} B"
    lines: list[RenderableType] = [
        Text.assemble(("memory plan", "bold"), f"  {plan.peak_bytes:,} B for {len(plan.steps):,} steps; {proof}"),
        Text(f"most is live at {visible(plan.peak_step)} (▼)", style="dim"),
        made,
    ]
    if more := and_more(len(shown), len(plan.buffers)):
        lines.append(Text(f"{more}, smaller ones", style="dim"))
    return Group(*lines)


def _figures(buffer: Buffer) -> tuple[str, str, str]:
    return visible(buffer.name), f"{buffer.offset_bytes:,}", f"{buffer.size_bytes:,}"


def _cell(step: int, plan: MemoryPlan, cells: int) -> int:
    """The first cell of a step."""
    return step * cells // len(plan.steps)


def _life(buffer: Buffer, plan: MemoryPlan, cells: int, peak: int) -> Text:
    first = _cell(buffer.first_step, plan, cells)
    after = max(_cell(buffer.last_step + 1, plan, cells), first + 1)
    at_peak = buffer.first_step <= peak <= buffer.last_step
    return Text.assemble(" " * first, ("█" * (after - first), "yellow" if at_peak else "cyan"))
