"""The trained network of a run: its graph, its module with the weights in, and how pixels enter it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor, nn

from pennyweight.core.errors import GraphError, RunError
from pennyweight.core.run import SETTINGS, Run
from pennyweight.data.images import Pixels
from pennyweight.fit.graph import class_names_of, graph_of
from pennyweight.fit.predict import Normalisation, logits
from pennyweight.net.graph import Graph
from pennyweight.net.module import load_weights, to_module


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """A network that can answer."""

    graph: Graph
    module: nn.Module
    normalisation: Normalisation
    class_names: tuple[str, ...]
    device: torch.device

    @staticmethod
    def of(run: Run, device: torch.device) -> TrainedNetwork:
        """The finished network of a run. Raises RunError where the folder is not whole."""
        content = run.weights()
        graph = graph_of(run)
        try:
            module = module_with(graph, load_tensors(content))
        except (GraphError, SafetensorError, KeyError) as error:
            raise RunError(f"{run.folder}: the weights do not fit the graph: {error}") from error
        return TrainedNetwork(
            graph, module.to(device), normalisation_of(run, graph), class_names_of(run, graph), device
        )

    def logits(self, images: Pixels) -> Tensor:
        """float32 logits `(count, classes)` of uint8 images `(count, height, width, channels)`."""
        return logits(self.module, images, self.normalisation, self.device)


def module_with(graph: Graph, tensors: Mapping[str, Tensor]) -> nn.Module:
    """The module of `graph` that holds `tensors`, looked at before memory is taken.

    Raises GraphError where they are not what the graph needs.
    """
    wanted = graph.parameters() | graph.statistics()
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items() if tensor.dtype == torch.float32}
    if found.keys() != tensors.keys() or found != wanted:
        odd = sorted(name for name in wanted.keys() | tensors.keys() if found.get(name) != wanted.get(name))
        raise GraphError(f"not the float32 tensors of this graph: {', '.join(odd)}")
    module = to_module(graph, seed=0)
    load_weights(module, tensors)
    return module


def normalisation_of(run: Run, graph: Graph) -> Normalisation:
    """How pixels enter the network of a run."""
    try:
        facts = run.read(SETTINGS)["normalisation"]
        mean, std = tuple(map(float, facts["mean"])), tuple(map(float, facts["std"]))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise RunError(f"{run.folder}: {SETTINGS} has no usable normalisation: {error!r}") from error
    if not len(mean) == len(std) == graph.input_shape[2] or not all(map(math.isfinite, mean + std)) or min(std) <= 0:
        raise RunError(f"{run.folder}: {SETTINGS} has a normalisation that does not fit its graph: {facts}")
    return Normalisation(mean, std)
