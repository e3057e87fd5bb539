"""The conclusion of a search: the winner, the Front, opened on the sealed test part, and what must be said of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pennyweight.core.errors import TrainingError
from pennyweight.core.run import Run
from pennyweight.core.text import command
from pennyweight.core.units import counted
from pennyweight.fit.device import choose_device
from pennyweight.fit.evaluate import evaluate
from pennyweight.fit.network import TrainedNetwork
from pennyweight.fit.train import recipe_of
from pennyweight.plan.candidates import Candidates
from pennyweight.plan.engines.base import ImagesByShape
from pennyweight.plan.found import Entry, Search
from pennyweight.plan.front import front
from pennyweight.plan.optimism import optimism
from pennyweight.plan.plan import Plan
from pennyweight.plan.schedule import extrapolation_error
from pennyweight.plan.trial import Trial, standing

CHOSEN_AMONG = 8
"""The best networks, whose answers on validation are compared: others were no rivals for the winner."""

FAILURES_TOLD = 3


def conclude(
    folder: Path,
    source: str,
    shapes: ImagesByShape,
    plan: Plan,
    candidates: Candidates,
    trials: Sequence[Trial],
    *,
    minutes: float,
    interrupted: bool,
) -> Search:
    """What a search came to: its Front and winner by validation, then opened on the test part.

    Raises TrainingError where no training is done.
    """
    stands = standing(trials)
    if not stands:
        raise _nothing(folder, trials, interrupted)
    best = min(stands, key=lambda trial: trial.axes(plan.trade))
    on_front = {stands[index].number for index in front([trial.axes(plan.trade) for trial in stands])}
    repeats = {
        trial.number
        for trial in trials
        if trial.purpose == "repeat"
        and trial.state == "done"
        and (trial.point, trial.epochs) == (best.point, best.epochs)
    }
    opened, entries = on_front | repeats, []  # the winner is on the Front: nothing is more accurate
    for trial in trials:
        found = candidates.priced(trial.point)
        assert found is not None
        run, test = folder / trial.run, None
        if trial.number in opened:
            test = evaluate(run, shapes[found.input_shape], part="test", device=plan.device).accuracy
        entries.append(Entry(trial, run, found.cost, test))
    winner = next(entry for entry in entries if entry.trial.number == best.number)
    notes = [
        *([f"it was interrupted; {command('search', '--resume', folder)} goes on"] if interrupted else []),
        *_of_the_winner(folder, shapes, plan, winner, candidates, stands),
        *_of_the_trials(folder, trials),
    ]
    return Search(
        source=source,
        budget=plan.budget,
        board=candidates.board,
        considered=candidates.considered,
        feasible=candidates.feasible,
        minutes=minutes,
        trials=tuple(entry for entry in entries if entry.trial.state == "done"),
        unfinished=tuple(entry for entry in entries if entry.trial.state != "done"),
        front=tuple(entry for entry in entries if entry.trial.number in on_front),
        winner=winner,
        repeats=tuple(entry for entry in entries if entry.trial.number in repeats),
        trade=plan.trade,
        notes=tuple(notes),
    )


def _nothing(folder: Path, trials: Sequence[Trial], interrupted: bool) -> TrainingError:
    """Why there is no answer."""
    if interrupted:
        hint = f"{command('search', '--resume', folder)} goes on"
        return TrainingError("the search was interrupted before any training was done", hint=hint)
    why = "; ".join(dict.fromkeys(f"{trial.network}: {trial.why}" for trial in trials))
    return TrainingError(f"none of the networks that fit could be trained: {why}")


def _of_the_winner(
    folder: Path,
    shapes: ImagesByShape,
    plan: Plan,
    winner: Entry,
    candidates: Candidates,
    stands: Sequence[Trial],
) -> Iterator[str]:
    found = candidates.priced(winner.trial.point)
    assert found is not None
    wanted = found.recipe(shapes[found.input_shape]).epochs
    if winner.epochs < wanted:
        yield f"the winner had {winner.epochs} of the {wanted} epochs of a full training: give more --minutes"
    if len(stands) > 1:
        yield (
            f"the winner is the best of {len(stands)} networks on validation, so that figure is about "
            f"{100 * _optimism(folder, shapes, plan, stands):.2f} points too high (bootstrap of the choice); its test "
            "accuracy is not: the test part was opened after the choice"
        )
    epochs = sorted({trial.epochs for trial in stands})
    if epochs[-1] > 2 * epochs[0]:
        yield (
            f"networks were trained for {epochs[0]} to {epochs[-1]} epochs: a shorter training says less "
            "than the network could; give more --minutes"
        )


def _of_the_trials(folder: Path, trials: Sequence[Trial]) -> Iterator[str]:
    if cut := sum(not trial.ended for trial in trials):
        more = command("search", "--resume", folder, "--minutes", 10)
        yield f"time was over in {counted(cut, 'training')}; {more} goes on with it"
    failed = [trial for trial in trials if trial.state == "failed"]
    for trial in failed[:FAILURES_TOLD]:
        yield f"{trial.network} was left out: {trial.why}"
    if len(failed) > FAILURES_TOLD:
        yield f"{counted(len(failed) - FAILURES_TOLD, 'more training')} failed: the report tells why"
    error = extrapolation_error(trials)
    if error is not None:
        stopped = sum(trial.state == "stopped" for trial in trials)
        yield (
            f"{counted(stopped, 'training')} stopped early; the accuracy that is foretold at half a training was "
            f"off by {100 * error:.1f} points on average"
        )


def _optimism(folder: Path, shapes: ImagesByShape, plan: Plan, stands: Sequence[Trial]) -> float:
    """How much the choice among the best of `stands` flatters the winner on validation."""
    rows = []
    for trial in sorted(stands, key=lambda trial: trial.axes(()))[:CHOSEN_AMONG]:
        run = Run.open(folder / trial.run)
        network = TrainedNetwork.of(run, choose_device(plan.device))
        height, width, channels = network.graph.input_shape
        _, validation = shapes[height, width, channels].split(recipe_of(run).validation)
        rows.append(network.logits(validation.images).argmax(1).cpu().numpy() == validation.labels)
    return optimism(np.stack(rows), np.random.default_rng(plan.seed))
