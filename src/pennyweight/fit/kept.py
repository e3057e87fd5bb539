"""What `evaluate` kept in a run folder, read again: checked, for anybody may have written there since."""

from __future__ import annotations

import sys
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pennyweight.core.run import EVALUATIONS, Run
from pennyweight.core.text import visible
from pennyweight.data.images import Labels
from pennyweight.fit.accuracy import Accuracy
from pennyweight.fit.answer import Answer
from pennyweight.fit.calibration import Bin
from pennyweight.fit.class_figures import ClassFigures
from pennyweight.fit.timing import Quartiles, Timing

OWN_PARTS = ("train", "validation", "test")
"""The names of the evaluations of a run's own images; others are those of other sources."""

PNG = b"\x89PNG\r\n\x1a\n"
"""The first bytes of every PNG file (W3C, Portable Network Graphics, 5.2)."""

WHOLE_MAX = 2**53
"""No count of ours is larger; a file may hold integers that no float can."""

KINDS: dict[type, str] = {str: "texts", list: "lists", Mapping: "JSON objects"}
"""What lists are called that hold one kind of value alone."""


@dataclass(frozen=True, eq=False)
class KeptEvaluation:
    """An evaluation as its file tells it; None or empty where a file of an older version does not.

    Every text is fit to be shown. `confusion`, `reliability`, `mistakes` and `photos` are those of an Evaluation.
    `labels` and `answers` have a number for each image, in the order of the images that `fingerprint` stands for.
    """

    source: str
    part: str
    accuracy: Accuracy
    not_blank: Accuracy | None
    loss: float | None
    class_names: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    per_class: tuple[ClassFigures, ...]
    calibration_error: float | None
    reliability: tuple[Bin, ...]
    mistakes: tuple[Answer, ...]
    photos: tuple[Answer, ...]
    timing: Timing | None
    test_openings: int
    fingerprint: str
    labels: Labels
    answers: Labels

    @staticmethod
    def of(facts: Mapping[str, Any]) -> KeptEvaluation:
        """The evaluation that `facts` tell of. Raises ValueError with the reason where they cannot be one's."""
        accuracy = Accuracy(count_of(facts, "correct"), count_of(facts, "n", least=1))
        labels, answers = _classes(facts, "labels"), _classes(facts, "answers")
        if len(labels) != len(answers):
            raise ValueError(f"{len(labels):,} labels and {len(answers):,} answers")
        if len(labels) and accuracy != Accuracy(int((labels == answers).sum()), len(labels)):
            raise ValueError(f"its answers are not those of {accuracy}")
        class_names = tuple(visible(name) for name in list_of(facts, "classes", str))
        return KeptEvaluation(
            source=text_of(facts, "source"),
            part=text_of(facts, "part"),
            accuracy=accuracy,
            not_blank=None if facts.get("not_blank") is None else _not_blank(facts["not_blank"], accuracy),
            loss=number_of(facts, "loss"),
            class_names=class_names,
            confusion=_confusion(facts, len(class_names), accuracy),
            per_class=tuple(map(_class_figures, list_of(facts, "per_class", Mapping))),
            calibration_error=number_of(facts, "calibration_error", most=1),
            reliability=tuple(map(_bin, list_of(facts, "reliability", Mapping))),
            mistakes=tuple(map(_answer, list_of(facts, "mistakes", Mapping))),
            photos=tuple(map(_answer, list_of(facts, "photos", Mapping))),
            timing=None if facts.get("timing") is None else _timing(facts["timing"]),
            test_openings=count_of(facts, "test_openings"),
            fingerprint=text_of(facts, "fingerprint") if "fingerprint" in facts else "",
            labels=labels,
            answers=answers,
        )


def kept_evaluations(run: Run, left_out: dict[str, str]) -> dict[str, KeptEvaluation]:
    """Each kept evaluation by its name, in alphabetic order. `left_out` is told which are malformed, and why."""
    found = {}
    for name, facts in run.evaluations(left_out).items():
        try:
            found[name] = KeptEvaluation.of(facts)
        except ValueError as error:
            left_out[name] = f"{run.folder}: {EVALUATIONS}/{visible(name)}.json is malformed: {error}"
    return found


def _not_blank(facts: object, whole: Accuracy) -> Accuracy:
    if not isinstance(facts, Mapping):
        raise ValueError("its not_blank is no JSON object")
    part = Accuracy(count_of(facts, "correct"), count_of(facts, "n", least=1))
    if part.n >= whole.n or part.correct > whole.correct:
        raise ValueError(f"not_blank, {part}, is no part of {whole}")
    return part


def _confusion(facts: Mapping[str, Any], classes: int, accuracy: Accuracy) -> tuple[tuple[int, ...], ...]:
    rows = list_of(facts, "confusion", list)
    if not rows:
        return ()
    if len(rows) != classes or any(len(row) != classes for row in rows):
        raise ValueError(f"confusion has not a row and a column for each of {classes:,} classes")
    matrix = tuple(tuple(_counted(each, "confusion") for each in row) for row in rows)
    if (sum(matrix[i][i] for i in range(classes)), sum(map(sum, matrix))) != (accuracy.correct, accuracy.n):
        raise ValueError(f"its confusion is not that of {accuracy}")
    return matrix


def _bin(facts: Mapping[str, Any]) -> Bin:
    return Bin(number_of(facts, "confidence", most=1), number_of(facts, "accuracy", most=1), count_of(facts, "n"))


def _answer(facts: Mapping[str, Any]) -> Answer:
    try:
        png = b64decode(text_of(facts, "png_base64"), validate=True)
    except ValueError:
        png = b""
    confidence = number_of(facts, "confidence", most=1)
    if confidence is None or not png.startswith(PNG):
        raise ValueError("a picture of it is no PNG, or has no confidence")
    return Answer(
        index=count_of(facts, "index"),
        true=text_of(facts, "true"),
        answer=text_of(facts, "answer"),
        confidence=confidence,
        png=png,
        file=text_of(facts, "file") if "file" in facts else "",
        note=text_of(facts, "note") if "note" in facts else "",
    )


def _class_figures(facts: Mapping[str, Any]) -> ClassFigures:
    return ClassFigures(
        name=text_of(facts, "name"),
        precision=number_of(facts, "precision", most=1),
        recall=number_of(facts, "recall", most=1),
        f1=number_of(facts, "f1", most=1),
        n=count_of(facts, "n"),
    )


def _timing(facts: object) -> Timing:
    if not isinstance(facts, Mapping):
        raise ValueError("its timing is no JSON object")
    alone, at_best = number_of(facts, "batch1_ms"), number_of(facts, "best_batch_ms_per_image")
    if alone is None or at_best is None:
        raise ValueError("its timing has no times")
    return Timing(
        batch1_ms=alone,
        best_batch=count_of(facts, "best_batch"),
        best_batch_ms_per_image=at_best,
        threads=count_of(facts, "threads"),
        device=text_of(facts, "device"),
        batch1_ms_quartiles=_quartiles(facts, "batch1_ms_quartiles"),
        best_batch_ms_per_image_quartiles=_quartiles(facts, "best_batch_ms_per_image_quartiles"),
    )


def _quartiles(facts: Mapping[str, Any], name: str) -> Quartiles | None:
    match facts.get(name):
        case None:
            return None
        case [lower, upper]:
            low, high = number_of({name: lower}, name), number_of({name: upper}, name)
            if low is not None and high is not None and low <= high:
                return low, high
    raise ValueError(f"{name} are no two numbers in order")


def text_of(facts: Mapping[str, Any], name: str) -> str:
    """A text, fit to be shown. This and those below raise ValueError where there is nothing of the kind."""
    value = facts.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} is no text")
    return visible(value)


def count_of(facts: Mapping[str, Any], name: str, least: int = 0) -> int:
    """A whole number of at least `least`."""
    return _counted(facts.get(name), name, least)


def _counted(value: object, name: str, least: int = 0) -> int:
    if type(value) is not int or not least <= value <= WHOLE_MAX:
        raise ValueError(f"{name} is no count")
    return value


def number_of(facts: Mapping[str, Any], name: str, most: float = sys.float_info.max) -> float | None:
    """A number from 0 to `most`; None where there is none."""
    value = facts.get(name)
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 <= value <= most:
        raise ValueError(f"{name} is no number from 0 to {most:g}")
    return float(value)


def list_of(facts: Mapping[str, Any], name: str, kind: type) -> list[Any]:
    """A list of one kind of value alone; empty where there is none."""
    value = facts.get(name) or []
    if not isinstance(value, list) or not all(isinstance(each, kind) for each in value):
        raise ValueError(f"{name} is no list of {KINDS[kind]}")
    return value


def _classes(facts: Mapping[str, Any], name: str) -> Labels:
    value = facts.get(name) or []
    if not isinstance(value, list) or not all(type(each) is int and 0 <= each <= WHOLE_MAX for each in value):
        raise ValueError(f"{name} is no list of classes")
    return np.array(value, np.int64)
