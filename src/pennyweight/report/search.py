"""How `pennyweight search` looks."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from pennyweight.core.units import format_bytes, format_count, format_milliseconds, format_minutes
from pennyweight.report.terminal import and_more, facts, percent, table, visible, with_interval

if TYPE_CHECKING:
    from rich.table import Table

    from pennyweight.plan.search import Entry, Search

TRIALS_SHOWN = 24


def search_report(search: Search, width: int) -> RenderableType:
    """The winner, and every trial with its costs, the best first; fits into one screen."""
    winner = search.winner
    board = f" of {search.board.name}" if search.board else ""
    return Group(
        Text.assemble(("What was possible", "bold"), f"  {visible(search.source)}, {visible(search.budget)}{board}"),
        Text(
            f"{search.feasible:,} of {search.considered:,} networks fit; {len(search.trials):,} trained "
            f"in {format_minutes(search.minutes)}",
            style="dim",
        ),
        Text(),
        _trials(search, width),
        Text("★ the winner   ● on the front: no other network beats it on every axis   ~ estimated", style="dim"),
        Text(),
        facts(
            {
                "winner": Text(visible(winner.network), style="bold"),
                "test": Text(with_interval(winner.test), style="bold"),
                "validation": with_interval(winner.validation),
                "run": visible(winner.run),
            }
        ),
        *(Text(f"note: {visible(note)}", style="dim") for note in search.notes),
        Text(),
        Text.assemble(("next: ", "dim"), visible(f"pennyweight profile {shlex.quote(winner.network)}")),
    )


def _trials(search: Search, width: int) -> Table:
    front = {entry.run for entry in search.front}
    heads = ["", "network", "test", "valid.", "params", "MACs", "~flash", "RAM"]
    latency = width >= 100 and any(entry.cost.latency_ms is not None for entry in search.trials)
    heads += ["~latency"] * latency + ["epochs"] * (width >= 100)
    made = table(*heads, numbers=heads[2:])
    ranked = sorted(search.trials, key=lambda entry: (-_accuracy(entry), entry.cost.macs))
    for entry in ranked[:TRIALS_SHOWN]:
        is_winner = entry.run == search.winner.run
        mark = Text("★", style="bold yellow") if is_winner else Text("●" if entry.run in front else " ", style="cyan")
        cost = entry.cost
        row = [
            visible(entry.network),
            percent(entry.test.share) if entry.test else "–",
            percent(entry.validation.share) if entry.validation else "–",
            format_count(cost.parameters),
            format_count(cost.macs),
            format_bytes(cost.flash_bytes),
            format_bytes(cost.peak_ram_bytes),
        ]
        if latency:
            row.append("–" if cost.latency_ms is None else format_milliseconds(cost.latency_ms))
        if width >= 100:
            row.append(f"{entry.epochs:,}")
        made.add_row(mark, *row, style="bold" if is_winner else "")
    if more := and_more(TRIALS_SHOWN, len(ranked)):
        made.add_row("", Text(more, style="dim"))
    return made


def _accuracy(entry: Entry) -> float:
    return entry.validation.share if entry.validation else 0.0
