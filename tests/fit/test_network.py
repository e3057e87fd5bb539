"""The trained network of a run: it answers as it was trained, or says which file does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from pennyweight.core.errors import GraphError, RunError
from pennyweight.core.run import ASKED, Run
from pennyweight.fit.network import TrainedNetwork, module_with
from pennyweight.net.graph import Graph
from pennyweight.net.module import to_module

CPU = torch.device("cpu")
CLASSES = [str(digit) for digit in range(10)]
NORMALISATION = {"mean": [128.0], "std": [64.0]}


def made(folder: Path, graph: Graph, weights: dict[str, torch.Tensor] | None = None, **settings: Any) -> Run:
    """A finished run that nobody trained."""
    told = {"class_names": CLASSES, "normalisation": NORMALISATION} | settings
    run = Run.create(folder, told, graph.to_json(), {})
    tensors = to_module(graph, seed=1).state_dict() if weights is None else weights
    content = save({name: tensor.contiguous() for name, tensor in tensors.items()})
    run.finish(content, {"curves": []}, {name: run.checksum(name) for name in ASKED})
    return run


def test_it_answers_as_its_module_does(tmp_path: Path, conv_net: Graph) -> None:
    network = TrainedNetwork.of(made(tmp_path / "run", conv_net), CPU)
    pixels = torch.randint(0, 256, (5, 8, 8, 1), dtype=torch.uint8)
    module = to_module(conv_net, seed=1).eval()
    with torch.no_grad():
        expected = module(((pixels.permute(0, 3, 1, 2).float()) - 128) / 64)
    torch.testing.assert_close(network.logits(pixels.numpy()), expected)
    assert network.class_names == tuple(CLASSES)


def test_weights_of_another_graph_are_refused(tmp_path: Path, conv_net: Graph, mlp: Graph) -> None:
    run = made(tmp_path / "run", conv_net, dict(to_module(mlp, seed=1).state_dict()))
    with pytest.raises(RunError, match="the weights do not fit the graph"):
        TrainedNetwork.of(run, CPU)


def test_tensors_of_another_type_are_refused_by_name(mlp: Graph) -> None:
    tensors = dict(to_module(mlp, seed=1).state_dict())
    name = next(iter(tensors))
    with pytest.raises(GraphError, match=name.replace(".", r"\.")):
        module_with(mlp, tensors | {name: tensors[name].double()})


@pytest.mark.parametrize(
    "settings",
    [
        {"normalisation": None},
        {"normalisation": {"mean": [1.0]}},
        {"normalisation": {"mean": ["a"], "std": [1.0]}},
        {"normalisation": {"mean": [1.0, 2.0], "std": [1.0, 1.0]}},
        {"normalisation": {"mean": [1.0], "std": [0.0]}},
        {"normalisation": {"mean": ["inf"], "std": [1.0]}},
        {"class_names": CLASSES[:-1]},
        {"class_names": "0123456789"},
        {"class_names": None},
    ],
)
def test_settings_that_do_not_fit_the_graph_are_a_run_error(
    tmp_path: Path, mlp: Graph, settings: dict[str, Any]
) -> None:
    with pytest.raises(RunError, match=r"settings\.json"):
        TrainedNetwork.of(made(tmp_path / "run", mlp, **settings), CPU)
