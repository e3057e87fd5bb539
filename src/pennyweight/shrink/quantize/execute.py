"""Execution of a FloatNetwork with torch, in which every tensor can be looked at, or replaced, as it comes to be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pennyweight.data.images import Pixels
from pennyweight.fit.predict import Normalisation, as_tensor
from pennyweight.net.graph import INPUT, Graph, Layer
from pennyweight.net.module import to_module
from pennyweight.net.ops import Activation, Add, Concat, Multiply
from pennyweight.shrink.quantize.fold import FloatNetwork, FloatStep, Reals

BATCH = 256
"""Images that go through the network at once where nothing is learnt."""

Look = Callable[[str, Tensor], Tensor]
"""Is told the name of a tensor and the tensor, and returns what the steps behind it read."""


class Executor:
    """Computes a FloatNetwork on float images `(batch, channels, height, width)`.

    `weights` are float32 by `step.weight` and `step.bias`; a call may bring others.
    """

    def __init__(self, network: FloatNetwork, device: torch.device) -> None:
        self.network, self.device = network, device
        self.weights = {
            name: torch.tensor(array, dtype=torch.float32, device=device) for name, array in network.arrays.items()
        }
        self._modules: dict[str, nn.Module] = {}
        for step in network.steps:
            if not isinstance(step.op, Add | Multiply | Concat):
                self._modules[step.name] = _module(step, network).to(device).eval()

    def __call__(
        self, images: Tensor, look: Look = lambda name, tensor: tensor, weights: Mapping[str, Tensor] | None = None
    ) -> Tensor:
        """The answers `(batch, classes)`."""
        tensors = {INPUT: look(INPUT, images)}
        for step in self.network.steps:
            made = self.step(step, [tensors[name] for name in step.inputs], weights or self.weights)
            for name in step.inputs:
                if self.network.readers[name][-1] is step:
                    tensors.pop(name, None)
            tensors[step.name] = look(step.name, CLAMPS[step.clamp](made))
        return tensors[step.name]

    def step(self, step: FloatStep, inputs: list[Tensor], weights: Mapping[str, Tensor]) -> Tensor:
        """What the op of one step makes of its inputs, before it is clamped."""
        match step.op:
            case Add():
                return inputs[0] + inputs[1]
            case Multiply():
                tensor, gate = inputs
                return tensor * gate.reshape(*gate.shape[:2], *[1] * (tensor.ndim - 2))
            case Concat():
                return torch.cat(inputs, 1)
        own = {
            f"op.{name}": weights[f"{step.name}.{name}"]
            for name in ("weight", "bias")
            if f"{step.name}.{name}" in weights
        }
        made: Tensor = torch.func.functional_call(self._modules[step.name], own, (inputs[0],))
        return made

    def activation(self, name: str) -> Callable[[Reals], Reals]:
        """The activation that alone reads a tensor, on arrays; the identity where there is none."""
        readers = self.network.readers[name]
        if len(readers) != 1 or not isinstance(readers[0].op, Activation):
            return lambda numbers: numbers
        module = self._modules[readers[0].name].cpu()
        return lambda numbers: module(torch.from_numpy(numbers)).numpy()


CLAMPS: dict[str, Callable[[Tensor], Tensor]] = {"": lambda tensor: tensor, "relu": F.relu, "relu6": F.relu6}


def _module(step: FloatStep, network: FloatNetwork) -> nn.Module:
    """The module of a step with one input; its parameters are called `op.weight` and `op.bias`."""
    graph = Graph(step.name, network.shapes[step.inputs[0]], (Layer("op", step.op, (INPUT,)),))
    return to_module(graph, seed=0).requires_grad_(False)


def batches(images: Pixels, normalisation: Normalisation, device: torch.device, batch: int = BATCH) -> Iterator[Tensor]:
    """uint8 images `(count, height, width, channels)` as they enter a network, so many at a time."""
    mean, scale = normalisation.tensors(device)
    for start in range(0, len(images), batch):
        pixels = as_tensor(np.ascontiguousarray(images[start : start + batch])).to(device)
        yield pixels.permute(0, 3, 1, 2).float().sub_(mean).mul_(scale)
