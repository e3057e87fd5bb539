"""An int8 network in patches makes the very bytes of the whole one, and stores nothing twice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.deploy.c.zoo_networks import zoo_network
from tests.net.integer.random_network import networks

from pennyweight.deploy.c.host import HostProgram
from pennyweight.deploy.c.program import program
from pennyweight.net.integer.network import IntegerNetwork
from pennyweight.net.integer.patches import patched_network
from pennyweight.net.integer.reference import quantise_input, run, run_all
from pennyweight.net.kernels import Packing
from pennyweight.net.patches import stage_ends


def pixels_for(network: IntegerNetwork, count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *network.input_shape)).astype(np.uint8)


@settings(max_examples=150, deadline=None)
@given(networks(), st.data())
def test_any_network_in_patches_makes_the_same_bytes(network: IntegerNetwork, data: st.DataObject) -> None:
    ends = list(stage_ends(network.graph))
    if not ends:
        return
    last = data.draw(st.sampled_from(ends))
    height, width, _ = network.shapes[last]
    grid = data.draw(st.tuples(st.integers(1, min(height, 3)), st.integers(1, min(width, 3))))
    images = quantise_input(network, pixels_for(network, 3))
    whole, made = run_all(network, images), run_all(patched_network(network, last, grid), images)
    later = [step.name for step in network.steps[[step.name for step in network.steps].index(last) :]]
    for name in later:
        assert np.array_equal(whole[name], made[name]), name


@pytest.mark.parametrize("packing", ["blocks", "rows", "tiles"])
@pytest.mark.parametrize("grid", [(2, 2), (3, 1)])
def test_the_c_of_a_network_in_patches_makes_the_references_bytes(packing: Packing, grid: tuple[int, int]) -> None:
    network = zoo_network("resnet8:width=8", (14, 11, 3))
    made = patched_network(network, list(stage_ends(network.graph))[1], grid)
    pixels = pixels_for(network, 2)
    built = HostProgram(made, packing=packing, flags=("-O1",))
    wanted = run_all(made, quantise_input(made, pixels))
    for name, tensor in built.run_all(pixels).items():
        assert np.array_equal(tensor, wanted[name]), name
    assert np.array_equal(built.run(pixels), run(network, quantise_input(network, pixels)))


def test_patches_share_weights_and_parameters_in_c_and_take_less_memory() -> None:
    network = zoo_network("resnet8:width=8")
    whole = program(network)
    made = program(patched_network(network, list(stage_ends(network.graph))[1], (3, 3)))
    for array in ("static const uint32_t weights_", "static const int32_t bias_", "static const int8_t table_"):
        assert made.files["model.c"].count(array) == whole.files["model.c"].count(array)
    assert made.arena_bytes < whole.arena_bytes
