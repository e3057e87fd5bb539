"""The integer network in a run folder: whole, or refused with what to do."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from pennyweight.core.errors import RunError
from pennyweight.core.run import Run
from pennyweight.data.images import LabelledImages
from pennyweight.fit.train import recipe_of, train
from pennyweight.net.integer.reference import quantise_input, run
from pennyweight.shrink.quantize.kept import FOLDER, NETWORK, RESULTS, kept_network
from pennyweight.shrink.quantize.quantize import quantize


@pytest.fixture(scope="module")
def quantised(trained: Path, digits: LabelledImages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept") / "run"
    shutil.copytree(trained, folder)
    quantize(folder, digits, device="cpu")
    return folder


@pytest.fixture
def folder(quantised: Path, tmp_path: Path) -> Path:
    shutil.copytree(quantised, tmp_path / "run")
    return tmp_path / "run"


def test_what_is_kept_answers_as_it_was_judged(folder: Path, digits: LabelledImages) -> None:
    network = kept_network(Run.open(folder))
    _, validation = digits.split(recipe_of(Run.open(folder)).validation)
    answers = run(network, quantise_input(network, validation.images)).argmax(1)
    found = quantize(folder, digits, device="cpu")
    assert int((answers == validation.labels).sum()) == found.int8_accuracy.correct
    assert found.weight_bytes == network.weight_bytes


def test_a_run_that_was_not_quantised_is_told_how(trained: Path) -> None:
    with pytest.raises(RunError, match="is not quantised") as error:
        kept_network(Run.open(trained))
    assert "pennyweight quantize" in error.value.hint


@pytest.mark.parametrize("name", [NETWORK, RESULTS])
@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff" * 64, b'{"sha256": 3}'])
def test_a_file_that_is_not_whole_is_refused(folder: Path, name: str, content: bytes) -> None:
    (folder / FOLDER / name).write_bytes(content)
    with pytest.raises(RunError) as error:
        kept_network(Run.open(folder))
    assert "pennyweight quantize" in error.value.hint


def test_the_network_of_another_training_is_refused(folder: Path, digits: LabelledImages, tmp_path: Path) -> None:
    train(digits, "pooled-resnet:width=4", settings=["epochs=1"], out=tmp_path / "other", device="cpu")
    shutil.copytree(folder / FOLDER, tmp_path / "other" / FOLDER)
    with pytest.raises(RunError, match="not that of these weights"):
        kept_network(Run.open(tmp_path / "other"))


def test_nothing_is_written_through_a_link(folder: Path, digits: LabelledImages, tmp_path: Path) -> None:
    shutil.rmtree(folder / FOLDER)
    (tmp_path / "elsewhere").mkdir()
    (folder / FOLDER).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="is a link"):
        quantize(folder, digits, device="cpu")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_full_disk_leaves_the_old_network(
    folder: Path, digits: LabelledImages, full_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    before = kept_network(Run.open(folder))
    with full_disk(1000), pytest.raises(RunError, match=r"cannot be written.*accuracy in int8 is"):
        quantize(folder, digits, calibration="min-max", device="cpu")
    after = kept_network(Run.open(folder))
    assert [step.name for step in after.steps] == [step.name for step in before.steps]
    assert np.array_equal(after.steps[0].weights.values, before.steps[0].weights.values)  # type: ignore[union-attr]
