"""ONNX files: what onnxruntime answers, beside the integer reference, and what a file tells of itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.deploy.c.zoo_networks import zoo_network
from tests.net.integer.random_network import networks

from pennyweight.core.errors import GraphError
from pennyweight.data.source import open_source
from pennyweight.deploy.onnx.write import is_ours, write
from pennyweight.deploy.tflite.read import read
from pennyweight.net.graph import INPUT
from pennyweight.net.integer.network import IntegerNetwork, Step
from pennyweight.net.integer.quantization import Quantization
from pennyweight.net.integer.reference import compute, dequantise, quantise_input, run
from pennyweight.net.ops import GlobalPool, Pool
from pennyweight.net.zoo import families

onnx = pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime of the extra `test` has no wheel for this system")

Array = np.ndarray[Any, Any]

LARGE = ("board-vgg", "mobilenetv2", "plain-cnn", "resnet50", "squeezenet", "vgg")


def pixels_for(network: IntegerNetwork, count: int) -> Array:
    return np.random.default_rng(0).integers(0, 256, (count, *network.input_shape)).astype(np.uint8)


def session_of(content: bytes, *, joined: bool = True) -> Any:
    """onnxruntime with the file; unless `joined`, each operator is computed as it stands there."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if joined else levels.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def answers_of(content: bytes, pixels: Array, *, joined: bool = True) -> Array:
    (answers,) = session_of(content, joined=joined).run(None, {INPUT: pixels})
    return np.asarray(answers)


def with_tensors(content: bytes, network: IntegerNetwork) -> bytes:
    """The file with the integers of every step among its outputs."""
    model = onnx.load_from_string(content)
    for step in network.steps:
        model.graph.output.append(onnx.helper.make_tensor_value_info(f"{step.name}/int8", onnx.TensorProto.INT8, None))
    return bytes(model.SerializeToString())


def steps_off(network: IntegerNetwork, count: int, *, joined: bool) -> dict[str, Array]:
    """How many integers each step's results are off, where it reads what onnxruntime made before it."""
    pixels = pixels_for(network, count)
    session = session_of(with_tensors(write(network), network), joined=joined)
    names = [f"{step.name}/int8" for step in network.steps]
    tensors = dict(zip([step.name for step in network.steps], session.run(names, {INPUT: pixels}), strict=True))
    tensors = {name: in_our_order(tensor) for name, tensor in tensors.items()}
    tensors[INPUT] = quantise_input(network, pixels)
    return {
        step.name: np.abs(
            tensors[step.name].astype(int)
            - compute(network, step, *(tensors[name] for name in step.inputs)).astype(int)
        )
        for step in network.steps
    }


def in_our_order(tensor: Array) -> Array:
    """Pictures as NHWC."""
    return tensor.transpose(0, 2, 3, 1) if tensor.ndim == 4 else tensor


@given(networks())
@settings(max_examples=60, deadline=None)
def test_no_step_is_off_by_more_than_its_one_rounding(network: IntegerNetwork) -> None:
    """As it stands in the file; what was rounded before is what a step reads, here and there."""
    off = steps_off(network, 3, joined=False)
    for step in network.steps:
        if not saturates(network, step):
            assert off[step.name].max() <= 1, step.name


def saturates(network: IntegerNetwork, step: Step) -> bool:
    """Whether a sigmoid or tanh reads so coarse a scale that TFLite Micro's kernels take its ends for all but 0."""
    return getattr(step.op, "function", "") in ("sigmoid", "tanh") and network.input_quantizations(step)[0].scale >= 4


@pytest.mark.parametrize(
    "family", [pytest.param(name, marks=[pytest.mark.slow] * (name in LARGE)) for name in sorted(families())]
)
def test_every_family_is_the_same_network_in_onnxruntime(family: str) -> None:
    """Means are off most often: a sum of 2^n numbers lies beside a half as often as once in 2^n."""
    network = zoo_network(family)
    off = steps_off(network, 4, joined=True)
    for step in network.steps:
        assert off[step.name].max() <= 1, step.name
        assert (off[step.name] > 0).mean() <= (0.15 if isinstance(step.op, GlobalPool) else 0.03), step.name
    pixels, output = pixels_for(network, 4), network.quantizations[network.output]
    exact = run(network, quantise_input(network, pixels))
    answers = answers_of(write(network), pixels)
    assert np.abs(answers - dequantise(network, exact)).max() <= 4.01 * output.scale


def test_no_step_of_a_trained_network_is_off_by_more_than_one(resnet8_int8: bytes) -> None:
    network = read(resnet8_int8, "resnet8")
    assert isinstance(network, IntegerNetwork)
    for name, off in steps_off(network, 4, joined=True).items():
        assert off.max() <= 1, name
        assert (off > 0).mean() <= 0.05, name


@pytest.mark.slow
@pytest.mark.realdata
def test_a_trained_network_gives_real_images_the_same_answers(resnet8_int8: bytes, real_data: Path) -> None:
    """98.5 % of 1,000, and 86 % of the bytes: one integer of its logits is a tenth of the way between two classes."""
    network = read(resnet8_int8, "resnet8")
    assert isinstance(network, IntegerNetwork)
    pixels = open_source("cifar10", data_dir=real_data).learning.images[:500]
    exact = run(network, quantise_input(network, pixels))
    answers = answers_of(write(network), pixels)
    assert (answers.argmax(1) == exact.argmax(1)).mean() >= 0.97


@pytest.mark.parametrize("padding", [(0, 0, 0, 0), (1, 0, 1, 0), (1, 1, 1, 1), (0, 2, 2, 1)])
@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("kind", ["max", "average"])
@pytest.mark.parametrize("shape", [(7, 7, 2), (8, 5, 3)])
def test_pools_of_every_padding_count_the_same_windows(
    kind: str, ceil: bool, padding: tuple[int, int, int, int], shape: tuple[int, int, int]
) -> None:
    pool = Pool(kind, (3, 3), (2, 2), padding, ceil)  # type: ignore[arg-type]
    network = network_of(Step("pool", pool, (INPUT,), Q), shape=shape)
    (off,) = steps_off(network, 4, joined=False).values()
    assert off.max() <= (1 if kind == "average" else 0)


Q = Quantization(0.05, 3)


def network_of(*steps: Step, shape: tuple[int, int, int] = (6, 6, 2)) -> IntegerNetwork:
    return IntegerNetwork("net", shape, Q, steps, (127.5,) * shape[2], (64.25,) * shape[2])


def test_all_that_has_no_form_is_said_at_once() -> None:
    wide = Pool("max", (2, 2), (1, 1), (2, 2, 2, 2))
    with pytest.raises(GraphError, match=r"'a': a pool of 2x2 with as much padding.*'b': a pool of 2x2"):
        write(network_of(Step("a", wide, (INPUT,), Q), Step("b", wide, ("a",), Q)))


def test_the_file_says_what_goes_in_and_what_comes_out() -> None:
    network = zoo_network("mlp")
    model = onnx.load_from_string(write(network, ["a"] * 10))
    (opset,) = model.opset_import
    assert (opset.version, model.ir_version, model.producer_name) == (13, 7, "pennyweight")
    session = session_of(model.SerializeToString())
    (image,), (logits,) = session.get_inputs(), session.get_outputs()
    assert (image.name, image.type, image.shape) == (INPUT, "tensor(uint8)", ["count", 32, 32, 3])
    assert (logits.name, logits.type, logits.shape) == ("logits", "tensor(float)", ["count", 10])
    facts = {prop.key: json.loads(prop.value) for prop in model.metadata_props}
    assert facts == {"mean": list(network.mean), "std": list(network.std), "class_names": ["a"] * 10}


@given(st.lists(st.text(), min_size=10, max_size=10), st.text())
@settings(max_examples=25, deadline=None)
def test_hostile_names_are_texts_and_nothing_else(names: list[str], text: str) -> None:
    network = NAMED.renamed(text)
    content = write(network, names)
    model = onnx.load_from_string(content)
    told = {prop.key: prop.value for prop in model.metadata_props}
    assert json.loads(told["class_names"]) == names
    assert model.doc_string.isprintable()
    assert not any(tensor.data_location or tensor.external_data for tensor in model.graph.initializer)
    plain = onnx.load_from_string(write(NAMED, ["a"] * 10))
    assert model.graph == plain.graph


NAMED = zoo_network("mlp:hidden=4", (4, 4, 3))


def test_lone_surrogates_do_not_break_a_file() -> None:
    assert is_ours(write(NAMED.renamed("\udce9"), ["\ud800"] * 10))


@given(st.binary())
@settings(deadline=None)
def test_any_other_bytes_are_not_ours(content: bytes) -> None:
    assert not is_ours(content)


def test_the_same_network_is_the_same_bytes() -> None:
    assert write(NAMED, ["a"] * 10) == write(NAMED, ["a"] * 10)
