"""The price: what each layer costs, what lies where in RAM, and on which boards the network fits."""

from __future__ import annotations

from collections.abc import Sequence

from pennyweight.core.board import Board
from pennyweight.core.units import format_milliseconds, format_price
from pennyweight.net.cost import LayerCost, layer_costs
from pennyweight.net.memory import MemoryPlan, plan_memory
from pennyweight.net.profile import profile
from pennyweight.report.html.facts import Gap, RunFacts
from pennyweight.report.html.figure import (
    BARS_DRAWN,
    INK,
    Cell,
    Drawing,
    Figure,
    Key,
    Table,
    bars,
    drawing,
    figure_cell,
    label,
    words,
)
from pennyweight.report.html.section import Section

STEPS_NAMED = 32


def price_section(key: str, run: RunFacts, board: Board | None) -> Section:
    if run.graph is None:
        return Section(f"{key}-price", "The price", gaps=[Gap("The network's description cannot be read.")])
    figures = [
        layers_figure(f"{key}-layers", layer_costs(run.graph)),
        lifetimes_figure(f"{key}-ram", plan_memory(run.graph)),
    ]
    found = profile(run.graph).fits
    fitting = [fit for fit in found if fit.fits]
    lead = f"It fits on {len(fitting)} of the {len(found)} boards that we know."
    if fitting and fitting[0].board.price_usd is not None:
        cheapest = fitting[0].board
        lead += f" The cheapest is {cheapest.name}: {format_price(cheapest.price_usd or 0)} a {cheapest.price_kind}."
    rows = tuple(
        (
            words(fit.board.name),
            figure_cell(fit.board.price_usd, ".2f"),
            figure_cell(100 * fit.cost.flash_bytes / fit.board.flash_bytes, ",.1f"),
            figure_cell(100 * fit.cost.ram_bytes / fit.board.ram_bytes, ",.1f"),
            Cell("–" if fit.cost.latency_ms is None else format_milliseconds(fit.cost.latency_ms), fit.cost.latency_ms),
            Cell("fits" if fit.fits else "does not", float(fit.fits), is_number=False),
        )
        for fit in found
    )
    heads = ("board", "price, USD", "flash taken, %", "RAM taken, %", "latency", "fits")
    marked = frozenset(place for place, fit in enumerate(found) if board is not None and fit.board.key == board.key)
    table = Table("The boards that we know; flash, RAM and latency estimated for int8", heads, rows, marked)
    return Section(f"{key}-price", "The price", lead, figures=figures, tables=[table])


def layers_figure(key: str, layers: Sequence[LayerCost]) -> Figure:
    """What each layer costs, in the order of execution."""
    slowest = max(layers, key=lambda layer: layer.macs)
    heaviest = max(layers, key=lambda layer: layer.weight_bytes)
    title = f"{slowest.name} takes {100 * slowest.macs_share:.0f} % of the MACs, "
    title += "and" if heaviest is slowest else heaviest.name
    title += f" {100 * heaviest.weight_bytes_share:.0f} % of the weights"
    drawings, most = {}, 1
    for word, above, costs in (
        ("MACs", "multiply-accumulates of one image", [layer.macs for layer in layers]),
        ("weights", "weights in int8, bytes", [layer.weight_bytes for layer in layers]),
        ("activations", "activations in int8, bytes", [layer.activation_bytes for layer in layers]),
    ):
        costly = [place for place, cost in enumerate(costs) if cost]
        kept = set(sorted(costly, key=lambda place: -costs[place])[:BARS_DRAWN])
        drawn = [(label(layers[place].name), costs[place]) for place in costly if place in kept]
        if len(kept) < len(costly):
            drawn.append((f"{len(costly) - len(kept)} more", sum(costs) - sum(costs[place] for place in kept)))
        drawings[word] = bars(drawn, above)
        most = max(most, len(drawn))
    rows = tuple(
        (
            words(layer.name),
            words(layer.op),
            words("×".join(map(str, layer.output_shape))),
            figure_cell(layer.parameters),
            figure_cell(layer.macs, share=layer.macs_share),
            figure_cell(layer.weight_bytes, share=layer.weight_bytes_share),
            figure_cell(layer.activation_bytes, share=layer.activation_bytes_share),
            words(layer.deployed),
        )
        for layer in layers
    )
    heads = ("layer", "op", "output", "parameters", "MACs", "weights, B", "activations, B", "deployed")
    return Figure(
        key=key,
        title=title,
        about="Layers in the order of execution, deployed in int8; those that cost nothing of it are left out.",
        drawings=drawings,
        table=Table("Every layer", heads, rows),
        height_px=most * 24 + 70,
        choice="Cost of each layer in",
    )


def lifetimes_figure(key: str, plan: MemoryPlan) -> Figure:
    """Which buffer of tensors lies where in RAM, and from which step to which."""
    peak = plan.live_bytes.index(plan.lower_bound_bytes)
    steps = list(range(len(plan.steps)))
    trace = {
        "type": "bar",
        "x": [(buffer.first_step + buffer.last_step) / 2 for buffer in plan.buffers],
        "width": [buffer.last_step - buffer.first_step + 0.92 for buffer in plan.buffers],
        "base": [buffer.offset_bytes for buffer in plan.buffers],
        "y": [buffer.size_bytes for buffer in plan.buffers],
        "marker": {
            "color": [
                "var(--orange-fill)" if buffer.first_step <= peak <= buffer.last_step else "var(--blue-fill)"
                for buffer in plan.buffers
            ],
            "line": {"width": 1, "color": "var(--page)"},
            "opacity": 0.75,
        },
        "text": [label(buffer.name) for buffer in plan.buffers],
        "textposition": "inside",
        "insidetextanchor": "middle",
        "constraintext": "inside",
        "textangle": 0,
        "textfont": {"color": INK},
        "customdata": [
            [plan.steps[buffer.first_step], plan.steps[buffer.last_step], buffer.offset_bytes]
            for buffer in plan.buffers
        ],
        "hovertemplate": "<b>%{text}</b>: %{y:,} B at %{customdata[2]:,}<br>"
        "from %{customdata[0]} to %{customdata[1]}<extra></extra>",
    }
    x: Drawing = {"title": {"text": "step"}, "range": [-0.6, len(steps) - 0.4], "showgrid": False, "zeroline": False}
    if len(steps) <= STEPS_NAMED:
        x |= {"tickmode": "array", "tickvals": steps, "ticktext": list(plan.steps), "tickangle": -60}
        x["title"] = {"text": ""}
    is_proven = plan.is_optimal and plan.is_best_order
    proof = "nothing smaller is possible" if is_proven else f"the bound is {plan.floor_bytes:,} B"
    rows = tuple(
        (
            words(buffer.name),
            words(", ".join(buffer.tensors)),
            figure_cell(buffer.offset_bytes),
            figure_cell(buffer.size_bytes),
            words(plan.steps[buffer.first_step]),
            words(plan.steps[buffer.last_step]),
        )
        for buffer in plan.buffers
    )
    return Figure(
        key=key,
        title=f"Tensors take {plan.peak_bytes:,} B of RAM at most, while {plan.peak_step} runs; {proof}",
        about="Each box is a buffer: its height is what it takes, its width how long it must be kept. Where "
        "two overlap, a layer writes over what it has read. The stack is not among them.",
        drawings={"": drawing([trace], x, {"rangemode": "tozero", "tickformat": ",d"})},
        table=Table("Every buffer", ("buffer", "tensors", "offset, B", "size, B", "from step", "to step"), rows),
        height_px=380,
        above="address, bytes",
        keys=(Key("live at the peak", "var(--orange-fill)", "■"), Key("at other times", "var(--blue-fill)", "■")),
    )
