"""What a Graph costs: parameters, multiply-accumulates, flash, RAM and time, in total and layer by layer.

Bytes are those of the deployed form (see `memory.deployment`): batch norms folded, dropout gone. Everything follows
from shapes alone, so a small network is costed in well under a millisecond.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from pennyweight.net.kernels import BLOCK, up_to
from pennyweight.net.memory import LINEAR, Bits, element_bytes, plan_memory
from pennyweight.net.ops import Activation, BatchNorm, Conv, Dense, DepthwiseConv, GlobalPool, Pool
from pennyweight.net.program_size import ProgramParts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pennyweight.core.board import Board
    from pennyweight.net.graph import Graph
    from pennyweight.net.memory import Deployment
    from pennyweight.net.ops import Op, Shape

Kind = Literal["exact", "estimated"]

STACK_BYTES = 512
"""RAM that firmware sets aside for its stack; taking more is an error that says so. The most that was found used on
virtual boards is 416 bytes, by a depthwise network on a Cortex-M0; an interrupt adds 32 (ARMv6-M: eight registers)."""

BIAS_BYTES = 4
"""An int8 layer adds up in int32, so its biases are int32 (TensorFlow Lite 8-bit quantization specification)."""

RESCALE_BYTES = 5
"""To bring an int32 sum back to int8, each output channel has an int32 multiplier and an int8 shift (the same
specification, weights per channel)."""

TABLE_BYTES = 256
"""In int8 an activation that is no clamp is looked up: one byte for each of 256 values. So is a pixel's, for each
channel, where there are several: their normalisations differ."""

_CLAMPS = ("relu", "relu6")


@dataclass(frozen=True, slots=True)
class LayerCost:
    """What one layer costs.

    `op` is the field's word (`conv`, `relu`, `max_pool`, …). `weight_bytes` is what it stores in flash: a folded batch
    norm none, as the layer that it folds into carries it. `activation_bytes` is the size of its output tensor where
    it needs a new buffer, else 0. The shares are fractions of the network's sum, 0 where that is 0.
    """

    name: str
    op: str
    output_shape: Shape
    parameters: int
    macs: int
    weight_bytes: int
    activation_bytes: int
    deployed: str
    parameters_share: float
    macs_share: float
    weight_bytes_share: float
    activation_bytes_share: float


@dataclass(frozen=True, slots=True)
class Cost:
    """What a network costs; `kinds` says of each figure whether it is exact or estimated, None is unknown.

    `parameters` are learnable ones, `statistics` batch norm's running means and variances, and `folded_parameters`
    the numbers that remain once batch norm is folded. `macs` counts convolutions, dense layers and matrix products.
    `weight_bytes` is read-only memory, `peak_ram_bytes` the memory plan's; `flash_bytes` adds to the first the
    `program`, on the core of a board or else on that which needs most, and `ram_bytes` the stack to the second.
    """

    bits: Bits
    parameters: int
    folded_parameters: int
    statistics: int
    macs: int
    weight_bytes: int
    peak_ram_bytes: int
    peak_ram_lower_bound_bytes: int
    program: ProgramParts
    flash_bytes: int
    ram_bytes: int
    latency_ms: float | None = None
    price_usd: float | None = None

    @property
    def kinds(self) -> dict[str, Kind]:
        """Figure -> exact or estimated. The peak in int8 is that of the firmware, scratches of its kernels among it;
        int8 weights are estimated, as layers may share tables, and vector units want longer rows."""
        return {
            "parameters": "exact",
            "folded_parameters": "exact",
            "statistics": "exact",
            "macs": "exact",
            "weight_bytes": "exact" if self.bits == 32 else "estimated",
            "peak_ram_bytes": "exact",
            "peak_ram_lower_bound_bytes": "exact",
            "flash_bytes": "estimated",
            "ram_bytes": "estimated",
            "latency_ms": "estimated",
            "price_usd": "estimated",
        }

    def on(self, board: Board | None) -> Cost:
        """The same with the program of a board's core, a board's price, and its estimate of how long one picture takes
        in int8.

        Nobody gives us such estimates for float32, so that latency is not known, and without a board neither is.
        """
        flash_bytes = self.weight_bytes + self.program.bytes_on(board.core if board else None)
        if board is None:
            return replace(self, flash_bytes=flash_bytes, latency_ms=None, price_usd=None)
        latency_ms = board.latency_ms(self.macs) if self.bits == 8 else None
        return replace(self, flash_bytes=flash_bytes, latency_ms=latency_ms, price_usd=board.price_usd)

    def to_figures(self) -> dict[str, float | None]:
        """The figures that a budget can limit, by the names of its limits."""
        return {
            "parameters": self.parameters,
            "macs": self.macs,
            "flash_bytes": self.flash_bytes,
            "ram_bytes": self.ram_bytes,
            "latency_ms": self.latency_ms,
            "price_usd": self.price_usd,
        }


def cost(graph: Graph, *, bits: Bits = 8, board: Board | None = None) -> Cost:
    """What the graph costs in float32 (`bits` 32) or int8, and on `board`, where one is given.

    Raises UsageError for bits other than 8 and 32.
    """
    plan = plan_memory(graph, bits=bits)
    parameters = statistics = folded = macs = weight_bytes = 0
    for row in _rows(graph, plan.forms, bits):
        parameters += row.parameters
        statistics += row.statistics
        folded += row.folded_parameters
        macs += row.macs
        weight_bytes += row.weight_bytes
    program = ProgramParts.of(graph, plan.forms)
    return Cost(
        bits=bits,
        parameters=parameters,
        folded_parameters=folded,
        statistics=statistics,
        macs=macs,
        weight_bytes=weight_bytes,
        peak_ram_bytes=plan.peak_bytes,
        peak_ram_lower_bound_bytes=plan.lower_bound_bytes,
        program=program,
        flash_bytes=weight_bytes,
        ram_bytes=plan.peak_bytes + STACK_BYTES,
    ).on(board)


def layer_costs(graph: Graph, *, bits: Bits = 8) -> tuple[LayerCost, ...]:
    """What each layer costs, in order; parameters, MACs and weight bytes add up to those of `cost`.

    Raises UsageError for bits other than 8 and 32.
    """
    number_bytes = element_bytes(bits)
    forms = plan_memory(graph, bits=bits).forms
    rows = tuple(_rows(graph, forms, bits))
    outputs = [
        math.prod(graph.shapes[layer.name]) * number_bytes if not forms[layer.name].into else 0
        for layer in graph.layers
    ]
    parameters = max(1, sum(row.parameters for row in rows))
    macs = max(1, sum(row.macs for row in rows))
    weights = max(1, sum(row.weight_bytes for row in rows))
    activations = max(1, sum(outputs))
    return tuple(
        LayerCost(
            name=layer.name,
            op=op_word(layer.op),
            output_shape=graph.shapes[layer.name],
            parameters=row.parameters,
            macs=row.macs,
            weight_bytes=row.weight_bytes,
            activation_bytes=output,
            deployed=str(forms[layer.name]),
            parameters_share=row.parameters / parameters,
            macs_share=row.macs / macs,
            weight_bytes_share=row.weight_bytes / weights,
            activation_bytes_share=output / activations,
        )
        for layer, row, output in zip(graph.layers, rows, outputs, strict=True)
    )


def op_word(op: Op) -> str:
    """The field's word for an op: an activation's function, a pool's kind, else its name.

    >>> op_word(GlobalPool("average"))
    'global_average_pool'
    """
    if isinstance(op, Activation):
        return op.function
    if isinstance(op, Pool):
        return f"{op.kind}_pool"
    if isinstance(op, GlobalPool):
        return f"global_{op.kind}_pool"
    return op.name


class _Row(NamedTuple):
    parameters: int
    statistics: int
    folded_parameters: int
    macs: int
    weight_bytes: int


def _rows(graph: Graph, forms: Mapping[str, Deployment], bits: Bits) -> Iterator[_Row]:
    """The figures of each layer, in order.

    float32 stores 4 bytes a number. int8 stores a byte a weight (PReLU's slopes too); for each output channel of a
    convolution or dense layer a bias, into which zero points fold, so that every one has it, and a rescaling; a weight
    and the same two for each channel of a batch norm that does not fold; a table for an activation that is no clamp.
    The weights of convolutions and dense layers are packed (`deploy/c/packing.py`): filters of a group by fours, and
    the numbers of a filter by fours.
    """
    gain_bias = {form.into for form in forms.values() if form.form == "folded"}
    for layer in graph.layers:
        op, shapes = layer.op, graph.input_shapes(layer)
        counts = [math.prod(shape) for shape in op.parameters(*shapes).values()]
        stored = parameters = sum(counts)
        int8_bytes = parameters
        if forms[layer.name].form == "folded":
            stored = int8_bytes = 0
        elif isinstance(op, LINEAR):
            channels = graph.shapes[layer.name][-1]
            stored = counts[0] + (channels if op.bias or layer.name in gain_bias else 0)
            int8_bytes = _int8_bytes(op, counts[0], channels)
        elif isinstance(op, BatchNorm):
            int8_bytes = shapes[0][-1] * (1 + BIAS_BYTES + RESCALE_BYTES)
        elif isinstance(op, Activation) and op.function not in _CLAMPS:
            int8_bytes = TABLE_BYTES
        yield _Row(
            parameters,
            sum(map(math.prod, op.statistics(*shapes).values())),
            stored,
            op.macs(*shapes),
            int8_bytes if bits == 8 else 4 * stored,
        )


def _int8_bytes(op: Conv | DepthwiseConv | Dense, weights: int, channels: int) -> int:
    """What a linear layer stores."""
    if isinstance(op, DepthwiseConv):
        return weights + channels * (BIAS_BYTES + RESCALE_BYTES)
    groups = op.groups if isinstance(op, Conv) else 1
    return groups * up_to(BLOCK, channels // groups) * (up_to(BLOCK, weights // channels) + BIAS_BYTES + RESCALE_BYTES)
