"""What is known of a .tflite file while its operators are read one after the other."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from keyword import iskeyword
from typing import Any

import numpy as np
import numpy.typing as npt

from pennyweight.core.errors import GraphError
from pennyweight.deploy.tflite.model import Model, Operator, Tensor
from pennyweight.deploy.tflite.padding import SAME, VALID, same_padding
from pennyweight.deploy.tflite.schema import FUSED, TensorType
from pennyweight.net import ops
from pennyweight.net.graph import Layer
from pennyweight.net.integer.network import Step, Weights
from pennyweight.net.integer.quantization import Quantization
from pennyweight.net.integer.tables import clamp
from pennyweight.net.ops import Activation, Op, Padding, Pair, Shape

MAX_KERNEL = 1024
"""No kernel is longer: beside a small picture it would be padding alone."""

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Made:
    """A tensor of the file as a tensor of the network, `padding` around it still to be done with `value`."""

    name: str
    padding: Padding = (0, 0, 0, 0)
    value: float = 0


@dataclass(slots=True, eq=False)
class Reading:
    """A file being read. `budget_bytes` of constants may yet be read.

    By their number in the file: tensors that were `made`, `constants` that operators made of constants, and `indices`
    into a table, each with the tensor that it was and what has been added to it. By their name: `shapes` and
    `quantizations` of tensors, `layers` in float32 and `steps` in int8; `weights` by `layer.parameter`. `words` counts
    how often a name was wanted.
    """

    model: Model
    budget_bytes: int
    made: dict[int, Made] = field(default_factory=dict)
    constants: dict[int, Array] = field(default_factory=dict)
    indices: dict[int, tuple[str, int]] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)
    quantizations: dict[str, Quantization] = field(default_factory=dict)
    layers: dict[str, Layer] = field(default_factory=dict)
    steps: dict[str, Step] = field(default_factory=dict)
    weights: dict[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    words: Counter[str] = field(default_factory=Counter)

    def tensor(self, operator: Operator, index: int) -> Tensor:
        """What an operator reads at a place. Raises GraphError where it is left out."""
        if index >= len(operator.inputs) or operator.inputs[index] < 0:
            raise GraphError(f"it lacks input {index}")
        return self.model.tensors[operator.inputs[index]]

    def output(self, operator: Operator) -> Tensor:
        return self.model.tensors[operator.outputs[0]]

    def is_constant(self, operator: Operator, index: int) -> bool:
        number = operator.inputs[index]
        return number in self.constants or (number >= 0 and self.model.tensors[number].data is not None)

    def constant(self, operator: Operator, index: int) -> Array:
        """The constant numbers that an operator reads at a place. Raises GraphError where they are computed."""
        tensor = self.tensor(operator, index)
        data = self.constants.get(operator.inputs[index], tensor.data)
        if data is None:
            raise GraphError(f"its input {index}, {tensor.name!r}, is not constant")
        self.budget_bytes -= data.nbytes
        if self.budget_bytes < 0:
            raise GraphError("the file reads the same constants over and over")
        return data

    def source(self, operator: Operator, index: int = 0) -> str:
        """The network's tensor that an operator reads at a place, without padding."""
        made = self.at(operator, index)
        if made.padding != (0, 0, 0, 0):
            raise GraphError("it reads what PAD makes; only convolutions and max pools can")
        return made.name

    def at(self, operator: Operator, index: int) -> Made:
        number = operator.inputs[index] if index < len(operator.inputs) else -1
        if number not in self.made:
            what = "a constant" if number >= 0 and self.is_constant(operator, index) else "what no operator makes"
            raise GraphError(f"its input {index} is {what}")
        return self.made[number]

    def add(
        self,
        operator: Operator,
        op: Op,
        *inputs: str,
        weights: Weights | None = None,
        table: npt.NDArray[np.int8] | None = None,
        parameters: dict[str, Array] | None = None,
        name: str = "",
    ) -> str:
        """Add a layer or step that makes the operator's output; returns its name."""
        tensor = self.output(operator)
        fused = self._fused(operator)
        name = self._free(name or tensor.name, op)
        shape = self.shapes[name] = op.output_shape(*(self.shapes[source] for source in inputs))
        if math.prod(shape) != math.prod(tensor.shape) or (
            len(shape) == len(tensor.shape) - 1 and shape != tensor.shape[1:]
        ):
            raise GraphError(f"it makes {ops.describe(shape)}, and the file says {ops.describe(tensor.shape)}")
        if tensor.type == TensorType.INT8:
            if any(source not in self.quantizations for source in inputs):
                raise GraphError("it reads float32 and makes int8")
            result = tensor.quantization
            self.quantizations[name] = result
            self.steps[name] = Step(name, op, inputs, result, clamp(fused, result), weights, table)
        elif tensor.type == TensorType.FLOAT32:
            self.layers[name] = Layer(name, op, inputs)
            for parameter, values in (parameters or {}).items():
                self.weights[f"{name}.{parameter}"] = np.ascontiguousarray(values, np.float32)
            if fused == "relu_n1_to_1":
                raise GraphError("it is clamped to -1 … 1, which no float layer here does")
            if fused:
                name = self._added_activation(fused, name)
        else:
            raise GraphError(f"it makes {tensor.type.name}, not float32 or int8")
        self.made[operator.outputs[0]] = Made(name)
        return name

    def _fused(self, operator: Operator) -> str:
        number = int(operator.options.get("fused", 0))
        if not 0 <= number < len(FUSED):
            raise GraphError(f"it ends in activation {number}, which this program cannot read")
        return FUSED[number]

    def _added_activation(self, function: str, source: str) -> str:
        op = Activation("relu6" if function == "relu6" else "relu")
        name = self._free(f"{source}_{function}", op)
        self.shapes[name] = self.shapes[source]
        self.layers[name] = Layer(name, op, (source,))
        return name

    def flattened(self, source: str) -> str:
        """The vector of a tensor's numbers."""
        shape = self.shapes[source]
        if len(shape) == 1:
            return source
        name = self._free(f"{source}_flat", ops.Flatten())
        self.shapes[name] = (math.prod(shape),)
        if source in self.quantizations:
            quantization = self.quantizations[name] = self.quantizations[source]
            self.steps[name] = Step(name, ops.Flatten(), (source,), quantization)
        else:
            self.layers[name] = Layer(name, ops.Flatten(), (source,))
        return name

    def reshaped(self, source: str, shape: Shape) -> str:
        """The tensor with the same numbers in another shape, where we have one."""
        if self.shapes[source] == shape:
            return source
        layer = self.steps.get(source) or self.layers.get(source)
        if layer and isinstance(layer.op, ops.Flatten) and self.shapes[layer.inputs[0]] == shape:
            return layer.inputs[0]
        if shape != (math.prod(self.shapes[source]),):
            raise GraphError(f"it makes {ops.describe(shape)} of {ops.describe(self.shapes[source])}")
        return self.flattened(source)

    def windows(self, operator: Operator, kernel: Pair) -> tuple[str, Pair, Padding]:
        """What a convolution or pool reads, its strides, and its padding: its own and that of a PAD before it."""
        made, options = self.at(operator, 0), operator.options
        height, width, _ = self.picture(made.name)
        stride = int(options["stride_h"]), int(options["stride_w"])
        if min(*stride, *kernel) < 1 or max(kernel) > MAX_KERNEL:
            raise GraphError(
                f"kernel {kernel} and stride {stride} must be positive, and the kernel at most {MAX_KERNEL}"
            )
        if (options.get("dilation_h", 1), options.get("dilation_w", 1)) != (1, 1):
            raise GraphError("it is dilated")
        if options["padding"] not in (SAME, VALID):
            raise GraphError(f"it pads in way {options['padding']}")
        top, bottom, left, right = made.padding
        if options["padding"] == SAME:
            above, below = same_padding(height + top + bottom, kernel[0], stride[0])
            before, after = same_padding(width + left + right, kernel[1], stride[1])
            top, bottom, left, right = top + above, bottom + below, left + before, right + after
        return made.name, stride, (top, bottom, left, right)

    def picture(self, name: str) -> tuple[int, int, int]:
        shape = self.shapes[name]
        if len(shape) != 3:
            raise GraphError(f"it reads {ops.describe(shape)}, not a picture")
        return shape[0], shape[1], shape[2]

    def _free(self, wanted: str, op: Op) -> str:
        """A plain word like the name of a tensor in the file, that no other tensor has."""
        word = re.sub(r"\W+", "_", wanted.partition(";")[0], flags=re.ASCII).strip("_").removeprefix("model_")[:60]
        if not re.match(r"[A-Za-z_]", word) or iskeyword(word):
            word = f"{op.name}_{word}".rstrip("_")
        name = word
        while name in self.shapes:
            self.words[word] += 1
            name = f"{word}_{self.words[word] + 1}"
        return name


def without_batch(tensor: Tensor) -> Shape:
    if len(tensor.shape) < 2 or tensor.shape[0] != 1:
        raise GraphError(f"tensor {tensor.name!r} has shape {tensor.shape}; networks here take one picture at a time")
    return tensor.shape[1:]
