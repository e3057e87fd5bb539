"""The flash that a program takes beside its weights, on every core, and how far `net/program_size.py` is off.

A small network is built with a kind of kernel and without it: the difference is what that kind takes. That is printed
as the constants of `net/program_size.py`, which are held against the firmware of the zoo's families.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from measure import Bar, conclude, machine, options, percent, table
from pennyweight import build_network
from pennyweight.deploy.c.on_board import build_board_program
from pennyweight.deploy.toolchain.memory_map import FLASH_ADDRESS, RAM_ADDRESS, MemoryMap, Region
from pennyweight.net import ops
from pennyweight.net.build import Builder
from pennyweight.net.cost import cost
from pennyweight.net.graph import INPUT, Graph
from pennyweight.net.integer.network import IntegerNetwork
from pennyweight.net.program_size import MEASURED_CORES, PART_BYTES
from pennyweight.net.zoo import families
from pennyweight.shrink.quantize.fold import fold
from pennyweight.shrink.quantize.integers import Scales, input_range, integer_network, tensor_quantizations

ROOM = MemoryMap(Region(FLASH_ADDRESS, 1 << 28), Region(RAM_ADDRESS, 1 << 28))
QUICK_CORES = ("cortex-m4f",)
QUICK_FAMILIES = ("mlp", "pooled-resnet")
SHAPE, CLASSES = (16, 16, 3), 10
MOST_PARAMETERS = 500_000
"""Larger networks take a compiler longer, and no other program."""

ROUND_TO_BYTES = 16
LEAST, MOST = 0.98, 1.15
"""Shares of what is linked between which the estimate of all flash should lie."""

Lay = Callable[[Builder], object]


def untrained(graph: Graph) -> IntegerNetwork:
    """A network in int8 whose weights are noise: what matters is which kernels it needs."""
    random = np.random.default_rng(0)
    shapes = graph.parameters() | graph.statistics()
    network = fold(graph, {name: np.abs(random.normal(size=shape)) for name, shape in shapes.items()})
    mean, std = ((number,) * graph.input_shape[-1] for number in (127.0, 64.0))
    ranges = {INPUT: input_range(mean, std)} | {
        step.name: (-4.0, 4.0 + at / 100) for at, step in enumerate(network.steps)
    }
    scales = Scales.of(network, tensor_quantizations(network, ranges))
    return integer_network(network, scales, mean, std)


def linked(graph: Graph, core: str) -> tuple[int, int]:
    """The flash that a network's firmware takes on a core, and of that the program, without weights and tables."""
    built = build_board_program(untrained(graph), core, ROOM)
    facts = built.program.facts
    arrays = [*facts["pixel_tables"], *(array for layer in facts["layers"] for array in layer.arrays)]
    flash_bytes = built.firmware.footprint.flash_bytes
    return flash_bytes, flash_bytes - sum(array.values.nbytes for array in arrays)


def part_bytes(core: str) -> dict[str, int]:
    """What each part of a program takes on a core, on a picture of 8x8x8 and with a dense layer at its end."""

    def taken(*layers: Lay) -> int:
        builder = Builder((8, 8, 8))
        for lay in layers:
            lay(builder)
        builder.dense(4)
        return linked(builder.graph("probe"), core)[1]

    def conv(filters: int) -> Lay:
        return lambda builder: builder.conv(filters, 3)

    def joined(op: ops.Op, convs: int = 1) -> Lay:
        def lay(builder: Builder) -> None:
            first = builder.last
            builder.add(op, first, *[builder.conv(8, 3, at=first) for _ in range(convs)])

        return lay

    def units(builder: Builder) -> object:
        return builder.dense(4)

    def one(op: ops.Op) -> Lay:
        return lambda builder: builder.add(op)

    dense, single, two = taken(), taken(conv(8)), taken(conv(8), conv(8))
    three = taken(conv(8), conv(8), conv(8))
    layer = max(three - two, two - single)
    alone: dict[str, ops.Op] = {
        "depthwise_conv": ops.DepthwiseConv((3, 3)),
        "max_pool": ops.Pool("max", (2, 2), (2, 2)),
        "average_pool": ops.Pool("average", (2, 2), (2, 2)),
        "mean": ops.GlobalPool("average"),
        "prelu": ops.PRelu(),
    }
    block = taken(conv(16), conv(8)) - two
    parts = {
        "start": dense - layer,
        "layer": layer,
        "conv": single - dense - layer - block,
        "conv_block": block,
        "add": taken(joined(ops.Add()), joined(ops.Add())) - two - 2 * layer,
        "multiply": taken(joined(ops.Multiply())) - single - layer,
        "concat": taken(joined(ops.Concat(), 2)) - two - layer,
        "softmax": taken(units, one(ops.Softmax())) - taken(units),
    }
    parts |= {name: taken(one(op)) - dense - layer for name, op in alone.items()}
    return {name: max(0, -(-size // ROUND_TO_BYTES) * ROUND_TO_BYTES) for name, size in parts.items()}


def main() -> None:
    arguments = options(__doc__, seeds=1).parse_args()
    facts = machine()
    cores = QUICK_CORES if arguments.quick else MEASURED_CORES
    rows, shares = [], []
    for name in QUICK_FAMILIES if arguments.quick else families():
        graph = build_network(name, SHAPE, CLASSES)
        estimate = cost(graph)
        for core in cores if estimate.parameters <= MOST_PARAMETERS else ():
            flash_bytes, _ = linked(graph, core)
            program_bytes, told = flash_bytes - estimate.weight_bytes, estimate.program.bytes_on(core)
            shares.append((estimate.weight_bytes + told) / flash_bytes)
            rows.append((name, core, f"{flash_bytes:,}", percent(shares[-1]), f"{program_bytes:,}", f"{told:,}"))
    table(("family", "core", "flash, bytes", "told", "program, bytes", "told"), rows)
    measured: dict[str, dict[str, int]] = {core: part_bytes(core) for core in cores}
    print("\nPART_BYTES, of", ", ".join(cores))
    for part in PART_BYTES:
        print(f'    "{part}": {tuple(measured[core][part] for core in cores)},')
    worst = f"{min(shares):.3f} … {max(shares):.3f} of it"
    claim = f"the estimate of flash is {LEAST:g} to {MOST:g} of what is linked"
    bars = [Bar(claim, worst, min(shares) >= LEAST and max(shares) <= MOST)]
    results: dict[str, Any] = {"parts": measured, "shares": shares}
    conclude("firmware_size", facts, results, bars, quick=arguments.quick)


if __name__ == "__main__":
    main()
