from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from pennyweight.core.errors import GraphError
from pennyweight.net import ops
from pennyweight.net.build import Builder
from pennyweight.net.graph import INPUT, Graph, Layer
from pennyweight.net.module import load_weights, to_module
from pennyweight.net.ops import Op, Shape
from pennyweight.net.zoo import build_network, families

CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def images(*shape: int, seed: int = 0) -> Tensor:
    """Random pictures of `(batch, height, width, channels)` as a module takes them: NCHW, channels-last in memory."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).permute(0, 3, 1, 2)


def one(op: Op, shape: Shape = (7, 6, 4), inputs: int = 1) -> nn.Module:
    return to_module(Graph("one op", shape, (Layer("only", op, (INPUT,) * inputs),)), seed=1)


def weights(module: nn.Module) -> dict[str, npt.NDArray[np.float32]]:
    """A copy of every parameter and running statistic."""
    return {name: tensor.numpy().copy() for name, tensor in module.state_dict().items()}


def small() -> Graph:
    builder = Builder((8, 8, 3))
    builder.conv(8, 3)
    builder.batch_norm()
    builder.activation("prelu")
    builder.dense(5)
    return builder.graph("small")


REFERENCES: dict[str, tuple[Op, Callable[[dict[str, Tensor], Tensor], Tensor]]] = {
    "conv": (
        ops.Conv(6, (3, 2), (2, 1), (1, 1, 2, 2), groups=2),
        lambda w, x: F.conv2d(x, w["weight"], w["bias"], (2, 1), (1, 2), groups=2),
    ),
    "conv with uneven padding": (
        ops.Conv(5, (3, 3), (2, 2), (0, 1, 2, 0), bias=False),
        lambda w, x: F.conv2d(F.pad(x, (2, 0, 0, 1)), w["weight"], stride=2),
    ),
    "depthwise conv": (
        ops.DepthwiseConv((3, 3), padding=(1, 1, 1, 1), multiplier=2),
        lambda w, x: torch.cat(
            [
                F.conv2d(x[:, i : i + 1], w["weight"][2 * i : 2 * i + 2], w["bias"][2 * i : 2 * i + 2], padding=1)
                for i in range(4)
            ],
            1,
        ),
    ),
    "batch norm": (
        ops.BatchNorm(epsilon=1e-3),
        lambda w, x: (
            (x - w["running_mean"].view(-1, 1, 1))
            / (w["running_var"].view(-1, 1, 1) + 1e-3).sqrt()
            * w["weight"].view(-1, 1, 1)
            + w["bias"].view(-1, 1, 1)
        ),
    ),
    "prelu": (ops.PRelu(), lambda w, x: torch.where(x > 0, x, x * w["weight"].view(-1, 1, 1))),
    "relu": (ops.Activation("relu"), lambda w, x: x.clamp(min=0)),
    "relu6": (ops.Activation("relu6"), lambda w, x: x.clamp(0, 6)),
    "gelu": (ops.Activation("gelu"), lambda w, x: x * (1 + torch.erf(x / math.sqrt(2))) / 2),
    "silu": (ops.Activation("silu"), lambda w, x: x / (1 + torch.exp(-x))),
    "hard swish": (ops.Activation("hard_swish"), lambda w, x: x * (x + 3).clamp(0, 6) / 6),
    "leaky relu": (ops.Activation("leaky_relu", slope=0.2), lambda w, x: torch.where(x > 0, x, 0.2 * x)),
    "tanh": (ops.Activation("tanh"), lambda w, x: 1 - 2 / (1 + torch.exp(2 * x))),
    "sigmoid": (ops.Activation("sigmoid"), lambda w, x: 1 / (1 + torch.exp(-x))),
    "global average pool": (ops.GlobalPool("average"), lambda w, x: x.sum((2, 3), keepdim=True) / 42),
    "global max pool": (ops.GlobalPool("max"), lambda w, x: x.flatten(2).max(2).values[:, :, None, None]),
    "flatten": (ops.Flatten(), lambda w, x: torch.stack([image.permute(1, 2, 0).contiguous().view(-1) for image in x])),
    "dropout": (ops.Dropout(0.5), lambda w, x: x),
    "softmax": (ops.Softmax(), lambda w, x: x.exp() / x.exp().sum(1, keepdim=True)),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_an_op_computes_what_its_formula_says(name: str) -> None:
    op, reference = REFERENCES[name]
    module, x = one(op).eval(), 3 * images(2, 7, 6, 4)
    own = {name: torch.rand(tensor.shape) + 0.5 for name, tensor in module.state_dict().items()}
    load_weights(module, own)
    result = module(x)
    torch.testing.assert_close(
        result, reference({key.rpartition(".")[2]: value for key, value in own.items()}, x), **CLOSE
    )
    assert result.shape[1:].numel() == math.prod(op.output_shape((7, 6, 4)))


def test_dense_add_multiply_and_concat_compute_what_their_formulas_say() -> None:
    x, vector = images(2, 4, 4, 3), images(2, 1, 1, 6)
    torch.testing.assert_close(one(ops.Add(), (4, 4, 3), inputs=2)(x), 2 * x)
    torch.testing.assert_close(one(ops.Multiply(), (4, 4, 3), inputs=2)(x), x * x)
    torch.testing.assert_close(one(ops.Concat(), (4, 4, 3), inputs=3)(x), x.repeat(1, 3, 1, 1))
    module = to_module(
        Graph("", (1, 1, 6), (Layer("f", ops.Flatten(), (INPUT,)), Layer("d", ops.Dense(4), ("f",)))), seed=1
    )
    own = module.state_dict()
    expected = torch.einsum("bi,oi->bo", vector[:, :, 0, 0], own["d.weight"]) + own["d.bias"]
    torch.testing.assert_close(module(vector), expected)


@pytest.mark.parametrize("flat", [False, True])
def test_a_gate_of_one_number_a_channel_scales_the_whole_channel(flat: bool) -> None:
    gate = Layer("gate", ops.GlobalPool("max"), (INPUT,))
    inner = (
        (Layer("pooled", ops.GlobalPool("average"), (INPUT,)), Layer("inner", ops.Flatten(), ("pooled",)))
        if flat
        else ()
    )
    product = Layer("product", ops.Multiply(), ("inner" if flat else INPUT, "gate"))
    x = images(2, 4, 4, 3)
    result = to_module(Graph("gated", (4, 4, 3), (gate, *inner, product)))(x)
    scale = x.amax((2, 3))
    torch.testing.assert_close(result, x.mean((2, 3)) * scale if flat else x * scale[:, :, None, None])


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(["max", "average"]),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(2)),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    padding=st.tuples(*[st.integers(0, 3)] * 4),
    ceil=st.booleans(),
)
def test_every_pool_is_the_maximum_or_average_of_the_pixels_that_exist(
    kind: str,
    shape: Shape,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
    ceil: bool,
) -> None:
    assume(max(padding[:2]) < kernel[0] and max(padding[2:]) < kernel[1])
    op = ops.Pool(kind, kernel, stride, padding, ceil)  # type: ignore[arg-type]
    try:
        rows, columns, channels = op.output_shape(shape)
    except GraphError:
        assume(False)
    x = images(2, *shape)
    padded = np.full((2, channels, 40, 40), np.nan, np.float32)
    top, left = padding[0], padding[2]
    padded[:, :, top : top + shape[0], left : left + shape[1]] = x.numpy()
    reduce = np.nanmax if kind == "max" else np.nanmean
    expected = np.empty((2, channels, rows, columns), np.float32)
    for row, column in np.ndindex(rows, columns):
        y, z = row * stride[0], column * stride[1]
        window = padded[:, :, y : y + kernel[0], z : z + kernel[1]]
        expected[:, :, row, column] = reduce(window, axis=(2, 3))
    np.testing.assert_allclose(one(op, shape)(x).numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("flat", [False, True], ids=["pictures", "vectors"])
def test_batch_norm_trains_as_pytorchs_does(flat: bool) -> None:
    shape = (1, 1, 5) if flat else (3, 3, 5)
    layers = [Layer("flat", ops.Flatten(), (INPUT,))] if flat else []
    layers.append(Layer("norm", ops.BatchNorm(1e-3, 0.2), ("flat" if flat else INPUT,)))
    module = to_module(Graph("norm", shape, tuple(layers)))
    reference = nn.BatchNorm1d(5, 1e-3, 0.2) if flat else nn.BatchNorm2d(5, 1e-3, 0.2)
    for seed in range(3):
        x = images(6, *shape, seed=seed) + 2
        torch.testing.assert_close(module(x), reference(x.flatten(1) if flat else x))
    after = module.state_dict()
    torch.testing.assert_close(after["norm.running_mean"], reference.running_mean)
    torch.testing.assert_close(after["norm.running_var"], reference.running_var)


def test_dropout_drops_in_training_only() -> None:
    module, x = one(ops.Dropout(0.5), (32, 32, 4)), torch.ones(1, 4, 32, 32)
    assert 0.4 < (module.train()(x) == 0).float().mean() < 0.6
    assert torch.equal(module.eval()(x), x)


@pytest.mark.parametrize("family", families())
def test_the_state_dict_is_the_graphs_parameters_and_statistics(family: str) -> None:
    graph = build_network(family, (64, 64, 3), 10)
    state = {name: tuple(tensor.shape) for name, tensor in to_module(graph, seed=0).state_dict().items()}
    assert state == graph.parameters() | graph.statistics()


@pytest.mark.parametrize("family", sorted(set(families()) - {"resnet50", "mobilenetv2"}))
def test_a_family_answers_with_logits_and_every_parameter_gets_a_gradient(family: str) -> None:
    graph = build_network(family, (32, 32, 3), 7)
    module = to_module(graph, seed=0)
    logits = module(images(3, 32, 32, 3))
    assert logits.shape == (3, 7)
    F.cross_entropy(logits, torch.tensor([0, 1, 2])).backward()
    assert [name for name, parameter in module.named_parameters() if parameter.grad is None] == []


def test_a_seed_decides_the_weights_and_the_global_random_state_is_left_alone() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, again, other, drawn = (weights(to_module(small(), seed=seed)) for seed in (1, 1, 2, None))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["conv1.weight"], other["conv1.weight"])
    assert not np.array_equal(first["conv1.weight"], drawn["conv1.weight"])


def test_weights_begin_as_he_et_al_have_it_and_logits_begin_small() -> None:
    builder = Builder((16, 16, 32))
    builder.conv(64, 3)
    builder.batch_norm()
    builder.activation("relu")
    builder.conv(64, 3)
    builder.dense(200)
    builder.activation("tanh")
    builder.dense(100)
    begun = weights(to_module(builder.graph("begun"), seed=0))
    for name, std in {
        "conv1.weight": math.sqrt(2 / (32 * 9)),
        "conv2.weight": math.sqrt(1 / (64 * 9)),
        "dense1.weight": math.sqrt(1 / (16 * 16 * 64)),
        "dense2.weight": 0.01,
    }.items():
        assert begun[name].std() == pytest.approx(std, rel=0.02)
        assert begun[name].mean() == pytest.approx(0, abs=std / 20)
        assert not begun[name.replace("weight", "bias")].any()
    assert (begun["batch_norm1.weight"] == 1).all()


def test_weights_travel_from_one_module_to_another() -> None:
    one, other = to_module(small(), seed=1).eval(), to_module(small(), seed=2).eval()
    x = images(2, 8, 8, 3)
    assert not torch.equal(one(x), other(x))
    taken = weights(one)
    taken["conv1.weight"].flags.writeable = False
    load_weights(other, taken)
    assert torch.equal(one(x), other(x))
    taken["dense1.bias"] += 1
    assert torch.equal(one(x), other(x))
    load_weights(other, one.state_dict())


def test_weights_that_do_not_fit_are_all_listed_and_nothing_is_loaded() -> None:
    module = to_module(small(), seed=1)
    before, wrong = weights(module), weights(to_module(small(), seed=2))
    del wrong["prelu1.weight"]
    wrong["extra"] = np.zeros(1, np.float32)
    wrong["dense1.bias"] = np.zeros(4, np.float32)
    wrong["conv1.bias"][2] = np.nan
    with pytest.raises(GraphError) as caught:
        load_weights(module, {**wrong, "batch_norm1.bias": np.zeros(8, int)})
    message = str(caught.value)
    for fault in (
        "prelu1.weight is missing",
        "extra is unexpected",
        "dense1.bias has shape (4,), not (5,)",
        "conv1.bias has 1 numbers that are not finite",
        "batch_norm1.bias holds int64",
    ):
        assert fault in message
    assert all(np.array_equal(before[name], value) for name, value in weights(module).items())


@pytest.mark.parametrize("name", ["training", "forward"])
def test_a_layer_whose_name_torch_keeps_for_itself_is_refused(name: str) -> None:
    with pytest.raises(GraphError, match=f"layer '{name}' needs another name"):
        to_module(Graph("named", (4, 4, 3), (Layer(name, ops.Conv(2, (1, 1)), (INPUT,)),)))
