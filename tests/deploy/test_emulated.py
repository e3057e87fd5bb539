from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.deploy.c.zoo_networks import zoo_network

from pennyweight.core.board import find_board
from pennyweight.core.errors import UsageError
from pennyweight.core.run import Run
from pennyweight.deploy.analysis import random_images
from pennyweight.deploy.emulate.in_qemu import qemu_for
from pennyweight.deploy.emulated import emulate, first_difference
from pennyweight.deploy.tflite.write import write
from pennyweight.deploy.virtual_board import VirtualBoard
from pennyweight.fit.card import CARD
from pennyweight.fit.deployed import deployed
from pennyweight.shrink.quantize.quantize import quantize

pytest.importorskip("ziglang", reason="the extra `boards` is not installed")
pytest.importorskip("unicorn", reason="the extra `boards` is not installed")

NETWORK = zoo_network("pooled-resnet:width=4", (8, 8, 3), 10)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "small.tflite"
    path.write_bytes(write(NETWORK))
    return path


def test_a_tflite_file_runs_on_noise_and_agrees_with_the_reference(file: Path) -> None:
    found = emulate(file, "microbit-v1", images=2)
    assert (found.agrees, found.difference, found.images, found.source) == (True, None, 2, "noise")
    assert found.kept is None
    facts = json.loads(json.dumps(found.as_json()))
    assert (facts["board"], facts["agrees"], facts["qemu"]) == ("microbit-v1", True, None)


def test_images_may_come_from_a_source(file: Path) -> None:
    found = emulate(file, find_board("bluepill"), images=3, part="train", source="digits")
    assert (found.agrees, found.images, found.source) == (True, 3, "the train part of digits")


@pytest.mark.skipif(qemu_for("cortex-m0") is None, reason="qemu-system-arm is not installed")
@pytest.mark.parametrize(("board", "relinked"), [("microbit-v1", False), ("bluepill", True)])
def test_qemu_gives_the_same_bytes_in_as_many_instructions(file: Path, board: str, relinked: bool) -> None:
    found = emulate(file, board, images=1, qemu=True)
    assert found.second_opinion is not None
    assert (found.agrees, found.second_opinion.relinked) == (True, relinked)
    assert found.second_opinion.instructions == pytest.approx(found.analysis.instructions, rel=0.001)


def test_the_first_tensor_that_differs_is_named() -> None:
    steps = list(NETWORK.steps)
    index = next(at for at, step in enumerate(steps) if step.name == "conv2")
    weights = steps[index].weights
    assert weights is not None
    assert weights.bias is not None
    steps[index] = replace(steps[index], weights=replace(weights, bias=weights.bias + np.int32(1000)))
    other = replace(NETWORK, steps=tuple(steps))
    virtual, pixels = VirtualBoard.of(NETWORK, find_board("bluepill")), random_images(NETWORK, 2)
    output = virtual.run(pixels).output
    assert first_difference(NETWORK, virtual, pixels, output) is None
    difference = first_difference(other, virtual, pixels, output)
    assert difference is not None
    assert difference.tensor == "conv2"
    assert 0 < difference.differing_bytes <= difference.size_bytes


def test_a_run_keeps_what_came_out_for_card_and_report(digits_run: Path) -> None:
    quantize(digits_run, device="cpu")
    assert "Its firmware ran on no board" in (digits_run / CARD).read_text()
    steps: list[tuple[str, int, int]] = []
    found = emulate(digits_run, "microbit-v1", images=7, on_progress=lambda *step: steps.append(step))
    assert steps == [("compiling", 0, 7), ("emulating", 0, 7), ("emulating", 5, 7)]
    told: dict[str, str] = {}
    kept = deployed(Run.open(digits_run), told)
    assert kept is not None
    assert not told
    (board,) = kept.boards
    assert (board.board, board.agrees, board.images) == ("microbit-v1", True, 7)
    assert (board.flash_bytes, board.ram_bytes) == (found.analysis.flash.total_bytes, found.analysis.ram.total_bytes)
    assert [layer.name for layer in board.layers] == [layer.name for layer in found.analysis.layers]
    assert "| microbit-v1 | equal to the reference (7 images) |" in (digits_run / CARD).read_text()


def test_what_cannot_be_emulated_is_refused(file: Path) -> None:
    with pytest.raises(UsageError, match="unknown part 'test'"):
        emulate(file, "bluepill", part="test", source="digits")
    with pytest.raises(UsageError, match="0 images"):
        emulate(file, "bluepill", images=0)
    with pytest.raises(UsageError, match="unknown board"):
        emulate(file, "abacus")
