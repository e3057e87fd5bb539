"""The time that an image takes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pennyweight.data.images import LabelledImages
from pennyweight.fit.network import TrainedNetwork
from pennyweight.fit.predict import Normalisation
from pennyweight.fit.timing import SECONDS, UNSTEADY, Timing, measure
from pennyweight.net.graph import Graph


class Clock:
    """Goes on only while a network answers: so no test hangs on how busy the machine is."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("pennyweight.fit.timing.perf_counter", made)
    return made


class Worker(nn.Module):
    """A network that takes `once_ms` for a batch and `each_ms` for each of its images."""

    def __init__(self, clock: Clock, once_ms: float, each_ms: float) -> None:
        super().__init__()
        self.clock, self.once_ms, self.each_ms = clock, once_ms, each_ms

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.clock.now += (self.once_ms + self.each_ms * len(x)) / 1e3
        return x.flatten(1)


def timed(module: nn.Module, digits: LabelledImages, graph: Graph) -> Timing:
    network = TrainedNetwork(graph, module, Normalisation((0.0,), (1.0,)), digits.class_names, torch.device("cpu"))
    return measure(network, digits.learning.images[:3])


def test_what_is_measured_is_the_time_of_the_module(clock: Clock, digits: LabelledImages, mlp: Graph) -> None:
    timing = timed(Worker(clock, 1, 2), digits, mlp)
    assert timing.batch1_ms == pytest.approx(3)
    assert timing.best_batch >= 8
    assert timing.best_batch_ms_per_image == pytest.approx(2 + 1 / timing.best_batch)


def test_a_batch_is_chosen_only_where_it_is_faster(clock: Clock, digits: LabelledImages, mlp: Graph) -> None:
    class Crowded(Worker):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.each_ms = 1 if len(x) == 4 else 3
            return super().forward(x)

    assert timed(Crowded(clock, 0, 3), digits, mlp).best_batch == 4


def test_the_quartiles_are_those_of_the_repeats(clock: Clock, digits: LabelledImages, mlp: Graph) -> None:
    class Slowing(Worker):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.once_ms += 1 if len(x) == 1 else 0
            return super().forward(x)

    timing = timed(Slowing(clock, 9, 0), digits, mlp)
    assert timing.batch1_ms_quartiles is not None
    lower, upper = timing.batch1_ms_quartiles
    assert lower < timing.batch1_ms < upper
    assert timing.batch1_ms - lower == pytest.approx(upper - timing.batch1_ms)  # they rise evenly
    even = timed(Worker(clock, 1, 2), digits, mlp)
    assert even.batch1_ms_quartiles == pytest.approx((3, 3))
    assert even.best_batch_ms_per_image_quartiles == pytest.approx((even.best_batch_ms_per_image,) * 2)


def test_times_are_unsteady_where_either_ones_quartiles_lie_far_apart() -> None:
    near, far = (0.9, 1.1), (0.9, 0.91 + UNSTEADY)
    for alone, many, unsteady in ((near, near, False), (far, near, True), (near, far, True), (None, None, False)):
        timing = Timing(1.0, 8, 1.0, 1, "cpu", alone, many)
        assert timing.unsteady == timing.as_json()["times_unsteady"] == unsteady


def test_threads_and_device_are_those_of_the_measurement(clock: Clock, digits: LabelledImages, mlp: Graph) -> None:
    timing = timed(Worker(clock, 0, 0.5), digits, mlp)
    assert (timing.threads, timing.device) == (torch.get_num_threads(), "cpu") == (1, "cpu")
    assert timing.as_json()["best_batch"] == timing.best_batch


@pytest.mark.parametrize("each_ms", [0.01, 20])
def test_all_measurements_together_take_little_time(
    clock: Clock, each_ms: float, digits: LabelledImages, mlp: Graph
) -> None:
    timed(Worker(clock, 0, each_ms), digits, mlp)
    assert 0 < clock.now < 1.5 * SECONDS
