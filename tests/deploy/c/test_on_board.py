"""The same C on the cores of boards, emulated: the reference's bytes, in no more instructions than we promise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from tests.deploy.c.many_networks import ROOMY, SMALLER, beside_reference, compare_on_core, random_pixels
from tests.deploy.c.zoo_networks import zoo_network
from tests.net.integer.random_network import drawn, networks

from pennyweight.deploy.c.on_board import NO_LAYER, BoardProgram, build_board_program
from pennyweight.deploy.c.program import program
from pennyweight.deploy.emulate.emulation import Emulation
from pennyweight.deploy.emulate.in_qemu import memory_map_in_qemu, qemu_for, run_in_qemu
from pennyweight.deploy.emulate.in_unicorn import CPU_MODELS, run_in_unicorn
from pennyweight.deploy.tflite.read import read
from pennyweight.net.integer.network import IntegerNetwork
from pennyweight.net.integer.reference import quantise_input, run_all

pytest.importorskip("ziglang")
pytest.importorskip("unicorn")

M55 = pytest.param("cortex-m55", marks=pytest.mark.skipif(qemu_for("cortex-m55") is None, reason="no QEMU here"))
CORES = ("cortex-m0", "cortex-m3", "cortex-m4f", "cortex-m7", "cortex-m33", "rv32imc", "rv32ec", M55)
RESNET8 = Path(__file__).parents[4] / "shared" / "models" / "mlperf_tiny_resnet8_int8.tflite"


def emulated(
    network: IntegerNetwork, core: str, count: int, *, check_alignment: bool = True
) -> tuple[BoardProgram, Emulation]:
    """Checks every byte of every tensor on the way."""
    pixels = random_pixels(network, count)
    memory = ROOMY if core in CPU_MODELS else memory_map_in_qemu(core, SMALLER)
    board = build_board_program(network, core, memory, writes_tensors=True)
    if core in CPU_MODELS:
        names = board.mark_names
        emulation = run_in_unicorn(board.firmware, pixels.tobytes(), mark_names=names, check_alignment=check_alignment)
    else:
        emulation = run_in_qemu(board.firmware, pixels.tobytes(), mark_names=board.mark_names)
    wanted = run_all(network, quantise_input(network, pixels))
    for name, tensor in board.tensors(emulation.output).items():
        assert np.array_equal(tensor, wanted[name]), f"{name} of {network}"
    return board, emulation


@pytest.mark.parametrize("core", ["cortex-m0", "cortex-m4f", "rv32imc", M55])
@given(network=networks())
@settings(max_examples=3, deadline=None)
def test_any_network_makes_the_references_bytes_on_a_core(core: str, network: IntegerNetwork) -> None:
    emulated(network, core, 3)


def test_several_networks_in_one_firmware_make_the_references_bytes(tmp_path: Path) -> None:
    some = drawn(6, 1)
    found = compare_on_core(some, "cortex-m0", 2, tmp_path)
    assert (found.differing_bytes, found.first) == (0, "")
    assert found.tensors == 2 * sum(len(program(network).tensors) for network in some)


def test_a_byte_that_is_not_the_references_is_found() -> None:
    network = zoo_network("mlp:hidden=8", (4, 4, 3))
    made, pixels = program(network), random_pixels(network, 2)
    wanted = run_all(network, quantise_input(network, pixels))
    rows = np.concatenate([wanted[tensor.name].reshape(2, -1) for tensor in made.tensors], axis=1)
    assert beside_reference(made, rows, pixels).differing_bytes == 0
    rows[1, -1] ^= 1
    found = beside_reference(made, rows, pixels)
    assert found.differing_bytes == 1
    assert found.first.startswith(made.tensors[-1].name)


@pytest.mark.slow
@pytest.mark.parametrize("core", CORES)
def test_fifty_networks_make_the_references_bytes_on_every_core(core: str, tmp_path: Path) -> None:
    found = compare_on_core(drawn(50, 0), core, 3, tmp_path)
    assert found.differing_bytes == 0, found.first


@pytest.mark.parametrize("core", CORES)
def test_a_family_of_the_zoo_makes_the_references_bytes_on_every_core(core: str) -> None:
    emulated(zoo_network("separable:width=8", (16, 16, 3)), core, 1)


@pytest.mark.parametrize(
    ("core", "most", "most_of_worst"),
    [
        ("cortex-m0", 5.0, 2),
        ("cortex-m4f", 1.5, 2),
        ("cortex-m7", 1.5, 2),
        ("cortex-m33", 1.5, 2),
        pytest.param("cortex-m55", 0.25, 2.25, marks=M55.marks),
    ],
)
def test_resnet8_of_mlperf_tiny_keeps_to_its_instructions_code_and_ram(
    core: str, most: float, most_of_worst: float
) -> None:
    if not RESNET8.is_file():
        pytest.skip("MLPerf Tiny's ResNet-8 is not here")
    network = read(RESNET8.read_bytes(), "resnet8")
    assert isinstance(network, IntegerNetwork)
    board, emulation = emulated(network, core, 1, check_alignment=False)
    spent = emulation.instructions_by_mark()
    macs = {tensor.layer: network.macs(network.steps[tensor.layer - 1]) for tensor in board.program.tensors[1:]}
    average = sum(spent[layer] for layer in (0, *macs)) / sum(macs.values())
    assert average <= most
    convolutions = [layer for layer, count in macs.items() if count > 1000]
    assert max(spent[layer] / macs[layer] for layer in convolutions) <= most_of_worst * average
    assert board.firmware.footprint.text_bytes <= 10 * 1024
    assert board.program.arena_bytes <= 33 * 1024
    assert board.program.arena_bytes + emulation.stack_bytes <= 36 * 1024
    assert NO_LAYER in spent
