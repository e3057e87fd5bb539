"""`pennyweight evaluate`: how well a trained network answers, on the part of the images that is asked for."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch.nn.functional as F

from pennyweight.core.errors import DataError, RunError, UsageError
from pennyweight.core.run import EVALUATIONS, RESULTS, SETTINGS, Run
from pennyweight.core.shown import Shown
from pennyweight.core.text import command, visible
from pennyweight.data.decode import encode_png
from pennyweight.data.folder import scan_folder
from pennyweight.data.geometry import Geometry
from pennyweight.data.images import SEALED_NOTE, LabelledImages, Part, fingerprint_of
from pennyweight.data.photos import Photos, open_photos
from pennyweight.data.source import NAMES, open_source
from pennyweight.fit.accuracy import Accuracy
from pennyweight.fit.answer import Answer
from pennyweight.fit.calibration import Bin, calibration_error, reliability
from pennyweight.fit.card import write_card
from pennyweight.fit.class_figures import ClassFigures, class_figures
from pennyweight.fit.contact_sheet import contact_sheet
from pennyweight.fit.device import choose_device, out_of_memory_told
from pennyweight.fit.epoch_time import seconds_per_epoch
from pennyweight.fit.network import TrainedNetwork
from pennyweight.fit.predict import as_tensor
from pennyweight.fit.timing import Timing, measure
from pennyweight.fit.train import images_of, recipe_of

PARTS = ("test", "validation", "train", "all")

MISTAKES_KEPT = 24
PHOTOS_KEPT = 200
PICTURES_MAX_BYTES = 16 << 20
"""How many pictures an evaluation holds at most, and how many bytes of PNG: it must be read again, as text."""


@dataclass(frozen=True, slots=True)
class Evaluation(Shown):
    """How well a network answered: `confusion[true][answered]` counts images, `opened` looks at the test part.

    `mistakes` are the wrong answers of most confidence, that of most first; `photos` are all answers where the images
    are a user's own photos, and `not_blank` the accuracy on those in which something was found, None where that is all
    of them or none. `seconds_per_epoch` is what an epoch of the training took, the median. `kept` is the file in the
    run folder that holds all this, `contact_sheet` the one that shows the photos, or else the mistakes; None where
    there are none.
    """

    run: Path
    source: str
    part: str
    accuracy: Accuracy
    not_blank: Accuracy | None
    loss: float
    class_names: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    opened: int
    per_class: tuple[ClassFigures, ...]
    calibration_error: float
    reliability: tuple[Bin, ...]
    mistakes: tuple[Answer, ...]
    photos: tuple[Answer, ...]
    timing: Timing
    seconds_per_epoch: float | None
    notes: tuple[str, ...]
    kept: Path
    contact_sheet: Path | None

    def as_json(self) -> dict[str, Any]:
        """The result as JSON types."""
        return {
            "run": str(self.run),
            "source": self.source,
            "part": self.part,
            "accuracy": self.accuracy.share,
            "correct": self.accuracy.correct,
            "interval": list(self.accuracy.interval),
            "n": self.accuracy.n,
            "not_blank": None if self.not_blank is None else asdict(self.not_blank),
            "loss": self.loss,
            "classes": list(self.class_names),
            "confusion": [list(row) for row in self.confusion],
            "test_openings": self.opened,
            "per_class": [asdict(each) for each in self.per_class],
            "calibration_error": self.calibration_error,
            "reliability": [asdict(each) for each in self.reliability],
            "mistakes": [each.as_json() for each in self.mistakes],
            "photos": [each.as_json() for each in self.photos],
            "timing": self.timing.as_json(),
            "seconds_per_epoch": self.seconds_per_epoch,
            "notes": list(self.notes),
            "kept": str(self.kept),
        }


@out_of_memory_told("evaluation", "stop other programs, or take --device cpu")
def evaluate(
    run: Path | str,
    source: str | LabelledImages | None = None,
    *,
    part: Literal["test", "validation", "train", "all"] | None = None,
    data_dir: Path | None = None,
    device: str = "auto",
) -> Evaluation:
    """Accuracy, loss, confusion and more of a finished run on one part of its own images, or of another source.

    A folder as source holds photos: each is brought to the geometry of the images that the network was trained on.
    The part is `test` unless told, or `all` of another source that has no test part of its own. Looking at the run's
    own test part is counted in the run folder, before the look. What was found is kept in the run folder, instead of
    what was found before on this part or on the same images of another source; the model card is renewed. A picture or
    a card that cannot be written is a note.
    Raises RunError for a folder that is not whole or cannot be written, or where its own images have changed since;
    DataError where another source has classes that the network does not know, or an empty part.
    """
    if part is not None and part not in PARTS:
        raise UsageError(f"unknown part {part!r}", hint=f"known: {', '.join(PARTS)}")
    folder = Run.open(run)
    run = folder.folder
    network = TrainedNetwork.of(folder, choose_device(device))
    settings = folder.read(SETTINGS)
    images = _images(folder, settings, network, source, data_dir)
    own = isinstance(images, LabelledImages) and images.fingerprint == settings.get("fingerprint")
    if source is None and not own:
        raise RunError(
            f"{run}: {images.name} is not what this network was trained on: its test part may be leaked",
            hint=f"to evaluate on them all the same: {command('evaluate', run, settings['source'])}",
        )
    if own and part == "all":
        raise UsageError("part `all` would mix training and test images of the run's own source")
    if images.input_shape != network.graph.input_shape:
        raise DataError(f"the network takes {network.graph.input_shape}, {images.name} has {images.input_shape}")
    if isinstance(images, Photos):
        images = images.of_classes(network.class_names)
    asked = part or _usual_part(images, settings)
    if isinstance(images, Photos):
        images = images.of_part(asked)
        chosen = _labels_as(network.class_names, images, images.pictures)
    else:
        chosen = _labels_as(network.class_names, images, _part(images, asked, recipe_of(folder).validation))
    if not len(chosen):
        raise DataError(f"the {asked} part of {images.name} is empty")

    opened = folder.count_opening() if own and asked == "test" else len(folder.openings())
    out = network.logits(chosen.images)
    if not out.isfinite().all():
        raise RunError(
            f"{run}: the network answers what is not a number", hint="train again with a lower learning rate"
        )
    labels = as_tensor(chosen.labels)
    chances = out.double().softmax(1).numpy()
    answers, confidences = chances.argmax(1), chances.max(1)
    right = answers == chosen.labels
    confusion = np.zeros((len(network.class_names),) * 2, np.int64)
    np.add.at(confusion, (chosen.labels, answers), 1)
    bins = reliability(confidences, right)

    def answer(place: int) -> Answer:
        return Answer(
            index=place,
            true=network.class_names[chosen.labels[place]],
            answer=network.class_names[answers[place]],
            confidence=float(confidences[place]),
            png=encode_png(chosen.images[place]),
            **(images.facts_of(place) if isinstance(images, Photos) else {}),
        )

    wrong = np.flatnonzero(~right)
    worst = wrong[np.argsort(-confidences[wrong], kind="stable")][:MISTAKES_KEPT]
    photos = range(min(len(chosen), PHOTOS_KEPT)) if isinstance(images, Photos) else ()
    fingerprint = fingerprint_of(chosen)
    name = asked if own else _name(images.name, asked, fingerprint)
    found = Evaluation(
        run=run,
        source=images.name,
        part=asked,
        accuracy=Accuracy(int(right.sum()), len(chosen)),
        not_blank=_not_blank(right, images.blank) if isinstance(images, Photos) else None,
        loss=float(F.cross_entropy(out, labels)),
        class_names=network.class_names,
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        opened=opened,
        per_class=class_figures(network.class_names, confusion),
        calibration_error=calibration_error(bins),
        reliability=bins,
        mistakes=_first(map(answer, worst.tolist())),
        photos=_first(map(answer, photos)),
        timing=measure(network, chosen.images),
        seconds_per_epoch=seconds_per_epoch(folder.read(RESULTS).get("curves") or ()),
        notes=images.notes if isinstance(images, Photos) else _as_they_are(images, own, settings),
        kept=folder.folder / EVALUATIONS / f"{name}.json",
        contact_sheet=None,
    )
    facts = {"fingerprint": fingerprint, "labels": chosen.labels.tolist(), "answers": answers.tolist()}
    return _kept(folder, name, found, facts)


def _images(
    run: Run,
    settings: Mapping[str, Any],
    network: TrainedNetwork,
    source: str | LabelledImages | None,
    data_dir: Path | None,
) -> LabelledImages | Photos:
    """The images that were asked for: those of the run, those of another source, or the photos in a folder."""
    if source is None:
        return images_of(run, data_dir)
    if isinstance(source, LabelledImages):
        return source
    height, width, channels = network.graph.input_shape
    shape = height, width, channels
    folder = Path(source).expanduser()
    if source not in NAMES and folder.is_file() and folder.suffix != ".npz":
        raise DataError(
            f"{source} is neither a folder nor an .npz: a photo is counted by its class",
            hint=f"put it into a folder named like its class, PHOTOS/{network.class_names[0]}/ say, and give PHOTOS/",
        )
    if source in NAMES or not folder.is_dir():
        return open_source(source, data_dir=data_dir, input_shape=shape)
    # A copy of the run's own folder is no folder of photos: its test part is sealed all the same.
    if _may_be_runs(folder, settings):
        with suppress(DataError):
            images = open_source(source, data_dir=data_dir, input_shape=shape)
            if _is_runs(images, settings):
                return images
    return open_photos(folder, _geometry(run, settings, shape), shape)


def _geometry(run: Run, settings: Mapping[str, Any], input_shape: tuple[int, int, int]) -> Geometry | None:
    """The geometry of the images that a run was trained on; a run from before it was measured has none."""
    facts = settings.get("geometry")
    try:
        geometry = None if facts is None else Geometry.from_json(facts)
        if geometry and (len(geometry.ground) not in (1, input_shape[2]) or geometry.box > max(input_shape[:2])):
            raise ValueError(f"{geometry} in {len(geometry.ground)} channels does not fit into {input_shape}")
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise RunError(f"{run.folder}: {SETTINGS} has no usable geometry: {error!r}") from error
    return geometry


def _as_they_are(images: LabelledImages, own: bool, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """What a reader must know of another set, which is not brought to the geometry of the training images."""
    if own or settings.get("geometry") is None:
        return ()
    what = (
        f"{images.name}: the images were resized where needed, and not brought to the geometry of the training images"
    )
    return (f"{what}, as photos in a folder are",)


def _may_be_runs(folder: Path, settings: Mapping[str, Any]) -> bool:
    """Whether so many files lie in the class folders as the run learned from, or it lies where the run's images lay."""
    counts, names = settings.get("class_counts"), settings.get("class_names")
    if str(folder.resolve()) == settings.get("source") or not isinstance(counts, list) or not isinstance(names, list):
        return True
    found = Counter(visible(file.class_name) for file in scan_folder(folder).files)
    return all(found[str(name)] >= count for name, count in zip(names, counts, strict=False) if isinstance(count, int))


def _is_runs(images: LabelledImages, settings: Mapping[str, Any]) -> bool:
    """Whether these are the images that the run was trained on, or what lies now where they lay."""
    same_place = images.source != "" and images.source == settings.get("source")
    return same_place or images.fingerprint == settings.get("fingerprint")


def _usual_part(images: LabelledImages | Photos, settings: Mapping[str, Any]) -> str:
    """The part that is evaluated where none is asked for: nobody wants a fifth of their seven photos."""
    if isinstance(images, Photos):
        return "test" if images.sealed.any() else "all"
    return "all" if SEALED_NOTE in images.notes and not _is_runs(images, settings) else "test"


def _part(images: LabelledImages, part: str, validation: float) -> Part:
    match part:
        case "test":
            return images.open_test()
        case "all":
            learning, test = images.learning, images.open_test()
            return Part(np.concatenate([learning.images, test.images]), np.concatenate([learning.labels, test.labels]))
        case _:
            return images.split(validation)[part == "validation"]


def _labels_as(class_names: Sequence[str], images: LabelledImages | Photos, part: Part) -> Part:
    """The part with labels that count in `class_names`; classes are matched by their names."""
    if images.class_names == tuple(class_names):
        return part
    unknown = [name for name in images.class_names if name not in class_names]
    if unknown:
        raise DataError(
            f"{images.name} has classes that the network does not know: {', '.join(unknown)}",
            hint=f"it knows {', '.join(class_names)}",
        )
    order = np.array([class_names.index(name) for name in images.class_names], np.int64)
    return Part(part.images, order[part.labels])


def _not_blank(right: npt.NDArray[np.bool_], blank: npt.NDArray[np.bool_]) -> Accuracy | None:
    """The accuracy on the photos that are not blank; None where that is all of them or none."""
    return Accuracy(int(right[~blank].sum()), int((~blank).sum())) if blank.any() and not blank.all() else None


def _first(answers: Iterable[Answer]) -> tuple[Answer, ...]:
    """The answers whose pictures do not exceed PICTURES_MAX_BYTES together, as they come."""
    kept, room = [], PICTURES_MAX_BYTES
    for each in answers:
        room -= len(each.png)
        if room < 0:
            break
        kept.append(each)
    return tuple(kept)


def _name(source: str, part: str, fingerprint: str) -> str:
    """A file's name for an evaluation of a part of another source, which is no part's and no other images'."""
    word = re.sub(r"[^a-z0-9]+", "-", source.lower()).strip("-")[:80]
    return "-".join(filter(None, (word, part, fingerprint[:8])))


def _kept(run: Run, name: str, found: Evaluation, more: Mapping[str, Any]) -> Evaluation:
    """The evaluation, kept in the run folder with `more` facts, and its pictures and the model card with it.

    Raises RunError with the accuracy where it cannot be kept, so that no look is lost.
    """
    facts = found.as_json() | {
        "loss": found.loss if math.isfinite(found.loss) else None,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        **more,
    }
    try:
        run.keep_evaluation(name, facts)
    except RunError as error:
        raise RunError(f"{error}; the accuracy is {found.accuracy}", hint=error.hint) from error
    sheet, notes = None, []
    try:
        if shown := found.photos or found.mistakes:
            sheet = run.keep_contact_sheet(name, contact_sheet(shown))
    except RunError as error:
        notes.append(str(error))
    try:
        write_card(run)
    except RunError as error:
        notes.append(f"the model card is not renewed: {error}")
    return replace(found, contact_sheet=sheet, notes=(*found.notes, *notes))
