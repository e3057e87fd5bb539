"""How `pennyweight emulate` looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from pennyweight.core.board import CORES
from pennyweight.core.text import visible
from pennyweight.core.units import counted, format_milliseconds
from pennyweight.net.ops import describe
from pennyweight.report.analysis import layers_table, memory_tables, totals
from pennyweight.report.terminal import facts

if TYPE_CHECKING:
    from pennyweight.deploy.emulated import Emulated, SecondOpinion
    from pennyweight.shrink.quantize.quantize import Quantized


def emulation_report(emulated: Emulated, width: int, *, layers: bool = True) -> RenderableType:
    """Whether the firmware agrees with the reference, and what it takes, for a terminal of `width` cells."""
    analysis = emulated.analysis
    figures = {
        "answers": _agreement(emulated),
        **({"QEMU": _opinion(emulated.second_opinion)} if emulated.second_opinion else {}),
        "images": f"{emulated.images:,} of {visible(emulated.source)}",
        **totals(analysis),
    }
    parts: list[RenderableType] = [
        Text.assemble((visible(analysis.network), "bold"), f"  int8, {describe(analysis.input_shape)}"),
        Text(f"on {visible(analysis.board.name)}, emulated in {analysis.engine}", style="dim"),
        Text(),
        facts(figures),
        Text(),
        memory_tables(analysis, width),
    ]
    if layers:
        parts += [Text(), layers_table(analysis, width)]
    return Group(*parts)


def winner_report(quantized: Quantized, emulated: Emulated) -> RenderableType:
    """What became of a network that was brought to int8 and run on a virtual board, in a few lines."""
    analysis = emulated.analysis
    board, flash, ram = analysis.board, analysis.flash, analysis.ram
    lost = quantized.drop_points
    against_float = f"{abs(lost):.2f} points {'less' if lost > 0 else 'more'} than" if lost else "as much as"
    weights = f"weights {flash.weights_bytes:,}, program {flash.total_bytes - flash.weights_bytes:,}"
    activations = f"activations {ram.activations_bytes:,}, stack {ram.stack_bytes:,}"
    latency = analysis.latency
    time = "in a time that is not known on this core"
    if latency is not None:
        time = (
            f"about {format_milliseconds(latency.ms)} at {board.mhz:g} MHz (estimated, ± {100 * latency.error:.0f} %)"
        )
    same = f"the same as Python's on {counted(emulated.images, 'image')}, byte for byte"
    return Group(
        Text.assemble(
            ("On a virtual board", "bold"), f"  {visible(board.name)}, as C for its {CORES[board.core].name}"
        ),
        facts(
            {
                "in int8": f"{quantized.int8_accuracy} on the {quantized.part} part, {against_float} in float32",
                "flash": f"{flash.total_bytes:,} of {board.flash_bytes:,} bytes: {weights}",
                "RAM": f"{ram.total_bytes:,} of {board.ram_bytes:,} bytes: {activations}",
                "an image": f"{analysis.instructions:,} instructions, {time}",
                "answers": Text(same, style="green") if emulated.agrees else _agreement(emulated),
            }
        ),
    )


def _agreement(emulated: Emulated) -> Text:
    difference = emulated.difference
    if difference is None:
        return Text("equal to the integer reference, byte for byte", style="green")
    told = f"{visible(difference.tensor)} differs first from the reference, in image {difference.image + 1}: "
    told += f"{difference.differing_bytes:,} of {counted(difference.size_bytes, 'byte')}"
    return Text(told, style="red")


def _opinion(second: SecondOpinion) -> Text:
    elsewhere = ", linked for addresses where QEMU has memory" if second.relinked else ""
    told = f"{'the same bytes' if second.agrees else 'other bytes'}; {second.instructions:,} instructions{elsewhere}"
    return Text(told, style="green" if second.agrees else "red")
