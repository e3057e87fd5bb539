"""Graph: the form that every network has first, and that profiler, planner, trainer and exporters read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from keyword import iskeyword
from typing import Any

from pennyweight.core.errors import GraphError
from pennyweight.net import ops
from pennyweight.net.ops import Op, Shape

INPUT = "image"
"""The name of the tensor that a Graph is given."""

WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Layer:
    """One op at its place: `name` is also the name of the tensor that it makes; `inputs` name those that it reads."""

    name: str
    op: Op
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class Graph:
    """Layers in the order of execution, with static shapes. The last one's tensor is the answer: logits.

    `input_shape` is `(height, width, channels)`; `text` says how the network was asked for, such as
    `mlp:hidden=80-60-50`. A Graph that exists is valid: names are unique plain words, every input was made before, and
    every op takes the shapes that it gets. Raises GraphError otherwise, naming the layer.
    """

    text: str
    input_shape: Shape
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        if not self.layers:
            raise GraphError("a graph needs at least one layer")
        _ = self.shapes

    @cached_property
    def shapes(self) -> dict[str, Shape]:
        """The shape of every tensor, the input's among them, in the order in which they come to be."""
        shapes: dict[str, Shape] = {INPUT: self.input_shape}
        if not self.input_shape or min(self.input_shape) < 1:
            raise GraphError(f"the input needs positive lengths, not {ops.describe(self.input_shape)}")
        for layer in self.layers:
            # Names become Python, C and file names: one that is no plain word could bring any code with it.
            if not WORD.fullmatch(layer.name) or iskeyword(layer.name):
                raise GraphError(f"a layer is called {layer.name!r}, which is no plain word")
            if layer.name in shapes:
                raise GraphError(f"two tensors are called {layer.name!r}")
            missing = [name for name in layer.inputs if name not in shapes]
            if missing or not layer.inputs:
                raise GraphError(f"layer {layer.name!r} reads {missing or 'nothing'}, which no earlier layer makes")
            try:
                shapes[layer.name] = layer.op.output_shape(*(shapes[name] for name in layer.inputs))
            except (GraphError, ValueError, IndexError) as error:
                raise GraphError(f"layer {layer.name!r} of {self.text}: {error}") from error
            if min(shapes[layer.name]) < 1:
                raise GraphError(
                    f"layer {layer.name!r} of {self.text} makes nothing: {ops.describe(shapes[layer.name])}"
                )
        return shapes

    @property
    def output(self) -> str:
        """The name of the last layer's tensor."""
        return self.layers[-1].name

    @property
    def classes(self) -> int:
        """How many numbers come out: one a class."""
        return self.shapes[self.output][-1]

    def input_shapes(self, layer: Layer) -> tuple[Shape, ...]:
        """The shapes that `layer` reads."""
        return tuple(self.shapes[name] for name in layer.inputs)

    def parameters(self) -> dict[str, Shape]:
        """Every learnable parameter as `layer.parameter` -> shape, in order."""
        return {
            f"{layer.name}.{name}": shape
            for layer in self.layers
            for name, shape in layer.op.parameters(*self.input_shapes(layer)).items()
        }

    def statistics(self) -> dict[str, Shape]:
        """Every running statistic as `layer.statistic` -> shape, in order."""
        return {
            f"{layer.name}.{name}": shape
            for layer in self.layers
            for name, shape in layer.op.statistics(*self.input_shapes(layer)).items()
        }

    def to_json(self) -> dict[str, Any]:
        """The graph as JSON types; `from_json` gives it back."""
        return {
            "text": self.text,
            "input_shape": list(self.input_shape),
            "layers": [
                {"name": layer.name, "inputs": list(layer.inputs), **ops.to_json(layer.op)} for layer in self.layers
            ],
        }

    @staticmethod
    def from_json(facts: dict[str, Any]) -> Graph:
        """The graph that `to_json` described. Raises GraphError for anything else, and runs no code."""
        try:
            layers = []
            for row in facts["layers"]:
                rest = dict(row)
                name, inputs = str(rest.pop("name")), tuple(map(str, rest.pop("inputs")))
                layers.append(Layer(name, ops.from_json(rest), inputs))
            return Graph(str(facts["text"]), tuple(map(int, facts["input_shape"])), tuple(layers))
        except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise GraphError(f"malformed graph: {type(error).__name__}: {error}") from error
