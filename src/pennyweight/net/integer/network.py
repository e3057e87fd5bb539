"""IntegerNetwork: a network in int8, which quantiser, reference, C generator and file formats share.

Its numbers are those of TensorFlow Lite's 8-bit specification: int8 activations with a scale and a zero point for each
tensor, int8 weights that are symmetric with a scale for each output channel, int32 biases, and results clamped where
an activation is fused. Its arithmetic is `reference.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from pennyweight.core.errors import GraphError
from pennyweight.net.graph import INPUT, Graph, Layer
from pennyweight.net.integer.fixed_point import MAX, Integers, quantize_multiplier
from pennyweight.net.integer.quantization import HIGH, LOW, Int8, Quantization
from pennyweight.net.integer.tables import SIGMOID_OUTPUT
from pennyweight.net.ops import (
    Activation,
    Add,
    BatchNorm,
    Concat,
    Conv,
    Crop,
    Dense,
    DepthwiseConv,
    Dropout,
    Flatten,
    GlobalPool,
    Multiply,
    Op,
    Pair,
    Paste,
    Pool,
    PRelu,
    Requantise,
    Shape,
    Softmax,
    describe,
)

SOFTMAX_MAX_CLASSES = 4095
"""TFLite adds exponentials up in an int32 with 12 integer bits."""


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """What a layer stores. Arrays are read-only copies.

    `values` int8 are laid out as in a .tflite, each filter's window in the order of the picture in memory:
    conv `(filters, kernel height, kernel width, channels / groups)`; depthwise conv `(kernel height, kernel width,
    filters)`, where filter `f` reads channel `f // multiplier`; dense `(units, features)`; PReLU `(channels,)` slopes.
    `scales` float32: one for each output channel, or a single one for all. `bias` int32 `(output channels,)` stands
    for `input scale * weight scale * bias`; PReLU has none. `zero_point` is that of PReLU's slopes, else 0.
    """

    values: Int8
    scales: npt.NDArray[np.float32]
    bias: npt.NDArray[np.int32] | None = None
    zero_point: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", _kept("weights", self.values, np.int8))
        object.__setattr__(self, "scales", _kept("scales", self.scales, np.float32))
        if self.bias is not None:
            object.__setattr__(self, "bias", _kept("bias", self.bias, np.int32))


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One op at its place: `name` is also the name of the tensor that it makes, `inputs` name those that it reads.

    `quantization` is that of the tensor it makes, `clamp` the least and greatest integer that it writes. Conv,
    depthwise conv, dense and PReLU have `weights`; an activation and a requantise a `table`: int8 `(256,)`, what they
    make of -128, -127, … 127 (`tables.py` makes them).
    """

    name: str
    op: Op
    inputs: tuple[str, ...]
    quantization: Quantization
    clamp: Pair = (LOW, HIGH)
    weights: Weights | None = None
    table: Int8 | None = None

    def __post_init__(self) -> None:
        if self.table is not None:
            object.__setattr__(self, "table", _kept("table", self.table, np.int8))


def _kept(what: str, array: npt.NDArray[Any], dtype: type[np.generic]) -> npt.NDArray[Any]:
    if not isinstance(array, np.ndarray) or array.dtype != dtype:
        raise GraphError(f"{what} are {getattr(array, 'dtype', type(array).__name__)}, not {np.dtype(dtype)}")
    copy = np.array(array, order="C")
    copy.flags.writeable = False
    return copy


@dataclass(frozen=True, slots=True, eq=False)
class Rescaling:
    """How int32 sums come back to int8: for each output channel an int32 multiplier and a shift (see fixed_point)."""

    multipliers: Integers
    shifts: Integers


@dataclass(frozen=True, eq=False)
class IntegerNetwork:
    """Steps in the order of execution, with static shapes. The last one's tensor is the answer: logits or a softmax.

    `input_shape` is `(height, width, channels)`, `input_quantization` that of the tensor `image`. A pixel `p` in
    0 … 255 of channel `c` enters as the real number `(p - mean[c]) / std[c]`, which are float32 values as a .tflite
    keeps them. `text` says where the network came from.

    An IntegerNetwork that exists is valid: it is a valid Graph, every step has the weights or the table that it needs,
    quantizations are those that its op demands, and no int32 sum can overflow. Raises GraphError otherwise, naming the
    step.
    """

    text: str
    input_shape: Shape
    input_quantization: Quantization
    steps: tuple[Step, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        with np.errstate(over="ignore", under="ignore"):
            for name in ("mean", "std"):
                object.__setattr__(self, name, tuple(np.asarray(getattr(self, name), np.float32).tolist()))
        _ = self.graph
        channels = self.input_shape[-1]
        numbers = (*self.mean, *self.std)
        if not len(self.mean) == len(self.std) == channels or not all(map(math.isfinite, numbers)):
            raise GraphError(f"{channels} channels need as many means and deviations, not {self.mean} and {self.std}")
        if min(self.std) <= 0:
            raise GraphError(f"deviations of pixels are positive, unlike {self.std}")
        for step in self.steps:
            try:
                for fault in _faults(self, step):
                    raise GraphError(fault)
            except GraphError as error:
                raise GraphError(f"step {step.name!r} of {self.text}: {error}", hint=error.hint) from error

    @cached_property
    def graph(self) -> Graph:
        """The network as a Graph, with the same names: what profiler and memory planner read.

        Fused clamps do not show, as they cost nothing; every convolution and dense layer has its biases.
        """
        return Graph(self.text, self.input_shape, tuple(Layer(step.name, step.op, step.inputs) for step in self.steps))

    @property
    def shapes(self) -> dict[str, Shape]:
        """The shape of every tensor, the input's among them."""
        return self.graph.shapes

    @cached_property
    def quantizations(self) -> dict[str, Quantization]:
        """The quantization of every tensor, the input's among them."""
        return {INPUT: self.input_quantization} | {step.name: step.quantization for step in self.steps}

    @property
    def output(self) -> str:
        """The name of the last step's tensor."""
        return self.steps[-1].name

    @property
    def weight_bytes(self) -> int:
        """Bytes of weights, biases and tables; without the multipliers and shifts, which follow from scales."""
        return sum(array.nbytes for step in self.steps for array in stored_arrays(step).values())

    def input_shapes(self, step: Step) -> tuple[Shape, ...]:
        """The shapes that `step` reads."""
        return tuple(self.shapes[name] for name in step.inputs)

    def input_quantizations(self, step: Step) -> tuple[Quantization, ...]:
        """The quantizations that `step` reads."""
        return tuple(self.quantizations[name] for name in step.inputs)

    def macs(self, step: Step) -> int:
        """Multiply-accumulates of `step` for one image."""
        return step.op.macs(*self.input_shapes(step))

    def rescaling(self, step: Step) -> Rescaling:
        """How the sums of a convolution or dense layer come back to int8, one factor for each output channel.

        TFLite multiplies the scales of a dense layer in float32 where its weights have a single one
        (GetQuantizedConvolutionMultipler), and in double else (PopulateConvolutionQuantizationParams).
        """
        weights, (source,) = step.weights, self.input_quantizations(step)
        assert weights is not None
        products = [source.scale * float(scale) for scale in weights.scales]
        if isinstance(step.op, Dense) and len(products) == 1:
            products = [float(np.float32(source.scale) * weights.scales[0])]
        pairs = [quantize_multiplier(product / step.quantization.scale) for product in products]
        table = np.broadcast_to(np.array(pairs, np.int64), (self.shapes[step.name][-1], 2))
        return Rescaling(table[:, 0].copy(), table[:, 1].copy())

    def renamed(self, text: str) -> IntegerNetwork:
        """The same network with another text."""
        return replace(self, text=text)


def stored_arrays(step: Step) -> dict[str, npt.NDArray[Any]]:
    """The arrays that a program for `step` stores, by name: weights, bias, table. Scales become multipliers."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    if step.weights is not None:
        arrays["weights"] = step.weights.values
        if step.weights.bias is not None:
            arrays["bias"] = step.weights.bias
    if step.table is not None:
        arrays["table"] = step.table
    return arrays


def weights_shape(op: Op, source: Shape) -> Shape:
    """The shape of the weights of `op` where it reads a tensor of shape `source`; empty where it has none."""
    match op:
        case Conv():
            return (op.filters, *op.kernel, source[-1] // op.groups)
        case DepthwiseConv():
            return (*op.kernel, source[-1] * op.multiplier)
        case Dense():
            return (op.units, source[-1])
        case PRelu():
            return (source[-1],)
    return ()


def sum_range(step: Step, source: Quantization) -> tuple[Integers, Integers]:
    """The least and the greatest sum that each output channel of a convolution or dense layer can reach."""
    weights = step.weights
    assert weights is not None
    assert weights.bias is not None
    axes = (0, 1) if isinstance(step.op, DepthwiseConv) else tuple(range(1, weights.values.ndim))
    values = weights.values.astype(np.int64)
    ends = values * (LOW - source.zero_point), values * (HIGH - source.zero_point)
    bias = weights.bias.astype(np.int64)
    return np.minimum(*ends).sum(axes) + bias, np.maximum(*ends).sum(axes) + bias


def _faults(network: IntegerNetwork, step: Step) -> Iterator[str]:
    """What is wrong with a step of a valid Graph, in the order in which it should be said."""
    op, shapes, result = step.op, network.input_shapes(step), step.quantization
    sources = network.input_quantizations(step)
    if isinstance(op, BatchNorm | Dropout):
        yield f"{op.name} has no int8 form: fold it, or make it a depthwise convolution"
    least, greatest = step.clamp
    if not LOW <= least <= greatest <= HIGH:
        yield f"a clamp lies in {LOW} … {HIGH}, unlike {least} … {greatest}"
    if isinstance(op, Activation | Requantise) != (step.table is not None):
        yield f"{op.name} {'needs a' if step.table is None else 'has no'} table"
    if step.table is not None and (step.table.shape != (256,) or step.clamp != (LOW, HIGH)):
        yield "a table has 256 entries, and the clamp in them"
    yield from _weight_faults(step, shapes[0], sources[0])
    match op:
        case Pool() | Flatten() | Concat() | Crop() | Paste() | GlobalPool(kind="max"):
            if any(source != result for source in sources):
                yield f"{op.name} keeps the quantization of what it reads"
        case Softmax():
            if result != SIGMOID_OUTPUT:
                yield f"softmax makes numbers of scale 1/256 and zero point -128, not {result}"
            if shapes[0][-1] > SOFTMAX_MAX_CLASSES:
                yield f"softmax of {shapes[0][-1]} numbers; at most {SOFTMAX_MAX_CLASSES} can be added up"
            if sources[0].scale * 2**26 <= 1:
                yield f"softmax cannot read a scale of {sources[0].scale}"
        case Add():
            if 2 * max(source.scale for source in sources) >= 2**20 * result.scale:
                yield f"add cannot bring scales of {max(s.scale for s in sources)} to {result.scale}"
        case Multiply():
            if len(shapes[0]) != len(shapes[1]):
                yield f"multiply takes {describe(shapes[0])} and a gate that is as deep, not {describe(shapes[1])}"
            quantize_multiplier(sources[0].scale * sources[1].scale / result.scale)
        case GlobalPool(kind="average"):
            quantize_multiplier(sources[0].scale / result.scale)
            if math.prod(shapes[0][:2]) > MAX // 255:
                yield f"the sum of {describe(shapes[0])} may not fit into 32 bits"
    if isinstance(op, _UNCLAMPED) and step.clamp != (LOW, HIGH):
        yield f"{op.name} has no clamp"


_UNCLAMPED = (Activation, Requantise, Softmax, Flatten, Concat, Crop, Paste, GlobalPool, PRelu)


def _weight_faults(step: Step, shape: Shape, source: Quantization) -> Iterator[str]:
    op, weights = step.op, step.weights
    wanted = weights_shape(op, shape)
    if not wanted or weights is None:
        if wanted or weights is not None:
            yield f"{op.name} {'needs' if wanted else 'has no'} weights"
        return
    if weights.values.shape != wanted:
        yield f"weights are {describe(weights.values.shape)}, not {describe(wanted)}"
    scales = weights.scales.astype(np.float64)
    if not (np.isfinite(scales).all() and (scales >= np.finfo(np.float32).tiny).all()):
        yield "a weight scale is a positive float32"
    if isinstance(op, PRelu):
        if weights.scales.shape != (1,) or weights.bias is not None or not LOW <= weights.zero_point <= HIGH:
            yield "PReLU's slopes have one scale, a zero point in int8, and no bias"
        factor = source.scale / step.quantization.scale
        quantize_multiplier(factor)
        quantize_multiplier(factor * float(weights.scales[0]))
        return
    channels = wanted[-1] if isinstance(op, DepthwiseConv) else wanted[0]
    if weights.scales.shape not in ((1,), (channels,)):
        yield f"{channels} output channels need one scale, or as many, not {weights.scales.shape}"
    if weights.bias is None or weights.bias.shape != (channels,) or not getattr(op, "bias", False):
        yield f"{channels} output channels need as many biases, and an op that says so (bias=True)"
    if weights.zero_point != 0:
        yield f"weights are symmetric: their zero point is 0, not {weights.zero_point}"
    for scale in scales.tolist():
        quantize_multiplier(source.scale * scale / step.quantization.scale)
    assert weights.bias is not None
    for sums in sum_range(step, source):
        # The bias may come first or last.
        worst = max(np.abs(sums).max(), np.abs(sums - weights.bias).max())
        if worst > MAX:
            yield f"a sum may reach {worst:,}, which no int32 holds"
