"""Firmware and files, asked as a run is: the same images, the same figures, and what int8 costs."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from tests.deploy.c.zoo_networks import zoo_network

from pennyweight.core.errors import DataError, RunError, UsageError
from pennyweight.core.run import Run
from pennyweight.data.images import LabelledImages, Part
from pennyweight.data.source import open_source
from pennyweight.deploy.deployable import open_deployable
from pennyweight.deploy.evaluate import IMAGES_AT_ONCE, evaluate_firmware, evaluate_tflite
from pennyweight.deploy.export.export import export
from pennyweight.deploy.tflite.write import write
from pennyweight.fit.card import CARD
from pennyweight.fit.evaluate import evaluate
from pennyweight.net.graph import INPUT
from pennyweight.net.integer.network import IntegerNetwork, Step
from pennyweight.net.integer.reference import quantise_input, run
from pennyweight.net.integer.tables import SIGMOID_OUTPUT
from pennyweight.net.ops import Flatten, GlobalPool, Softmax
from pennyweight.shrink.quantize.quantize import quantize

pytestmark = pytest.mark.usefixtures("hasty_clock")


@pytest.fixture
def quantised(digits_run: Path) -> Path:
    quantize(digits_run, calibration_images=200, drop_points=100)
    return digits_run


def test_the_c_answers_as_the_reference_and_float_as_evaluate_says(quantised: Path) -> None:
    images = open_source("digits")
    found = evaluate_firmware(quantised, part="validation")
    exact = evaluate(quantised, part="validation")
    network = open_deployable(quantised).network
    _, validation = images.split(0.2)
    answers = run(network, quantise_input(network, validation.images)).argmax(1)
    assert found.accuracy.correct == int((answers == validation.labels).sum())
    assert found.against_float is not None
    assert found.against_float.accuracy == exact.accuracy
    split = found.against_float.only_firmware_right - found.against_float.only_float_right
    assert split == found.accuracy.correct - exact.accuracy.correct
    assert (found.form, found.part, found.class_names) == ("firmware", "validation", exact.class_names)
    assert sum(map(sum, found.confusion)) == found.accuracy.n == exact.accuracy.n
    assert [each.n for each in found.per_class] == [each.n for each in exact.per_class]
    assert found.loss == pytest.approx(exact.loss, abs=0.1)


def test_a_look_at_the_test_part_is_counted_and_kept(quantised: Path) -> None:
    found = evaluate_firmware(quantised)
    assert (found.part, found.opened) == ("test", 1)
    assert len(Run.open(quantised).openings()) == 1
    assert found.kept is not None
    facts = json.loads(found.kept.read_text())
    assert facts["accuracy"] == found.accuracy.share
    assert sum(np.array(facts["labels"]) == np.array(facts["answers"])) == found.accuracy.correct
    assert facts["fingerprint"]
    assert evaluate_firmware(quantised, part="train").opened == 1


def test_the_card_has_what_the_c_answered_and_whoever_watches_is_told_how_far_it_is(quantised: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    found = evaluate_firmware(quantised, part="train", on_progress=lambda *step: steps.append(step))
    n = found.accuracy.n
    in_c = [("answering in C", at, n) for at in range(0, n, IMAGES_AT_ONCE)]
    assert steps == [("compiling", 0, n), *in_c, ("answering in float32", 0, n)]
    page = (quantised / CARD).read_text()
    assert found.against_float is not None
    both = f"{100 * found.against_float.accuracy.share:.2f} % | {100 * found.accuracy.share:.2f} %"
    assert f"| train | {both} |" in page


def test_a_run_without_integers_is_told_what_to_do(digits_run: Path) -> None:
    with pytest.raises(RunError, match="is not quantised"):
        evaluate_firmware(digits_run)
    assert Run.open(digits_run).openings() == []


def test_other_images_do_not_open_the_runs_test_part(quantised: Path) -> None:
    images = open_source("digits")
    few = LabelledImages(
        "few", images.learning.take(np.arange(50)), images.sealed.take(np.arange(30)), images.class_names
    )
    found = evaluate_firmware(quantised, few)
    assert (found.source, found.part, found.accuracy.n, found.opened) == ("few", "test", 30, 0)


def test_a_file_and_the_run_that_it_came_from_answer_alike(quantised: Path, tmp_path: Path) -> None:
    export(quantised, "tflite", out=tmp_path / "net.tflite")
    of_run = evaluate_firmware(quantised, part="test")
    of_file = evaluate_tflite(tmp_path / "net.tflite", "digits", part="test")
    assert of_file.confusion == of_run.confusion
    assert (of_file.form, of_file.part, of_file.opened, of_file.kept) == ("firmware", "test", None, None)
    assert of_file.against_float is None
    assert "not known" in of_file.notes[0]


def noise(classes: int = 10, shape: tuple[int, int, int] = (4, 4, 3)) -> LabelledImages:
    pictures = np.random.default_rng(0).integers(0, 256, (40, *shape)).astype(np.uint8)
    part = Part(pictures, np.arange(40) % classes)
    return LabelledImages("noise", part, part, tuple("abcdefghij"[:classes]))


def test_a_file_without_names_takes_the_sources(tmp_path: Path) -> None:
    (tmp_path / "net.tflite").write_bytes(write(zoo_network("mlp:hidden=8", (4, 4, 3))))
    found = evaluate_tflite(tmp_path / "net.tflite", noise())
    assert found.class_names == tuple("abcdefghij")
    assert any("in its order" in note for note in found.notes)


def test_classes_are_matched_by_name_where_the_file_tells_them(quantised: Path, tmp_path: Path) -> None:
    export(quantised, "tflite", out=tmp_path / "net.tflite")
    images = open_source("digits")
    turned = tuple(reversed(images.class_names))
    parts = (Part(part.images, 9 - part.labels) for part in (images.learning, images.open_test()))
    found = evaluate_tflite(tmp_path / "net.tflite", LabelledImages("turned", *parts, turned), part="test")
    assert found.accuracy == evaluate_tflite(tmp_path / "net.tflite", images, part="test").accuracy
    names = tuple(f"class {name}" for name in images.class_names)
    with pytest.raises(DataError, match="does not know"):
        evaluate_tflite(tmp_path / "net.tflite", LabelledImages("other", images.learning, images.sealed, names))


@pytest.mark.parametrize(
    ("images", "part", "error", "told"),
    [
        (noise(7), None, DataError, "10 classes apart, and noise has 7"),
        (noise(10, (5, 4, 3)), None, DataError, "noise has"),
        (noise(), "tset", UsageError, "unknown part"),
        (noise(), "validation", DataError, "validation part of noise is empty"),
    ],
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, images: LabelledImages, part: str | None, error: type[Exception], told: str
) -> None:
    (tmp_path / "net.tflite").write_bytes(write(zoo_network("mlp:hidden=8", (4, 4, 3))))
    with pytest.raises(error, match=told):
        evaluate_tflite(tmp_path / "net.tflite", images, part=part)  # type: ignore[arg-type]


def test_a_softmax_in_integers_may_give_a_true_class_no_chance(tmp_path: Path) -> None:
    """Probabilities are not put through a softmax again."""
    mean, flat = GlobalPool("average"), Flatten()
    source = zoo_network("mlp:hidden=8", (4, 4, 3)).input_quantization
    steps = (
        Step("mean", mean, (INPUT,), source),
        Step("flat", flat, ("mean",), source),
        Step("chances", Softmax(), ("flat",), SIGMOID_OUTPUT),
    )
    network = IntegerNetwork("net", (4, 4, 3), source, steps, (0.0,) * 3, (1.0,) * 3)
    (tmp_path / "net.tflite").write_bytes(write(network, ("a", "b", "c")))
    pictures = np.zeros((6, 4, 4, 3), np.uint8)
    pictures[np.arange(6), ..., np.arange(6) % 3] = 255
    part = Part(pictures, np.arange(6) % 3)
    found = evaluate_tflite(tmp_path / "net.tflite", LabelledImages("colours", part, part, ("a", "b", "c")))
    expected = math.exp(1.98) / (math.exp(1.98) + 2)
    assert found.accuracy.correct == 6
    assert found.reliability[int(expected * 15)].n == 6


@pytest.mark.slow
@pytest.mark.realdata
def test_mlperf_tinys_networks_agree_on_cifar10(
    real_data: Path, resnet8_int8: bytes, resnet8_float: bytes, tmp_path: Path
) -> None:
    """Its authors trained them on these images, so that the accuracy says nothing; that both agree does."""
    found = {}
    for name, content in (("int8", resnet8_int8), ("float", resnet8_float)):
        (tmp_path / f"{name}.tflite").write_bytes(content)
        found[name] = evaluate_tflite(tmp_path / f"{name}.tflite", "cifar10", data_dir=real_data)
    assert (found["int8"].form, found["float"].form) == ("firmware", "float32")
    assert abs(found["int8"].accuracy.share - found["float"].accuracy.share) < 0.01
