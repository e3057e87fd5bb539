"""Writing: the file says all that the network is, and what has no exact form in TFLite is said at once."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from hypothesis import assume, given, settings
from tests.net.integer.random_network import networks

from pennyweight.core.errors import GraphError
from pennyweight.deploy.tflite.model import parse
from pennyweight.deploy.tflite.read import class_names, read
from pennyweight.deploy.tflite.schema import Builtin
from pennyweight.deploy.tflite.write import write
from pennyweight.net import ops
from pennyweight.net.graph import INPUT
from pennyweight.net.integer.network import IntegerNetwork, Step, Weights
from pennyweight.net.integer.quantization import Quantization
from pennyweight.net.integer.reference import pixel_table, run
from pennyweight.net.integer.store import to_bytes
from pennyweight.net.integer.tables import requantise_table, table
from pennyweight.net.ops import Activation, Op, Padding

Q = Quantization(0.05, 3)


def of(*steps: Step, shape: tuple[int, int, int] = (6, 6, 2)) -> IntegerNetwork:
    return IntegerNetwork("net", shape, Q, steps, (127.5,) * shape[2], (64.25,) * shape[2])


def conv(padding: Padding, stride: int = 1) -> IntegerNetwork:
    weights = Weights(np.ones((3, 3, 3, 2), np.int8), np.full(3, 0.01, np.float32), np.zeros(3, np.int32))
    return of(Step("c", ops.Conv(3, (3, 3), (stride, stride), padding), (INPUT,), Q, weights=weights))


def operators(network: IntegerNetwork) -> list[str]:
    return [operator.builtin.name for operator in parse(write(network)).operators]


@given(networks())
@settings(max_examples=60, deadline=None)
def test_what_is_read_again_answers_the_same(network: IntegerNetwork) -> None:
    try:
        content = write(network)
    except GraphError:
        assume(False)
    again = read(content, "any")
    assert isinstance(again, IntegerNetwork)
    images = np.random.default_rng(0).integers(-128, 128, (3, *network.input_shape)).astype(np.int8)
    assert np.array_equal(run(again, images).reshape(3, -1), run(network, images).reshape(3, -1))
    assert np.array_equal(pixel_table(again), pixel_table(network))


def test_a_trained_network_comes_back_whole(resnet8_int8: bytes) -> None:
    network = read(resnet8_int8, "resnet8")
    assert isinstance(network, IntegerNetwork)
    again = read(write(network), "resnet8")
    assert isinstance(again, IntegerNetwork)
    assert to_bytes(again) == to_bytes(network)


def test_the_same_network_is_the_same_bytes() -> None:
    assert write(conv((1, 1, 1, 1)), ("a", "b")) == write(conv((1, 1, 1, 1)), ("a", "b"))


@pytest.mark.parametrize(
    ("padding", "stride", "names"),
    [
        ((0, 0, 0, 0), 1, ["CONV_2D"]),
        ((1, 1, 1, 1), 1, ["CONV_2D"]),
        ((0, 1, 0, 1), 2, ["CONV_2D"]),
        ((1, 1, 1, 1), 2, ["PAD", "CONV_2D"]),
        ((0, 2, 1, 0), 1, ["PAD", "CONV_2D"]),
    ],
)
def test_padding_that_is_not_tflites_own_is_an_operator(padding: Padding, stride: int, names: list[str]) -> None:
    assert operators(conv(padding, stride)) == names


def test_a_function_that_tflite_micro_lacks_is_looked_up() -> None:
    silu = Activation("silu")
    network = of(Step("s", silu, (INPUT,), Q, table=table(silu, Q, Q)))
    assert operators(network) == ["CAST", "ADD", "GATHER"]


def test_a_table_that_is_not_its_functions_is_looked_up() -> None:
    """As where a quantiser joined two functions in one table."""
    relu = Activation("relu")
    doubled = requantise_table(Q, Quantization(0.025, 3))
    assert operators(of(Step("s", relu, (INPUT,), Q, table=doubled))) == ["CAST", "ADD", "GATHER"]
    assert operators(of(Step("s", relu, (INPUT,), Q, table=table(relu, Q, Q)))) == ["RELU"]


def test_a_joined_table_is_read_again_and_another_is_refused() -> None:
    gelu, between = Activation("gelu"), Quantization(0.055, 0)
    joined = requantise_table(between, Q)[table(gelu, Q, between).astype(int) + 128]
    assert not np.array_equal(joined, table(gelu, Q, Q))
    again = read(write(of(Step("s", gelu, (INPUT,), Q, table=joined))), "net")
    assert isinstance(again, IntegerNetwork)
    assert again.steps[0].op == gelu
    assert np.array_equal(again.steps[0].table, joined)  # type: ignore[arg-type]
    with pytest.raises(GraphError, match="no function that this program knows"):
        read(write(of(Step("s", gelu, (INPUT,), Q, table=joined[::-1].copy()))), "net")


def pool(kind: str, padding: Padding) -> Op:
    return ops.Pool(kind, (3, 3), (2, 2), padding)  # type: ignore[arg-type]


def test_what_has_no_exact_form_is_said_at_once_with_the_steps_names() -> None:
    clamped = Step("p", pool("max", (0, 0, 0, 0)), (INPUT,), Q, (-7, 9))
    joined = Step("k", ops.Concat(), (INPUT,) * 11, Q)
    padded = Step("a", pool("average", (1, 1, 1, 1)), (INPUT,), Q)
    with pytest.raises(GraphError) as refusal:
        write(of(clamped, joined, padded))
    for said in ("'p': it is clamped to -7 … 9", "'k': it joins 11 tensors", "'a': an average pool padded"):
        assert said in str(refusal.value)


def test_a_max_pool_may_be_padded_anyhow() -> None:
    assert operators(of(Step("p", pool("max", (1, 1, 1, 1)), (INPUT,), Q))) == ["PADV2", "MAX_POOL_2D"]


def test_metadata_tell_pixels_and_class_names() -> None:
    content = write(conv((1, 1, 1, 1)), ("cat", "dog\nwith a break", "Büchse \x1b[31m"))
    assert class_names(content) == ("cat", "dog with a break", "Büchse \x1b[31m")
    network = read(content, "net")
    assert (network.mean, network.std) == ((127.5,) * 2, (64.25,) * 2)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == ["labels.txt"]
    assert class_names(write(conv((1, 1, 1, 1)))) == ()


def test_every_operator_that_is_written_is_one_that_is_read() -> None:
    assert {Builtin.CAST, Builtin.GATHER, Builtin.PADV2} <= set(Builtin)
