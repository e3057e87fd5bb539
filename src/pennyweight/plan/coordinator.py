"""The coordinator of a search: from the first trial to the last."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random

from pennyweight.core.errors import RunError
from pennyweight.core.text import command
from pennyweight.fit.loop import Progress
from pennyweight.fit.recipe import Recipe
from pennyweight.plan.candidates import Candidate, Candidates
from pennyweight.plan.clock import Clock
from pennyweight.plan.engines import make_engine
from pennyweight.plan.engines.base import Engine, ImagesByShape
from pennyweight.plan.journal import Journal
from pennyweight.plan.pace import Pace
from pennyweight.plan.plan import Plan
from pennyweight.plan.samplers import find_sampler
from pennyweight.plan.samplers.base import Sampler, next_candidate
from pennyweight.plan.schedule import (
    DIRECT_SHARE,
    SCREENING_SHARE,
    Ladder,
    Schedule,
    Training,
    floors,
)
from pennyweight.plan.trial import COSTS, Purpose, Trial
from pennyweight.plan.worker import Job, Outcome, Stop

GRACE = 0.15
"""Of the minutes, by which the only training there is may overrun before it is stopped."""

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
    shapes: ImagesByShape
    plan: Plan
    candidates: Candidates
    journal: Journal
    clock: Clock
    pace: Pace
    on_progress: Callable[[SearchProgress], None] | None
    trials: dict[int, Trial] = field(default_factory=dict)
    interrupted: bool = False

    def run(self, workers: int | None, engine: str, address: str | None, trials: Sequence[Trial]) -> list[Trial]:
        """Every trial, after the `trials` that a resumed search has; those that were interrupted are still running."""
        self.trials = {trial.number: trial for trial in trials}
        for trial in trials:
            self._note_pace(trial)
        with self._interruptible(), make_engine(engine, self.shapes, workers, address, self._tell) as runs:
            self._train(runs, find_sampler(self.plan.sampler))
            if not self.interrupted and not any(trial.state == "done" for trial in self.trials.values()):
                self._train_cheapest(runs)
            self._report([])
        return list(self.trials.values())

    def _train(self, engine: Engine, sampler: Sampler) -> None:
        """Trainings, until the schedule has no more or time is over."""
        schedule = Schedule(
            Ladder.of(self.plan.rungs), self.plan.trade, self._full_epochs, self.plan.points, self.clock.seconds
        )
        waiting, exhausted = self._running(), False  # those of a resumed search come first
        while True:
            while len(self._running()) - len(waiting) < engine.workers:
                if waiting:
                    engine.submit(self._job(waiting.pop(0), engine))
                    continue
                asked = schedule.next(
                    list(self.trials.values()),
                    screening=self.clock.left_s(SCREENING_SHARE) > 0,
                    seconds_left=self.clock.left_s(),
                    new=not exhausted,
                )
                if asked is None or self._out_of_time():
                    break
                made = self._trial(asked, sampler)
                if made is None:
                    exhausted = True
                    continue
                self.trials[made.number] = made
                self.journal.begin(made)
                engine.submit(self._job(made, engine))
            if not (running := self._running()):
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
        if self.candidates.pool[0].point in {trial.point for trial in self.trials.values() if trial.state == "failed"}:
            return
        trial = replace(self._new(self.candidates.pool[0], "screening"), epochs=1)
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
            self.candidates.affordable = partial(self._affordable, seconds=asked.seconds)
            found = self._next(sampler) if self.trials or asked.purpose == "screening" else self._soon()
            return None if found is None else self._new(found, asked.purpose)
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

    def _soon(self) -> Candidate:
        """The largest network of the first family of the space of which one is fully trained soon."""
        for family in self.candidates.space.networks:
            own = [each for each in self.candidates.pool if each.point.family == family]
            if soon := [each for each in own if self.candidates.affordable(each)]:
                return soon[-1]
        return self.candidates.pool[0]

    def _next(self, sampler: Sampler) -> Candidate | None:
        """What the sampler would try next."""
        rng = Random(f"{self.plan.seed}/{len(self.trials)}")
        return next_candidate(sampler, self.candidates, self.plan.trade, list(self.trials.values()), rng)

    def _new(self, found: Candidate, purpose: Purpose) -> Trial:
        """The first trial of a network: on the lowest rung, or fully where that takes next to no time."""
        number = len(self.trials)
        costs = {name: getattr(found.cost, name) for name in COSTS}
        ladder, epochs = Ladder.of(self.plan.rungs), self._recipe(found).epochs
        if math.isfinite(self.clock.seconds) and self._affordable(found, DIRECT_SHARE * self.clock.seconds):
            purpose = "full"
        rung = ladder.top if purpose == "full" else 0
        return Trial(
            number,
            found.point,
            found.graph.text,
            costs,
            epochs=ladder.epochs(rung, epochs),
            run=f"trial-{number:04}",
            purpose="full" if ladder.top == 0 else purpose,
            rung=rung,
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
        """Keep what came of a trial. One that was interrupted has not ended: a resumed search goes on with it.

        Nor has one for which the disk had no room: that raises RunError.
        """
        if self.interrupted and outcome.state == "stopped":
            return
        if outcome.no_room:
            raise RunError(outcome.why, hint=f"make room, then {command('search', '--resume', self.folder)}")
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

    def _affordable(self, candidate: Candidate, seconds: float) -> bool:
        """Whether a full training of a network takes no longer, and keeps its own limit."""
        if self.plan.training_minutes is not None:
            seconds = min(seconds, 60 * self.plan.training_minutes)
        epoch = self.pace.seconds_per_epoch(candidate.point.family, candidate.cost.macs)
        if math.isinf(seconds) or epoch is None or candidate.point == self.candidates.pool[0].point:
            return True
        return self._recipe(candidate).epochs * epoch <= seconds

    def _recipe(self, candidate: Candidate) -> Recipe:
        return candidate.recipe(self.shapes[candidate.input_shape])

    def _full_epochs(self, trial: Trial) -> int:
        found = self.candidates.priced(trial.point)
        assert found is not None
        return self._recipe(found).epochs

    def _running(self) -> list[Trial]:
        return [trial for trial in self.trials.values() if not trial.ended]

    def _hard_left(self) -> float:
        """Seconds until a training is stopped: a little longer where without it there would be no answer at all."""
        answered = any(trial.state == "done" for trial in self.trials.values())
        left = self.clock.left_s()
        return left if answered or math.isinf(left) else left + GRACE * self.clock.seconds

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
