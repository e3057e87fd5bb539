"""Optimisers: each finds its way down, and Muon's steps are as orthogonal as they claim."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from pennyweight.data.images import LabelledImages
from pennyweight.fit.optimizers import Muon, make_optimizers, muon_weights, orthogonalised
from pennyweight.fit.recipe import OPTIMIZERS, Recipe
from pennyweight.net.graph import Graph
from pennyweight.net.module import to_module
from pennyweight.net.ops import Conv
from pennyweight.net.zoo import build_network


def matrix_with(values: Tensor, rows: int, columns: int, seed: int) -> Tensor:
    """A random matrix with these singular values."""
    generator = torch.Generator().manual_seed(seed)
    count = len(values)
    left, _ = torch.linalg.qr(torch.randn(rows, count, generator=generator, dtype=torch.float64))
    right, _ = torch.linalg.qr(torch.randn(columns, count, generator=generator, dtype=torch.float64))
    return (left * values @ right.T).float()


SHAPES = st.tuples(st.integers(1, 24), st.integers(1, 24))


@given(SHAPES, st.floats(0.05, 1), st.floats(-6, 3), st.integers(0, 2**31))
def test_singular_values_come_near_one(shape: tuple[int, int], smallest: float, size: float, seed: int) -> None:
    values = torch.linspace(smallest, 1, min(shape), dtype=torch.float64) * 10**size
    out = torch.linalg.svdvals(orthogonalised(matrix_with(values, *shape, seed)).double())
    assert out.min() > 0.67
    assert out.max() < 1.21


@given(SHAPES, st.floats(-9, 0), st.integers(0, 2**31))
def test_no_singular_value_passes_the_range_however_small_the_others(
    shape: tuple[int, int], smallest: float, seed: int
) -> None:
    values = torch.logspace(smallest, 0, min(shape), dtype=torch.float64)
    out = torch.linalg.svdvals(orthogonalised(matrix_with(values, *shape, seed)).double())
    assert out.max() < 1.21


@given(SHAPES, st.integers(0, 2**31))
def test_singular_vectors_stay(shape: tuple[int, int], seed: int) -> None:
    values = torch.linspace(0.5, 1, min(shape), dtype=torch.float64)
    matrix = matrix_with(values, *shape, seed).double()
    out = orthogonalised(matrix)
    # Sharing its singular vectors, with positive values, is to have symmetric positive products with it.
    product = out @ matrix.T
    assert torch.allclose(product, product.T, atol=1e-5)
    assert torch.linalg.eigvalsh(product).min() > -1e-5


def test_nothing_becomes_nothing() -> None:
    assert torch.equal(orthogonalised(torch.zeros(3, 4)), torch.zeros(3, 4))


def test_a_step_of_muon_has_the_length_of_its_learning_rate_in_every_direction() -> None:
    weight = nn.Parameter(torch.zeros(4, 2, 3, 3))
    weight.grad = torch.randn(4, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    Muon([weight], lr=0.5, momentum=0.9, weight_decay=0.0).step()
    lengths = np.linalg.svd(weight.detach().view(4, -1).numpy(), compute_uv=False) / 0.5
    assert 0.67 < lengths.min() <= lengths.max() < 1.21


def test_muon_leaves_what_has_no_gradient() -> None:
    weight = nn.Parameter(torch.ones(3, 3))
    Muon([weight], lr=0.5, momentum=0.9, weight_decay=0.1).step()
    assert torch.equal(weight, torch.ones(3, 3))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("net", ["conv_net", "mlp"])
def test_every_optimiser_lowers_the_loss(
    optimizer: str, net: str, digits: LabelledImages, request: pytest.FixtureRequest
) -> None:
    graph: Graph = request.getfixturevalue(net)
    module = to_module(graph, seed=0)
    optimizers = make_optimizers(graph, module, Recipe(optimizer=optimizer))
    x = torch.from_numpy(digits.learning.images).permute(0, 3, 1, 2) / 128 - 1
    y = torch.from_numpy(digits.learning.labels)
    losses = []
    for _ in range(60):
        loss = F.cross_entropy(module(x), y)
        loss.backward()
        losses.append(float(loss.detach()))
        for each in optimizers:
            each.step()
            each.zero_grad()
    assert min(losses[-5:]) < 0.95 * losses[0]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("net", ["conv_net", "mlp"])
def test_every_parameter_is_in_exactly_one_group(optimizer: str, net: str, request: pytest.FixtureRequest) -> None:
    graph: Graph = request.getfixturevalue(net)
    module = to_module(graph, seed=0)
    optimizers = make_optimizers(graph, module, Recipe(optimizer=optimizer))
    groups = [group for each in optimizers for group in each.param_groups]
    held = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(held) == sorted(map(id, module.parameters()))
    assert all(group["initial_lr"] == group["lr"] > 0 for group in groups)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_biases_and_norms_do_not_decay(optimizer: str, conv_net: Graph) -> None:
    optimizers = make_optimizers(conv_net, to_module(conv_net, seed=0), Recipe(optimizer=optimizer, weight_decay=0.25))
    for group in (group for each in optimizers for group in each.param_groups):
        for parameter in group["params"]:
            assert parameter.ndim > 1 or group["weight_decay"] == 0


def test_muon_takes_filters_and_narrow_matrices_but_neither_the_last_layer_nor_wide_or_depthwise_ones() -> None:
    assert muon_weights(build_network("mlp:hidden=80-60-50", (28, 28, 1), 10), batch=512) == {
        "dense2.weight",
        "dense3.weight",
    }
    separable = build_network("separable", (32, 32, 3), 10)
    weights = {f"{layer.name}.weight" for layer in separable.layers if isinstance(layer.op, Conv)}
    assert muon_weights(separable, batch=256) == weights
    vgg = muon_weights(build_network("vgg", (32, 32, 3), 10), batch=256)
    assert vgg
    assert all(name.startswith("conv") for name in vgg)


def test_muon_gives_filters_back_the_norm_that_they_began_with() -> None:
    graph = build_network("pooled-resnet:width=8", (8, 8, 1), 10)
    module = to_module(graph, seed=0)
    muon = make_optimizers(graph, module, Recipe(optimizer="muon"))[-1]
    assert isinstance(muon, Muon)
    kept = [parameter for group in muon.param_groups if group["keep_norm"] for parameter in group["params"]]
    assert len(kept) == len(muon_weights(graph, batch=128))
    begun = [float(parameter.norm().detach()) for parameter in kept]
    generator = torch.Generator().manual_seed(0)
    for lr in (0.5, 0.5, 0.0):
        for group in muon.param_groups:
            group["lr"] = lr
            for parameter in group["params"]:
                parameter.grad = torch.randn(parameter.shape, generator=generator)
        muon.step()
    assert [float(parameter.norm().detach()) for parameter in kept] == pytest.approx(begun, rel=1e-5)
