"""How `pennyweight profile` looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pennyweight.core.text import visible
from pennyweight.core.units import format_milliseconds
from pennyweight.net.ops import describe
from pennyweight.report.memory import memory_drawing
from pennyweight.report.terminal import bar, short, table

if TYPE_CHECKING:
    from pennyweight.net.cost import Cost
    from pennyweight.net.profile import Profile

WIDE, NARROW = 100, 60
"""From so many cells on there is room for the ops and both bars; in fewer, for parameters and MACs only."""

NAME_CELLS = 20
"""What the name of a layer may take; those of TensorFlow may be long."""


def profile_report(profile: Profile, width: int) -> RenderableType:
    """The layers, the totals, the memory plan and the boards, for a terminal of `width` cells."""
    shape, kind = describe(profile.input_shape), "int8" if profile.bits == 8 else "float32"
    return Group(
        Text.assemble((visible(profile.network), "bold"), f"  {shape}, {profile.classes:,} classes, layers in {kind}"),
        Text(),
        _layers(profile, width),
        Text(),
        _totals(profile),
        Text(),
        memory_drawing(profile.plan, width),
        Text(),
        _boards(profile),
    )


def _layers(profile: Profile, width: int) -> Table:
    numbers = ("parameters", "MACs", "weights B", "activ. B")
    if width >= WIDE:
        made = table(
            "layer", "op", "output", "parameters", "", "MACs", "", "weights B", "activ. B", "", numbers=numbers
        )
    elif width < NARROW:
        made = table("layer", "parameters", "MACs", numbers=numbers)
    else:
        made = table("layer", "output", "parameters", "MACs", "", "weights B", "activ. B", numbers=numbers)
    for layer in profile.layers:
        name, output, is_own = short(layer.name, NAME_CELLS), describe(layer.output_shape), layer.deployed == "own"
        parameters, macs, share = _count(layer.parameters), _count(layer.macs), _share(layer.macs_share)
        stored = _count(layer.weight_bytes), _count(layer.activation_bytes)
        cells: list[str | Text] = [name, output, parameters, macs, share, *stored]
        if width < NARROW:
            cells = [name, parameters, macs]
        elif width >= WIDE:
            learnt, deployed = _share(layer.parameters_share), "" if is_own else layer.deployed.partition(" into ")[0]
            cells = [name, layer.op, output, parameters, learnt, macs, share, *stored, deployed]
        made.add_row(*cells, style="" if is_own else "dim")
    return made


def _share(share: float) -> Text:
    return Text(bar(share, 6), style="cyan")


def _count(value: int) -> str:
    return f"{value:,}" if value else "·"


def _totals(profile: Profile) -> Table:
    """The totals as ST's analyser tables them, for both kinds of numbers."""
    made = table("total", "float32", "int8", numbers=("float32", "int8"))
    float32, int8 = profile.float32, profile.int8
    made.add_row("parameters", f"{float32.parameters:,}", f"{int8.parameters:,}")
    made.add_row("MACs", f"{float32.macs:,}", f"{int8.macs:,}")
    for title, figure in (
        ("weights (ro)", "weight_bytes"),
        ("activations (rw)", "peak_ram_bytes"),
        ("flash", "flash_bytes"),
        ("RAM", "ram_bytes"),
    ):
        made.add_row(title, _bytes(float32, figure), _bytes(int8, figure))
    return made


def _bytes(cost: Cost, figure: str) -> str:
    mark = "~" if cost.kinds[figure] == "estimated" else ""
    return f"{mark}{getattr(cost, figure):,} B"


def _boards(profile: Profile) -> RenderableType:
    """One line a board: the shares of its flash and RAM that are taken; for one board alone, the reasons too."""
    numbers = ("USD", "~flash", "~RAM", "~latency")
    made = table("board", *numbers, "fits", numbers=numbers)
    for fit in profile.fits:
        in_the_way = ", ".join(_MEMORIES[excess.limit] for excess in fit.excesses)
        made.add_row(
            fit.board.key,
            "–" if fit.board.price_usd is None else f"{fit.board.price_usd:.2f}",
            _use(fit.cost.flash_bytes, fit.board.flash_bytes),
            _use(fit.cost.ram_bytes, fit.board.ram_bytes),
            "–" if fit.cost.latency_ms is None else format_milliseconds(fit.cost.latency_ms),
            Text("yes", style="green") if fit.fits else Text(f"no: {in_the_way}", style="red"),
        )
    if len(profile.fits) > 1:
        return Group(made, Text("What is in the way in full: --board BOARD", style="dim"))
    return Group(made, *(Text(reason) for reason in profile.fits[0].reasons))


_MEMORIES = {"flash_bytes": "flash", "ram_bytes": "RAM"}


def _use(needed_bytes: int, there_bytes: int) -> Text:
    share = needed_bytes / there_bytes
    return Text("<1 %" if share < 0.01 else f"{100 * share:,.0f} %", style="red" if share > 1 else "")
