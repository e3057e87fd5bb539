"""What run folders and search folders keep, read with patience: what is missing or malformed becomes None or a note.

Nothing here opens images or a sealed test part.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from pennyweight.core.board import Board, find_board
from pennyweight.core.budget import LIMITS, Budget
from pennyweight.core.errors import PennyweightError, RunError, UsageError
from pennyweight.core.run import ENVIRONMENT, GRAPH, RESULTS, SETTINGS, Run
from pennyweight.core.version import VERSION
from pennyweight.fit.accuracy import Accuracy
from pennyweight.net.cost import Cost, cost
from pennyweight.net.graph import Graph
from pennyweight.plan.front import front

SEARCH = "search.json"

LARGEST = 2.0**63
"""No figure of ours is larger; a file may hold integers that no float can."""

COSTS = ("parameters", "macs", "flash_bytes", "peak_ram_bytes")
"""The figures of a network that the front is drawn against."""


class Share(NamedTuple):
    """An accuracy in [0, 1] with its 95 % interval, of `n` images."""

    share: float
    low: float
    high: float
    n: int

    @staticmethod
    def of(share: object, interval: object, n: object) -> Share | None:
        """The accuracy that these three tell of; None where one of them does not."""
        ends = [number(end) for end in items(interval)]
        told = number(share), *ends, number(n)
        if len(told) != 4 or None in told:
            return None
        value, low, high, count = (each or 0.0 for each in told)
        return Share(value, low, high, int(count))

    def __str__(self) -> str:
        return f"{100 * self.share:.2f} %"

    @property
    def details(self) -> str:
        """The interval and n in words."""
        return f"95 % interval {100 * self.low:.2f} … {100 * self.high:.2f} %, n = {self.n:,}"


@dataclass(frozen=True)
class RunFacts:
    """What one run folder keeps. `gaps` are sentences about what is missing, each with what fills it."""

    folder: Path
    settings: Mapping[str, Any]
    environment: Mapping[str, Any]
    results: Mapping[str, Any] | None
    graph: Graph | None
    evaluations: Mapping[str, Mapping[str, Any]]
    openings: int | None
    failure: Mapping[str, Any] | None
    gaps: tuple[Gap, ...]

    @property
    def network(self) -> str:
        """How the network was asked for."""
        return str(self.settings.get("network") or (self.graph.text if self.graph else "an unknown network"))

    @property
    def source(self) -> str:
        """How the images were asked for."""
        return str(self.settings.get("source") or "images from Python")

    @property
    def class_names(self) -> list[str]:
        """The names of the classes."""
        return [str(name) for name in items(self.settings.get("class_names"))]

    @property
    def command(self) -> str:
        """The folder as a shell takes it."""
        return shlex.quote(str(self.folder))

    @cached_property
    def cost(self) -> Cost | None:
        """What the network costs in int8."""
        return cost(self.graph) if self.graph else None

    @cached_property
    def curves(self) -> list[Mapping[str, Any]]:
        """A row for each epoch."""
        return [row for row in items((self.results or {}).get("curves")) if isinstance(row, Mapping)]

    def curve(self, name: str) -> list[float | None]:
        """A column of the curves, None where it is not a number."""
        return [number(row.get(name)) for row in self.curves]

    @property
    def validation(self) -> Share | None:
        """The accuracy on the validation part at the end of the training."""
        results = self.results or {}
        correct, n = number(results.get("validation_correct")), number(results.get("validation_n"))
        if correct is None or not n or not 0 <= correct <= n:
            return None
        found = Accuracy(int(correct), int(n))
        return Share(found.share, *found.interval, found.n)

    @property
    def own(self) -> tuple[str, Mapping[str, Any]] | None:
        """The kept evaluation on the run's own images that says most: that of the test part, else of validation."""
        return next(
            ((name, self.evaluations[name]) for name in ("test", "validation") if name in self.evaluations), None
        )

    def accuracy(self, name: str) -> Share | None:
        """The accuracy of a kept evaluation."""
        facts = self.evaluations.get(name, {})
        return Share.of(facts.get("accuracy"), facts.get("interval"), facts.get("n"))


class Gap(NamedTuple):
    """Something that the report cannot show: a sentence, and the command that fills it (or nothing)."""

    says: str
    command: str = ""


@dataclass(frozen=True)
class Trial:
    """A network that was trained, as a point on the plane of accuracy and cost."""

    run: str
    network: str
    validation: Share | None
    test: Share | None
    costs: Mapping[str, float | None]
    epochs: float | None
    seconds: float | None
    on_front: bool = False
    is_winner: bool = False


@dataclass(frozen=True)
class SearchFacts:
    """What a search folder keeps; `winner` is the run of the winner, None where it is not there any more."""

    folder: Path
    source: str
    budget: str
    board: Board | None
    considered: int | None
    feasible: int | None
    minutes: float | None
    trials: tuple[Trial, ...]
    notes: tuple[str, ...]
    gaps: tuple[Gap, ...]
    winner: RunFacts | None
    courses: Mapping[str, list[float | None]] = field(default_factory=dict)
    """The validation accuracy after each epoch, by the run's name."""

    @property
    def best(self) -> Trial | None:
        """The winner's training."""
        return next((trial for trial in self.trials if trial.is_winner), None)

    @property
    def command(self) -> str:
        """The folder as a shell takes it."""
        return shlex.quote(str(self.folder))


def read(path: Path) -> RunFacts | SearchFacts:
    """What the folder at `path` keeps. Raises RunError where it is neither a run nor a search."""
    if (path / SEARCH).is_file():
        return read_search(path)
    if not (path / SETTINGS).is_file():
        what = "is neither a run nor a search" if path.is_dir() else "is not there"
        raise RunError(
            f"{path} {what}: there is no {SETTINGS} and no {SEARCH} in it",
            hint="give the folder of a training or of a search; pennyweight train or search make one",
        )
    return read_run(path)


def read_run(folder: Path) -> RunFacts:
    """What the run in `folder` keeps. What cannot be read becomes a gap."""
    run, command = Run.open(folder), shlex.quote(str(folder))
    gaps: list[Gap] = []

    def told(name: str) -> dict[str, Any]:
        try:
            return run.read(name)
        except RunError as error:
            gaps.append(Gap(f"{error}."))
            return {}

    settings, environment, graph, results, failure = told(SETTINGS), told(ENVIRONMENT), None, None, None
    try:
        graph = Graph.from_json(run.read(GRAPH))
    except PennyweightError as error:
        gaps.append(Gap(f"The network cannot be priced: {error}."))
    if run.finished:
        results = told(RESULTS) or None
    else:
        try:
            failure = run.failure()
        except RunError as error:
            gaps.append(Gap(f"{error}."))
        gaps.append(_unfinished(failure, command))
    evaluations: dict[str, dict[str, Any]] = {}
    try:
        evaluations = run.evaluations()
    except RunError as error:
        gaps.append(Gap(f"The kept evaluations cannot be read: {error}.", f"pennyweight evaluate {command}"))
    version = settings.get("pennyweight")
    if version != VERSION:
        gaps.append(
            Gap(f"Pennyweight {version or 'of an unknown version'} made this run, and {VERSION} this report: "
                "figures that follow from the network alone are those of this version.")
        )  # fmt: skip
    try:
        openings = len(run.openings())
    except RunError:
        openings = None
    return RunFacts(folder, settings, environment, results, graph, evaluations, openings, failure, tuple(gaps))


def _unfinished(failure: Mapping[str, Any] | None, command: str) -> Gap:
    if failure is None:
        return Gap("This training has not ended.", f"pennyweight train --resume {command}")
    epoch = number(failure.get("epoch"))
    when = f" in epoch {epoch:.0f}" if epoch else ""
    return Gap(f"This training failed{when}: {failure.get('what') or 'for an unknown reason'}.")


def read_search(folder: Path) -> SearchFacts:
    """What the search in `folder` keeps. Raises RunError where its summary cannot be read."""
    try:
        facts = json.loads((folder / SEARCH).read_bytes())
        if not isinstance(facts, dict):
            raise ValueError("it is not a JSON object")
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{folder}: {SEARCH} cannot be read: {error}") from error
    gaps: list[Gap] = []
    board = None
    if facts.get("board"):
        try:
            board = find_board(str(facts["board"]))
        except UsageError as error:
            gaps.append(Gap(f"What the search says of its board cannot be shown: {error}."))
    winner = facts.get("winner")
    if not isinstance(winner, dict):
        winner = None
        gaps.append(Gap("This search has not ended: these are the trainings that were done so far."))
    trials = _trials(items(facts.get("trials")), items(facts.get("front")), winner)
    if not trials:
        gaps.append(Gap("No training of this search has ended."))
    best = next((trial for trial in trials if trial.is_winner), None)
    found = None
    if best is not None:
        try:
            found = read_run(_folder_of(folder, best))
        except RunError as error:
            gaps.append(Gap(f"The winner's run cannot be shown: {error}."))
    return SearchFacts(
        folder=folder,
        source=str(facts.get("source") or (found.source if found else "unknown images")),
        budget=_budget(facts.get("budget")),
        board=board,
        considered=_whole(facts.get("considered")),
        feasible=_whole(facts.get("feasible")),
        minutes=number(facts.get("minutes")),
        trials=trials,
        notes=tuple(map(str, items(facts.get("notes")))),
        gaps=tuple(gaps),
        winner=found,
        courses={trial.run: course for trial in trials if (course := _course(_folder_of(folder, trial)))},
    )


def side_by_side(runs: Sequence[RunFacts]) -> list[Trial]:
    """Runs as points on the plane of accuracy and cost, with their own front."""
    trials = []
    for run in runs:
        costs = {name: getattr(run.cost, name, None) for name in (*COSTS, "latency_ms")}
        results = run.results or {}
        epochs, seconds = number(results.get("epochs")), number(results.get("seconds"))
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
            network=str(entry.get("network")),
            validation=Share.of(
                entry.get("validation_accuracy"), entry.get("validation_interval"), entry.get("validation_n")
            ),
            test=Share.of(entry.get("test_accuracy"), entry.get("interval"), entry.get("n")),
            costs={name: number(entry.get(name)) for name in (*COSTS, "latency_ms")},
            epochs=number(entry.get("epochs")),
            seconds=number(entry.get("seconds")),
            on_front=str(entry.get("run")) in named,
            is_winner=str(entry.get("run")) == best,
        )
        for entry in entries
    )


def _axes(share: object, costs: Mapping[str, Any]) -> tuple[float, ...]:
    """What a network of the front is not beaten on: errors, then costs; what is not known is worst."""
    figures = (number(costs.get(name)) for name in COSTS[1:])
    return 1 - (number(share) or 0), *(math.inf if figure is None else figure for figure in figures)


def _folder_of(search: Path, trial: Trial) -> Path:
    """The trial's run beside the summary, wherever the search was moved to since."""
    return search / trial.run


def _course(folder: Path) -> list[float | None]:
    try:
        rows = items(Run(folder).read(RESULTS).get("curves"))
    except RunError:
        return []
    return [number(row.get("validation_accuracy")) for row in rows if isinstance(row, Mapping)]


def _budget(limits: object) -> str:
    if not isinstance(limits, Mapping):
        return ""
    try:
        return str(Budget.of(None, **{name: number(limits.get(name)) for name in LIMITS}))
    except UsageError:
        return ""


def number(value: object) -> float | None:
    """The number, where it is one and finite; a whole one stays whole.

    >>> number(3), number("3"), number(float("nan")), number(True)
    (3, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not -LARGEST <= value <= LARGEST:
        return None
    return value


def _whole(value: object) -> int | None:
    found = number(value)
    return None if found is None else int(found)


def items(value: object) -> list[Any]:
    """The list, or nothing where there is none."""
    return list(value) if isinstance(value, list | tuple) else []


def known(values: Iterable[float | None]) -> list[float]:
    """The values that are there."""
    return [value for value in values if value is not None]
