"""The float32 network of a .tflite file as one that PyTorch answers with."""

from __future__ import annotations

import torch

from pennyweight.deploy.tflite.read import FloatNetwork
from pennyweight.fit.network import TrainedNetwork, module_with
from pennyweight.fit.predict import Normalisation


def trained_network(network: FloatNetwork, class_names: tuple[str, ...], device: torch.device) -> TrainedNetwork:
    """The network on a device."""
    tensors = {name: torch.from_numpy(values.copy()) for name, values in network.weights.items()}
    return TrainedNetwork(
        network.graph,
        module_with(network.graph, tensors).to(device),
        Normalisation(network.mean, network.std),
        class_names,
        device,
    )
