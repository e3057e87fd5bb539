"""An IntegerNetwork as the bytes of one safetensors file, so that it is whole or not there: arrays by `step.array`,
and all else as JSON in the file's metadata. Nothing is pickled."""

from __future__ import annotations

import json
from typing import Any

import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from pennyweight.core.errors import GraphError
from pennyweight.net import ops
from pennyweight.net.integer.network import IntegerNetwork, Step, Weights
from pennyweight.net.integer.quantization import Quantization

FORMAT = "pennyweight.integer_network"
VERSION = 1


def to_bytes(network: IntegerNetwork) -> bytes:
    """The file's content; `from_bytes` gives the network back."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    for step in network.steps:
        arrays |= {f"{step.name}.{name}": array for name, array in _arrays(step).items()}
    facts = {
        "version": VERSION,
        "text": network.text,
        "input_shape": list(network.input_shape),
        "input_quantization": _quantization_facts(network.input_quantization),
        "mean": list(network.mean),
        "std": list(network.std),
        "steps": [_step_facts(step) for step in network.steps],
    }
    return save(arrays, {FORMAT: json.dumps(facts, allow_nan=False)})


def from_bytes(content: bytes) -> IntegerNetwork:
    """The network that `to_bytes` wrote. Raises GraphError for anything else, and runs no code."""
    try:
        arrays = load(content)
        facts = json.loads(_metadata(content)[FORMAT])
        if facts["version"] != VERSION:
            raise GraphError(f"an integer network of version {facts['version']!r}; this program knows {VERSION}")
        network = IntegerNetwork(
            text=str(facts["text"]),
            input_shape=tuple(map(int, facts["input_shape"])),
            input_quantization=_quantization(facts["input_quantization"]),
            steps=tuple(_step(step, arrays) for step in facts["steps"]),
            mean=tuple(map(float, facts["mean"])),
            std=tuple(map(float, facts["std"])),
        )
    except (SafetensorError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as e:
        raise GraphError(f"not an integer network: {type(e).__name__}: {e}") from e
    if left := sorted(arrays):
        raise GraphError(f"an integer network with arrays that belong to no step: {', '.join(left)}")
    return network


def _metadata(content: bytes) -> dict[str, str]:
    """The texts in a safetensors file's header, which begins with its length in 8 bytes."""
    length = int.from_bytes(content[:8], "little")
    metadata: dict[str, str] = json.loads(content[8 : 8 + length])["__metadata__"]
    return metadata


def _arrays(step: Step) -> dict[str, npt.NDArray[Any]]:
    weights = step.weights
    if weights is None:
        return {} if step.table is None else {"table": step.table}
    arrays: dict[str, npt.NDArray[Any]] = {"weights": weights.values, "scales": weights.scales}
    return arrays if weights.bias is None else arrays | {"bias": weights.bias}


def _step_facts(step: Step) -> dict[str, Any]:
    facts = {
        "name": step.name,
        "inputs": list(step.inputs),
        "quantization": _quantization_facts(step.quantization),
        "clamp": list(step.clamp),
        "op": ops.to_json(step.op),
    }
    return facts | ({} if step.weights is None else {"weights_zero_point": step.weights.zero_point})


def _step(facts: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> Step:
    """The step of these facts; its arrays are taken out of `arrays`."""
    name = str(facts["name"])
    weights = None
    if "weights_zero_point" in facts:
        weights = Weights(
            arrays.pop(f"{name}.weights"),
            arrays.pop(f"{name}.scales"),
            arrays.pop(f"{name}.bias", None),
            int(facts["weights_zero_point"]),
        )
    least, greatest = map(int, facts["clamp"])
    return Step(
        name,
        ops.from_json(facts["op"]),
        tuple(map(str, facts["inputs"])),
        _quantization(facts["quantization"]),
        (least, greatest),
        weights,
        arrays.pop(f"{name}.table", None),
    )


def _quantization_facts(quantization: Quantization) -> list[float]:
    return [quantization.scale, quantization.zero_point]


def _quantization(facts: list[float]) -> Quantization:
    scale, zero_point = facts
    return Quantization(float(scale), int(zero_point))
