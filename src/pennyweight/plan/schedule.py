"""Schedule: what a search trains next, for how long, and when it gives a training up.

A search that has a time begins with a full training of one network that is trained soon, so that there is an answer
early. Then networks are screened on a ladder of rungs (asynchronous successive halving: Li et al. 2020,
arXiv:1810.05934): many for a few epochs, of those on each rung the best third for three times as many; what takes next
to no time is trained fully at once. What is best is told by the Front: first what nothing dominates, of that the most
accurate. The most promising is trained fully meanwhile where that takes little of the time, and in the end as many of
them as there is time for.
All of it follows from the trials so far and the clock, so that it can be replayed and simulated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pennyweight.plan.front import dominates, front
from pennyweight.plan.trial import Purpose, Trial, leading, standing, traded

FACTOR = 3
"""How many times as many epochs each rung has as the one below, and of how many networks one goes on to it."""

RUNGS_MAX = 5

SCREENED_AIM = 16
"""Networks that the ladder is cut for, so that so many can be screened within the time."""

STEPS_MIN = 150
"""Fewer steps than these do not tell networks apart: the lowest rung has no fewer."""

FULL_SHARE = 0.4
"""Of the minutes, what the longest training may take."""

FIRST_SHARE = 1 / 7
"""Of the minutes, what the full training may take that a search begins with."""

DIRECT_SHARE = 1 / 40
"""Of the minutes, what a full training may take of a network that is not screened before it."""

EARLY_SHARE = 1 / 3
"""Of the minutes, what a full training may take that comes before screening is over."""

EPOCHS_SHARE = 1 / 3
"""Of the epochs of a full training, what there must be time for: a slower network is not tried."""

SCREENING_SHARE = 0.5
"""Of the minutes, for the ladder; the rest is for full trainings."""

FULL_MARGIN = 0.8
"""Of the time that is left, for a full training whose pace is known from a short one."""

COMPARING_SHARE = 0.2
"""Of the time that is left, for a training of the winner that is as long as that of what may beat it."""

STRETCH, LONGER = 2, 1.5
"""A full training may have up to STRETCH times its usual epochs where there is time for them. The winner is trained
again for STRETCH times as many as it had, or LONGER times at least, as long as that makes it better."""

REPEATS = 2
"""Trainings of the winner with other seeds, where there is time: with the first that makes three."""

CURVES_MIN = 5
"""From so many curves on it is told how much a training still gains after an epoch."""

GAIN_MARGIN = 1.5
"""A training is given up only where it would have to gain so many times what any other gained from there on."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """Shares of a full training, rising; the last is 1, a full training itself."""

    shares: tuple[float, ...]

    @staticmethod
    def of(rungs: int) -> Ladder:
        """The ladder of so many rungs, full trainings among them."""
        return Ladder(tuple(float(FACTOR) ** -below for below in reversed(range(rungs))))

    @staticmethod
    def within(seconds: float, full_seconds: float, full_steps: int) -> Ladder:
        """The fewest rungs with which SCREENED_AIM networks are screened in `seconds`.

        A full training takes `full_seconds` for `full_steps`; the lowest rung has STEPS_MIN at least. Each rung of a
        ladder takes about as long as the one below: a third of the networks, each three times as long.
        """
        rungs = 2
        while rungs < RUNGS_MAX:
            lowest = float(FACTOR) ** (1 - rungs)
            if (
                SCREENED_AIM * full_seconds * lowest * (rungs - 1) <= seconds
                or full_steps * lowest < FACTOR * STEPS_MIN
            ):
                break
            rungs += 1
        return Ladder.of(rungs)

    @property
    def top(self) -> int:
        """The rung of full trainings."""
        return len(self.shares) - 1

    def epochs(self, rung: int, full_epochs: int) -> int:
        """The epochs of a training on `rung` (from 0) of a network that is fully trained in `full_epochs`."""
        return max(1, round(self.shares[rung] * full_epochs))

    def rung(self, epochs: int, full_epochs: int) -> int:
        """The highest rung that a training of so many epochs has done, of a network fully trained in `full_epochs`."""
        return max((rung for rung in range(self.top + 1) if self.epochs(rung, full_epochs) <= epochs), default=0)


@dataclass(frozen=True, slots=True)
class Training:
    """What is to be trained next: a new point (`trial` is None), or a trial's network again, with more epochs.

    `seconds` is how long the full training of a new point may take; the `first` one is the largest of which that is so.
    """

    purpose: Purpose
    rung: int
    trial: Trial | None = None
    epochs: int | None = None
    seed: int | None = None
    seconds: float = math.inf
    first: bool = False


@dataclass(frozen=True)
class Schedule:
    """Says what comes next. `full_epochs` tells of a trial's network how many epochs a full training of it has.

    `points` is how many points are screened at most, None as many as there is time for; `seconds` is the time of the
    whole search.
    """

    ladder: Ladder
    trade: Sequence[str]
    full_epochs: Callable[[Trial], int]
    points: int | None = None
    seconds: float = math.inf

    @property
    def timed(self) -> bool:
        """Whether the search has a time that ends it."""
        return self.seconds < math.inf

    def next(
        self, trials: Sequence[Trial], *, screening: bool, seconds_left: float, new: bool = True
    ) -> Training | None:
        """The next training, None where nothing is left to do in `seconds_left`, or until a running one has ended.

        `screening` says whether there is time for it, `new` whether there are points that were not tried.
        """
        top = self.ladder.top
        new = new and (self.points is None or len({trial.point for trial in trials}) < self.points)
        within = Training("full", top, seconds=FULL_MARGIN * seconds_left)
        if top == 0 and new:
            return within
        if screening and top > 0:
            if new and self.timed and not trials:
                return Training("full", top, seconds=FIRST_SHARE * self.seconds, first=True)
            if (early := self._early(trials)) is not None:
                return early
            if (promoted := self._promotion(trials)) is not None:
                return promoted
            if new:
                return Training("screening", 0, seconds=FULL_SHARE / EPOCHS_SHARE * self.seconds)
            if any(not trial.ended for trial in trials if trial.purpose == "screening"):
                return None
        if (last := self._last(trials, seconds_left)) is not None:
            return last
        return within if new and self.timed else None

    def _promotion(self, trials: Sequence[Trial]) -> Training | None:
        """The best network that may go on to the next rung but one from the top, which full trainings are for.

        It goes on from its last trial alone: one that was stopped or failed on a higher rung is not tried there again.
        """
        done = [trial for trial in trials if trial.purpose == "screening" and trial.state == "done"]
        last = {trial.point: trial.number for trial in trials}
        full = {trial.point for trial in trials if trial.purpose == "full"}
        for rung in reversed(range(self.ladder.top - 1)):
            here = [trial for trial in done if trial.rung == rung]
            for trial in ranked(here, self.trade, len(here) // FACTOR):
                if last[trial.point] == trial.number and trial.point not in full:
                    full_epochs = self.full_epochs(trial)
                    epochs = self.ladder.epochs(rung + 1, full_epochs)
                    return Training("screening", self.ladder.rung(epochs, full_epochs), trial, epochs)
        return None

    def _early(self, trials: Sequence[Trial]) -> Training | None:
        """A full training while others are screened, where it is short and such take no more time than screening.

        It is short where even the longer one that a winner may have is: else that would have no time any more.
        """
        full = [trial for trial in trials if trial.purpose == "full"]
        if not self.timed or any(not trial.ended for trial in full):
            return None
        if promising := self._promising(trials):
            best, wanted = promising[0], self.full_epochs(promising[0])
            spare = math.fsum(trial.seconds for trial in trials) - 2 * math.fsum(trial.seconds for trial in full)
            if best.seconds_per_epoch * wanted <= min(spare, EARLY_SHARE * self.seconds / _stretch(best)):
                return Training("full", self.ladder.top, best, wanted)
        return None

    def _promising(self, trials: Sequence[Trial]) -> list[Trial]:
        """The screened networks that are worth a full training and had none, the best first."""
        trained = {trial.point for trial in trials if trial.purpose == "full"}
        return [trial for trial in leading(trials, self.trade) if trial.point not in trained]

    def _last(self, trials: Sequence[Trial], seconds_left: float) -> Training | None:
        """What follows screening: first what may become the winner, in the end what fills the Front.

        The most promising network, as long as it may beat the winner; the winner longer; the winner with other seeds,
        where there is time for all; the other promising ones, the shortest first. Without a time nothing is trained
        longer, and other seeds come last.
        """
        winner = min(standing(trials), key=lambda trial: trial.axes(self.trade), default=None)
        promising = self._promising(trials)
        for trial in promising[:1] if self.timed else promising:
            if winner is not None and (alike := self._as_long(trial, winner, trials, seconds_left)) is not None:
                return alike
            if not self.timed or self._may_beat(trial, winner, trials):
                stretch = _stretch(trial) if self.timed else 1
                epochs = self._affordable(trial, stretch * self.full_epochs(trial), seconds_left)
                if epochs > trial.epochs:
                    return Training("full", self.ladder.top, trial, epochs)
        if winner is not None and winner.purpose == "full":
            again = self._longer(winner, trials, seconds_left) or self._repeat(winner, trials, seconds_left)
            if again is not None:
                return again
        for trial in sorted(promising, key=lambda trial: trial.seconds_per_epoch * self.full_epochs(trial)):
            epochs = self._affordable(trial, self.full_epochs(trial), seconds_left)
            if epochs > trial.epochs:
                return Training("full", self.ladder.top, trial, epochs)
        return None

    def _as_long(self, trial: Trial, winner: Trial, trials: Sequence[Trial], seconds_left: float) -> Training | None:
        """A training of the winner on the rung of `trial`, where it had none: to tell whether that may beat it."""
        epochs = self.ladder.epochs(trial.rung, self.full_epochs(winner))
        if not self.timed or any((each.point, each.rung) == (winner.point, trial.rung) for each in trials):
            return None
        if winner.seconds_per_epoch * epochs > COMPARING_SHARE * seconds_left:
            return None
        return Training("screening", trial.rung, winner, epochs)

    def _may_beat(self, trial: Trial, winner: Trial | None, trials: Sequence[Trial]) -> bool:
        """Whether `trial` is the winner's own, or the winner did no better trained as long, as far as that is known."""
        if winner is None or winner.point == trial.point:
            return True
        rivals = (each for each in trials if each.point == winner.point and each.rung == trial.rung)
        return all(trial.axes(()) < rival.axes(()) for rival in rivals if rival.state == "done")

    def _longer(self, winner: Trial, trials: Sequence[Trial], seconds_left: float) -> Training | None:
        """A longer training of the winner, unless its last one was no better than the one before."""
        *before, last = (trial for trial in trials if trial.purpose == "full" and trial.point == winner.point)
        gained = all(last.axes(()) < each.axes(()) for each in before[-1:] if last.state == each.state == "done")
        if not self.timed or self.ladder.top == 0 or last is not winner or not gained:
            return None
        wanted = _stretch(winner) * max(winner.epochs, self.full_epochs(winner))
        epochs = self._affordable(winner, wanted, seconds_left)
        return Training("full", self.ladder.top, winner, epochs) if epochs >= LONGER * winner.epochs else None

    def _repeat(self, winner: Trial, trials: Sequence[Trial], seconds_left: float) -> Training | None:
        """A training of the winner with another seed, once nothing runs any more that might beat it."""
        again = [trial for trial in trials if trial.purpose == "repeat" and _is_alike(trial, winner)]
        missing = REPEATS - len(again)
        if any(not trial.ended and trial.purpose != "repeat" for trial in trials) or missing < 1:
            return None
        if winner.seconds * missing > FULL_MARGIN * seconds_left:
            return None
        return Training("repeat", winner.rung, winner, winner.epochs, winner.seed + 1 + len(again))

    def _affordable(self, trial: Trial, wanted: int, seconds_left: float) -> int:
        """The epochs of a full training: as many as are wanted, or as there is time for."""
        if math.isinf(seconds_left) or not trial.seconds_per_epoch:
            return wanted
        return min(int(FULL_MARGIN * seconds_left / trial.seconds_per_epoch), wanted)


def _stretch(trial: Trial) -> int:
    """How many times as long as usual a network may be trained: no longer where the space itself tells the epochs."""
    return 1 if "recipe.epochs" in dict(trial.point.values) else STRETCH


def _is_alike(trial: Trial, winner: Trial) -> bool:
    return trial.point == winner.point and trial.epochs == winner.epochs


def ranked(trials: Sequence[Trial], trade: Sequence[str], count: int | None = None) -> list[Trial]:
    """The trials, or the `count` best of them, best first.

    That is: those that none dominates, the most accurate of them first; then likewise of the rest.
    """
    count = len(trials) if count is None else count
    rest, found = [(trial.axes(trade), place) for place, trial in enumerate(trials)], list[int]()
    while len(found) < count:
        first = sorted(rest[index] for index in front([axes for axes, _ in rest]))
        found += [place for _, place in first]
        taken = {place for _, place in first}
        rest = [each for each in rest if each[1] not in taken]
    return [trials[place] for place in found[:count]]


@dataclass(frozen=True)
class Gains:
    """How much trainings of so many epochs still gained after each: the extrapolation of a learning curve.

    Curves of trainings of equal length have one course, for their learning rate has; so what a training may still gain
    is judged by what others did, epoch for epoch, and needs no formula of the curve.
    """

    most: tuple[float, ...]
    mean: tuple[float, ...]

    @staticmethod
    def of(trials: Sequence[Trial], epochs: int, family: str) -> Gains | None:
        """The gains after each epoch of trainings of `epochs`: those of `family`, or where these are few of all.

        None where fewer than CURVES_MIN have ended. Families differ: on CIFAR-10 convolutions gain several times what
        perceptrons do (docs/log.md).
        """
        done = [trial for trial in trials if trial.state == "done" and len(trial.accuracies) == epochs]
        own = [trial.accuracies for trial in done if trial.point.family == family]
        curves = own if len(own) >= CURVES_MIN else [trial.accuracies for trial in done]
        if len(curves) < CURVES_MIN:
            return None
        after = [[curve[-1] - curve[epoch] for curve in curves] for epoch in range(epochs)]
        return Gains(tuple(max(gains) for gains in after), tuple(math.fsum(gains) / len(gains) for gains in after))


def floors(trial: Trial, trials: Sequence[Trial], trade: Sequence[str]) -> tuple[float, ...]:
    """After each epoch the validation accuracy below which `trial`, which is about to begin, cannot reach the Front.

    That is: below what a network that costs no more on any axis reached in as many epochs, less GAIN_MARGIN times the
    most that any training of that length gained from there on. Empty where too little is known. Without a network in
    its own cost class nothing bounds it.
    """
    gains = Gains.of(trials, trial.epochs, trial.point.family)
    own = traded(trial.costs, trade)
    alike = [other for other in trials if other.state == "done" and len(other.accuracies) == trial.epochs]
    alike.sort(key=lambda other: -other.accuracies[-1])
    rival = next((other for other in alike if _no_dearer(other, own, trade)), None)
    if gains is None or rival is None:
        return ()
    return tuple(rival.accuracies[-1] - GAIN_MARGIN * max(most, 0.0) for most in gains.most[:-1])


def _no_dearer(trial: Trial, costs: tuple[float, ...], trade: Sequence[str]) -> bool:
    theirs = traded(trial.costs, trade)
    return theirs == costs or dominates(theirs, costs)


def extrapolation_error(trials: Sequence[Trial]) -> float | None:
    """How far the accuracy that is foretold at half a training lies from its end, on average; None without enough.

    Each trial's end is foretold from the mean gain of the others of its length.
    """
    errors = []
    for trial in trials:
        if trial.state != "done" or len(trial.accuracies) < 2:
            continue
        others = [other for other in trials if other is not trial]
        if gains := Gains.of(others, len(trial.accuracies), trial.point.family):
            half = len(trial.accuracies) // 2 - 1
            errors.append(abs(trial.accuracies[half] + gains.mean[half] - trial.accuracies[-1]))
    return math.fsum(errors) / len(errors) if errors else None
