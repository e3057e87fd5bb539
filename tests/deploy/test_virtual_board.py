from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from tests.deploy.c.zoo_networks import zoo_network

from pennyweight.core.board import Board, find_board
from pennyweight.core.errors import FirmwareError, UsageError
from pennyweight.deploy.analysis import random_images
from pennyweight.deploy.toolchain.firmware import Firmware
from pennyweight.deploy.virtual_board import VirtualBoard
from pennyweight.net.cost import STACK_BYTES
from pennyweight.net.integer.reference import quantise_input, run

pytest.importorskip("ziglang", reason="the extra `boards` is not installed")
pytest.importorskip("unicorn", reason="the extra `boards` is not installed")

NETWORK = zoo_network("pooled-resnet:width=4", (8, 8, 3), 3)


@pytest.fixture(scope="module")
def small() -> VirtualBoard:
    return VirtualBoard.of(NETWORK, find_board("microbit-v1"))


def test_a_board_answers_as_the_reference_within_its_own_memory(small: VirtualBoard) -> None:
    pixels = random_images(NETWORK, 3)
    answers = small.program.tensors(small.run(pixels).output)[NETWORK.output]
    assert np.array_equal(answers, run(NETWORK, quantise_input(NETWORK, pixels)))
    assert (small.memory.flash.length_bytes, small.memory.ram.length_bytes) == (262_144, 16_384)


def shrunk(board: Board, **bytes_of: int) -> Board:
    return replace(board, key="shrunk", **bytes_of)


def test_a_network_that_does_not_fit_is_told_by_segment_bytes_and_layer(small: VirtualBoard) -> None:
    footprint, board = small.program.firmware.footprint, small.board
    flash_bytes, ram_bytes = footprint.flash_bytes - 1000, footprint.ram_bytes - 16
    with pytest.raises(FirmwareError) as caught:
        VirtualBoard.of(NETWORK, shrunk(board, flash_bytes=flash_bytes, ram_bytes=ram_bytes))
    first, flash, ram, heaviest, live = str(caught.value).splitlines()
    assert first == "the network does not fit shrunk"
    assert flash.startswith("flash overflows by 1,000 bytes: the program takes ")
    assert ram.startswith("RAM overflows by 16 bytes: the program takes ")
    assert "the heaviest layer, conv" in heaviest
    assert "bytes are live at " in live
    assert "pennyweight boards" in caught.value.hint


def test_what_just_fits_fits(small: VirtualBoard) -> None:
    footprint = small.program.firmware.footprint
    board = shrunk(small.board, flash_bytes=footprint.flash_bytes, ram_bytes=footprint.ram_bytes)
    emulation = VirtualBoard.of(NETWORK, board).run(random_images(NETWORK, 1))
    assert 0 < emulation.stack_bytes <= STACK_BYTES


def test_a_core_that_we_cannot_compile_for_is_refused_with_those_that_we_can() -> None:
    with pytest.raises(UsageError, match="no compiler for Tensilica Xtensa LX7") as caught:
        VirtualBoard.of(NETWORK, replace(find_board("esp32-c3"), core="xtensa-lx7"))
    assert "cortex-m4f" in caught.value.hint


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            'for (;;) __asm__ volatile("");',
            "the program has not ended after .* instructions, at .* in main.*, after mark conv2",
        ),
        (
            "return *(volatile int *)0x60000000u;",
            "read of 4 bytes at 0x60000000, outside .* in main.*, after mark conv2",
        ),
    ],
)
def test_a_firmware_that_hangs_or_leaves_its_memory_is_told_with_its_layer(
    small: VirtualBoard, build: Callable[..., Firmware], statement: str, message: str
) -> None:
    number = next(tensor.layer for tensor in small.program.program.tensors if tensor.name == "conv2")
    firmware = build(f"int main(void) {{ board_mark({number}u); {statement} }}", small.board.key)
    bad = VirtualBoard(small.board, replace(small.program, firmware=firmware))
    with pytest.raises(FirmwareError, match=message):
        bad.run(random_images(NETWORK, 1))
