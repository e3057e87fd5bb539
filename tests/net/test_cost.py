"""What a Graph costs: exact figures, and the laws between layers and totals."""

from __future__ import annotations

import dataclasses
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.net.resnet8 import resnet8

from pennyweight.core.board import Board, Source, Sources
from pennyweight.core.budget import Budget
from pennyweight.core.errors import UsageError
from pennyweight.net.build import ACTIVATIONS, Builder
from pennyweight.net.cost import STACK_BYTES, Cost, cost, layer_costs
from pennyweight.net.graph import Graph


def board_vgg() -> Graph:
    """The original's network for boards, laid by hand."""
    b = Builder((32, 32, 3))
    for widths in ((32, 32), (64, 64), (128,), (128,)):
        for filters in widths:
            b.conv(filters, 3)
            b.activation("relu")
            b.batch_norm()
        b.pool("max", 2)
    for units in (1024, 512):
        b.dense(units)
        b.activation("relu")
    b.dense(10)
    return b.graph("board-vgg by hand")


@st.composite
def chains(draw: st.DrawFn) -> Graph:
    """Any sequence of layers on a small picture."""
    b = Builder((draw(st.integers(4, 9)), draw(st.integers(4, 9)), draw(st.integers(1, 4))))
    for kind in draw(st.lists(st.sampled_from(["conv", "depthwise", "norm", "activation", "dropout"]), max_size=10)):
        match kind:
            case "conv":
                b.conv(draw(st.integers(1, 6)), 3, draw(st.integers(1, 2)), bias=draw(st.booleans()))
            case "depthwise":
                b.depthwise_conv(3, bias=draw(st.booleans()))
            case "norm":
                b.batch_norm()
            case "activation":
                b.activation(draw(st.sampled_from(sorted(ACTIVATIONS))))
            case _:
                b.dropout(0.5)
    b.dense(draw(st.integers(1, 9)), bias=draw(st.booleans()))
    return b.graph("any")


def chip(core: str, mhz: float) -> Board:
    source = Source("made up", date(2026, 1, 1))
    sources = Sources(source, source, source, source, source)
    return Board("chip", "a chip", core, mhz, 65_536, 8_192, 1.5, "chip", sources)


def total(text_bits: int, graph: Graph) -> Cost:
    return cost(graph, bits=text_bits)  # type: ignore[arg-type]


@settings(max_examples=120, deadline=None)
@given(chains(), st.sampled_from([8, 32]))
def test_the_layers_add_up_to_the_totals(graph: Graph, bits: int) -> None:
    layers, whole = layer_costs(graph, bits=bits), total(bits, graph)  # type: ignore[arg-type]
    assert [layer.name for layer in layers] == [layer.name for layer in graph.layers]
    for figure in ("parameters", "macs", "weight_bytes"):
        assert sum(getattr(layer, figure) for layer in layers) == getattr(whole, figure)
    assert sum(layer.parameters_share for layer in layers) == pytest.approx(1)
    assert sum(layer.macs_share for layer in layers) == pytest.approx(1)


@settings(max_examples=120, deadline=None)
@given(chains())
def test_int8_is_never_larger_in_ram_and_float32_stores_four_bytes_a_number(graph: Graph) -> None:
    int8, float32 = total(8, graph), total(32, graph)
    assert int8.peak_ram_bytes <= float32.peak_ram_bytes
    assert float32.weight_bytes == 4 * float32.folded_parameters
    assert int8.folded_parameters == float32.folded_parameters
    assert float32.flash_bytes - float32.weight_bytes == int8.flash_bytes - int8.weight_bytes > 1000
    assert int8.ram_bytes == int8.peak_ram_bytes + STACK_BYTES


def test_board_vgg_has_its_exact_figures() -> None:
    whole = total(32, board_vgg())
    assert whole.parameters == whole.folded_parameters == 1_343_146
    assert (whole.macs, whole.weight_bytes) == (32_609_280, 5_372_584)


def test_resnet8_has_its_exact_figures() -> None:
    whole = total(32, resnet8())
    assert (whole.folded_parameters, whole.weight_bytes) == (77_706, 4 * 77_706)
    assert whole.macs == 12_501_632
    assert whole.parameters - whole.statistics == 77_706
    assert (total(8, resnet8()).peak_ram_bytes, whole.peak_ram_lower_bound_bytes) == (33_680, 4 * 33_680)


def test_a_plain_cnn_and_an_mlp_have_their_exact_parameters() -> None:
    b = Builder((28, 28, 1))
    b.conv(32, 3, padding="valid")
    b.conv(64, 3, padding="valid")
    b.pool("max", 2)
    b.dense(128)
    b.dropout(0.5)
    b.dense(10)
    assert cost(b.graph("plain")).parameters == 1_199_882
    b = Builder((28, 28, 1))
    for units in (80, 60, 50, 10):
        b.dense(units)
    assert cost(b.graph("mlp")).parameters == 71_220


def test_int8_stores_a_byte_a_weight_by_fours_and_nine_for_every_output_channel() -> None:
    b = Builder((4, 4, 3))
    b.conv(8, 3, bias=False)
    b.batch_norm()
    b.activation("relu")
    b.batch_norm()
    b.activation("prelu")
    b.activation("gelu")
    rows = {layer.name: layer for layer in layer_costs(b.graph("any"))}
    assert {name: row.weight_bytes for name, row in rows.items()} == {
        "conv1": 8 * 28 + 8 * (4 + 5),
        "batch_norm1": 0,
        "relu1": 0,
        "batch_norm2": 8 * (1 + 4 + 5),
        "prelu1": 8,
        "gelu1": 256,
    }


def test_a_batch_norm_that_folds_gives_a_bias_to_a_layer_without() -> None:
    def weights(*, bias: bool, norm: bool) -> int:
        b = Builder((4, 4, 3))
        b.conv(8, 3, bias=bias)
        if norm:
            b.batch_norm()
        return total(32, b.graph("any")).folded_parameters

    assert weights(bias=False, norm=False) == 8 * 27
    assert weights(bias=False, norm=True) == weights(bias=True, norm=True) == weights(bias=True, norm=False) == 8 * 28


def test_only_layers_with_a_buffer_of_their_own_count_activation_bytes() -> None:
    b = Builder((4, 4, 3))
    b.conv(8, 3)
    b.batch_norm()
    b.activation("relu")
    b.pool("average", 2)
    b.dropout(0.5)
    b.dense(5)
    rows = layer_costs(b.graph("any"), bits=32)
    assert [(row.op, row.deployed, row.activation_bytes) for row in rows] == [
        ("conv", "own", 4 * 4 * 8 * 4),
        ("batch_norm", "folded into conv1", 0),
        ("relu", "in place", 0),
        ("average_pool", "own", 2 * 2 * 8 * 4),
        ("dropout", "gone", 0),
        ("flatten", "view", 0),
        ("dense", "own", 5 * 4),
    ]


def test_a_network_without_parameters_has_shares_of_zero() -> None:
    b = Builder((4, 4, 3))
    b.global_pool()
    rows = layer_costs(b.graph("any"))
    assert [(row.op, row.parameters_share, row.macs_share) for row in rows] == [
        ("global_average_pool", 0, 0),
        ("flatten", 0, 0),
    ]


def test_latency_follows_the_clock_and_is_unknown_where_the_core_was_not_measured() -> None:
    graph = resnet8()
    slow, fast = (cost(graph, board=chip("cortex-m7", mhz)) for mhz in (100, 400))
    assert slow.latency_ms is not None
    assert fast.latency_ms == pytest.approx(slow.latency_ms / 4)
    assert cost(graph, board=chip("cortex-m55", 100)).latency_ms is None
    assert cost(graph, bits=32, board=chip("cortex-m7", 100)).latency_ms is None
    assert cost(graph).latency_ms is None


def test_a_budget_judges_the_figures_by_their_names() -> None:
    board = chip("cortex-m7", 100)
    excesses = Budget.of(board, price_usd=1).excesses(cost(resnet8(), board=board).to_figures())
    assert [excess.limit for excess in excesses] == ["flash_bytes", "ram_bytes", "price_usd"]


def test_a_cost_moves_from_board_to_board_and_away() -> None:
    graph, board = resnet8(), chip("cortex-m7", 100)
    assert cost(graph).on(board) == cost(graph, board=board)
    assert cost(graph, board=board).on(None) == cost(graph)


def test_every_figure_says_whether_it_is_exact_measured_or_estimated() -> None:
    whole = total(8, resnet8())
    assert set(whole.kinds) == {field.name for field in dataclasses.fields(whole)} - {"bits", "program"}
    assert whole.kinds["macs"] == total(32, resnet8()).kinds["weight_bytes"] == "exact"
    assert whole.kinds["weight_bytes"] == whole.kinds["flash_bytes"] == "estimated"


def test_the_smallest_board_has_room_beside_the_stack() -> None:
    b = Builder((16, 16, 1))
    b.conv(4, 3, 2)
    b.conv(8, 3, 2)
    b.global_pool()
    b.dense(10)
    whole = cost(b.graph("tiny"))
    assert whole.ram_bytes <= 2048
    assert whole.flash_bytes <= 16 * 1024


def test_other_bits_than_8_and_32_are_refused() -> None:
    for call in (cost, layer_costs):
        with pytest.raises(UsageError, match="unknown number of bits '4'"):
            call(resnet8(), bits=4)  # type: ignore[operator]
