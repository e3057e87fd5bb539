"""How `pennyweight search` looks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from pennyweight.core.text import command, visible
from pennyweight.core.units import counted, format_count, format_milliseconds, format_minutes
from pennyweight.fit.recipe import Recipe
from pennyweight.plan.found import moment
from pennyweight.plan.space import INPUT, RECIPE
from pennyweight.plan.trial import standing
from pennyweight.report.evaluation import UNSTEADY
from pennyweight.report.terminal import and_more, facts, percent, table

if TYPE_CHECKING:
    from rich.table import Table

    from pennyweight.fit.compare import ComparedRun, Comparison
    from pennyweight.plan.domain import Value
    from pennyweight.plan.found import Entry, Search
    from pennyweight.plan.space import Point

NETWORKS_SHOWN = 10
"""So that all of it fits on one screen, unless the front is larger; every training is in the report, --json, --csv."""

NAME_CELLS_MIN = 24
"""What a network's name has in a line at least; columns that say less give way, and longer names take more lines."""

GAP = 2
"""Cells between two columns."""

ASKED = 30
"""The rank of columns from which on nobody asked for them."""

ALWAYS_TOLD = ("epochs", "batch", "optimizer", "learning_rate", "weight_decay", "seed")
"""The settings of a recipe that are told also where they are what they always are."""

STATES = {
    "stopped": "stopped, as it could not reach the front any more",
    "running": "cut off by the end",
}
"""What ended a training before its time, in words."""

NOTES_SHOWN = 3
"""Notes on single networks that answered photos; the others are in --json."""


def search_report(search: Search, width: int, compared: Comparison | None = None) -> RenderableType:
    """The winner, and the longest training of each network with its costs, the best first; all of the front.

    Where runs are `compared`, their time per image and their accuracy on own photos are columns too.
    """
    board = f" on {search.board.name}" if search.board else ""
    networks = len({entry.trial.point for entry in (*search.trials, *search.unfinished)})
    trainings = len(search.trials) + len(search.unfinished)
    return Group(
        Text.assemble(("What was possible", "bold"), f"  {visible(search.source)}{board}"),
        Text(str(search.budget), style="dim"),
        Text(
            f"in the end {search.feasible:,} of {counted(search.considered, 'drawn network')} "
            f"fit{'s' * (search.considered == 1)}, {counted(networks, 'network')} tried in "
            f"{counted(trainings, 'training')}, {format_minutes(search.minutes)}",
            style="dim",
        ),
        Text(),
        _networks(search, width, compared),
        Text("★ winner   ● front: nothing dominates it   – test part not opened   ~ estimated", style="dim"),
        *(Text(line, style="dim") for line in _of_photos(compared)),
        Text(),
        facts(dict(_of_the_winner(search, compared))),
        *(Text(f"note: {visible(note)}", style="dim") for note in (*search.notes, *_notes(compared))),
    )


def next_commands(search: Search) -> list[str]:
    """What trains the winner again, where a command does, and what to type next."""
    run = search.winner.run
    return [
        *([f"again: {search.again}"] if search.again else []),
        f"next: {command('quantize', run)}, or {command('evaluate', run, 'photos/')} with photos of your own",
    ]


def _of_the_winner(search: Search, compared: Comparison | None) -> Iterator[tuple[str, str | Text]]:
    """Titles and values, those of the figure to quote first."""
    winner = search.winner
    yield "winner", Text(visible(winner.network), style="bold")
    opened = f"opened {moment(winner.opened_before)}, before the search went on" if winner.opened_before else ""
    yield "test", Text.assemble((str(winner.test), "bold"), f"\n{opened}" if opened else "")
    if search.over_seeds:
        mean, deviation, seeds = search.over_seeds
        yield f"over {seeds} seeds", f"{100 * mean:.2f} % ± {100 * deviation:.2f} (mean and standard deviation)"
    elif len(search.of_each_seed) > 1:
        shares = ", ".join(map(percent, search.of_each_seed))
        yield f"with {len(search.of_each_seed)} seeds", f"{shares} on the test part"
    flattered = ""
    if search.rivals > 1:
        flattered = (
            f"\nthe best of {search.rivals:,} networks on it, so about {100 * search.optimism:.2f} points too high"
        )
    yield "validation", Text.assemble(str(winner.validation), (flattered, "dim"))
    photos = {run.run: run.photos for run in compared.runs}.get(winner.run) if compared else None
    if photos:
        yield "own photos", str(photos)
    yield "recipe", _recipe(search.recipe, winner)
    yield "run", visible(winner.run)
    states = Counter(STATES.get(entry.trial.state, entry.trial.state) for entry in search.unfinished)
    if states:
        told = "; ".join(f"{count:,} {state}" for state, count in sorted(states.items()))
        yield "ended early", f"{told} (the report says which)"


def _recipe(recipe: Recipe, winner: Entry) -> str:
    """The settings that one looks for, and those that are not what they are in no recipe but this."""
    usual = {f.name: f.default for f in fields(Recipe)}
    told = asdict(recipe) | {"learning_rate": recipe.peak_learning_rate}
    dials = {name.partition(".")[2]: value for name, value in winner.trial.point.values}
    if "dropout" in dials:
        told["dropout"] = dials["dropout"]
    names = [*ALWAYS_TOLD, *(name for name in told if name not in ALWAYS_TOLD and told[name] != usual.get(name))]
    return ", ".join(f"{name.replace('_', ' ')} {_in_words(told[name])}" for name in names)


def _in_words(value: Value) -> str:
    """The value of a setting.

    >>> _in_words(0.0123456), _in_words(True), _in_words("adam")
    ('0.01235', 'yes', 'adam')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else visible(value)


@dataclass(frozen=True)
class _Column:
    """A head and a cell for each network. Of several, those with the highest `rank` give way first; 0 stays."""

    head: str
    cells: Sequence[str]
    rank: int = 0

    @property
    def width(self) -> int:
        """The cells that it takes, with the gap to the next one."""
        return GAP + max(len(line) for text in (self.head, *self.cells) for line in text.split("\n"))


def _networks(search: Search, width: int, compared: Comparison | None) -> Table:
    listed, others = _listed(search)
    chosen = [chosen_besides(entry.trial.point) for entry in listed]
    several = [
        name
        for name in dict.fromkeys(name for each in chosen for name in each)
        if len({each.get(name) for each in chosen}) > 1
    ]
    knobs = {name: _knob(name, [each.get(name, "–") for each in chosen]) for name in several}
    *figures, epochs = _figures(search, listed, compared)
    everything = [*figures, *knobs.values(), epochs]
    room = width - len("★") - GAP
    columns = _fitting(everything, room - NAME_CELLS_MIN)
    name_cells = room - sum(column.width for column in columns)
    if name_cells < NAME_CELLS_MIN:  # there is room for no table: each row will become a title with its figures below
        columns, name_cells = everything, room
    told = [name for name, column in knobs.items() if column not in columns]
    heads = [column.head if "\n" in column.head else f"{column.head}\n" for column in columns]
    made = table("", "\nnetwork", *heads, numbers=heads)
    front = {entry.run for entry in search.front}
    for place, entry in enumerate(listed):
        is_winner = entry.run == search.winner.run
        mark = Text("★", style="yellow") if is_winner else Text("●" if entry.run in front else "", style="cyan")
        besides = [f"{name}={chosen[place][name]}" for name in told if name in chosen[place]]
        name = "\n".join(_folded(entry.network, besides, name_cells))
        made.add_row(mark, name, *(column.cells[place] for column in columns), style="bold" if is_winner else "")
    if more := and_more(len(listed), len(listed) + others):
        made.add_row("", Text(more, style="dim"))
    return made


def _knob(name: str, cells: Sequence[str]) -> _Column:
    """A column of what was chosen besides the network; it gives way to costs that were asked for."""
    return _Column(name.replace("_", "\n", 1), cells, ASKED)


def _fitting(columns: Sequence[_Column], cells: int) -> list[_Column]:
    """The columns without those that say least, so that they take no more cells, as far as that can be."""
    kept = list(columns)
    while sum(column.width for column in kept) > cells:
        ranks = [column.rank for column in kept]
        if not any(ranks):
            break
        del kept[max(range(len(kept)), key=lambda place: (ranks[place], place))]
    return kept


def _listed(search: Search) -> tuple[list[Entry], int]:
    """What the table shows, the best first: the front and what else there is room for; and how many are left out."""
    front = {entry.run for entry in search.front}
    stands = {trial.number for trial in standing([entry.trial for entry in search.trials])}
    shown = [entry for entry in search.trials if entry.trial.number in stands]
    ranked = sorted(shown, key=lambda entry: (-entry.validation.share, entry.cost.macs))
    others = [entry.run for entry in ranked if entry.run not in front][: max(0, NETWORKS_SHOWN - len(front))]
    listed = [entry for entry in ranked if entry.run in front or entry.run in others]
    return listed, len(ranked) - len(listed)


def _figures(search: Search, listed: Sequence[Entry], compared: Comparison | None) -> list[_Column]:
    """The columns of figures. In a narrow terminal costs give way that are neither limited nor traded."""
    runs = {run.run: run for run in compared.runs} if compared else {}
    limited, traded = search.budget.limits, search.trade
    costs = {
        "parameters": ("params", [format_count(entry.cost.parameters) for entry in listed]),
        "macs": ("MACs", [format_count(entry.cost.macs) for entry in listed]),
        "flash_bytes": ("~flash\nKiB", [f"{entry.cost.flash_bytes / 1024:,.2f}" for entry in listed]),
        "ram_bytes": ("~RAM\nKiB", [f"{entry.cost.ram_bytes / 1024:,.2f}" for entry in listed]),
    }
    if any(entry.cost.latency_ms is not None for entry in listed):
        costs["latency_ms"] = (
            "~latency",
            ["–" if (ms := entry.cost.latency_ms) is None else format_milliseconds(ms) for entry in listed],
        )
    epochs = [f"{entry.epochs:,}" for entry in listed]
    return [
        _Column("test\n%", [f"{100 * entry.test.share:.2f}" if entry.test else "–" for entry in listed]),
        _Column("valid.\n%", [f"{100 * entry.validation.share:.2f}" for entry in listed]),
        *(_of_own_photos([runs.get(entry.run) for entry in listed]) if runs else ()),
        *(
            _Column(head, cells, 0 if runs and name == "parameters" else _rank(place, name in limited, name in traded))
            for place, (name, (head, cells)) in enumerate(costs.items())
        ),
        _Column("epochs", epochs, 0 if len(set(epochs)) > 1 else ASKED),
    ]


def _rank(place: int, is_limited: bool, is_traded: bool) -> int:
    """When a cost gives way: first what nobody asked for, then what is traded alone, in the end what is limited."""
    return 1 + place + 10 * (not is_traded) + 20 * (not is_limited) + (0 if is_traded or is_limited else ASKED)


def _of_own_photos(runs: Sequence[ComparedRun | None]) -> list[_Column]:
    """The accuracy on own photos with its interval, and the time of an image."""
    shares = [run.photos if run else None for run in runs]
    counts = {share.n for share in shares if share}
    head = f"photos %\nn = {counts.pop():,}" if len(counts) == 1 else "photos\n%"
    told = [
        f"{100 * share.share:.1f} ({100 * share.interval[0]:.0f} … {100 * share.interval[1]:.0f})" if share else "–"
        for share in shares
    ]
    return [
        _Column(head, told),
        _Column("ms an\nimage", [f"{run.timing.batch1_ms:.3g}" if run else "–" for run in runs]),
    ]


def _of_photos(compared: Comparison | None) -> Iterator[str]:
    """What the columns mean that only compared runs have."""
    if compared and compared.runs:
        timing = compared.runs[0].timing
        yield (
            "photos: your own, in brackets the 95 % interval   ms an image: of one alone, measured just now on "
            f"{timing.device} with {counted(timing.threads, 'thread')}"
        )


def _notes(compared: Comparison | None) -> list[str]:
    """What was left out or is unsteady; what is said of a difference between two runs is not for this table."""
    if compared is None:
        return []
    said = [note for note in compared.notes if "p-value" not in note]
    kept = [*said[:NOTES_SHOWN], *([f"{and_more(NOTES_SHOWN, len(said))}: --json"] if len(said) > NOTES_SHOWN else [])]
    unsteady = sum(run.timing.unsteady for run in compared.runs)
    return [*kept, *([f"the times an image of {counted(unsteady, 'network')} are {UNSTEADY}"] if unsteady else [])]


def chosen_besides(point: Point) -> dict[str, str]:
    """What was chosen besides the network and its epochs: name -> value in words."""
    return {
        name.removeprefix(f"{RECIPE}."): _in_words(value)
        for name, value in point.values
        if name.startswith((f"{RECIPE}.", INPUT)) and name != f"{RECIPE}.epochs"
    }


def _folded(network: str, besides: Sequence[str], cells: int) -> list[str]:
    """A network's text, and what was chosen besides, in lines of so many cells; nothing of it is cut.

    >>> _folded("pooled-resnet:width=14,head=max", ["batch=32"], 24)
    ['pooled-resnet:width=14,', '  head=max batch=32']
    """
    pieces = [*re.findall(r"[^,]+,?", visible(network)), *(f" {each}" for each in besides)]
    lines = [""]
    for piece in pieces:
        if len(lines[-1]) + len(piece) > cells and lines[-1]:
            lines.append("  ")
        rest = piece.lstrip() if not lines[-1].strip() else piece
        while len(lines[-1]) + len(rest) > cells:
            fits = max(cells - len(lines[-1]), 1)
            lines[-1] += rest[:fits]
            rest = rest[fits:]
            lines.append("  ")
        lines[-1] += rest
    return lines
