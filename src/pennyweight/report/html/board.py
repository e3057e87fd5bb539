"""On a board: what int8 costs in accuracy, and what the firmware takes on the virtual boards that it ran on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pennyweight.core.text import command
from pennyweight.core.units import counted, format_bytes, format_milliseconds
from pennyweight.fit.deployed import Deployed, Int8Accuracy, OnBoard
from pennyweight.fit.kept import OWN_PARTS
from pennyweight.report.html.facts import Gap, RunFacts
from pennyweight.report.html.figure import (
    BARS_DRAWN,
    BLUE,
    GREEN,
    ORANGE,
    QUIET,
    Drawing,
    Figure,
    Key,
    Table,
    accuracy_cell,
    bars,
    drawing,
    figure_cell,
    in_percent,
    interval,
    label,
    name_in_sentence,
    words,
)
from pennyweight.report.html.section import Fact, Section

COLOURS = (BLUE, ORANGE, GREEN, QUIET)
"""Of the segments of a memory, in their order."""

SEGMENTS = {
    "flash": ("weights", "code", "constants", "initial_values"),
    "RAM": ("activations", "variables", "stack"),
}


def board_section(key: str, run: RunFacts) -> Section | None:
    """What is known of the run on a board; None for one that was not quantised."""
    int8 = run.int8
    if int8 is None:
        return None
    part, told = next(
        (part, int8.accuracies[part]) for part in (*reversed(OWN_PARTS), *int8.accuracies) if part in int8.accuracies
    )
    drop = 100 * (told.float32.share - told.int8.share)
    lead = (
        f"In int8 it answers {in_percent(told.int8)} of the {part} part rightly, in float32 {in_percent(told.float32)}."
    )
    facts = [
        Fact("Accuracy in int8", in_percent(told.int8), interval(told.int8)),
        Fact("Lost to int8", f"{drop:+.2f} points".replace("-", "−"), _only(told)),
        Fact("Weights in int8", format_bytes(int8.weight_bytes), _tuned(int8)),
    ]
    title = "On a board"
    tables = [_accuracies(int8.accuracies)]
    if not int8.boards:
        gap = Gap(
            "Its firmware has not run yet. On a virtual board:", command("emulate", run.folder, "--board", "BOARD")
        )
        return Section(f"{key}-board", title, lead, facts, [gap], tables=tables)
    gaps = [
        Gap(f"On {on.board} the firmware's answers DIFFER from the integer reference: do not ship it.")
        for on in int8.boards
        if not on.agrees
    ]
    figures = [memory_figure(f"{key}-segments", int8.boards)]
    if layers := layers_figure(f"{key}-cycles", int8.boards):
        figures.append(layers)
    return Section(f"{key}-board", title, lead, facts, gaps, figures=figures, tables=[*tables, _boards(int8.boards)])


def _only(told: Int8Accuracy) -> str:
    return f"{counted(told.only_float_right, 'image')} only float32 got right, {told.only_int8_right:,} only int8"


def _tuned(int8: Deployed) -> str:
    return f"after {counted(int8.fine_tuned_epochs, 'epoch')} of fine-tuning" if int8.fine_tuned_epochs else ""


def _accuracies(accuracies: Mapping[str, Int8Accuracy]) -> Table:
    rows = tuple(
        (
            words(name if name in OWN_PARTS else each.source),
            accuracy_cell(each.float32),
            accuracy_cell(each.int8),
            figure_cell(each.only_float_right),
            figure_cell(each.only_int8_right),
            figure_cell(each.int8.n),
        )
        for name, each in accuracies.items()
    )
    heads = ("images", "float32, %", "int8, %", "only float32 right", "only int8 right", "n")
    return Table("The same images in float32 and in int8", heads, rows)


def _boards(boards: Sequence[OnBoard]) -> Table:
    rows = tuple(
        (
            words(on.board),
            words(f"equal, {counted(on.images, 'image')}" if on.agrees else "DIFFER"),
            figure_cell(on.flash_bytes),
            figure_cell(on.ram_bytes),
            figure_cell(on.instructions),
            figure_cell(on.instructions / on.macs if on.macs else None, ".2f"),
            words("–" if on.latency_ms is None else _latency(on.latency_ms, on.latency_error)),
        )
        for on in boards
    )
    heads = ("board", "bytes beside the reference", "flash, B", "RAM, B", "instructions an image", "per MAC", "latency")
    return Table("Measured on virtual boards; latency estimated", heads, rows)


def _latency(latency_ms: float, error: float | None) -> str:
    return f"≈ {format_milliseconds(latency_ms)}" + (f" ± {100 * error:.0f} %" if error is not None else "")


def memory_figure(key: str, boards: Sequence[OnBoard]) -> Figure:
    """How much of flash and RAM each segment takes on each board."""
    drawings: dict[str, Drawing] = {}
    rows = []
    for memory, segments in SEGMENTS.items():
        traces = []
        for place, segment in enumerate(segments):
            taken = [_bytes(on, memory)[segment] for on in boards]
            traces.append(
                {
                    "type": "bar",
                    "orientation": "h",
                    "name": _spoken(segment),
                    "y": list(range(len(boards))),
                    "x": [100 * count / _available(on, memory) for on, count in zip(boards, taken, strict=True)],
                    "customdata": taken,
                    "marker": {"color": COLOURS[place]},
                    "width": 0.6,
                    "hovertemplate": f"{_spoken(segment)}: %{{customdata:,}} B, %{{x:.1f}} %<extra></extra>",
                }
            )
        most = max(100 * sum(_bytes(on, memory).values()) / _available(on, memory) for on in boards)
        y = {
            "tickmode": "array",
            "tickvals": list(range(len(boards))),
            "ticktext": [label(on.board) for on in boards],
            "autorange": "reversed",
            "showgrid": False,
            "zeroline": False,
        }
        x = {"title": {"text": f"% of the board's {memory}"}, "range": [0, max(100, 1.05 * most)]}
        made = drawing(traces, x, y)
        made["layout"]["barmode"] = "stack"
        drawings[memory] = made
        for on in boards:
            share = 1 / _available(on, memory)
            for segment in segments:
                count = _bytes(on, memory)[segment]
                rows.append(
                    (
                        words(on.board),
                        words(memory),
                        words(_spoken(segment)),
                        figure_cell(count, share=min(1.0, count * share)),
                    )
                )
    fullest = max(boards, key=lambda on: on.flash_bytes / on.flash_available_bytes)
    flash, ram = (
        f"{format_bytes(taken)} of {format_bytes(available)}"
        for taken, available in (
            (fullest.flash_bytes, fullest.flash_available_bytes),
            (fullest.ram_bytes, fullest.ram_available_bytes),
        )
    )
    return Figure(
        key=key,
        title=f"On {fullest.board} it takes {flash} flash and {ram} RAM",
        about="Read from the linked program; the stack is the most that was used.",
        drawings=drawings,
        table=Table("Every segment", ("board", "memory", "segment", "bytes"), tuple(rows)),
        height_px=44 * len(boards) + 80,
        choice="Segments of",
        keys=tuple(
            Key(name, colour, "■")
            for name, colour in zip(
                ("weights or activations", "code or variables", "constants or stack", "initial values"),
                COLOURS,
                strict=True,
            )
        ),
    )


def layers_figure(key: str, boards: Sequence[OnBoard]) -> Figure | None:
    """What each layer takes on each board: cycles, or instructions where the core's timing is not known."""
    shown = [on for on in boards if on.layers]
    if not shown:
        return None
    drawings, rows, most = {}, [], 1
    for on in shown:
        is_timed = all(layer.cycles is not None for layer in on.layers)
        costs = [
            round(layer.cycles) if layer.cycles is not None and is_timed else layer.instructions for layer in on.layers
        ]
        kept = set(sorted(range(len(costs)), key=lambda place: -costs[place])[:BARS_DRAWN])
        drawn = [(label(layer.name), costs[place]) for place, layer in enumerate(on.layers) if place in kept]
        if rest := [cost for place, cost in enumerate(costs) if place not in kept]:
            drawn.append((f"{len(rest)} more", sum(rest)))
        drawings[on.board] = bars(drawn, "cycles of one image, estimated" if is_timed else "instructions of one image")
        most = max(most, len(drawn))
        total = sum(layer.instructions for layer in on.layers)
        rows += [
            (
                words(on.board),
                words(layer.name),
                words(layer.op),
                figure_cell(layer.macs),
                figure_cell(layer.instructions, share=layer.instructions / max(1, total)),
                figure_cell(layer.instructions / layer.macs if layer.macs else None, ".2f"),
                figure_cell(layer.cycles),
                figure_cell(layer.weight_bytes),
            )
            for layer in on.layers
        ]
    first = shown[0]
    slowest = max(first.layers, key=lambda layer: layer.instructions)
    share = 100 * slowest.instructions / max(1, sum(layer.instructions for layer in first.layers))
    return Figure(
        key=key,
        title=f"{name_in_sentence(slowest.name)} takes {share:.0f} % of the instructions on {first.board}",
        about="Layers in the order of execution; instructions were counted while the firmware ran.",
        drawings=drawings,
        table=Table(
            "Every layer",
            ("board", "layer", "op", "MACs", "instructions", "per MAC", "cycles, estimated", "weights, B"),
            tuple(rows),
        ),
        height_px=most * 24 + 70,
        choice="Cost of each layer on",
    )


def _bytes(on: OnBoard, memory: str) -> Mapping[str, int]:
    return on.flash if memory == "flash" else on.ram


def _available(on: OnBoard, memory: str) -> int:
    return on.flash_available_bytes if memory == "flash" else on.ram_available_bytes


def _spoken(segment: str) -> str:
    return segment.replace("_", " ")
