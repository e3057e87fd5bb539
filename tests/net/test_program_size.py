"""What a network is said to take beside its weights is what the linker makes of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.net.untrained import untrained

from pennyweight.core.board import Board, find_board
from pennyweight.deploy.analysis import random_images
from pennyweight.deploy.c.layers import layer
from pennyweight.deploy.virtual_board import VirtualBoard
from pennyweight.net.build import Builder
from pennyweight.net.cost import STACK_BYTES, Cost, cost
from pennyweight.net.graph import Graph
from pennyweight.net.ops import OPS, Flatten, Softmax
from pennyweight.net.program_size import MEASURED_CORES, PART_BYTES, SAME_CODE
from pennyweight.net.zoo import build_network, families

LEAST, MOST = 0.98, 1.15
"""Shares of what is linked between which the estimate of flash must lie."""

IMAGES = 5
"""So many that a limit of instructions which is too low for a core without a multiplier is seen."""

BOARDS = ("ch32v003", "microbit-v1", "nucleo-l4r5zi")
NETWORKS = (
    ("mlp:hidden=32-16", (8, 8, 1)),
    ("pooled-resnet:width=4", (8, 8, 1)),
    ("separable:width=8", (16, 16, 3)),
)


def roomy(key: str) -> Board:
    return replace(find_board(key), flash_bytes=1 << 24, ram_bytes=1 << 22)


@pytest.mark.parametrize("key", BOARDS)
@pytest.mark.parametrize(("text", "shape"), NETWORKS)
def test_flash_and_ram_are_those_of_the_linked_firmware(key: str, text: str, shape: tuple[int, int, int]) -> None:
    pytest.importorskip("ziglang", reason="the extra `boards` is not installed")
    pytest.importorskip("unicorn", reason="the extra `boards` is not installed")
    board = roomy(key)
    graph = build_network(text, shape, 10)
    told, network = cost(graph, board=board), untrained(graph)
    virtual = VirtualBoard.of(network, board)
    footprint = virtual.program.firmware.footprint
    assert LEAST * footprint.flash_bytes <= told.flash_bytes <= MOST * footprint.flash_bytes
    assert told.ram_bytes == footprint.ram_bytes
    assert virtual.run(random_images(network, IMAGES)).stack_bytes <= STACK_BYTES - 32


def packed_bytes(graph: Graph) -> int:
    """What the arrays of all layers take in C, each with its own."""
    network = untrained(graph)
    layers = (layer(network, step, 0, "blocks") for step in network.steps if not isinstance(step.op, Flatten))
    return sum(array.values.nbytes for one in layers for array in one.arrays)


@pytest.mark.parametrize("family", sorted({*families()} - {"resnet50"}))  # which takes six seconds
def test_the_weights_of_a_family_are_those_that_its_c_stores(family: str) -> None:
    graph = build_network(family, (16, 16, 3), 7)
    assert cost(graph).weight_bytes == packed_bytes(graph)


def test_a_board_has_the_program_of_its_core_and_no_board_the_largest() -> None:
    graph = build_network("pooled-resnet:width=4", (8, 8, 1), 10)
    told: dict[str, Cost] = {core: cost(graph, board=replace(roomy("pico"), core=core)) for core in MEASURED_CORES}
    largest = max(each.flash_bytes for each in told.values())
    assert cost(graph).flash_bytes == told["cortex-m0"].on(None).flash_bytes == largest
    assert told["cortex-m0"].flash_bytes < told["cortex-m4f"].flash_bytes < largest
    assert cost(graph, board=replace(roomy("pico"), core="xtensa-lx6")).flash_bytes == largest
    assert cost(graph, board=roomy("pico")).flash_bytes == told[SAME_CODE["cortex-m0plus"]].flash_bytes


def test_each_kernel_counts_once_and_each_layer_counts() -> None:
    def program_bytes(*softmaxes: Softmax) -> int:
        builder = Builder((8, 8, 1))
        builder.dense(4)
        for op in softmaxes:
            builder.add(op)
        return cost(builder.graph("any")).program.bytes_on("cortex-m0")

    of_core = {part: sizes[MEASURED_CORES.index("cortex-m0")] for part, sizes in PART_BYTES.items()}
    assert program_bytes() == of_core["start"] + of_core["layer"]
    assert program_bytes(Softmax()) == program_bytes() + of_core["softmax"] + of_core["layer"]
    assert program_bytes(Softmax(), Softmax()) == program_bytes(Softmax()) + of_core["layer"]


def test_every_part_is_one_that_a_network_can_have() -> None:
    pools = {"max_pool", "average_pool", "mean"}
    assert PART_BYTES.keys() <= {*OPS, *pools, "start", "layer", "conv_block"}
