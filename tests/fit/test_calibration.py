"""Calibration error and its bins."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.classification import multiclass_calibration_error

from pennyweight.fit.calibration import BINS, calibration_error, reliability


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("sharpness", [0.3, 2, 6])
def test_the_calibration_error_is_that_of_torchmetrics(seed: int, sharpness: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    chances = (sharpness * torch.randn(400, 7, generator=generator, dtype=torch.float64)).softmax(1)
    labels = torch.randint(7, (400,), generator=generator)
    right = (chances.argmax(1) == labels).numpy()
    reference = multiclass_calibration_error(chances, labels, num_classes=7, n_bins=BINS, norm="l1")
    own = calibration_error(reliability(chances.amax(1).numpy(), right))
    assert own == pytest.approx(float(reference), abs=1e-6)


ANSWERS = st.lists(st.tuples(st.floats(0.01, 1), st.booleans()), min_size=1, max_size=60)


@given(ANSWERS)
def test_every_image_is_in_one_bin_and_a_bins_confidence_lies_in_it(answers: list[tuple[float, bool]]) -> None:
    confidences, right = (np.array(column) for column in zip(*answers, strict=True))
    bins = reliability(confidences, right)
    assert len(bins) == BINS
    assert sum(each.n for each in bins) == len(answers)
    assert sum(each.n * (each.accuracy or 0) for each in bins) == pytest.approx(right.sum())
    for place, each in enumerate(bins):
        assert (each.confidence is None) == (each.accuracy is None) == (each.n == 0)
        if each.confidence is not None:
            assert place / BINS - 1e-9 <= each.confidence <= (place + 1) / BINS + 1e-9
    assert 0 <= calibration_error(bins) <= 1


def test_a_bin_is_closed_at_its_upper_end() -> None:
    bins = reliability(np.array([1 / 3, 1.0]), np.array([True, True]))
    assert [place for place, each in enumerate(bins) if each.n] == [4, 14]


def test_answers_that_are_sure_and_right_have_no_error() -> None:
    assert calibration_error(reliability(np.ones(5), np.full(5, True))) == 0
    assert calibration_error(reliability(np.ones(5), np.full(5, False))) == 1
