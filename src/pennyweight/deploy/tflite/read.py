"""A .tflite file, int8 or float, as a network: what a Keras user comes in with.

Each operator becomes a layer of a Graph or a step of an IntegerNetwork. What TFLite writes in several operators is
joined: PAD goes into the convolution or pool that reads it, a fused activation into the step's clamp, QUANTIZE and
DEQUANTIZE at the ends are what the input and the output stand for. All that cannot be read is said at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pennyweight.core.errors import GraphError
from pennyweight.core.text import visible
from pennyweight.deploy.tflite.metadata import Description, describe_bytes
from pennyweight.deploy.tflite.model import parse
from pennyweight.deploy.tflite.operators import CONVERTERS
from pennyweight.deploy.tflite.reading import Made, Reading, without_batch
from pennyweight.deploy.tflite.schema import TensorType
from pennyweight.net.graph import INPUT, Graph, Layer
from pennyweight.net.integer.network import IntegerNetwork, Step
from pennyweight.net.integer.quantization import LOW
from pennyweight.net.ops import describe

MAX_FAULTS = 20
"""So many faults are said."""

MAX_REUSE = 8
"""Constants may be read so many times the file's size in all; they are copied each time."""


@dataclass(frozen=True, slots=True, eq=False)
class FloatNetwork:
    """A float32 network out of a file: its Graph, `layer.parameter` -> float32 in the Graph's shapes, and how a pixel
    `p` of channel `c` enters: `(p - mean[c]) / std[c]`."""

    graph: Graph
    weights: dict[str, npt.NDArray[np.float32]]
    mean: tuple[float, ...]
    std: tuple[float, ...]


def read(content: bytes, text: str) -> IntegerNetwork | FloatNetwork:
    """The network in the bytes of a .tflite file; `text` says where it came from.

    Pixels enter as the file's metadata say. Without them the whole range of int8 is the whole range of pixels, and a
    float network takes pixels as they are.
    Raises GraphError for a file that is damaged, or that has what this program cannot read: all of it named.
    """
    try:
        model = parse(content)
        description = Description() if model.metadata is None else describe_bytes(model.metadata)
        reading = Reading(model, MAX_REUSE * len(content))
        _read_input(reading)
        _read_operators(reading)
        return _network(reading, visible(text), description)
    except GraphError as error:
        raise GraphError(f"{visible(text)} cannot be read: {visible(error)}", hint=visible(error.hint)) from error


def class_names(content: bytes) -> tuple[str, ...]:
    """The names of the classes, where the file's metadata have them; else nothing. Raises GraphError as `read`."""
    metadata = parse(content).metadata
    return () if metadata is None else describe_bytes(metadata, content).class_names


def _read_input(reading: Reading) -> None:
    tensor = reading.model.tensors[reading.model.input]
    shape = reading.shapes[INPUT] = without_batch(tensor)
    if len(shape) != 3:
        raise GraphError(f"it takes {describe(shape)}, not a picture of height x width x channels")
    if tensor.data is not None:
        raise GraphError("its input is constant")
    if tensor.type in (TensorType.INT8, TensorType.UINT8):
        reading.quantizations[INPUT] = tensor.quantization
    elif tensor.type != TensorType.FLOAT32:
        raise GraphError(f"it takes {tensor.type.name}, not float32, int8 or uint8")
    reading.made[reading.model.input] = Made(INPUT)


def _read_operators(reading: Reading) -> None:
    """Read them all; what reads the result of one that cannot be read is passed over."""
    faults: list[str] = []
    lost: set[int] = set()
    for number, operator in enumerate(reading.model.operators):
        if lost.intersection(operator.inputs):
            lost.update(operator.outputs)
            continue
        try:
            CONVERTERS[operator.builtin](reading, operator)
        except GraphError as error:
            faults.append(f"operator {number}, {operator.builtin.name}: {error}")
            lost.update(operator.outputs)
    if faults:
        more = f"; and {len(faults) - MAX_FAULTS} more" if len(faults) > MAX_FAULTS else ""
        raise GraphError("; ".join(faults[:MAX_FAULTS]) + more)


def _network(reading: Reading, text: str, description: Description) -> IntegerNetwork | FloatNetwork:
    """The network of all that its output needs."""
    result = reading.made.get(reading.model.output)
    if result is None or result.padding != (0, 0, 0, 0) or result.name == INPUT:
        raise GraphError("nothing makes its output")
    needed = {reading.flattened(result.name)}
    if reading.steps and reading.layers:
        raise GraphError("it computes some layers in float32 and some in int8")
    layers: list[Layer | Step] = [*reading.steps.values(), *reading.layers.values()]
    for layer in reversed(layers):
        if layer.name in needed:
            needed.update(layer.inputs)
    shape, (mean, std) = reading.shapes[INPUT], _pixels(reading, description)
    if reading.steps:
        steps = tuple(step for name, step in reading.steps.items() if name in needed)
        return IntegerNetwork(text, shape, reading.quantizations[INPUT], steps, mean, std)
    graph = Graph(text, shape, tuple(layer for name, layer in reading.layers.items() if name in needed))
    return FloatNetwork(graph, {name: reading.weights[name] for name in graph.parameters()}, mean, std)


def _pixels(reading: Reading, description: Description) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel."""
    channels, source = reading.shapes[INPUT][-1], reading.quantizations.get(INPUT)
    if description.mean and description.std:
        return _for_each(description.mean, channels), _for_each(description.std, channels)
    if source is None:
        return (0.0,) * channels, (1.0,) * channels
    return (float(source.zero_point - LOW),) * channels, (1 / source.scale,) * channels


def _for_each(numbers: tuple[float, ...], channels: int) -> tuple[float, ...]:
    if len(numbers) not in (1, channels):
        raise GraphError(f"its metadata normalise {len(numbers)} channels, not {channels}")
    return numbers * (channels if len(numbers) == 1 else 1)
