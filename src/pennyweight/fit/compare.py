"""`pennyweight compare`: the runs side by side, and which differences between them the images can show."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pennyweight.core.errors import DataError, PennyweightError, RunError
from pennyweight.core.run import SEARCH, SETTINGS, Run
from pennyweight.core.search_folder import run_within, search_facts
from pennyweight.core.shown import Shown
from pennyweight.core.units import counted
from pennyweight.core.version import VERSION
from pennyweight.data.images import LabelledImages
from pennyweight.fit.accuracy import Accuracy
from pennyweight.fit.deployed import deployed
from pennyweight.fit.device import choose_device
from pennyweight.fit.epoch_time import seconds_per_epoch
from pennyweight.fit.evaluate import Evaluation, evaluate
from pennyweight.fit.kept import KeptEvaluation, kept_evaluations
from pennyweight.fit.network import TrainedNetwork
from pennyweight.fit.timing import Timing, measure
from pennyweight.fit.train import finished_training, images_of
from pennyweight.net.cost import cost

SIGNIFICANT = 0.05
"""A difference whose p-value is below this is called one."""


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """One run's figures. `weight_bytes` are float32; of int8 `flash_bytes` and `ram_bytes` (tensors and stack) are
    estimates, `peak_ram_bytes` (tensors) is exact.

    `test` is what is kept of a look at the sealed test part, which was opened `opened` times, and `int8_test` that of
    the firmware's C. An accuracy is None where nobody looked. `timing` was taken now, for all runs on one machine.
    """

    run: Path
    network: str
    source: str
    parameters: int
    macs: int
    weight_bytes: int
    flash_bytes: int
    ram_bytes: int
    peak_ram_bytes: int
    epochs: int
    seconds_per_epoch: float | None
    train: Accuracy | None
    validation: Accuracy | None
    test: Accuracy | None
    int8_validation: Accuracy | None
    int8_test: Accuracy | None
    photos: Accuracy | None
    opened: int
    timing: Timing
    fingerprint: str

    def as_json(self) -> dict[str, Any]:
        """The figures as JSON types, under names that carry their units."""
        accuracies: dict[str, Any] = {}
        for part in ("train", "validation", "test", "int8_validation", "int8_test", "photos"):
            accuracy: Accuracy | None = getattr(self, part)
            accuracies[f"{part}_accuracy"] = accuracy.share if accuracy else None
            accuracies[f"{part}_interval"] = list(accuracy.interval) if accuracy else None
            accuracies[f"{part}_n"] = accuracy.n if accuracy else None
        return {
            "run": str(self.run),
            "network": self.network,
            "source": self.source,
            "parameters": self.parameters,
            "macs": self.macs,
            "weight_bytes": self.weight_bytes,
            "flash_bytes": self.flash_bytes,
            "ram_bytes": self.ram_bytes,
            "peak_ram_bytes": self.peak_ram_bytes,
            "epochs": self.epochs,
            "seconds_per_epoch": self.seconds_per_epoch,
            **accuracies,
            "test_openings": self.opened,
            **self.timing.as_json(),
        }


@dataclass(frozen=True, slots=True)
class Difference:
    """How two runs answered the same `n` images: how many only `a` got right, and how many only `b`."""

    a: Path
    b: Path
    part: str
    n: int
    only_a_right: int
    only_b_right: int

    @property
    def p_value(self) -> float:
        """The chance of so uneven a split, or a more uneven one, between two networks that are equally good."""
        return mcnemar(self.only_a_right, self.only_b_right)

    @property
    def says(self) -> str:
        """What the images show of the difference, in words."""
        p = f"p = {self.p_value:.2g}" if self.p_value >= 1e-4 else "p < 0.0001"
        if self.p_value >= SIGNIFICANT:
            return f"no difference that these {self.n:,} images can show ({p})"
        return f"{self.a if self.only_a_right > self.only_b_right else self.b} is better ({p})"

    def as_json(self) -> dict[str, Any]:
        """The difference as JSON types."""
        return {**asdict(self), "a": str(self.a), "b": str(self.b), "p_value": self.p_value}


@dataclass(frozen=True, slots=True)
class Comparison(Shown):
    """Runs side by side. `differences` has the best of those that answered the same images (`a`) against each (`b`)."""

    runs: tuple[ComparedRun, ...]
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The comparison as JSON types."""
        return {
            "runs": [run.as_json() for run in self.runs],
            "comparisons": [difference.as_json() for difference in self.differences],
            "notes": list(self.notes),
        }


def compare(
    runs: Sequence[Path | str],
    *,
    photos: Path | str | None = None,
    data_dir: Path | None = None,
    device: str = "auto",
    on_progress: Callable[[str], None] | None = None,
) -> Comparison:
    """The figures of finished runs, and exact McNemar tests between those that answered the same images.

    The folder of a search stands for the runs on its front. Train accuracy is evaluated where it is not kept yet, and
    accuracy on `photos`, a folder of class folders, every time; `on_progress` is told which run is looked at. The
    sealed test part stays sealed: its accuracy is what `evaluate` left in the run folder. A run that cannot be read is
    left out, and the notes say why.
    Raises RunError where no run is left, DataError where `photos` is no folder.
    """
    photos = None if photos is None else Path(photos)
    if photos is not None and not photos.is_dir():
        raise DataError(f"{photos} is no folder of photos", hint="give a folder that holds one folder a class")
    look = _Look(photos, data_dir, device)
    compared: list[ComparedRun] = []
    answers: list[_Answers] = []
    for folder in dict.fromkeys(_expanded([Path(run) for run in runs], look.notes)):
        if on_progress is not None:
            on_progress(f"looking at {folder}")
        try:
            run, answered = look.at(folder)
        except PennyweightError as error:
            reason = str(error).removeprefix(f"{folder}: ")
            hint = f"; {error.hint}" if error.hint else ""
            version = f" ({made})" if (made := _other_version(folder)) else ""
            look.notes.append(f"{folder} was left out: {reason}{version}{hint}")
        else:
            if made := _other_version(folder):
                look.notes.append(f"{folder}: {made}")
            compared.append(run)
            answers += answered
    if not compared:
        raise RunError("; ".join(["there is no run to compare", *look.notes]))
    if len({run.fingerprint for run in compared}) > 1:
        look.notes.append(
            "the runs were trained on different images, so their accuracies are answers to different tests"
        )
    look.notes += _photos_apart(answers)
    differences = tuple(_differences(answers))
    if len(differences) > len({(each.part, each.a) for each in differences}):
        look.notes.append(
            "each p-value is that of its pair alone; where many are compared, the best is also the luckiest"
        )
    return Comparison(tuple(compared), differences, tuple(look.notes))


def mcnemar(only_a_right: int, only_b_right: int) -> float:
    """The p-value of the exact two-sided test that two networks are equally good, from the images where one is wrong.

    Under that hypothesis each such image is a toss of a fair coin (Q. McNemar, Psychometrika 12, 1947).

    >>> mcnemar(1, 8), mcnemar(4, 4), mcnemar(0, 0)
    (0.0390625, 1.0, 1.0)
    """
    n, term, total = only_a_right + only_b_right, 1, 0
    for k in range(min(only_a_right, only_b_right) + 1):
        total += term
        term = term * (n - k) // (k + 1)
    return min(1.0, float(2 * total / 2**n))


@dataclass(frozen=True, slots=True)
class _Answers:
    """Which images of a part a run answered rightly; `images` are equal where two runs were asked the same."""

    run: ComparedRun
    part: str
    images: tuple[str, bytes]
    right: npt.NDArray[np.bool_]


class _Look:
    """What `compare` sees in one run after the other; the images of the last one stay open for the next."""

    def __init__(self, photos: Path | None, data_dir: Path | None, device: str) -> None:
        self._photos, self._data_dir, self._device = photos, data_dir, device
        self._where = choose_device(device)
        self._images: LabelledImages | None = None
        self.notes: list[str] = []

    def at(self, folder: Path) -> tuple[ComparedRun, list[_Answers]]:
        """The figures of the run in `folder`, and its answers where they are kept."""
        run = Run.open(folder)
        training, fingerprint = finished_training(run), str(run.read(SETTINGS).get("fingerprint"))
        network = TrainedNetwork.of(run, self._where)
        photos = self._own_photos(run)
        left_out: dict[str, str] = {}
        kept, int8 = kept_evaluations(run, left_out), deployed(run, left_out)
        on_integers = {part: each.int8 for part, each in int8.accuracies.items()} if int8 else {}
        self.notes += left_out.values()
        train = kept["train"].accuracy if "train" in kept else self._train(run, fingerprint)
        in_float32, in_int8 = cost(network.graph, bits=32), cost(network.graph, bits=8)
        figures = ComparedRun(
            run=folder,
            network=training.network,
            source=training.source,
            parameters=training.parameters,
            macs=in_int8.macs,
            weight_bytes=in_float32.weight_bytes,
            flash_bytes=in_int8.flash_bytes,
            ram_bytes=in_int8.ram_bytes,
            peak_ram_bytes=in_int8.peak_ram_bytes,
            epochs=training.epochs,
            seconds_per_epoch=seconds_per_epoch(training.curves),
            train=train,
            validation=training.validation,
            test=kept["test"].accuracy if "test" in kept else None,
            int8_validation=on_integers.get("validation"),
            int8_test=on_integers.get("test"),
            photos=photos.accuracy if photos else None,
            opened=len(run.openings()),
            timing=measure(network, np.zeros((1, *network.graph.input_shape), np.uint8)),
            fingerprint=fingerprint,
        )
        names = {"test": "test", "validation": "validation"} | ({"photos": photos.kept.stem} if photos else {})
        told = {part: kept[name] for part, name in names.items() if name in kept}
        return figures, [_answers(figures, part, each) for part, each in told.items() if len(each.answers)]

    def _train(self, run: Run, fingerprint: str) -> Accuracy | None:
        try:
            images = self._images_of(run)
            if images.fingerprint != fingerprint:
                raise DataError(f"the images of {images.name} are not the ones that it was trained on")
            return evaluate(run.folder, images, part="train", device=self._device).accuracy
        except PennyweightError as error:
            way = f"; {error.hint}" if error.hint else ""
            self.notes.append(f"{run.folder}: its train accuracy is not known: {error}{way}")
            return None

    def _own_photos(self, run: Run) -> Evaluation | None:
        if self._photos is None:
            return None
        try:
            found = evaluate(run.folder, str(self._photos.resolve()), part="all", device=self._device)
        except PennyweightError as error:
            self.notes.append(f"{run.folder}: the photos could not be answered: {error}")
            return None
        if found.not_blank is not None:
            blank = found.accuracy.n - found.not_blank.n
            self.notes.append(
                f"{run.folder}: nothing was found in {blank:,} of {counted(found.accuracy.n, 'photo')}; "
                f"without them its accuracy is {found.not_blank}"
            )
        return found

    def _images_of(self, run: Run) -> LabelledImages:
        settings, opened = run.read(SETTINGS), self._images
        wanted = settings.get("source"), settings.get("input_shape")
        if opened is None or wanted != (opened.source, list(opened.input_shape)):
            self._images = None  # the old ones go before the new ones come
            opened = self._images = images_of(run, self._data_dir, fetch=False)
        return opened


def _expanded(folders: Sequence[Path], notes: list[str]) -> Iterator[Path]:
    """The folders, with those of the runs on its front in the place of a search's."""
    for folder in folders:
        if not _is_search(folder):
            yield folder
            continue
        try:
            facts = search_facts(folder)
            ended = "front" in facts
            told = [str(entry["run"]) for entry in facts["front" if ended else "trials"]]
        except (RunError, LookupError, TypeError) as error:
            why = str(error) if isinstance(error, RunError) else f"{SEARCH} cannot be read: {error!r}"
            notes.append(f"{folder} was left out: {why.removeprefix(f'{folder}: ')}")
            continue
        if not ended:
            notes.append(f"{folder}: the search has not ended, so every trial is compared")
        for name in told:
            try:
                yield run_within(folder, name)
            except RunError as error:
                notes.append(f"left out: {error}")


def _is_search(folder: Path) -> bool:
    try:
        return (folder / SEARCH).is_file()
    except OSError:  # a name that is too long, say: whoever opens it as a run tells that
        return False


def _answers(run: ComparedRun, part: str, kept: KeptEvaluation) -> _Answers:
    return _Answers(run, part, (kept.fingerprint, kept.labels.tobytes()), kept.labels == kept.answers)


def _photos_apart(answers: Sequence[_Answers]) -> Iterator[str]:
    """What a reader must know of answers to the photos between which no difference is tested."""
    groups: dict[tuple[str, bytes], list[str]] = {}
    for each in answers:
        if each.part == "photos":
            groups.setdefault(each.images, []).append(str(each.run.run))
    if len(groups) > 1:
        yield (
            "the photos were brought to different shapes, geometries or classes, so their answers are tested only "
            f"within each of: {'; '.join(map(', '.join, groups.values()))}"
        )


def _differences(answers: Sequence[_Answers]) -> Iterator[Difference]:
    """The best of each group that answered the same images, against each of the others."""
    groups: dict[tuple[str, tuple[str, bytes]], list[_Answers]] = {}
    for each in answers:
        groups.setdefault((each.part, each.images), []).append(each)
    for (part, _), group in groups.items():
        best = max(group, key=lambda each: (int(each.right.sum()), -each.run.parameters))
        for other in group:
            if other is not best:
                a, b = best.right, other.right
                yield Difference(best.run.run, other.run.run, part, len(a), int((a & ~b).sum()), int((b & ~a).sum()))


def _other_version(folder: Path) -> str:
    """Which other version made a run; nothing where this one did."""
    try:
        made_by = Run(folder).read(SETTINGS).get("pennyweight")
    except RunError:
        return ""
    return "" if made_by == VERSION else f"it was made by version {made_by}, this is {VERSION}"
