"""Reading: trained files become networks, all that cannot be read is said at once, and no bytes do harm."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.deploy.tflite.micro import answers_of
from tests.net.integer.random_network import networks

from pennyweight.core.errors import GraphError
from pennyweight.deploy.tflite.flatbuffer import Fields, Scalar, Vector, build
from pennyweight.deploy.tflite.metadata import Description, metadata_bytes
from pennyweight.deploy.tflite.read import FloatNetwork, class_names, read
from pennyweight.deploy.tflite.schema import (
    IDENTIFIER,
    METADATA_NAME,
    OPTION_FORMATS,
    OPTIONS,
    Buffer,
    Builtin,
    Metadata,
    Model,
    Operator,
    OperatorCode,
    QuantizationParameters,
    SubGraph,
    Tensor,
    TensorType,
)
from pennyweight.deploy.tflite.write import write
from pennyweight.net import ops
from pennyweight.net.integer.network import IntegerNetwork
from pennyweight.net.integer.reference import run
from pennyweight.net.module import load_weights, to_module
from pennyweight.net.ops import GlobalPool


class File:
    """A .tflite file put together by hand, as a converter might have written it."""

    def __init__(self) -> None:
        self.tensors: list[Fields] = []
        self.buffers: list[Fields] = [{}]
        self.codes: list[Fields] = []
        self.operators: list[Fields] = []
        self.metadata: list[Fields] = []

    def tensor(
        self,
        *shape: int,
        type: TensorType = TensorType.FLOAT32,
        data: Any = None,
        scales: tuple[float, ...] = (),
        zero_point: int = 0,
        axis: int = 0,
        name: str = "t",
    ) -> int:
        fields: Fields = {
            Tensor.SHAPE: Vector(np.array(shape, np.int32)),
            Tensor.TYPE: Scalar("b", type),
            Tensor.NAME: name,
        }
        if data is not None:
            self.buffers.append({Buffer.DATA: Vector(np.frombuffer(np.asarray(data).tobytes(), np.uint8), 16)})
            fields[Tensor.BUFFER] = Scalar("I", len(self.buffers) - 1)
        if scales:
            fields[Tensor.QUANTIZATION] = {
                QuantizationParameters.SCALE: Vector(np.array(scales, np.float32)),
                QuantizationParameters.ZERO_POINT: Vector(np.full(len(scales), zero_point, np.int64), 8),
                QuantizationParameters.QUANTIZED_DIMENSION: Scalar("i", axis),
            }
        self.tensors.append(fields)
        return len(self.tensors) - 1

    def int8(self, *shape: int, scale: float = 0.5, zero_point: int = 0, data: Any = None) -> int:
        return self.tensor(*shape, type=TensorType.INT8, scales=(scale,), zero_point=zero_point, data=data)

    def operator(self, code: int, inputs: list[int], output: int, **options: float) -> None:
        self.codes.append({OperatorCode.BUILTIN_CODE: Scalar("i", code), OperatorCode.CUSTOM_CODE: "own\x1b[31m"})
        fields: Fields = {
            Operator.OPCODE_INDEX: Scalar("I", len(self.codes) - 1),
            Operator.INPUTS: Vector(np.array(inputs, np.int32)),
            Operator.OUTPUTS: Vector(np.array([output], np.int32)),
        }
        if options:
            kind = OPTIONS[Builtin(code)]
            fields[Operator.OPTIONS_TYPE] = Scalar("B", kind.number)
            fields[Operator.OPTIONS] = {
                kind.fields.index(name): Scalar(OPTION_FORMATS.get(name, "i"), value) for name, value in options.items()
            }
        self.operators.append(fields)

    def content(self, output: int, version: int = 3) -> bytes:
        graph: Fields = {
            SubGraph.TENSORS: self.tensors,
            SubGraph.INPUTS: Vector(np.array([0], np.int32)),
            SubGraph.OUTPUTS: Vector(np.array([output], np.int32)),
            SubGraph.OPERATORS: self.operators,
        }
        fields: Fields = {
            Model.VERSION: Scalar("I", version),
            Model.OPERATOR_CODES: self.codes,
            Model.SUBGRAPHS: [graph],
            Model.BUFFERS: self.buffers,
            Model.METADATA: self.metadata,
        }
        return build(fields, IDENTIFIER)


WINDOW = {"padding": 1, "stride_h": 1, "stride_w": 1, "filter_h": 2, "filter_w": 2}


def test_a_trained_float_network_answers_as_in_tflite_micro(resnet8_float: bytes) -> None:
    network = read(resnet8_float, "resnet8")
    assert isinstance(network, FloatNetwork)
    module = to_module(network.graph, seed=0)
    load_weights(module, {name: torch.from_numpy(values.copy()) for name, values in network.weights.items()})
    images = np.random.default_rng(0).uniform(0, 255, (4, 32, 32, 3)).astype(np.float32)
    with torch.inference_mode():
        ours = module.eval()(torch.from_numpy(images).permute(0, 3, 1, 2)).numpy()
    assert np.abs(ours - answers_of(resnet8_float, images)).max() < 1e-4


def test_a_trained_int8_network_has_the_known_macs_and_takes_pixels(resnet8_int8: bytes) -> None:
    network = read(resnet8_int8, "resnet8")
    assert isinstance(network, IntegerNetwork)
    assert sum(network.macs(step) for step in network.steps) == 12_501_632
    assert (network.mean, network.std) == ((0.0,) * 3, (1.0,) * 3)
    assert class_names(resnet8_int8) == ()


def test_operators_that_cannot_be_read_are_all_named_at_once() -> None:
    file = File()
    start, end = file.tensor(1, 4, 4, 1), file.tensor(1, 4, 4, 1)
    for code in (47, 32, 47, 0, 4711):
        file.operator(code, [start], end)
    with pytest.raises(GraphError) as refusal:
        read(file.content(end), "file")
    assert "2 x EXP, 1 x CUSTOM 'own\\x1b[31m', 1 x operator 4711" in str(refusal.value)


def test_faults_of_several_operators_are_all_said_at_once() -> None:
    file = File()
    start, pooled, odd = file.tensor(1, 4, 4, 1), file.tensor(1, 3, 3, 1), file.tensor(1, 4, 4, 1)
    lost, end = file.tensor(1, 4, 4, 1), file.tensor(1, 4, 4, 1)
    file.operator(Builtin.MAX_POOL_2D, [start], pooled, **WINDOW | {"stride_h": 0})
    file.operator(Builtin.SOFTMAX, [start], odd, beta=2)
    file.operator(Builtin.TANH, [pooled], lost)
    file.operator(Builtin.TANH, [end], end)
    with pytest.raises(GraphError) as refusal:
        read(file.content(end), "file")
    assert "operator 0, MAX_POOL_2D: kernel (2, 2) and stride (0, 1) must be positive" in str(refusal.value)
    assert "operator 1, SOFTMAX: its beta is 2, not 1" in str(refusal.value)
    assert "operator 2" not in str(refusal.value)
    assert "operator 3, TANH: its input 0 is what no operator makes" in str(refusal.value)


def test_float_ends_around_an_int8_network_are_what_its_numbers_stand_for() -> None:
    file = File()
    start, inside, pooled = file.tensor(1, 4, 4, 2), file.int8(1, 4, 4, 2), file.int8(1, 1, 1, 2)
    axes, flat, end = file.tensor(2, type=TensorType.INT32, data=np.array([1, 2], np.int32)), 0, 0
    file.operator(Builtin.QUANTIZE, [start], inside)
    file.operator(Builtin.MEAN, [inside, axes], pooled, keep_dims=1)
    flat, end = file.int8(1, 2), file.tensor(1, 2)
    file.operator(Builtin.RESHAPE, [pooled], flat)
    file.operator(Builtin.DEQUANTIZE, [flat], end)
    network = read(file.content(end), "file")
    assert isinstance(network, IntegerNetwork)
    assert [step.op.name for step in network.steps] == ["global_pool", "flatten"]
    assert network.input_quantization.scale == 0.5


def test_uint8_ends_are_int8_moved_by_128() -> None:
    file = File()
    start = file.tensor(1, 2, 2, 1, type=TensorType.UINT8, scales=(0.5,), zero_point=128)
    inside, pooled = file.int8(1, 2, 2, 1), file.int8(1, 1, 1, 1)
    file.operator(Builtin.QUANTIZE, [start], inside)
    file.operator(Builtin.MAX_POOL_2D, [inside], pooled, **WINDOW)
    end = file.tensor(1, 1, 1, 1, type=TensorType.UINT8, scales=(0.5,), zero_point=128)
    file.operator(Builtin.QUANTIZE, [pooled], end)
    network = read(file.content(end), "file")
    assert isinstance(network, IntegerNetwork)
    images = np.array([[[[-3], [4]], [[100], [-128]]]], np.int8)
    assert run(network, images).tolist() == [[100]]


@pytest.mark.parametrize("value", [0, 7])
def test_a_pad_is_a_convolutions_own_only_where_it_fills_in_zeros(value: int) -> None:
    file = File()
    start, padded, made = (
        file.int8(1, 4, 4, 1, zero_point=7),
        file.int8(1, 5, 4, 1, zero_point=7),
        file.int8(1, 4, 3, 1),
    )
    amounts = file.tensor(4, 2, type=TensorType.INT32, data=np.array([[0, 0], [1, 0], [0, 0], [0, 0]], np.int32))
    filler = file.int8(1, zero_point=7, data=np.array([value], np.int8))
    weights = file.int8(1, 2, 2, 1, data=np.ones((1, 2, 2, 1), np.int8))
    file.operator(Builtin.PADV2, [start, amounts, filler], padded)
    file.operator(Builtin.CONV_2D, [padded, weights], made, padding=1, stride_h=1, stride_w=1)
    if value:
        network = read(file.content(made), "file")
        assert isinstance(network, IntegerNetwork)
        op = network.steps[0].op
        assert isinstance(op, ops.Conv)
        assert op.padding == (1, 0, 0, 0)
    else:
        with pytest.raises(GraphError, match="fills in 0, not 7"):
            read(file.content(made), "file")


def test_a_float_factor_for_each_channel_is_a_depthwise_convolution() -> None:
    file = File()
    start, made = file.tensor(1, 4, 4, 2), file.tensor(1, 4, 4, 2)
    file.operator(Builtin.MUL, [start, file.tensor(2, data=np.array([2, 3], np.float32))], made)
    end = file.tensor(1, 4, 4, 2)
    file.operator(Builtin.ADD, [made, file.tensor(2, data=np.array([5, 7], np.float32))], end)
    network = read(file.content(end), "file")
    assert isinstance(network, FloatNetwork)
    assert [layer.op.name for layer in network.graph.layers] == ["depthwise_conv", "depthwise_conv", "flatten"]
    assert [values.ravel().tolist() for values in network.weights.values()] == [[2, 3], [0, 0], [1, 1], [5, 7]]


def test_a_reshape_back_to_what_was_flattened_is_the_same_tensor() -> None:
    """As a squeeze-and-excitation block of Keras has it: pool, reshape, gate."""
    file = File()
    start, pooled, gate, end = (file.tensor(*shape) for shape in ((1, 4, 4, 2), (1, 2), (1, 1, 1, 2), (1, 4, 4, 2)))
    axes = file.tensor(2, type=TensorType.INT32, data=np.array([1, 2], np.int32))
    file.operator(Builtin.MEAN, [start, axes], pooled)
    file.operator(Builtin.RESHAPE, [pooled], gate)
    file.operator(Builtin.MUL, [gate, start], end)
    network = read(file.content(end), "file")
    assert isinstance(network, FloatNetwork)
    assert network.graph.layers[0].op == GlobalPool("average")
    assert [layer.op.name for layer in network.graph.layers] == ["global_pool", "multiply", "flatten"]


def test_names_of_tensors_become_plain_words_of_their_own() -> None:
    file = File()
    last = file.tensor(1, 4, 4, 2)
    for name in ("model/a b;c", "model/a b", "class", "", "import os\nos.x()", "1", "image"):
        made = file.tensor(1, 4, 4, 2, name=name)
        file.operator(Builtin.TANH, [last], made)
        last = made
    network = read(file.content(last), "file")
    assert isinstance(network, FloatNetwork)
    names = [layer.name for layer in network.graph.layers]
    assert names[:6] == ["a_b", "a_b_2", "activation_class", "activation", "import_os_os_x", "activation_1"]
    assert names[6] == "image_2"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "does not begin as a file of kind TFL3"),
        (b"GIF89a..........", "does not begin as a file of kind TFL3"),
        (build({}, IDENTIFIER), "version 0"),
        (File().content(0, version=2), "version 2"),
        (File().content(0), "not one input and one output"),
    ],
)
def test_a_file_that_is_none_of_ours_is_refused_in_a_sentence(content: bytes, said: str) -> None:
    with pytest.raises(GraphError, match=r"here\.tflite cannot be read") as refusal:
        read(content, "here.tflite")
    assert said in str(refusal.value)


def test_a_shape_that_would_exhaust_the_memory_is_refused() -> None:
    file = File()
    file.tensor(1, 1 << 15, 1 << 15, 3)
    with pytest.raises(GraphError, match="a shape that no network here has"):
        read(file.content(0), "file")


def test_constants_that_are_read_over_and_over_are_refused() -> None:
    file = File()
    last = file.tensor(1, 1, 1, 1)
    weights = file.tensor(1000, 1, 1, 1, data=np.ones((1000, 1, 1, 1), np.float32))
    for _ in range(200):
        made = file.tensor(1, 1, 1, 1000)
        file.operator(Builtin.CONV_2D, [last, weights], made, padding=1, stride_h=1, stride_w=1)
    with pytest.raises(GraphError, match="over and over"):
        read(file.content(made), "file")


def test_metadata_of_other_channels_are_refused() -> None:
    file = File()
    end = file.tensor(1, 4, 4, 2)
    file.tensor(1, 4, 4, 2)
    file.operator(Builtin.TANH, [end], 1)
    content = metadata_bytes("x", Description((1, 2, 3), (1, 1, 1)), 3)
    file.buffers.append({Buffer.DATA: Vector(np.frombuffer(content, np.uint8), 16)})
    file.metadata.append({Metadata.NAME: METADATA_NAME, Metadata.BUFFER: Scalar("I", len(file.buffers) - 1)})
    with pytest.raises(GraphError, match="normalise 3 channels, not 2"):
        read(file.content(1), "file")


def read_safely(content: bytes) -> None:
    """A hostile file is a network that runs, or a GraphError."""
    with suppress(GraphError):
        class_names(content)
    with suppress(GraphError):
        network = read(content, "hostile")
        if isinstance(network, IntegerNetwork) and sum(map(network.macs, network.steps)) < 1e6:
            run(network, np.zeros((1, *network.input_shape), np.int8))


@given(networks(5), st.data())
@settings(max_examples=150, deadline=None)
def test_damaged_bytes_do_no_harm(network: IntegerNetwork, data: st.DataObject) -> None:
    try:
        content = bytearray(write(network, ("a", "b")))
    except GraphError:
        return
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.sampled_from((0, 1, 0x7F, 0x80, 0xFF)) | st.integers(0, 255))
    read_safely(bytes(content))


def test_a_file_that_is_cut_off_anywhere_is_refused(resnet8_int8: bytes) -> None:
    for length in (*range(0, 400, 7), *range(400, len(resnet8_int8) - 1, 997)):
        with pytest.raises(GraphError):
            read(resnet8_int8[:length], "cut")


@given(st.binary(max_size=300).map(lambda tail: b"\x10\0\0\0TFL3" + tail))
@example(b"\0\0\0\0TFL3")
@settings(max_examples=300, deadline=None)
def test_any_bytes_do_no_harm(content: bytes) -> None:
    read_safely(content)
