"""Devices: the one asked for or an error, and products in a type that the device has."""

from __future__ import annotations

import json

import pytest
import torch

from pennyweight.core.errors import UsageError
from pennyweight.fit.device import DEVICES, choose_device, environment, product_type
from pennyweight.net.graph import Graph
from pennyweight.net.zoo import build_network


def test_the_cpu_is_always_there_and_auto_finds_something() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device().type in DEVICES


@pytest.mark.parametrize("wish", ["tpu", "", "cuda:99", "CPU"])
def test_a_device_that_is_not_here_is_an_error_that_says_which_are(wish: str) -> None:
    with pytest.raises(UsageError, match="is not here") as caught:
        choose_device(wish)
    assert "cpu" in caught.value.hint


def test_the_cpu_multiplies_in_a_type_that_autocast_has_there(conv_net: Graph) -> None:
    chosen = product_type(torch.device("cpu"), conv_net, batch=64)
    assert chosen in (torch.float32, torch.bfloat16)
    with torch.autocast("cpu", chosen, enabled=chosen != torch.float32):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == chosen


def test_dense_networks_on_small_batches_and_depthwise_ones_multiply_in_float32_on_the_cpu(mlp: Graph) -> None:
    for graph in (mlp, build_network("separable", (8, 8, 1), 10)):
        assert product_type(torch.device("cpu"), graph, batch=64) == torch.float32


def test_the_environment_is_plain_json() -> None:
    facts = environment(torch.device("cpu"))
    assert json.loads(json.dumps(facts)) == facts
    assert facts["torch"] == torch.__version__
