"""Judgement: what answers are worth, whoever gave them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pennyweight.data.decode import encode_png
from pennyweight.data.images import Labels
from pennyweight.data.photos import Photos
from pennyweight.fit.accuracy import Accuracy
from pennyweight.fit.answer import Answer
from pennyweight.fit.asked import Asked
from pennyweight.fit.calibration import Bin, calibration_error, reliability
from pennyweight.fit.class_figures import ClassFigures, class_figures

MISTAKES_KEPT = 24
PHOTOS_KEPT = 200
PICTURES_MAX_BYTES = 16 << 20
"""How many pictures an evaluation holds at most, and how many bytes of PNG: it must be read again, as text."""


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """How well answers fit their labels: `confusion[true][answered]` counts images.

    `answers`, `confidences` and `right`, which of them are right, have a value for each image of `asked`.
    `not_blank` is the accuracy on the photos in which something was found, None where that is all of them or none.
    """

    asked: Asked
    class_names: tuple[str, ...]
    answers: Labels
    confidences: npt.NDArray[np.float64]
    right: npt.NDArray[np.bool_]
    accuracy: Accuracy
    not_blank: Accuracy | None
    confusion: tuple[tuple[int, ...], ...]
    per_class: tuple[ClassFigures, ...]
    calibration_error: float
    reliability: tuple[Bin, ...]

    @property
    def mistakes(self) -> tuple[Answer, ...]:
        """The wrong answers of most confidence, that of most first."""
        wrong = np.flatnonzero(~self.right)
        worst = wrong[np.argsort(-self.confidences[wrong], kind="stable")]
        return self._pictured(worst[:MISTAKES_KEPT].tolist())

    @property
    def photos(self) -> tuple[Answer, ...]:
        """The answers to a user's own photos; nothing where the images are no photos."""
        return self._pictured(range(min(len(self.right), PHOTOS_KEPT)) if isinstance(self.asked.images, Photos) else ())

    def _pictured(self, places: Iterable[int]) -> tuple[Answer, ...]:
        """The answers whose pictures do not exceed PICTURES_MAX_BYTES together, as they come."""
        kept, room = [], PICTURES_MAX_BYTES
        for place in places:
            png = encode_png(self.asked.chosen.images[place])
            room -= len(png)
            if room < 0:
                break
            kept.append(self._answer(place, png))
        return tuple(kept)

    def _answer(self, place: int, png: bytes) -> Answer:
        images = self.asked.images
        return Answer(
            index=place,
            true=self.class_names[self.asked.chosen.labels[place]],
            answer=self.class_names[self.answers[place]],
            confidence=float(self.confidences[place]),
            png=png,
            **(images.facts_of(place) if isinstance(images, Photos) else {}),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What every evaluation tells, whoever answered: a Judgement without its images.

    `confusion[true][answered]` counts images. `mistakes` are the wrong answers of most confidence, that of most first;
    `photos` are all answers where the images are a user's own photos, and `not_blank` the accuracy on those in which
    something was found, None where that is all of them or none. `loss` is infinite where a true class was given no
    chance at all.
    """

    source: str
    part: str
    accuracy: Accuracy
    not_blank: Accuracy | None
    loss: float
    class_names: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    per_class: tuple[ClassFigures, ...]
    calibration_error: float
    reliability: tuple[Bin, ...]
    mistakes: tuple[Answer, ...]
    photos: tuple[Answer, ...]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The result as JSON types."""
        return {
            "source": self.source,
            "part": self.part,
            "accuracy": self.accuracy.share,
            "correct": self.accuracy.correct,
            "interval": list(self.accuracy.interval),
            "n": self.accuracy.n,
            "not_blank": None if self.not_blank is None else asdict(self.not_blank),
            "loss": self.loss if math.isfinite(self.loss) else None,
            "classes": list(self.class_names),
            "confusion": [list(row) for row in self.confusion],
            "per_class": [asdict(each) for each in self.per_class],
            "calibration_error": self.calibration_error,
            "reliability": [asdict(each) for each in self.reliability],
            "mistakes": [each.as_json() for each in self.mistakes],
            "photos": [each.as_json() for each in self.photos],
            "notes": list(self.notes),
        }


def judge(asked: Asked, class_names: Sequence[str], chances: npt.NDArray[np.float64]) -> Judgement:
    """The judgement of the answers to the images: `chances` `(count, classes)`, which add up to 1 for each image."""
    labels = asked.chosen.labels
    answers, confidences = chances.argmax(1), chances.max(1)
    right = answers == labels
    confusion = np.zeros((len(class_names),) * 2, np.int64)
    np.add.at(confusion, (labels, answers), 1)
    bins = reliability(confidences, right)
    return Judgement(
        asked=asked,
        class_names=tuple(class_names),
        answers=answers,
        confidences=confidences,
        right=right,
        accuracy=Accuracy(int(right.sum()), len(labels)),
        not_blank=_not_blank(right, asked.images.blank) if isinstance(asked.images, Photos) else None,
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        per_class=class_figures(class_names, confusion),
        calibration_error=calibration_error(bins),
        reliability=bins,
    )


def _not_blank(right: npt.NDArray[np.bool_], blank: npt.NDArray[np.bool_]) -> Accuracy | None:
    """The accuracy on the photos that are not blank; None where that is all of them or none."""
    return Accuracy(int(right[~blank].sum()), int((~blank).sum())) if blank.any() and not blank.all() else None
