"""How `pennyweight emulate` looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from pennyweight.core.text import visible
from pennyweight.core.units import counted
from pennyweight.net.ops import describe
from pennyweight.report.analysis import layers_table, memory_tables, totals
from pennyweight.report.terminal import facts

if TYPE_CHECKING:
    from pennyweight.deploy.emulated import Emulated, SecondOpinion


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
