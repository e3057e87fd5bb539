"""A network on integers that were chosen on images, and what these images, or others, say of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from pennyweight.core.errors import DataError, UsageError, unknown
from pennyweight.core.text import visible
from pennyweight.data.images import Part
from pennyweight.fit.network import TrainedNetwork
from pennyweight.net.graph import INPUT
from pennyweight.net.integer.network import IntegerNetwork
from pennyweight.net.integer.reference import quantise_input
from pennyweight.net.integer.reference import run as run_integers
from pennyweight.shrink.quantize.adaptive import adaptively_rounded
from pennyweight.shrink.quantize.bias import bias_corrected
from pennyweight.shrink.quantize.execute import Executor
from pennyweight.shrink.quantize.fold import FloatNetwork
from pennyweight.shrink.quantize.integers import Scales, input_range, integer_network, tensor_quantizations
from pennyweight.shrink.quantize.loss import StepLoss
from pennyweight.shrink.quantize.ranges import Calibration, ranges

Rounding = Literal["nearest", "adaptive"]

IMAGES = 1024
"""Training images that ranges are seen on unless told."""

DRAW_SEED = 20_177

LOSS_IMAGES = 256
"""Images on which the loss of each step alone is measured."""

CLIPPED_MAX, NOISE_MIN_DB = 0.01, 20
"""A step of whose numbers more are clipped, and which disturbs the answers more than that, is told of."""


def check_ways(calibration: str, images: int, rounding: str) -> None:
    """Raises UsageError for a way that is none."""
    if calibration not in get_args(Calibration):
        raise unknown("calibration", calibration, get_args(Calibration))
    if rounding not in get_args(Rounding):
        raise unknown("rounding", rounding, get_args(Rounding))
    if images < 1:
        raise UsageError(f"{images} calibration images; at least 1 is needed")


@dataclass(frozen=True, eq=False)
class Made:
    """An IntegerNetwork, and what it was made of."""

    executor: Executor
    scales: Scales
    integers: IntegerNetwork

    @staticmethod
    def of(network: FloatNetwork, scales: Scales, trained: TrainedNetwork) -> Made:
        """The network on integers."""
        integers = integer_network(network, scales, trained.normalisation.mean, trained.normalisation.std)
        return Made(Executor(network, trained.device), scales, integers)


def calibrated(
    network: FloatNetwork, trained: TrainedNetwork, seen: Part, calibration: Calibration, rounding: Rounding
) -> Made:
    """The network on integers that cover what was seen, its weights or its biases made up for their rounding."""
    executor, normalisation = Executor(network, trained.device), trained.normalisation
    found = ranges(executor, seen.images, normalisation, calibration)
    found[INPUT] = input_range(normalisation.mean, normalisation.std)
    scales = Scales.of(network, tensor_quantizations(network, found))
    if rounding == "adaptive":
        return Made.of(adaptively_rounded(executor, scales, seen.images, normalisation), scales, trained)
    corrected = bias_corrected(executor, scales, seen.images, normalisation)
    return Made.of(corrected, Scales.of(corrected, scales.tensors), trained)


@dataclass(frozen=True, eq=False)
class Pair:
    """Which images float and int8 answered rightly, and how many they answered alike."""

    float_right: npt.NDArray[np.bool_]
    int8_right: npt.NDArray[np.bool_]
    same_answers: int

    @staticmethod
    def of(trained: TrainedNetwork, integers: IntegerNetwork, part: Part) -> Pair:
        """The answers to the images of a part."""
        exact = trained.logits(part.images).numpy().argmax(1)
        rough = run_integers(integers, quantise_input(integers, part.images)).argmax(1)
        return Pair(exact == part.labels, rough == part.labels, int((exact == rough).sum()))

    @property
    def drop(self) -> float:
        """The share of accuracy that int8 costs."""
        return float(self.float_right.mean() - self.int8_right.mean())


def drawn(part: Part, count: int) -> Part:
    """So many of the images, the same in every call."""
    order = np.random.default_rng(DRAW_SEED).permutation(len(part))
    return part.take(np.sort(order[:count]))


def calibration_notes(seen: Part, class_names: Sequence[str]) -> list[str]:
    """What a reader must know of the calibration images. Raises DataError where they say nothing."""
    flat = seen.images.reshape(len(seen), -1)
    if (flat == flat[:, :1]).all():
        raise DataError(
            f"each of the {len(seen):,} calibration images is of one colour: no range can be seen on them",
            hint="take more with --images, or look at the images: pennyweight data SOURCE",
        )
    classes = np.unique(seen.labels)
    if len(classes) == 1:
        name = visible(class_names[classes[0]])
        return [f"all calibration images are of one class, {name}; others may be clipped: take more with --images"]
    return []


def clipping_notes(losses: Sequence[StepLoss]) -> list[str]:
    """The tensors that leave their ranges more often than they should."""
    clipped = [
        f"{loss.name} ({100 * loss.clipped:.1f} %)"
        for loss in losses
        if loss.clipped > CLIPPED_MAX and loss.signal_to_noise_db < NOISE_MIN_DB
    ]
    if not clipped:
        return []
    return [f"numbers outside of the calibrated range are clipped in {', '.join(clipped)}: try --calibration min-max"]
