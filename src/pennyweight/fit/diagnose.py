"""`pennyweight diagnose`: what went wrong in a training, since which epoch, and what to try next.

Its curves are judged in `fit/curves.py`; here what the images and the answers add to them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from pennyweight.core.errors import PennyweightError, RunError
from pennyweight.core.run import CHECKPOINT, SETTINGS, Run
from pennyweight.core.shown import Shown
from pennyweight.core.text import command
from pennyweight.core.version import VERSION
from pennyweight.data.audit import audit
from pennyweight.data.images import LabelledImages, Part
from pennyweight.fit.accuracy import Accuracy
from pennyweight.fit.checkpoint import curves_so_far
from pennyweight.fit.curves import (
    LEARNED_SKILL,
    ON_THE_WAY,
    SEVERITIES,
    Finding,
    diagnose_curves,
    made_finding,
    number,
)
from pennyweight.fit.device import choose_device
from pennyweight.fit.network import TrainedNetwork
from pennyweight.fit.predict import as_tensor
from pennyweight.fit.train import finished_training, images_of, recipe_of

NOISE_CLASSES = 5
"""With fewer classes the last ranks are too few to tell a wrong label from a weak network."""

NOISE_SHARE, NOISE_FLATNESS = 0.05, 1 / 3
"""Label noise is told where the lower end of its 95 % interval exceeds the first, unless of the labels in the first
third of the ranks behind the answer and in the last third surely (97.5 %) less than the second lie in the last: wrong
labels lie in both alike, while those that a weak network gets wrong become fewer from rank to rank."""

SMALL_NOISE = 0.1
"""Where no less than this would be told, a reader is told so."""

CONSTANT_SHARE, CONSTANT_IMAGES = 0.5, 5
"""A class is constant if this share of its images, and at least so many, are one and the same picture."""

EXACT_SHARE = 0.005
"""So many exact copies among the test images are a fault of the split; no known set has them by chance."""

ONE_ANSWER_SHARE = 0.99
"""A network that gives one answer to this share of validation images does not look at them."""


@dataclass(frozen=True, slots=True)
class Diagnosis(Shown):
    """What was found in a run, the leading finding first; `notes` say what could not be judged.

    `epochs` of the `epochs_asked` for are over; how many those are is None where the recipe cannot be read.
    """

    run: Path
    healthy: bool
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    epochs: int
    epochs_asked: int | None

    def as_json(self) -> dict[str, Any]:
        """The diagnosis as JSON types."""
        return {
            "run": str(self.run),
            "healthy": self.healthy,
            "findings": [finding.as_json() for finding in self.findings],
            "notes": list(self.notes),
            "epochs": self.epochs,
            "epochs_asked": self.epochs_asked,
        }


def diagnose(run: Path | str, images: LabelledImages | None = None, *, data_dir: Path | None = None) -> Diagnosis:
    """What is wrong with a training: its curves, its validation answers and its images, as far as they are there.

    `images` are those of a run that was trained in Python with images of its own; nothing is fetched. The test part's
    pictures are compared with those that were learned from, but no network sees them. Raises RunError where `run` is
    no run folder or its files were changed.
    """
    folder = Run.open(run)
    run = folder.folder
    notes: list[str] = []
    settings = folder.read(SETTINGS)
    if settings.get("pennyweight") != VERSION:
        notes.append(f"the run was made by version {settings.get('pennyweight')}, this is {VERSION}")
    try:
        recipe = recipe_of(folder)
    except RunError as error:
        recipe = None
        notes.append(f"advice is general and answers are not judged, for the recipe cannot be read: {error}")
    classes = len(settings.get("class_names") or ())
    failure = folder.failure()
    curves = _curves(folder, failure, notes)
    if not curves and failure is None:
        notes.append("no epoch has ended: there are no curves to judge")
    elif curves and all(number(row, "validation_loss") is None for row in curves):
        notes.append("no images were held out for validation: overfitting and label noise cannot be seen")
    findings = list(diagnose_curves(curves, classes, recipe=recipe, failure=failure, ended=folder.finished))

    seen = _own_images(folder, images, data_dir, notes)
    if seen is not None:
        accuracy = number(curves[-1], "validation_accuracy") if curves else None
        findings += _in_images(seen, accuracy, notes)
    if seen is not None and recipe is not None and folder.finished:
        _, validation = seen.split(recipe.validation)
        ill = {finding.disease for finding in findings}
        if len(validation) and not ill & {"dead", "diverged"}:
            out = TrainedNetwork.of(folder, choose_device("cpu")).logits(validation.images)
            findings += _in_answers(out, validation, seen.class_names, notes)
    findings = _told(findings)
    healthy = not findings and bool(curves) and folder.finished
    return Diagnosis(run, healthy, tuple(findings), tuple(notes), len(curves), recipe.epochs if recipe else None)


def _told(findings: Sequence[Finding]) -> list[Finding]:
    """The findings in the order of SEVERITIES, without what another one explains."""
    found = {finding.disease: finding for finding in findings}
    noise, by_heart = found.get("label noise"), found.get("overfitting")
    told = list(findings)
    if noise or "dead" in found:
        told = [finding for finding in findings if finding.disease not in ("overfitting", *ON_THE_WAY)]
    if noise and by_heart:
        says = f"{noise.says}; from epoch {by_heart.epoch} on the wrong ones are learned by heart"
        told[told.index(noise)] = replace(noise, epoch=by_heart.epoch, says=says)
    order = list(SEVERITIES)
    return sorted(told, key=lambda finding: order.index(finding.disease))


def _curves(run: Run, failure: Mapping[str, Any] | None, notes: list[str]) -> Sequence[Mapping[str, Any]]:
    """The curves of a run, from its results or else from its checkpoint."""
    if run.finished:
        return finished_training(run).curves
    if failure is None:
        notes.append(f"the training has not ended: {command('train', '--resume', run.folder)}")
    if not (run.folder / CHECKPOINT).is_file():
        notes.append(f"{CHECKPOINT} is missing, which holds the curves of a training that has not ended")
        return ()
    return curves_so_far(run)


def _own_images(
    run: Run, images: LabelledImages | None, data_dir: Path | None, notes: list[str]
) -> LabelledImages | None:
    """The images that the run was trained on; None, with a note, where they are not on this machine."""
    try:
        seen = images or images_of(run, data_dir, fetch=False)
    except PennyweightError as error:
        notes.append(f"judged from the curves alone: {error}")
        return None
    if seen.fingerprint != run.read(SETTINGS).get("fingerprint"):
        notes.append(f"judged from the curves alone: {seen.name} is not what this network was trained on")
        return None
    return seen


def leak_matters(copies: int, exact: int, test_images: int, accuracy: float | None) -> bool:
    """Whether `copies` among the test images, `exact` of them with equal pixels, spoil the test accuracy.

    Copies are answered by heart, whatever the network can do, so they move the accuracy by at most their share. That
    matters where it is more than the width of the 95 % interval that the test accuracy will have if it is about the
    validation `accuracy`: then the interval of the figure and that of the truth may not even touch. Without an accuracy
    the interval is taken at a half, where it is widest.
    """
    if not test_images:
        return False
    right = round(test_images * min(max(0.0, 0.5 if accuracy is None else accuracy), 1.0))
    low, high = Accuracy(right, test_images).interval
    return copies / test_images > high - low or exact / test_images >= EXACT_SHARE


def _in_images(images: LabelledImages, accuracy: float | None, notes: list[str]) -> list[Finding]:
    """Constant classes, and test images that are copies of others than those."""
    findings = []
    constant = []
    for label, name in enumerate(images.class_names):
        pictures = images.learning.images[images.learning.labels == label]
        same = _most_common(pictures)
        if same >= max(CONSTANT_IMAGES, CONSTANT_SHARE * len(pictures)):
            constant.append(label)
            findings.append(
                made_finding(
                    "constant class",
                    None,
                    f"{same:,} of the {len(pictures):,} images of class {name!r} are one and the same picture: the "
                    "network learns that picture, not the class",
                    f"look at the images of class {name!r}: a placeholder, a failed download, a wrong crop?",
                    f"{command('data', images.source or 'SOURCE')} lists copies",
                )
            )
    varied = _without(images, constant)
    if varied is None:
        return findings
    found = audit(varied)
    count, exact = found.leaked_count, sum(copy.kind == "exact" for copy in found.leaked)
    if leak_matters(count, exact, len(varied.sealed), accuracy):
        findings.append(
            made_finding(
                "leaked test images",
                None,
                f"{count:,} of {len(varied.sealed):,} test images ({count / len(varied.sealed):.1%}) have a copy among "
                "the images to learn from: test accuracy flatters",
                f"{command('data', images.source or 'SOURCE', '--json')} lists the pairs; take one of each away",
                "split by who or what was photographed, not by picture",
            )
        )
    if not constant and not findings:
        notes += found.findings
    return findings


def _most_common(pictures: npt.NDArray[np.uint8]) -> int:
    """How often the most common picture occurs; all blank ones, of whatever brightness, count as one."""
    if not len(pictures):
        return 0
    flat = pictures.reshape(len(pictures), -1)
    flat = np.where(np.ptp(flat, axis=1, keepdims=True) == 0, np.uint8(0), flat)
    rows = np.ascontiguousarray(flat).view(np.dtype((np.void, flat.shape[1])))
    return int(np.unique(rows, return_counts=True)[1].max())


def _without(images: LabelledImages, labels: Sequence[int]) -> LabelledImages | None:
    """The images but those of the classes `labels`; None where fewer than two classes would be left."""
    if not labels:
        return images
    learning, sealed = (
        part.take(np.flatnonzero(~np.isin(part.labels, labels))) for part in (images.learning, images.sealed)
    )
    return replace(images, learning=learning, sealed=sealed) if len(np.unique(learning.labels)) > 1 else None


def _in_answers(out: Tensor, validation: Part, class_names: Sequence[str], notes: list[str]) -> list[Finding]:
    """One answer to everything, or labels that the network cannot have been wrong about by weakness."""
    labels = as_tensor(validation.labels)
    answers = out.argmax(1)
    share, answer = max((float((answers == label).float().mean()), label) for label in range(len(class_names)))
    if share >= ONE_ANSWER_SHARE and float((labels == answer).float().mean()) < ONE_ANSWER_SHARE:
        return [
            made_finding(
                "dead",
                None,
                f"the network answers {class_names[answer]!r} to {share:.1%} of the validation images",
                "--set class_weights=balanced",
                "--set optimizer=adamw --set learning_rate=0.001",
            )
        ]
    if len(class_names) < NOISE_CLASSES:
        notes.append(f"label noise is not judged with fewer than {NOISE_CLASSES} classes")
        return []
    noise = label_noise(out, labels)
    if noise is None:
        least = least_noise(len(validation), len(class_names))
        if least > SMALL_NOISE:
            notes.append(
                f"wrong labels, if there are any, would be told from about {least:.0%} of them on, as "
                f"{len(validation):,} images were held out; with more it would be from {NOISE_SHARE:.0%} on"
            )
        return []
    low, share, high = noise
    return [
        made_finding(
            "label noise",
            None,
            f"about {share:.0%} of the labels are wrong (95 % interval {low:.0%} … {min(high, 1.0):.0%}): the network "
            "holds many labels for the least likely of all, even where it is sure",
            "pennyweight evaluate RUN --part validation shows the most confident mistakes: correct those labels",
            "--set label_smoothing=0.1 --set patience=5, so that wrong labels are not learned by heart",
        )
    ]


def least_noise(images: int, classes: int) -> float:
    """The least share of wrong labels that `label_noise` tells, as a rule, of so many images and classes.

    That is what as many labels in the last third of the ranks stand for as lift the interval's lower end to
    NOISE_SHARE.
    """
    sure = (images + 1) // 2
    scale = (classes - 1) / max(1, (classes - 1) // 3)
    told = (last for last in range(sure + 1) if scale * Accuracy(last, sure).interval[0] > NOISE_SHARE)
    return min(1.0, scale * next(told, sure) / sure)


def label_noise(out: Tensor, labels: Tensor) -> tuple[float, float, float] | None:
    """The share of wrong labels with its 95 % interval (low, share, high); None where there is no sign of any.

    `out` are logits `(count, classes)` of images that were not learned from. Where a label was replaced by any other
    one, its rank among the k classes is as likely each of 1 … k - 1, while a true label of a confident answer is
    nearly never among the last; so the last third of the ranks, m of k - 1, holds m / (k - 1) of the wrong labels.
    Only the more confident half of the answers is counted. Labels that are mistaken for a similar class alone are
    not seen. The interval is Wilson's, of the count in the last ranks.
    """
    classes = out.shape[1]
    sure = out.softmax(1).amax(1).argsort(descending=True)[: (len(out) + 1) // 2]
    logits = out[sure]
    rank = (logits > logits.gather(1, labels[sure, None])).sum(1)
    third = max(1, (classes - 1) // 3)
    last, first = int((rank >= classes - third).sum()), int(((rank >= 1) & (rank <= third)).sum())
    found, scale = Accuracy(last, len(sure)), (classes - 1) / third
    low, high = (scale * end for end in found.interval)
    right = float((rank == 0).float().mean())
    if (right - 1 / classes) / (1 - 1 / classes) < LEARNED_SKILL:
        return None
    if low <= NOISE_SHARE or Accuracy(last, first + last).interval[1] < NOISE_FLATNESS:
        return None
    return low, scale * found.share, high
