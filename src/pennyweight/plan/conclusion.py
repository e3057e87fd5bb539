"""The conclusion of a search: the winner, the Front, opened on the sealed test part, and what must be said of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from pennyweight.core.budget import Budget
from pennyweight.core.errors import RunError, TrainingError
from pennyweight.core.run import EVALUATIONS, Run
from pennyweight.core.search_folder import search_facts
from pennyweight.core.text import command
from pennyweight.core.units import counted
from pennyweight.data.images import LabelledImages
from pennyweight.data.source import NAMES
from pennyweight.fit.accuracy import Accuracy
from pennyweight.fit.defaults import default_recipe
from pennyweight.fit.device import choose_device
from pennyweight.fit.evaluate import evaluate
from pennyweight.fit.kept import KeptEvaluation
from pennyweight.fit.network import TrainedNetwork
from pennyweight.fit.recipe import Recipe
from pennyweight.fit.train import recipe_of
from pennyweight.plan.candidates import Candidate, Candidates
from pennyweight.plan.engines.base import ImagesByShape
from pennyweight.plan.found import Entry, Search, moment
from pennyweight.plan.front import front
from pennyweight.plan.optimism import optimism
from pennyweight.plan.plan import Plan
from pennyweight.plan.schedule import extrapolation_error
from pennyweight.plan.trial import Trial, standing

CHOSEN_AMONG = 8
"""The best networks, whose answers on validation are compared: others were no rivals for the winner."""

FAILURES_TOLD = 3

MORE_MINUTES = 10
"""What is proposed where time was too short."""


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

    A network that an earlier end of the search opened is not opened again: what came out is kept.
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
    wanted, entries = on_front | repeats, []  # the winner is on the Front: nothing is more accurate
    for trial in trials:
        found = _candidate(candidates, trial)
        run, images = folder / trial.run, shapes[found.input_shape]
        test, opened = _opened_before(run, len(images.sealed)) if trial.state == "done" else (None, "")
        if test is None and trial.number in wanted:
            test = evaluate(run, images, part="test", device=plan.device).accuracy
        entries.append(Entry(trial, run, found.cost, test, opened))
    winner = next(entry for entry in entries if entry.trial.number == best.number)
    chosen = _candidate(candidates, best)
    recipe, images = recipe_of(Run.open(winner.run)), shapes[chosen.input_shape]
    notes = [
        *_of_earlier_ends(folder, entries, winner),
        *_of_time(folder, shapes, plan, candidates, winner, trials, interrupted),
        *_of_failures(trials),
    ]
    return Search(
        source=source,
        budget=_with_all_its_minutes(folder, plan.budget),
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
        rivals=len(stands),
        optimism=_optimism(folder, shapes, plan, stands),
        extrapolation_error=extrapolation_error(trials),
        recipe=recipe,
        again=_again(images, chosen, recipe),
        notes=tuple(notes),
    )


def _candidate(candidates: Candidates, trial: Trial) -> Candidate:
    found = candidates.priced(trial.point)
    assert found is not None
    return found


def _nothing(folder: Path, trials: Sequence[Trial], interrupted: bool) -> TrainingError:
    """Why there is no answer."""
    if interrupted:
        hint = f"{command('search', '--resume', folder)} goes on"
        return TrainingError("the search was interrupted before any training was done", hint=hint)
    why = "; ".join(dict.fromkeys(f"{trial.network}: {trial.why}" for trial in trials))
    return TrainingError(f"none of the networks that fit could be trained: {why}")


def _opened_before(folder: Path, images: int) -> tuple[Accuracy | None, str]:
    """What is kept of a look at the `images` of the test part, and when that was; None where nobody looked."""
    run = Run(folder)
    try:
        openings = run.openings()
        kept = KeptEvaluation.of(run.read(f"{EVALUATIONS}/test.json")) if openings else None
    except (RunError, ValueError):  # whatever was there cannot be read: it is opened again, which is counted
        return None, ""
    if kept is None or kept.accuracy.n != images:
        return None, ""
    return kept.accuracy, str(openings[-1]["at"])


def _with_all_its_minutes(folder: Path, budget: Budget) -> Budget:
    """The budget, with the minutes that a search that went on was given since."""
    extended = search_facts(folder).get("extended_to")
    return replace(budget, minutes=extended) if isinstance(extended, int | float) else budget


def _again(images: LabelledImages, candidate: Candidate, recipe: Recipe) -> str:
    """The command that trains a network again; empty for images that no command opens."""
    if not images.source:
        return ""
    usual = asdict(default_recipe(candidate.graph, images))
    changes = [f"{name}={_word(value)}" for name, value in asdict(recipe).items() if value != usual[name]]
    settings = [word for change in changes for word in ("--set", change)]
    as_read = images.source in NAMES and set(images.sizes) == {images.input_shape[:2]}
    resized = not as_read or any(note.startswith("images were ") for note in images.notes)
    shape = ["--input", "x".join(map(str, images.input_shape))] if resized else []
    return command("train", images.source, candidate.graph.text, *shape, *settings)


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _of_earlier_ends(folder: Path, entries: Sequence[Entry], winner: Entry) -> Iterator[str]:
    """What was opened before the search went on, and who had won then."""
    before = [entry for entry in entries if entry.opened_before]
    if not before:
        return
    yield (
        f"{counted(len(before), 'network')} had been opened on the test part before the search went on; "
        "what was tried since was chosen by validation alone"
    )
    told = search_facts(folder).get("winner")
    name = Path(str(told.get("run"))).name if isinstance(told, dict) else ""
    for entry in before:
        if entry.trial.run == name != winner.trial.run and entry.test:
            when = moment(entry.opened_before)
            yield f"{entry.network} ({name}) had won then, with {entry.test} on the test part, opened {when}"


def _of_time(
    folder: Path,
    shapes: ImagesByShape,
    plan: Plan,
    candidates: Candidates,
    winner: Entry,
    trials: Sequence[Trial],
    interrupted: bool,
) -> Iterator[str]:
    """What there was no time for, and the command that gives it more."""
    if interrupted:
        yield f"it was interrupted; {command('search', '--resume', folder)} goes on"
        return

    def full(trial: Trial) -> int:
        found = _candidate(candidates, trial)
        return found.recipe(shapes[found.input_shape]).epochs

    said = []
    if cut := sum(not trial.ended for trial in trials):
        said.append(f"time was over in {counted(cut, 'training')}")
    stands = standing(trials)
    short = [trial for trial in stands if trial.epochs < full(trial)]
    if winner.epochs < (wanted := full(winner.trial)):
        said.append(f"the winner had {winner.epochs} of the {counted(wanted, 'epoch')} of a full training")
    elif short and len(short) < len(stands):
        said.append(
            f"{len(short)} of {counted(len(stands), 'network')} had less than a full training, "
            "so their figures say less than they could"
        )
    if said and plan.budget.minutes is not None:
        said.append(f"{command('search', '--resume', folder, '--minutes', MORE_MINUTES)} gives more time")
    if said:
        yield "; ".join(said)


def _of_failures(trials: Sequence[Trial]) -> Iterator[str]:
    failed = [trial for trial in trials if trial.state == "failed"]
    for trial in failed[:FAILURES_TOLD]:
        yield f"{trial.network} was left out: {trial.why}"
    if len(failed) > FAILURES_TOLD:
        yield f"{counted(len(failed) - FAILURES_TOLD, 'more training')} failed: the report tells why"


def _optimism(folder: Path, shapes: ImagesByShape, plan: Plan, stands: Sequence[Trial]) -> float:
    """How much the choice among the best of `stands` flatters the winner on validation."""
    rows = []
    for trial in sorted(stands, key=lambda trial: trial.axes(()))[: CHOSEN_AMONG if len(stands) > 1 else 0]:
        run = Run.open(folder / trial.run)
        network = TrainedNetwork.of(run, choose_device(plan.device))
        height, width, channels = network.graph.input_shape
        _, validation = shapes[height, width, channels].split(recipe_of(run).validation)
        rows.append(network.logits(validation.images).argmax(1).cpu().numpy() == validation.labels)
    return optimism(np.stack(rows), np.random.default_rng(plan.seed)) if rows else 0.0
