"""FloatNetwork and ranges -> IntegerNetwork, by TensorFlow Lite's 8-bit specification."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pennyweight.net.graph import INPUT
from pennyweight.net.integer.network import IntegerNetwork, Step, Weights
from pennyweight.net.integer.quantization import HIGH, LOW, Int8, Quantization, round_away
from pennyweight.net.integer.tables import SIGMOID_OUTPUT, TANH_OUTPUT, clamp, requantise_table, table
from pennyweight.net.ops import (
    Activation,
    Concat,
    Conv,
    DepthwiseConv,
    Flatten,
    GlobalPool,
    Multiply,
    Op,
    Pool,
    PRelu,
    Requantise,
    Softmax,
)
from pennyweight.shrink.quantize.fold import FloatNetwork, FloatStep, Linear
from pennyweight.shrink.quantize.ranges import Ranges

WEIGHT_MAX = 127
"""Weights are symmetric: -128 is not used."""

BIAS_MAX = 2**30
"""Half of int32, which leaves the other half to the sum that a bias is added to."""


@dataclass(frozen=True, eq=False)
class Scales:
    """How real numbers become integers: a quantization for each tensor, and a weight scale for each output channel."""

    tensors: Mapping[str, Quantization]
    weights: Mapping[str, npt.NDArray[np.float32]]

    @staticmethod
    def of(network: FloatNetwork, tensors: Mapping[str, Quantization]) -> Scales:
        """The scales that cover the weights, beside those of the tensors."""
        return Scales(tensors, {step.name: weight_scales(step, tensors) for step in network.linear})


SCALE_MIN = 2.0**-64
"""Of a tensor: smaller numbers, as a layer that died makes them, are as good as 0."""

REACH = 2.0**-18
"""No range is smaller beside the numbers that it could be computed from: a factor between scales has 30 bits."""


def input_range(mean: Iterable[float], std: Iterable[float]) -> tuple[float, float]:
    """The least and the greatest number that a pixel can enter a network as."""
    pairs = list(zip(mean, std, strict=True))
    return min((0 - m) / s for m, s in pairs), max((255 - m) / s for m, s in pairs)


def quantization(low: float, high: float) -> Quantization:
    """The quantization of a range, widened so that it holds 0, which is exact."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max((high - low) / 255, SCALE_MIN)
    return Quantization(scale, int(np.clip(round(LOW - low / scale), LOW, HIGH)))


def weight_scales(step: FloatStep, tensors: Mapping[str, Quantization]) -> npt.NDArray[np.float32]:
    """The scale of each output channel, large enough for its weights in 8 bits and its bias in 32."""
    assert step.weight is not None
    assert step.bias is not None
    source, result = tensors[step.inputs[0]].scale, tensors[step.name].scale
    weights = np.abs(step.weight).reshape(len(step.weight), -1).max(1) / WEIGHT_MAX
    bias = np.abs(step.bias) / (source * BIAS_MAX)
    # A channel that does nothing has a scale all the same: it must not underflow beside the others.
    scales: npt.NDArray[np.float64] = np.maximum(np.maximum(weights, bias), result / source * 2.0**-24)
    return scales.astype(np.float32)


def tensor_quantizations(network: FloatNetwork, ranges: Ranges) -> dict[str, Quantization]:
    """The quantization of every tensor that covers its range.

    What an op keeps is one for all that it reads and makes, and so is a concat's where the specification allows it.
    """
    ranges = _widened(network, ranges)
    group = {name: name for name in network.shapes}

    def root(name: str) -> str:
        while group[name] != name:
            name = group[name]
        return name

    given = {step.name: told for step in network.steps if (told := _given(step.op)) is not None}
    fixed = {**given, INPUT: quantization(*ranges[INPUT])}
    for step in network.steps:
        if keeps_quantization(step.op):
            group[step.name] = root(step.inputs[0])
        elif isinstance(step.op, Concat):
            roots = {root(name) for name in step.inputs}
            kinds = {fixed.get(each) for each in roots}
            for each in roots:
                if len(kinds) == 1 or each not in fixed:
                    if root(step.name) in fixed:
                        group[each] = root(step.name)
                    else:
                        group[root(step.name)] = each
    members: dict[str, list[str]] = {}
    for name in group:
        members.setdefault(root(name), []).append(name)
    found: dict[str, Quantization] = {}
    for first, names in members.items():
        ends = [ranges[name] for name in names]
        found |= dict.fromkeys(names, fixed.get(first) or quantization(min(ends)[0], max(end for _, end in ends)))
    return found


def _widened(network: FloatNetwork, ranges: Ranges) -> Ranges:
    """The ranges, none of them so small beside what it is computed from that no factor leads there."""
    found = {INPUT: ranges[INPUT]}
    for step in network.steps:
        low, high = ranges[step.name]
        sources = [max(-found[name][0], found[name][1]) for name in step.inputs]
        reach = math.prod(sources) if isinstance(step.op, Multiply) else max(sources)
        if step.weight is not None:
            reach *= float(np.abs(step.weight).max())
        if step.bias is not None:
            reach += float(np.abs(step.bias).max())
        found[step.name] = (low, high) if high - low >= reach * REACH else (low, low + reach * REACH)
    return found


def keeps_quantization(op: Op) -> bool:
    """Whether what an op makes has the quantization of what it reads."""
    return isinstance(op, Pool | Flatten) or (isinstance(op, GlobalPool) and op.kind == "max")


def _given(op: Op) -> Quantization | None:
    """The quantization that the specification asks of an op's result, None where that is free."""
    match op:
        case Softmax() | Activation(function="sigmoid"):
            return SIGMOID_OUTPUT
        case Activation(function="tanh"):
            return TANH_OUTPUT
    return None


def integer_network(
    network: FloatNetwork, scales: Scales, mean: Iterable[float], std: Iterable[float]
) -> IntegerNetwork:
    """The network on integers; a pixel `p` of channel `c` enters it as `(p - mean[c]) / std[c]`."""
    steps: list[Step] = []
    for step in network.steps:
        result = scales.tensors[step.name]
        limits, inputs = clamp(step.clamp, result), step.inputs
        match step.op:
            case Activation():
                source = scales.tensors[inputs[0]]
                steps.append(Step(step.name, step.op, inputs, result, table=table(step.op, source, result)))
            case PRelu():
                steps.append(Step(step.name, step.op, inputs, result, weights=_slopes(step)))
            case Concat():
                at = [_requantised(steps, network, step, name, scales) for name in inputs]
                steps.append(Step(step.name, step.op, tuple(at), result))
            case _ if isinstance(step.op, Linear):
                weights = _weights(step, scales)
                steps.append(Step(step.name, step.op, inputs, result, limits, weights))
            case _:
                steps.append(Step(step.name, step.op, inputs, result, limits))
    return IntegerNetwork(
        network.text, network.input_shape, scales.tensors[INPUT], tuple(steps), tuple(mean), tuple(std)
    )


def _weights(step: FloatStep, scales: Scales) -> Weights:
    assert step.weight is not None
    assert step.bias is not None
    own = scales.weights[step.name].astype(np.float64)
    source = scales.tensors[step.inputs[0]].scale
    values = np.clip(round_away(step.weight / own.reshape(-1, *[1] * (step.weight.ndim - 1))), -WEIGHT_MAX, WEIGHT_MAX)
    bias = np.clip(round_away(step.bias / (own * source)), -BIAS_MAX, BIAS_MAX)
    return Weights(_laid_out(step.op, values.astype(np.int8)), scales.weights[step.name], bias.astype(np.int32))


def _laid_out(op: Op, values: Int8) -> Int8:
    """torch's weights in the order of a .tflite."""
    if isinstance(op, Conv):
        return values.transpose(0, 2, 3, 1)
    if isinstance(op, DepthwiseConv):
        return values[:, 0].transpose(1, 2, 0)
    return values


def _slopes(step: FloatStep) -> Weights:
    """PReLU's slopes: one scale, and a zero point as an activation has it."""
    assert step.weight is not None
    own = quantization(float(step.weight.min()), float(step.weight.max()))
    return Weights(own.quantise(step.weight), np.array([own.scale], np.float32), None, own.zero_point)


def _requantised(steps: list[Step], network: FloatNetwork, step: FloatStep, name: str, scales: Scales) -> str:
    """The tensor `name` in the quantization of what `step` makes, by one more step where it has another."""
    source, result = scales.tensors[name], scales.tensors[step.name]
    if source == result:
        return name
    own = f"{name}_for_{step.name}"
    while own in network.shapes:
        own += "_"
    if own not in {each.name for each in steps}:
        steps.append(Step(own, Requantise(), (name,), result, table=requantise_table(source, result)))
    return own
