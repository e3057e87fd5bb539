"""The zoo's networks: every published figure, and pictures of any size."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pennyweight.core.errors import GraphError
from pennyweight.net import ops
from pennyweight.net.build import ACTIVATIONS
from pennyweight.net.graph import Graph
from pennyweight.net.zoo import build_network, families

MNIST = (28, 28, 1)
CIFAR = (32, 32, 3)
IMAGENET = (224, 224, 3)
FOR_BOARDS = ("pooled-resnet", "separable", "bottleneck")


def parameters(graph: Graph) -> int:
    return sum(map(math.prod, graph.parameters().values()))


def statistics(graph: Graph) -> int:
    return sum(map(math.prod, graph.statistics().values()))


def macs(graph: Graph) -> int:
    return sum(layer.op.macs(*graph.input_shapes(layer)) for layer in graph.layers)


@pytest.mark.parametrize(
    ("text", "input_shape", "classes", "expected"),
    [
        ("mlp:hidden=80-60-50", MNIST, 10, 71_220),
        ("mlp:hidden=80-60", MNIST, 10, 68_270),
        ("mlp:hidden=110-100-90", MNIST, 10, 107_450),
        ("mlp:hidden=60-100-80", MNIST, 10, 62_090),
        ("plain-cnn", MNIST, 10, 1_199_882),
        ("plain-cnn", (100, 100, 1), 2, 18_893_570),
        ("shallow-resnet", (100, 100, 1), 2, 35_010),
        ("resnet50", CIFAR, 10, 23_528_522),
        ("resnet50", IMAGENET, 1000, 25_557_032),
        ("squeezenet", CIFAR, 10, 727_626),
        ("squeezenet", IMAGENET, 1000, 1_235_496),
        ("mobilenetv2", CIFAR, 10, 2_236_682),
        ("mobilenetv2", IMAGENET, 1000, 3_504_872),
        ("board-vgg", CIFAR, 10, 1_343_146),
        ("resnet8", CIFAR, 10, 78_186),
    ],
)
def test_learnable_parameters_are_exactly_the_published_ones(
    text: str, input_shape: ops.Shape, classes: int, expected: int
) -> None:
    assert parameters(build_network(text, input_shape, classes)) == expected


@pytest.mark.parametrize(
    ("text", "input_shape", "classes", "expected"),
    [
        ("resnet8", CIFAR, 10, 12_501_632),
        ("board-vgg", CIFAR, 10, 32_609_280),
        ("resnet50", IMAGENET, 1000, 4_089_184_256),
        ("squeezenet", IMAGENET, 1000, 349_151_936),
        ("mobilenetv2", IMAGENET, 1000, 300_774_272),
    ],
)
def test_multiplications_are_exactly_the_published_ones(
    text: str, input_shape: ops.Shape, classes: int, expected: int
) -> None:
    assert macs(build_network(text, input_shape, classes)) == expected


def test_shallow_resnet_has_35458_numbers_with_its_running_statistics() -> None:
    graph = build_network("shallow-resnet", (100, 100, 1), 2)
    assert parameters(graph) + statistics(graph) == 35_458


def test_resnet8_has_77706_weights_and_biases_once_batch_norm_is_folded_and_no_softmax() -> None:
    graph = build_network("resnet8", CIFAR, 10)
    folded = Graph.parameters(graph).items()
    assert sum(math.prod(shape) for name, shape in folded if not name.startswith("batch_norm")) == 77_706
    assert not any(isinstance(layer.op, ops.Softmax) for layer in graph.layers)


def test_the_cropped_vgg_has_the_layers_that_its_dials_name() -> None:
    graph = build_network("vgg:widths=64-128,dense=1024-1024,dropout=0.65", CIFAR, 10)
    assert graph.text == "vgg"
    filters = [layer.op.filters for layer in graph.layers if isinstance(layer.op, ops.Conv)]
    units = [layer.op.units for layer in graph.layers if isinstance(layer.op, ops.Dense)]
    assert (filters, units) == ([64, 128], [1024, 1024, 10])


def test_board_vgg_normalises_after_each_activation() -> None:
    graph = build_network("board-vgg", CIFAR, 10)
    kinds = [layer.op.name for layer in graph.layers]
    places = [place for place, kind in enumerate(kinds) if kind == "conv"]
    assert len(places) == 6
    assert all(kinds[place + 1 : place + 3] == ["activation", "batch_norm"] for place in places)


def test_depth_doubles_the_layers_of_the_plain_cnn_and_halves_their_widths() -> None:
    graph = build_network("plain-cnn:depth=2", MNIST, 10)
    filters = [layer.op.filters for layer in graph.layers if isinstance(layer.op, ops.Conv)]
    units = [layer.op.units for layer in graph.layers if isinstance(layer.op, ops.Dense)]
    assert (filters, units) == ([16, 16, 32, 32], [64, 64, 10])


@pytest.mark.parametrize("family", ["resnet50", "squeezenet", "mobilenetv2"])
def test_the_stem_keeps_a_small_picture_and_changes_no_parameter(family: str) -> None:
    small = build_network(f"{family}:stem=small", CIFAR, 10)
    published = build_network(f"{family}:stem=imagenet", CIFAR, 10)
    assert list(small.parameters().values()) == list(published.parameters().values())
    assert macs(small) > macs(published)
    last_map = [shape for shape in small.shapes.values() if len(shape) == 3 and shape[0] > 1][-1]
    assert last_map[:2] == (4, 4)
    assert macs(build_network(family, CIFAR, 10)) == macs(small)
    assert macs(build_network(family, (96, 96, 3), 10)) == macs(
        build_network(f"{family}:stem=imagenet", (96, 96, 3), 10)
    )


@pytest.mark.parametrize(
    ("name", "input_shape"),
    [
        (name, shape)
        for name in families()
        for shape in ((8, 8, 1), MNIST, CIFAR, (96, 96, 3), (30, 47, 2))
        if (name, shape) != ("board-vgg", (8, 8, 1))
    ],
)
def test_a_network_answers_with_one_logit_a_class(name: str, input_shape: tuple[int, int, int]) -> None:
    graph = build_network(name, input_shape, 7)
    assert graph.shapes[graph.output] == (7,)
    assert any("image" in layer.inputs for layer in graph.layers)


@pytest.mark.parametrize(
    ("text", "input_shape"),
    [
        ("board-vgg", (8, 8, 1)),
        ("plain-cnn:depth=3", (8, 8, 1)),
        ("plain-cnn", (3, 1, 1)),
        ("vgg:widths=8-8-8-8", (8, 8, 1)),
        ("squeezenet:stem=imagenet", (8, 8, 1)),
        ("shallow-resnet", (3, 3, 1)),
    ],
)
def test_a_picture_too_small_for_a_network_is_a_graph_error_that_names_the_layer(
    text: str, input_shape: tuple[int, int, int]
) -> None:
    with pytest.raises(GraphError, match=r"cannot take pictures of .* layer '\w+': .* does not fit into") as caught:
        build_network(text, input_shape, 10)
    assert "separable" in caught.value.hint


@pytest.mark.parametrize("name", FOR_BOARDS)
@given(side=st.tuples(st.integers(1, 256), st.integers(1, 256)))
def test_families_for_boards_take_any_picture_and_end_at_a_few_pixels(name: str, side: tuple[int, int]) -> None:
    graph = build_network(name, (*side, 3), 10)
    before_head = next(layer.inputs[0] for layer in graph.layers if isinstance(layer.op, ops.GlobalPool))
    assert min(graph.shapes[before_head][:2]) <= 8


@pytest.mark.parametrize("name", FOR_BOARDS)
@pytest.mark.parametrize("input_shape", [(8, 8, 1), MNIST, CIFAR, (96, 96, 3), IMAGENET])
def test_the_width_of_families_for_boards_spans_2_thousand_to_1_million_parameters(
    name: str, input_shape: tuple[int, int, int]
) -> None:
    (width,) = (dial for dial in families()[name].dials if dial.name == "width")
    counts = [
        parameters(build_network(f"{name}:width={value}", input_shape, 10))
        for value in range(int(width.low), int(width.high) + 1)
    ]
    assert counts == sorted(set(counts))
    assert counts[0] < 2_100
    assert counts[-1] > 1_000_000


@pytest.mark.parametrize("name", families())
def test_every_network_takes_every_activation_and_pooling(name: str) -> None:
    (activation,) = (dial for dial in families()[name].dials if dial.name == "activation")
    assert set(activation.choices) == set(ACTIVATIONS)
    for function, op in ACTIVATIONS.items():
        graph = build_network(f"{name}:activation={function}", CIFAR, 10)
        used = {layer.op for layer in graph.layers if isinstance(layer.op, (ops.Activation, ops.PRelu))}
        assert used == {op}
    for dial in families()[name].dials:
        if dial.name in ("pooling", "head"):
            one, other = (build_network(f"{name}:{dial.name}={kind}", (96, 96, 3), 10) for kind in dial.choices)
            assert one.layers != other.layers


@pytest.mark.parametrize(("input_shape", "classes"), [((8, 8), 10), ((0, 8, 1), 10), ((8, 8, 1), 1), ((8, 8, 1), 0)])
def test_a_picture_without_pixels_and_a_single_class_are_graph_errors(input_shape: ops.Shape, classes: int) -> None:
    with pytest.raises(GraphError):
        build_network("mlp", input_shape, classes)
