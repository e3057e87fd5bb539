"""Grid search."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from pennyweight.core.errors import UsageError
from pennyweight.plan.candidates import Candidates
from pennyweight.plan.samplers.base import next_candidate
from pennyweight.plan.samplers.grid import Grid
from pennyweight.plan.trial import Trial


def test_a_grid_visits_every_point_that_fits_once_and_in_order(
    candidates_of: Callable[..., Candidates], searched: Callable[..., list[Trial]]
) -> None:
    candidates = candidates_of(
        '[networks.mlp]\nhidden = ["8", "5000", "16"]\n[networks.resnet8]\nwidth = [4, 8]\n[recipe]\nepochs = [1, 5]',
        parameters=50_000,
    )
    trials = searched(Grid(), candidates, (), lambda point: 0.5, 100, seed=0)
    assert [trial.point for trial in trials] == [each for each in candidates.space.grid() if candidates.fitting(each)]
    assert len(trials) == 8


def test_a_grid_refuses_a_range_and_names_it(candidates_of: Callable[..., Candidates]) -> None:
    candidates = candidates_of("[networks.mlp]\ndropout = { low = 0, high = 0.5 }")
    with pytest.raises(UsageError, match=r"mlp\.dropout"):
        next_candidate(Grid(), candidates, (), [], Random(0))
