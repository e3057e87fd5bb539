"""Any Graph with weights, and a trained run to quantise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from pennyweight.data.digits import read_digits
from pennyweight.data.images import LabelledImages
from pennyweight.fit.train import train
from pennyweight.net.graph import Graph
from pennyweight.net.module import to_module
from pennyweight.net.zoo import build_network


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


SMALL = {
    "board-vgg": "board-vgg:width=4,dense=16-16",
    "mobilenetv2": "mobilenetv2:width=0.1",
    "resnet50": "resnet50:width=4",
    "squeezenet": "squeezenet:width=0.2",
    "vgg": "vgg:widths=8-16,dense=16-16",
}


def small(family: str) -> Graph:
    """A network of a family of the zoo, small where the family allows it."""
    shape = (32, 32, 3) if family in ("resnet50", "shallow-resnet") else (24, 24, 3)
    return build_network(SMALL.get(family, family), shape, 10)


def lively(graph: Graph, seed: int = 0) -> torch.nn.Module:
    """A module of `graph` whose statistics, scales, slopes and biases are none of those that a fresh one has."""
    module = to_module(graph, seed=seed).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if name.endswith("running_var") or (name.endswith("weight") and tensor.ndim == 1):
                tensor.uniform_(0.3, 1.5, generator=generator)
            elif tensor.ndim == 1:
                tensor.normal_(0, 0.3, generator=generator)
            else:
                tensor.normal_(0, (2 / tensor[0].numel()) ** 0.5, generator=generator)
    return module


def tensors_of(module: torch.nn.Module) -> dict[str, npt.NDArray[np.float32]]:
    return {name: tensor.numpy() for name, tensor in module.state_dict().items()}


@pytest.fixture(scope="session")
def digits() -> LabelledImages:
    return read_digits()


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, digits: LabelledImages) -> Path:
    """The folder of a finished training on digits."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    train(digits, "pooled-resnet:width=4", settings=["epochs=4"], out=folder, device="cpu")
    return folder
