from __future__ import annotations

from dataclasses import replace

import pytest

from pennyweight.core.board import Board, boards, find_board
from pennyweight.core.errors import UsageError
from pennyweight.deploy.toolchain.memory_map import Region, memory_map
from pennyweight.deploy.toolchain.target import TARGETS


@pytest.mark.parametrize("board", [board for board in boards().values() if board.core in TARGETS], ids=lambda b: b.key)
def test_flash_and_ram_of_a_board_have_its_sizes_and_lie_apart(board: Board) -> None:
    found = memory_map(board)
    assert (found.flash.length_bytes, found.ram.length_bytes) == (board.flash_bytes, board.ram_bytes)
    assert found.flash.end <= found.ram.origin or found.ram.end <= found.flash.origin


def test_a_board_of_ones_own_has_the_memory_map_of_the_architecture() -> None:
    found = memory_map(replace(find_board("bluepill"), flash_address=None, ram_address=None))
    assert (found.flash.origin, found.ram.origin) == (0, 0x2000_0000)


def test_addresses_are_those_of_the_board() -> None:
    found = memory_map(find_board("nucleo-h743zi"))
    assert (found.flash.origin, found.ram.origin) == (0x0800_0000, 0x2400_0000)


def test_a_board_without_a_compiler_has_no_memory_map() -> None:
    with pytest.raises(UsageError, match="no compiler"):
        memory_map(replace(find_board("microbit-v1"), core="xtensa-lx7"))


def test_a_region_holds_what_lies_in_it_to_the_last_byte() -> None:
    region = Region(16, 4)
    assert region.holds(16, 4)
    assert not region.holds(15)
    assert not region.holds(17, 4)
    assert str(region) == "0x00000010 … 0x00000013"
