"""The coordinator of a search: from the first trial to the Front, opened on the sealed test part."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import numpy as np

from pennyweight.core.errors import TrainingError
from pennyweight.core.files import write_json, writing
from pennyweight.core.run import SEARCH, Run
from pennyweight.core.text import command
from pennyweight.core.units import counted
from pennyweight.data.images import LabelledImages
from pennyweight.data.source import images_at
from pennyweight.fit.defaults import default_recipe
from pennyweight.fit.device import choose_device
from pennyweight.fit.evaluate import evaluate
from pennyweight.fit.loop import Progress
from pennyweight.fit.network import TrainedNetwork
from pennyweight.fit.recipe import Recipe
from pennyweight.fit.train import recipe_of
from pennyweight.plan.candidates import Candidate, Candidates
from pennyweight.plan.clock import Clock
from pennyweight.plan.engines import make_engine
from pennyweight.plan.engines.base import Engine
from pennyweight.plan.found import Entry, Search
from pennyweight.plan.front import front
from pennyweight.plan.journal import Journal
from pennyweight.plan.optimism import optimism
from pennyweight.plan.pace import Pace
from pennyweight.plan.plan import Plan
from pennyweight.plan.samplers import find_sampler
from pennyweight.plan.samplers.base import Sampler, next_candidate
from pennyweight.plan.schedule import (
    EPOCHS_SHARE,
    FULL_SHARE,
    SCREENING_SHARE,
    Ladder,
    Schedule,
    Training,
    extrapolation_error,
    floors,
)
from pennyweight.plan.trial import COSTS, Trial, standing
from pennyweight.plan.worker import Job, Outcome, Stop

GRACE = 0.15
"""Of the minutes, by which the only training there is may overrun before it is stopped."""

CHOSEN_AMONG = 8
"""The best networks, whose answers on validation are compared: others were no rivals for the winner."""

WAIT_S = 0.5
"""How often the clock is looked at while workers train."""


@dataclass(frozen=True, slots=True)
class SearchProgress:
    """Where a search stands: the trials that have ended, those that run, and the seconds that are left (of infinity).

    `training` is where the training of the first of `running` stands, None where that is not known.
    """

    trials: tuple[Trial, ...]
    running: tuple[Trial, ...]
    trade: tuple[str, ...]
    seconds_left: float
    training: Progress | None = None


@dataclass
class Coordinator:
    """One search under way: `trials` are all that began so far, `shapes` the images at each input shape of the space.

    What is tried next is a sampler's matter, for how long the schedule's, where it runs the engine's; the clock is
    asked between them. Every trial is in the journal before it begins and once it has ended.
    """

    folder: Path
    images: LabelledImages
    plan: Plan
    candidates: Candidates
    cheapest: Candidate
    journal: Journal
    clock: Clock
    pace: Pace
    on_progress: Callable[[SearchProgress], None] | None
    trials: dict[int, Trial] = field(default_factory=dict)
    shapes: dict[tuple[int, int, int], LabelledImages] = field(default_factory=dict)
    interrupted: bool = False

    def run(self, workers: int | None, engine: str, address: str | None, trials: Sequence[Trial]) -> Search:
        """What the search comes to, after the `trials` that a resumed one has."""
        self.trials = {trial.number: trial for trial in trials}
        for trial in trials:
            self._note_pace(trial)
        self.candidates.affordable = self._affordable
        shapes = [self.images.input_shape, *self.candidates.space.input_shapes]
        self.shapes = {shape: images_at(self.images, shape) for shape in shapes}
        with self._interruptible(), make_engine(engine, self.shapes, workers, address, self._tell) as runs:
            self._train(runs, find_sampler(self.plan.sampler))
            if not standing(list(self.trials.values())) and not self.interrupted:
                self._train_cheapest(runs)
            self._report([])
        return self._conclusion()

    def _train(self, engine: Engine, sampler: Sampler) -> None:
        """Trainings, until the schedule has no more or time is over."""
        schedule = Schedule(Ladder.of(self.plan.rungs), self.plan.trade, self._full_epochs, self.plan.points)
        for trial in self._running():  # of a resumed search
            engine.submit(self._job(trial, engine))
        exhausted = False
        while True:
            while len(running := self._running()) < engine.workers:
                screening = not exhausted and self.clock.left_s(SCREENING_SHARE) > 0
                asked = schedule.next(list(self.trials.values()), screening=screening, seconds_left=self.clock.left_s())
                if asked is None or self._out_of_time():
                    break
                made = self._trial(asked, sampler)
                if made is None:
                    exhausted = True
                    continue
                self.trials[made.number] = made
                self.journal.begin(made)
                engine.submit(self._job(made, engine))
            if not running:
                return
            self._report(running)
            for outcome in engine.wait(WAIT_S):
                self._end(outcome)
            if self._out_of_time(hard=True):
                for trial in self._running():
                    self._end(Outcome(trial.number, "stopped", why="time was over"))
                return

    def _train_cheapest(self, engine: Engine) -> None:
        """One epoch of the cheapest network, where time was over before there was any answer."""
        if self.cheapest.point.key in {trial.point.key for trial in self.trials.values() if trial.state == "failed"}:
            return
        trial = replace(self._new(self.cheapest), epochs=1)
        self.trials[trial.number] = trial
        self.journal.begin(trial)
        engine.submit(replace(self._job(trial, engine), seconds=math.inf))
        while self._running():
            for outcome in engine.wait(WAIT_S):
                self._end(outcome)

    def _trial(self, asked: Training, sampler: Sampler) -> Trial | None:
        """The next trial as it is asked for; None where the sampler has no new point."""
        number = len(self.trials)
        if asked.trial is None:
            rng = Random(f"{self.plan.seed}/{number}")
            found = next_candidate(sampler, self.candidates, self.plan.trade, list(self.trials.values()), rng)
            return None if found is None else self._new(found)
        return Trial(
            number,
            asked.trial.point,
            asked.trial.network,
            asked.trial.costs,
            epochs=asked.epochs or asked.trial.epochs,
            run=f"trial-{number:04}",
            purpose=asked.purpose,
            rung=asked.rung,
            seed=self.plan.seed if asked.seed is None else asked.seed,
            began_s=self.clock.spent_s,
        )

    def _new(self, found: Candidate) -> Trial:
        """The first trial of a network, on the lowest rung."""
        number = len(self.trials)
        costs = {name: getattr(found.cost, name) for name in COSTS}
        ladder = Ladder.of(self.plan.rungs)
        return Trial(
            number,
            found.point,
            found.graph.text,
            costs,
            epochs=ladder.epochs(0, self._recipe(found).epochs),
            run=f"trial-{number:04}",
            purpose="screening" if self.plan.rungs > 1 else "full",
            seed=self.plan.seed,
            began_s=self.clock.spent_s,
        )

    def _job(self, trial: Trial, engine: Engine) -> Job:
        found = self.candidates.priced(trial.point)
        assert found is not None
        return Job(
            number=trial.number,
            folder=self.folder / trial.run,
            graph=found.graph,
            recipe=replace(self._recipe(found), epochs=trial.epochs, seed=trial.seed),
            floors=()
            if trial.purpose != "screening"
            else floors(trial.costs, trial.epochs, list(self.trials.values()), self.plan.trade),
            seconds=self._hard_left(),
            threads=engine.threads,
            device=self.plan.device,
            tensorboard=self.plan.tensorboard,
        )

    def _end(self, outcome: Outcome) -> None:
        """Keep what came of a trial. One that was interrupted has not ended: a resumed search goes on with it."""
        if self.interrupted and outcome.state == "stopped":
            return
        trial = self.trials[outcome.number]
        ended = replace(
            trial,
            state=outcome.state,
            validation=outcome.validation,
            accuracies=outcome.accuracies,
            epochs=outcome.epochs or trial.epochs,
            seconds=outcome.seconds,
            ended_s=self.clock.spent_s,
            why=outcome.why,
        )
        self.journal.end(ended)
        self.trials[trial.number] = ended
        self._note_pace(ended)

    def _note_pace(self, trial: Trial) -> None:
        macs = trial.costs.get("macs")
        if trial.ended and trial.accuracies and macs is not None:
            self.pace.note(trial.point.family, macs, trial.seconds / len(trial.accuracies))

    def _affordable(self, candidate: Candidate) -> bool:
        """Whether there is time for a worthwhile training of a network, and a full one keeps its own limit."""
        seconds = self.pace.seconds_per_epoch(candidate.point.family, candidate.cost.macs)
        if seconds is None or candidate.point == self.cheapest.point:
            return True
        full, limit = self._recipe(candidate).epochs * seconds, self.plan.training_minutes
        return EPOCHS_SHARE * full <= FULL_SHARE * self.clock.seconds and (limit is None or full <= 60 * limit)

    def _recipe(self, candidate: Candidate) -> Recipe:
        usual = default_recipe(candidate.graph, self.shapes[candidate.input_shape])
        return usual.with_changes(candidate.point.recipe)

    def _full_epochs(self, trial: Trial) -> int:
        found = self.candidates.priced(trial.point)
        assert found is not None
        return self._recipe(found).epochs

    def _running(self) -> list[Trial]:
        return [trial for trial in self.trials.values() if not trial.ended]

    def _hard_left(self) -> float:
        """Seconds until a training is stopped: a little longer where without it there would be no answer at all."""
        answered = any(trial.state == "done" for trial in self.trials.values())
        grace = 0.0 if answered else GRACE * self.clock.seconds
        return self.clock.left_s() + grace

    def _out_of_time(self, *, hard: bool = False) -> bool:
        return (self._hard_left() if hard else self.clock.left_s()) <= 0 and bool(self.trials)

    def _tell(self, number: int, training: Progress) -> None:
        """Called by an engine that trains in this process."""
        if self.clock.cut:
            raise Stop("the search was interrupted")
        self._report([self.trials[number]], training)

    def _report(self, running: Sequence[Trial], training: Progress | None = None) -> None:
        if self.on_progress is not None:
            ended = tuple(trial for trial in self.trials.values() if trial.ended)
            self.on_progress(SearchProgress(ended, tuple(running), self.plan.trade, self.clock.left_s(), training))

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """The first Ctrl-C ends the search with what it has, the second at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def cut(*_: object) -> None:
            if self.interrupted:
                raise KeyboardInterrupt
            self.interrupted = self.clock.cut = True

        before = signal.signal(signal.SIGINT, cut)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _conclusion(self) -> Search:
        """The Front, opened on the test part, and the winner."""
        trials = list(self.trials.values())
        stands = standing(trials)
        if not stands:
            why = "; ".join(dict.fromkeys(f"{trial.network}: {trial.why}" for trial in trials)) or "there was no time"
            raise TrainingError(f"none of the networks that fit could be trained: {why}")
        best = min(stands, key=lambda trial: trial.axes(self.plan.trade))
        on_front = {stands[index].number for index in front([trial.axes(self.plan.trade) for trial in stands])}
        again = [trial for trial in trials if trial.purpose == "repeat" and trial.point == best.point]
        opened = on_front | {best.number} | {trial.number for trial in again if trial.state == "done"}
        entries = []
        for trial in trials:
            found = self.candidates.priced(trial.point)
            assert found is not None
            run, test = self.folder / trial.run, None
            if trial.number in opened:
                test = evaluate(run, self.shapes[found.input_shape], part="test", device=self.plan.device).accuracy
            entries.append(Entry(trial, run, found.cost, test))
        winner = next(entry for entry in entries if entry.trial.number == best.number)
        result = Search(
            source=self.images.name,
            budget=self.plan.budget,
            board=self.candidates.board,
            considered=self.candidates.considered,
            feasible=self.candidates.feasible,
            minutes=self.clock.spent_s / 60,
            trials=tuple(entry for entry in entries if entry.trial.state == "done"),
            unfinished=tuple(entry for entry in entries if entry.trial.state != "done"),
            front=tuple(entry for entry in entries if entry.trial.number in on_front),
            winner=winner,
            repeats=tuple(entry for entry in entries if entry.trial in again and entry.trial.state == "done"),
            trade=self.plan.trade,
            notes=tuple(self._notes(stands, best, trials)),
        )
        with writing(self.folder / SEARCH) as path:
            write_json(path, self.journal.facts | result.as_json() | {"interrupted": self.interrupted})
        return result

    def _optimism(self, stands: Sequence[Trial]) -> float:
        """How much the choice among the best of `stands` flatters the winner on validation."""
        best = sorted(stands, key=lambda trial: trial.axes(()))[:CHOSEN_AMONG]
        rows = []
        for trial in best:
            run = Run.open(self.folder / trial.run)
            network = TrainedNetwork.of(run, choose_device(self.plan.device))
            height, width, channels = network.graph.input_shape
            _, validation = self.shapes[height, width, channels].split(recipe_of(run).validation)
            rows.append(network.logits(validation.images).argmax(1).cpu().numpy() == validation.labels)
        return optimism(np.stack(rows), np.random.default_rng(self.plan.seed))

    def _notes(self, stands: Sequence[Trial], best: Trial, trials: Sequence[Trial]) -> Iterator[str]:
        if self.interrupted:
            yield f"it was interrupted; {command('search', '--resume', self.folder)} goes on"
        wanted = self._full_epochs(best)
        if best.epochs < wanted:
            yield f"the winner had {best.epochs} of the {wanted} epochs of a full training: give more --minutes"
        if len(stands) > 1:
            yield (
                f"the winner is the best of {len(stands)} networks on validation, so that figure is about "
                f"{100 * self._optimism(stands):.2f} points too high (bootstrap of the choice); its test accuracy is "
                "not: the test part was opened after the choice"
            )
        epochs = sorted({trial.epochs for trial in stands})
        if epochs[-1] > 2 * epochs[0]:
            yield (
                f"networks were trained for {epochs[0]} to {epochs[-1]} epochs: a shorter training says less "
                "than the network could; give more --minutes"
            )
        if any(trial.purpose == "full" and trial.state == "stopped" for trial in trials):
            more = command("search", "--resume", self.folder, "--minutes", 10)
            yield f"a full training was stopped, as time was over; {more} gives it more"
        failed = [trial for trial in trials if trial.state == "failed"]
        for trial in failed[:3]:
            yield f"{trial.network} was left out: {trial.why}"
        if len(failed) > 3:
            yield f"{len(failed) - 3} more trials failed: search.json tells why"
        error = extrapolation_error(trials)
        if error is not None:
            stopped = sum("could not reach" in trial.why for trial in trials)
            yield (
                f"{counted(stopped, 'training')} stopped early; the accuracy that is foretold at half a training was "
                f"off by {100 * error:.1f} points on average"
            )
