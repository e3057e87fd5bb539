"""The analyst's page: what an int8 network takes on a board, layer by layer, measured on its own firmware.

Bytes are read from the linked program, instructions counted while it runs on the virtual board. The rows are those of
ST's analyser (X-CUBE-AI): weights, which are read only, activations, which are written, flash and RAM in total.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pennyweight.core.board import Board, find_board
from pennyweight.core.shown import Shown
from pennyweight.deploy.deployable import open_deployable
from pennyweight.deploy.emulate.emulation import Emulation
from pennyweight.deploy.emulate.kinds import Kinds
from pennyweight.deploy.latency import Latency, estimate
from pennyweight.deploy.toolchain.elf import Elf
from pennyweight.deploy.virtual_board import VirtualBoard
from pennyweight.net.cost import op_word
from pennyweight.net.graph import INPUT
from pennyweight.net.integer.network import IntegerNetwork
from pennyweight.net.integer.reference import Pixels
from pennyweight.net.ops import Shape

PIXELS = "pixels"
"""The op of the first row: pixels become int8."""

ARENA = "arena"
"""The variable that holds all activations."""


@dataclass(frozen=True, slots=True)
class LayerAnalysis:
    """One layer of a firmware. `instructions` are those of one image.

    `weight_bytes` is all that it stores in flash: weights, biases, factors, tables and parameters; what it shares with
    an earlier layer is counted there.
    `activation_bytes` is the size of what it makes. `latency` is None for a core whose timing is not known.
    """

    name: str
    op: str
    output_shape: Shape
    macs: int
    weight_bytes: int
    activation_bytes: int
    instructions: int
    latency: Latency | None


@dataclass(frozen=True, slots=True)
class Flash:
    """What lies in flash: the layers' weights and tables, code, other constants, initial values of variables."""

    weights_bytes: int
    code_bytes: int
    constants_bytes: int
    initial_values_bytes: int

    @property
    def total_bytes(self) -> int:
        """All of it."""
        return self.weights_bytes + self.code_bytes + self.constants_bytes + self.initial_values_bytes


@dataclass(frozen=True, slots=True)
class Ram:
    """What lies in RAM: the arena of all activations, other variables, and the stack.

    `stack_bytes` is the most that the stack held, `stack_room_bytes` what is set aside for it.
    """

    activations_bytes: int
    variables_bytes: int
    stack_bytes: int
    stack_room_bytes: int

    @property
    def total_bytes(self) -> int:
        """All of it, with as much stack as was used."""
        return self.activations_bytes + self.variables_bytes + self.stack_bytes


@dataclass(frozen=True, slots=True)
class Analysis(Shown):
    """What an int8 network takes on a board; `instructions` and `latency` are of one image, all layers together.

    `engine` is what ran it. Everything is measured but `latency`, an estimate.
    """

    network: str
    board: Board
    engine: str
    input_shape: Shape
    layers: tuple[LayerAnalysis, ...]
    flash: Flash
    ram: Ram
    instructions: int
    latency: Latency | None

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image."""
        return sum(layer.macs for layer in self.layers)

    def as_json(self) -> dict[str, Any]:
        """The analysis as JSON types, units as suffixes of the keys; what is not known is None."""
        flash, ram = self.flash, self.ram
        return {
            "network": self.network,
            "board": self.board.key,
            "engine": self.engine,
            "input_shape": list(self.input_shape),
            "macs": self.macs,
            "instructions": self.instructions,
            **_latency_json(self.latency),
            "flash": asdict(flash) | {"total_bytes": flash.total_bytes, "available_bytes": self.board.flash_bytes},
            "ram": asdict(ram) | {"total_bytes": ram.total_bytes, "available_bytes": self.board.ram_bytes},
            "kinds": {
                "flash": "measured",
                "ram": "measured",
                "instructions": "measured",
                "cycles": "estimated",
                "latency_ms": "estimated",
            },
            "layers": self.rows(),
        }

    def rows(self) -> list[dict[str, Any]]:
        """The layers as JSON types."""
        return [
            {key: value for key, value in asdict(layer).items() if key != "latency"}
            | {"output_shape": list(layer.output_shape)}
            | _latency_json(layer.latency)
            for layer in self.layers
        ]

    def segments(self) -> list[dict[str, Any]]:
        """Flash and RAM by segment, as rows of a table."""
        return [
            {"memory": name, "segment": segment.removesuffix("_bytes"), "bytes": count}
            for name, memory in (("flash", self.flash), ("ram", self.ram))
            for segment, count in asdict(memory).items()
        ]


def _latency_json(latency: Latency | None) -> dict[str, float | None]:
    if latency is None:
        return {"cycles": None, "latency_ms": None, "latency_error": None}
    return {"cycles": latency.cycles, "latency_ms": latency.ms, "latency_error": latency.error}


def analyse(source: Path | str | IntegerNetwork, board: Board | str) -> Analysis:
    """The analysis of a quantised run, of an int8 .tflite file, or of an integer network, on one random image.

    Instructions hardly depend on the image: only softmax and clamps look at values.
    Raises what `open_deployable` and `VirtualBoard` raise.
    """
    network = source if isinstance(source, IntegerNetwork) else open_deployable(source).network
    chosen = find_board(board) if isinstance(board, str) else board
    virtual = VirtualBoard.of(network, chosen)
    return analysis_of(virtual, virtual.measure(random_images(network, 1)))


def random_images(network: IntegerNetwork, count: int) -> Pixels:
    """So many images of noise, the same in every call."""
    return np.random.default_rng(0).integers(0, 256, (count, *network.input_shape), np.uint8)


def analysis_of(virtual: VirtualBoard, emulation: Emulation) -> Analysis:
    """The analysis of a board's firmware by what `measure` found."""
    program, board = virtual.program, virtual.board
    elf, footprint = program.firmware.elf, emulation.footprint
    network = program.program.network
    instructions = emulation.instructions_by_mark()
    # QEMU tells no kinds; the timings of the cores that it alone knows ask for none.
    kinds = emulation.kinds_by_mark() or {mark: Kinds(others=count) for mark, count in instructions.items()}
    steps = {step.name: step for step in network.steps}
    layers = []
    for tensor in program.program.tensors:
        step = steps.get(tensor.name)
        layers.append(
            LayerAnalysis(
                name=tensor.name,
                op=op_word(step.op) if step else PIXELS,
                output_shape=network.shapes[tensor.name],
                macs=network.macs(step) if step else 0,
                weight_bytes=_stored_bytes(elf, tensor.layer) if tensor.name != INPUT else 0,
                activation_bytes=tensor.size_bytes,
                instructions=instructions.get(tensor.layer, 0),
                latency=_latency(board, kinds, [tensor.layer]),
            )
        )
    weights_bytes = sum(layer.weight_bytes for layer in layers)
    arena_bytes = sum(symbol.size_bytes for symbol in elf.symbols if symbol.name == ARENA)
    return Analysis(
        network=network.text,
        board=board,
        engine=emulation.engine,
        input_shape=network.input_shape,
        layers=tuple(layers),
        flash=Flash(weights_bytes, footprint.text_bytes, footprint.rodata_bytes - weights_bytes, footprint.data_bytes),
        ram=Ram(
            arena_bytes,
            footprint.data_bytes + footprint.bss_bytes - arena_bytes,
            emulation.stack_bytes,
            footprint.stack_bytes,
        ),
        instructions=sum(layer.instructions for layer in layers),
        latency=_latency(board, kinds, [tensor.layer for tensor in program.program.tensors]),
    )


def _stored_bytes(elf: Elf, number: int) -> int:
    """The bytes of a layer's constants, whose names end in its number."""
    end = f"_{number}"
    return sum(symbol.size_bytes for symbol in elf.symbols if not symbol.is_function and symbol.name.endswith(end))


def _latency(board: Board, kinds: Mapping[int, Kinds], layers: Sequence[int]) -> Latency | None:
    everything = sum(kinds.values(), Kinds())
    if not everything.instructions:
        return None
    return estimate(
        board,
        sum((kinds.get(layer, Kinds()) for layer in layers), Kinds()),
        are_flash_loads_known=everything.flash_loads > 0,
    )
