"""How well the C of a network answers, which is what a board computes; and the network of a .tflite file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pennyweight.core.errors import DataError, GraphError, RunError
from pennyweight.core.files import write_json, writing
from pennyweight.core.run import Run
from pennyweight.core.shown import Shown
from pennyweight.data.images import LabelledImages, Pixels
from pennyweight.data.source import open_source
from pennyweight.deploy.c.host import HostProgram
from pennyweight.deploy.deployable import TfliteFile, open_deployable, open_tflite
from pennyweight.deploy.tflite.read import FloatNetwork
from pennyweight.deploy.trained import trained_network
from pennyweight.deploy.watching import Watcher, unwatched
from pennyweight.fit.accuracy import Accuracy
from pennyweight.fit.asked import Asked, asked_images, check_part, check_shape, labels_as, part_of, usual_part
from pennyweight.fit.card import write_card
from pennyweight.fit.compare import mcnemar
from pennyweight.fit.device import choose_device, out_of_memory_told
from pennyweight.fit.judgement import Judged, Judgement, judge
from pennyweight.fit.network import TrainedNetwork
from pennyweight.net.integer.network import IntegerNetwork
from pennyweight.net.integer.reference import dequantise
from pennyweight.net.ops import Softmax
from pennyweight.shrink.quantize.kept import FOLDER

Form = Literal["firmware", "float32"]

Reals = npt.NDArray[np.float64]

Answering = Callable[[Pixels], Reals]
"""Gives uint8 images `(count, height, width, channels)` chances `(count, classes)`."""

IMAGES_AT_ONCE = 256
"""So many images go into the C at once; in between Ctrl-C is heard."""


@dataclass(frozen=True, slots=True)
class AgainstFloat:
    """The same images answered in float32: how many of them only one of the two got right, or both answered alike."""

    accuracy: Accuracy
    only_float_right: int
    only_firmware_right: int
    same_answers: int

    @property
    def p_value(self) -> float:
        """The chance of so uneven a split, or a more uneven one, between two networks that are equally good."""
        return mcnemar(self.only_float_right, self.only_firmware_right)

    def as_json(self) -> dict[str, Any]:
        """The result as JSON types."""
        return {
            "accuracy": self.accuracy.share,
            "correct": self.accuracy.correct,
            "interval": list(self.accuracy.interval),
            "only_float_right": self.only_float_right,
            "only_firmware_right": self.only_firmware_right,
            "same_answers": self.same_answers,
            "p_value": self.p_value,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployedEvaluation(Judged, Shown):
    """How well a network answered: `firmware` is its C, compiled for this machine, `float32` a .tflite's in PyTorch.

    `network` is the run folder or the file. `opened` counts looks at the run's test part; `ms_per_image` is the mean
    time of an image on this machine. A file has no `against_float`, no `opened` and no `kept`.
    """

    network: Path
    form: Form
    ms_per_image: float
    opened: int | None
    against_float: AgainstFloat | None
    kept: Path | None

    def as_json(self) -> dict[str, Any]:
        """The result as JSON types."""
        return {
            "network": str(self.network),
            "form": self.form,
            **Judged.as_json(self),
            "test_openings": self.opened,
            "ms_per_image": self.ms_per_image,
            "against_float": None if self.against_float is None else self.against_float.as_json(),
            "kept": None if self.kept is None else str(self.kept),
        }


@out_of_memory_told("evaluation", "stop other programs, or take --device cpu")
def evaluate_firmware(
    run: Path | str,
    source: str | LabelledImages | None = None,
    *,
    part: Literal["test", "validation", "train", "all"] | None = None,
    data_dir: Path | None = None,
    device: str = "auto",
    on_progress: Watcher = unwatched,
) -> DeployedEvaluation:
    """How well the C of a quantised run answers, compiled for this machine, beside the run's network in float32.

    The C is that which `export` writes. Images, parts and openings are those of `evaluate`. The result is kept in the
    run folder, beside the integer network, and its model card is written anew.
    Raises RunError for a run that is not quantised, MissingExtraError where there is no C compiler; else as `evaluate`.
    """
    folder = Run.open(run)
    trained = TrainedNetwork.of(folder, choose_device(device))
    network = open_deployable(folder.folder).network
    asked = asked_images(folder, trained.class_names, network.input_shape, source, part, data_dir)
    on_progress("compiling", 0, len(asked.chosen))
    answering = _in_firmware(network, on_progress)
    opened = asked.count_opening(folder)
    chances, ms_per_image = _timed(answering, asked.chosen.images)
    told = judge(asked, trained.class_names, chances)
    on_progress("answering in float32", 0, len(asked.chosen))
    exact = trained.logits(asked.chosen.images).numpy().argmax(1)
    right = exact == asked.chosen.labels
    kept = folder.subfolder(FOLDER) / f"firmware-{asked.name}.json"
    found = _evaluation(
        folder.folder,
        "firmware",
        told,
        chances,
        ms_per_image,
        opened=opened,
        against_float=AgainstFloat(
            Accuracy(int(right.sum()), len(right)),
            only_float_right=int((right & ~told.right).sum()),
            only_firmware_right=int((told.right & ~right).sum()),
            same_answers=int((exact == told.answers).sum()),
        ),
        kept=kept,
    )
    facts = found.as_json() | {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "fingerprint": asked.fingerprint,
        "labels": asked.chosen.labels.tolist(),
        "answers": told.answers.tolist(),
    }
    try:
        with writing(kept) as path:
            write_json(path, facts)
        write_card(folder)
    except RunError as error:  # no look is lost
        raise RunError(f"{error}; the accuracy is {found.accuracy}", hint=error.hint) from error
    return found


@out_of_memory_told("evaluation", "stop other programs, or take --device cpu")
def evaluate_tflite(
    file: Path | str,
    source: str | LabelledImages,
    *,
    part: Literal["test", "validation", "train", "all"] | None = None,
    data_dir: Path | None = None,
    device: str = "auto",
    on_progress: Watcher = unwatched,
) -> DeployedEvaluation:
    """How well the network of a .tflite file answers: in int8 its C, compiled for this machine, in float32 PyTorch.

    The part is `test` unless told, or `all` where the source has no test part of its own.
    Raises GraphError for a file that cannot be read, DataError where the images are not what it takes or have classes
    that it does not know, MissingExtraError where there is no C compiler.
    """
    check_part(part)
    path = Path(file)
    held = open_tflite(path)
    network = held.network
    asked, names = file_images(source, part, held, data_dir)
    if isinstance(network, FloatNetwork):
        answering = _in_float(trained_network(network, names, choose_device(device)))
    else:
        answering = _in_firmware(network, on_progress)
    chances, ms_per_image = _timed(answering, asked.chosen.images)
    form: Form = "float32" if isinstance(network, FloatNetwork) else "firmware"
    return _evaluation(path, form, judge(asked, names, chances), chances, ms_per_image)


def file_images(
    source: str | LabelledImages, part: str | None, held: TfliteFile, data_dir: Path | None
) -> tuple[Asked, tuple[str, ...]]:
    """The images of a source that the network of a file is asked about, and the names of its classes.

    Where the file tells no names, they are taken to be the source's in its order, which is a note.
    """
    graph, names = held.network.graph, held.class_names
    if isinstance(source, LabelledImages):
        images = source
    else:
        height, width, channels = graph.input_shape
        images = open_source(source, data_dir=data_dir, input_shape=(height, width, channels))
    check_shape(images, graph.input_shape)
    notes = [*held.notes, "what the file's network was trained on is not known: if on these images, this says little"]
    if not names:
        names = images.class_names
        notes.append(f"the file names no classes: they are taken to be those of {images.name}, in its order")
    if len(names) != graph.classes:
        raise DataError(f"the network tells {graph.classes} classes apart, and {images.name} has {len(names)}")
    if isinstance(held.network, FloatNetwork) and set(held.network.mean) == {0} and set(held.network.std) == {1}:
        notes.append("the file tells of no normalisation: pixels enter as they are, from 0 to 255")
    asked = part or usual_part(images)
    chosen = labels_as(names, images, part_of(images, asked, 0))
    return Asked.of(images, asked, chosen, own=False, notes=tuple(notes)), names


def _in_firmware(network: IntegerNetwork, on_progress: Watcher) -> Answering:
    """Answers of the network's C, as `export` writes it."""
    program = HostProgram(network, packing="blocks")
    is_softmax = isinstance(network.steps[-1].op, Softmax)

    def answer(images: Pixels) -> Reals:
        parts = []
        for at in range(0, len(images), IMAGES_AT_ONCE):
            on_progress("answering in C", at, len(images))
            parts.append(program.run(images[at : at + IMAGES_AT_ONCE]))
        return _chances(dequantise(network, np.concatenate(parts)), is_softmax=is_softmax)

    return answer


def _in_float(trained: TrainedNetwork) -> Answering:
    is_softmax = isinstance(trained.graph.layers[-1].op, Softmax)
    return lambda images: _chances(trained.logits(images).numpy(), is_softmax=is_softmax)


def _chances(answers: npt.NDArray[np.float32], *, is_softmax: bool) -> Reals:
    """Answers as chances that add up to 1: probabilities need that where they were rounded."""
    reals = answers.astype(np.float64)
    if not np.isfinite(reals).all():
        raise GraphError("the network answers what is not a number")
    if not is_softmax:
        reals = np.exp(reals - reals.max(1, keepdims=True))
    total = reals.sum(1, keepdims=True)
    return np.where(total > 0, reals / np.where(total > 0, total, 1), 1 / reals.shape[1])


def _timed(answering: Answering, images: Pixels) -> tuple[Reals, float]:
    """The answers, and the milliseconds that each took in the mean."""
    began = perf_counter()
    chances = answering(images)
    return chances, 1e3 * (perf_counter() - began) / len(images)


def _evaluation(
    network: Path,
    form: Form,
    told: Judgement,
    chances: Reals,
    ms_per_image: float,
    *,
    opened: int | None = None,
    against_float: AgainstFloat | None = None,
    kept: Path | None = None,
) -> DeployedEvaluation:
    asked = told.asked
    with np.errstate(divide="ignore"):
        losses = -np.log(chances[np.arange(len(chances)), asked.chosen.labels])
    return DeployedEvaluation(
        network=network,
        form=form,
        source=asked.images.name,
        part=asked.part,
        accuracy=told.accuracy,
        not_blank=told.not_blank,
        loss=float(losses.mean()),
        class_names=told.class_names,
        confusion=told.confusion,
        per_class=told.per_class,
        calibration_error=told.calibration_error,
        reliability=told.reliability,
        mistakes=told.mistakes,
        photos=told.photos,
        ms_per_image=ms_per_image,
        opened=opened,
        against_float=against_float,
        notes=asked.notes,
        kept=kept,
    )
