"""Where a network's tensors lie while it runs on a board: which share a buffer, how long each lives, at which offset.

What runs on a board is the deployed form of a Graph, and that is an analysis here, not a rewriting: a batch norm
folds into the convolution or dense layer that it follows, dropout is gone, flatten is a view, and what works element
by element works in place, in the buffer of an input that nothing reads afterwards. The C of an int8 network is laid out
by the same plan, so that what a network is said to need is what its firmware takes.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from pennyweight.core.errors import unknown
from pennyweight.net.arena import Use, aligned, alone_bytes, place
from pennyweight.net.graph import INPUT, Graph, Layer
from pennyweight.net.kernels import goes_backwards, is_element_wise, leads, scratch_bytes
from pennyweight.net.ops import Add, BatchNorm, Conv, Dense, DepthwiseConv, Dropout, Flatten, Multiply, Paste
from pennyweight.net.order import Demand, Needs, execution_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pennyweight.net.kernels import Packing
    from pennyweight.net.ops import Op, Shape

Bits = Literal[8, 32]
"""int8 or float32, for weights and activations alike."""

LINEAR = (Conv, DepthwiseConv, Dense)
"""What a batch norm folds into."""

Form = Literal["own", "folded", "in place", "view", "gone"]


@dataclass(frozen=True, slots=True)
class Deployment:
    """How a layer is deployed; `into` names the layer that it folds into, or the tensor whose buffer it shares.

    own: runs and writes a new buffer. in place: runs and overwrites its input. folded, view and gone: does not run.
    """

    form: Form
    into: str = ""

    @property
    def runs(self) -> bool:
        """Whether the board executes anything for this layer."""
        return self.form in ("own", "in place")

    def __str__(self) -> str:
        return f"folded into {self.into}" if self.form == "folded" else self.form


_OWN = Deployment("own")


def deployment(graph: Graph) -> dict[str, Deployment]:
    """How each layer is deployed, by its name, in order.

    A batch norm folds if it is the only reader of a convolution, depthwise convolution or dense layer (dropout
    between them does not count); elsewhere it stays, as a scale and a shift. What makes each number of one tensor
    (`kernels.is_element_wise`), a sum or a product works in place if no later layer reads the buffer that it would
    overwrite.
    """
    ops = {layer.name: layer.op for layer in graph.layers}
    kept = {INPUT: INPUT}
    last_reader: dict[str, int] = {graph.output: len(graph.layers)}
    readers: Counter[str] = Counter()
    for index, layer in enumerate(graph.layers):
        if isinstance(layer.op, Dropout):
            kept[layer.name] = kept[layer.inputs[0]]
        else:
            kept[layer.name] = layer.name
            for name in layer.inputs:
                readers[kept[name]] += 1
        for name in layer.inputs:
            last_reader[name] = index
    readers[kept[graph.output]] += 1

    forms: dict[str, Deployment] = {}
    buffer = {INPUT: INPUT}
    busy_until = {INPUT: last_reader.get(INPUT, -1)}
    for index, layer in enumerate(graph.layers):
        op, name, source = layer.op, layer.name, kept[layer.inputs[0]]
        form = _OWN
        if isinstance(op, Dropout):
            form = Deployment("gone", layer.inputs[0])
        elif isinstance(op, Flatten):
            form = Deployment("view", layer.inputs[0])
        elif isinstance(op, BatchNorm) and isinstance(ops.get(source), LINEAR) and readers[source] == 1:
            form = Deployment("folded", source)
        else:
            for read in _overwritable(graph, layer):
                if busy_until[buffer[read]] <= index:
                    form = Deployment("in place", read)
                    break
        forms[name] = form
        home = buffer[name] = buffer[form.into] if form.into else name
        busy_until[home] = max(busy_until.get(home, -1), last_reader.get(name, -1))
    return forms


def _overwritable(graph: Graph, layer: Layer) -> Iterable[str]:
    if isinstance(layer.op, Paste):
        return layer.inputs[1:]
    if is_element_wise(layer.op, graph.shapes[layer.inputs[0]]):
        return layer.inputs
    if isinstance(layer.op, (Add, Multiply)):
        return [name for name in layer.inputs if graph.shapes[name] == graph.shapes[layer.name]]
    return ()


@dataclass(frozen=True, slots=True)
class Buffer:
    """A stretch of RAM that holds `tensors`, one after the other, from `first_step` to `last_step`.

    What the kernel of a layer lays aside while it runs has no tensors, and `scratch_of` names the layer.
    """

    name: str
    size_bytes: int
    first_step: int
    last_step: int
    offset_bytes: int
    tensors: tuple[str, ...]
    scratch_of: str = ""


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """The buffers of a network and the RAM that they need together.

    `steps` are `image`, when the picture has been laid into its buffer, and then each layer that runs, in the order
    in which it should run, which need not be the Graph's; `live_bytes` is what each of them needs at least: all that
    must be kept, less what its result may share with an input that ends there. Buffers come in the order of their
    first step. `floor_bytes` is what no order of execution goes below; `forms` is how each layer is deployed.
    """

    bits: Bits
    steps: tuple[str, ...]
    live_bytes: tuple[int, ...]
    buffers: tuple[Buffer, ...]
    peak_bytes: int
    floor_bytes: int
    forms: Mapping[str, Deployment]

    @property
    def lower_bound_bytes(self) -> int:
        """What no placement can go below in this order of execution: the most that one step needs."""
        return max(self.live_bytes)

    @property
    def peak_step(self) -> str:
        """The name of the (first) step that needs most."""
        return self.steps[self.live_bytes.index(self.lower_bound_bytes)]

    @property
    def is_optimal(self) -> bool:
        """Whether this placement is proven to be the smallest for this order: it meets the lower bound."""
        return self.peak_bytes == self.lower_bound_bytes

    @property
    def is_best_order(self) -> bool:
        """Whether it is proven that no placement for any other order takes less than this order's lower bound."""
        return self.lower_bound_bytes == self.floor_bytes

    @property
    def offsets_bytes(self) -> dict[str, int]:
        """Where each tensor lies."""
        return {tensor: buffer.offset_bytes for buffer in self.buffers for tensor in buffer.tensors}

    @property
    def scratch_offsets_bytes(self) -> dict[str, int]:
        """Where the kernel of a layer lays aside, by the layer's name."""
        return {buffer.scratch_of: buffer.offset_bytes for buffer in self.buffers if buffer.scratch_of}

    def lifetimes(self) -> tuple[tuple[Buffer, tuple[bool, ...]], ...]:
        """What a drawing of the plan needs: each buffer with, for every step, whether it is live."""
        return tuple(
            (buffer, tuple(buffer.first_step <= step <= buffer.last_step for step in range(len(self.steps))))
            for buffer in self.buffers
        )


def element_bytes(bits: int) -> int:
    """Bytes of one number: 1 for 8 bits, 4 for 32. Raises UsageError for other bits."""
    if bits not in (8, 32):
        raise unknown("number of bits", str(bits), ("8", "32"))
    return bits // 8


def plan_memory(graph: Graph, *, bits: Bits = 8, packing: Packing = "blocks", keep_order: bool = False) -> MemoryPlan:
    """A memory plan of the deployed graph, which for int8 is that of its C with weights in this packing.

    The picture's buffer lives from the start to its last reader, the answer's to the end. Buffers are placed by
    `arena.place`. Layers run in their own order, or with `keep_order` unset in one that needs less, where
    `order.execution_order` finds one. float32 is planned as if the same kernels worked on it; no firmware of ours does.
    Raises UsageError for bits other than 8 and 32.
    """
    needs = _needs(graph, element_bytes(bits), packing)
    plan = _planned(graph, bits, needs)
    if plan.is_best_order or keep_order:
        return plan
    order = execution_order(graph, needs, plan.lower_bound_bytes)
    plan = replace(plan, floor_bytes=max(plan.floor_bytes, order.floor_bytes))
    if order.layers == graph.layers:
        return plan
    other = _planned(replace(graph, layers=order.layers), bits, needs)
    return replace(other, floor_bytes=plan.floor_bytes) if other.peak_bytes < plan.peak_bytes else plan


def _needs(graph: Graph, number_bytes: int, packing: Packing) -> Needs:
    sizes = {name: aligned(math.prod(shape) * number_bytes) for name, shape in graph.shapes.items()}
    demands = {
        layer.name: _demand(layer.op, graph.input_shapes(layer), graph.shapes[layer.name], number_bytes, packing)
        for layer in graph.layers
    }
    return Needs(sizes, demands)


@lru_cache(4096)
def _demand(op: Op, sources: tuple[Shape, ...], result: Shape, number_bytes: int, packing: Packing) -> Demand:
    """What an op's kernel asks of memory; a search asks for the same ones again and again."""
    leads_bytes = (None if lead is None else aligned(lead * number_bytes) for lead in leads(op, sources, result))
    scratch = aligned(scratch_bytes(op, sources[0], packing) * number_bytes)
    return Demand(tuple(leads_bytes), goes_backwards(op), scratch)


def _planned(graph: Graph, bits: Bits, needs: Needs) -> MemoryPlan:
    """The plan for the order of the graph; its `floor_bytes` is the most that a step needs whatever else is live."""
    forms = deployment(graph)
    steps, tensors, scratch_of = [INPUT], [[INPUT]], [""]
    buffer, sizes, uses = {INPUT: 0}, [needs.sizes[INPUT]], [Use((), 0, ())]
    for layer in graph.layers:
        name, form = layer.name, forms[layer.name]
        if form.into:
            home = buffer[name] = buffer[form.into]
            tensors[home].append(name)
        else:
            home = buffer[name] = len(tensors)
            tensors.append([name])
            sizes.append(needs.sizes[name])
            scratch_of.append("")
        if not form.runs:
            continue
        demand = needs.demands[name]
        reads, leads_bytes = tuple(buffer[source] for source in layer.inputs), demand.leads_bytes
        if scratch := demand.scratch_bytes:
            reads, leads_bytes = (*reads, len(tensors)), (*leads_bytes, None)
            tensors.append([])
            sizes.append(scratch)
            scratch_of.append(name)
        uses.append(Use(reads, home, leads_bytes, demand.backwards))
        steps.append(name)
    arena = place(sizes, uses, buffer[graph.output])
    bound = max(arena.needed_bytes)
    neediest = (use for use, needed in zip(uses, arena.needed_bytes, strict=True) if needed == bound)
    floor = bound
    if all(alone_bytes(sizes, use) < bound for use in neediest):
        floor = max(alone_bytes(sizes, use) for use in uses)
    buffers = tuple(
        Buffer(
            f"{scratch_of[i]} scratch" if scratch_of[i] else tensors[i][0],
            sizes[i],
            arena.first[i],
            arena.last[i],
            arena.offsets[i],
            tuple(tensors[i]),
            scratch_of[i],
        )
        for i in range(len(sizes))
    )
    return MemoryPlan(bits, tuple(steps), arena.needed_bytes, buffers, arena.size_bytes, floor, forms)
