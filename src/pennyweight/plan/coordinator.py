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
from pennyweight.plan.front import front
from pennyweight.plan.journal import Journal
from pennyweight.plan.pace import Pace, kind
from pennyweight.plan.plan import Plan
from pennyweight.plan.samplers import find_sampler
from pennyweight.plan.samplers.base import Sampler, next_candidate
from pennyweight.plan.schedule import (
    DIRECT_SHARE,
    EPOCHS_SHARE,
    FULL_MARGIN,
    SCREENING_SHARE,
    Ladder,
    Schedule,
    Training,
    floors,
)
from pennyweight.plan.space import Point
from pennyweight.plan.trial import COSTS, Trial, standing
from pennyweight.plan.worker import Job, Outcome, Stop

EVALUATION_S, EVALUATION_PACE = 1.5, 0.5
"""What opening the test part for one network takes, in the end: its time per image is measured, and then there are the
images, of which so many are answered in the time of one that is trained on."""

RESERVE_MOST = 0.25
"""Of the minutes, what is kept at most for opening the test part."""

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
    cut: set[int] = field(default_factory=set)
    interrupted: bool = False
    _recipes: dict[Point, Recipe] = field(default_factory=dict)

    def run(self, workers: int | None, engine: str, address: str | None, trials: Sequence[Trial]) -> list[Trial]:
        """Every trial, after the `trials` that a resumed search has; those that were cut off are still running."""
        self.trials = {trial.number: trial for trial in trials}
        for trial in trials:
            self._note(trial)
        with make_engine(engine, self.shapes, workers, address, self._tell) as runs:
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
                if waiting and not self._out_of_time():
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
            if self._out_of_time():
                self.cut |= {trial.number for trial in self._running()}
                return

    def _train_cheapest(self, engine: Engine) -> None:
        """One epoch of the cheapest network, where time was over before there was any answer."""
        cheapest = self.candidates.pool[0]
        if cheapest.point in {trial.point for trial in self.trials.values() if trial.state == "failed"}:
            return
        trial = replace(self._new(cheapest, Training("screening", 0)), epochs=1, purpose="screening", rung=0)
        self.trials[trial.number] = trial
        self.journal.begin(trial)
        engine.submit(replace(self._job(trial, engine), seconds=math.inf))
        while self._running() and not self.interrupted:
            for outcome in engine.wait(WAIT_S):
                self._end(outcome)

    def _trial(self, asked: Training, sampler: Sampler) -> Trial | None:
        """The next trial as it is asked for; None where the sampler has no new point."""
        if asked.trial is None:
            self.candidates.affordable = partial(self._affordable, seconds=asked.seconds)
            found = self._soon(asked.seconds) if asked.first else self._next(sampler)
            if found is None and not self.trials:
                found = self.candidates.pool[0]
            return None if found is None else self._new(found, asked)
        return Trial(
            len(self.trials),
            asked.trial.point,
            asked.trial.network,
            asked.trial.costs,
            epochs=asked.epochs or asked.trial.epochs,
            purpose=asked.purpose,
            rung=asked.rung,
            seed=self.plan.seed if asked.seed is None else asked.seed,
            began_s=self.clock.spent_s,
        )

    def _soon(self, seconds: float) -> Candidate | None:
        """The largest network of the first family of the space of which one is fully trained in `seconds`, as usual.

        Where there is none it may be one of which EPOCHS_SHARE of a full training is.
        """
        for share in (1.0, EPOCHS_SHARE):
            for family in self.candidates.space.networks:
                for each in reversed(self.candidates.pool):
                    if each.point.family == family:
                        usual = self.candidates.usual(each, self.shapes[each.input_shape])
                        if self._affordable(usual, seconds / share):
                            return usual
        return None

    def _next(self, sampler: Sampler) -> Candidate | None:
        """What the sampler would try next."""
        rng = Random(f"{self.plan.seed}/{len(self.trials)}")
        return next_candidate(sampler, self.candidates, self.plan.trade, list(self.trials.values()), rng)

    def _new(self, found: Candidate, asked: Training) -> Trial:
        """The first trial of a network: as asked for, fully where that takes next to no time, or as long as it can."""
        ladder, recipe = Ladder.of(self.plan.rungs), self._recipe(found)
        direct = self.clock.timed and self._affordable(found, DIRECT_SHARE * self.clock.seconds)
        rung = ladder.top if asked.purpose == "full" or direct else 0
        epochs, pace = ladder.epochs(rung, recipe.epochs), self._seconds_per_epoch(found, recipe)
        if self.clock.timed and pace is not None:
            possible = int(min(asked.seconds, FULL_MARGIN * self.clock.left_s()) / pace)
            if possible < epochs:
                epochs = max(1, possible)
        rung = ladder.rung(epochs, recipe.epochs)
        return Trial(
            len(self.trials),
            found.point,
            found.graph.text,
            {name: getattr(found.cost, name) for name in COSTS},
            epochs=epochs,
            purpose="full" if rung == ladder.top else "screening",
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
            floors=() if trial.purpose != "screening" else floors(trial, list(self.trials.values()), self.plan.trade),
            seconds=self.clock.left_s(),
            threads=engine.threads,
            device=self.plan.device,
            tensorboard=self.plan.tensorboard,
        )

    def _end(self, outcome: Outcome) -> None:
        """Keep what came of a trial. One that was cut off has not ended: a resumed search goes on with it.

        Nor has one for which the disk had no room: that raises RunError.
        """
        if outcome.no_room:
            raise RunError(outcome.why, hint=f"make room, then {command('search', '--resume', self.folder)}")
        if outcome.state == "running":
            self.cut.add(outcome.number)
            return
        ended = replace(
            self.trials[outcome.number],
            state=outcome.state,
            validation=outcome.validation,
            accuracies=outcome.accuracies,
            seconds=outcome.seconds,
            ended_s=self.clock.spent_s,
            why=outcome.why,
        )
        self.journal.end(ended)
        self.trials[ended.number] = ended
        self._note(ended)

    def _note(self, trial: Trial) -> None:
        """Learn from a trial that has ended how fast its family trains, and how much time the end will take."""
        if trial.ended and trial.accuracies:
            found = self.candidates.priced(trial.point)
            assert found is not None
            self.pace.note(kind(found, self._recipe(found)), found.work, trial.seconds_per_epoch)
        if self.clock.timed and trial.state == "done":
            stands = standing(list(self.trials.values()))
            members = [stands[index] for index in front([each.axes(self.plan.trade) for each in stands])]
            takes = sum(EVALUATION_S + self._evaluation_s(each) for each in members)
            self.clock.reserve_s = max(self.clock.reserve_s, min(takes, RESERVE_MOST * self.clock.seconds))

    def _evaluation_s(self, trial: Trial) -> float:
        images = next(iter(self.shapes.values()))
        return EVALUATION_PACE * trial.seconds_per_epoch * len(images.sealed) / max(len(images.learning), 1)

    def _seconds_per_epoch(self, candidate: Candidate, recipe: Recipe) -> float | None:
        return self.pace.seconds_per_epoch(kind(candidate, recipe), candidate.work)

    def _affordable(self, candidate: Candidate, seconds: float) -> bool:
        """Whether a full training of a network takes no longer, as far as is known, and keeps its own limit.

        Where nothing is known of the machine's pace nothing is, if there is a time to keep.
        """
        if self.plan.training_minutes is not None:
            seconds = min(seconds, 60 * self.plan.training_minutes)
        if math.isinf(seconds):
            return True
        recipe = self._recipe(candidate)
        pace = self._seconds_per_epoch(candidate, recipe)
        return pace is not None and recipe.epochs * pace <= seconds

    def _recipe(self, candidate: Candidate) -> Recipe:
        if candidate.point not in self._recipes:
            self._recipes[candidate.point] = candidate.recipe(self.shapes[candidate.input_shape])
        return self._recipes[candidate.point]

    def _full_epochs(self, trial: Trial) -> int:
        found = self.candidates.priced(trial.point)
        assert found is not None
        return self._recipe(found).epochs

    def _running(self) -> list[Trial]:
        return [trial for trial in self.trials.values() if not trial.ended and trial.number not in self.cut]

    def _out_of_time(self) -> bool:
        return self.clock.left_s() <= 0 and bool(self.trials)

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
    def interruptible(self) -> Iterator[None]:
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
