from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from pennyweight.core.errors import GraphError
from pennyweight.net import ops
from pennyweight.net.graph import Graph
from pennyweight.net.module import load_weights, to_module
from pennyweight.net.trace import load_callable, trace
from pennyweight.net.zoo import build_network


class Forward(nn.Module):
    """Modules by name and a function of them and the image: a user's network in two lines."""

    def __init__(self, forward: Callable[..., Tensor], **modules: nn.Module) -> None:
        super().__init__()
        self.function = forward
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def lived_in(module: nn.Module) -> nn.Module:
    """The module with running statistics, scales and slopes that are not the neutral ones it began with."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for tensor in [*module.parameters(), *module.buffers()]:
            if tensor.ndim == 1:
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    return module


def carried(module: nn.Module, height: int = 12, width: int = 10, channels: int = 3) -> Graph:
    """The Graph of `module`, once it is shown that its own module answers as the original does."""
    graph, tensors = trace(lived_in(module), (height, width, channels), "mine")
    rebuilt = to_module(graph)
    load_weights(rebuilt, tensors)
    x = torch.randn(3, channels, height, width, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        torch.testing.assert_close(rebuilt.eval()(x), module.eval()(x), rtol=1e-5, atol=1e-5)
    return graph


def names(graph: Graph) -> list[str]:
    return [layer.op.name for layer in graph.layers]


def refusal(module: nn.Module, shape: tuple[int, int, int] = (8, 8, 4)) -> str:
    with pytest.raises(GraphError) as caught:
        trace(module, shape, "mine")
    return str(caught.value)


def after(*modules: nn.Module, features: int, classes: int = 5) -> nn.Sequential:
    return nn.Sequential(*modules, nn.Flatten(), nn.Linear(features, classes))


class ConvNorm(nn.Sequential):
    def __init__(self, before: int, filters: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> None:
        super().__init__(
            nn.Conv2d(before, filters, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(filters, eps=1e-3, momentum=0.05),
            nn.ReLU6(inplace=True),
        )


class SqueezeExcite(nn.Module):
    """As many users write it: dense layers on vectors, brought back with a view."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.gate = nn.Sequential(
            nn.Linear(channels, 2, bias=False), nn.ReLU(inplace=True), nn.Linear(2, channels), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, _, _ = x.size()
        gate = self.gate(self.pool(x).view(batch, channels)).view(batch, channels, 1, 1)
        return x * gate.expand_as(x)


def test_a_plain_network_that_flattens_channels_first_is_carried() -> None:
    graph = carried(
        nn.Sequential(
            nn.Conv2d(3, 6, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Dropout(0.25),
            nn.Flatten(),
            nn.BatchNorm1d(120),
            nn.PReLU(120),
            nn.Linear(120, 16),
            nn.Tanh(),
            nn.Linear(16, 5),
        )
    )
    assert names(graph) == [
        *("conv", "activation", "pool", "dropout", "flatten", "batch_norm", "prelu", "dense", "activation", "dense")
    ]
    assert graph.layers[3].op == ops.Dropout(0.25)


def test_a_residual_block_is_carried() -> None:
    def forward(net: Forward, x: Tensor) -> Tensor:
        x = net.stem(x)
        out = net.norm2(net.conv2(net.one(x)))
        out += net.shortcut(x)
        return net.head(F.relu(out, inplace=True).mean((2, 3)))

    graph = carried(
        Forward(
            forward,
            stem=ConvNorm(3, 4),
            one=ConvNorm(4, 8, stride=2),
            conv2=nn.Conv2d(8, 8, 3, padding=1, bias=False),
            norm2=nn.BatchNorm2d(8),
            shortcut=nn.Conv2d(4, 8, 1, 2),
            head=nn.Linear(8, 5),
        )
    )
    assert names(graph)[-5:] == ["add", "activation", "global_pool", "flatten", "dense"]
    assert ops.BatchNorm(1e-3, 0.05) in [layer.op for layer in graph.layers]


def test_squeeze_and_excite_written_with_vectors_becomes_a_gate_of_convolutions() -> None:
    graph = carried(after(nn.Conv2d(3, 8, 3), SqueezeExcite(8), nn.AdaptiveMaxPool2d(1), features=8))
    assert names(graph) == [
        *(
            "conv",
            "global_pool",
            "conv",
            "activation",
            "conv",
            "activation",
            "multiply",
            "global_pool",
            "flatten",
            "dense",
        )
    ]


def test_an_inverted_residual_with_dropped_channels_is_carried() -> None:
    block = nn.Sequential(ConvNorm(4, 12, 1), ConvNorm(12, 12, 3, groups=12), nn.Conv2d(12, 4, 1), nn.BatchNorm2d(4))
    graph = carried(
        Forward(
            lambda net, x: net.head((lambda y: y + net.drop(net.block(y)))(net.stem(x)).mean([-1, -2])),
            stem=ConvNorm(3, 4, stride=2),
            block=block,
            drop=nn.Dropout2d(0.1),
            head=nn.Linear(4, 5),
        )
    )
    assert "depthwise_conv" in names(graph)
    assert ops.Dropout(0.1) in [layer.op for layer in graph.layers]


def test_pools_with_partial_windows_and_borders_are_carried() -> None:
    graph = carried(
        after(
            nn.MaxPool2d(3, 2, ceil_mode=True),
            nn.AvgPool2d(3, 2, 1, count_include_pad=False),
            nn.MaxPool2d((3, 2), (1, 2), (1, 0)),
            features=3 * 3 * 1,
        )
    )
    assert names(graph) == ["pool", "pool", "pool", "flatten", "dense"]


def test_a_fire_module_is_carried_on_pictures_and_vectors() -> None:
    def forward(net: Forward, x: Tensor) -> Tensor:
        x = F.relu(net.squeeze(x))
        x = torch.cat([F.relu(net.narrow(x)), F.relu(net.wide(x))], dim=1)
        return net.head(torch.cat([x.flatten(1), x.amax((2, 3))], dim=-1))

    modules = {"squeeze": nn.Conv2d(3, 4, 1), "narrow": nn.Conv2d(4, 2, 1), "wide": nn.Conv2d(4, 3, 3, padding=1)}
    graph = carried(Forward(forward, **modules, head=nn.Linear(5 * 120 + 5, 4)))
    assert names(graph).count("concat") == 2


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
def test_every_way_to_write_a_border_becomes_padding_of_the_next_layer() -> None:
    graph = carried(
        after(
            nn.ZeroPad2d((0, 1, 2, 1)),
            nn.Conv2d(3, 4, 3, 2, padding=(0, 1)),
            nn.ReLU(),
            nn.ZeroPad2d((0, 1, 0, 1)),
            nn.MaxPool2d(2),
            nn.ConstantPad2d(1, -torch.inf),
            nn.MaxPool2d(3, 1),
            nn.Conv2d(4, 4, 4, padding="same"),
            nn.Conv2d(4, 4, 2, padding="valid"),
            features=4 * 3 * 2,
        )
    )
    padding = [layer.op.padding for layer in graph.layers if isinstance(layer.op, ops.Conv | ops.Pool)]
    assert padding == [(2, 1, 1, 2), (0, 1, 0, 1), (1, 1, 1, 1), (1, 2, 1, 2), (0, 0, 0, 0)]


def test_every_activation_is_carried() -> None:
    functions = (
        nn.ReLU(),
        nn.ReLU6(),
        nn.GELU(),
        nn.SiLU(),
        nn.Hardswish(),
        nn.LeakyReLU(0.2),
        nn.Tanh(),
        nn.Sigmoid(),
    )
    others = (nn.Hardtanh(0, 6), nn.PReLU(3), nn.Identity())
    graph = carried(after(*functions, *others, features=360))
    assert [layer.op.function for layer in graph.layers if isinstance(layer.op, ops.Activation)] == [
        *("relu", "relu6", "gelu", "silu", "hard_swish", "leaky_relu", "tanh", "sigmoid", "relu6")
    ]


def test_pictures_whose_axes_move_and_move_back_are_carried() -> None:
    def forward(net: Forward, x: Tensor) -> Tensor:
        x = net.conv(x).permute(0, 2, 3, 1)
        x = F.silu(x).reshape(x.shape[0], -1)
        return net.head(x.unsqueeze(1).squeeze(1).contiguous().float())

    assert names(carried(Forward(forward, conv=nn.Conv2d(3, 4, 3), head=nn.Linear(320, 5))))[-2:] == [
        "flatten",
        "dense",
    ]


def test_an_operation_in_place_changes_what_later_layers_read() -> None:
    def forward(net: Forward, x: Tensor) -> Tensor:
        x = net.conv(x)
        kept = x
        torch.relu_(x)
        return net.head((x + kept).flatten(1))

    assert names(carried(Forward(forward, conv=nn.Conv2d(3, 4, 3), head=nn.Linear(320, 5))))[:3] == [
        "conv",
        "activation",
        "add",
    ]


@pytest.mark.parametrize("last", [nn.Softmax(dim=1), nn.LogSoftmax(dim=-1)])
def test_a_softmax_at_the_end_is_dropped_so_that_logits_come_out(last: nn.Module) -> None:
    bare = after(nn.Conv2d(3, 2, 3), features=160)
    graph, tensors = trace(nn.Sequential(bare, last), (12, 10, 3), "mine")
    assert names(graph) == ["conv", "flatten", "dense"]
    rebuilt, x = to_module(graph), torch.randn(2, 3, 12, 10)
    load_weights(rebuilt, tensors)
    torch.testing.assert_close(rebuilt(x), bare(x))


def test_a_graphs_own_module_is_carried_back_into_the_same_graph() -> None:
    for text in ("resnet8", "squeezenet", "separable"):
        graph = build_network(text, (32, 32, 3), 10)
        module = to_module(graph, seed=0)
        back, tensors = trace(module, (32, 32, 3), graph.text)
        assert [layer.op for layer in back.layers] == [layer.op for layer in graph.layers]
        assert all(torch.equal(tensors[name], tensor) for name, tensor in module.state_dict().items())


def test_tracing_leaves_the_module_as_it_is_and_takes_a_copy_of_its_weights() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(16, 2)).double()
    module[1].eval()
    _, tensors = trace(module, (4, 4, 1), "mine")
    assert [module.training, module[1].training, module[2].weight.dtype] == [True, False, torch.float64]
    tensors["dense1.weight"].zero_()
    assert module[2].weight.any()


class Attention(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(channels, 3 * channels)
        self.norm = nn.LayerNorm(channels)

    def forward(self, tokens: Tensor) -> Tensor:
        query, key, value = self.qkv(self.norm(tokens)).chunk(3, dim=-1)
        return tokens + F.scaled_dot_product_attention(query, key, value)


def test_a_vision_transformer_is_refused_with_every_module_and_operation_that_is_in_the_way() -> None:
    class Vit(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches = nn.Conv2d(3, 8, 4, 4)
            self.blocks = nn.Sequential(Attention(8))
            self.up = nn.Upsample(scale_factor=2)
            self.head = nn.Linear(8, 5)

        def forward(self, x: Tensor) -> Tensor:
            tokens = self.patches(x).flatten(2).transpose(1, 2)
            return self.head(self.blocks(tokens).mean(1)) + self.up(x).mean((1, 2, 3)).unsqueeze(1)

    message = refusal(Vit(), (16, 16, 3))
    for part in (
        "mine cannot be carried",
        "blocks.0.norm (LayerNorm): aten.layer_norm",
        "up (Upsample): aten.upsample",
    ):
        assert part in message
    assert "blocks.0 (Attention): aten.scaled_dot_product_attention" in message


TIED = nn.Conv2d(4, 4, 1)

REFUSED: dict[str, tuple[nn.Module, str]] = {
    "dilation": (
        after(nn.Conv2d(4, 4, 3, dilation=2), features=64),
        r"0 \(Conv2d\): aten.conv2d has dilation \(2, 2\)",
    ),
    "padding that is counted": (after(nn.AvgPool2d(3, 1, 1), features=256), "count_include_pad=False"),
    "average of a border": (
        after(nn.ZeroPad2d(1), nn.AvgPool2d(2), features=100),
        "only a convolution or a pool|padded",
    ),
    "zeros around negative numbers": (after(nn.ZeroPad2d(1), nn.MaxPool2d(2), features=100), "padded with 0"),
    "a reflected border": (after(nn.ReflectionPad2d(1), nn.Conv2d(4, 1, 3), features=64), "mode reflect"),
    "a cropped picture": (after(nn.ZeroPad2d(-1), features=144), "crops"),
    "a border and then nothing": (after(nn.ZeroPad2d(1), features=400), "padded tensor"),
    "approximate gelu": (after(nn.GELU("tanh"), features=256), "approximate"),
    "another hardtanh": (after(nn.Hardtanh(), features=256), "clamps to -1.0 … 1.0"),
    "one slope for all": (after(nn.PReLU(), features=256), "num_parameters=4"),
    "no scale": (after(nn.BatchNorm2d(4, affine=False), features=256), "affine=False"),
    "no statistics": (after(nn.BatchNorm2d(4, track_running_stats=False), features=256), "no running statistics"),
    "an average over all batches": (after(nn.BatchNorm2d(4, momentum=None), features=256), "momentum=None"),
    "uneven windows": (after(nn.AdaptiveAvgPool2d(3), features=36), "windows of different sizes"),
    "a number added": (Forward(lambda net, x: (x + 1).flatten(1)), "takes a number"),
    "a scaled sum": (Forward(lambda net, x: torch.add(x, x, alpha=2).flatten(1)), "scales by 2"),
    "a part": (Forward(lambda net, x: x[:, :2].flatten(1)), "takes a part of a tensor"),
    "one channel added to all": (
        Forward(lambda net, x: (x + x.mean((2, 3), keepdim=True)).flatten(1)),
        "takes 2x4x8x8 and 2x4x1x1",
    ),
    "the mean of channels": (Forward(lambda net, x: x.mean(1).flatten(1)), "height and width"),
    "rows and columns exchanged": (
        Forward(lambda net, x: net.conv(x.transpose(1, 3)).flatten(1), conv=nn.Conv2d(8, 2, 3)),
        "conv .*axes were moved",
    ),
    "a mixed batch": (Forward(lambda net, x: x.reshape(-1, 8).mean(1, keepdim=True)), "mixes the images of a batch"),
    "a moved batch": (Forward(lambda net, x: x.permute(1, 0, 2, 3).flatten(1)), "moves the batch"),
    "dropout in evaluation": (Forward(lambda net, x: F.dropout(x, 0.5).flatten(1)), "random in evaluation"),
    "concatenated rows": (Forward(lambda net, x: torch.cat([x, x], 2).flatten(1)), "not along the channels"),
    "a softmax inside": (Forward(lambda net, x: (x.softmax(1) + x).flatten(1)), "aten.softmax is not an operation"),
    "a computed weight": (
        Forward(lambda net, x: F.linear(x.flatten(1), net.a.weight * 2), a=nn.Linear(256, 5)),
        "takes a number, a parameter",
    ),
    "two orders": (Forward(lambda net, x: x.flatten(1) + x.permute(0, 2, 3, 1).flatten(1)), "different orders"),
    "a vector made a picture": (
        Forward(
            lambda net, x: net.b(net.a(x.flatten(1)).view(-1, 8, 1, 1)).flatten(1),
            a=nn.Linear(256, 8),
            b=nn.Conv2d(8, 5, 1),
        ),
        "not made from one of 1x1",
    ),
    "a weight used twice": (
        Forward(lambda net, x: net.b(net.a(net.a(x)).flatten(1)), a=nn.Conv2d(4, 4, 1), b=nn.Linear(256, 5)),
        r"a\.weight is used 2 times.*a\.bias is used 2 times",
    ),
    "a view written in place": (
        Forward(
            lambda net, x: (lambda y: F.relu(y.flatten(1), inplace=True) + y.flatten(1))(net.conv(x)),
            conv=nn.Conv2d(4, 4, 1),
        ),
        "writes in place",
    ),
    "a weight under two names": (
        Forward(lambda net, x: net.head(net.b(net.a(x)).flatten(1)), a=TIED, b=TIED, head=nn.Linear(256, 5)),
        "is used 2 times",
    ),
    "a view of a view written in place": (
        Forward(
            lambda net, x: (lambda y: torch.relu_(y.flatten(2).flatten(1)) + y.relu().flatten(1))(net.conv(x)),
            conv=nn.Conv2d(4, 4, 1),
        ),
        "writes in place",
    ),
    "half precision": (Forward(lambda net, x: x.half().flatten(1)), "aten.to computes in torch.float16"),
    "the mean of everything": (Forward(lambda net, x: x.mean() + x.flatten(1)), "height and width"),
    "a clamp by parameters": (
        Forward(
            lambda net, x: torch.clamp(x, min=net.a.weight, max=net.b.weight).flatten(1), a=nn.PReLU(8), b=nn.PReLU(8)
        ),
        "clamps",
    ),
    "where the maximum was": (
        Forward(lambda net, x: F.adaptive_max_pool2d(x, 1, return_indices=True)[1].flatten(1).float()),
        "place of a maximum",
    ),
    "a picture as answer": (nn.Conv2d(4, 5, 8), "its answer: takes 2x5x1x1, not batch x features"),
    "a flattened picture as answer": (nn.Sequential(nn.Conv2d(4, 5, 3), nn.Flatten()), "flattened picture"),
    "two answers": (Forward(lambda net, x: (x, x)), "returns 2 values"),  # type: ignore[arg-type,return-value]
    "a branch on pixels": (Forward(lambda net, x: x if x.sum() > 0 else -x), "mine fails on images of 8x8x4"),
    "a wrong size": (after(features=99), "mine fails on images of 8x8x4: RuntimeError: .*mat1 and mat2"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_graph_cannot_carry_is_refused_with_its_reason(name: str) -> None:
    module, reason = REFUSED[name]
    with pytest.raises(GraphError, match=reason):
        trace(module, (8, 8, 4), "mine")


def random_network(seed: int) -> nn.Module:
    """A small network of convolutions, pools, branches and gates, drawn with `seed`, that flattens as torch does."""
    draw = random.Random(seed)
    layers: list[nn.Module] = []
    channels = 3

    def branch(inner: nn.Module, kind: str) -> nn.Module:
        if kind == "add":
            return Forward(lambda net, x: net.inner(x) + x, inner=inner)
        if kind == "gate":
            return Forward(lambda net, x: x * torch.sigmoid(net.inner(x).mean((2, 3), keepdim=True)), inner=inner)
        return Forward(lambda net, x: torch.cat((x, net.inner(x)), 1), inner=inner)

    for _ in range(draw.randint(1, 5)):
        kind = draw.choice(["conv", "depthwise", "pool", "activation", "norm", "add", "gate", "concat"])
        if kind == "conv":
            filters, kernel = draw.randint(1, 6), draw.randint(1, 3)
            layers.append(
                nn.Conv2d(channels, filters, kernel, draw.randint(1, 2), draw.randint(1, 2), bias=draw.random() < 0.5)
            )
            channels = filters
        elif kind == "depthwise":
            multiplier = draw.randint(1, 2)
            layers.append(nn.Conv2d(channels, channels * multiplier, 3, padding=1, groups=channels))
            channels *= multiplier
        elif kind == "pool":
            ceil = draw.random() < 0.5
            pools = (
                nn.MaxPool2d(2, 2, 1, ceil_mode=ceil),
                nn.AvgPool2d(3, 2, 1, ceil_mode=ceil, count_include_pad=False),
            )
            layers.append(draw.choice(pools))
        elif kind == "activation":
            layers.append(draw.choice([nn.ReLU(), nn.GELU(), nn.PReLU(channels), nn.Hardswish(), nn.LeakyReLU(0.3)]))
        elif kind == "norm":
            layers.append(nn.BatchNorm2d(channels))
        else:
            layers.append(branch(nn.Conv2d(channels, channels, 3, padding=1), kind))
            channels *= 2 if kind == "concat" else 1
    body = nn.Sequential(*layers, nn.Flatten())
    features = body.eval()(torch.zeros(1, 3, 12, 10)).shape[1]
    return nn.Sequential(body, nn.BatchNorm1d(features), nn.Linear(features, 4))


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**31))
def test_any_small_network_answers_the_same_after_tracing(seed: int) -> None:
    torch.manual_seed(seed)
    carried(random_network(seed))


USERS = """
import torch
from torch import nn
from pennyweight.net.build import Builder

def network(classes, input_shape):
    height, width, channels = input_shape
    return nn.Sequential(nn.Flatten(), nn.Linear(height * width * channels, classes))

class Network(nn.Sequential):
    def __init__(self, num_classes=1000):
        super().__init__(nn.Conv2d(3, num_classes, 4), nn.Flatten())

def stubborn():
    return nn.Sequential(nn.Flatten(), nn.Linear(48, 1000))

def graph(classes, input_shape=(9, 9, 1)):
    builder = Builder(input_shape)
    builder.dense(classes)
    return builder.graph("whatever")

def wrong_graph(classes):
    return graph(classes)

def text():
    return "resnet8"
"""


@pytest.fixture
def users(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "users_nets.py").write_text(USERS)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("users")
def test_a_users_callable_is_told_classes_and_input_shape_and_carried() -> None:
    for name in ("network", "Network"):
        graph, tensors = load_callable(f"users_nets:{name}", (4, 4, 3), 7)
        assert graph.text == f"users_nets:{name}"
        assert graph.classes == 7
        assert {name: tuple(tensor.shape) for name, tensor in (tensors or {}).items()} == graph.parameters()
    graph, tensors = load_callable("users_nets:graph", (4, 4, 3), 7)
    assert (graph.text, graph.input_shape, graph.classes, tensors) == ("users_nets:graph", (4, 4, 3), 7, None)


@pytest.mark.usefixtures("users")
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("stubborn", "answers with 1000 logits, not 7"),
        ("wrong_graph", "takes images of 9x9x1, not 4x4x3"),
        ("text", "returned a str"),
    ],
)
def test_a_users_network_that_does_not_fit_is_refused(name: str, reason: str) -> None:
    with pytest.raises(GraphError, match=reason):
        load_callable(f"users_nets:{name}", (4, 4, 3), 7)
