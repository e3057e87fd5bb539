"""Several networks as one firmware: kernels are compiled and a core is started once for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pennyweight.deploy.c.on_board import VECTOR_CORES
from pennyweight.deploy.c.program import Program, program
from pennyweight.deploy.emulate.in_qemu import memory_map_in_qemu, run_in_qemu
from pennyweight.deploy.emulate.in_unicorn import CPU_MODELS, run_in_unicorn
from pennyweight.deploy.toolchain.firmware import build_firmware
from pennyweight.deploy.toolchain.memory_map import MemoryMap, Region
from pennyweight.net.integer.network import IntegerNetwork
from pennyweight.net.integer.quantization import Int8
from pennyweight.net.integer.reference import Pixels, quantise_input, run_all
from pennyweight.net.kernels import Packing

ROOMY = MemoryMap(Region(0x0800_0000, 1 << 23), Region(0x2000_0000, 1 << 23))
SMALLER = MemoryMap(Region(0, 1 << 20), Region(0x2000_0000, 1 << 20))
"""Each of QEMU's machines has as much."""

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Compared:
    """Tensors that a core made, and how many of their bytes are not the reference's: `first` of all in which tensor."""

    tensors: int
    size_bytes: int
    differing_bytes: int
    first: str

    def __add__(self, more: Compared) -> Compared:
        return Compared(
            self.tensors + more.tensors,
            self.size_bytes + more.size_bytes,
            self.differing_bytes + more.differing_bytes,
            self.first or more.first,
        )


def random_pixels(network: IntegerNetwork, count: int) -> Pixels:
    """uint8 images, the same for each network of this input."""
    return np.random.default_rng(0).integers(0, 256, (count, *network.input_shape)).astype(np.uint8)


def compare_on_core(networks: Sequence[IntegerNetwork], core: str, images: int, folder: Path) -> Compared:
    """Every tensor that the C of the networks makes of random images on a core, beside the reference's.

    Files of C go into `folder`; where it is the same for many calls, the compiler finds its kernels again.
    """
    packing: Packing = "rows" if core in VECTOR_CORES else "blocks"
    programs = [program(network, name=f"n{at}", packing=packing) for at, network in enumerate(networks)]
    sources: set[Path] = set()
    for at, each in enumerate(programs):
        sources |= {path for path in each.write(folder) if path.name != f"n{at}.c"}
        unit = folder / f"unit{at}.c"
        unit.write_text(f'#define NETWORK {at}\n#include "every_tensor.h"\n#include "n{at}.c"\n', "ascii")
        sources.add(unit)
    names = range(len(programs))
    includes = "".join(f'#include "n{at}.h"\n' for at in names)
    calls = " ".join(f"CALL(n{at}, N{at})" for at in names)
    (folder / "networks.h").write_text(f"{includes}#define IMAGES {images}\n#define NETWORKS(CALL) {calls}\n", "ascii")
    unicorn = core in CPU_MODELS
    memory = ROOMY if unicorn else memory_map_in_qemu(core, SMALLER)
    firmware = build_firmware([*sorted(sources), HERE / "many_networks.c"], core, memory, include=[folder, HERE])
    pixels = [random_pixels(network, images) for network in networks]
    data = b"".join(each.tobytes() for each in pixels)
    output = (run_in_unicorn(firmware, data) if unicorn else run_in_qemu(firmware, data)).output
    told = np.frombuffer(output, np.int8)
    sizes = [images * sum(tensor.size_bytes for tensor in each.tensors) for each in programs]
    if len(told) != sum(sizes):
        raise AssertionError(f"{len(told):,} bytes of {sum(sizes):,} were written")
    parts = np.split(told, np.cumsum(sizes)[:-1])
    found = Compared(0, 0, 0, "")
    for each, part, seen in zip(programs, parts, pixels, strict=True):
        found += beside_reference(each, part.reshape(images, -1), seen)
    return found


def beside_reference(made: Program, rows: Int8, pixels: Pixels) -> Compared:
    """The tensors of a program, which it wrote one after the other, a row for each image."""
    network, at = made.network, 0
    wanted = run_all(network, quantise_input(network, pixels))
    differing, first = 0, ""
    for tensor in made.tensors:
        ours = rows[:, at : at + tensor.size_bytes]
        at += tensor.size_bytes
        wrong = int((ours != wanted[tensor.name].reshape(len(rows), -1)).sum())
        if wrong and not first:
            first = f"{tensor.name} of {network}"
        differing += wrong
    return Compared(len(made.tensors) * len(rows), rows.size, differing, first)
