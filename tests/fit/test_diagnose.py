from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pennyweight.core.errors import RunError, TrainingError
from pennyweight.core.run import ASKED, RESULTS, Run
from pennyweight.data.digits import read_digits
from pennyweight.data.images import LabelledImages, Part
from pennyweight.fit.curves import SEVERITIES, curve_rows, diagnose_curves
from pennyweight.fit.defaults import default_recipe
from pennyweight.fit.diagnose import Diagnosis, diagnose, label_noise, leak_matters, least_noise
from pennyweight.fit.recipe import Recipe
from pennyweight.fit.train import train
from pennyweight.net.zoo import build_network

Rows = list[dict[str, Any]]


def curve(
    train_loss: Sequence[float],
    validation_loss: Sequence[float],
    accuracy: Sequence[float],
    validation_accuracy: Sequence[float] | None = None,
) -> Rows:
    columns = zip(train_loss, validation_loss, accuracy, validation_accuracy or accuracy, strict=True)
    return [
        {
            "epoch": number,
            "train_loss": loss,
            "train_accuracy": right,
            "validation_loss": held_loss,
            "validation_accuracy": held_right,
        }
        for number, (loss, held_loss, right, held_right) in enumerate(columns, start=1)
    ]


def diseases(rows: Rows, classes: int = 10) -> list[str]:
    return [finding.disease for finding in diagnose_curves(rows, classes)]


EPOCHS = 12
FALLING = [2.3 * 0.5**epoch + 0.02 for epoch in range(EPOCHS)]
RISING_ACCURACY = [0.97 - 0.8 * 0.4**epoch for epoch in range(EPOCHS)]
STEADY = [2.2 - 0.1 * epoch for epoch in range(EPOCHS)]
HEALTHY = curve(FALLING, [loss + 0.03 for loss in FALLING], RISING_ACCURACY)
TURNING = [0.5 + 0.1 * abs(epoch - 3) for epoch in range(EPOCHS)]
OVERFITTED = curve(FALLING, TURNING, RISING_ACCURACY, [0.8] * EPOCHS)
DEAD = curve([math.log(10)] * EPOCHS, [2.302] * EPOCHS, [0.1135] * EPOCHS)
SHAPES = {
    "healthy": HEALTHY,
    "overfitting": OVERFITTED,
    "dead": DEAD,
    "underfitting": curve([2.0] + [1.5] * (EPOCHS - 1), [1.5] * EPOCHS, [0.4] * EPOCHS),
    "still improving": curve(STEADY, STEADY, [0.3] * EPOCHS),
    "diverged": curve([*FALLING[:6], 1.0, 2.0, 4.0, 6.0, 8.0, 9.0], FALLING, [0.5] * EPOCHS),
    "noisy": curve(FALLING, FALLING, [0.97] * EPOCHS, [0.8] * 8 + [0.97, 0.8, 0.97, 0.8]),
}


@pytest.mark.parametrize("disease", SHAPES)
def test_each_disease_is_seen_in_its_textbook_curve(disease: str) -> None:
    assert diseases(SHAPES[disease]) == ([] if disease == "healthy" else [disease])


@pytest.mark.parametrize("disease", SHAPES)
@settings(deadline=None)
@given(times=st.integers(1, 5), late=st.integers(0, 1000))
def test_findings_do_not_depend_on_the_scale_of_time(disease: str, times: int, late: int) -> None:
    slow = [row for row in SHAPES[disease] for _ in range(times)]
    slow = [row | {"epoch": late + number, "seconds": 9.0 * times} for number, row in enumerate(slow, start=1)]
    assert diseases(slow) == diseases(SHAPES[disease])


@settings(deadline=None)
@given(
    start=st.floats(1.0, 3.0),
    pace=st.floats(0.1, 0.6),
    floor=st.floats(0.0, 0.1),
    gap=st.floats(0.0, 0.04),
    epochs=st.integers(12, 60),
)
def test_curves_that_fall_and_flatten_at_high_accuracy_are_healthy(
    start: float, pace: float, floor: float, gap: float, epochs: int
) -> None:
    losses = [start * pace**epoch + floor for epoch in range(epochs)]
    accuracies = [1 - 0.9 * min(1.0, loss / start) * 0.5 for loss in losses]
    assert diseases(curve(losses, [loss + gap for loss in losses], accuracies)) == []


@settings(deadline=None)
@given(
    losses=st.lists(
        st.one_of(
            st.none(),
            st.floats(),
            st.sampled_from([10**400, 1.7e308, math.nan]),
            st.integers(-5, 5),
            st.text(max_size=2),
            st.booleans(),
        ),
        max_size=24,
    ),
    classes=st.integers(0, 300),
    keys=st.sets(
        st.sampled_from(["train_loss", "validation_loss", "train_accuracy", "validation_accuracy", "epoch"]), min_size=0
    ),
)
def test_whatever_a_curve_holds_it_is_answered(losses: list[Any], classes: int, keys: set[str]) -> None:
    rows = [dict.fromkeys(keys, value) for value in losses] + [{"train_loss": 1.0} for _ in losses]
    for finding in diagnose_curves(rows, classes):
        assert SEVERITIES[finding.disease] == finding.severity
        assert finding.says
        json.dumps(finding.as_json())


def test_without_an_epoch_there_is_nothing_to_find() -> None:
    assert diagnose_curves([], 10) == ()


def test_one_epoch_that_learned_something_is_too_short() -> None:
    assert diseases(curve([1.2], [0.8], [0.6])) == ["still improving"]


def test_a_loss_that_the_last_third_halved_is_too_short() -> None:
    assert diseases(curve([1.0, 0.32, 0.14], [0.8, 0.3, 0.2], [0.7, 0.9, 0.95])) == ["still improving"]


def test_validation_at_chance_while_training_is_learned_asks_for_a_look_at_the_labels() -> None:
    rows = curve(FALLING, [2.3 + 0.2 * epoch for epoch in range(EPOCHS)], RISING_ACCURACY, [0.1] * EPOCHS)
    (finding,) = diagnose_curves(rows, 10)
    assert finding.disease == "overfitting"
    assert "may not belong together" in finding.advice[0]
    assert not any("patience" in advice for advice in finding.advice)


def test_a_loss_that_is_no_number_is_told_with_its_epoch() -> None:
    rows = [*HEALTHY[:4], HEALTHY[4] | {"train_loss": math.nan}, *HEALTHY[5:]]
    (finding,) = diagnose_curves(rows, 10)
    assert (finding.disease, finding.epoch) == ("diverged", 5)


@pytest.mark.parametrize(
    ("losses", "epoch", "peak"),
    [
        ([5.96, 194026, 3.7e7, 1e11, 12.3, 5.1, 2.86, 2.37], 1, "1e+11 in epoch 4"),
        ([1729, 1.9e7, 6.6e10, 1.2e23, 2.8e21, 25.5], 1, "1.2e+23 in epoch 4"),
        ([2.31, 2.3, 40.0, 9.0, 2.31], 3, "40 in epoch 3"),
        ([2.0, 1.0, 0.5, 7.0, 2.31, 2.305], 4, "7 in epoch 4"),
        ([2.9, 2.3, 3.0, 4.1, 4.0], 4, "4.1 in epoch 4"),
    ],
)
def test_a_loss_that_left_and_came_back_to_guessing_has_diverged_since_it_left(
    losses: list[float], epoch: int, peak: str
) -> None:
    (finding,) = diagnose_curves(curve(losses, losses, [0.1] * len(losses)), 10)
    assert (finding.disease, finding.epoch) == ("diverged", epoch)
    assert f"rises to {peak}" in finding.says


def test_a_first_epoch_far_above_guessing_is_no_disease_where_the_network_learns() -> None:
    assert diseases(curve([90.0, *FALLING], [2.0, *FALLING], [0.1, *RISING_ACCURACY])) == []


def test_overfitting_begins_after_the_lowest_validation_loss() -> None:
    (finding,) = diagnose_curves(OVERFITTED, 10)
    assert finding.epoch == 4
    assert any("patience" in advice for advice in finding.advice)


def test_patience_that_kept_the_best_weights_has_cured_overfitting() -> None:
    rows = curve(FALLING, TURNING, RISING_ACCURACY)
    assert diseases(rows) == ["overfitting"]
    assert diagnose_curves(rows, 10, recipe=Recipe(patience=5)) == ()


def test_rising_loss_under_rising_accuracy_is_called_overconfidence() -> None:
    (finding,) = diagnose_curves(curve(FALLING, TURNING, RISING_ACCURACY), 10)
    assert "with more confidence" in finding.says


def test_validation_that_jumps_more_than_the_gap_to_training_is_noisy_and_not_overfitted() -> None:
    jumps = [0.8, 0.95] * 6
    rows = curve(FALLING, [0.6, 0.2] * 6, [0.93] * EPOCHS, jumps[::-1])
    assert diseases(rows) == ["noisy"]


@settings(deadline=None)
@given(
    n=st.integers(1, 20_000),
    share=st.floats(0, 1),
    exact_share=st.floats(0, 1),
    accuracy=st.one_of(st.none(), st.floats(0, 1)),
)
def test_more_copies_never_matter_less_and_half_of_the_test_images_always_does(
    n: int, share: float, exact_share: float, accuracy: float | None
) -> None:
    copies = round(share * n)
    exact = round(exact_share * copies)
    if leak_matters(copies, exact, n, accuracy):
        assert leak_matters(min(copies + 1, n), exact, n, accuracy)
        assert leak_matters(copies, min(exact + 1, copies), n, accuracy)
    assert not leak_matters(0, 0, n, accuracy)
    assert leak_matters(n, n, n, accuracy)


@pytest.mark.parametrize(
    ("copies", "exact", "n", "matters"),
    [(65, 0, 10_000, False), (4, 0, 10_000, False), (500, 0, 10_000, True), (60, 60, 10_000, True), (0, 0, 0, False)],
)
@pytest.mark.parametrize("accuracy", [0.85, 0.9, 0.95])
def test_near_copies_matter_where_they_move_more_than_the_interval_is_wide(
    accuracy: float, copies: int, exact: int, n: int, matters: bool
) -> None:
    """Fashion-MNIST has 65 near copies among its test images, MNIST 4, both no exact one."""
    assert leak_matters(copies, exact, n, accuracy) is matters


@pytest.mark.parametrize(
    "curves",
    [
        5,
        None,
        {"epoch": 1},
        [5, "x", None],
        [{}],
        [{"epoch": 1}],
        [{"epoch": 1, "train_loss": None}],
        [{"epoch": 1, "train_loss": 10**400}],
        [{"epoch": True, "train_loss": 1.0}],
        [{"epoch": 1, "train_loss": True}],
        [{"epoch": 1, "train_loss": math.nan}],
        [{"epoch": 1, "train_loss": "1.0"}],
        [{"epoch": 1, "train_loss": 1.0, "seconds": [1]}],
    ],
)
def test_curves_that_no_training_writes_are_refused(curves: Any) -> None:
    with pytest.raises(ValueError, match="curves"):
        curve_rows(curves)


def test_dead_is_at_chance_for_as_many_classes_as_there_are() -> None:
    assert diseases(DEAD, classes=10) == ["dead"]
    assert diseases(DEAD, classes=100) != ["dead"]


def noisy_answers(share: float, weak: float = 0.0, count: int = 400, seed: int = 0) -> tuple[Any, Any]:
    """Logits of a network that is right but for `weak`, and labels of which a share is wrong."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 10, count)
    logits = rng.normal(0, 1, (count, 10)) - weak * np.abs(np.arange(10) - true[:, None])
    logits[np.arange(count), true] += 5 * (weak == 0)
    wrong = rng.random(count) < share
    labels = np.where(wrong, (true + rng.integers(1, 10, count)) % 10, true)
    return torch.from_numpy(logits).float(), torch.from_numpy(labels)


@pytest.mark.parametrize("share", [0.2, 0.3, 0.4])
def test_the_share_of_wrong_labels_lies_in_its_interval(share: float) -> None:
    covered = 0
    for seed in range(20):
        noise = label_noise(*noisy_answers(share, seed=seed))
        assert noise is not None
        covered += noise[0] <= share <= noise[2]
    assert covered >= 17


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10_000), weak=st.sampled_from([0.0, 0.3, 0.6, 1.0]))
def test_true_labels_are_not_called_noise_however_weak_the_network(seed: int, weak: float) -> None:
    assert label_noise(*noisy_answers(0.0, weak, seed=seed)) is None


# Real trainings of digits


@pytest.fixture(scope="module")
def everything() -> LabelledImages:
    return read_digits()


def trained(images: LabelledImages, network: str, folder: Path, *changes: str) -> Diagnosis:
    recipe = default_recipe(build_network(network, images.input_shape, images.classes), images)
    recipe = recipe.with_settings(["epochs=15", *changes])
    train(images, network, recipe=recipe, out=folder, device="cpu")
    return diagnose(folder, images)


def leading(diagnosis: Diagnosis) -> str:
    return diagnosis.findings[0].disease if diagnosis.findings else "healthy"


def test_a_healthy_training_is_called_healthy(everything: LabelledImages, tmp_path: Path) -> None:
    found = trained(everything, "mlp", tmp_path / "run")
    assert found.healthy
    assert found.findings == ()


RUNAWAY = "epochs=3 optimizer=rmsprop schedule=constant learning_rate=10"
"""Ends with a loss that is a number, far above that of guessing."""

RESTLESS = "epochs=15 batch=16 optimizer=nesterov schedule=constant learning_rate=1 validation=0.03"
"""Validation skill then strays 0.10 to 0.17 (four seeds), two to three times what is called noisy."""


@pytest.mark.parametrize(
    ("disease", "network", "changes"),
    [
        ("still improving", "mlp", "epochs=2"),
        ("underfitting", "mlp:hidden=1", "epochs=40"),
        ("dead", "mlp:hidden=60-60-60-60-60-60,activation=sigmoid", "epochs=5 optimizer=sgd"),
        ("dead", "squeezenet:width=0.25", "epochs=2 optimizer=sgd learning_rate=0.05"),
        ("diverged", "mlp", RUNAWAY),
        ("diverged", "mlp:activation=tanh", "epochs=5 batch=8 optimizer=nesterov schedule=constant learning_rate=0.3"),
        ("diverged", "plain-cnn:filters=8-16,dense=32", RUNAWAY),
        ("diverged", "pooled-resnet:width=4", RUNAWAY),
        ("noisy", "separable:width=8", RESTLESS),
    ],
)
def test_a_training_that_is_set_up_badly_is_named(
    disease: str, network: str, changes: str, everything: LabelledImages, tmp_path: Path
) -> None:
    assert leading(trained(everything, network, tmp_path / "run", *changes.split())) == disease


@pytest.mark.parametrize(
    "changes",
    [
        "label_smoothing=0.1",
        "mixup=0.2",
        "class_weights=balanced",
        "teacher={teacher}",
        "teacher={teacher} distill=1 optimizer=nesterov",
    ],
)
def test_whatever_is_added_to_the_loss_a_healthy_training_is_healthy(
    changes: str, everything: LabelledImages, tmp_path: Path
) -> None:
    if "teacher" in changes:
        trained(everything, "mlp", tmp_path / "teacher")
    changes = changes.format(teacher=tmp_path / "teacher")
    found = trained(everything, "mlp", tmp_path / "run", *changes.split())
    assert (found.healthy, leading(found)) == (True, "healthy")


def test_a_dead_student_of_a_teacher_is_dead_and_not_diverged(everything: LabelledImages, tmp_path: Path) -> None:
    trained(everything, "mlp", tmp_path / "teacher")
    network, teacher = "mlp:hidden=60-60-60-60-60-60,activation=sigmoid", f"teacher={tmp_path / 'teacher'}"
    assert leading(trained(everything, network, tmp_path / "run", "epochs=5", "optimizer=sgd", teacher)) == "dead"


def test_curves_that_were_forged_with_their_checksum_are_a_run_error(
    everything: LabelledImages, tmp_path: Path
) -> None:
    trained(everything, "mlp:hidden=8", tmp_path / "run", "epochs=1")
    run = Run.open(tmp_path / "run")
    results, weights = run.read(RESULTS), run.weights()
    for change in (
        {"curves": [5, "x", None]},
        {"curves": [results["curves"][0] | {"train_loss": 10**400}]},
        {"seconds": 10**400},
        {"parameters": True},
    ):
        run.finish(weights, results | change, {name: run.checksum(name) for name in ASKED})
        with pytest.raises(RunError, match=r"results\.json is malformed"):
            diagnose(tmp_path / "run", everything)


def test_few_images_learned_by_heart_are_overfitting(everything: LabelledImages, tmp_path: Path) -> None:
    few = dataclasses.replace(everything, learning=everything.learning.take(np.arange(100)), source="")
    changes = "epochs=40 batch=10 optimizer=adamw schedule=constant shift=0 rotate=0 validation=0.5"
    assert leading(trained(few, "mlp", tmp_path / "run", *changes.split())) == "overfitting"


def test_a_training_that_broke_down_is_diverged_with_its_epoch(everything: LabelledImages, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="loss is"):
        trained(everything, "mlp", tmp_path / "run", "optimizer=sgd", "learning_rate=100")
    found = diagnose(tmp_path / "run", everything)
    assert (leading(found), found.findings[0].epoch) == ("diverged", 1)
    assert found.findings[0].advice[0] == "--set learning_rate=0.1"


def test_the_least_noise_that_is_told_falls_with_the_images_and_is_told_of_that_many() -> None:
    shares = [least_noise(images, 10) for images in (60, 288, 2_000, 20_000)]
    assert shares == sorted(shares, reverse=True)
    assert shares[1] > 0.1 > shares[2] > 0.05


def test_wrong_labels_are_label_noise(everything: LabelledImages, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    labels = everything.learning.labels.copy()
    wrong = rng.random(len(labels)) < 0.3
    labels[wrong] = (labels[wrong] + rng.integers(1, 10, int(wrong.sum()))) % 10
    images = dataclasses.replace(everything, learning=Part(everything.learning.images, labels), source="")
    assert leading(trained(images, "mlp", tmp_path / "run")) == "label noise"


def test_test_images_that_were_learned_are_leaked(everything: LabelledImages, tmp_path: Path) -> None:
    sealed = Part(everything.sealed.images.copy(), everything.sealed.labels.copy())
    count = len(sealed) // 20
    sealed.images[:count], sealed.labels[:count] = (
        everything.learning.images[:count],
        everything.learning.labels[:count],
    )
    found = trained(dataclasses.replace(everything, sealed=sealed, source=""), "mlp", tmp_path / "run")
    assert [finding.disease for finding in found.findings] == ["leaked test images"]


def test_a_class_of_blank_pictures_is_constant_and_no_leak(everything: LabelledImages, tmp_path: Path) -> None:
    def blanked(part: Part) -> Part:
        pictures = part.images.copy()
        blank = np.flatnonzero(part.labels == 3)
        pictures[blank] = (blank % 7)[:, None, None, None]
        return Part(pictures, part.labels)

    learning, sealed = blanked(everything.learning), blanked(everything.sealed)
    found = trained(
        dataclasses.replace(everything, learning=learning, sealed=sealed, source=""), "mlp", tmp_path / "run"
    )
    assert [finding.disease for finding in found.findings] == ["constant class"]
    assert "'3'" in found.findings[0].says


def test_a_network_that_gives_one_answer_to_everything_is_dead(everything: LabelledImages, tmp_path: Path) -> None:
    """Nine of ten images have one class, so that the loss of guessing lies far below ln 10."""
    keep = np.flatnonzero((everything.learning.labels == 0) | (np.arange(len(everything.learning)) % 80 == 0))
    images = dataclasses.replace(everything, learning=everything.learning.take(keep), source="")
    network = "mlp:hidden=60-60-60-60-60-60,activation=sigmoid"
    found = trained(images, network, tmp_path / "run", "optimizer=sgd")
    assert leading(found) == "dead"


def test_a_training_on_its_way_is_not_called_healthy(everything: LabelledImages, tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    calls = itertools.count()

    def stop(_: object) -> None:
        if next(calls) > 20:
            raise Stop

    recipe = Recipe(epochs=50, batch=500)
    with pytest.raises(Stop):
        train(everything, "mlp:hidden=8", recipe=recipe, out=tmp_path / "run", device="cpu", on_progress=stop)
    found = diagnose(tmp_path / "run", everything)
    assert not found.healthy
    assert any("--resume" in note for note in found.notes)
    assert (0 < found.epochs < 50, found.epochs_asked) == (True, 50)


def test_other_images_are_not_judged(everything: LabelledImages, digits: LabelledImages, tmp_path: Path) -> None:
    trained(everything, "mlp:hidden=8", tmp_path / "run", "epochs=1")
    assert any("curves alone" in note for note in diagnose(tmp_path / "run", digits).notes)


def test_without_validation_images_the_notes_say_what_is_not_seen(everything: LabelledImages, tmp_path: Path) -> None:
    found = trained(everything, "mlp:hidden=8", tmp_path / "run", "validation=0")
    assert any("validation" in note for note in found.notes)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a run"):
        diagnose(tmp_path)


@pytest.mark.parametrize("source", ["hf:some/body", "cifar10", "no-such-word", "/no/such/folder", "hf:"])
def test_images_that_are_not_on_this_machine_are_not_fetched_and_the_curves_are_judged(
    source: str, digits: LabelledImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_CACHE_HOME", "PENNYWEIGHT_DATA"):
        monkeypatch.setenv(name, str(tmp_path))
    run = train(
        dataclasses.replace(digits, source=source),
        "mlp:hidden=4",
        recipe=Recipe(epochs=2, validation=0.2),
        out=tmp_path / "my run",
        device="cpu",
    ).run
    before = sorted(tmp_path.iterdir())
    found = diagnose(run)
    assert found.findings
    assert any(note.startswith("judged from the curves alone: ") and source in note for note in found.notes)
    assert sorted(tmp_path.iterdir()) == before
