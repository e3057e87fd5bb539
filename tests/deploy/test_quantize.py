"""A float32 file in int8: what is written answers nearly as the file did, and is compared honestly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.deploy.c.zoo_networks import zoo_network

from pennyweight.core.errors import GraphError, UsageError
from pennyweight.data.images import LabelledImages, Part
from pennyweight.deploy.deployable import open_deployable
from pennyweight.deploy.evaluate import evaluate_tflite
from pennyweight.deploy.quantize import quantize_tflite
from pennyweight.deploy.tflite.write import write


@pytest.fixture(scope="module")
def images() -> LabelledImages:
    """Smooth pictures of ten classes, which is what the answers to them are asked of, not their labels."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (80, 4, 4, 3)).astype(np.uint8)
    pictures = coarse.repeat(8, 1).repeat(8, 2)
    labels = np.arange(80) % 10
    return LabelledImages(
        "squares", Part(pictures[:60], labels[:60]), Part(pictures[60:], labels[60:]), tuple("abcdefghij")
    )


def test_what_is_written_answers_as_was_told(images: LabelledImages, resnet8_float: bytes, tmp_path: Path) -> None:
    (tmp_path / "float.tflite").write_bytes(resnet8_float)
    found = quantize_tflite(tmp_path / "float.tflite", images, tmp_path / "int8.tflite", part="test", device="cpu")
    assert (found.run, found.kept) == (tmp_path / "float.tflite", tmp_path / "int8.tflite")
    assert (found.fine_tuned_epochs, found.opened, found.int8_accuracy.n) == (0, 0, 20)
    assert found.same_answers >= 16
    exact = evaluate_tflite(tmp_path / "float.tflite", images, device="cpu")
    rough = evaluate_tflite(tmp_path / "int8.tflite", images)
    assert (exact.form, rough.form) == ("float32", "firmware")
    assert (exact.accuracy, rough.accuracy) == (found.float_accuracy, found.int8_accuracy)
    assert open_deployable(tmp_path / "int8.tflite").class_names == images.class_names
    assert any("no normalisation" in note for note in found.notes)


def test_a_file_in_int8_is_told_that_it_is(images: LabelledImages, tmp_path: Path) -> None:
    (tmp_path / "int8.tflite").write_bytes(write(zoo_network("mlp:hidden=8")))
    with pytest.raises(GraphError, match="in int8 already") as refusal:
        quantize_tflite(tmp_path / "int8.tflite", images, tmp_path / "out.tflite")
    assert "pennyweight export" in refusal.value.hint


def test_nothing_of_anybody_elses_is_overwritten(images: LabelledImages, resnet8_float: bytes, tmp_path: Path) -> None:
    (tmp_path / "float.tflite").write_bytes(resnet8_float)
    with pytest.raises(UsageError, match="was not exported from here"):
        quantize_tflite(tmp_path / "float.tflite", images, tmp_path / "float.tflite")
    assert (tmp_path / "float.tflite").read_bytes() == resnet8_float
