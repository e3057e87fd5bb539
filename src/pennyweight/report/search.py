"""How `pennyweight search` looks."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from pennyweight.core.text import visible
from pennyweight.core.units import format_count, format_milliseconds, format_minutes
from pennyweight.plan.trial import standing
from pennyweight.report.terminal import and_more, facts, short, table

if TYPE_CHECKING:
    from rich.table import Table

    from pennyweight.plan.found import Entry, Search

NETWORKS_SHOWN = 10
"""So that all of it fits on one screen, unless the front is larger; every training is in the report, --json, --csv."""

FIGURE_CELLS, EPOCHS_CELLS, LATENCY_CELLS, NAME_CELLS_MIN = 54, 8, 11, 24
"""What the figures of a line take beside the network's name, which is cut to the rest; the winner's stands below."""

WIDE = 100
"""From so many cells on there is room for latency and epochs."""


def search_report(search: Search, width: int) -> RenderableType:
    """The winner, and the longest training of each network with its costs, the best first; all of the front."""
    winner = search.winner
    board = f" on {search.board.name}" if search.board else ""
    tried = len({entry.trial.point for entry in search.trials})
    return Group(
        Text.assemble(("What was possible", "bold"), f"  {visible(search.source)}{board}"),
        Text(
            f"{search.budget}; {search.feasible:,} of {search.considered:,} networks fit, {tried:,} were tried in "
            f"{len(search.trials):,} trainings and {format_minutes(search.minutes)}",
            style="dim",
        ),
        Text(),
        _networks(search, width),
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
                **_ended_early(search),
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


def _ended_early(search: Search) -> dict[str, str]:
    """How many trainings were not trained to their end."""
    words = {"running": "cut off by the end"}
    states = Counter(words.get(entry.trial.state, entry.trial.state) for entry in search.unfinished)
    told = ", ".join(f"{count:,} {state}" for state, count in sorted(states.items()))
    return {"ended early": f"{told}: the report says why"} if told else {}


def _networks(search: Search, width: int) -> Table:
    front, wide = {entry.run for entry in search.front}, width >= WIDE
    timed = wide and any(entry.cost.latency_ms is not None for entry in search.trials)
    name_cells = max(NAME_CELLS_MIN, width - FIGURE_CELLS - wide * EPOCHS_CELLS - timed * LATENCY_CELLS)
    heads = ["test\n%", "valid.\n%", "params\n", "MACs\n", "~flash\nKiB", "~RAM\nKiB"]
    if wide:
        heads += [*(["~latency\n"] if timed else []), "epochs\n"]
    made = table("", "\nnetwork", *heads, "", numbers=heads)
    stands = {trial.number for trial in standing([entry.trial for entry in search.trials])}
    shown = [entry for entry in search.trials if entry.trial.number in stands]
    ranked = sorted(shown, key=lambda entry: (-entry.validation.share, entry.cost.macs))
    others = [entry.run for entry in ranked if entry.run not in front][: max(0, NETWORKS_SHOWN - len(front))]
    listed = [entry for entry in ranked if entry.run in front or entry.run in others]
    chosen = [_chosen_besides(entry) for entry in listed]
    several = {name for name in dict.fromkeys(chain(*chosen)) if len({each.get(name) for each in chosen}) > 1}
    for entry, choice in zip(listed, chosen, strict=True):
        is_winner, cost = entry.run == search.winner.run, entry.cost
        cells = [
            short(visible(entry.network), name_cells),
            f"{100 * entry.test.share:.2f}" if entry.test else "–",
            f"{100 * entry.validation.share:.2f}",
            format_count(cost.parameters),
            format_count(cost.macs),
            f"{cost.flash_bytes / 1024:,.2f}",
            f"{cost.ram_bytes / 1024:,.2f}",
        ]
        if timed:
            cells.append("–" if cost.latency_ms is None else format_milliseconds(cost.latency_ms))
        if wide:
            cells.append(f"{entry.epochs:,}")
        mark = Text("★", style="yellow") if is_winner else Text("●" if entry.run in front else "", style="cyan")
        cells.append(" ".join(f"{name}={value}" for name, value in choice.items() if name in several))
        made.add_row(mark, *cells, style="bold" if is_winner else "")
    if more := and_more(len(listed), len(ranked)):
        made.add_row("", Text(more, style="dim"))
    return made


def _chosen_besides(entry: Entry) -> dict[str, str]:
    """What was chosen besides the network: name -> value in words."""
    return {
        name.removeprefix("recipe."): f"{value:.3g}" if isinstance(value, float) else visible(value)
        for name, value in entry.trial.point.values
        if name.startswith(("recipe.", "input"))
    }
