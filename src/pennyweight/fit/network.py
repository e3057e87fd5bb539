"""The trained network of a run: its graph, its module with the weights in, and how pixels enter it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor, nn

from pennyweight.core.errors import GraphError, RunError
from pennyweight.core.run import GRAPH, RESULTS, SETTINGS, Run
from pennyweight.data.images import Pixels
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
        run.read(RESULTS)
        settings = run.read(SETTINGS)
        graph = graph_of(run)
        module = to_module(graph, seed=0)
        try:
            load_weights(module, load_tensors(run.weights()))
        except (GraphError, SafetensorError) as error:
            raise RunError(f"{run.folder}: the weights do not fit the graph: {error}") from error
        return TrainedNetwork(graph, module.to(device), normalisation_of(run), class_names_of(run, settings), device)

    def logits(self, images: Pixels) -> Tensor:
        """float32 logits `(count, classes)` of uint8 images `(count, height, width, channels)`."""
        return logits(self.module, images, self.normalisation, self.device)


def graph_of(run: Run) -> Graph:
    """The graph of a run, finished or not."""
    try:
        return Graph.from_json(run.read(GRAPH))
    except GraphError as error:
        raise RunError(f"{run.folder}: {GRAPH} is not a graph: {error}") from error


def normalisation_of(run: Run) -> Normalisation:
    """How pixels enter the network of a run."""
    try:
        facts = run.read(SETTINGS)["normalisation"]
        return Normalisation(tuple(map(float, facts["mean"])), tuple(map(float, facts["std"])))
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{run.folder}: {SETTINGS} has no usable normalisation: {error!r}") from error


def class_names_of(run: Run, settings: dict[str, Any]) -> tuple[str, ...]:
    """The names of the classes, in the order of the logits."""
    names = settings.get("class_names")
    if not isinstance(names, list) or len(names) != graph_of(run).classes:
        raise RunError(f"{run.folder}: {SETTINGS} names {names!r} as classes, which do not fit its graph")
    return tuple(map(str, names))
