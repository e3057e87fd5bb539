"""The summary: what came out, what it costs, how healthy the training was, and what is missing."""

from __future__ import annotations

import math

from pennyweight.core.board import Board
from pennyweight.core.errors import UsageError
from pennyweight.core.text import command, visible
from pennyweight.core.units import (
    counted,
    format_bytes,
    format_count,
    format_milliseconds,
    format_minutes,
    format_price,
)
from pennyweight.fit.accuracy import Accuracy
from pennyweight.fit.curves import diagnose_curves
from pennyweight.fit.recipe import Recipe
from pennyweight.plan.found import moment
from pennyweight.report.html.facts import Gap, RunFacts, SearchFacts, Trial, number
from pennyweight.report.html.figure import in_percent, interval, shortened
from pennyweight.report.html.section import Fact, Remark, Section


def summary_section(key: str, run: RunFacts | None, search: SearchFacts | None) -> Section:
    lead, gaps = "", [*(search.gaps if search else ())]
    if search is not None:
        trainings = [*search.trials, *search.unfinished]
        tried = len({(trial.network, trial.settings) for trial in trainings})
        parts = [f"{counted(tried, 'network')} tried in {counted(len(trainings), 'training')}"]
        if search.minutes is not None:
            parts[0] += f", {format_minutes(search.minutes)}"
        if search.unfinished:
            parts.append(f"{counted(len(search.unfinished), 'training')} ended early, as the table says")
        if search.feasible is not None and search.considered is not None:
            fit = "fits" if search.considered == 1 else "fit"
            parts.insert(0, f"In the end {search.feasible:,} of {counted(search.considered, 'drawn network')} {fit}")
        if search.budget:
            parts.insert(0, f"The budget: {search.budget}")
        lead = ". ".join(parts) + "."
    if run is None:
        return Section(f"{key}-summary", "Summary", lead, gaps=gaps)
    gaps += run.gaps
    winner = search.best if search else None
    facts = [Fact("Winner" if search else "Network", shortened(visible(run.network), 60), visible(run.folder))]
    facts += _accuracies(run, search)
    facts += _price_tag(run, search.board if search else None)
    kept = own_accuracy(run, winner)
    if kept is None and run.openings:
        gaps.append(Gap("The test part was opened, but what came out is not kept, or cannot be read."))
    elif kept is None and run.results is not None:
        gaps.append(
            Gap("The test part is still sealed, so the accuracy above is that of images that choices were made with. "
                "Open it once, when all is chosen:", command("evaluate", run.folder))
        )  # fmt: skip
    findings = _findings(run)
    if findings:
        gaps.append(
            Gap("That is what the curves alone tell. The answers and the images are looked at by",
                command("diagnose", run.folder))
        )  # fmt: skip
    return Section(f"{key}-summary", "Summary", lead, facts, gaps, findings)


def own_accuracy(run: RunFacts, winner: Trial | None) -> Accuracy | None:
    """The accuracy on the test part, where somebody looked."""
    return run.accuracy("test") or (winner.test if winner else None)


def _accuracies(run: RunFacts, search: SearchFacts | None) -> list[Fact]:
    facts = []
    winner = search.best if search else None
    if test := own_accuracy(run, winner):
        opened = ""
        if winner and winner.opened_before:
            opened = f"; opened {moment(winner.opened_before)}, before the search went on"
        facts.append(Fact("Test accuracy", in_percent(test), f"{interval(test)}{opened}"))
    facts += _seeds(search) if search else []
    if run.validation:
        facts.append(Fact("Validation accuracy", in_percent(run.validation), interval(run.validation)))
        if search and search.optimism is not None and (search.rivals or 0) > 1:
            remark = f"so much too high does validation look for the best of {search.rivals:,} networks on it"
            facts.append(Fact("Optimism of the choice", f"≈ {100 * search.optimism:.2f} points", remark))
    elif run.results is not None:
        facts.append(Fact("Validation accuracy", "–", "no images were held out"))
    if run.openings and run.openings > 1:
        facts.append(
            Fact("Test part opened", f"{run.openings:,} times", "a choice that followed makes the figure optimistic")
        )
    return facts


def _seeds(search: SearchFacts) -> list[Fact]:
    """The winner's test accuracy over its seeds; of few the accuracies themselves."""
    if search.over_seeds:
        mean, deviation, seeds = search.over_seeds
        remark = "mean and standard deviation of the test accuracy"
        return [Fact(f"Over {seeds} seeds", f"{100 * mean:.2f} % ± {100 * deviation:.2f}", remark)]
    if len(search.of_each_seed) > 1:
        told = ", ".join(f"{100 * share:.2f} %" for share in search.of_each_seed)
        return [Fact(f"With {len(search.of_each_seed)} seeds", told, "test accuracy")]
    return []


def _price_tag(run: RunFacts, board: Board | None) -> list[Fact]:
    if run.cost is None:
        return []
    cost = run.cost.on(board)
    facts = [
        Fact("Parameters", f"{cost.parameters:,}"),
        Fact("Multiply-accumulates", format_count(cost.macs), "MACs of one image"),
        Fact("Flash", f"≈ {format_bytes(cost.flash_bytes)}", "weights in int8 and program, estimated"),
        Fact(
            "RAM", f"≈ {format_bytes(cost.ram_bytes)}", f"{cost.peak_ram_bytes:,} B of tensors, and stack (estimated)"
        ),
    ]
    if board is not None:
        price = f"{format_price(board.price_usd)} a {board.price_kind}; " if board.price_usd is not None else ""
        facts.append(
            Fact(
                "Board",
                visible(board.name),
                f"{price}takes {100 * cost.flash_bytes / board.flash_bytes:.0f} % of its flash, "
                f"{100 * cost.ram_bytes / board.ram_bytes:.0f} % of its RAM",
            )
        )
        if cost.latency_ms is not None:
            facts.append(
                Fact("Time of one image", f"≈ {format_milliseconds(cost.latency_ms)}", "on the board, estimated")
            )
    return facts


def _is_figure(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _findings(run: RunFacts) -> list[Remark]:
    """What the curves alone say of the training's health."""
    if not run.curves and run.failure is None:
        return []
    try:
        known_recipe = Recipe().with_changes(run.recipe)
    except UsageError:
        known_recipe = None
    curves = [
        {name: value if number(value) is not None else math.inf for name, value in row.items() if _is_figure(value)}
        for row in run.curves
    ]
    ended = run.results is not None
    found = diagnose_curves(curves, len(run.class_names), recipe=known_recipe, failure=run.failure, ended=ended)
    remarks = [
        Remark(
            each.disease.capitalize() + (f", since epoch {each.epoch}" if each.epoch else ""),
            f"{each.says[:1].upper()}{each.says[1:]}.",
            each.advice,
            each.severity,
        )
        for each in found
    ]
    if not ended:
        return remarks or [Remark("Nothing found so far", f"{run.progress} are over.", (), "healthy")]
    return remarks or [Remark("Healthy", "The curves show no disease.", (), "healthy")]
