"""FloatNetwork: a trained Graph with the steps that it will have on integers, its numbers still real.

Batch norms are folded, dropout is gone, and a ReLU belongs to the step whose result it alone reads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pennyweight.core.errors import GraphError
from pennyweight.net.graph import INPUT, Graph, Layer
from pennyweight.net.integer.network import SOFTMAX_MAX_CLASSES
from pennyweight.net.ops import (
    OF_FIRMWARE,
    OPS,
    Activation,
    Add,
    BatchNorm,
    Conv,
    Dense,
    DepthwiseConv,
    Dropout,
    Flatten,
    Multiply,
    Op,
    Pool,
    PRelu,
    Shape,
    Softmax,
)

Reals = npt.NDArray[np.float64]

Linear = Conv | DepthwiseConv | Dense
"""What a batch norm folds into."""


@dataclass(frozen=True, slots=True, eq=False)
class FloatStep:
    """One step: `op`, then the activation `clamp`. The first five fields are those of an integer Step.

    `weight` and `bias` are float64, shaped as the op's parameters; every convolution and dense layer has a bias.
    """

    name: str
    op: Op
    inputs: tuple[str, ...]
    clamp: Literal["", "relu", "relu6"] = ""
    weight: Reals | None = None
    bias: Reals | None = None


@dataclass(frozen=True, eq=False)
class FloatNetwork:
    """Steps in the order of execution; the last one's tensor is the answer."""

    text: str
    input_shape: Shape
    steps: tuple[FloatStep, ...]

    @cached_property
    def shapes(self) -> dict[str, Shape]:
        """The shape of every tensor, the input's among them."""
        shapes = {INPUT: self.input_shape}
        for step in self.steps:
            shapes[step.name] = step.op.output_shape(*(shapes[name] for name in step.inputs))
        return shapes

    @cached_property
    def readers(self) -> dict[str, tuple[FloatStep, ...]]:
        """The steps that read each tensor."""
        return {name: tuple(step for step in self.steps if name in step.inputs) for name in self.shapes}

    @property
    def linear(self) -> tuple[FloatStep, ...]:
        """The convolutions and dense layers."""
        return tuple(step for step in self.steps if isinstance(step.op, Linear))

    @property
    def arrays(self) -> dict[str, Reals]:
        """What was learnt, by `step.weight` and `step.bias`."""
        told = {
            f"{step.name}.{name}": array
            for step in self.steps
            for name, array in (("weight", step.weight), ("bias", step.bias))
        }
        return {name: array for name, array in told.items() if array is not None}

    def with_arrays(self, arrays: Mapping[str, Reals]) -> FloatNetwork:
        """The same network with these arrays in the place of those of their names."""
        steps = (
            replace(
                step,
                weight=arrays.get(f"{step.name}.weight", step.weight),
                bias=arrays.get(f"{step.name}.bias", step.bias),
            )
            for step in self.steps
        )
        return replace(self, steps=tuple(steps))


def fold(graph: Graph, tensors: Mapping[str, npt.NDArray[Any]]) -> FloatNetwork:
    """The network of a trained Graph and its `tensors`, by their names in it.

    A batch norm folds into the convolution or dense layer that it alone reads, else into the dense layers that read it,
    else it becomes a depthwise 1x1 convolution (Jacob et al. 2018, arXiv:1712.05877, 3.2).
    Raises GraphError that lists every layer without an integer form, or whose folded weights are not finite.
    """
    return _Folding(graph, tensors).network()


class _Folding:
    """The layers so far as steps; `tensor` says what became of each tensor of the Graph."""

    def __init__(self, graph: Graph, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
        self.graph, self.tensors = graph, tensors
        self.made = {layer.name: layer for layer in graph.layers}
        self.readers = {name: [layer for layer in graph.layers if name in layer.inputs] for name in graph.shapes}
        self.steps: dict[str, FloatStep] = {}
        self.tensor = {INPUT: INPUT}
        self.owed: dict[str, tuple[Reals, Reals]] = {}  # factors and offsets that the readers of a tensor take over

    def network(self) -> FloatNetwork:
        if faults := [fault for layer in self.graph.layers if (fault := self._fault(layer))]:
            raise GraphError(
                f"{self.graph.text} has no integer form: {'; '.join(faults)}",
                hint="take these layers out or replace them, and train again",
            )
        for layer in self.graph.layers:
            self.tensor[layer.name] = self._add(layer)
        if infinite := [step.name for step in self.steps.values() if not _is_finite(step)]:
            raise GraphError(
                f"{self.graph.text}: folded weights that are not finite: {', '.join(infinite)}",
                hint="train again with a lower learning rate",
            )
        return FloatNetwork(self.graph.text, self.graph.input_shape, tuple(self._needed()))

    def _needed(self) -> Iterator[FloatStep]:
        """The steps that lead to the answer, which the last of them makes."""
        needed = {self.tensor[self.graph.output]}
        for step in reversed(self.steps.values()):
            if step.name in needed:
                needed.update(step.inputs)
        return (step for step in self.steps.values() if step.name in needed)

    def _fault(self, layer: Layer) -> str:
        """Why a layer cannot run on integers; nothing where it can."""
        (shape, *_), op = self.graph.input_shapes(layer), layer.op
        if type(op) not in OPS.values() or isinstance(op, OF_FIRMWARE):
            return f"{layer.name} ({op.name})"
        if isinstance(op, Softmax) and shape[-1] > SOFTMAX_MAX_CLASSES:
            return f"{layer.name} (softmax of {shape[-1]:,} numbers, at most {SOFTMAX_MAX_CLASSES:,})"
        if isinstance(op, BatchNorm) and len(shape) != 3 and not (self._folds_back(layer) or self._is_absorbed(layer)):
            return f"{layer.name} (batch_norm of a vector that no dense layer made, nor only dense layers read)"
        return ""

    def _folds_back(self, layer: Layer) -> bool:
        """Whether a batch norm is the only reader of a convolution or dense layer; dropout does not count."""
        (source,) = layer.inputs
        while source != INPUT and len(self.readers[source]) == 1:
            if not isinstance(self.made[source].op, Dropout):
                return isinstance(self.made[source].op, Linear)
            (source,) = self.made[source].inputs
        return False

    def _is_absorbed(self, layer: Layer) -> bool:
        """Whether all that read a tensor are dense layers, flattened or not."""
        readers = self.readers[layer.name]
        return bool(readers) and all(
            isinstance(reader.op, Dense) or (isinstance(reader.op, Flatten | Dropout) and self._is_absorbed(reader))
            for reader in readers
        )

    def _add(self, layer: Layer) -> str:
        """The tensor that stands for what `layer` makes."""
        op, inputs = layer.op, tuple(self.tensor[name] for name in layer.inputs)
        owed = self.owed.get(layer.inputs[0])
        match op:
            case Dropout():
                if owed is not None:
                    self.owed[layer.name] = owed
                return inputs[0]
            case BatchNorm():
                return self._normalise(layer, inputs[0])
            case Activation(function="relu" | "relu6" as clamp) if self._can_clamp(layer.inputs[0], inputs[0]):
                self.steps[inputs[0]] = replace(self.steps[inputs[0]], clamp=clamp)
                return inputs[0]
            case Flatten() if owed is not None:
                count = math.prod(self.graph.shapes[layer.name]) // len(owed[0])
                self.owed[layer.name] = np.tile(owed[0], count), np.tile(owed[1], count)
            case PRelu():
                self.steps[layer.name] = FloatStep(layer.name, op, inputs, weight=self._own(layer, "weight"))
                return layer.name
            case Conv() | DepthwiseConv() | Dense():
                weight = self._own(layer, "weight")
                bias = self._own(layer, "bias") if op.bias else np.zeros(len(weight))
                if owed is not None:
                    bias, weight = bias + weight @ owed[1], weight * owed[0]
                self.steps[layer.name] = FloatStep(layer.name, replace(op, bias=True), inputs, "", weight, bias)
                return layer.name
        self.steps[layer.name] = FloatStep(layer.name, op, inputs)
        return layer.name

    def _normalise(self, layer: Layer, source: str) -> str:
        assert isinstance(layer.op, BatchNorm)
        with np.errstate(invalid="ignore", divide="ignore"):
            factor = self._own(layer, "weight") / np.sqrt(self._own(layer, "running_var") + layer.op.epsilon)
        offset = self._own(layer, "bias") - factor * self._own(layer, "running_mean")
        if self._folds_back(layer):
            step = self.steps[source]
            assert step.weight is not None
            assert step.bias is not None
            weight = step.weight * factor.reshape(-1, *[1] * (step.weight.ndim - 1))
            self.steps[source] = replace(step, weight=weight, bias=step.bias * factor + offset)
            return source
        if self._is_absorbed(layer):
            self.owed[layer.name] = factor, offset
            return source
        weight = factor.reshape(-1, 1, 1, 1)
        self.steps[layer.name] = FloatStep(layer.name, DepthwiseConv((1, 1)), (source,), "", weight, offset)
        return layer.name

    def _can_clamp(self, read: str, source: str) -> bool:
        """Whether the step that made `source` can clamp what it writes, and nothing else reads it."""
        step = self.steps.get(source)
        return (
            step is not None
            and isinstance(step.op, Linear | Add | Multiply | Pool)
            and not step.clamp
            and self._has_one_reader(read, source)
        )

    def _has_one_reader(self, read: str, source: str) -> bool:
        """Whether every tensor on the way from `source` to `read` is read once."""
        while len(self.readers[read]) == 1:
            if read == source:
                return True
            (read,) = self.made[read].inputs
        return False

    def _own(self, layer: Layer, name: str) -> Reals:
        return np.asarray(self.tensors[f"{layer.name}.{name}"], np.float64)


def _is_finite(step: FloatStep) -> bool:
    return all(array is None or bool(np.isfinite(array).all()) for array in (step.weight, step.bias))
