"""Runs side by side: honest about what was looked at, exact about differences, and patient with broken folders."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import binomtest

from pennyweight.core.errors import DataError, RunError
from pennyweight.core.run import ASKED, SETTINGS, Run
from pennyweight.core.version import VERSION
from pennyweight.data.digits import read_digits
from pennyweight.data.images import LabelledImages
from pennyweight.fit.compare import SIGNIFICANT, Difference, compare, mcnemar
from pennyweight.fit.evaluate import evaluate
from pennyweight.fit.network import TrainedNetwork
from pennyweight.fit.recipe import Recipe
from pennyweight.fit.train import train
from pennyweight.net.cost import cost
from pennyweight.net.graph import Graph

pytestmark = pytest.mark.usefixtures("hasty_clock")

RECIPE = Recipe(epochs=3, optimizer="muon", validation=0.2)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    return {
        name: train("digits", f"mlp:hidden={hidden}", recipe=RECIPE, out=folder / name, device="cpu").run
        for name, hidden in (("small", 4), ("large", 32))
    }


@pytest.fixture
def runs(templates: dict[str, Path], tmp_path: Path) -> list[Path]:
    """Fresh copies of a weak run and of a better one."""
    return [Path(shutil.copytree(template, tmp_path / name)) for name, template in templates.items()]


@given(only_a=st.integers(0, 400), only_b=st.integers(0, 400))
def test_the_p_value_is_that_of_an_exact_binomial_test(only_a: int, only_b: int) -> None:
    expected = binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    assert mcnemar(only_a, only_b) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("only_a", "only_b"), [(5_000, 5_200), (0, 3_000), (20_000, 19_500)])
def test_the_p_value_stays_exact_for_many_images(only_a: int, only_b: int) -> None:
    assert mcnemar(only_a, only_b) == pytest.approx(binomtest(only_a, only_a + only_b).pvalue, rel=1e-9)


def test_a_difference_is_called_one_only_where_the_images_show_it() -> None:
    def says(only_a: int, only_b: int) -> str:
        return Difference(Path("a"), Path("b"), "test", 1200, only_a, only_b).says

    assert says(8, 5) == "no difference that these 1,200 images can show (p = 0.58)"
    assert says(30, 10) == "a is better (p = 0.0022)"
    assert says(10, 30) == "b is better (p = 0.0022)"
    assert says(100, 5) == "a is better (p < 0.0001)"


def test_a_row_says_what_the_run_the_cost_and_evaluate_say(runs: list[Path]) -> None:
    found = compare(runs, device="cpu")
    assert [row.run for row in found.runs] == runs
    for run, row in zip(runs, found.runs, strict=True):
        results, graph = Run.open(run).read("results.json"), TrainedNetwork.of(Run.open(run), CPU).graph
        assert (row.parameters, row.epochs) == (results["parameters"], 3)
        assert row.seconds_per_epoch == sorted(epoch["seconds"] for epoch in results["curves"])[1]
        assert row.validation is not None
        assert (row.validation.correct, row.validation.n) == (results["validation_correct"], results["validation_n"])
        assert row.train == evaluate(run, part="train", device="cpu").accuracy
        assert (row.macs, row.flash_bytes, row.peak_ram_bytes) == (
            cost(graph).macs,
            cost(graph).flash_bytes,
            cost(graph).peak_ram_bytes,
        )
        assert row.weight_bytes == 4 * row.parameters
        assert 0 < row.timing.best_batch_ms_per_image <= row.timing.batch1_ms
    facts = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert set(facts) == {"runs", "comparisons", "notes"}
    assert facts["runs"][0]["train_interval"] == list(found.runs[0].train.interval)  # type: ignore[union-attr]
    assert {"flash_bytes", "seconds_per_epoch", "test_n", "photos_accuracy", "batch1_ms"} <= set(facts["runs"][0])


def test_the_test_part_stays_sealed_until_somebody_evaluates(runs: list[Path]) -> None:
    for row in compare(runs, device="cpu").runs:
        assert (row.test, row.opened, Run.open(row.run).openings()) == (None, 0, [])
    looked = evaluate(runs[0], device="cpu")
    first, second = compare(runs, device="cpu").runs
    assert (first.test, first.opened) == (looked.accuracy, 1)
    assert (second.test, second.opened) == (None, 0)


def test_the_discordant_images_are_those_that_one_network_alone_answers_rightly(runs: list[Path]) -> None:
    for run in runs:
        evaluate(run, device="cpu")
    (pair,) = compare(runs, device="cpu").differences
    sealed = read_digits().sealed
    small, large = (
        (TrainedNetwork.of(Run.open(run), CPU).logits(sealed.images).argmax(1).numpy() == sealed.labels) for run in runs
    )
    assert (pair.a, pair.b, pair.part, pair.n) == (runs[1], runs[0], "test", len(sealed))
    assert (pair.only_a_right, pair.only_b_right) == ((large & ~small).sum(), (small & ~large).sum())
    assert pair.p_value < SIGNIFICANT


def test_runs_that_answered_different_images_are_not_tested_against_each_other(
    runs: list[Path], tmp_path: Path, digits: LabelledImages
) -> None:
    other = train(digits, "mlp:hidden=4", recipe=RECIPE, out=tmp_path / "other", device="cpu").run
    evaluate(runs[0], device="cpu")
    evaluate(other, digits, device="cpu")
    found = compare([runs[0], other], device="cpu")
    assert found.differences == ()
    assert any("different images" in note for note in found.notes)
    assert found.runs[1].train is None
    assert any(f"{other}: its train accuracy is not known" in note for note in found.notes)


def test_the_train_accuracy_is_evaluated_once_and_kept(runs: list[Path]) -> None:
    first = compare(runs[:1], device="cpu").runs[0].train
    file = runs[0] / "evaluations" / "train.json"
    before = file.stat().st_mtime_ns
    assert compare(runs[:1], device="cpu").runs[0].train == first
    assert file.stat().st_mtime_ns == before


def test_a_run_whose_images_have_changed_has_no_train_accuracy(runs: list[Path], tmp_path: Path) -> None:
    everything = read_digits()
    pixels = everything.learning.images.copy()
    np.savez(tmp_path / "set.npz", images=pixels, labels=everything.learning.labels)
    run = train(str(tmp_path / "set.npz"), "mlp:hidden=4", recipe=RECIPE, out=tmp_path / "run", device="cpu").run
    np.savez(tmp_path / "set.npz", images=255 - pixels, labels=everything.learning.labels)
    found = compare([run], device="cpu")
    assert found.runs[0].train is None
    assert "not the ones that it was trained on" in found.notes[0]


def of_another_version(run: Path) -> None:
    (run / "results.json").rename(run / "results-of-the-future.json")
    settings = json.loads((run / SETTINGS).read_text())
    (run / SETTINGS).write_text(json.dumps(settings | {"pennyweight": "9.9"}))


def broken_down(run: Path) -> None:
    (run / "results.json").unlink()
    Run(run).note_failure({"epoch": 1, "what": "the loss is nan in epoch 1", "hint": ""})


DAMAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no folder": (shutil.rmtree, "there is no run folder"),
    "unfinished": (lambda run: (run / "results.json").unlink(), "has not ended|is missing"),
    "broken down": (broken_down, "broke down: the loss is nan in epoch 1; pennyweight diagnose"),
    "another version": (of_another_version, "made by version 9.9"),
    "no weights": (lambda run: (run / "weights.safetensors").write_bytes(b""), "not what the training wrote"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_broken_run_is_left_out_with_its_reason_and_the_others_stay(damage: str, runs: list[Path]) -> None:
    harm, reason = DAMAGES[damage]
    harm(runs[0])
    found = compare(runs, device="cpu")
    assert [row.run for row in found.runs] == runs[1:]
    (note,) = found.notes
    assert note.startswith(f"{runs[0]} was left out: ")
    with pytest.raises(RunError, match=reason):
        compare(runs[:1], device="cpu")


def test_a_run_of_another_version_is_compared_and_told(runs: list[Path]) -> None:
    folder = Run.open(runs[0])
    settings, results, weights = folder.read(SETTINGS), folder.read("results.json"), folder.weights()
    (runs[0] / "results.json").unlink()
    (runs[0] / SETTINGS).write_text(json.dumps(settings | {"pennyweight": "0.0.7"}))
    folder.finish(weights, results, {name: folder.checksum(name) for name in ASKED})
    found = compare(runs, device="cpu")
    assert len(found.runs) == len(runs)
    assert f"{runs[0]}: it was made by version 0.0.7, this is {VERSION}" in found.notes


def test_a_broken_evaluation_is_left_out_and_told_and_its_run_stays(runs: list[Path]) -> None:
    for run in runs:
        evaluate(run, device="cpu")
    file = runs[0] / "evaluations" / "test.json"
    whole = json.loads(file.read_text())
    for content in ("{", json.dumps(whole | {"answers": ["one", 2]}), json.dumps(whole | {"correct": 3})):
        file.write_text(content)
        found = compare(runs, device="cpu")
        assert [row.test is None for row in found.runs] == [True, False]
        assert found.differences == ()
        (note,) = found.notes
        assert "evaluations/test.json" in note


@pytest.mark.parametrize("source", ["hf:evil/x", "cifar10"])
def test_images_that_would_be_fetched_are_not_opened(
    source: str, runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_CACHE_HOME", "PENNYWEIGHT_DATA"):
        monkeypatch.setenv(name, str(tmp_path))
    folder = Run.open(runs[0])
    settings, results = folder.read(SETTINGS), folder.read("results.json")
    (runs[0] / "results.json").unlink()
    (runs[0] / SETTINGS).write_text(json.dumps(settings | {"source": source}))
    folder.finish(
        (runs[0] / "weights.safetensors").read_bytes(), results, {name: folder.checksum(name) for name in ASKED}
    )
    found = compare(runs[:1], device="cpu")
    assert found.runs[0].train is None
    (note,) = found.notes
    assert f"{source}, would have to be fetched" in note
    assert note.endswith(f"pennyweight evaluate {runs[0]} --part train fetches them")


def test_a_search_leads_to_no_folder_outside_of_its_own(runs: list[Path], tmp_path: Path) -> None:
    search = tmp_path / "search"
    search.mkdir()
    Path(shutil.copytree(runs[0], search / "trial-01"))
    (search / "linked").symlink_to(runs[1])
    (search / "loop").symlink_to("loop")
    shutil.copytree(runs[1], tmp_path, dirs_exist_ok=True)
    before = sorted(tmp_path.iterdir())
    entries = [{"run": run} for run in ("..", "", ".", "../..", "linked", "trial-01", "x" * 300)]
    (search / "search.json").write_text(json.dumps({"front": entries}))
    found = compare([search], device="cpu")
    assert [row.run for row in found.runs] == [search / "trial-01"]
    assert sum(f"in {search}" in note and "left out: there is no run" in note for note in found.notes) == 6
    assert sorted(tmp_path.iterdir()) == before
    (search / "search.json").write_text(json.dumps({"front": [{"run": "loop"}]}))
    assert "left out" in compare([search, runs[0]], device="cpu").notes[0]


def test_a_run_that_is_named_twice_is_compared_once(runs: list[Path]) -> None:
    assert len(compare([*runs, runs[0]], device="cpu").runs) == 2


def test_the_folder_of_a_search_stands_for_its_front_wherever_it_lies_now(runs: list[Path]) -> None:
    search = runs[0].parent
    entries = [{"run": f"elsewhere/{run.name}"} for run in runs]
    (search / "search.json").write_text(json.dumps({"trials": entries, "front": entries[1:]}))
    assert [row.run for row in compare([search], device="cpu").runs] == runs[1:]
    (search / "search.json").write_text(json.dumps({"trials": entries}))
    found = compare([search], device="cpu")
    assert [row.run for row in found.runs] == runs
    assert "the search has not ended" in found.notes[0]
    for content in ("{", "[]", '{"front": 3}', '{"front": [{}]}', "{}"):
        (search / "search.json").write_text(content)
        assert "search.json cannot be read" in compare([search, runs[0]], device="cpu").notes[0]


def test_own_photos_are_answered_by_every_run_that_can(
    runs: list[Path], tmp_path: Path, digits: LabelledImages, mlp: Graph
) -> None:
    sealed = read_digits().sealed
    for index in range(12):
        folder = tmp_path / "photos" / str(sealed.labels[index])
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(sealed.images[index, :, :, 0]).save(folder / f"{index}.png")
    renamed = replace(digits, class_names=tuple("abcdefghij"))
    stranger = train(renamed, mlp, recipe=RECIPE, out=tmp_path / "stranger", device="cpu").run
    found = compare([*runs, stranger], photos=tmp_path / "photos", device="cpu")
    assert [row.photos.n if row.photos else None for row in found.runs] == [12, 12, None]
    assert any(f"{stranger}: the photos could not be answered" in note for note in found.notes)
    assert [(pair.part, pair.n) for pair in found.differences] == [("photos", 12)]
    assert not any("different shapes" in note for note in found.notes)
    with pytest.raises(DataError, match="no folder of photos"):
        compare(runs, photos=tmp_path / "nothing")


def test_photos_that_are_not_the_same_pictures_to_all_runs_are_told(runs: list[Path], tmp_path: Path) -> None:
    enlarged = train(
        "digits", "mlp:hidden=4", recipe=RECIPE, input_shape=(12, 12, 1), out=tmp_path / "12", device="cpu"
    )
    sealed = read_digits().sealed
    for name in ("3", "5"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        picture = Image.fromarray(sealed.images[np.flatnonzero(sealed.labels == int(name))[0], :, :, 0])
        picture.resize((64, 64)).save(tmp_path / "photos" / name / "1.png")
    Image.new("L", (40, 50), 220).save(tmp_path / "photos" / "3" / "blank.png")
    found = compare([*runs, enlarged.run], photos=tmp_path / "photos", device="cpu")
    assert [(pair.a, pair.b) for pair in found.differences] in ([tuple(runs)], [tuple(reversed(runs))])
    (note,) = (note for note in found.notes if "different shapes" in note)
    assert note.endswith(f"only within each of: {runs[0]}, {runs[1]}; {enlarged.run}")
    blank = [note for note in found.notes if "nothing was found in 1 of 3 photos; without them" in note]
    assert [note.partition(":")[0] for note in blank] == [str(run) for run in (*runs, enlarged.run)]
