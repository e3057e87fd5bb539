"""The first layers of a network computed patch by patch, so that what they make never exists whole.

The largest activations of a small network are those of its first layers. Patch-based inference (Lin et al. 2021,
"MCUNetV2", arXiv:2110.15352) takes the picture in patches through these layers and keeps of each only what comes out;
the price is what neighbouring patches compute twice, where their windows overlap.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from pennyweight.core.errors import GraphError
from pennyweight.net.graph import INPUT, Graph, Layer
from pennyweight.net.kernels import is_element_wise
from pennyweight.net.memory import plan_memory
from pennyweight.net.ops import Add, Concat, Conv, Crop, DepthwiseConv, Dropout, Multiply, Paste, Pool

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pennyweight.net.memory import Bits
    from pennyweight.net.ops import Op, Pair

GRIDS = ((2, 1), (3, 1), (4, 1), (8, 1), (2, 2), (3, 3), (4, 4))
"""Rows and columns of patches that are looked at."""

Span = tuple[int, int]
"""From the first row or column to behind the last."""

Region = tuple[Span, Span]


@dataclass(frozen=True, slots=True)
class Patched:
    """A graph whose first layers work on patches; `made_from` names for each of its tensors the one of the whole
    network that it is, or is a part of."""

    graph: Graph
    made_from: dict[str, str]


@dataclass(frozen=True, slots=True)
class Patching:
    """What it costs to compute everything up to the layer `last` in a grid of patches; the grid (1, 1) is the network
    as it is."""

    last: str
    grid: Pair
    peak_bytes: int
    macs: int

    def dominates(self, other: Patching) -> bool:
        """Whether it is nowhere dearer, and somewhere cheaper."""
        ours, theirs = (self.peak_bytes, self.macs), (other.peak_bytes, other.macs)
        return ours != theirs and all(a <= b for a, b in zip(ours, theirs, strict=True))


def patchings(graph: Graph, *, bits: Bits = 8, grids: Sequence[Pair] = GRIDS) -> tuple[Patching, ...]:
    """Every way to compute the first layers in a grid of patches with its peak and MACs; first the network as it is."""
    found = [Patching("", (1, 1), plan_memory(graph, bits=bits).peak_bytes, _macs(graph))]
    for last in stage_ends(graph):
        for grid in grids:
            height, width, _ = graph.shapes[last]
            if grid[0] <= height and grid[1] <= width:
                made = patched(graph, last, grid).graph
                peak_bytes = plan_memory(made, bits=bits, keep_order=True).peak_bytes
                found.append(Patching(last, grid, peak_bytes, _macs(made)))
    return tuple(found)


def front(found: Sequence[Patching]) -> tuple[Patching, ...]:
    """Those that no other dominates, from the fewest MACs to the smallest peak; of equal ones the first."""
    kept = {
        (each.macs, each.peak_bytes): each
        for each in reversed(found)
        if not any(other.dominates(each) for other in found)
    }
    return tuple(kept[key] for key in sorted(kept))


def stage_ends(graph: Graph) -> Iterator[str]:
    """The layers up to which everything can be computed in patches: nothing but what they make is read later."""
    readers: dict[str, list[Layer]] = {name: [] for name in graph.shapes}
    for layer in graph.layers:
        for name in layer.inputs:
            readers[name].append(layer)
    unread = {INPUT: len(readers[INPUT])}
    for layer in graph.layers[:-1]:
        shapes = graph.input_shapes(layer)
        if not _is_local(layer.op) or any(shape[:-1] != shapes[0][:-1] for shape in shapes):
            return
        for name in layer.inputs:
            unread[name] -= 1
        unread[layer.name] = len(readers[layer.name])
        goes_on = len(readers[layer.name]) == 1 and _changes(graph, readers[layer.name][0])
        if not goes_on and not any(count for name, count in unread.items() if name != layer.name):
            yield layer.name


def _is_local(op: Op) -> bool:
    """Whether each number that an op makes depends on what lies around its place alone."""
    return isinstance(op, Conv | DepthwiseConv | Pool | Add | Multiply | Concat | Dropout) or is_element_wise(op, ())


def _changes(graph: Graph, layer: Layer) -> bool:
    return isinstance(layer.op, Dropout) or is_element_wise(layer.op, graph.shapes[layer.inputs[0]])


def patched(graph: Graph, last: str, grid: Pair) -> Patched:
    """The graph with everything up to the layer `last`, one of `stage_ends`, in a grid of patches.

    Raises GraphError where `last` is no such layer, or smaller than the grid.
    """
    if last not in stage_ends(graph):
        raise GraphError(
            f"{graph.text} cannot be computed in patches up to {last!r}",
            hint=f"layers up to which it can: {', '.join(stage_ends(graph)) or 'none'}",
        )
    height, width, _ = graph.shapes[last]
    if not (1 <= grid[0] <= height and 1 <= grid[1] <= width):
        raise GraphError(f"{height}x{width} numbers of {last!r} cannot be cut into {grid[0]}x{grid[1]} patches")
    names = [layer.name for layer in graph.layers]
    stage, rest = graph.layers[: names.index(last) + 1], graph.layers[names.index(last) + 1 :]
    making = _Making(graph, stage)
    regions = [(rows, columns) for rows in _cut(height, grid[0]) for columns in _cut(width, grid[1])]
    for number, region in enumerate(regions, start=1):
        making.add_patch(number, region, is_final=number == len(regions))
    made_from = making.made_from | {layer.name: layer.name for layer in rest}
    return Patched(replace(graph, layers=(*making.layers, *rest)), made_from)


def _cut(length: int, parts: int) -> list[Span]:
    ends = [length * part // parts for part in range(parts + 1)]
    return list(pairwise(ends))


class _Making:
    """The layers of a stage in patches, one patch after the other."""

    def __init__(self, graph: Graph, stage: Sequence[Layer]) -> None:
        self.graph, self.stage = graph, stage
        self.layers: list[Layer] = []
        self.made_from = {INPUT: INPUT}
        self.whole = ""

    def add_patch(self, number: int, region: Region, *, is_final: bool) -> None:
        """The layers that compute one region of what the stage makes, and paste it to the others."""
        last = self.stage[-1].name
        needed: dict[str, Region] = {last: region}
        for layer in reversed(self.stage):
            if layer.name in needed:
                for name in layer.inputs:
                    part = self._read(layer, needed[layer.name])
                    needed[name] = _around(needed[name], part) if name in needed else part
        made = {INPUT: INPUT}
        regions: dict[str, Region] = {INPUT: self._everything(INPUT)} | {
            name: part for name, part in needed.items() if name != INPUT
        }
        for layer in self.stage:
            if layer.name in needed:
                part = self._read(layer, needed[layer.name])
                inputs = tuple(self._cropped(name, made[name], regions[name], part, number) for name in layer.inputs)
                op = self._op(layer, needed[layer.name], part)
                made[layer.name] = self._add(f"{layer.name}_patch{number}", op, inputs, layer.name)
        height, width, _ = self.graph.shapes[last]
        paste = Paste((region[0][0], region[1][0]), (height, width))
        inputs = (made[last], self.whole) if self.whole else (made[last],)
        self.whole = self._add(last if is_final else f"{last}_paste{number}", paste, inputs, last)

    def _everything(self, name: str) -> Region:
        height, width, _ = self.graph.shapes[name]
        return (0, height), (0, width)

    def _read(self, layer: Layer, region: Region) -> Region:
        """What of its inputs a layer reads for a region of its output."""
        op = layer.op
        if not isinstance(op, Conv | DepthwiseConv | Pool):
            return region
        height, width, _ = self.graph.shapes[layer.inputs[0]]
        return (
            _windows(region[0], op.kernel[0], op.stride[0], op.padding[0], height),
            _windows(region[1], op.kernel[1], op.stride[1], op.padding[2], width),
        )

    def _op(self, layer: Layer, region: Region, part: Region) -> Op:
        """The op that makes a region from a part: padding is left where the picture ends."""
        op = layer.op
        if not isinstance(op, Conv | DepthwiseConv | Pool):
            return op
        pads = []
        for axis in range(2):
            begin = region[axis][0] * op.stride[axis] - op.padding[2 * axis]
            end = (region[axis][1] - 1) * op.stride[axis] - op.padding[2 * axis] + op.kernel[axis]
            pads += [part[axis][0] - begin, max(end - part[axis][1], 0)]
        padding = (pads[0], pads[1], pads[2], pads[3])
        return replace(op, padding=padding, ceil=False) if isinstance(op, Pool) else replace(op, padding=padding)

    def _cropped(self, name: str, made: str, has: Region, wanted: Region, number: int) -> str:
        if has == wanted:
            return made
        start = wanted[0][0] - has[0][0], wanted[1][0] - has[1][0]
        size = wanted[0][1] - wanted[0][0], wanted[1][1] - wanted[1][0]
        return self._add(f"{name}_crop{number}", Crop(start, size), (made,), name)

    def _add(self, name: str, op: Op, inputs: tuple[str, ...], origin: str) -> str:
        while name in self.made_from or (name in self.graph.shapes and name != origin):
            name += "_"
        self.layers.append(Layer(name, op, inputs))
        self.made_from[name] = origin
        return name


def _windows(span: Span, kernel: int, stride: int, before: int, length: int) -> Span:
    """What windows at the places of `span` read, of `length`; at least one row, where they read padding alone."""
    begin, end = span[0] * stride - before, (span[1] - 1) * stride - before + kernel
    first = min(max(begin, 0), length - 1)
    return first, max(min(end, length), first + 1)


def _around(one: Region, other: Region) -> Region:
    (rows, columns), (more_rows, more_columns) = one, other
    return (
        (min(rows[0], more_rows[0]), max(rows[1], more_rows[1])),
        (min(columns[0], more_columns[0]), max(columns[1], more_columns[1])),
    )


def _macs(graph: Graph) -> int:
    return sum(layer.op.macs(*graph.input_shapes(layer)) for layer in graph.layers)
