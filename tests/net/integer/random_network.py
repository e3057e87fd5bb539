"""Any IntegerNetwork: branches, every op, odd shapes, zero points and scales that saturate."""

from __future__ import annotations

import math
from typing import get_args

import hypothesis
import numpy as np
from hypothesis import strategies as st

from pennyweight.net import ops
from pennyweight.net.graph import INPUT
from pennyweight.net.integer.network import IntegerNetwork, Step, Weights, weights_shape
from pennyweight.net.integer.quantization import HIGH, LOW, Quantization
from pennyweight.net.integer.tables import SIGMOID_OUTPUT, TANH_OUTPUT, clamp, requantise_table, table
from pennyweight.net.ops import Activation, Op, Requantise, Shape

KINDS = (
    "conv",
    "depthwise_conv",
    "dense",
    "pool",
    "global_pool",
    "add",
    "multiply",
    "concat",
    "softmax",
    "flatten",
    "prelu",
    "activation",
    "requantise",
)


MOST_STEPS = 16
"""Of the networks that are drawn in large numbers."""


class Draft:
    """A network in the making, its choices drawn by hypothesis and its numbers by a seed of it."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        self.shapes: dict[str, Shape] = {INPUT: (self.pick(1, 9), self.pick(1, 9), self.pick(1, 5))}
        self.quantizations = {INPUT: Quantization(self.power(-12, 4), self.zero_point())}
        self.steps: list[Step] = []

    def pick(self, least: int, greatest: int) -> int:
        return self.draw(st.integers(least, greatest))

    def power(self, least: float, greatest: float) -> float:
        return float(2 ** self.random.uniform(least, greatest))

    def zero_point(self) -> int:
        return self.draw(st.sampled_from((-128, -128, 0, 127)) | st.integers(LOW, HIGH))

    def near(self, scale: float) -> Quantization:
        """A quantization whose scale is around another's, or far away from it."""
        reach = self.draw(st.sampled_from((1, 3, 6, 12)))
        return Quantization(min(max(scale * self.power(-reach, reach), 1e-12), 1e12), self.zero_point())

    def add(self, op: Op, *inputs: str, result: Quantization, fused: str = "", **arrays: object) -> str:
        name = f"{op.name}_{len(self.steps)}"
        self.shapes[name] = op.output_shape(*(self.shapes[source] for source in inputs))
        self.quantizations[name] = result
        self.steps.append(Step(name, op, inputs, result, clamp(fused, result), **arrays))  # type: ignore[arg-type]
        return name

    def fused(self) -> str:
        return self.draw(st.sampled_from(("", "", "relu", "relu6", "relu_n1_to_1")))

    def convolved(self, op: Op, source: str) -> str:
        shape = weights_shape(op, self.shapes[source])
        channels = op.output_shape(self.shapes[source])[-1]
        most = self.draw(st.sampled_from((127, 127, 20, 1)))
        values = self.random.integers(-most, most + 1, shape).astype(np.int8)
        single = self.draw(st.booleans())
        scales = np.array([self.power(-10, 0) for _ in range(1 if single else channels)], np.float32)
        reach = self.draw(st.sampled_from((0, 100, 100_000, 2**24)))
        bias = self.random.integers(-reach, reach + 1, channels).astype(np.int32)
        source_scale = self.quantizations[source].scale
        spread = math.sqrt(values[..., 0].size) * most * float(scales.max()) * source_scale
        result = self.near(max(spread, source_scale * float(scales.max())))
        return self.add(op, source, result=result, fused=self.fused(), weights=Weights(values, scales, bias))

    def windows(self, source: str) -> tuple[ops.Pair, ops.Pair, ops.Padding]:
        height, width, _ = self.shapes[source]
        kernel = (self.pick(1, min(height, 4)), self.pick(1, min(width, 4)))
        stride = (self.pick(1, 3), self.pick(1, 3))
        padding = tuple(self.pick(0, kernel[axis // 2] - 1) for axis in range(4))
        return kernel, stride, self.draw(st.sampled_from(((0, 0, 0, 0), padding)))  # type: ignore[return-value]

    def step(self) -> str:
        source = self.draw(st.sampled_from(list(self.shapes)))
        shape, quantization = self.shapes[source], self.quantizations[source]
        picture = len(shape) == 3
        match self.draw(st.sampled_from(KINDS)):
            case "conv" if picture:
                groups = self.draw(st.sampled_from([n for n in (1, 1, 2, 3, shape[-1]) if shape[-1] % n == 0]))
                return self.convolved(ops.Conv(groups * self.pick(1, 4), *self.windows(source), groups), source)
            case "depthwise_conv" if picture:
                return self.convolved(ops.DepthwiseConv(*self.windows(source), self.pick(1, 3)), source)
            case "dense" if not picture:
                return self.convolved(ops.Dense(self.pick(1, 12)), source)
            case "pool" if picture:
                kind = self.draw(st.sampled_from(("max", "average")))
                kernel, stride, padding = self.windows(source)
                if kind == "average":
                    padding = (0, 0, 0, 0)
                op = ops.Pool(kind, kernel, stride, padding, self.draw(st.booleans()))  # type: ignore[arg-type]
                return self.add(op, source, result=quantization, fused=self.fused())
            case "global_pool" if picture:
                if self.draw(st.booleans()):
                    return self.add(ops.GlobalPool("max"), source, result=quantization)
                result = self.draw(st.sampled_from((quantization, self.near(quantization.scale))))
                return self.add(ops.GlobalPool("average"), source, result=result)
            case "add":
                other = self.draw(st.sampled_from([name for name in self.shapes if self.shapes[name] == shape]))
                scale = max(quantization.scale, self.quantizations[other].scale)
                return self.add(ops.Add(), source, other, result=self.near(scale), fused=self.fused())
            case "multiply":
                gates = [n for n in self.shapes if self.shapes[n] in (shape, (1,) * (len(shape) - 1) + shape[-1:])]
                other = self.draw(st.sampled_from(gates))
                if other == source and shape[:2] != (1, 1) and picture:
                    other = self.add(ops.GlobalPool("max"), source, result=quantization)
                scale = 100 * quantization.scale * self.quantizations[other].scale
                if 1e-10 < scale < 1e10:
                    return self.add(ops.Multiply(), source, other, result=self.near(scale), fused=self.fused())
            case "concat":
                alike = [n for n in self.shapes if self.shapes[n][:-1] == shape[:-1]]
                parts = []
                for name in self.draw(st.lists(st.sampled_from(alike), min_size=1, max_size=3)):
                    if self.quantizations[name].scale > 2**20 * quantization.scale:
                        continue
                    if self.quantizations[name] != quantization:
                        values = requantise_table(self.quantizations[name], quantization)
                        name = self.add(Requantise(), name, result=quantization, table=values)
                    parts.append(name)
                return self.add(ops.Concat(), source, *parts, result=quantization)
            case "softmax":
                if quantization.scale * 2**26 <= 1:
                    return source
                return self.add(ops.Softmax(), source, result=SIGMOID_OUTPUT)
            case "prelu":
                slopes = self.random.integers(LOW, HIGH + 1, shape[-1]).astype(np.int8)
                weights = Weights(slopes, np.array([self.power(-9, -6)], np.float32), None, self.zero_point())
                return self.add(ops.PRelu(), source, result=self.near(quantization.scale), weights=weights)
            case "activation":
                function = self.draw(st.sampled_from(get_args(ops.ActivationFunction)))
                activation, result = Activation(function, self.power(-8, 0)), self.near(quantization.scale)
                if function in ("sigmoid", "tanh", "relu6") and self.draw(st.booleans()):
                    result = {"sigmoid": SIGMOID_OUTPUT, "tanh": TANH_OUTPUT, "relu6": quantization}[function]
                return self.add(activation, source, result=result, table=table(activation, quantization, result))
            case "requantise":
                result = self.near(quantization.scale)
                return self.add(Requantise(), source, result=result, table=requantise_table(quantization, result))
        return self.add(ops.Flatten(), source, result=quantization)


@st.composite
def networks(draw: st.DrawFn, most_steps: int = 8) -> IntegerNetwork:
    """An IntegerNetwork of a few steps; every step reads any earlier tensors that it can."""
    draft = Draft(draw)
    for _ in range(draw(st.integers(1, most_steps))):
        draft.step()
    channels = draft.shapes[INPUT][-1]
    mean = tuple(draft.random.uniform(0, 255, channels).tolist())
    std = tuple(draft.random.uniform(1, 100, channels).tolist())
    return IntegerNetwork("any", draft.shapes[INPUT], draft.quantizations[INPUT], tuple(draft.steps), mean, std)


def drawn(count: int, seed: int) -> list[IntegerNetwork]:
    """So many networks, the same in every call: what a test that failed, or a bench, can be given again."""
    found: list[IntegerNetwork] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(networks(most_steps=MOST_STEPS))
    def collect(network: IntegerNetwork) -> None:
        found.append(network)

    collect()
    return found[:count]
