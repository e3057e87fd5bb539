"""Where a network's tensors lie while it runs on a board: which share a buffer, how long each lives, at which offset.

What runs on a board is the deployed form of a Graph, and that is an analysis here, not a rewriting: a batch norm
folds into the convolution or dense layer that it follows, dropout is gone, flatten is a view, and what works element
by element works in place, in the buffer of an input that nothing reads afterwards.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pennyweight.core.errors import unknown
from pennyweight.net.graph import INPUT, Graph, Layer
from pennyweight.net.ops import (
    Activation,
    Add,
    BatchNorm,
    Conv,
    Dense,
    DepthwiseConv,
    Dropout,
    Flatten,
    Multiply,
    PRelu,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Bits = Literal[8, 32]
"""int8 or float32, for weights and activations alike."""

ALIGNMENT_BYTES = 4
"""Every buffer takes a multiple of a 32-bit word, so that kernels may load whole words (TFLite Micro takes 16)."""

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
    between them does not count); elsewhere it stays, as a scale and a shift. An activation, a PReLU, such a batch
    norm, a sum or a product works in place if no later layer reads the buffer that it would overwrite.
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
            readers.update(kept[name] for name in layer.inputs)
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
        elif (
            isinstance(op, BatchNorm)
            and isinstance(ops.get(source), Conv | DepthwiseConv | Dense)
            and readers[source] == 1
        ):
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
    if isinstance(layer.op, Activation | PRelu | BatchNorm | Add):
        return layer.inputs
    if isinstance(layer.op, Multiply):
        return (name for name in layer.inputs if graph.shapes[name] == graph.shapes[layer.name])
    return ()


@dataclass(frozen=True, slots=True)
class Buffer:
    """A stretch of RAM that holds `tensors`, one after the other, from `first_step` to `last_step`."""

    name: str
    size_bytes: int
    first_step: int
    last_step: int
    offset_bytes: int
    tensors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """The buffers of a network and the RAM that they need together.

    `steps` are `image`, when the picture has been laid into its buffer, and then each layer that runs; `live_bytes`
    is what must be kept in each of them. Buffers come in the order of their first step.
    """

    bits: Bits
    steps: tuple[str, ...]
    live_bytes: tuple[int, ...]
    buffers: tuple[Buffer, ...]
    peak_bytes: int

    @property
    def lower_bound_bytes(self) -> int:
        """What no placement can go below: the most that is live in one step."""
        return max(self.live_bytes)

    @property
    def peak_step(self) -> str:
        """The name of the (first) step in which most is live."""
        return self.steps[self.live_bytes.index(self.lower_bound_bytes)]

    @property
    def is_optimal(self) -> bool:
        """Whether this placement is proven to be the smallest: it meets the lower bound."""
        return self.peak_bytes == self.lower_bound_bytes

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


def plan_memory(graph: Graph, *, bits: Bits = 8, forms: dict[str, Deployment] | None = None) -> MemoryPlan:
    """A memory plan of the deployed graph; `forms` is `deployment(graph)` where the caller has it already.

    The picture's buffer lives from the start to its last reader, the answer's to the end. Buffers are placed greedily,
    the largest first, each into the smallest gap that holds it (Pisarchyk & Lee 2020, "Efficient Memory Management
    for Deep Neural Net Inference", greedy by size; TFLite Micro's GreedyMemoryPlanner is of this kind); where that
    misses the lower bound, three other orders are tried and the best placement is taken.
    Raises UsageError for bits other than 8 and 32.
    """
    number_bytes = element_bytes(bits)
    steps, tensors, first, last = _lifetimes(graph, deployment(graph) if forms is None else forms)
    sizes = [
        -(-math.prod(graph.shapes[members[0]]) * number_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
        for members in tensors
    ]
    live = [0] * len(steps)
    for size, start, end in zip(sizes, first, last, strict=True):
        for step in range(start, end + 1):
            live[step] += size

    bound = max(live)
    best: tuple[int, list[int]] | None = None
    for key in _orders(sizes, first, last, live):
        placed = _place(sorted(range(len(sizes)), key=key), sizes, first, last)
        if best is None or placed[0] < best[0]:
            best = placed
        if best[0] == bound:
            break
    assert best is not None
    buffers = tuple(
        Buffer(tensors[i][0], sizes[i], first[i], last[i], best[1][i], tuple(tensors[i])) for i in range(len(sizes))
    )
    return MemoryPlan(bits, tuple(steps), tuple(live), buffers, best[0])


def _lifetimes(graph: Graph, forms: dict[str, Deployment]) -> tuple[list[str], list[list[str]], list[int], list[int]]:
    """The steps, and of each buffer its tensors, first step and last step."""
    steps, tensors, first, last, buffer = [INPUT], [[INPUT]], [0], [0], {INPUT: 0}
    for layer in graph.layers:
        form = forms[layer.name]
        if form.runs:
            for name in layer.inputs:
                last[buffer[name]] = len(steps)
        if form.into:
            home = buffer[form.into]
            tensors[home].append(layer.name)
        else:
            home = len(tensors)
            tensors.append([layer.name])
            first.append(len(steps))
            last.append(len(steps))
        buffer[layer.name] = home
        if form.runs:
            steps.append(layer.name)
    last[buffer[graph.output]] = len(steps) - 1
    return steps, tensors, first, last


def _orders(
    sizes: Sequence[int], first: Sequence[int], last: Sequence[int], live: Sequence[int]
) -> tuple[Callable[[int], tuple[int, ...]], ...]:
    """Sort keys of buffers: by size, by the busiest step they live in, by size times lifetime, by time."""
    return (
        lambda i: (-sizes[i], first[i]),
        lambda i: (-max(live[first[i] : last[i] + 1]), -sizes[i]),
        lambda i: (-sizes[i] * (last[i] - first[i] + 1),),
        lambda i: (first[i], -last[i]),
    )


def _place(
    order: Iterable[int], sizes: Sequence[int], first: Sequence[int], last: Sequence[int]
) -> tuple[int, list[int]]:
    """The peak and the offsets when buffers are placed in this order, each into the smallest gap that holds it."""
    offsets = [0] * len(sizes)
    placed: list[int] = []
    peak = 0
    for i in order:
        size, start, end = sizes[i], first[i], last[i]
        taken = sorted((offsets[j], offsets[j] + sizes[j]) for j in placed if first[j] <= end and start <= last[j])
        top, best, smallest = 0, -1, math.inf
        for low, high in taken:
            if size <= low - top < smallest:
                best, smallest = top, low - top
            top = max(top, high)
        offsets[i] = top if best < 0 else best
        peak = max(peak, offsets[i] + size)
        placed.append(i)
    return peak, offsets
