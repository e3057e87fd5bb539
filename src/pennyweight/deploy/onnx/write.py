"""An IntegerNetwork as an ONNX file, in the form that runtimes and compilers for int8 read: every tensor through
QuantizeLinear and DequantizeLinear, and between these the ordinary operators on float32.

The input is `image`: uint8 `(count, height, width, channels)`, pixels as an image library gives them; the normalisation
is inside. The output is float32 `(count, classes)`. In between pictures are NCHW, as ONNX has them. What the network
stores as `NAME/int8` is the tensor that the step NAME makes.

It is the same network, and not the same arithmetic. ONNX rounds the quotient of two floats, a half to the even number;
TensorFlow Lite rounds an integer product twice, a half up and then a half away from zero. A sum that lies beside a half
falls on the one side here and on the other there, one integer apart, and the layers behind carry that on. float32 also
loses the last bits of sums above 2^24, and a runtime may join what it reads into integer operators of its own.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from pennyweight.core.errors import GraphError, MissingExtraError
from pennyweight.core.text import visible
from pennyweight.core.version import VERSION
from pennyweight.net.graph import INPUT
from pennyweight.net.integer.network import IntegerNetwork, Step, Weights
from pennyweight.net.integer.quantization import HIGH, LOW, Quantization
from pennyweight.net.integer.tables import requantise_table, table
from pennyweight.net.ops import (
    Activation,
    Add,
    Concat,
    Conv,
    Dense,
    DepthwiseConv,
    Flatten,
    GlobalPool,
    Multiply,
    Pool,
    PRelu,
    Requantise,
    Shape,
    Softmax,
)

OPSET, IR_VERSION = 13, 7
"""The first opset with a scale for each channel (DequantizeLinear 13, of ONNX 1.8), and the format of its time: what
runtimes since the end of 2020 read."""

PRODUCER = "pennyweight"


def write(network: IntegerNetwork, class_names: Sequence[str] = ()) -> bytes:
    """The file's content; its metadata tell `class_names`, where given, `mean` and `std` as JSON.

    Raises MissingExtraError without the extra `onnx`; GraphError, naming every step that ONNX has no form for.
    """
    onnx = onnx_package()
    if faults := [f"step {step.name!r}: {fault}" for step in network.steps if (fault := _fault(network, step))]:
        raise GraphError(f"{network.text} has no form in ONNX: {'; '.join(faults)}")
    file = _File(network, onnx)
    file.read_pixels()
    for step in network.steps:
        _write_step(file, step)
    model = onnx.helper.make_model(
        file.graph(),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name=PRODUCER,
        producer_version=VERSION,
        doc_string=visible(network.text),
    )
    facts: dict[str, Sequence[str | float]] = {"mean": network.mean, "std": network.std}
    if class_names:
        facts["class_names"] = list(class_names)
    onnx.helper.set_model_props(model, {name: json.dumps(told) for name, told in facts.items()})
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def is_ours(content: bytes) -> bool:
    """Whether these are the bytes of an ONNX file that this program wrote."""
    model = onnx_package().ModelProto()
    try:
        model.ParseFromString(content)
    except Exception:  # protobuf's own, whose module differs from version to version
        return False
    return bool(model.producer_name == PRODUCER)


def onnx_package() -> ModuleType:
    """The package `onnx`. Raises MissingExtraError where it is not installed."""
    try:
        import onnx
        import onnx.checker
        import onnx.helper
        import onnx.numpy_helper
    except ImportError as error:
        raise MissingExtraError("writing ONNX files", "onnx") from error
    return onnx


def _fault(network: IntegerNetwork, step: Step) -> str:
    """Why ONNX cannot say what a step does; nothing where it can."""
    op = step.op
    if isinstance(op, Pool) and any(
        pad >= length for pad, length in zip(_pool_padding(network, step, op), (*op.kernel, *op.kernel), strict=True)
    ):
        return f"a pool of {op.kernel[0]}x{op.kernel[1]} with as much padding, of which runtimes compute nothing"
    return ""


def _pool_padding(network: IntegerNetwork, step: Step, op: Pool) -> tuple[int, int, int, int]:
    """Rows above, columns left, rows below and columns right that all windows of a pool cover, no matter how it says
    so: the runtimes disagree on rounding the number of windows up."""
    (shape,), counts = network.input_shapes(step), network.shapes[step.name]
    starts = op.padding[0], op.padding[2]
    ends = (
        max((counts[axis] - 1) * op.stride[axis] + op.kernel[axis] - starts[axis] - shape[axis], 0) for axis in (0, 1)
    )
    return (*starts, *ends)  # type: ignore[return-value]


@dataclass(slots=True, eq=False)
class _File:
    """A graph in the making."""

    network: IntegerNetwork
    onnx: ModuleType
    nodes: list[Any] = field(default_factory=list)
    constants: dict[str, npt.NDArray[Any]] = field(default_factory=dict)

    def node(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Add a node of one output; returns its name."""
        self.nodes.append(self.onnx.helper.make_node(operator, list(inputs), [output], output, **attributes))
        return output

    def constant(self, name: str, values: npt.NDArray[Any] | np.generic | float) -> str:
        """Add a constant, float32 where it is a plain number; returns its name."""
        self.constants[name] = np.asarray(values, None if isinstance(values, np.ndarray | np.generic) else np.float32)
        return name

    def quantized(self, name: str, real: str, quantization: Quantization) -> None:
        """Add `NAME/int8` of a tensor of real numbers, and `NAME/real`, what the integers stand for."""
        scale = self.constant(f"{name}/scale", quantization.scale)
        zero_point = self.constant(f"{name}/zero_point", np.int8(quantization.zero_point))
        integers = self.node("QuantizeLinear", [real, scale, zero_point], f"{name}/int8")
        self.node("DequantizeLinear", [integers, scale, zero_point], f"{name}/real")

    def looked_up(self, name: str, source: str, table: npt.NDArray[np.int8], quantization: Quantization) -> None:
        """Add `NAME/int8` and `NAME/real`, the integers those of a table of 256."""
        signed = self.node("Cast", [f"{source}/int8"], f"{name}/signed", to=self.onnx.TensorProto.INT32)
        index = self.node("Add", [signed, self.constant(f"{name}/offset", np.int32(-LOW))], f"{name}/index")
        integers = self.node("Gather", [self.constant(f"{name}/table", table), index], f"{name}/int8")
        scale = self.constant(f"{name}/scale", quantization.scale)
        zero_point = self.constant(f"{name}/zero_point", np.int8(quantization.zero_point))
        self.node("DequantizeLinear", [integers, scale, zero_point], f"{name}/real")

    def dequantized(
        self, name: str, values: npt.NDArray[Any], scales: npt.NDArray[np.float32], zero_point: int = 0, axis: int = 0
    ) -> str:
        """Add a constant that is stored in integers, with a scale for each index of `axis` or one for all."""
        one = scales.size == 1
        scale = self.constant(f"{name}/scale", scales.reshape(()) if one else scales)
        zero_points = np.full(() if one else scales.shape, zero_point, values.dtype)
        inputs = [self.constant(f"{name}/int", values), scale, self.constant(f"{name}/zero_point", zero_points)]
        return self.node("DequantizeLinear", inputs, name, **({} if one else {"axis": axis}))

    def read_pixels(self) -> None:
        """Add the way from `image` to `image/real`."""
        network = self.network
        channels = (-1, 1, 1)
        mean = self.constant(f"{INPUT}/mean", np.array(network.mean, np.float32).reshape(channels))
        std = self.constant(f"{INPUT}/std", np.array(network.std, np.float32).reshape(channels))
        turned = self.node("Transpose", [INPUT], f"{INPUT}/nchw", perm=[0, 3, 1, 2])
        pixels = self.node("Cast", [turned], f"{INPUT}/pixels", to=self.onnx.TensorProto.FLOAT)
        centred = self.node("Sub", [pixels, mean], f"{INPUT}/centred")
        self.quantized(INPUT, self.node("Div", [centred, std], f"{INPUT}/normalised"), network.input_quantization)

    def graph(self) -> Any:
        """The graph of all that was added, which ends in the real numbers of the last step."""
        helper, network = self.onnx.helper, self.network
        shape = network.shapes[network.output]
        *_, last = self.nodes
        output = "probabilities" if isinstance(network.steps[-1].op, Softmax) else "logits"
        if len(shape) == 3:
            self.node("Transpose", [last.output[0]], output, perm=[0, 2, 3, 1])
        else:
            last.output[0] = output
        image = helper.make_tensor_value_info(INPUT, self.onnx.TensorProto.UINT8, ["count", *network.input_shape])
        answers = helper.make_tensor_value_info(output, self.onnx.TensorProto.FLOAT, ["count", *shape])
        tensors = [self.onnx.numpy_helper.from_array(values, name) for name, values in self.constants.items()]
        return helper.make_graph(self.nodes, "network", [image], [answers], tensors)


def _write_step(file: _File, step: Step) -> None:
    """Add what a step does: its operator on real numbers, its clamp, and how the result is rounded."""
    if step.table is not None and _is_unusual(file.network, step):
        file.looked_up(step.name, step.inputs[0], step.table, step.quantization)
        return
    inputs = [f"{name}/real" for name in step.inputs]
    real = _clamped(file, step, _computed(file, step, inputs))
    file.quantized(step.name, real, step.quantization)


def _is_unusual(network: IntegerNetwork, step: Step) -> bool:
    """Whether a table is not its function's, as where somebody joined two in one."""
    assert step.table is not None
    (source,), result = network.input_quantizations(step), step.quantization
    usual = (
        table(step.op, source, result) if isinstance(step.op, Activation) else requantise_table(source, result)
    ).astype(int)
    return bool(np.abs(step.table - usual).max() > 1)


def _computed(file: _File, step: Step, inputs: list[str]) -> str:
    """The real numbers that a step makes of those that it reads."""
    network, op, made = file.network, step.op, f"{step.name}/made"
    shape: Shape = network.input_shapes(step)[0]
    match op:
        case Conv() | DepthwiseConv():
            top, bottom, left, right = op.padding
            return file.node(
                "Conv",
                [inputs[0], *_weights(file, step, _filters(step))],
                made,
                group=op.groups if isinstance(op, Conv) else shape[-1],
                kernel_shape=op.kernel,
                strides=op.stride,
                pads=[top, left, bottom, right],
            )
        case Dense():
            assert step.weights is not None
            return file.node("Gemm", [inputs[0], *_weights(file, step, step.weights.values)], made, transB=1)
        case Pool():
            pads = _pool_padding(network, step, op)
            kind = "MaxPool" if op.kind == "max" else "AveragePool"
            return file.node(kind, inputs, made, kernel_shape=op.kernel, strides=op.stride, pads=pads)
        case GlobalPool():
            return file.node("GlobalMaxPool" if op.kind == "max" else "GlobalAveragePool", inputs, made)
        case Add():
            return file.node("Add", inputs, made)
        case Multiply():
            return file.node("Mul", inputs, made)
        case Concat():
            return file.node("Concat", inputs, made, axis=1)
        case Softmax():
            return file.node("Softmax", inputs, made, axis=1)
        case Flatten():
            if len(shape) == 3 and math.prod(shape[:2]) > 1:
                inputs = [file.node("Transpose", inputs, f"{step.name}/nhwc", perm=[0, 2, 3, 1])]
            return file.node("Flatten", inputs, made)
        case PRelu():
            weights = step.weights
            assert weights is not None
            slopes = weights.values.reshape(-1, *[1] * (len(shape) - 1))
            slope = file.dequantized(f"{step.name}/slopes", slopes, weights.scales, weights.zero_point)
            return file.node("PRelu", [inputs[0], slope], made)
        case Activation():
            return _activated(file, op, inputs[0], made)
    assert isinstance(op, Requantise)
    return inputs[0]


def _filters(step: Step) -> npt.NDArray[np.int8]:
    """The weights of a convolution as ONNX has them: `(filters, channels / groups, kernel height, kernel width)`."""
    assert step.weights is not None
    values = step.weights.values
    if isinstance(step.op, DepthwiseConv):
        return np.ascontiguousarray(values.transpose(2, 0, 1)[:, None])
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2))


def _weights(file: _File, step: Step, values: npt.NDArray[np.int8]) -> list[str]:
    """Weights and biases; a bias in int32 stands for `input scale * weight scale * bias`."""
    weights, (source,) = step.weights, file.network.input_quantizations(step)
    assert isinstance(weights, Weights)
    assert weights.bias is not None
    with np.errstate(under="ignore"):
        scales = weights.scales * np.float32(source.scale)
    return [
        file.dequantized(f"{step.name}/weights", values, weights.scales),
        file.dequantized(f"{step.name}/bias", weights.bias, scales),
    ]


def _activated(file: _File, op: Activation, source: str, made: str) -> str:
    """An activation by operators of this opset; the step's table is made of the same function."""

    def number(name: str, value: float) -> str:
        return file.constant(f"{made}/{name}", value)

    match op.function:
        case "relu":
            return file.node("Relu", [source], made)
        case "relu6":
            return file.node("Clip", [source, number("least", 0), number("greatest", 6)], made)
        case "leaky_relu":
            return file.node("LeakyRelu", [source], made, alpha=op.slope)
        case "sigmoid":
            return file.node("Sigmoid", [source], made)
        case "tanh":
            return file.node("Tanh", [source], made)
        case "silu":
            return file.node("Mul", [source, file.node("Sigmoid", [source], f"{made}/gate")], made)
        case "hard_swish":
            gate = file.node("HardSigmoid", [source], f"{made}/gate", alpha=1 / 6, beta=0.5)
            return file.node("Mul", [source, gate], made)
    assert op.function == "gelu"
    scaled = file.node("Mul", [source, number("root", math.sqrt(0.5))], f"{made}/scaled")
    moved = file.node("Add", [file.node("Erf", [scaled], f"{made}/erf"), number("one", 1)], f"{made}/moved")
    return file.node("Mul", [file.node("Mul", [source, number("half", 0.5)], f"{made}/halved"), moved], made)


def _clamped(file: _File, step: Step, real: str) -> str:
    """The real numbers within the step's clamp. That of int8 itself is left to QuantizeLinear, which keeps to it."""
    (least, greatest), quantization = step.clamp, step.quantization
    if (least, greatest) == (LOW, HIGH):
        return real
    if least == quantization.zero_point and greatest == HIGH:
        return file.node("Relu", [real], f"{step.name}/clamped")
    ends = [quantization.scale * (end - quantization.zero_point) for end in (least, greatest)]
    limits = [file.constant(f"{step.name}/{name}", end) for name, end in zip(("least", "greatest"), ends, strict=True)]
    return file.node("Clip", [real, *limits], f"{step.name}/clamped")
