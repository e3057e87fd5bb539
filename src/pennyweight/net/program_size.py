"""ProgramParts: what a network's firmware is made of beside its weights, and the flash that it takes on a core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pennyweight.net.kernels import window_run
from pennyweight.net.ops import Activation, BatchNorm, Conv, GlobalPool, Pool

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pennyweight.net.graph import Graph
    from pennyweight.net.memory import Deployment
    from pennyweight.net.ops import Op

MEASURED_CORES = ("rv32ec", "rv32imc", "cortex-m0", "cortex-m3", "cortex-m4f", "cortex-m7")

PART_BYTES = {
    "start": (1536, 1088, 960, 912, 816, 864),
    "layer": (112, 112, 96, 96, 96, 96),
    "conv": (1840, 1520, 2048, 1376, 2416, 2528),
    "conv_block": (912, 432, 16, 368, 672, 672),
    "depthwise_conv": (2704, 1808, 1968, 1728, 1664, 1696),
    "max_pool": (512, 336, 368, 368, 368, 400),
    "average_pool": (928, 384, 592, 400, 400, 432),
    "mean": (192, 128, 144, 128, 128, 144),
    "add": (144, 96, 112, 80, 64, 64),
    "multiply": (240, 176, 160, 144, 144, 144),
    "concat": (288, 224, 160, 160, 160, 176),
    "prelu": (336, 208, 208, 224, 224, 240),
    "softmax": (1104, 960, 816, 768, 768, 800),
}
"""Bytes of each part on each of MEASURED_CORES, by `bench/firmware_size.py` (ziglang 0.17.1, -Os), rounded up to 16.

start: from reset to main, pixels, dense layers and tables, the likeliest class. layer: a layer's parameters and its
call. conv_block: an innermost loop of convolutions. The others are kernels.
"""

SAME_CODE = {"cortex-m0plus": "cortex-m0", "cortex-m33": "cortex-m4f", "rv32imac": "rv32imc"}
"""Cores that run, but for a few instructions, the program of another."""

PIXEL_TABLE_BYTES = 256
"""Pixels of several channels are looked up, for each channel in a table of its own: their normalisations differ."""


@dataclass(frozen=True, slots=True)
class ProgramParts:
    """So many layers that run, so many innermost loops of convolutions, each kernel that is needed, and tables."""

    layers: int
    conv_blocks: int
    kernels: tuple[str, ...]
    pixel_table_bytes: int

    @staticmethod
    def of(graph: Graph, forms: Mapping[str, Deployment]) -> ProgramParts:
        """The parts of a graph's firmware. A ReLU is taken to be a clamp in the kernel whose result it reads."""
        running = [layer for layer in graph.layers if forms[layer.name].runs and not _is_clamp(layer.op)]
        convs = [(layer.op, graph.input_shapes(layer)[0][-1]) for layer in running if isinstance(layer.op, Conv)]
        channels = graph.input_shape[-1]
        return ProgramParts(
            layers=len(running),
            conv_blocks=len({window_run(op, channels // op.groups)[1] for op, channels in convs}),
            kernels=tuple(sorted({_kernel(layer.op) for layer in running} & PART_BYTES.keys())),
            pixel_table_bytes=PIXEL_TABLE_BYTES * channels if channels > 1 else 0,
        )

    def bytes_on(self, core: str | None) -> int:
        """The flash that the program takes on a core, estimated; on one that was not measured as on the largest."""
        core = SAME_CODE.get(core or "", core)
        if core not in MEASURED_CORES:
            return max(map(self.bytes_on, MEASURED_CORES))
        at = MEASURED_CORES.index(core)
        counts = {"start": 1, "layer": self.layers, "conv_block": self.conv_blocks} | dict.fromkeys(self.kernels, 1)
        return self.pixel_table_bytes + sum(count * PART_BYTES[part][at] for part, count in counts.items())


def _is_clamp(op: Op) -> bool:
    return isinstance(op, Activation) and op.function in ("relu", "relu6")


def _kernel(op: Op) -> str:
    match op:
        case BatchNorm():
            return "depthwise_conv"
        case Pool(kind=kind):
            return f"{kind}_pool"
        case GlobalPool(kind="max"):
            return "max_pool"
        case GlobalPool():
            return "mean"
    return op.name
