"""BoardProgram: the C of a network as firmware for a board, which reads images and writes answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from pennyweight.deploy.c.program import Program, program
from pennyweight.deploy.toolchain.firmware import Firmware, Optimisation, build_firmware
from pennyweight.deploy.toolchain.memory_map import MemoryMap
from pennyweight.net.integer.network import IntegerNetwork
from pennyweight.net.integer.quantization import Int8

NO_LAYER = 0xFFFF
"""The mark of what no layer takes; the other marks are the numbers of `Program.tensors`."""

VECTOR_CORES = ("cortex-m55",)
"""Cores with Helium."""

STACK_BYTES = 1024
"""What is set aside for the stack; what it takes is measured."""


@dataclass(frozen=True, slots=True, eq=False)
class BoardProgram:
    """A program and its firmware.

    It reads uint8 images until its input ends, and writes for each its answer, or with `writes_tensors` every tensor
    of `program.tensors` one after the other.
    """

    program: Program
    firmware: Firmware
    writes_tensors: bool

    @property
    def mark_names(self) -> dict[int, str]:
        """The layer that each mark stands for."""
        return {tensor.layer: tensor.name for tensor in self.program.tensors}

    def tensors(self, output: bytes) -> dict[str, Int8]:
        """What the firmware wrote, by the names of tensors, int8 `(count, ...)`."""
        network = self.program.network
        if not self.writes_tensors:
            return {network.output: _int8(output).reshape(-1, *network.shapes[network.output])}
        ends = np.cumsum([tensor.size_bytes for tensor in self.program.tensors])
        parts = np.split(_int8(output).reshape(-1, ends[-1]), ends[:-1], axis=1)
        named = zip(self.program.tensors, parts, strict=True)
        return {tensor.name: part.reshape(-1, *network.shapes[tensor.name]) for tensor, part in named}


def build_board_program(
    network: IntegerNetwork,
    core: str,
    memory: MemoryMap,
    *,
    writes_tensors: bool = False,
    stack_bytes: int = STACK_BYTES,
    optimisation: Optimisation = "-Os",
) -> BoardProgram:
    """The firmware of a network for a core of `core.board.CORES` and its memory.

    Raises MissingExtraError without ziglang, FirmwareError where flash or RAM are too small.
    """
    built = program(network, packing="rows" if core in VECTOR_CORES else "blocks")
    with TemporaryDirectory(prefix="pennyweight-") as folder:
        sources = [path for path in built.write(Path(folder)) if path.name != "model.c"]
        main = Path(folder, "main.c")
        main.write_text("#define WRITE_TENSORS\n" * writes_tensors + '#include "on_board.c"\n', "ascii")
        firmware = build_firmware(
            [*sources, main],
            core,
            memory,
            stack_bytes=stack_bytes,
            include=[Path(folder), Path(__file__).parent],
            optimisation=optimisation,
        )
    return BoardProgram(built, firmware, writes_tensors)


def _int8(content: bytes) -> Int8:
    return np.frombuffer(content, np.int8)
