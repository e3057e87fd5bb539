"""What the curves of a training say: overfitting, underfitting, divergence, and since which epoch.

Curves of a training in k classes are judged by two figures that mean the same in every set: the loss as a share of
ln k, which is what guessing costs, and the skill, the share of the way from guessing (0) to perfect (1).
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, linear_regression
from typing import Any, Literal

from pennyweight.fit.recipe import Recipe

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

DIVERGED_LOSS, DIVERGED_RISE, DIVERGED_PEAK = 1.5, 0.25, 2.0
"""A training has diverged if its loss ends above one and a half times ln k, or a quarter of ln k above its lowest; or
if it ends dead after an epoch above twice ln k: of seeds 0 and 1 of bench/diagnosis.py no dead one exceeds 1.1."""

RISE, GAP = 0.05, 0.1
"""Overfitting: the validation loss ends so many ln k above its lowest while the training loss went on falling; or the
skill on validation images ends so far below that on training images."""

STRANGE = "look at pictures with their labels: validation is at chance, so they may not belong together"

LEARNED_SKILL = 0.4
"""A network that has not come so far has nothing learned by heart, and cannot tell wrong labels from its own errors."""

FALL, HALF = 0.2, 0.5
"""A training still improves if its last third brought at least this share of all that the loss fell since guessing, or
took this share of the loss. A steady fall would bring a third; one that is long enough gets a tenth from its learning
rate's fall to zero."""

UNDERFITTED_SKILL = 0.7
"""A network underfits if, with nothing more to come, it has not gone this share of the way on its training images."""

NOISY_SKILL = 0.05
"""Skill on validation images is noisy if it strays so far from its own trend in the last third (root mean square)."""

NOISY_EPOCHS = 4
"""Fewer epochs than these in the last third show no noise: two parameters of a trend are taken from them."""


FIGURE_MAX = 3.4e38
"""No loss is larger: it is a float32."""


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


def made_finding(disease: Disease, epoch: int | None, says: str, *advice: str) -> Finding:
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
            shares = (min(max(0.0, number(row, name) or 0.0), 1.0) for row in rows)
            return [(share - 1 / classes) / (1 - 1 / classes) for share in shares]

        validated = all(number(row, "validation_loss") is not None for row in rows)
        return _Curve(
            classes,
            [_epoch(row, index) for index, row in enumerate(rows)],
            [number(row, "train_loss") or 0.0 for row in rows],
            skills("train_accuracy"),
            [number(row, "validation_loss") or 0.0 for row in rows] if validated else [],
            skills("validation_accuracy") if validated else [],
        )


def number(row: Mapping[str, Any], name: str) -> float | None:
    """The figure of that name, not a number where the training broke down; None where there is none."""
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def figure(value: Any) -> float:
    """`value` as a float. Raises ValueError unless it is a number that a training can come to."""
    found = number({"": value}, "")
    if found is None or not abs(found) <= FIGURE_MAX:
        raise ValueError(f"{reprlib.repr(value)} is no number, or above {FIGURE_MAX:g}")
    return found


def curve_rows(told: Any) -> tuple[dict[str, float | int | None], ...]:
    """The epochs of a training as a run keeps them. Raises ValueError unless each is an object of figures."""
    if not isinstance(told, list):
        raise ValueError("the curves are no list")
    for place, row in enumerate(told, start=1):
        if not isinstance(row, dict) or None in (row.get("epoch"), row.get("train_loss")):
            raise ValueError(f"row {place} of the curves is no epoch with its training loss")
        for name, value in row.items():
            try:
                if value is not None:
                    figure(value)
            except ValueError as error:
                raise ValueError(f"row {place} of the curves, {name!r}: {error}") from error
    return tuple(told)


def _epoch(row: Mapping[str, Any], index: int) -> int:
    told = row.get("epoch")
    return told if isinstance(told, int) and number(row, "epoch") is not None else index + 1


def _whole(row: Mapping[str, Any]) -> bool:
    """Whether both losses of an epoch are numbers; one that was not taken is."""
    return all(abs(number(row, name) or 0.0) <= FIGURE_MAX for name in ("train_loss", "validation_loss"))


def diagnose_curves(
    curves: Sequence[Mapping[str, Any]],
    classes: int,
    *,
    recipe: Recipe | None = None,
    failure: Mapping[str, Any] | None = None,
    ended: bool = True,
) -> tuple[Finding, ...]:
    """What the curves of a training in `classes` classes tell of it: one finding, the leading one; none if healthy.

    `curves` has a row an epoch, as a run keeps them; `recipe` makes the advice fit, `failure` is what ended the
    training before its time (`Run.failure`); of one that has not `ended` nothing is told that all are on their way.
    Rows without a training loss are left out. Training figures are taken as
    they come from the loop, with augmentation and dropout, so the gap to validation is rather told too small.
    """
    recipe, classes = recipe or Recipe(), max(classes, 2)
    rows = [row for row in curves if number(row, "train_loss") is not None]
    broken = next((index for index, row in enumerate(rows) if not _whole(row)), None)
    if failure is not None or broken is not None:
        told = failure or {}
        epoch = _epoch(told, 0) if failure is not None or broken is None else _epoch(rows[broken], broken)
        what = str(told.get("what") or "the loss is not a number")
        return (made_finding("diverged", epoch, f"the training broke down: {what}", *_calmer(recipe)),)
    if not rows:
        return ()
    curve = _Curve.of(rows, classes)
    for judged in (_dead, _diverged, _overfitting, _still_improving, _noisy, _underfitting):
        if finding := judged(curve, recipe):
            return (finding,) if ended or finding.disease not in ON_THE_WAY else ()
    return ()


def _dead(curve: _Curve, recipe: Recipe) -> Finding | None:
    """Loss at ln k and accuracy at chance in the end, whatever was learned before."""
    loss = fmean(curve.loss[-curve.end :])
    if not _ends_dead(curve) or max(curve.loss) > DIVERGED_PEAK * curve.guessing:
        return None
    alive = [index for index, skill in enumerate(curve.skill) if skill > DEAD_SKILL]
    since = alive[-1] + 1 if alive else 0
    before = f"; it had learned until epoch {curve.epochs[alive[-1]]:,}" if alive else ""
    accuracy = curve.accuracy(fmean(curve.skill[-curve.end :]))
    return made_finding(
        "dead",
        curve.epochs[min(since, len(curve.epochs) - 1)],
        f"the network answers as if it did not look: loss {loss:.3f}, guessing among {curve.classes:,} classes costs "
        f"{curve.guessing:.3f}; training accuracy {accuracy:.2%}{before}",
        *(["--set optimizer=adamw --set learning_rate=0.001"] if _restless(recipe) else _calmer(recipe)),
        "--set weight_decay=0.0005" if recipe.weight_decay > 0.01 else "",
        "a network with batch normalisation (batch_norm=yes, or pooled-resnet), or relu instead of sigmoid or tanh",
    )


def _ends_dead(curve: _Curve) -> bool:
    """Whether the loss ends at ln k and the accuracy at chance."""
    loss = fmean(curve.loss[-curve.end :])
    skills = [fmean(skill[-curve.end :]) for skill in (curve.skill, curve.validation_skill) if skill]
    return DEAD_LOSS * curve.guessing <= loss <= DIVERGED_LOSS * curve.guessing and max(skills) <= DEAD_SKILL


def _restless(recipe: Recipe) -> bool:
    """Whether the recipe differs from the one that revives most networks."""
    return recipe.optimizer != "adamw" or recipe.peak_learning_rate > 0.001


def _diverged(curve: _Curve, recipe: Recipe) -> Finding | None:
    """The training loss ends far above guessing or above where it was, or came from far above back to guessing."""
    loss, lowest, highest = fmean(curve.loss[-curve.end :]), min(curve.loss), max(curve.loss)
    came_back = highest > DIVERGED_PEAK * curve.guessing and _ends_dead(curve)
    rose = loss > DIVERGED_LOSS * curve.guessing or loss - lowest >= DIVERGED_RISE * curve.guessing
    if not rose and not came_back:
        return None
    best = curve.loss.index(lowest)
    after = min(best + 1, len(curve.loss) - 1)
    if learned := lowest < DEAD_LOSS * curve.guessing and best < after:
        since = after
    else:
        above = (index for index, value in enumerate(curve.loss) if value > DIVERGED_LOSS * curve.guessing)
        since = next(above, after)
    peak = curve.loss.index(max(curve.loss[since:]), since)
    says = f"the training loss rises to {curve.loss[peak]:.3g} in epoch {curve.epochs[peak]:,}"
    says += f" and ends at {loss:.3g}" if peak + 1 < len(curve.loss) else ""
    says += f"; guessing costs {curve.guessing:.3f}"
    if learned:
        says += f", and it had come down to {lowest:.3g} in epoch {curve.epochs[best]:,}"
    return made_finding("diverged", curve.epochs[since], says, *_calmer(recipe))


def _calmer(recipe: Recipe) -> tuple[str, ...]:
    warm = recipe.schedule in ("one-cycle", "linear", "cosine") and recipe.warmup >= 0.1
    return (
        f"--set learning_rate={recipe.calmer_learning_rate:.3g}",
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
    if skill < LEARNED_SKILL or _louder_than_gap(curve) or (not rises and (gap < GAP or validation_loss <= loss)):
        return None
    strange = validation_skill <= DEAD_SKILL
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
    elif strange:
        since = next(index for index in range(last) if curve.skill[index] >= LEARNED_SKILL)
        says = f"{accuracies}: nothing that is learned by heart carries over"
    else:
        narrow = (index for index in range(last) if curve.skill[index] - curve.validation_skill[index] < GAP)
        since = min(max(narrow, default=-1) + 1, last - 1)
        says = f"{accuracies}: what is learned by heart does not carry over"
    return made_finding(
        "overfitting",
        curve.epochs[since],
        says,
        STRANGE if strange else "",
        "" if recipe.patience or not rises or strange else f"--set patience={max(3, len(curve.epochs) // 10)}",
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
    if (
        brought < min(FALL * fallen, HALF * was)
        or fallen <= (1 - DEAD_LOSS) * curve.guessing
        or loss < RISE * curve.guessing
    ):
        return None
    if before and curve.validation_loss and curve.validation_loss[-1] >= curve.validation_loss[before - 1]:
        return None
    since = curve.epochs[before - 1] if before else 0
    start = f"{was:.3f} in epoch {since:,}" if before else f"{was:.3f}, which guessing costs,"
    return made_finding(
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
    return made_finding(
        "underfitting",
        curve.epochs[since],
        f"the training loss stays at {loss:.3f} and the accuracy at {curve.accuracy(skill):.2%}: the network cannot "
        "even learn its training images",
        "a wider or deeper network (pennyweight networks lists their dials), or less dropout",
        f"--set weight_decay={recipe.weight_decay / 10:.3g}" if recipe.weight_decay > 0.001 else "",
        "--set rotate=8 --set cutout=0 --set mixup=0 --set crop=0.6 --set color=0.2" if strong else "",
    )


def _strays(curve: _Curve) -> float:
    """How far the skill on validation images strays from its trend in the last third; 0 where that is too short."""
    last = curve.validation_skill[curve.two_thirds :]
    if len(last) < NOISY_EPOCHS:
        return 0.0
    slope, start = linear_regression(range(len(last)), last)
    return math.sqrt(fmean((skill - start - slope * index) ** 2 for index, skill in enumerate(last)))


def _louder_than_gap(curve: _Curve) -> bool:
    """Whether validation is so noisy that its lowest loss, and the gap to training, are chance: two deviations."""
    strays = _strays(curve)
    gap = fmean(curve.skill[curve.two_thirds :]) - fmean(curve.validation_skill[curve.two_thirds :])
    return strays >= NOISY_SKILL and gap < 2 * strays


def _noisy(curve: _Curve, recipe: Recipe) -> Finding | None:
    """Validation accuracy that strays from its own trend in the last third."""
    last = curve.validation_skill[curve.two_thirds :]
    if _strays(curve) < NOISY_SKILL:
        return None
    low, high = curve.accuracy(min(last)), curve.accuracy(max(last))
    return made_finding(
        "noisy",
        curve.epochs[curve.two_thirds],
        f"validation accuracy jumps between {low:.2%} and {high:.2%} from epoch to epoch: where it ends is chance",
        f"--set learning_rate={recipe.peak_learning_rate / 3:.3g}",
        "" if recipe.schedule == "one-cycle" else "--set schedule=one-cycle",
        "" if recipe.ema else "--set ema=0.99",
        f"--set batch={2 * recipe.batch}",
    )
