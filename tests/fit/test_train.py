"""A training in its folder: killed it resumes, and what cannot go on says so and keeps what there was."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from pennyweight.core.errors import DataError, GraphError, RunError, TrainingError, UsageError
from pennyweight.core.run import ASKED, CHECKPOINT, GRAPH, RESULTS, SETTINGS, WEIGHTS, Run
from pennyweight.data.images import LabelledImages, Part
from pennyweight.fit.defaults import default_recipe
from pennyweight.fit.evaluate import evaluate
from pennyweight.fit.loop import Progress
from pennyweight.fit.recipe import Recipe
from pennyweight.fit.train import Training, resume, train
from pennyweight.net.build import Builder
from pennyweight.net.graph import Graph

RECIPE = Recipe(epochs=4, batch=32, shift=1, mixup=0.2, ema=0.9, patience=3, validation=0.2, optimizer="muon")


class Stop(Exception):
    """What a test interrupts with."""


def stop_in(epoch: int) -> Callable[[Progress], None]:
    def watch(progress: Progress) -> None:
        if progress.epoch == epoch:
            raise Stop

    return watch


def outcome(training: Training) -> tuple[bytes, list[dict[str, Any]]]:
    """Weights as bytes, and curves without what a clock says."""
    curves = [{key: row[key] for key in row if key not in ("seconds", "images_per_s")} for row in training.curves]
    return (training.run / WEIGHTS).read_bytes(), curves


def begun(folder: Path, images: LabelledImages, graph: Graph, recipe: Recipe = RECIPE) -> Path:
    """The folder of a training that was stopped in its third epoch."""
    with pytest.raises(Stop):
        train(images, graph, recipe=recipe, out=folder, device="cpu", on_progress=stop_in(2))
    return folder


@pytest.mark.parametrize("net", ["conv_net", "mlp"])
def test_a_training_stopped_in_any_epoch_ends_in_the_same_bits(
    net: str, tmp_path: Path, digits: LabelledImages, request: pytest.FixtureRequest
) -> None:
    graph = request.getfixturevalue(net)
    straight = train(digits, graph, recipe=RECIPE, out=tmp_path / "straight", device="cpu")
    stopped = tmp_path / "stopped"
    with pytest.raises(Stop):
        train(digits, graph, recipe=RECIPE, out=stopped, device="cpu", on_progress=stop_in(0))
    for epoch in range(1, RECIPE.epochs):
        with pytest.raises(Stop):
            resume(stopped, digits, on_progress=stop_in(epoch))
        assert not Run.open(stopped).finished
    resumed = resume(stopped, digits)
    assert outcome(resumed) == outcome(straight)
    assert resumed.validation == straight.validation
    assert not (stopped / CHECKPOINT).exists()


TRAIN_DIGITS = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from pennyweight.fit.recipe import Recipe
from pennyweight.fit.train import train
def tell(progress):
    print(progress.epoch, flush=True)
recipe = Recipe().with_file(Path(sys.argv[2]))
train("digits", "mlp:hidden=16,dropout=0.1", recipe=recipe, out=Path(sys.argv[1]), device="cpu", on_progress=tell)
"""


def test_a_training_that_was_killed_resumes_to_the_same_bits(tmp_path: Path) -> None:
    recipe = replace(RECIPE, epochs=40, batch=64, patience=0)
    settings = ("epochs = 40", "batch = 64", "shift = 1", "mixup = 0.2", "ema = 0.9", 'optimizer = "muon"')
    (tmp_path / "recipe.toml").write_text("\n".join((*settings, "validation = 0.2")))
    killed = tmp_path / "killed"
    command = [sys.executable, "-c", TRAIN_DIGITS, str(killed), str(tmp_path / "recipe.toml")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= 3:
                process.kill()
                break
    assert process.returncode == -9
    assert not Run.open(killed).finished
    resumed = resume(killed)
    assert resumed.epochs == 40
    network = "mlp:hidden=16,dropout=0.1"
    assert outcome(train("digits", network, recipe=recipe, out=tmp_path / "straight", device="cpu")) == outcome(resumed)
    assert {path.name for path in killed.iterdir()} == {path.name for path in (tmp_path / "straight").iterdir()}


def test_a_run_can_be_resumed_before_its_first_epoch_has_ended(
    tmp_path: Path, digits: LabelledImages, mlp: Graph
) -> None:
    with pytest.raises(Stop):
        train(digits, mlp, recipe=RECIPE, out=tmp_path / "run", device="cpu", on_progress=stop_in(0))
    assert resume(tmp_path / "run", digits).epochs == 4


def test_an_ended_run_comes_back_as_it_is(tmp_path: Path, digits: LabelledImages, mlp: Graph) -> None:
    done = train(digits, mlp, recipe=RECIPE, out=tmp_path / "run", device="cpu")
    before = {path: path.stat().st_mtime_ns for path in done.run.iterdir()}
    assert resume(done.run) == done
    assert {path: path.stat().st_mtime_ns for path in done.run.iterdir()} == before
    assert json.loads(json.dumps(done.as_json()))["validation_n"] == 38


def test_the_result_says_what_the_folder_says(tmp_path: Path, digits: LabelledImages, mlp: Graph) -> None:
    done = train(digits, mlp, recipe=RECIPE, out=tmp_path / "run", device="cpu")
    assert done.parameters == sum(np.prod(shape) for shape in mlp.parameters().values())
    again = evaluate(done.run, digits, part="validation", device="cpu")
    assert again.accuracy == done.validation
    assert Run.open(done.run).read(SETTINGS)["fingerprint"] == digits.fingerprint


def test_another_seed_gives_other_weights(tmp_path: Path, digits: LabelledImages, mlp: Graph) -> None:
    weights = {
        (
            train(digits, mlp, recipe=replace(RECIPE, epochs=1, seed=seed), out=tmp_path / name).run / WEIGHTS
        ).read_bytes()
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    }
    assert len(weights) == 2


def test_a_loss_that_is_no_number_leaves_the_last_checkpoint(
    tmp_path: Path, digits: LabelledImages, mlp: Graph
) -> None:
    # Decay overshoots as soon as the rising rate exceeds 2: from then on each step makes the weights larger.
    rising = {"schedule": "linear", "warmup": 0.9, "learning_rate": 100.0, "weight_decay": 1.0}
    recipe = Recipe(epochs=50, batch=32, optimizer="sgd", momentum=0.0, validation=0.2, **rising)  # type: ignore[arg-type]
    folder, seen = tmp_path / "run", []
    with pytest.raises(TrainingError, match="learning rate 100") as caught:
        train(digits, mlp, recipe=recipe, out=folder, device="cpu", on_progress=lambda now: seen.append(now.epoch))
    assert "learning_rate=0.1" in caught.value.hint
    assert 1 < max(seen) < 49
    assert not Run.open(folder).finished
    checkpoint = (folder / CHECKPOINT).read_bytes()
    seen.clear()
    with pytest.raises(TrainingError, match=re.escape(str(caught.value))):
        resume(folder, digits, on_progress=lambda now: seen.append(now.epoch))
    assert len(set(seen)) <= 1  # the epochs before are not trained again
    assert (folder / CHECKPOINT).read_bytes() == checkpoint


def test_memory_that_runs_out_is_told_and_the_training_resumes(
    tmp_path: Path, digits: LabelledImages, mlp: Graph
) -> None:
    def exhaust(progress: Progress) -> None:
        if progress.epoch == 2:
            torch.empty(2**55)

    def exhaust_python(progress: Progress) -> None:
        if progress.epoch == 3:
            bytes(2**62)

    folder = tmp_path / "run"
    with pytest.raises(TrainingError, match=r"does not fit into memory: .*allocate") as caught:
        train(digits, mlp, recipe=RECIPE, out=folder, device="cpu", on_progress=exhaust)
    assert "batch" in caught.value.hint
    with pytest.raises(TrainingError, match="does not fit into memory"):
        resume(folder, digits, on_progress=exhaust_python)
    straight = train(digits, mlp, recipe=RECIPE, out=tmp_path / "straight", device="cpu")
    assert outcome(resume(folder, digits)) == outcome(straight)


def test_a_network_larger_than_memory_is_told_before_a_folder_is_made(tmp_path: Path, digits: LabelledImages) -> None:
    builder = Builder((8, 8, 1))
    builder.dense(10**13)
    builder.dense(10)
    with pytest.raises(TrainingError, match="does not fit into memory"):
        train(digits, builder.graph("wide"), recipe=RECIPE, out=tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_an_error_that_is_not_about_memory_stays_what_it_is(tmp_path: Path, digits: LabelledImages, mlp: Graph) -> None:
    def fail(progress: Progress) -> None:
        raise RuntimeError("the display broke")

    with pytest.raises(RuntimeError, match="the display broke"):
        train(digits, mlp, recipe=RECIPE, out=tmp_path / "run", device="cpu", on_progress=fail)


def test_settings_change_a_file_which_changes_the_recipe_or_the_default_one(
    tmp_path: Path, digits: LabelledImages, mlp: Graph
) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text("epochs = 2\nbatch = 50")
    changes: dict[str, Any] = {"recipe_file": file, "settings": ["batch=60", "seed=7"], "device": "cpu"}
    done = train(digits, mlp, **changes, out=tmp_path / "default")
    assert done.recipe == replace(default_recipe(mlp, digits), epochs=2, batch=60, seed=7)
    done = train(digits, mlp, recipe=RECIPE, **changes, out=tmp_path / "told")
    assert done.recipe == replace(RECIPE, epochs=2, batch=60, seed=7)


def test_a_wrong_setting_is_refused_before_anything_is_opened(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("epohs = 3")
    for wrong in (
        {"settings": ["epohs=3"]},
        {"recipe_file": tmp_path / "recipe.toml"},
        {"recipe": Recipe(), "settings": ["epohs"]},
    ):
        with pytest.raises(UsageError, match="epohs"):
            train("no-such-source", "no-such-network", **wrong)  # type: ignore[arg-type]


def test_the_folder_is_told_as_soon_as_it_can_be_resumed(
    tmp_path: Path, digits: LabelledImages, mlp: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(folder: Path) -> None:
        told.append(folder)
        raise Stop

    monkeypatch.chdir(tmp_path)
    told: list[Path] = []
    for _ in range(2):
        with pytest.raises(Stop):
            train(digits, mlp, recipe=RECIPE, device="cpu", on_begin=stop)
    assert told == [Path("runs/few-digits-mlp-1"), Path("runs/few-digits-mlp-2")]
    assert resume(told[0], digits).epochs == 4


def test_a_training_is_carried_on_from_another_working_directory(
    tmp_path: Path, digits: LabelledImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "begun" / "elsewhere").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "begun")
    np.savez("set.npz", images=digits.learning.images, labels=digits.learning.labels)
    recipe = replace(RECIPE, teacher=str(train("set.npz", "mlp:hidden=8", recipe=RECIPE, out=Path("teacher")).run))
    with pytest.raises(Stop):
        train("./set.npz", "mlp:hidden=4", recipe=recipe, out=Path("run"), device="cpu", on_progress=stop_in(2))
    straight = train("set.npz", "mlp:hidden=4", recipe=recipe, out=Path("straight"), device="cpu")
    expected = outcome(straight)
    monkeypatch.chdir("elsewhere")
    assert outcome(resume(Path("../run"))) == expected
    assert evaluate(Path("../run"), device="cpu").opened == 1


def test_a_full_disk_is_told_and_the_training_resumes_from_what_was_saved(
    tmp_path: Path, digits: LabelledImages, mlp: Graph, full_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    folder = begun(tmp_path / "run", digits, mlp)
    before = (folder / CHECKPOINT).read_bytes()
    with full_disk(2000), pytest.raises(RunError, match=r"checkpoint\.safetensors cannot be written: File too large"):
        resume(folder, digits)
    assert (folder / CHECKPOINT).read_bytes() == before
    straight = train(digits, mlp, recipe=RECIPE, out=tmp_path / "straight", device="cpu")
    assert outcome(resume(folder, digits)) == outcome(straight)


def test_a_disk_that_is_full_from_the_first_leaves_the_folder_free(
    tmp_path: Path, digits: LabelledImages, mlp: Graph, full_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    folder = tmp_path / "run"
    with full_disk(6000), pytest.raises(RunError, match="cannot be written"):
        train(digits, mlp, recipe=RECIPE, out=folder, device="cpu")
    assert not folder.exists()
    train(digits, mlp, recipe=RECIPE, out=folder, device="cpu")


def test_a_training_is_not_begun_over_another(tmp_path: Path, digits: LabelledImages, mlp: Graph) -> None:
    folder = begun(tmp_path / "run", digits, mlp)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(RunError, match="exists and is not empty"):
        train(digits, mlp, recipe=RECIPE, out=folder, device="cpu")
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_other_images_do_not_carry_a_training_on(tmp_path: Path, digits: LabelledImages, mlp: Graph) -> None:
    folder = begun(tmp_path / "run", digits, mlp)
    learning = Part(digits.learning.images ^ 1, digits.learning.labels)
    with pytest.raises(RunError, match="are not the ones"):
        resume(folder, replace(digits, learning=learning))
    with pytest.raises(RunError, match="images from Python"):
        resume(folder)


def other_byte(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def cut(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(
        (folder / name).read_bytes()[: -(folder / name).stat().st_size // 3]
    )


def forge_checkpoint(folder: Path) -> None:
    """Let the checkpoint confirm what settings and graph say now, as somebody does who wants us to believe it."""
    tensors = load_file(folder / CHECKPOINT)
    with safe_open(folder / CHECKPOINT, "pt") as file:
        facts = json.loads(file.metadata()["facts"])
    facts["asked"] = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ASKED}
    text = json.dumps(facts)
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tuple(tensors[name].shape)} ".encode())
        digest.update(tensors[name].numpy().tobytes())
    save_file(tensors, folder / CHECKPOINT, metadata={"facts": text, "sha256": digest.hexdigest()})


def with_settings(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        settings = json.loads((folder / SETTINGS).read_text())
        (folder / SETTINGS).write_text(json.dumps(settings | changes))
        forge_checkpoint(folder)

    return change


def with_graph(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        facts = json.loads((folder / GRAPH).read_text())
        change(facts)
        (folder / GRAPH).write_text(json.dumps(facts))
        forge_checkpoint(folder)

    return write


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "no checkpoint": without(CHECKPOINT),
    "no settings": without(SETTINGS),
    "no graph": without(GRAPH),
    "half a checkpoint": cut(CHECKPOINT),
    "half of the settings": cut(SETTINGS),
    "half a graph": cut(GRAPH),
    "empty checkpoint": lambda folder: (folder / CHECKPOINT).write_bytes(b""),
    "another byte in the checkpoint's last tensor": lambda folder: other_byte(folder / CHECKPOINT, -1),
    "another byte in the checkpoint's header": lambda folder: other_byte(folder / CHECKPOINT, 40),
    "another byte in the checkpoint's length": lambda folder: other_byte(folder / CHECKPOINT, 7),
    "a pickle as checkpoint": lambda folder: torch.save({}, folder / CHECKPOINT),
}
"""What befalls a folder by accident."""

FORGERIES: dict[str, Callable[[Path], Any]] = {
    "a recipe from the future": with_settings(recipe={"epochs": 3, "warp_drive": True}),
    "a recipe of nonsense": with_settings(recipe={"epochs": [3]}),
    "no recipe": with_settings(recipe=None),
    "no normalisation": with_settings(normalisation=None),
    "normalisation of three channels": with_settings(normalisation={"mean": [0, 0, 0], "std": [1, 1, 1]}),
    "normalisation by nothing": with_settings(normalisation={"mean": [0], "std": [0]}),
    "normalisation by no number": with_settings(normalisation={"mean": [0], "std": [float("nan")]}),
    "normalisation beyond floats": with_settings(normalisation={"mean": [10**400], "std": [1]}),
    "another fingerprint": with_settings(fingerprint="0"),
    "a device that is none": with_settings(device="tpu"),
    "a device of another type": with_settings(device=["cpu"]),
    "another optimiser": with_settings(recipe={"optimizer": "adam", "epochs": 4, "validation": 0.2}),
    "a larger layer": with_graph(lambda facts: facts["layers"][1].update(units=25)),
    "a layer larger than memory": with_graph(lambda facts: facts["layers"][1].update(units=10**13)),
    "a layer less": with_graph(lambda facts: facts["layers"].pop()),
    "no layers": with_graph(lambda facts: facts.update(layers=[])),
    "layers of another type": with_graph(lambda facts: facts.update(layers=3)),
    "an unknown op": with_graph(lambda facts: facts["layers"][1].update(op="eval")),
    "a vector as input": with_graph(lambda facts: facts.update(input_shape=[64])),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_folder_is_a_run_error(damage: str, tmp_path: Path, digits: LabelledImages, mlp: Graph) -> None:
    folder = begun(tmp_path / "run", digits, mlp, replace(RECIPE, optimizer="nesterov", mixup=0.0))
    DAMAGES[damage](folder)
    with pytest.raises(RunError) as caught:
        resume(folder, digits)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("forgery", FORGERIES)
def test_files_that_do_not_fit_are_a_run_error_even_with_their_checksum(
    forgery: str, tmp_path: Path, digits: LabelledImages, mlp: Graph
) -> None:
    folder = begun(tmp_path / "run", digits, mlp, replace(RECIPE, optimizer="nesterov", mixup=0.0))
    FORGERIES[forgery](folder)
    with pytest.raises(RunError) as caught:
        resume(folder, digits)
    assert str(folder) in str(caught.value)
    assert "is not what the training wrote" not in str(caught.value)


EDITS: dict[str, Callable[[dict[str, Any]], object]] = {
    SETTINGS: lambda facts: facts["recipe"].update(learning_rate=0.5),
    GRAPH: lambda facts: facts.update(text="resnet50"),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_training_that_was_edited_on_the_way_is_not_carried_on(
    name: str, tmp_path: Path, digits: LabelledImages, mlp: Graph
) -> None:
    folder = begun(tmp_path / "run", digits, mlp)
    original = (folder / name).read_bytes()
    facts = json.loads(original)
    EDITS[name](facts)
    (folder / name).write_text(json.dumps(facts))
    with pytest.raises(RunError, match=f"run: {name} is not what the training wrote") as caught:
        resume(folder, digits, on_progress=lambda _: pytest.fail("it went on"))
    assert "bring the original file back" in caught.value.hint
    (folder / name).write_bytes(original)
    straight = train(digits, mlp, recipe=RECIPE, out=tmp_path / "straight", device="cpu")
    assert outcome(resume(folder, digits)) == outcome(straight)


@pytest.mark.parametrize("name", EDITS)
def test_a_training_that_was_edited_while_it_ran_is_not_certified(
    name: str, tmp_path: Path, digits: LabelledImages, mlp: Graph
) -> None:
    def edit(progress: Progress) -> None:
        facts = json.loads((tmp_path / "run" / name).read_text())
        EDITS[name](facts)
        (tmp_path / "run" / name).write_text(json.dumps(facts))

    with pytest.raises(RunError, match=f"{name} is not what the training wrote"):
        train(digits, mlp, recipe=RECIPE, out=tmp_path / "run", device="cpu", on_progress=edit)
    assert not Run.open(tmp_path / "run").finished


def test_results_that_do_not_fit_are_a_run_error_even_with_their_checksum(
    tmp_path: Path, digits: LabelledImages, mlp: Graph
) -> None:
    done = train(digits, mlp, recipe=replace(RECIPE, epochs=1), out=tmp_path / "run", device="cpu")
    run = Run.open(done.run)
    results, weights = run.read(RESULTS), run.weights()
    for change in (
        {"validation_correct": 41},
        {"validation_correct": "all"},
        {"validation_n": -1},
        {"epochs": None},
        {"curves": 3},
        {"parameters": "inf"},
    ):
        run.finish(weights, results | change, {name: run.checksum(name) for name in ASKED})
        with pytest.raises(RunError, match=r"results\.json is malformed"):
            resume(done.run)


def test_results_that_were_edited_are_not_believed(tmp_path: Path, digits: LabelledImages, mlp: Graph) -> None:
    done = train(digits, mlp, recipe=replace(RECIPE, epochs=1), out=tmp_path / "run", device="cpu")
    results = json.loads((done.run / RESULTS).read_text())
    for change in ({"validation_correct": results["validation_n"]}, {"parameters": 1}):
        (done.run / RESULTS).write_text(json.dumps(results | change))
        with pytest.raises(RunError, match=r"results\.json is not what the training wrote"):
            resume(done.run)


def test_a_teacher_is_learnt_from_and_one_of_other_classes_is_refused(
    tmp_path: Path, digits: LabelledImages, mlp: Graph, conv_net: Graph
) -> None:
    teacher = train(digits, mlp, recipe=replace(RECIPE, epochs=2), out=tmp_path / "teacher", device="cpu")
    recipe = replace(RECIPE, teacher=str(teacher.run))
    done = train(digits, conv_net, recipe=recipe, out=tmp_path / "student", device="cpu")
    stopped = begun(tmp_path / "stopped", digits, conv_net, recipe)
    assert outcome(resume(stopped, digits)) == outcome(done)

    others = replace(digits, class_names=tuple("abcdefghij"))
    with pytest.raises(RunError, match="other classes"):
        train(others, mlp, recipe=recipe, out=tmp_path / "other", device="cpu")
    with pytest.raises(RunError, match=r"teacher .*absent"):
        train(digits, mlp, recipe=replace(recipe, teacher=str(tmp_path / "absent")), out=tmp_path / "other")
    unfinished = begun(tmp_path / "unfinished", digits, mlp)
    with pytest.raises(RunError, match=r"teacher .*unfinished") as caught:
        train(digits, mlp, recipe=replace(recipe, teacher=str(unfinished)), out=tmp_path / "other")
    assert "--resume" in caught.value.hint
    assert not (tmp_path / "other").exists()


def test_another_teacher_does_not_carry_a_training_on(tmp_path: Path, digits: LabelledImages, mlp: Graph) -> None:
    for seed, name in enumerate(("teacher", "another")):
        train(digits, mlp, recipe=replace(RECIPE, epochs=1, seed=seed), out=tmp_path / name, device="cpu")
    recipe = replace(RECIPE, teacher=str(tmp_path / "teacher"))
    folder = begun(tmp_path / "run", digits, mlp, recipe)
    (tmp_path / "teacher").rename(tmp_path / "original")
    (tmp_path / "another").rename(tmp_path / "teacher")
    with pytest.raises(RunError, match=r"teacher .* is not the one that this training was begun with"):
        resume(folder, digits)
    (tmp_path / "teacher").rename(tmp_path / "another")
    (tmp_path / "original").rename(tmp_path / "teacher")
    assert resume(folder, digits).epochs == 4


def linear(input_shape: tuple[int, ...], classes: int) -> Graph:
    builder = Builder(input_shape)
    builder.dense(classes)
    return builder.graph("linear")


def test_a_graph_for_other_images_or_of_nothing_to_learn_is_refused_before_a_folder_is_made(
    tmp_path: Path, digits: LabelledImages
) -> None:
    pooled = Builder((8, 8, 1))
    pooled.global_pool()
    for graph in (linear((8, 8, 3), 10), linear((8, 8, 1), 11), linear((64,), 10), pooled.graph("pooled")):
        with pytest.raises(GraphError):
            train(digits, graph, out=tmp_path / "run")
    part = Part(digits.learning.images.repeat(3, axis=3), digits.learning.labels % 3)
    images = LabelledImages("three", part, part, ("0", "1", "2"))
    pooled = Builder((8, 8, 3))
    pooled.global_pool()
    with pytest.raises(GraphError, match="nothing to learn"):
        train(images, pooled.graph("pooled"), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def read_only(array: Any) -> Any:
    array = array.copy()
    array.setflags(write=False)
    return array


@pytest.mark.parametrize("odd", [read_only, lambda array: array[::-1]], ids=["read-only", "backwards"])
@pytest.mark.parametrize("validation", [0.0, 0.2])
def test_arrays_that_are_read_only_or_run_backwards_are_taken(
    odd: Callable[[Any], Any], validation: float, tmp_path: Path, digits: LabelledImages, mlp: Graph
) -> None:
    learning, sealed = (Part(odd(part.images), odd(part.labels)) for part in (digits.learning, digits.sealed))
    images = replace(digits, learning=learning, sealed=sealed)
    done = train(images, mlp, recipe=Recipe(epochs=1, validation=validation), out=tmp_path / "run", device="cpu")
    assert evaluate(done.run, images, device="cpu").accuracy.n == 100


def test_unknown_words_are_usage_errors_and_make_no_folder(tmp_path: Path, digits: LabelledImages, mlp: Graph) -> None:
    with pytest.raises(UsageError, match="unknown"):
        train(digits, "mpl", out=tmp_path / "run")
    with pytest.raises(UsageError, match="not here"):
        train(digits, mlp, out=tmp_path / "run", device="tpu")
    with pytest.raises((UsageError, DataError)):
        train("no-such-source", mlp, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_torch_module_brings_its_weights_along(tmp_path: Path, digits: LabelledImages) -> None:
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    recipe = Recipe(epochs=1, batch=200, learning_rate=1e-30, weight_decay=0.0, validation=0.0)
    done = train(digits, module, recipe=recipe, out=tmp_path / "run", device="cpu")
    assert done.validation is None
    assert done.as_json()["validation_accuracy"] is None
    assert evaluate(done.run, digits, part="train", device="cpu").accuracy.n == 200
    from safetensors.torch import load_file

    weight = next(tensor for name, tensor in load_file(done.run / WEIGHTS).items() if name.endswith("weight"))
    assert torch.allclose(weight, module[1].weight, atol=1e-7)
