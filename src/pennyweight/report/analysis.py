"""How the analyst's page looks: a network on a board, layer by layer and in total."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pennyweight.core.text import visible
from pennyweight.core.units import format_bytes, format_milliseconds
from pennyweight.net.ops import describe
from pennyweight.report.terminal import bar, facts, short, table

if TYPE_CHECKING:
    from pennyweight.deploy.analysis import Analysis
    from pennyweight.deploy.latency import Latency

WIDE = 100
"""From so many cells on there is room for the ops, the shapes and the bars."""

NAME_CELLS = 20

UNKNOWN = "–"


def analysis_report(analysis: Analysis, width: int) -> RenderableType:
    """The layers, flash and RAM by segment, and the totals, for a terminal of `width` cells."""
    return Group(
        Text.assemble((visible(analysis.network), "bold"), f"  int8, {describe(analysis.input_shape)}"),
        Text(f"on {visible(analysis.board.name)}, emulated in {analysis.engine}", style="dim"),
        Text(),
        layers_table(analysis, width),
        Text(),
        memory_tables(analysis, width),
        Text(),
        facts(totals(analysis)),
    )


def layers_table(analysis: Analysis, width: int) -> Table:
    """A line a layer; ~ marks what is estimated."""
    numbers = ("MACs", "instructions", "/MAC", "~cycles", "~ms", "weights B", "activ. B")
    heads: tuple[str, ...] = ("layer", "MACs", "instructions", "~cycles", "", "weights B", "activ. B")
    if width >= WIDE:
        heads = ("layer", "op", "output", "MACs", "instructions", "/MAC", "~cycles", "", "~ms", "weights B", "activ. B")
    made = table(*heads, numbers=numbers, spare=("/MAC", "~ms"))
    for layer in analysis.layers:
        name, macs, instructions = short(layer.name, NAME_CELLS), _count(layer.macs), f"{layer.instructions:,}"
        each = f"{layer.instructions / layer.macs:.2f}" if layer.macs else ""
        cycles = UNKNOWN if layer.latency is None else f"{layer.latency.cycles:,.0f}"
        milliseconds = UNKNOWN if layer.latency is None else f"{layer.latency.ms:,.2f}"
        share = Text(bar(layer.instructions / max(1, analysis.instructions), 6), style="cyan")
        stored = _count(layer.weight_bytes), _count(layer.activation_bytes)
        cells: list[str | Text] = [name, macs, instructions, cycles, share, *stored]
        if width >= WIDE:
            shape = describe(layer.output_shape)
            cells = [name, layer.op, shape, macs, instructions, each, cycles, share, milliseconds, *stored]
        made.add_row(*cells)
    return made


def memory_tables(analysis: Analysis, width: int) -> Table:
    """Flash and RAM by segment, side by side where there is room."""
    flash, ram, board = analysis.flash, analysis.ram, analysis.board
    parts = [
        _memory(
            "flash",
            {
                "weights (ro)": flash.weights_bytes,
                "code": flash.code_bytes,
                "constants": flash.constants_bytes,
                "initial values": flash.initial_values_bytes,
            },
            board.flash_bytes,
        ),
        _memory(
            "RAM",
            {
                "activations (rw)": ram.activations_bytes,
                "variables": ram.variables_bytes,
                f"stack, of {ram.stack_room_bytes:,}": ram.stack_bytes,
            },
            board.ram_bytes,
        ),
    ]
    made = Table.grid(padding=(0, 4, 0, 0))
    if width < 70:
        for part in parts:
            made.add_row(part)
    else:
        made.add_row(*parts)
    return made


def _memory(name: str, segments: dict[str, int], available_bytes: int) -> Table:
    made = table(name, "bytes", "", numbers=("bytes",))
    total_bytes = sum(segments.values())
    for segment, count in segments.items():
        made.add_row(segment, f"{count:,}", Text(bar(count / max(1, total_bytes), 8), style="cyan"))
    share = 100 * total_bytes / available_bytes
    made.add_row(Text("total", style="bold"), Text(f"{total_bytes:,}", style="bold"), f"{share:.0f} %")
    made.add_row(Text("of", style="dim"), Text(format_bytes(available_bytes), style="dim"), "")
    return made


def totals(analysis: Analysis) -> dict[str, str | Text]:
    """MACs, instructions and latency of one image."""
    each = analysis.instructions / max(1, analysis.macs)
    return {
        "MACs": f"{analysis.macs:,}",
        "instructions": f"{analysis.instructions:,} an image, {each:.2f} per MAC",
        "latency": latency_told(analysis.latency, analysis.board.mhz),
    }


def latency_told(latency: Latency | None, mhz: float) -> str:
    """The estimate with its error band."""
    if latency is None:
        return "not known on this core"
    basis = f"{latency.cycles:,.0f} cycles, {mhz:g} MHz"
    if not latency.is_calibrated:
        basis = f"not calibrated: one to two cycles an instruction, {mhz:g} MHz"
    return f"~{format_milliseconds(latency.ms)} ± {100 * latency.error:.0f} % ({basis})"


def _count(value: int) -> str:
    return f"{value:,}" if value else "·"
