"""`quantize` from a run folder to figures, and what it refuses."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from pennyweight.core.errors import DataError, GraphError, RunError, UsageError
from pennyweight.core.run import ASKED, GRAPH, RESULTS, SETTINGS, Run
from pennyweight.data.images import LabelledImages, Part
from pennyweight.fit.compare import mcnemar
from pennyweight.fit.train import train
from pennyweight.net import ops
from pennyweight.net.build import Builder
from pennyweight.shrink.quantize.quantize import quantize


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained, tmp_path / "run")
    return tmp_path / "run"


def test_digits_lose_little_and_every_figure_is_there(run: Path, digits: LabelledImages) -> None:
    found = quantize(run, digits, device="cpu")
    assert found.part == "validation"
    assert found.float_accuracy.n == found.int8_accuracy.n == 287
    assert abs(found.drop_points) <= 1
    assert found.only_float_right - found.only_int8_right == found.float_accuracy.correct - found.int8_accuracy.correct
    assert found.p_value == mcnemar(found.only_float_right, found.only_int8_right)
    assert found.opened == 0
    ratios = [step.signal_to_noise_db for step in found.steps]
    assert ratios == sorted(ratios)
    assert {"conv1", "dense1", "add1", "image"} <= {step.name for step in found.steps}
    facts = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert facts["n"] == found.int8_accuracy.n


@pytest.mark.parametrize("calibration", ["min-max", "percentile", "mse"])
def test_two_calls_make_the_same_network(run: Path, digits: LabelledImages, calibration: str) -> None:
    made = []
    for _ in range(2):
        quantize(run, digits, calibration=calibration, device="cpu")  # type: ignore[arg-type]
        made.append((run / "integer" / "network.safetensors").read_bytes())
    assert made[0] == made[1]


def test_the_test_part_is_opened_only_where_it_is_asked_for_and_counted(run: Path, digits: LabelledImages) -> None:
    quantize(run, digits, part="train", calibration_images=64, device="cpu")
    assert Run.open(run).openings() == []
    found = quantize(run, digits, part="test", calibration_images=64, device="cpu")
    assert (found.opened, len(Run.open(run).openings())) == (1, 1)
    assert found.int8_accuracy.n == len(digits.sealed)


def test_calibration_and_choice_see_neither_test_nor_other_images(run: Path, digits: LabelledImages) -> None:
    """Where the sealed images are other ones, the network is the same."""
    networks = []
    for part in ("validation", "test"):
        quantize(run, digits, part=part, device="cpu")  # type: ignore[arg-type]
        networks.append((run / "integer" / "network.safetensors").read_bytes())
    assert networks[0] == networks[1]


def test_a_drop_is_followed_by_fine_tuning_that_is_kept_only_where_it_helps(run: Path, digits: LabelledImages) -> None:
    steps = []
    found = quantize(run, digits, drop_points=-100, device="cpu", on_progress=steps.append)
    assert steps
    assert "fine-tuning" in found.notes[0]
    before = quantize(run, digits, device="cpu")
    assert found.drop_points <= before.drop_points
    assert (found.fine_tuned_epochs > 0) == (found.drop_points < before.drop_points)


def test_a_run_without_validation_is_judged_where_it_is_told(tmp_path: Path, digits: LabelledImages) -> None:
    train(digits, "mlp:hidden=8", settings=["epochs=1", "validation=0"], out=tmp_path / "run", device="cpu")
    with pytest.raises(DataError, match="held out") as error:
        quantize(tmp_path / "run", digits, device="cpu")
    assert "--part" in error.value.hint
    assert quantize(tmp_path / "run", digits, part="train", device="cpu").int8_accuracy.n == len(digits.learning)


def test_layers_without_an_integer_form_are_listed_before_any_image_is_read(tmp_path: Path) -> None:
    net = Builder((8, 8, 1))
    net.dense(12)
    net.activation("relu")
    start = net.batch_norm()
    net.activation("relu")
    net.add(ops.Add(), start, net.batch_norm())
    net.dense(10)
    random = np.random.default_rng(0)
    part = Part(random.integers(0, 256, (40, 8, 8, 1)).astype(np.uint8), np.arange(40) % 10)
    images = LabelledImages("noise", part, part, tuple("0123456789"))
    train(images, net.graph("odd"), settings=["epochs=1", "batch=8"], out=tmp_path / "run", device="cpu")
    with pytest.raises(GraphError, match=r"batch_norm1.*batch_norm2"):
        quantize(tmp_path / "run", device="cpu")


def images_of(pixels: np.ndarray, labels: np.ndarray) -> LabelledImages:
    part = Part(pixels.astype(np.uint8), labels.astype(np.int64))
    return LabelledImages("made", part, part, tuple("0123456789"))


def test_calibration_images_of_one_colour_each_are_refused(tmp_path: Path) -> None:
    pixels = np.broadcast_to(np.arange(40).reshape(-1, 1, 1, 1), (40, 8, 8, 1))
    images = images_of(pixels, np.arange(40) % 10)
    train(images, "mlp:hidden=4", settings=["epochs=1", "batch=8"], out=tmp_path / "run", device="cpu")
    with pytest.raises(DataError, match="of one colour") as error:
        quantize(tmp_path / "run", images, device="cpu")
    assert "--images" in error.value.hint


def test_calibration_images_of_one_class_are_told_of(run: Path, digits: LabelledImages) -> None:
    found = quantize(run, digits, calibration_images=1, drop_points=100, device="cpu")
    assert any("of one class" in note for note in found.notes)


def test_ranges_that_most_images_leave_are_told_of(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (300, 8, 8, 1))
    labels = np.arange(300) % 10
    images = images_of(pixels, labels)
    train(images, "mlp:hidden=16", settings=["epochs=3", "batch=16"], out=tmp_path / "run", device="cpu")
    found = quantize(tmp_path / "run", images, calibration_images=2, drop_points=100, device="cpu")
    assert any("clipped in" in note and "--calibration" in note for note in found.notes)


def test_weights_that_are_not_numbers_are_an_error(run: Path, digits: LabelledImages) -> None:
    tensors = load((run / "weights.safetensors").read_bytes())
    tensors["conv1.weight"][0] = torch.nan
    told = Run.open(run)
    graph, settings, results = told.read(GRAPH), told.read(SETTINGS), told.read(RESULTS)
    other = Run.create(run.parent / "nan", settings, graph, {})
    other.finish(save(tensors), results, {name: other.checksum(name) for name in ASKED})
    with pytest.raises(RunError, match=r"conv1\.weight has .* not finite"):
        quantize(other.folder, digits, device="cpu")


def test_images_that_changed_since_the_training_are_refused(run: Path, digits: LabelledImages) -> None:
    other = replace(digits, sealed=digits.learning)
    with pytest.raises(RunError, match="not what this network was trained on"):
        quantize(run, other, device="cpu")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"part": "all"}, "unknown part 'all'"),
        ({"calibration": "median"}, "unknown calibration 'median'"),
        ({"rounding": "up"}, "unknown rounding 'up'"),
        ({"calibration_images": 0}, "at least 1"),
        ({"device": "abacus"}, "abacus"),
    ],
)
def test_words_that_are_not_known_are_refused(run: Path, settings: dict[str, str], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        quantize(run, **settings)  # type: ignore[arg-type]
