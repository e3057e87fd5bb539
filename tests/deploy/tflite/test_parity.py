"""One arithmetic: the NumPy reference and TensorFlow Lite Micro make the same bytes, tensor by tensor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from tests.deploy.tflite.micro import answers_of, tensors_of
from tests.net.integer.random_network import networks

from pennyweight.core.errors import GraphError
from pennyweight.data.source import open_source
from pennyweight.deploy.tflite.read import read
from pennyweight.deploy.tflite.write import write
from pennyweight.net.integer.network import IntegerNetwork
from pennyweight.net.integer.reference import quantise_input, run, run_all


def assert_same_bytes(network: IntegerNetwork, images: np.ndarray) -> None:
    theirs = tensors_of(write(network), images)
    for name, ours in run_all(network, images).items():
        if name in theirs:
            assert np.array_equal(ours, theirs[name]), f"{name}: {network}"
    assert network.output in theirs


@given(networks())
@settings(max_examples=100, deadline=None)
def test_any_network_makes_the_same_bytes_in_every_tensor(network: IntegerNetwork) -> None:
    check_any(network)


@pytest.mark.slow
@given(networks(most_steps=16))
@settings(max_examples=1000, deadline=None)
def test_a_thousand_deeper_networks_make_the_same_bytes_in_every_tensor(network: IntegerNetwork) -> None:
    check_any(network)


def check_any(network: IntegerNetwork) -> None:
    images = np.random.default_rng(0).integers(-128, 128, (2, *network.input_shape)).astype(np.int8)
    try:
        write(network)
    except GraphError:  # an average pool that TFLite pads otherwise
        assume(False)
    assert_same_bytes(network, images)


def test_noise_makes_the_same_bytes_in_every_tensor_of_a_trained_network(resnet8_int8: bytes) -> None:
    network = read(resnet8_int8, "resnet8")
    assert isinstance(network, IntegerNetwork)
    images = np.random.default_rng(0).integers(-128, 128, (10, 32, 32, 3)).astype(np.int8)
    assert_same_bytes(network, images)
    assert np.array_equal(run(network, images), answers_of(resnet8_int8, images))


@pytest.mark.realdata
def test_images_make_the_same_bytes_in_every_tensor_of_a_trained_network(resnet8_int8: bytes, real_data: Path) -> None:
    network = read(resnet8_int8, "resnet8")
    assert isinstance(network, IntegerNetwork)
    part = open_source("cifar10", data_dir=real_data).open_test().take(np.arange(20))
    images = quantise_input(network, part.images)
    assert_same_bytes(network, images)
    answers = run(network, images)
    assert np.array_equal(answers, answers_of(resnet8_int8, images))
    assert (answers.argmax(1) == part.labels).mean() > 0.8


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.timeout(1800)
def test_ten_thousand_images_have_the_same_answers(resnet8_int8: bytes, real_data: Path) -> None:
    network = read(resnet8_int8, "resnet8")
    assert isinstance(network, IntegerNetwork)
    images = quantise_input(network, open_source("cifar10", data_dir=real_data).open_test().images)
    assert np.array_equal(run(network, images), answers_of(resnet8_int8, images))
