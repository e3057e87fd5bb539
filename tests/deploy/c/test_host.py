"""The C of a network, compiled for this machine, makes the reference's bytes."""

from __future__ import annotations

import platform
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from tests.deploy.c.zoo_networks import zoo_network
from tests.net.integer.random_network import networks

from pennyweight.core.errors import UsageError
from pennyweight.deploy.c.host import HostProgram
from pennyweight.deploy.c.program import program
from pennyweight.deploy.toolchain.compiler import host_compilers
from pennyweight.net.graph import INPUT
from pennyweight.net.integer.network import IntegerNetwork, Step, Weights
from pennyweight.net.integer.quantization import Quantization
from pennyweight.net.integer.reference import quantise_input, run, run_all
from pennyweight.net.kernels import Packing
from pennyweight.net.ops import Conv
from pennyweight.net.zoo import families

UNDEFINED = ("-O1", "-fsanitize=undefined", "-fno-sanitize-recover=all")
VECTORS: list[tuple[str, ...]] = [("-march=native",)]
if platform.machine() in ("x86_64", "AMD64"):
    VECTORS.append(("-march=native", "-mno-avx512f"))
LARGE = ("board-vgg", "mobilenetv2", "plain-cnn", "resnet50", "squeezenet", "vgg")


def pixels_for(network: IntegerNetwork, count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *network.input_shape)).astype(np.uint8)


def check(network: IntegerNetwork, count: int, packing: Packing, *flags: str) -> None:
    pixels = pixels_for(network, count)
    built = HostProgram(network, packing=packing, flags=flags)
    tensors = run_all(network, quantise_input(network, pixels))
    for name, ours in built.run_all(pixels).items():
        assert np.array_equal(ours, tensors[name]), f"{name} of {network}"
    assert np.array_equal(built.run(pixels), tensors[network.output])


@pytest.mark.parametrize("packing", ["blocks", "rows", "tiles"])
@given(network=networks())
@settings(max_examples=6, deadline=None)
def test_any_network_in_c_makes_the_references_bytes_and_does_nothing_undefined(
    packing: Packing, network: IntegerNetwork
) -> None:
    check(network, 5, packing, *UNDEFINED)


@pytest.mark.parametrize("flags", VECTORS)
@given(network=networks())
@settings(max_examples=4, deadline=None)
def test_any_network_with_the_vector_instructions_of_this_machine_makes_the_references_bytes(
    flags: tuple[str, ...], network: IntegerNetwork
) -> None:
    check(network, 5, "tiles", "-O2", *flags)


@pytest.mark.parametrize("flags", VECTORS)
@pytest.mark.parametrize("filters", [15, 17, 32])
def test_tiles_of_filters_and_what_is_left_of_them_make_the_references_bytes(
    filters: int, flags: tuple[str, ...]
) -> None:
    random = np.random.default_rng(filters)
    quantization = Quantization(0.05, -3)
    for scale in (0.004, 30.0):  # the latter is a shift to the left
        values = random.integers(-127, 128, (filters, 3, 3, 9)).astype(np.int8)
        weights = Weights(values, np.full(filters, scale, np.float32), np.arange(filters, dtype=np.int32))
        step = Step("a", Conv(filters, (3, 3), (1, 1), (1, 1, 1, 1)), (INPUT,), quantization, weights=weights)
        network = IntegerNetwork("one", (5, 4, 9), quantization, (step,), (128.0,) * 9, (20.0,) * 9)
        check(network, 2, "tiles", "-O2", *flags)


@pytest.mark.parametrize("packing", ["blocks", "rows", "tiles"])
@pytest.mark.parametrize("groups", [1, 2, 6])
def test_convolutions_that_write_over_their_input_make_the_references_bytes(packing: Packing, groups: int) -> None:
    random = np.random.default_rng(0)
    quantization = Quantization(0.05, -3)
    steps, source, channels = [], INPUT, 6
    for name, filters in (("a", 6), ("b", 12), ("c", 6)):
        op = Conv(filters, (3, 3), (1, 1), (1, 1, 1, 1), groups)
        values = random.integers(-127, 128, (filters, 3, 3, channels // groups)).astype(np.int8)
        weights = Weights(values, np.full(filters, 0.004, np.float32), np.zeros(filters, np.int32))
        steps.append(Step(name, op, (source,), quantization, weights=weights))
        source, channels = name, filters
    network = IntegerNetwork("chain", (5, 7, 6), quantization, tuple(steps), (128.0,) * 6, (20.0,) * 6)
    offsets = [tensor.offset_bytes for tensor in program(network, packing=packing).tensors]
    assert min(abs(a - b) for a, b in pairwise(offsets)) < 5 * 7 * 6
    check(network, 3, packing, "-O1")


@pytest.mark.parametrize("packing", ["blocks", "rows", "tiles"])
def test_windows_wider_than_the_image_make_the_references_bytes(packing: Packing) -> None:
    random = np.random.default_rng(0)
    quantization = Quantization(0.05, -3)
    steps = []
    for name, stride, padding in (("a", 2, (0, 1, 0, 1)), ("b", 3, (1, 1, 0, 2)), ("c", 1, (1, 1, 2, 2))):
        op = Conv(5, (2, 3), (stride, stride), padding)
        weights = Weights(
            random.integers(-127, 128, (5, 2, 3, 3)).astype(np.int8),
            np.full(5, 0.004, np.float32),
            np.zeros(5, np.int32),
        )
        steps.append(Step(name, op, (INPUT,), quantization, weights=weights))
    for step in steps:
        network = IntegerNetwork("one", (3, 2, 3), quantization, (step,), (128.0,) * 3, (20.0,) * 3)
        check(network, 3, packing, *UNDEFINED)


@pytest.mark.slow
@pytest.mark.timeout(4000)
@pytest.mark.parametrize("packing", ["blocks", "rows", "tiles"])
@given(network=networks(most_steps=12))
@settings(max_examples=60, deadline=None)
def test_dozens_of_deeper_networks_in_c_make_the_references_bytes(packing: Packing, network: IntegerNetwork) -> None:
    check(network, 10, packing, "-O1")


@pytest.mark.parametrize(
    "family", [pytest.param(name, marks=[pytest.mark.slow] if name in LARGE else []) for name in families()]
)
def test_every_family_of_the_zoo_in_c_makes_the_references_bytes(family: str) -> None:
    check(zoo_network(family), 2, "tiles", "-O3", "-march=native")


@pytest.mark.parametrize("packing", ["blocks", "rows", "tiles"])
@pytest.mark.parametrize("compiler", ["gcc", "clang", "zig"])
def test_every_compiler_makes_the_same_answers_and_finds_nothing_to_say(compiler: str, packing: Packing) -> None:
    if compiler not in host_compilers():
        pytest.skip(f"no {compiler} here")
    network = zoo_network("resnet8:width=8")
    pixels = pixels_for(network, 3)
    built = HostProgram(network, packing=packing, flags=("-O2",), compiler=compiler)
    assert np.array_equal(built.run(pixels), run(network, quantise_input(network, pixels)))


def test_images_of_another_shape_are_refused() -> None:
    network = zoo_network("mlp")
    with pytest.raises(UsageError, match="takes uint8 images of 32x32x3, not uint8 of 28x28x1"):
        HostProgram(network, flags=("-O0",)).run(np.zeros((1, 28, 28, 1), np.uint8))
