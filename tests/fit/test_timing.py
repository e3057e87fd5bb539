"""The time that an image takes."""

from __future__ import annotations

import time

import pytest
import torch
from torch import nn

from pennyweight.data.images import LabelledImages
from pennyweight.fit.network import TrainedNetwork
from pennyweight.fit.predict import Normalisation
from pennyweight.fit.timing import SECONDS, Timing, measure
from pennyweight.net.graph import Graph


class Sleeper(nn.Module):
    """A network that takes `once_ms` for a batch and `each_ms` for each of its images."""

    def __init__(self, once_ms: float, each_ms: float) -> None:
        super().__init__()
        self.once_ms, self.each_ms = once_ms, each_ms

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        time.sleep((self.once_ms + self.each_ms * len(x)) / 1e3)
        return x.flatten(1)


def timed(module: nn.Module, digits: LabelledImages, graph: Graph) -> Timing:
    network = TrainedNetwork(graph, module, Normalisation((0.0,), (1.0,)), digits.class_names, torch.device("cpu"))
    return measure(network, digits.learning.images[:3])


def test_what_is_measured_is_the_time_of_the_module(digits: LabelledImages, mlp: Graph) -> None:
    timing = timed(Sleeper(1, 2), digits, mlp)
    assert timing.batch1_ms == pytest.approx(3, abs=1)
    assert timing.best_batch >= 8
    assert 2 <= timing.best_batch_ms_per_image < 2.6


def test_a_batch_is_chosen_only_where_it_is_faster(digits: LabelledImages, mlp: Graph) -> None:
    class Crowded(Sleeper):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.each_ms = 1 if len(x) == 4 else 3
            return super().forward(x)

    assert timed(Crowded(0, 3), digits, mlp).best_batch == 4


def test_threads_and_device_are_those_of_the_measurement(digits: LabelledImages, mlp: Graph) -> None:
    timing = timed(Sleeper(0, 0.5), digits, mlp)
    assert (timing.threads, timing.device) == (torch.get_num_threads(), "cpu") == (1, "cpu")
    assert timing.as_json()["best_batch"] == timing.best_batch


@pytest.mark.parametrize("each_ms", [0.01, 20])
def test_all_measurements_together_take_little_time(each_ms: float, digits: LabelledImages, mlp: Graph) -> None:
    began = time.perf_counter()
    timed(Sleeper(0, each_ms), digits, mlp)
    assert time.perf_counter() - began < 1.5 * SECONDS
