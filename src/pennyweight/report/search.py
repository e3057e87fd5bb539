"""How `pennyweight search` looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from pennyweight.core.text import visible
from pennyweight.core.units import format_count, format_milliseconds, format_minutes
from pennyweight.plan.trial import standing
from pennyweight.report.terminal import and_more, facts, table

if TYPE_CHECKING:
    from rich.table import Table

    from pennyweight.plan.found import Search

NETWORKS_SHOWN = 10
"""So that all of it fits on one screen; every training is in the report, --json and --csv."""

WIDE = 100
"""From so many cells on there is room for latency and epochs."""


def search_report(search: Search, width: int) -> RenderableType:
    """The winner, and the longest training of each network with its costs, the best first; fits into one screen."""
    winner = search.winner
    board = f" on {search.board.name}" if search.board else ""
    return Group(
        Text.assemble(("What was possible", "bold"), f"  {visible(search.source)}{board}"),
        Text(
            f"{search.budget}; {search.feasible:,} of {search.considered:,} networks fit, "
            f"{len({entry.network for entry in search.trials}):,} were tried in {len(search.trials):,} trainings and "
            f"{format_minutes(search.minutes)}",
            style="dim",
        ),
        Text(),
        _networks(search, wide=width >= WIDE),
        Text(
            "★ winner   ● front: no other is as good on every axis and better on one   ~ estimated",
            style="dim",
        ),
        Text(),
        facts(
            {
                "winner": Text(visible(winner.network), style="bold"),
                "test": Text(str(winner.test), style="bold"),
                **_over_seeds(search),
                "validation": str(winner.validation),
                "run": visible(winner.run),
            }
        ),
        *(Text(f"note: {visible(note)}", style="dim") for note in search.notes),
    )


def _over_seeds(search: Search) -> dict[str, str]:
    """The winner's test accuracy over its seeds, where it was trained with several."""
    if search.over_seeds is None:
        return {}
    mean, deviation, seeds = search.over_seeds
    return {f"over {seeds} seeds": f"{100 * mean:.2f} % ± {100 * deviation:.2f} (mean and standard deviation)"}


def _networks(search: Search, *, wide: bool) -> Table:
    front = {entry.run for entry in search.front}
    heads = ["test\n%", "valid.\n%", "params\n", "MACs\n", "~flash\nKiB", "~RAM\nKiB"]
    if wide:
        heads += ["~latency\n", "epochs\n"]
    made = table("", "\nnetwork", *heads, numbers=heads)
    stands = {trial.number for trial in standing([entry.trial for entry in search.trials])}
    shown = [entry for entry in search.trials if entry.trial.number in stands]
    ranked = sorted(shown, key=lambda entry: (-entry.validation.share, entry.cost.macs))
    for entry in ranked[:NETWORKS_SHOWN]:
        is_winner, cost = entry.run == search.winner.run, entry.cost
        cells = [
            visible(entry.network),
            f"{100 * entry.test.share:.2f}" if entry.test else "–",
            f"{100 * entry.validation.share:.2f}",
            format_count(cost.parameters),
            format_count(cost.macs),
            f"{cost.flash_bytes / 1024:,.2f}",
            f"{cost.ram_bytes / 1024:,.2f}",
        ]
        if wide:
            cells.append("–" if cost.latency_ms is None else format_milliseconds(cost.latency_ms))
            cells.append(f"{entry.epochs:,}")
        mark = Text("★", style="yellow") if is_winner else Text("●" if entry.run in front else "", style="cyan")
        made.add_row(mark, *cells, style="bold" if is_winner else "")
    if more := and_more(NETWORKS_SHOWN, len(ranked)):
        made.add_row("", Text(more, style="dim"))
    return made
