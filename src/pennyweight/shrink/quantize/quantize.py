"""`pennyweight quantize`: the network of a run on integers, and what that costs in accuracy."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pennyweight.core.errors import DataError, RunError, unknown
from pennyweight.core.run import SETTINGS, Run
from pennyweight.core.shown import Shown
from pennyweight.core.units import counted
from pennyweight.data.images import LabelledImages, Part
from pennyweight.fit.accuracy import Accuracy
from pennyweight.fit.card import write_card
from pennyweight.fit.compare import mcnemar
from pennyweight.fit.device import choose_device, out_of_memory_told
from pennyweight.fit.loop import Progress
from pennyweight.fit.network import TrainedNetwork
from pennyweight.fit.recipe import Recipe
from pennyweight.fit.train import images_of, recipe_of
from pennyweight.shrink.quantize.calibrated import (
    IMAGES,
    LOSS_IMAGES,
    Made,
    Pair,
    Rounding,
    calibrated,
    calibration_notes,
    check_ways,
    clipping_notes,
    drawn,
)
from pennyweight.shrink.quantize.fine_tune import fine_tuned
from pennyweight.shrink.quantize.fold import fold
from pennyweight.shrink.quantize.integers import Scales
from pennyweight.shrink.quantize.kept import FOLDER, keep
from pennyweight.shrink.quantize.loss import StepLoss, step_losses
from pennyweight.shrink.quantize.ranges import Calibration

PARTS = ("validation", "test", "train")

DROP_POINTS = 0.3
"""A larger drop of accuracy, in percentage points, is followed by fine-tuning unless told."""

EPOCHS = 2
"""How long a fine-tuning takes."""


@dataclass(frozen=True, slots=True)
class Quantized(Shown):
    """A network in float and on integers, asked the same images of `part`.

    Of these, `only_float_right` and `only_int8_right` were answered rightly by one of the two, `same_answers` alike by
    both. `steps` begin with what costs most. `fine_tuned_epochs` is 0 where the drop was small, `opened` counts the
    looks at the test part. `run` is the run's folder, and `kept` the one in it that holds the network and all this;
    of a .tflite file they are the file, and the one that was made of it.
    """

    run: Path
    network: str
    source: str
    part: str
    float_accuracy: Accuracy
    int8_accuracy: Accuracy
    only_float_right: int
    only_int8_right: int
    same_answers: int
    steps: tuple[StepLoss, ...]
    calibration: Calibration
    calibration_images: int
    rounding: Rounding
    fine_tuned_epochs: int
    weight_bytes: int
    opened: int
    notes: tuple[str, ...]
    kept: Path

    @staticmethod
    def of(pair: Pair, made: Made, steps: tuple[StepLoss, ...], **facts: Any) -> Quantized:
        """What the answers of a pair say, with all other `facts`."""
        return Quantized(
            float_accuracy=Accuracy(int(pair.float_right.sum()), len(pair.float_right)),
            int8_accuracy=Accuracy(int(pair.int8_right.sum()), len(pair.int8_right)),
            only_float_right=int((pair.float_right & ~pair.int8_right).sum()),
            only_int8_right=int((pair.int8_right & ~pair.float_right).sum()),
            same_answers=pair.same_answers,
            steps=steps,
            weight_bytes=made.integers.weight_bytes,
            **facts,
        )

    @property
    def drop_points(self) -> float:
        """How many percentage points of accuracy the integers cost; negative where they gain."""
        return 100 * (self.float_accuracy.share - self.int8_accuracy.share)

    @property
    def p_value(self) -> float:
        """The chance of so uneven a split, or a more uneven one, between two networks that are equally good."""
        return mcnemar(self.only_float_right, self.only_int8_right)

    def as_json(self) -> dict[str, Any]:
        """The result as JSON types."""
        accuracies: dict[str, Any] = {}
        for name, accuracy in (("float", self.float_accuracy), ("int8", self.int8_accuracy)):
            accuracies |= {
                f"{name}_accuracy": accuracy.share,
                f"{name}_correct": accuracy.correct,
                f"{name}_interval": list(accuracy.interval),
            }
        return {
            "run": str(self.run),
            "network": self.network,
            "source": self.source,
            "part": self.part,
            "n": self.int8_accuracy.n,
            **accuracies,
            "drop_points": self.drop_points,
            "only_float_right": self.only_float_right,
            "only_int8_right": self.only_int8_right,
            "p_value": self.p_value,
            "same_answers": self.same_answers,
            "steps": [_step_json(step) for step in self.steps],
            "calibration": self.calibration,
            "calibration_images": self.calibration_images,
            "rounding": self.rounding,
            "fine_tuned_epochs": self.fine_tuned_epochs,
            "weight_bytes": self.weight_bytes,
            "test_openings": self.opened,
            "notes": list(self.notes),
            "kept": str(self.kept),
        }


def _step_json(step: StepLoss) -> dict[str, Any]:
    ratio_db = step.signal_to_noise_db
    return asdict(step) | {"signal_to_noise_db": ratio_db if math.isfinite(ratio_db) else None}


@out_of_memory_told("quantisation", "stop other programs, or take --device cpu")
def quantize(
    run: Path | str,
    images: LabelledImages | None = None,
    *,
    part: Literal["validation", "test", "train"] = "validation",
    calibration: Calibration = "mse",
    calibration_images: int = IMAGES,
    rounding: Rounding = "nearest",
    drop_points: float = DROP_POINTS,
    data_dir: Path | None = None,
    device: str = "auto",
    on_progress: Callable[[Progress], None] | None = None,
) -> Quantized:
    """The network of a finished run in int8, kept in the run folder, and both accuracies on one part of its images.

    Ranges are those of `calibration` on so many training images. Weights are rounded to the `nearest` integers, and
    biases make up for it; or in the `adaptive` way, which takes longer and brings the answers closer to float.
    Where int8 loses more than `drop_points` percentage points on the validation part (on the calibration images where
    there is none), it is fine-tuned for EPOCHS epochs, and kept so if that is better; `on_progress` watches.
    Looking at the test part is counted in the run folder, before the look.
    `images` are needed only where the training was begun in Python with images of its own.
    Raises GraphError that lists every layer without an integer form; DataError where the part is empty or the
    calibration images say nothing; RunError for a folder that is not whole, or where its images have changed since.
    """
    if part not in PARTS:
        raise unknown("part", part, PARTS)
    check_ways(calibration, calibration_images, rounding)
    folder = Run.open(run)
    trained = TrainedNetwork.of(folder, choose_device(device))
    tensors = {name: tensor.cpu().numpy() for name, tensor in trained.module.state_dict().items()}
    network = fold(trained.graph, tensors)
    images = images or images_of(folder, data_dir)
    if images.fingerprint != folder.read(SETTINGS).get("fingerprint"):
        raise RunError(
            f"{folder.folder}: {images.name} is not what this network was trained on: its test part may be leaked",
            hint="bring the original images back, or train again",
        )
    recipe = recipe_of(folder)
    train, validation = images.split(recipe.validation)
    if part == "validation" and not len(validation):
        raise DataError(f"{folder.folder}: no images were held out for validation", hint="take --part train or test")
    seen = drawn(train, calibration_images)
    notes = calibration_notes(seen, images.class_names)

    made = calibrated(network, trained, seen, calibration, rounding)
    judge = validation if len(validation) else seen
    before = Pair.of(trained, made.integers, judge)
    epochs = 0
    if 100 * before.drop > drop_points:
        tuned = _fine_tuned(made, trained, train, validation, recipe, on_progress)
        after = Pair.of(trained, tuned.integers, judge)
        told = f"int8 lost {100 * before.drop:.2f} points; after {counted(EPOCHS, 'epoch')} of fine-tuning it loses "
        told += f"{100 * after.drop:.2f}"
        if after.drop < before.drop:
            made, before, epochs = tuned, after, EPOCHS
            notes.append(told)
        else:
            notes.append(f"{told}, so that this was taken back")
    opened = folder.count_opening() if part == "test" else len(folder.openings())
    pair = before
    if part != "validation":
        pair = Pair.of(trained, made.integers, images.open_test() if part == "test" else train)
    losses = step_losses(made.executor, made.scales, judge.images[:LOSS_IMAGES], trained.normalisation)
    notes += clipping_notes(losses)
    found = Quantized.of(
        pair,
        made,
        losses,
        run=folder.folder,
        network=trained.graph.text,
        source=images.name,
        part=part,
        calibration=calibration,
        calibration_images=len(seen),
        rounding=rounding,
        fine_tuned_epochs=epochs,
        opened=opened,
        notes=tuple(notes),
        kept=folder.folder / FOLDER,
    )
    try:
        keep(folder, made.integers, found.as_json() | {"created": datetime.now(UTC).isoformat(timespec="seconds")})
        write_card(folder)
    except RunError as error:  # no look is lost
        raise RunError(f"{error}; the accuracy in int8 is {found.int8_accuracy}", hint=error.hint) from error
    return found


def _fine_tuned(
    made: Made,
    trained: TrainedNetwork,
    train: Part,
    validation: Part,
    recipe: Recipe,
    on_progress: Callable[[Progress], None] | None,
) -> Made:
    normalisation, teacher = trained.normalisation, trained.logits(train.images)
    learnt = fine_tuned(
        made.executor,
        made.scales,
        trained.graph,
        train,
        validation,
        teacher,
        normalisation,
        recipe,
        EPOCHS,
        on_progress,
    )
    return Made.of(learnt, Scales.of(learnt, made.scales.tensors), trained)
