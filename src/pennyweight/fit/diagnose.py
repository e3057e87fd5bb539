"""`pennyweight diagnose`: what went wrong in a training, since which epoch, and what to try next.

Curves of a training in k classes are judged by two figures that mean the same in every set: the loss as a share of
ln k, which is what guessing costs, and the skill, the share of the way from guessing (0) to perfect (1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean, linear_regression
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from torch import Tensor

from pennyweight.core.errors import DataError, RunError
from pennyweight.core.run import CHECKPOINT, SETTINGS, Run
from pennyweight.core.shown import Shown
from pennyweight.core.version import VERSION
from pennyweight.data.audit import audit
from pennyweight.data.images import LabelledImages, Part
from pennyweight.fit.accuracy import Accuracy
from pennyweight.fit.device import choose_device
from pennyweight.fit.network import TrainedNetwork
from pennyweight.fit.predict import as_tensor
from pennyweight.fit.recipe import LEARNING_RATES, Recipe
from pennyweight.fit.train import _unpacked, finished_training, images_of, recipe_of

Disease = Literal[
    "diverged",
    "dead",
    "constant class",
    "leaked test images",
    "label noise",
    "overfitting",
    "underfitting",
    "still improving",
    "noisy",
]
Severity = Literal["severe", "moderate", "mild"]

SEVERITIES: dict[Disease, Severity] = {
    "diverged": "severe",
    "dead": "severe",
    "constant class": "severe",
    "leaked test images": "severe",
    "label noise": "moderate",
    "overfitting": "moderate",
    "underfitting": "moderate",
    "still improving": "mild",
    "noisy": "mild",
}
"""How bad each disease is; in this order findings are told: what makes all figures worthless comes first."""

ON_THE_WAY: tuple[Disease, ...] = ("underfitting", "still improving", "noisy")
"""What every training is until it has ended."""

DEAD_LOSS, DEAD_SKILL = 0.98, 0.08
"""A dead network's loss lies at ln k or above, less 2 %: classes that differ in size make guessing cheaper. Its
accuracy is that of guessing, give or take what a hundred validation images tell by chance."""

DIVERGED_LOSS, DIVERGED_RISE = 1.5, 0.25
"""A training has diverged if its loss ends above one and a half times ln k, or a quarter of ln k above its lowest."""

RISE, GAP = 0.05, 0.1
"""Overfitting: the validation loss ends so many ln k above its lowest while the training loss went on falling; or the
skill on validation images ends so far below that on training images."""

LEARNED_SKILL = 0.4
"""A network that has not come so far has nothing learned by heart, and cannot tell wrong labels from its own errors."""

FALL = 0.2
"""A training still improves if its last third brought at least this share of all that the loss fell since guessing.
A steady fall would bring a third; one that is long enough gets a tenth from its learning rate's fall to zero."""

UNDERFITTED_SKILL = 0.7
"""A network underfits if, with nothing more to come, it has not gone this share of the way on its training images."""

NOISY_SKILL = 0.05
"""Skill on validation images is noisy if it strays so far from its own trend in the last third (root mean square)."""

NOISY_EPOCHS = 4
"""Fewer epochs than these in the last third show no noise: two parameters of a trend are taken from them."""

NOISE_CLASSES = 5
"""With fewer classes the last ranks are too few to tell a wrong label from a weak network."""

NOISE_SHARE, NOISE_FLATNESS = 0.05, 1 / 3
"""Label noise is told where the lower end of its 95 % interval exceeds the first, unless of the labels in the first
third of the ranks behind the answer and in the last third surely (97.5 %) less than the second lie in the last: wrong
labels lie in both alike, while those that a weak network gets wrong become fewer from rank to rank."""

CONSTANT_SHARE, CONSTANT_IMAGES = 0.5, 5
"""A class is constant if this share of its images, and at least so many, are one and the same picture."""

LEAKED_SHARE = 0.005
"""Fewer copies among the test images than this share move the accuracy less than its interval is wide."""

ONE_ANSWER_SHARE = 0.99
"""A network that gives one answer to this share of validation images does not look at them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A disease, since which epoch (from 1, None: in the images, not in time), its evidence, and what to try next."""

    disease: Disease
    epoch: int | None
    says: str
    advice: tuple[str, ...]
    severity: Severity

    def as_json(self) -> dict[str, Any]:
        """The finding as JSON types."""
        return {**asdict(self), "advice": list(self.advice)}


@dataclass(frozen=True, slots=True)
class Diagnosis(Shown):
    """What was found in a run, the leading finding first; `notes` say what could not be judged."""

    run: Path
    healthy: bool
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The diagnosis as JSON types."""
        return {
            "run": str(self.run),
            "healthy": self.healthy,
            "findings": [finding.as_json() for finding in self.findings],
            "notes": list(self.notes),
        }


def _finding(disease: Disease, epoch: int | None, says: str, *advice: str) -> Finding:
    return Finding(disease, epoch, says, tuple(filter(None, advice)), SEVERITIES[disease])


@dataclass(frozen=True, slots=True)
class _Curve:
    """The whole epochs of a training in `classes` classes; `validation_…` are empty where no images were held out."""

    classes: int
    epochs: list[int]
    loss: list[float]
    skill: list[float]
    validation_loss: list[float]
    validation_skill: list[float]

    @property
    def guessing(self) -> float:
        """The loss of guessing: ln k."""
        return math.log(self.classes)

    @property
    def end(self) -> int:
        """How many epochs the end is that figures are averaged over: a tenth of all."""
        return max(1, len(self.epochs) // 10)

    @property
    def two_thirds(self) -> int:
        """How many epochs come before the last third."""
        return 2 * len(self.epochs) // 3

    def accuracy(self, skill: float) -> float:
        """The accuracy that has this skill."""
        return skill + (1 - skill) / self.classes

    @staticmethod
    def of(rows: Sequence[Mapping[str, Any]], classes: int) -> _Curve:
        """The curve of these rows; rows without a validation loss make one without validation."""

        def skills(name: str) -> list[float]:
            return [((_number(row, name) or 0.0) - 1 / classes) / (1 - 1 / classes) for row in rows]

        validated = all(_number(row, "validation_loss") is not None for row in rows)
        return _Curve(
            classes,
            [_epoch(row, index) for index, row in enumerate(rows)],
            [float(row["train_loss"]) for row in rows],
            skills("train_accuracy"),
            [float(row["validation_loss"]) for row in rows] if validated else [],
            skills("validation_accuracy") if validated else [],
        )


def _number(row: Mapping[str, Any], name: str) -> float | None:
    value = row.get(name)
    return float(value) if isinstance(value, int | float) else None


def _epoch(row: Mapping[str, Any], index: int) -> int:
    told = row.get("epoch")
    return told if isinstance(told, int) else index + 1


def _whole(row: Mapping[str, Any]) -> bool:
    """Whether both losses of an epoch are numbers; one that was not taken is."""
    return all(math.isfinite(_number(row, name) or 0.0) for name in ("train_loss", "validation_loss"))


def diagnose_curves(
    curves: Sequence[Mapping[str, Any]],
    classes: int,
    *,
    recipe: Recipe | None = None,
    failure: Mapping[str, Any] | None = None,
) -> tuple[Finding, ...]:
    """What the curves of a training in `classes` classes tell of it: one finding, the leading one; none if healthy.

    `curves` has a row an epoch, as a run keeps them; `recipe` makes the advice fit, `failure` is what ended the
    training before its time (`Run.failure`). Rows without a training loss are left out. Training figures are taken as
    they come from the loop, with augmentation and dropout, so the gap to validation is rather told too small.
    """
    recipe, classes = recipe or Recipe(), max(classes, 2)
    rows = [row for row in curves if _number(row, "train_loss") is not None]
    broken = next((index for index, row in enumerate(rows) if not _whole(row)), None)
    if failure is not None or broken is not None:
        told = failure or {}
        epoch = _epoch(told, 0) if failure is not None or broken is None else _epoch(rows[broken], broken)
        what = str(told.get("what") or "the loss is not a number")
        return (_finding("diverged", epoch, f"the training broke down: {what}", *_calmer(recipe)),)
    if not rows:
        return ()
    curve = _Curve.of(rows, classes)
    for judged in (_dead, _diverged, _overfitting, _still_improving, _underfitting, _noisy):
        if finding := judged(curve, recipe):
            return (finding,)
    return ()


def _dead(curve: _Curve, recipe: Recipe) -> Finding | None:
    """Loss at ln k and accuracy at chance in the end, whatever was learned before."""
    loss = fmean(curve.loss[-curve.end :])
    skills = [fmean(curve.skill[-curve.end :])]
    if curve.validation_skill:
        skills.append(fmean(curve.validation_skill[-curve.end :]))
    if not DEAD_LOSS * curve.guessing <= loss <= DIVERGED_LOSS * curve.guessing or max(skills) > DEAD_SKILL:
        return None
    alive = [index for index, skill in enumerate(curve.skill) if skill > DEAD_SKILL]
    since = alive[-1] + 1 if alive else 0
    before = f"; it had learned until epoch {curve.epochs[alive[-1]]:,}" if alive else ""
    accuracy = curve.accuracy(skills[0])
    return _finding(
        "dead",
        curve.epochs[min(since, len(curve.epochs) - 1)],
        f"the network answers as if it did not look: loss {loss:.3f}, guessing among {curve.classes:,} classes costs "
        f"{curve.guessing:.3f}; training accuracy {accuracy:.2%}{before}",
        *(["--set optimizer=adamw --set learning_rate=0.001"] if _restless(recipe) else _calmer(recipe)),
        "--set weight_decay=0.0005" if recipe.weight_decay > 0.01 else "",
        "a network with batch normalisation (batch_norm=yes, or pooled-resnet), or relu instead of sigmoid or tanh",
    )


def _restless(recipe: Recipe) -> bool:
    """Whether the recipe differs from the one that revives most networks."""
    return recipe.optimizer != "adamw" or recipe.peak_learning_rate > 0.001


def _diverged(curve: _Curve, recipe: Recipe) -> Finding | None:
    """The training loss ends far above guessing, or far above where it was."""
    loss, lowest = fmean(curve.loss[-curve.end :]), min(curve.loss)
    if loss <= DIVERGED_LOSS * curve.guessing and loss - lowest < DIVERGED_RISE * curve.guessing:
        return None
    best = curve.loss.index(lowest)
    since = curve.epochs[min(best + 1, len(curve.epochs) - 1)]
    says = f"the training loss ends at {loss:.3g}; guessing costs {curve.guessing:.3f}"
    if best + 1 < len(curve.epochs):
        says += f", and it had come down to {lowest:.3g} in epoch {curve.epochs[best]:,}"
    return _finding("diverged", since, says, *_calmer(recipe))


def _calmer(recipe: Recipe) -> tuple[str, ...]:
    warm = recipe.schedule in ("one-cycle", "linear", "cosine") and recipe.warmup >= 0.1
    return (
        f"--set learning_rate={min(recipe.peak_learning_rate / 4, LEARNING_RATES[recipe.optimizer]):.3g}",
        "" if warm else "--set schedule=one-cycle --set warmup=0.2",
    )


def _overfitting(curve: _Curve, recipe: Recipe) -> Finding | None:
    """Validation loss that rises while the training loss falls, or a wide gap between the two accuracies.

    With patience the weights of the lowest validation loss are kept, and the training is judged up to there.
    """
    if not curve.validation_loss:
        return None
    lowest = min(curve.validation_loss)
    best = curve.validation_loss.index(lowest)
    last = best + 1 if recipe.patience else len(curve.epochs)
    tail = slice(max(0, last - curve.end), last)
    loss, validation_loss = fmean(curve.loss[tail]), fmean(curve.validation_loss[tail])
    skill, validation_skill = fmean(curve.skill[tail]), fmean(curve.validation_skill[tail])
    rises = validation_loss - lowest > RISE * curve.guessing and loss < curve.loss[best]
    gap = skill - validation_skill
    if skill < LEARNED_SKILL or (not rises and (gap < GAP or validation_loss <= loss)):
        return None
    accuracies = (
        f"accuracy ends at {curve.accuracy(skill):.2%} on training and {curve.accuracy(validation_skill):.2%} on "
        "validation images"
    )
    if rises:
        since = best
        says = (
            f"the validation loss rises from {lowest:.3f} to {validation_loss:.3f} while the training loss falls from "
            f"{curve.loss[best]:.3f} to {loss:.3f}; {accuracies}"
        )
        if validation_skill >= curve.validation_skill[best]:
            says += "; right answers are not fewer, wrong ones are given with more confidence"
    else:
        narrow = (index for index in range(last) if curve.skill[index] - curve.validation_skill[index] < GAP)
        since = min(max(narrow, default=-1) + 1, last - 1)
        says = f"{accuracies}: what is learned by heart does not carry over"
    return _finding(
        "overfitting",
        curve.epochs[since],
        says,
        "" if recipe.patience or not rises else f"--set patience={max(3, len(curve.epochs) // 10)}",
        "--set shift=1 --set rotate=8" if not (recipe.shift or recipe.rotate or recipe.crop < 1) else "",
        f"--set weight_decay={min(0.1, max(5e-4, 4 * recipe.weight_decay)):.3g} --set label_smoothing=0.1",
        "more images, or a smaller network",
    )


def _still_improving(curve: _Curve, recipe: Recipe) -> Finding | None:
    """A last third that brought much of all that the loss has fallen since guessing."""
    before, ends = curve.two_thirds, len(curve.epochs)
    loss = fmean(curve.loss[-curve.end :])
    was = fmean(curve.loss[max(0, before - curve.end) : before]) if before else curve.guessing
    brought, fallen = was - loss, max(curve.guessing, curve.loss[0]) - loss
    if brought < FALL * fallen or fallen <= (1 - DEAD_LOSS) * curve.guessing or loss < RISE * curve.guessing:
        return None
    if before and curve.validation_loss and curve.validation_loss[-1] >= curve.validation_loss[before - 1]:
        return None
    since = curve.epochs[before - 1] if before else 0
    start = f"{was:.3f} in epoch {since:,}" if before else f"{was:.3f}, which guessing costs,"
    return _finding(
        "still improving",
        curve.epochs[-1],
        f"the training loss still falls, from {start} to {loss:.3f} in epoch {curve.epochs[-1]:,}: too short",
        f"--set epochs={max(2 * ends, 10)}",
        "" if recipe.schedule != "constant" else f"--set learning_rate={2 * recipe.peak_learning_rate:.3g}",
    )


def _underfitting(curve: _Curve, recipe: Recipe) -> Finding | None:
    """Low accuracy on the very images that are learned, and no more to come."""
    skill = fmean(curve.skill[-curve.end :])
    if curve.validation_skill:
        skill = max(skill, fmean(curve.validation_skill[-curve.end :]))
    if skill >= UNDERFITTED_SKILL:
        return None
    loss = fmean(curve.loss[-curve.end :])
    flat = loss + FALL * max(0.0, max(curve.guessing, curve.loss[0]) - loss)
    since = next(index for index, value in enumerate(curve.loss) if value <= max(flat, min(curve.loss)))
    strong = recipe.rotate > 30 or recipe.cutout or recipe.mixup or recipe.crop < 0.5 or recipe.color > 0.5
    return _finding(
        "underfitting",
        curve.epochs[since],
        f"the training loss stays at {loss:.3f} and the accuracy at {curve.accuracy(skill):.2%}: the network cannot "
        "even learn its training images",
        "a wider or deeper network (pennyweight networks lists their dials), or less dropout",
        f"--set weight_decay={recipe.weight_decay / 10:.3g}" if recipe.weight_decay > 0.001 else "",
        "--set rotate=8 --set cutout=0 --set mixup=0 --set crop=0.6 --set color=0.2" if strong else "",
    )


def _noisy(curve: _Curve, recipe: Recipe) -> Finding | None:
    """Validation accuracy that strays from its own trend in the last third."""
    last = curve.validation_skill[curve.two_thirds :]
    if len(last) < NOISY_EPOCHS:
        return None
    slope, start = linear_regression(range(len(last)), last)
    strays = math.sqrt(fmean((skill - start - slope * index) ** 2 for index, skill in enumerate(last)))
    if strays < NOISY_SKILL:
        return None
    low, high = curve.accuracy(min(last)), curve.accuracy(max(last))
    return _finding(
        "noisy",
        curve.epochs[curve.two_thirds],
        f"validation accuracy jumps between {low:.2%} and {high:.2%} from epoch to epoch: where it ends is chance",
        f"--set learning_rate={recipe.peak_learning_rate / 3:.3g}",
        "" if recipe.schedule == "one-cycle" else "--set schedule=one-cycle",
        "" if recipe.ema else "--set ema=0.99",
        f"--set batch={2 * recipe.batch}",
    )


def diagnose(run: Path, images: LabelledImages | None = None, *, data_dir: Path | None = None) -> Diagnosis:
    """What is wrong with a training: its curves, its validation answers and its images, as far as they are there.

    `images` are those of a run that was trained in Python with images of its own. The test part's pictures are
    compared with those that were learned from, but no network sees them. Raises RunError where `run` is no run folder
    or its files were changed.
    """
    folder = Run.open(run)
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
    elif curves and all(_number(row, "validation_loss") is None for row in curves):
        notes.append("no images were held out for validation: overfitting and label noise cannot be seen")
    findings = list(diagnose_curves(curves, classes, recipe=recipe, failure=failure))
    if not folder.finished:
        findings = [finding for finding in findings if finding.disease not in ON_THE_WAY]

    seen = _own_images(folder, images, data_dir, notes)
    if seen is not None:
        findings += _in_images(seen, notes)
    if seen is not None and recipe is not None and folder.finished:
        _, validation = seen.split(recipe.validation)
        ill = {finding.disease for finding in findings}
        if len(validation) and not ill & {"dead", "diverged"}:
            out = TrainedNetwork.of(folder, choose_device("cpu")).logits(validation.images)
            findings += _in_answers(out, validation, seen.class_names, notes)
    findings = _told(findings)
    healthy = not findings and bool(curves) and folder.finished
    return Diagnosis(run, healthy, tuple(findings), tuple(notes))


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
        notes.append(f"the training has not ended: pennyweight train --resume {run.folder}")
    if not (run.folder / CHECKPOINT).is_file():
        notes.append(f"{CHECKPOINT} is missing, which holds the curves of a training that has not ended")
        return ()
    _, facts, _ = _unpacked(run)
    return tuple(facts.get("curves") or ())


def _own_images(
    run: Run, images: LabelledImages | None, data_dir: Path | None, notes: list[str]
) -> LabelledImages | None:
    """The images that the run was trained on; None, with a note, where they are not to be had."""
    try:
        seen = images or images_of(run, data_dir)
    except (DataError, RunError) as error:
        notes.append(f"judged from the curves alone: {error}")
        return None
    if seen.fingerprint != run.read(SETTINGS).get("fingerprint"):
        notes.append(f"judged from the curves alone: {seen.name} is not what this network was trained on")
        return None
    return seen


def _in_images(images: LabelledImages, notes: list[str]) -> list[Finding]:
    """Constant classes, and test images that are copies of others than those."""
    findings = []
    constant = []
    for label, name in enumerate(images.class_names):
        pictures = images.learning.images[images.learning.labels == label]
        same = _most_common(pictures)
        if same >= max(CONSTANT_IMAGES, CONSTANT_SHARE * len(pictures)):
            constant.append(label)
            findings.append(
                _finding(
                    "constant class",
                    None,
                    f"{same:,} of the {len(pictures):,} images of class {name!r} are one and the same picture: the "
                    "network learns that picture, not the class",
                    f"look at the images of class {name!r}: a placeholder, a failed download, a wrong crop?",
                    f"pennyweight data {images.source or 'SOURCE'} lists copies",
                )
            )
    varied = _without(images, constant)
    if varied is None:
        return findings
    found = audit(varied)
    count, share = found.leaked_count, found.leaked_count / max(len(varied.sealed), 1)
    if share >= LEAKED_SHARE:
        findings.append(
            _finding(
                "leaked test images",
                None,
                f"{count:,} of {len(varied.sealed):,} test images ({share:.1%}) have a copy among the images to learn "
                "from: test accuracy flatters",
                f"pennyweight data {images.source or 'SOURCE'} --json lists the pairs; take one of each away",
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
            _finding(
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
        return []
    low, share, high = noise
    return [
        _finding(
            "label noise",
            None,
            f"about {share:.0%} of the labels are wrong (95 % interval {low:.0%} … {min(high, 1.0):.0%}): the network "
            "holds many labels for the least likely of all, even where it is sure",
            "pennyweight evaluate RUN --part validation shows the most confident mistakes: correct those labels",
            "--set label_smoothing=0.1 --set patience=5, so that wrong labels are not learned by heart",
        )
    ]


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
