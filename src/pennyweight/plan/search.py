"""`pennyweight search`: which network, among those that fit a budget, is the most accurate, and what else is possible.

Here a search is begun, or gone on with; `plan/coordinator.py` does it. Every trial is in the journal before it begins
and once it has ended, so that `resume_search` goes on wherever it was killed. What is chosen is chosen on the
validation part; the sealed test part is opened once, in the end, for the networks on the Front.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from pennyweight.core.board import Board, find_board
from pennyweight.core.budget import Budget
from pennyweight.core.errors import BudgetError, DataError, PennyweightError, RunError, UsageError, unknown
from pennyweight.core.files import held_alone, write_json, writing
from pennyweight.core.run import SEARCH, fresh_folder
from pennyweight.core.search_folder import search_facts
from pennyweight.core.text import command
from pennyweight.core.units import format_minutes
from pennyweight.core.version import VERSION
from pennyweight.data.images import LabelledImages
from pennyweight.data.source import images_at, open_source
from pennyweight.fit.device import choose_device
from pennyweight.plan.automatic import cheapest_and_large, chosen, ladder_for, measured, minutes_for, shortest_minutes
from pennyweight.plan.candidates import Candidates
from pennyweight.plan.clock import Clock
from pennyweight.plan.conclusion import conclude
from pennyweight.plan.coordinator import Coordinator, SearchProgress
from pennyweight.plan.engines import engine_kind
from pennyweight.plan.engines.base import ImagesByShape
from pennyweight.plan.found import Search
from pennyweight.plan.journal import Journal, without_password
from pennyweight.plan.pace import Pace
from pennyweight.plan.plan import Plan
from pennyweight.plan.samplers import find_sampler
from pennyweight.plan.space import Space
from pennyweight.plan.trial import Trial
from pennyweight.plan.worker import rows

LOCK = "search.lock"
"""The file that whoever searches in a folder holds alone."""

TRADE = {
    "macs": "macs",
    "flash": "flash_bytes",
    "ram": "ram_bytes",
    "parameters": "parameters",
    "latency": "latency_ms",
}
"""What accuracy may be traded against: word -> figure of a Cost."""

DEATHS_MAX = 3
"""A training in which the search died so often, each time before its first epoch had ended, goes on in a process of its
own: if it is to blame, it will be that which dies."""

RESERVE_SHARE, RESERVE_MAX_S = 0.06, 20.0
"""Of the minutes, at most so many seconds, for the evaluation of the Front in the end."""


def search(
    source: str | LabelledImages,
    budget: Budget | None = None,
    *,
    board: Board | None = None,
    space: Space | None = None,
    trade: Sequence[str] = ("macs", "flash", "ram"),
    sampler: str = "front",
    points: int | None = None,
    training_minutes: float | None = None,
    rungs: int = 0,
    workers: int | None = None,
    engine: str = "auto",
    ray_address: str | None = None,
    storage: str = "",
    out: Path | None = None,
    seed: int = 0,
    input_shape: tuple[int, int, int] | None = None,
    data_dir: Path | None = None,
    device: str = "auto",
    tensorboard: bool = False,
    on_download: Callable[[str, int, int], None] | None = None,
    on_begin: Callable[[Path, Sequence[str]], None] | None = None,
    on_progress: Callable[[SearchProgress], None] | None = None,
) -> Search:
    """The networks that were tried within the budget's minutes, their Front, and the winner, trained fully.

    `budget` limits the network in int8 (`Budget.of(board, …)` takes a board's memory) and the minutes, which follow
    from what this machine trains in them unless told or ended by a number of `points`; `board` gives latency and price.
    `training_minutes` limit a full training of a network, as far as its pace can be foretold. `space` is what may be
    chosen, the default one unless told; `trade` names the costs that the Front trades accuracy against (words of
    TRADE). `rungs` is the height of the ladder of screening: 1 trains each network fully, 0 is chosen by the time.
    Trials run on an engine: `here`, in `workers` `processes`, or on a `ray` cluster. Each is a run folder in `out`, a
    new one under `runs/` unless told, beside the journal (or in the Optuna `storage` of that URL) that `resume_search`
    goes on from. `on_begin` is told the folder, and in words what was chosen for the caller.
    Raises BudgetError where no network fits: it names the nearest one and the limit in its way; TrainingError where
    none could be trained, DataError where there are too few images to choose by, RunError where `out` cannot be
    written, UsageError for words that are not known.
    """
    began = time.monotonic()
    budget = budget or Budget()
    if strangers := [word for word in trade if word not in TRADE]:
        raise unknown("cost to trade accuracy against", strangers[0], TRADE)
    engine_kind(engine, workers, ray_address)
    if "latency" in trade and board is None:
        raise UsageError("latency is that of a board", hint="add --board (see pennyweight boards)")
    if isinstance(source, str):
        images = open_source(source, data_dir=data_dir, input_shape=input_shape, on_download=on_download)
    else:
        images = source
    space = space or Space.named("default")
    if sampler == "grid":
        next(space.grid(), None)  # refuses ranges before anything is written
    rungs = 1 if find_sampler(sampler).plain and not rungs else rungs
    candidates = Candidates(space, images.input_shape, images.classes, budget, board, seed=seed)
    if not (pool := candidates.pool):
        raise candidates.impossible()
    _, validation = images.split(pool[0].recipe(images).validation)
    if not len(validation):
        raise DataError(f"{images.name} has too few images to choose by: none are left for validation")
    device = choose_device(device).type
    automatic = points is None and budget.minutes is None and sampler != "grid"
    cheapest, large = cheapest_and_large(candidates, images)
    pace = Pace()
    if automatic or budget.minutes is not None or training_minutes is not None:
        pace = measured((cheapest, large), images, device)
    if training_minutes is not None and (shortest := shortest_minutes(pool, images, pace)) > training_minutes:
        raise BudgetError(
            f"no full training is foreseen to take less than {format_minutes(shortest)}, and no more than "
            f"{format_minutes(training_minutes)} is allowed",
            hint="raise --training, or give a space in which epochs are fewer",
        )
    if automatic:
        budget = replace(budget, minutes=minutes_for(large, images, pace))
    clock = Clock(*_time(budget), began=began)
    plan = Plan(
        space=space.text,
        budget=budget,
        board=board.key if board else None,
        trade=tuple(TRADE[word] for word in trade),
        sampler=sampler,
        points=points,
        training_minutes=training_minutes,
        rungs=rungs or len(ladder_for(large, images, pace, clock).shares),
        seed=seed,
        device=device,
        tensorboard=tensorboard,
    )
    folder = _folder(out, images.name)
    with held_alone(folder / LOCK):
        facts: dict[str, Any] = {
            "pennyweight": VERSION,
            "source": images.name,
            "reopens": images.source,
            "input_shape": list(images.input_shape),
            "fingerprint": images.fingerprint,
            "storage": without_password(storage),
            "study": f"{folder.resolve().name}-{images.fingerprint[:8]}",
            "space": plan.space,
            "trade": list(plan.trade),
            "plan": plan.as_json(),
            "budget": budget.limits,
            "board": plan.board,
            "considered": candidates.considered,
            "feasible": candidates.feasible,
        }
        try:
            journal = Journal.create(folder, facts["study"], space, plan.trade, facts, storage)
        except PennyweightError:
            with suppress(OSError):
                (folder / LOCK).unlink()
                folder.rmdir()
            raise
        with writing(folder / SEARCH) as path:
            write_json(path, facts | {"trials": [], "notes": [], "ended": False})
        if on_begin is not None:
            on_begin(folder, chosen(plan, candidates, workers, minutes_told=not automatic))
        coordinator = Coordinator(folder, _shapes(images, space), plan, candidates, journal, clock, pace, on_progress)
        return _run(coordinator, images.name, workers, engine, ray_address, [])


def resume_search(
    folder: Path,
    images: LabelledImages | None = None,
    *,
    workers: int | None = None,
    engine: str = "auto",
    ray_address: str | None = None,
    storage: str = "",
    minutes: float | None = None,
    data_dir: Path | None = None,
    on_begin: Callable[[Path, Sequence[str]], None] | None = None,
    on_progress: Callable[[SearchProgress], None] | None = None,
) -> Search:
    """The search in `folder`, carried on from its last trial to its end: what was trained is not trained again.

    A trial that was under way goes on from its last epoch. `minutes` are how much longer it may take, in the place of
    what was left of its own; a search that has ended goes on with them. `images` is needed only where the search was
    begun in Python with images of its own, `storage` wherever its trials are not in its folder: a folder may be a
    stranger's, and no other place is opened on its word. Raises RunError where the folder is no search's, its journal
    is damaged, or the images are not those that it was begun with.
    """
    engine_kind(engine, workers, ray_address)
    try:
        facts = search_facts(folder)
        plan = Plan.from_json(facts["plan"])
        kept_in, study = str(facts["storage"]), str(facts["study"])
        total = facts.get("extended_to") or plan.budget.minutes
        ended = facts["ended"] and not facts.get("interrupted")
        height, width, channels = map(int, facts["input_shape"])
    except (KeyError, TypeError, ValueError, UsageError) as error:
        raise RunError(
            f"{folder} is no search that can be resumed: {SEARCH} is malformed: {error!r}", hint="search anew"
        ) from error
    if kept_in and not storage:
        hint = f"name it again: {command('search', '--resume', folder, '--storage', kept_in)}"
        raise RunError(f"{folder}: its trials are in another storage", hint=hint)
    if ended and minutes is None:
        raise RunError(f"{folder}: this search has ended", hint=f"{command('report', folder)} shows it")
    if images is None:
        if not facts.get("reopens"):
            raise RunError(f"{folder} searched images from Python: pass them again")
        images = open_source(str(facts["reopens"]), data_dir=data_dir, input_shape=(height, width, channels))
    if images.fingerprint != facts.get("fingerprint"):
        raise RunError(f"{folder}: the images of {images.name} are not the ones that this search was begun with")
    with held_alone(folder / LOCK):
        journal = Journal.open(folder, study, storage)
        kept, asked = ({"fingerprint": each.get("fingerprint"), **each["plan"]} for each in (journal.facts, facts))
        if differing := [name for name in asked if kept.get(name) != asked[name]]:
            raise RunError(
                f"{folder}: the journal is that of another search: {', '.join(differing)} differ", hint="search anew"
            )
        board = find_board(plan.board) if plan.board else None
        space = Space.from_toml(plan.space)
        candidates = Candidates(space, images.input_shape, images.classes, plan.budget, board, seed=plan.seed)
        if not candidates.pool:
            raise candidates.impossible()
        trials = [_after_a_kill(trial, folder, journal, facts) for trial in journal.trials()]
        spent = max((_seen_s(trial, folder) for trial in trials), default=0.0)
        if minutes is not None:
            total = minutes + spent / 60
        with writing(folder / SEARCH) as path:
            write_json(path, facts | {"ended": False, "interrupted": False, "extended_to": total})
        clock = Clock(*_time(replace(plan.budget, minutes=total)), offset_s=spent)
        pace = Pace()
        if clock.timed or plan.training_minutes is not None:
            pace = measured(cheapest_and_large(candidates, images), images, plan.device)
        if on_begin is not None:
            on_begin(folder, chosen(plan, candidates, workers, minutes_told=True))
        coordinator = Coordinator(folder, _shapes(images, space), plan, candidates, journal, clock, pace, on_progress)
        if engine == "auto" and any(trial.deaths >= DEATHS_MAX for trial in trials if not trial.ended):
            engine = "processes"
        return _run(coordinator, images.name, workers, engine, ray_address, trials)


def _seen_s(trial: Trial, folder: Path) -> float:
    """The last second of the search that is known of a trial: that of its end, or of its last epoch."""
    if trial.ended:
        return trial.ended_s
    return trial.began_s + math.fsum(float(row["seconds"] or 0) for row in rows(folder / trial.run))


def _after_a_kill(trial: Trial, folder: Path, journal: Journal, facts: Mapping[str, Any]) -> Trial:
    """The trial, with its deaths counted where the search died in it before an epoch of it had ended."""
    if trial.ended or facts["ended"] or facts.get("interrupted") or rows(folder / trial.run):
        return trial
    counted = replace(trial, deaths=trial.deaths + 1)
    journal.note(counted)
    return counted


def _run(
    coordinator: Coordinator,
    source: str,
    workers: int | None,
    engine: str,
    address: str | None,
    trials: Sequence[Trial],
) -> Search:
    """The rest of a search, from the `trials` that there are to the file that tells what was found."""
    folder, facts = coordinator.folder, coordinator.journal.facts
    with coordinator.interruptible():
        ended, interrupted = coordinator.run(workers, engine, address, trials), coordinator.interrupted
        if interrupted:  # told also where there is no answer to conclude with
            with writing(folder / SEARCH) as path:
                write_json(path, search_facts(folder) | {"interrupted": True})
        found = conclude(
            folder,
            source,
            coordinator.shapes,
            coordinator.plan,
            coordinator.candidates,
            ended,
            minutes=coordinator.clock.spent_s / 60,
            interrupted=interrupted,
        )
        kept = {"ended": True, "interrupted": interrupted, "extended_to": coordinator.clock.minutes}
        with writing(folder / SEARCH) as path:
            write_json(path, facts | found.as_json() | kept)
    return found


def _shapes(images: LabelledImages, space: Space) -> ImagesByShape:
    """The images at each input shape that may be chosen."""
    return {shape: images_at(images, shape) for shape in (images.input_shape, *space.input_shapes)}


def _time(budget: Budget) -> tuple[float, float]:
    """Seconds of a search, and how many of them are kept for its end."""
    seconds = math.inf if budget.minutes is None else 60 * budget.minutes
    return seconds, min(RESERVE_SHARE * seconds, RESERVE_MAX_S) if seconds < math.inf else 0.0


def _folder(out: Path | None, name: str) -> Path:
    if out is None:
        return fresh_folder(f"search-{name}")
    with writing(out):
        if out.exists() and any(out.iterdir()):
            raise RunError(
                f"{out} exists and is not empty", hint=f"choose another --out, or {command('search', '--resume', out)}"
            )
        out.mkdir(parents=True, exist_ok=True)
    return out
