"""How much too good the best of several networks looks, against made-up networks whose true accuracy is known."""

from __future__ import annotations

import numpy as np

from pennyweight.plan.optimism import optimism


def drawn(accuracies: list[float], images: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([rng.random(images) < accuracy for accuracy in accuracies])


def test_one_network_is_not_chosen_so_it_has_no_optimism() -> None:
    assert optimism(drawn([0.9], 200, 0), np.random.default_rng(0)) == 0


def test_of_the_optimism_of_the_best_of_many_equals_the_bootstrap_tells_the_larger_part() -> None:
    told, true = [], []
    for seed in range(40):
        right = drawn([0.9] * 12, 500, seed)
        told.append(optimism(right, np.random.default_rng(seed)))
        true.append(right.mean(axis=1).max() - 0.9)
    assert 0.5 * np.mean(true) < np.mean(told) < 1.1 * np.mean(true)


def test_a_network_that_is_far_ahead_was_not_lucky() -> None:
    right = drawn([0.99, 0.6, 0.5], 500, 0)
    assert optimism(right, np.random.default_rng(0)) < 0.002


def test_more_images_leave_less_to_luck() -> None:
    few = optimism(drawn([0.9] * 8, 100, 1), np.random.default_rng(0))
    many = optimism(drawn([0.9] * 8, 10_000, 1), np.random.default_rng(0))
    assert many < few / 3
