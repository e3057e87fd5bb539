"""The drawing of a memory plan: addresses up, steps across, and what is shared shown as such."""

from __future__ import annotations

import pytest
from rich.console import Console
from tests.net.resnet8 import resnet8

from pennyweight.net import ops
from pennyweight.net.build import Builder
from pennyweight.net.memory import MemoryPlan, plan_memory
from pennyweight.net.patches import patched
from pennyweight.report.memory import GROUND, LETTERS, LINES, SHARED, memory_drawing


def drawn(plan: MemoryPlan, width: int) -> list[str]:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(memory_drawing(plan, width))
    return [line.rstrip() for line in capture.get().splitlines()]


def area(lines: list[str]) -> list[str]:
    """The lines of the map, without their addresses."""
    edge = next(line for line in lines if line.lstrip().startswith("0 ")).index("0") + 2
    start = next(place for place, line in enumerate(lines) if line.strip() == "▼") + 1
    return [line[edge:] for line in lines[start : start + LINES]]


def test_what_is_written_over_its_input_is_seen_to_share_its_bytes() -> None:
    lines = drawn(plan_memory(resnet8()), 80)
    assert "33,680 B" in lines[0]
    assert "no order of layers and no placement takes less" in lines[1]
    assert SHARED in "".join(area(lines))


def test_a_network_that_shares_nothing_has_no_shared_bytes() -> None:
    b = Builder((8, 8, 2))
    b.dense(32)
    b.dense(4)
    cells = "".join(area(drawn(plan_memory(b.graph("any")), 80)))
    assert SHARED not in cells
    assert {"a", "b"} <= set(cells)


def test_every_cell_shows_the_buffer_that_lies_there() -> None:
    plan = plan_memory(resnet8())
    lines = area(drawn(plan, 200))
    width = len(lines[0]) // len(plan.steps)
    names = dict(zip(LETTERS, (buffer.name for buffer in plan.buffers), strict=False))
    buffers = {buffer.name: buffer for buffer in plan.buffers}
    for place, line in enumerate(lines):
        address = (2 * (len(lines) - place) - 1) * plan.peak_bytes // (2 * len(lines))
        for column, cell in enumerate(line):
            step = column // width
            here = {
                buffer.name
                for buffer in plan.buffers
                if buffer.first_step <= step <= buffer.last_step
                and buffer.offset_bytes <= address < buffer.offset_bytes + buffer.size_bytes
            }
            if cell == SHARED:
                assert len(here) > 1
            elif cell == GROUND:
                assert not here
            else:
                assert here == {names[cell]}
                assert buffers[names[cell]].offset_bytes <= address


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    plans = [plan_memory(resnet8()), plan_memory(patched(resnet8(), "relu3", (4, 4)).graph, keep_order=True)]
    for plan in plans:
        assert max(map(len, drawn(plan, width))) <= width


def test_a_gap_between_plan_and_bound_is_told() -> None:
    b = Builder((8, 8, 4))
    wide = [b.conv(width, 1, at="image") for width in (16, *range(5, 16))]
    b.add(ops.Concat(), *(b.conv(1, 3, at=each) for each in wide))
    plan = plan_memory(b.graph("any"))
    assert f"goes below {plan.floor_bytes:,} B" in drawn(plan, 80)[1]
