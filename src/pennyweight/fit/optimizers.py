"""Optimisers for a module: PyTorch's own, and Muon for filters and matrices up to the last layer."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from pennyweight.fit.recipe import Recipe
from pennyweight.net.graph import Graph
from pennyweight.net.ops import Conv, Dense, DepthwiseConv

NESTEROV_PER_MUON = 10 / 3
"""How many times as fast the rest learns as what Muon takes: ours, a rough figure."""

SMALL = 1e-7
"""Keeps divisions by a norm of zero finite."""

ITERATIONS = 5
"""Newton-Schulz steps of an orthogonalisation."""

ORTHOGONALISING_SHARE = 0.2
"""Of the products of a step, at most, for what Muon takes."""


class Muon(Optimizer):
    """Momentum whose step is orthogonalised: each filter bank or matrix moves by the nearest semi-orthogonal matrix.

    Source: K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024; the quintic
    Newton-Schulz coefficients are the published ones. A filter bank counts as a matrix of its filters; steps of
    tall matrices are enlarged by sqrt(rows / columns). Weight decay is decoupled. A group with `keep_norm` is for
    filters: before each step they get the norm back that they began with, so that steps stay as large beside them as
    the schedule says (Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024).
    """

    def __init__(self, groups: Iterable[dict[str, Any]], lr: float, momentum: float, weight_decay: float) -> None:
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "keep_norm": False}
        super().__init__(groups, defaults)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                gradient = parameter.grad
                if gradient is None:
                    continue
                state = self.state[parameter]
                velocity = state.setdefault("velocity", torch.zeros_like(parameter))
                velocity.lerp_(gradient, 1 - group["momentum"])
                ahead = gradient.lerp(velocity, group["momentum"])
                matrix = ahead.reshape(len(ahead), -1)
                rows, columns = matrix.shape
                step = orthogonalised(matrix).view_as(ahead)
                if group["keep_norm"]:
                    norm = state.setdefault("norm", parameter.norm())
                    parameter.mul_(norm / (parameter.norm() + SMALL))
                else:
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(step, alpha=-group["lr"] * max(1.0, rows / columns) ** 0.5)


def orthogonalised(matrix: Tensor) -> Tensor:
    """A matrix with the same singular vectors and singular values near 1 (between about 0.7 and 1.2).

    Those below about 1/500 of the norm grow (up to 485-fold) without getting there.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    x: Tensor = matrix / (matrix.norm() + SMALL)
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.T
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = a * x + torch.addmm(b * gram, gram, gram, beta=1, alpha=c) @ x
    return x.mT if tall else x


def muon_weights(graph: Graph, batch: int) -> set[str]:
    """The weights that Muon takes: filters over all channels and matrices, but not the last layer's.

    Nor the dearest of them: orthogonalising all that it takes costs at most `ORTHOGONALISING_SHARE` of a step's
    products (forward, and twice as many backward). Wide dense layers would cost more than that by themselves.
    """
    weighted = [layer for layer in graph.layers if isinstance(layer.op, Conv | DepthwiseConv | Dense)]
    costs = {}
    for layer in weighted[:-1]:
        filters, *rest = layer.op.parameters(*graph.input_shapes(layer))["weight"]
        short, long = sorted((filters, math.prod(rest)))
        apart = isinstance(layer.op, DepthwiseConv) or (isinstance(layer.op, Conv) and layer.op.groups > 1)
        if not apart:
            costs[f"{layer.name}.weight"] = ITERATIONS * (2 * short**2 * long + short**3)
    left = ORTHOGONALISING_SHARE * 3 * batch * sum(layer.op.macs(*graph.input_shapes(layer)) for layer in weighted)
    taken = set()
    for name, products in sorted(costs.items(), key=lambda item: item[1]):
        left -= products
        if left < 0:
            break
        taken.add(name)
    return taken


def make_optimizers(graph: Graph, module: nn.Module, recipe: Recipe) -> list[Optimizer]:
    """The optimisers of `graph`'s module: one, or for `muon` two, Muon and Nesterov SGD for what Muon does not take.

    Weight decay falls on filters and matrices only. Each group's peak learning rate is its `initial_lr`.
    """
    named = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
    matrices = [p for _, p in named if p.ndim > 1]
    vectors = [p for _, p in named if p.ndim <= 1]
    lr, momentum, decay = recipe.peak_learning_rate, recipe.momentum, recipe.weight_decay
    groups: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    optimizers: list[Optimizer]
    match recipe.optimizer:
        case "sgd" | "nesterov":
            nesterov = recipe.optimizer == "nesterov" and momentum > 0
            optimizers = [torch.optim.SGD(groups, lr, momentum=momentum, nesterov=nesterov, fused=True)]
        case "adam":
            optimizers = [torch.optim.Adam(groups, lr, fused=True)]
        case "adamw":
            optimizers = [torch.optim.AdamW(groups, lr, fused=True)]
        case "nadam":
            optimizers = [torch.optim.NAdam(groups, lr, decoupled_weight_decay=True)]
        case "adadelta":
            optimizers = [torch.optim.Adadelta(groups, lr)]
        case "rmsprop":
            optimizers = [torch.optim.RMSprop(groups, lr, momentum=momentum)]
        case _:
            taken = muon_weights(graph, recipe.batch)
            hidden: list[dict[str, Any]] = [
                {"params": [p for name, p in named if name in taken and p.ndim > 2], "keep_norm": True},
                {"params": [p for name, p in named if name in taken and p.ndim == 2]},
            ]
            rest = [
                {"params": [p for name, p in named if p.ndim > 1 and name not in taken], "weight_decay": decay},
                {"params": vectors, "weight_decay": 0.0},
            ]
            nesterov_lr = lr * NESTEROV_PER_MUON
            optimizers = [torch.optim.SGD(rest, nesterov_lr, momentum=momentum, nesterov=momentum > 0, fused=True)]
            if taken:
                optimizers.append(Muon(hidden, lr, momentum, decay))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
    return optimizers
