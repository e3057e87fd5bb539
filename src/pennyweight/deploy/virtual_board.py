"""VirtualBoard: a board of the catalogue with a network's firmware in its flash, on which images can be run."""

from __future__ import annotations

from dataclasses import dataclass

from pennyweight.core.board import Board
from pennyweight.core.errors import FirmwareError
from pennyweight.core.text import visible
from pennyweight.core.units import counted
from pennyweight.deploy.c.on_board import BoardProgram, build_board_program
from pennyweight.deploy.emulate.emulation import Emulation
from pennyweight.deploy.emulate.in_qemu import memory_map_in_qemu, run_in_qemu
from pennyweight.deploy.emulate.in_unicorn import ALIGNED_ONLY, CPU_MODELS, run_in_unicorn
from pennyweight.deploy.latency import TIMINGS
from pennyweight.deploy.toolchain.firmware import ExcessError
from pennyweight.deploy.toolchain.memory_map import MemoryMap, memory_map
from pennyweight.net.cost import STACK_BYTES
from pennyweight.net.integer.network import IntegerNetwork, stored_arrays
from pennyweight.net.integer.reference import Pixels
from pennyweight.net.memory import plan_memory

INSTRUCTIONS_PER_MAC, INSTRUCTIONS_PER_NUMBER = 1000, 1000
"""A firmware that takes more hangs: convolutions on the slowest core, which has no multiplier, take a fifth of this."""


@dataclass(frozen=True, slots=True, eq=False)
class VirtualBoard:
    """A board's core and memory with a network's firmware. It writes answers, or every tensor if so built."""

    board: Board
    program: BoardProgram

    @staticmethod
    def of(
        network: IntegerNetwork, board: Board, *, writes_tensors: bool = False, in_qemu: bool = False
    ) -> VirtualBoard:
        """The board with the firmware of a network, linked for its flash and RAM.

        For QEMU, and for a core that only QEMU knows, the addresses are those at which QEMU has memory.
        Raises MissingExtraError without the extra `boards`, UsageError where we cannot compile for the core,
        FirmwareError where flash or RAM are too small: by how many bytes, and at which layer.
        """
        memory = memory_map(board)
        if in_qemu or board.core not in CPU_MODELS:
            memory = memory_map_in_qemu(board.core, memory)
        try:
            program = build_board_program(
                network, board.core, memory, writes_tensors=writes_tensors, stack_bytes=STACK_BYTES
            )
        except ExcessError as error:
            raise _with_causes(error, network, board) from error
        return VirtualBoard(board, program)

    @property
    def memory(self) -> MemoryMap:
        """Where flash and RAM lie."""
        return self.program.firmware.memory

    def run(self, pixels: Pixels) -> Emulation:
        """What the firmware makes of uint8 images `(count, height, width, channels)`; in unicorn, if it knows the core.

        Raises FirmwareError where the firmware leaves its memory or does not end: it says in which layer.
        """
        if self.board.core not in CPU_MODELS:
            return self.run_in_qemu(pixels)
        return self._run_in_unicorn(pixels, watched=False)

    def measure(self, image: Pixels) -> Emulation:
        """The same for one image, with `Kinds.flash_loads` counted where the core's timing asks for it.

        For that every access to memory is watched; on cores where a misaligned one is a fault it is an error.
        Watched by unicorn 2.1.4, some programs for Armv7-M go astray that run rightly without, and agree with QEMU:
        where bytes or instructions differ between the two, loads from flash are not known and remain 0.
        """
        plain, timing = self.run(image), TIMINGS.get(self.board.core)
        is_asked_for = self.board.core in ALIGNED_ONLY or (timing is not None and timing.flash_load > 0)
        if self.board.core not in CPU_MODELS or not is_asked_for:
            return plain
        try:
            watched = self._run_in_unicorn(image, watched=True)
        except FirmwareError:
            if self.board.core in ALIGNED_ONLY:
                raise
            return plain
        is_same = (watched.output, watched.instructions) == (plain.output, plain.instructions)
        return watched if is_same else plain

    def _run_in_unicorn(self, pixels: Pixels, *, watched: bool) -> Emulation:
        return run_in_unicorn(
            self.program.firmware,
            pixels.tobytes(),
            mark_names=self.program.mark_names,
            instruction_limit=self._limit(len(pixels)),
            check_alignment=watched,
            count_flash_loads=watched,
        )

    def run_in_qemu(self, pixels: Pixels) -> Emulation:
        """The same in QEMU, for which the firmware must have been linked."""
        return run_in_qemu(self.program.firmware, pixels.tobytes(), mark_names=self.program.mark_names)

    def _limit(self, images: int) -> int:
        tensors, network = self.program.program.tensors, self.program.program.network
        numbers = sum(tensor.size_bytes for tensor in tensors)
        macs = sum(network.macs(step) for step in network.steps)
        return (images + 1) * (INSTRUCTIONS_PER_MAC * macs + INSTRUCTIONS_PER_NUMBER * numbers)


def _with_causes(error: ExcessError, network: IntegerNetwork, board: Board) -> FirmwareError:
    """The same with the layer that takes most of each memory that is too small."""
    weights = {step.name: sum(array.nbytes for array in stored_arrays(step).values()) for step in network.steps}
    heaviest, plan = max(weights, key=lambda name: weights[name]), plan_memory(network.graph, bits=8)
    causes = {
        "flash": f"the heaviest layer, {visible(heaviest)}, has {counted(weights[heaviest], 'byte')} of weights",
        "RAM": f"{counted(plan.lower_bound_bytes, 'byte')} are live at {visible(plan.peak_step)}",
    }
    told = [f"the network does not fit {board.key}", str(error), *(causes[memory] for memory in error.memories)]
    return FirmwareError("\n".join(told), hint=error.hint)
