"""The training loop: interrupted after any epoch it goes on as if nothing had been, and it says when it cannot."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save

from pennyweight.core.errors import TrainingError
from pennyweight.data.images import LabelledImages, Part
from pennyweight.fit.loop import Progress, State, _class_weights, begin, checkpoint, fit, restore
from pennyweight.fit.predict import Normalisation, logits
from pennyweight.fit.recipe import OPTIMIZERS, Recipe
from pennyweight.net.build import Builder
from pennyweight.net.graph import Graph
from pennyweight.net.module import to_module

CPU = torch.device("cpu")
EVERYTHING = Recipe(
    epochs=4,
    batch=32,
    flip=True,
    shift=1,
    crop=0.8,
    rotate=10.0,
    color=0.2,
    cutout=2,
    mixup=0.3,
    label_smoothing=0.1,
    ema=0.9,
    patience=3,
    validation=0.2,
)
"""All that remembers something or draws something, at once."""

Outcome = tuple[dict[str, bytes], list[dict[str, Any]]]


def start(graph: Graph, recipe: Recipe) -> State:
    return begin(graph, to_module(graph, seed=recipe.seed), recipe)


def go(
    state: State, images: LabelledImages, recipe: Recipe, on_epoch: Callable[[State], None] | None = None, **more: Any
) -> Outcome:
    """Weights as bytes, and curves without what a clock says."""
    train, validation = images.split(recipe.validation)
    weights = fit(state, train, validation, Normalisation.of(train), recipe, on_epoch=on_epoch, **more)
    curves = [{key: row[key] for key in row if key not in ("seconds", "images_per_s")} for row in state.curves]
    return {name: tensor.numpy().tobytes() for name, tensor in weights.items()}, curves


def few(count: int, classes: int = 10, seed: int = 0) -> Part:
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 1), dtype=np.uint8)
    return Part(pixels, np.arange(count, dtype=np.int64) % classes)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("net", ["conv_net", "mlp"])
def test_a_training_that_is_taken_up_after_any_epoch_ends_in_the_same_bits(
    optimizer: str, net: str, digits: LabelledImages, request: pytest.FixtureRequest
) -> None:
    graph: Graph = request.getfixturevalue(net)
    recipe = replace(EVERYTHING, optimizer=optimizer)
    kept: list[tuple[bytes, dict[str, Any]]] = []

    def keep(state: State) -> None:
        tensors, facts = checkpoint(state)
        kept.append((save(tensors), facts | {"curves": list(state.curves)}))

    straight = go(start(graph, recipe), digits, recipe, keep)
    assert len(kept) == recipe.epochs
    torch.manual_seed(99)
    for content, facts in kept:
        state = start(graph, replace(recipe, seed=5))
        restore(state, load(content), facts)
        assert go(state, digits, recipe) == straight


def test_one_that_had_lost_patience_stops_at_once_when_it_is_taken_up(digits: LabelledImages, mlp: Graph) -> None:
    recipe = Recipe(epochs=50, batch=64, patience=1, validation=0.2, schedule="constant", learning_rate=1.0)
    last: list[Any] = []

    def keep(state: State) -> None:
        tensors, facts = checkpoint(state)
        last[:] = [load(save(tensors)), facts | {"curves": list(state.curves)}]

    state = start(mlp, recipe)
    straight = go(state, digits, recipe, keep)
    assert state.epoch < 50
    again = start(mlp, recipe)
    restore(again, *last)
    assert go(again, digits, recipe) == straight


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(digits: LabelledImages, conv_net: Graph) -> None:
    recipe = replace(EVERYTHING, epochs=2)
    once = go(start(conv_net, recipe), digits, recipe)
    torch.manual_seed(7)
    assert go(start(conv_net, recipe), digits, recipe) == once
    other = replace(recipe, seed=1)
    same_start = begin(conv_net, to_module(conv_net, seed=0), other)
    assert go(same_start, digits, other)[0] != once[0]


def test_the_global_random_state_is_neither_read_nor_changed(digits: LabelledImages, conv_net: Graph) -> None:
    torch.manual_seed(3)
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].tolist()  # type: ignore[index, union-attr]  # noqa: NPY002
    go(start(conv_net, EVERYTHING), digits, replace(EVERYTHING, epochs=1))
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.random.get_state()[1].tolist() == numpy_state  # type: ignore[index, union-attr]  # noqa: NPY002


def test_a_training_of_no_learning_rate_to_speak_of_changes_no_weight_and_sees_each_image_once(
    digits: LabelledImages, conv_net: Graph
) -> None:
    # One step over all images: the running mean then is a tenth of the batch's, had nothing else gone through.
    recipe = Recipe(epochs=1, batch=200, learning_rate=1e-30, weight_decay=0.0, validation=0.0, schedule="constant")
    state = start(conv_net, recipe)
    train, validation = digits.split(0)
    normalisation = Normalisation.of(train)
    weights = fit(state, train, validation, normalisation, recipe)
    fresh = to_module(conv_net, seed=0)
    for name, parameter in fresh.named_parameters():
        assert torch.allclose(parameter, weights[name], atol=1e-20)
    mean, scale = normalisation.tensors(CPU)
    x = (torch.from_numpy(train.images).permute(0, 3, 1, 2) - mean) * scale
    first = conv_net.layers[0].name
    expected = 0.1 * fresh.get_submodule(first)(x).mean((0, 2, 3))
    assert torch.allclose(weights["batch_norm1.running_mean"], expected, atol=2e-3)


def test_the_loss_of_a_training_falls_and_its_curves_say_so(digits: LabelledImages, mlp: Graph) -> None:
    recipe = Recipe(epochs=12, batch=32, validation=0.2)
    _, curves = go(start(mlp, recipe), digits, recipe)
    assert [row["epoch"] for row in curves] == list(range(1, 13))
    assert curves[-1]["train_loss"] < 0.5 * curves[0]["train_loss"]
    assert curves[-1]["validation_accuracy"] > 0.7
    assert curves[-1]["learning_rate"] < 0.2 * recipe.peak_learning_rate


def test_without_validation_images_nothing_is_validated(digits: LabelledImages, mlp: Graph) -> None:
    recipe = Recipe(epochs=2, validation=0.0)
    _, curves = go(start(mlp, recipe), digits, recipe)
    assert {row["validation_loss"] for row in curves} == {row["validation_accuracy"] for row in curves} == {None}


@pytest.mark.parametrize("ema", [0.0, 0.99])
def test_a_batch_larger_than_the_set_is_the_set(ema: float, mlp: Graph) -> None:
    recipe = Recipe(epochs=3, batch=1000, validation=0.0, ema=ema, schedule="constant")
    state = start(mlp, recipe)
    train = few(20)
    weights = fit(state, train, few(0), Normalisation.of(train), recipe)
    fresh = to_module(mlp, seed=0).state_dict()
    assert all(not torch.equal(weights[name], fresh[name]) for name in fresh)
    assert len(state.curves) == 3


def test_the_average_of_the_weights_lies_among_them_and_is_what_is_kept(digits: LabelledImages, mlp: Graph) -> None:
    recipe = Recipe(epochs=3, batch=16, ema=0.9, validation=0.2)
    state = start(mlp, recipe)
    train, validation = digits.split(recipe.validation)
    weights = fit(state, train, validation, Normalisation.of(train), recipe)
    last = state.module.state_dict()
    assert any(not torch.equal(weights[name], last[name]) for name in last)
    assert all(torch.allclose(weights[name], last[name], atol=0.3) for name in last)
    state.module.load_state_dict(weights)
    out = logits(state.module, validation.images, Normalisation.of(train), CPU)
    loss = F.cross_entropy(out, torch.from_numpy(validation.labels))
    assert float(loss) == pytest.approx(state.curves[-1]["validation_loss"], rel=1e-4)


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_early_stopping_keeps_the_weights_of_the_best_epoch(ema: float, digits: LabelledImages, mlp: Graph) -> None:
    # A constant, high learning rate: the loss soon wanders.
    recipe = Recipe(
        epochs=60, batch=16, ema=ema, patience=2, validation=0.3, schedule="constant", learning_rate=0.5, momentum=0.5
    )
    state = start(mlp, recipe)
    train, validation = digits.split(recipe.validation)
    normalisation = Normalisation.of(train)
    weights = fit(state, train, validation, normalisation, recipe)
    losses = [row["validation_loss"] for row in state.curves]
    assert len(losses) < 60
    best = int(np.argmin(np.array(losses, float)))
    assert len(losses) == best + 1 + recipe.patience
    state.module.load_state_dict(weights)
    out = logits(state.module, validation.images, normalisation, CPU)
    assert float(F.cross_entropy(out, torch.from_numpy(validation.labels))) == pytest.approx(losses[best], rel=1e-4)


@pytest.mark.parametrize(
    "change",
    [
        {"learning_rate": 100.0, "batch": 8},
        {"learning_rate": 100.0, "batch": 8, "validation": 0.0, "patience": 0},
        {"learning_rate": 100.0, "optimizer": "sgd", "batch": 8, "ema": 0.9},
    ],
)
def test_a_loss_that_is_no_number_ends_the_training_with_a_hint(
    change: dict[str, Any], digits: LabelledImages, mlp: Graph
) -> None:
    recipe = replace(Recipe(epochs=30, weight_decay=1.0, schedule="constant", momentum=0.99), **change)
    saved: list[int] = []
    state = start(mlp, recipe)

    def keep(state: State) -> None:
        saved.append(state.epoch)
        assert all(tensor.isfinite().all() for tensor in checkpoint(state)[0].values())
        assert all(math.isfinite(value) for row in state.curves for value in row.values() if value is not None)

    with pytest.raises(
        TrainingError, match=r"(the loss is (nan|inf|-inf)|not finite) in epoch \d+, step \d+"
    ) as caught:
        go(state, digits, recipe, keep)
    assert "learning rate 100" in str(caught.value)
    assert caught.value.hint == "try a lower one: --set learning_rate=0.1"
    assert len(state.curves) == len(saved)


def test_weights_that_overflow_in_the_last_step_are_not_handed_out() -> None:
    builder = Builder((8, 8, 1))
    builder.dense(10)
    recipe = Recipe(epochs=1, batch=20, validation=0.0, schedule="constant", optimizer="sgd", learning_rate=100.0)
    state = start(builder.graph("linear"), recipe)
    for parameter in state.module.parameters():
        parameter.detach().zero_()
    # The logits are 0 and the loss is ln 10, but the gradient is as large as the pixels: 255e36.
    with pytest.raises(TrainingError, match="a weight is not finite in epoch 1"):
        fit(state, few(20), few(0), Normalisation((0.0,), (1e-36,)), recipe)
    assert state.epoch == 0
    assert state.curves == []


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.integers(6, 8))
def test_balanced_weights_have_mean_one_over_the_images_and_the_same_sum_in_every_class(
    labels: list[int], classes: int
) -> None:
    weights = _class_weights(torch.tensor(labels), classes)
    assert float(weights[torch.tensor(labels)].mean()) == pytest.approx(1)
    counts = torch.bincount(torch.tensor(labels), minlength=classes)
    sums = (weights * counts)[counts > 0]
    assert torch.allclose(sums, sums[0].expand_as(sums), rtol=1e-4)
    assert (weights[counts == 0] == 0).all()


def test_balanced_weights_lift_the_recall_of_the_rare_class(digits: LabelledImages, mlp: Graph) -> None:
    learning = digits.learning
    hard = np.where(np.isin(learning.labels, (3, 8, 9)), 1, 0)
    rare = np.concatenate([np.flatnonzero(hard == 0), np.flatnonzero(hard)[:12]])
    part = Part(learning.images[rare], hard[rare].astype(np.int64))
    recalls = {}
    for choice in ("none", "balanced"):
        recipe = Recipe(epochs=6, batch=32, validation=0.0, class_weights=choice, optimizer="adam")
        state = start(mlp, recipe)
        fit(state, part, few(0), Normalisation.of(part), recipe)
        answers = logits(state.module, part.images, Normalisation.of(part), CPU).argmax(1).numpy()
        recalls[choice] = (answers[part.labels == 1] == 1).mean()
    assert recalls["balanced"] > recalls["none"]


def test_distillation_brings_the_answers_nearer_to_the_teachers(mlp: Graph) -> None:
    train = few(60)
    teacher = 6 * torch.randn(60, 10, generator=torch.Generator().manual_seed(1))
    distances = {}
    for distill in (0.0, 1.0):
        recipe = Recipe(
            epochs=40, batch=20, validation=0.0, teacher="x", distill=distill, temperature=1.0, optimizer="adam"
        )
        state = start(mlp, recipe)
        normalisation = Normalisation.of(train)
        fit(state, train, few(0), normalisation, recipe, teacher_logits=teacher)
        out = logits(state.module, train.images, normalisation, CPU)
        distances[distill] = float((out.softmax(1) - teacher.softmax(1)).abs().sum(1).mean())
    assert distances[1.0] < 0.8 * distances[0.0]


def test_what_a_teacher_says_of_two_images_is_mixed_as_they_are() -> None:
    # A linear teacher's logits of a mixture are the mixture of its logits: a linear student can agree with it wholly.
    builder = Builder((8, 8, 1))
    builder.dense(10)
    graph, train = builder.graph("linear"), few(40)
    normalisation = Normalisation.of(train)
    teacher = to_module(graph, seed=3)
    torch.nn.init.orthogonal_(teacher.dense1.weight, 2.0, generator=torch.Generator().manual_seed(0))
    recipe = Recipe(
        epochs=60, batch=20, validation=0.0, teacher="x", distill=1.0, temperature=1.0, mixup=2.0, optimizer="adam"
    )
    recipe = replace(recipe, learning_rate=0.03, weight_decay=0.0)
    told: list[Progress] = []
    fit(
        *(start(graph, recipe), train, few(0), normalisation, recipe),
        teacher_logits=logits(teacher, train.images, normalisation, CPU),
        on_progress=told.append,
    )
    assert told[-1].loss < 0.02 * told[0].loss


@pytest.mark.parametrize(
    "changes",
    [{}, {"label_smoothing": 0.3}, {"mixup": 1.0}, {"class_weights": "balanced"}, {"teacher": "x", "distill": 0.7}],
)
def test_the_training_loss_is_the_plain_cross_entropy_whatever_is_learned_from(
    changes: dict[str, Any], mlp: Graph
) -> None:
    """At a learning rate of next to nothing: guessing, that is all logits 0, costs ln k."""
    train = few(40)
    recipe = Recipe(epochs=1, batch=20, validation=0.0, optimizer="sgd", learning_rate=1e-30)
    recipe = replace(recipe, **changes)
    state = start(mlp, recipe)
    for parameter in state.module.parameters():
        parameter.detach().zero_()
    teacher = 50 * torch.randn(40, 10, generator=torch.Generator().manual_seed(1)) if recipe.teacher else None
    fit(state, train, few(0), Normalisation.of(train), recipe, teacher_logits=teacher)
    assert state.curves[0]["train_loss"] == pytest.approx(math.log(10), rel=1e-5)


@pytest.mark.parametrize("changes", [{"label_smoothing": 0.3}, {"class_weights": "balanced"}, {"teacher": "x"}])
def test_what_is_added_to_the_loss_does_not_show_in_the_first_training_loss(
    changes: dict[str, Any], mlp: Graph
) -> None:
    train = few(40)
    losses = []
    for more in ({}, changes):
        recipe = replace(Recipe(epochs=1, batch=40, validation=0.0), **more)
        teacher = torch.randn(40, 10, generator=torch.Generator().manual_seed(1)) if recipe.teacher else None
        state = start(mlp, recipe)
        fit(state, train, few(0), Normalisation.of(train), recipe, teacher_logits=teacher)
        losses.append(state.curves[0]["train_loss"])
    assert losses[0] == losses[1]


def test_a_distilled_training_that_is_taken_up_ends_in_the_same_bits(digits: LabelledImages, mlp: Graph) -> None:
    recipe = replace(EVERYTHING, teacher="x")
    train, _ = digits.split(recipe.validation)
    teacher = torch.randn(len(train), 10, generator=torch.Generator().manual_seed(1))
    kept: list[Any] = []

    def keep(state: State) -> None:
        tensors, facts = checkpoint(state)
        kept.append((save(tensors), facts | {"curves": list(state.curves)}))

    straight = go(start(mlp, recipe), digits, recipe, keep, teacher_logits=teacher)
    state = start(mlp, recipe)
    restore(state, load(kept[1][0]), kept[1][1])
    assert go(state, digits, recipe, teacher_logits=teacher) == straight


def test_progress_is_told_at_the_end_of_every_epoch_at_least(digits: LabelledImages, mlp: Graph) -> None:
    told: list[Progress] = []
    recipe = Recipe(epochs=3, batch=32, validation=0.2)
    go(start(mlp, recipe), digits, recipe, on_progress=told.append)
    ends = [each for each in told if each.step == each.steps]
    assert [each.epoch for each in ends] == [0, 1, 2]
    assert ends[0].validation_accuracy is None
    assert 0 <= (ends[2].validation_accuracy or -1) <= 1
    assert ends[-1].seconds_left == 0
    assert all(each.images_per_s > 0 and math.isfinite(each.loss) for each in told)


def test_what_is_watched_changes_nothing(digits: LabelledImages, conv_net: Graph) -> None:
    recipe = replace(EVERYTHING, epochs=2)
    unseen = go(start(conv_net, recipe), digits, recipe)
    assert go(start(conv_net, recipe), digits, recipe, on_progress=lambda _: None) == unseen


@pytest.mark.parametrize(
    "forge",
    [
        lambda tensors, facts: (tensors, {}),
        lambda tensors, facts: (tensors, facts | {"epoch": "many"}),
        lambda tensors, facts: ({}, facts),
        lambda tensors, facts: (tensors | {"optimizer0/999/momentum_buffer": torch.zeros(1)}, facts),
        lambda tensors, facts: (tensors | {"optimizer0/x/momentum_buffer": torch.zeros(1)}, facts),
        lambda tensors, facts: (tensors | {"optimizer0": torch.zeros(1)}, facts),
        lambda tensors, facts: (tensors | {"best/dense1.weight": torch.zeros(1)}, facts),
        lambda tensors, facts: (tensors | {"module/dense1.weight": torch.zeros(1)}, facts),
    ],
)
def test_what_is_no_checkpoint_is_refused_with_one_of_the_errors_that_are_told(forge: Any, mlp: Graph) -> None:
    state = start(mlp, Recipe())
    tensors, facts = checkpoint(start(mlp, Recipe()))
    with pytest.raises((LookupError, TypeError, ValueError, ArithmeticError, RuntimeError)):
        restore(state, *forge(tensors, facts))
