"""What run folders and search folders keep, read with patience: what is missing or malformed becomes None or a note.

Every text that was read is fit to be shown, and every figure is asked for through `number`, `amount`, `count` or
`share_of_one`, which answer None where the file says nonsense. Nothing here opens images or a sealed test part.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from pennyweight.core.board import Board, find_board
from pennyweight.core.budget import LIMITS, Budget
from pennyweight.core.errors import PennyweightError, RunError, UsageError
from pennyweight.core.run import CHECKPOINT, ENVIRONMENT, GRAPH, RESULTS, SEARCH, SETTINGS, Run
from pennyweight.core.search_folder import run_within, search_facts
from pennyweight.core.text import command, visible
from pennyweight.core.units import LARGEST, counted
from pennyweight.core.version import VERSION
from pennyweight.fit.accuracy import Accuracy
from pennyweight.fit.deployed import Deployed, deployed
from pennyweight.fit.epoch_time import seconds_per_epoch
from pennyweight.fit.kept import OWN_PARTS, KeptEvaluation, kept_evaluations
from pennyweight.net.cost import Cost, cost
from pennyweight.net.graph import Graph
from pennyweight.plan.found import SEEDS_MIN
from pennyweight.plan.front import front

LONGEST_TEXT = 600
"""Letters of a note, a reason or a name at most; more are cut."""

DEEPEST = 12
"""Lists in lists beyond this depth are left out: no file of ours is half as deep."""

COSTS = ("macs", "flash_bytes", "ram_bytes", "parameters", "latency_ms")
"""The figures of a network that the front is drawn against."""

CHOICES_MAX = 64
"""Parameters of a choice at most."""

Choice = bool | int | float | str
"""The value of one parameter of a space."""


@dataclass(frozen=True)
class RunFacts:
    """What one run folder keeps. `gaps` are sentences about what is missing, each with what fills it."""

    folder: Path
    settings: Mapping[str, Any]
    environment: Mapping[str, Any]
    results: Mapping[str, Any] | None
    graph: Graph | None
    evaluations: Mapping[str, KeptEvaluation]
    openings: int | None
    failure: Mapping[str, Any] | None
    gaps: tuple[Gap, ...]
    so_far: tuple[Mapping[str, Any], ...] = ()
    """The epochs behind a training that has not ended."""

    int8: Deployed | None = None
    """The network as it was quantised, and what is known of it."""

    @property
    def network(self) -> str:
        """How the network was asked for."""
        return _shown(self.settings.get("network")) or (self.graph.text if self.graph else "an unknown network")

    @property
    def source(self) -> str:
        """How the images were asked for."""
        unnamed = "images from Python" if self.settings else "unknown images"
        return _shown(self.settings.get("source")) or unnamed

    @property
    def class_names(self) -> list[str]:
        """The names of the classes."""
        return [str(name) for name in items(self.settings.get("class_names"))]

    @property
    def notes(self) -> list[str]:
        """What the training had to say of the images."""
        return [_shown(note) for note in items(self.settings.get("notes"))]

    @property
    def recipe(self) -> Mapping[str, Any]:
        """The settings of the training, as far as they are kept."""
        recipe = self.settings.get("recipe")
        return recipe if isinstance(recipe, Mapping) else {}

    @cached_property
    def cost(self) -> Cost | None:
        """What the network costs in int8."""
        return cost(self.graph) if self.graph else None

    @cached_property
    def curves(self) -> list[Mapping[str, Any]]:
        """A row for each epoch."""
        rows = self.so_far if self.results is None else items(self.results.get("curves"))
        return [row for row in rows if isinstance(row, Mapping)]

    @property
    def obstacle(self) -> str:
        """Why there are no results; empty where there are."""
        if self.results is not None:
            return ""
        if self.failure is not None:
            return "the training broke down"
        return f"{RESULTS} cannot be read" if Run(self.folder).finished else "the training has not ended"

    @property
    def epochs(self) -> list[int]:
        """The number of each row's epoch, from 1."""
        return [count(row.get("epoch")) or place for place, row in enumerate(self.curves, start=1)]

    @property
    def progress(self) -> str:
        """How far the training is."""
        asked = count(self.recipe.get("epochs"))
        return f"{len(self.curves):,} of {counted(asked, 'epoch')}" if asked else counted(len(self.curves), "epoch")

    def curve(self, name: str) -> list[float | None]:
        """A column of the curves, None where it is not a number."""
        return [number(row.get(name)) for row in self.curves]

    @property
    def validation(self) -> Accuracy | None:
        """The accuracy on the validation part at the end of the training."""
        results = self.results or {}
        return accuracy_of(results.get("validation_correct"), results.get("validation_n"))

    @property
    def seconds_per_epoch(self) -> float | None:
        """What an epoch of the training took."""
        return seconds_per_epoch(self.curves)

    @property
    def own(self) -> tuple[str, KeptEvaluation] | None:
        """The kept evaluation on the run's own images that says most: that of the test part, else of validation."""
        return next(
            ((name, self.evaluations[name]) for name in ("test", "validation") if name in self.evaluations), None
        )

    def accuracy(self, name: str) -> Accuracy | None:
        """The accuracy of a kept evaluation."""
        kept = self.evaluations.get(name)
        return kept.accuracy if kept else None


class Gap(NamedTuple):
    """Something that the report cannot show: a sentence, and the command that fills it (or nothing)."""

    says: str
    command: str = ""


@dataclass(frozen=True)
class Trial:
    """A network that was trained, as a point on the plane of accuracy and cost."""

    run: str
    network: str
    validation: Accuracy | None
    test: Accuracy | None
    costs: Mapping[str, float | None]
    epochs: float | None
    seconds: float | None
    on_front: bool = False
    is_winner: bool = False
    number: int | None = None
    state: str = "done"
    why: str = ""
    purpose: str = ""
    seed: int | None = None
    ended_s: float | None = None
    choice: Mapping[str, Choice] = field(default_factory=dict)
    accuracies: tuple[float | None, ...] = ()
    opened_before: str = ""

    @property
    def family(self) -> str:
        """The family of its network."""
        return self.network.partition(":")[0]

    @property
    def settings(self) -> str:
        """What was chosen besides the network, in words."""
        others = {name: value for name, value in self.choice.items() if name.startswith(("recipe.", "input"))}
        return ", ".join(f"{name.removeprefix('recipe.')}={in_words(value)}" for name, value in others.items())


@dataclass(frozen=True)
class SearchFacts:
    """What a search folder keeps; `winner` is the run of the winner, None where it is not there any more.

    `trials` were trained to their end, `unfinished` were not; `trade` names the costs that accuracy was traded against.
    `over_seeds` is the winner's test accuracy over seeds: mean, standard deviation, number of seeds; `of_each_seed`
    are those accuracies. `optimism` is the share by which its accuracy on validation is too high, as it was chosen by
    it among `rivals` networks; `extrapolation_error` is by how much the end of a training that is foretold at its half
    is off on average.
    """

    folder: Path
    source: str
    budget: str
    board: Board | None
    considered: int | None
    feasible: int | None
    minutes: float | None
    trials: tuple[Trial, ...]
    unfinished: tuple[Trial, ...]
    trade: tuple[str, ...]
    over_seeds: tuple[float, float, int] | None
    of_each_seed: tuple[float, ...]
    optimism: float | None
    rivals: int | None
    extrapolation_error: float | None
    notes: tuple[str, ...]
    gaps: tuple[Gap, ...]
    winner: RunFacts | None

    @property
    def best(self) -> Trial | None:
        """The winner's training."""
        return next((trial for trial in self.trials if trial.is_winner), None)


def read(path: Path) -> RunFacts | SearchFacts:
    """What the folder at `path` keeps. Raises RunError where it is neither a run nor a search."""
    try:
        is_search, is_run, is_folder = (path / SEARCH).is_file(), (path / SETTINGS).is_file(), path.is_dir()
    except (OSError, ValueError) as error:
        raise RunError(f"{visible(path)} cannot be opened: {error}") from error
    if not is_search and not is_run:
        raise RunError(
            f"{path} {'is neither a run nor a search' if is_folder else 'is not there'}: "
            f"there is no {SETTINGS} and no {SEARCH} in it",
            hint="give the folder of a training or of a search; pennyweight train or search make one",
        )
    return read_search(path) if is_search else read_run(path)


def read_run(folder: Path) -> RunFacts:
    """What the run in `folder` keeps. What cannot be read becomes a gap."""
    run = Run.open(folder)
    gaps: list[Gap] = []

    def told(name: str, checked: bool = True) -> dict[str, Any]:
        try:
            return tamed_object(run.read(name, checked=checked))
        except RunError as error:
            gaps.append(_damage(error))
            return {}

    graph, results, failure = None, None, None
    so_far: tuple[Mapping[str, Any], ...] = ()
    if run.finished:
        results = told(RESULTS) or None
    else:
        failure, so_far = _on_the_way(run, gaps)
    settings, environment = told(SETTINGS, checked=results is not None), told(ENVIRONMENT)
    try:
        graph = Graph.from_json(run.read(GRAPH, checked=results is not None))
    except PennyweightError as error:
        gaps.append(Gap(f"The network cannot be priced: {visible(error)}."))
    if results is not None:
        try:
            run.weights()
        except RunError as error:
            gaps.append(_damage(error))
    left_out: dict[str, str] = {}
    evaluations = kept_evaluations(run, left_out)
    for name, why in left_out.items():
        gaps.append(Gap(f"{visible(why)}.", command("evaluate", folder, "--part", name) if name in OWN_PARTS else ""))
    int8_left_out: dict[str, str] = {}
    int8 = deployed(run, int8_left_out)
    gaps += [Gap(f"{visible(why)}.") for why in int8_left_out.values()]
    version = settings.get("pennyweight")
    if version != VERSION:
        gaps.append(
            Gap(f"Pennyweight {_shown(version) or 'of an unknown version'} made this run, and {VERSION} this report: "
                "figures that follow from the network alone are those of this version.")
        )  # fmt: skip
    try:
        openings = len(run.openings())
    except RunError:
        openings = None
    return RunFacts(
        folder, settings, environment, results, graph, evaluations, openings, failure, tuple(gaps), so_far, int8
    )


def _damage(error: RunError) -> Gap:
    return Gap(visible(f"{error}; {error.hint}." if error.hint else f"{error}."))


def _on_the_way(run: Run, gaps: list[Gap]) -> tuple[dict[str, Any] | None, tuple[Mapping[str, Any], ...]]:
    """What ended a training before its time, if anything did, and the epochs that it has behind it."""
    failure: dict[str, Any] | None = None
    so_far: tuple[Mapping[str, Any], ...] = ()
    try:
        failure = run.failure()
    except RunError as error:
        gaps.append(_damage(error))
    if failure is None:
        gaps.append(Gap("This training has not ended.", command("train", "--resume", run.folder)))
    else:
        failure = tamed_object(failure)
        epoch = count(failure.get("epoch"))
        when = f" in epoch {epoch:,}" if epoch else ""
        why = _shown(failure.get("what")) or "for an unknown reason"
        gaps.append(Gap(f"This training broke down{when}: {why}.", command("diagnose", run.folder)))
    if (run.folder / CHECKPOINT).is_file():
        from pennyweight.fit.checkpoint import curves_so_far

        try:
            so_far = curves_so_far(run)
        except RunError as error:
            gaps.append(_damage(error))
    return failure, so_far


def read_search(folder: Path) -> SearchFacts:
    """What the search in `folder` keeps. Raises RunError where its summary cannot be read."""
    facts = tamed_object(search_facts(folder))
    gaps: list[Gap] = []
    board = None
    if facts.get("board"):
        try:
            board = find_board(_shown(facts["board"]))
        except UsageError as error:
            gaps.append(Gap(f"What the search says of its board cannot be shown: {visible(error)}."))
    winner = facts.get("winner")
    if not isinstance(winner, dict):
        winner = None
        gaps.append(Gap("This search has not ended.", command("search", "--resume", folder)))
    trials = _trials(items(facts.get("trials")), items(facts.get("front")), winner)
    if winner and not trials:
        gaps.append(Gap("No training of this search has ended."))
    best = next((trial for trial in trials if trial.is_winner), None)
    found = None
    if best is not None:
        try:
            found = read_run(run_within(folder, best.run))
        except RunError as error:
            gaps.append(Gap(f"The winner's run cannot be shown: {visible(error)}."))
    return SearchFacts(
        folder=folder,
        source=_shown(facts.get("source")) or (found.source if found else "unknown images"),
        budget=_budget(facts.get("budget")),
        board=board,
        considered=count(facts.get("considered")),
        feasible=count(facts.get("feasible")),
        minutes=amount(facts.get("minutes")),
        trials=trials,
        unfinished=_trials(items(facts.get("unfinished")), [], {}),
        trade=tuple(name for name in COSTS if name in items(facts.get("trade"))),
        over_seeds=_over_seeds(facts.get("over_seeds")),
        of_each_seed=tuple(known(map(share_of_one, items(facts.get("of_each_seed"))))),
        optimism=share_of_one(facts.get("optimism")),
        rivals=count(facts.get("rivals")),
        extrapolation_error=share_of_one(facts.get("extrapolation_error")),
        notes=tuple(map(_shown, items(facts.get("notes")))),
        gaps=tuple(gaps),
        winner=found,
    )


def side_by_side(runs: Sequence[RunFacts]) -> list[Trial]:
    """Runs as points on the plane of accuracy and cost, with their own front."""
    trials = []
    for run in runs:
        costs = {name: getattr(run.cost, name, None) for name in COSTS}
        results = run.results or {}
        epochs, seconds = count(results.get("epochs")), amount(results.get("seconds"))
        test = run.accuracy("test")
        trials.append(Trial(str(run.folder), run.network, run.validation, test, costs, epochs, seconds))
    best = set(front([_axes(trial.validation.share if trial.validation else None, trial.costs) for trial in trials]))
    return [replace(trial, on_front=place in best) for place, trial in enumerate(trials)]


def _trials(rows: list[Any], on_front: list[Any], winner: dict[str, Any] | None) -> tuple[Trial, ...]:
    """The trials; where the search has not ended, their own front, and the best on validation as winner."""
    entries = [row for row in rows if isinstance(row, dict)]
    named = {str(row.get("run")) for row in on_front if isinstance(row, dict)}
    best = str(winner.get("run")) if winner else ""
    if winner is None and entries:
        axes = [_axes(entry.get("validation_accuracy"), entry) for entry in entries]
        named = {str(entries[index].get("run")) for index in front(axes)}
        best = str(min(zip(axes, entries, strict=True), key=lambda pair: pair[0])[1].get("run"))
    return tuple(
        Trial(
            run=Path(str(entry.get("run"))).name,
            network=_shown(entry.get("network")),
            validation=accuracy_of_share(entry.get("validation_accuracy"), entry.get("validation_n")),
            test=accuracy_of_share(entry.get("test_accuracy"), entry.get("n")),
            costs={name: amount(entry.get(name)) for name in COSTS},
            epochs=count(entry.get("epochs")),
            seconds=amount(entry.get("seconds")),
            on_front=str(entry.get("run")) in named,
            is_winner=str(entry.get("run")) == best,
            number=count(entry.get("number")),
            state=_shown(entry.get("state")) or "done",
            why=_shown(entry.get("why")),
            purpose=_shown(entry.get("purpose")),
            seed=count(entry.get("seed")),
            ended_s=amount(entry.get("ended_s")),
            choice=_choice(entry.get("choice")),
            accuracies=tuple(map(share_of_one, items(entry.get("accuracies")))),
            opened_before=_shown(entry.get("test_opened_before")),
        )
        for entry in entries
    )


def _axes(share: object, costs: Mapping[str, Any]) -> tuple[float, ...]:
    """What a network of the front is not beaten on: errors, then costs; what is not known is worst."""
    figures = (amount(costs.get(name)) for name in COSTS[:3])
    return 1 - (share_of_one(share) or 0), *(math.inf if figure is None else figure for figure in figures)


def _choice(told: object) -> dict[str, Choice]:
    """The parameters of a choice that can be shown."""
    if not isinstance(told, Mapping):
        return {}
    values = {name: value if isinstance(value, bool | str) else number(value) for name, value in told.items()}
    known_values = {_shown(name): _shown(value) if isinstance(value, str) else value for name, value in values.items()}
    return {name: value for name, value in list(known_values.items())[:CHOICES_MAX] if value is not None}


def _over_seeds(told: object) -> tuple[float, float, int] | None:
    if not isinstance(told, Mapping):
        return None
    mean, deviation, seeds = share_of_one(told.get("mean")), amount(told.get("deviation")), count(told.get("seeds"))
    if mean is None or deviation is None or seeds is None or seeds < SEEDS_MIN:
        return None
    return mean, deviation, seeds


def _budget(limits: object) -> str:
    if not isinstance(limits, Mapping):
        return ""
    try:
        return str(Budget.of(None, **{name: number(limits.get(name)) for name in LIMITS}))
    except UsageError:
        return ""


def number(value: object) -> float | None:
    """The number, where it is one, finite, and no larger than any figure of ours; a whole one stays whole.

    >>> number(3), number("3"), number(float("nan")), number(True)
    (3, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not -LARGEST <= value <= LARGEST:
        return None
    return value


def amount(value: object) -> float | None:
    """The number, where it is one and not below zero."""
    found = number(value)
    return None if found is None or found < 0 else found


def count(value: object) -> int | None:
    """The whole number, where it is one and not below zero.

    >>> count(3), count(3.0), count(2.5), count(-1)
    (3, 3, None, None)
    """
    found = amount(value)
    return None if found is None or found % 1 else int(found)


def share_of_one(value: object) -> float | None:
    """The number, where it is one in [0, 1]."""
    found = amount(value)
    return None if found is None or found > 1 else found


def accuracy_of(correct: object, n: object) -> Accuracy | None:
    """The accuracy of so many right answers; None where the two do not tell of one."""
    right, images = count(correct), count(n)
    return Accuracy(right, images) if right is not None and images and right <= images else None


def accuracy_of_share(share: object, n: object) -> Accuracy | None:
    """The accuracy of which the share is told; None where the two do not tell of one."""
    told, images = share_of_one(share), count(n)
    return Accuracy(min(round(told * images), images), images) if told is not None and images else None


def tamed(value: Any, depth: int = 0) -> Any:
    """The JSON value with texts that are fit to be shown, and nothing deeper than DEEPEST.

    >>> tamed({"a": ["\\ud800", 3]})
    {'a': ['\\\\ud800', 3]}
    """
    if isinstance(value, str):
        return value if value.isprintable() else visible(value)
    if isinstance(value, list | dict) and depth == DEEPEST:
        return None
    if isinstance(value, list):
        return [tamed(each, depth + 1) for each in value]
    if isinstance(value, dict):
        return {tamed(name): tamed(each, depth + 1) for name, each in value.items()}
    return value


def tamed_object(facts: Any) -> dict[str, Any]:
    """The JSON object, tamed. Raises ValueError where it is none."""
    if not isinstance(facts, dict):
        raise ValueError("it is not a JSON object")
    return {visible(name): tamed(value) for name, value in facts.items()}


def _shown(value: object) -> str:
    """The value as text for a sentence: nothing of nothing, and no longer than a paragraph."""
    text = "" if value is None else str(value)
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"


def in_words(value: Choice) -> str:
    """The value of a parameter, rounded.

    >>> in_words(True), in_words(0.0123456), in_words("muon")
    ('true', '0.01235', 'muon')
    """
    return str(value).lower() if isinstance(value, bool) else f"{value:.4g}" if isinstance(value, float) else str(value)


def items(value: object) -> list[Any]:
    """The list, or nothing where there is none."""
    return list(value) if isinstance(value, list | tuple) else []


def known(values: Iterable[float | None]) -> list[float]:
    """The values that are there."""
    return [value for value in values if value is not None]
