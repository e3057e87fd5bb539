"""IntegerNetworks of the zoo's families, with weights that nobody trained: what matters is which ops they have."""

from __future__ import annotations

import math

import numpy as np

from pennyweight.net.graph import INPUT, Graph
from pennyweight.net.integer.network import IntegerNetwork, Step, Weights, weights_shape
from pennyweight.net.integer.quantization import Quantization
from pennyweight.net.integer.tables import clamp, table
from pennyweight.net.ops import (
    Activation,
    Add,
    BatchNorm,
    Concat,
    Conv,
    Dense,
    DepthwiseConv,
    Dropout,
    Flatten,
    GlobalPool,
    Pool,
)
from pennyweight.net.zoo import build_network


def zoo_network(text: str, input_shape: tuple[int, int, int] = (32, 32, 3), classes: int = 10) -> IntegerNetwork:
    """The family's network in int8. A batch norm is gone where it could fold, and a depthwise convolution elsewhere."""
    graph = build_network(text, input_shape, classes)
    random = np.random.default_rng(0)
    quantizations = {INPUT: Quantization(1 / 64, 0)}
    names = {INPUT: INPUT}
    steps: list[Step] = []
    for layer in graph.layers:
        sources = tuple(names[name] for name in layer.inputs)
        op, shapes = layer.op, [_shape(graph, name) for name in layer.inputs]
        if isinstance(op, Dropout) or (isinstance(op, BatchNorm) and steps and steps[-1].weights is not None):
            names[layer.name] = sources[0]
            continue
        if isinstance(op, BatchNorm):
            op = DepthwiseConv((1, 1)) if len(shapes[0]) == 3 else Dense(shapes[0][0])
        if isinstance(op, Conv):
            op = Conv(op.filters, op.kernel, op.stride, op.padding, op.groups)
        if isinstance(op, DepthwiseConv):
            op = DepthwiseConv(op.kernel, op.stride, op.padding, op.multiplier)
        if isinstance(op, Dense):
            op = Dense(op.units)
        source = quantizations[sources[0]]
        result, arrays, fused = Quantization(source.scale, -100), {}, ""
        if isinstance(op, Pool | GlobalPool | Flatten | Concat):
            result = source
        if isinstance(op, Concat):
            for name in sources:
                quantizations[name] = source
            steps = [_with(step, quantizations[step.name]) for step in steps]
        if isinstance(op, Activation):
            arrays = {"table": table(op, source, result)}
        if isinstance(op, Add):
            fused = "relu"
        if shape := weights_shape(op, shapes[0]):
            channels = op.output_shape(*shapes)[-1]
            values = random.integers(-127, 128, shape).astype(np.int8)
            scales = random.uniform(1e-3, 2e-3, channels).astype(np.float32)
            result = Quantization(source.scale * math.sqrt(values.size / channels) * 0.1, 3)
            arrays = {"weights": Weights(values, scales, random.integers(-500, 500, channels).astype(np.int32))}
        steps.append(Step(layer.name, op, sources, result, clamp(fused, result), **arrays))  # type: ignore[arg-type]
        names[layer.name], quantizations[layer.name] = layer.name, result
    return IntegerNetwork(text, input_shape, quantizations[INPUT], tuple(steps), (128.0,) * 3, (64.0,) * 3)


def _shape(graph: Graph, name: str) -> tuple[int, ...]:
    return graph.shapes[name]


def _with(step: Step, quantization: Quantization) -> Step:
    return Step(step.name, step.op, step.inputs, quantization, step.clamp, step.weights, step.table)
