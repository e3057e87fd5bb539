from __future__ import annotations

import json
from math import prod

import pytest
from tests.deploy.c.zoo_networks import zoo_network

from pennyweight.core.board import find_board
from pennyweight.deploy.analysis import Analysis, analyse, analysis_of, random_images
from pennyweight.deploy.virtual_board import VirtualBoard
from pennyweight.net.graph import INPUT
from pennyweight.net.integer.network import stored_arrays

pytest.importorskip("ziglang", reason="the extra `boards` is not installed")
pytest.importorskip("unicorn", reason="the extra `boards` is not installed")

NETWORK = zoo_network("separable:width=4", (16, 16, 3), 3)


@pytest.fixture(scope="module")
def virtual() -> VirtualBoard:
    return VirtualBoard.of(NETWORK, find_board("bluepill"))


@pytest.fixture(scope="module")
def analysis(virtual: VirtualBoard) -> Analysis:
    return analysis_of(virtual, virtual.measure(random_images(NETWORK, 1)))


def test_segments_add_up_to_what_the_linker_placed(virtual: VirtualBoard, analysis: Analysis) -> None:
    footprint = virtual.program.firmware.footprint
    assert analysis.flash.total_bytes == footprint.flash_bytes
    unused = analysis.ram.stack_room_bytes - analysis.ram.stack_bytes
    assert analysis.ram.total_bytes == footprint.ram_bytes - unused
    assert analysis.ram.activations_bytes == virtual.program.program.arena_bytes
    assert min(analysis.flash.constants_bytes, analysis.ram.variables_bytes) >= 0


def test_layers_have_their_own_bytes_macs_and_shapes(analysis: Analysis) -> None:
    layers = {layer.name: layer for layer in analysis.layers}
    for step in NETWORK.steps:
        if step.name in layers:
            layer = layers[step.name]
            assert layer.macs == NETWORK.macs(step)
            assert layer.activation_bytes == prod(layer.output_shape)
            if step.weights is not None:  # a table may be shared with another layer
                assert layer.weight_bytes >= sum(array.nbytes for array in stored_arrays(step).values())
    assert analysis.layers[0].name == INPUT
    assert analysis.macs == sum(map(NETWORK.macs, NETWORK.steps))
    assert analysis.flash.weights_bytes == sum(layer.weight_bytes for layer in analysis.layers)


def test_instructions_are_of_one_image_and_add_up(virtual: VirtualBoard, analysis: Analysis) -> None:
    assert analysis.instructions == sum(layer.instructions for layer in analysis.layers)
    many = virtual.run(random_images(NETWORK, 4)).instructions_by_mark()
    assert sum(many[tensor.layer] for tensor in virtual.program.program.tensors) == pytest.approx(
        4 * analysis.instructions, rel=0.001
    )
    assert analysis.latency is not None
    cycles = sum(layer.latency.cycles for layer in analysis.layers if layer.latency)
    assert analysis.latency.cycles == pytest.approx(cycles)
    assert analysis.latency.ms == pytest.approx(cycles / 72_000)


def test_the_json_says_what_is_measured_and_what_is_estimated(analysis: Analysis) -> None:
    facts = json.loads(json.dumps(analysis.as_json()))
    assert facts["kinds"]["ram"] == "measured"
    assert facts["kinds"]["latency_ms"] == "estimated"
    assert facts["ram"]["total_bytes"] == analysis.ram.total_bytes
    assert facts["flash"]["available_bytes"] == 64 * 1024
    assert sum(layer["macs"] for layer in facts["layers"]) == facts["macs"]
    assert {row["segment"] for row in analysis.segments()} >= {"weights", "code", "activations", "stack"}


def test_a_core_whose_timing_nobody_published_takes_one_to_two_cycles_an_instruction() -> None:
    found = analyse(zoo_network("mlp:hidden=4", (4, 4, 3), 2), "ch32v003")
    assert found.latency is not None
    assert not found.latency.is_calibrated
    assert found.latency.cycles == pytest.approx(1.5 * found.instructions)
