"""Evaluation: honest about parts and classes, and safe with folders that somebody else made."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from pennyweight.core.errors import DataError, RunError, UsageError
from pennyweight.core.run import ASKED, GRAPH, OPENINGS, RESULTS, SETTINGS, WEIGHTS, Run
from pennyweight.data.images import LabelledImages, Part
from pennyweight.fit.evaluate import evaluate
from pennyweight.fit.network import TrainedNetwork
from pennyweight.fit.recipe import Recipe
from pennyweight.fit.train import train
from pennyweight.net.graph import Graph

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, digits: LabelledImages, mlp: Graph) -> dict[str, bytes]:
    """The files of an ended run."""
    recipe = Recipe(epochs=10, batch=32, validation=0.2)
    done = train(digits, mlp, recipe=recipe, out=tmp_path_factory.mktemp("run"), device="cpu")
    return {path.name: path.read_bytes() for path in done.run.iterdir()}


@pytest.fixture
def run(template: dict[str, bytes], tmp_path: Path) -> Path:
    """A fresh copy of the ended run."""
    folder = tmp_path / "run"
    folder.mkdir()
    for name, content in template.items():
        (folder / name).write_bytes(content)
    return folder


def forge(run: Path, name: str, content: bytes) -> None:
    """Replace a file and its checksum, as somebody does who wants us to believe it."""
    folder = Run.open(run)
    results = folder.read(RESULTS)
    (run / RESULTS).unlink()
    (run / name).write_bytes(content)
    folder.finish((run / WEIGHTS).read_bytes(), results, {each: folder.checksum(each) for each in ASKED})


def forge_json(run: Path, name: str, change: Callable[[dict[str, Any]], object]) -> None:
    facts = json.loads((run / name).read_text())
    change(facts)
    forge(run, name, json.dumps(facts).encode())


def test_accuracy_loss_and_confusion_are_those_of_the_networks_answers(run: Path, digits: LabelledImages) -> None:
    out = evaluate(run, digits, device="cpu")
    scores = TrainedNetwork.of(Run.open(run), CPU).logits(digits.sealed.images)
    labels = digits.sealed.labels
    answers = scores.argmax(1).numpy()
    assert out.accuracy.correct == (answers == labels).sum()
    assert out.accuracy.n == out.as_json()["n"] == len(labels) == sum(map(sum, out.confusion))
    assert out.accuracy.correct == sum(out.confusion[label][label] for label in range(10))
    assert [sum(row) for row in out.confusion] == np.bincount(labels, minlength=10).tolist()
    assert [sum(column) for column in zip(*out.confusion, strict=True)] == np.bincount(answers, minlength=10).tolist()
    chosen = scores.double().log_softmax(1)[range(len(labels)), labels]
    assert out.loss == pytest.approx(float(-chosen.mean()), rel=1e-4)
    assert out.accuracy.share > 0.5
    assert json.loads(json.dumps(out.as_json()))["interval"] == list(out.accuracy.interval)


def test_only_looks_at_the_runs_own_test_part_are_counted(run: Path, digits: LabelledImages) -> None:
    for part in ("validation", "train"):
        assert evaluate(run, digits, part=part, device="cpu").opened == 0
    assert evaluate(run, digits, device="cpu").opened == 1
    assert evaluate(run, digits, part="test", device="cpu").opened == 2
    others = replace(digits, sealed=digits.learning)
    assert evaluate(run, others, device="cpu").opened == 2
    assert evaluate(run, others, part="all", device="cpu").accuracy.n == 400
    assert len(Run.open(run).openings()) == 2


def test_the_parts_of_a_run_do_not_overlap_and_are_those_it_was_trained_with(run: Path, digits: LabelledImages) -> None:
    counts = {
        part: evaluate(run, digits, part=part, device="cpu").accuracy.n for part in ("train", "validation", "test")
    }
    assert counts == {"train": 162, "validation": 38, "test": 100}
    trained = Run.open(run).read(RESULTS)
    assert evaluate(run, digits, part="validation", device="cpu").accuracy.correct == trained["validation_correct"]


def test_all_of_the_runs_own_images_is_refused_and_so_is_an_unknown_part(run: Path, digits: LabelledImages) -> None:
    with pytest.raises(UsageError, match="would mix"):
        evaluate(run, digits, part="all", device="cpu")
    with pytest.raises(UsageError, match="unknown part 'tset'"):
        evaluate(run, digits, part="tset", device="cpu")  # type: ignore[arg-type]
    assert Run.open(run).openings() == []


def test_classes_of_another_source_are_matched_by_their_names(run: Path, digits: LabelledImages) -> None:
    own = evaluate(run, digits, part="test", device="cpu")
    order = np.random.default_rng(0).permutation(10)
    place = np.argsort(order)
    shuffled = LabelledImages(
        "shuffled",
        *(Part(part.images, place[part.labels]) for part in (digits.learning, digits.sealed)),
        tuple(digits.class_names[label] for label in order),
    )
    again = evaluate(run, shuffled, part="test", device="cpu")
    assert (again.accuracy, again.confusion, again.class_names) == (own.accuracy, own.confusion, own.class_names)
    few = np.flatnonzero(np.isin(digits.sealed.labels, (3, 7)))
    part = Part(digits.sealed.images[few], (digits.sealed.labels[few] == 3).astype(np.int64))
    two = evaluate(run, LabelledImages("two", part, part, ("7", "3")), part="test", device="cpu")
    assert two.confusion[3] == own.confusion[3]
    assert two.confusion[7] == own.confusion[7]
    assert two.accuracy.n == len(few)


def test_classes_that_the_network_does_not_know_are_named(run: Path, digits: LabelledImages) -> None:
    others = replace(digits, class_names=(*digits.class_names[:8], "eight", "nine"))
    with pytest.raises(DataError, match="does not know: eight, nine") as caught:
        evaluate(run, others, device="cpu")
    assert "it knows 0, 1" in caught.value.hint


def test_images_of_another_size_and_empty_parts_are_refused(run: Path, digits: LabelledImages) -> None:
    small = replace(
        digits,
        learning=Part(digits.learning.images[:, 1:], digits.learning.labels),
        sealed=Part(digits.sealed.images[:, 1:], digits.sealed.labels),
    )
    with pytest.raises(DataError, match="the network takes"):
        evaluate(run, small, device="cpu")
    with pytest.raises(DataError, match="the test part of few digits is empty"):
        evaluate(run, replace(digits, sealed=digits.sealed.take(np.arange(0))), device="cpu")


def test_a_source_that_has_changed_since_the_training_is_not_taken_for_the_same(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (60, 6, 6, 1), dtype=np.uint8)
    source = tmp_path / "set.npz"
    np.savez(source, images=images, labels=np.arange(60) % 2)
    recipe = Recipe(epochs=1, batch=16, validation=0.2)
    done = train(str(source), "mlp:hidden=4", recipe=recipe, out=tmp_path / "run", device="cpu")
    assert evaluate(done.run, device="cpu").opened == 1
    images[0, 0, 0, 0] ^= 1
    np.savez(source, images=images, labels=np.arange(60) % 2)
    with pytest.raises(RunError, match="not what this network was trained on"):
        evaluate(done.run, device="cpu")
    assert evaluate(done.run, str(source), device="cpu").opened == 1


def test_a_run_that_has_not_ended_is_refused_with_the_way_on(run: Path, digits: LabelledImages) -> None:
    (run / RESULTS).unlink()
    with pytest.raises(RunError, match=r"results\.json is missing") as caught:
        evaluate(run, digits, device="cpu")
    assert "--resume" in caught.value.hint


@pytest.mark.parametrize("name", [SETTINGS, GRAPH, WEIGHTS])
@pytest.mark.parametrize("place", [0, 0.5, -1])
def test_a_byte_that_was_changed_is_a_run_error(name: str, place: float, run: Path, digits: LabelledImages) -> None:
    content = bytearray((run / name).read_bytes())
    content[int(place * len(content)) if place > 0 else int(place)] ^= 1
    (run / name).write_bytes(content)
    with pytest.raises(RunError, match="is not what the training wrote"):
        evaluate(run, digits, device="cpu")
    assert Run.open(run).openings() == []


SETTINGS_FORGERIES: dict[str, dict[str, Any]] = {
    "a class less": {"class_names": list("012345678")},
    "no classes": {"class_names": None},
    "classes of another type": {"class_names": 10},
    "a recipe from the future": {"recipe": {"warp_drive": True}},
    "no normalisation": {"normalisation": None},
    "normalisation by nothing": {"normalisation": {"mean": [0], "std": [0]}},
    "normalisation of three channels": {"normalisation": {"mean": [0, 0, 0], "std": [1, 1, 1]}},
}


@pytest.mark.parametrize("forgery", SETTINGS_FORGERIES)
def test_settings_that_do_not_fit_are_a_run_error_even_with_their_checksum(
    forgery: str, run: Path, digits: LabelledImages
) -> None:
    forge_json(run, SETTINGS, lambda facts: facts.update(SETTINGS_FORGERIES[forgery]))
    with pytest.raises(RunError, match=r"settings\.json"):
        evaluate(run, digits, device="cpu")


def renamed(name: str) -> Callable[[dict[str, Any]], object]:
    def change(facts: dict[str, Any]) -> None:
        facts["layers"][-1]["name"] = name

    return change


GRAPH_FORGERIES: dict[str, Callable[[dict[str, Any]], object]] = {
    "a larger layer": lambda facts: facts["layers"][1].update(units=25),
    "a layer larger than memory": lambda facts: facts["layers"][1].update(units=10**13),
    "an unknown op": lambda facts: facts["layers"][1].update(op="__import__"),
    "a field too many": lambda facts: facts["layers"][1].update(hook="print"),
    "no layers": lambda facts: facts.clear(),
    "a vector as input": lambda facts: facts.update(input_shape=[64]),
    "a picture as output": lambda facts: facts.update(layers=[{"name": "a", "op": "softmax", "inputs": ["image"]}]),
    "a name with a dot": renamed("dense3.weight"),
    "a name of torch's": renamed("graph"),
    "another name of torch's": renamed("forward"),
    "a keyword": renamed("lambda"),
    "a name that Python reads as another": renamed("ﬁne"),
    "no name": renamed(""),
}


@pytest.mark.parametrize("forgery", GRAPH_FORGERIES)
def test_a_graph_that_does_not_fit_is_a_run_error_even_with_its_checksum(
    forgery: str, run: Path, digits: LabelledImages
) -> None:
    forge_json(run, GRAPH, GRAPH_FORGERIES[forgery])
    with pytest.raises(RunError, match="graph"):
        evaluate(run, digits, device="cpu")


def test_a_layers_name_is_never_run_as_code(run: Path, digits: LabelledImages, tmp_path: Path) -> None:
    # torch.fx writes a module's name between quotation marks into the code that it runs.
    witness = tmp_path / "witness"
    name = f'dense3", getattr(__import__("os"), "mkdir")("{witness}")) or getattr(self, "dense3'
    forge_json(run, GRAPH, renamed(name))
    tensors = {key.replace("dense3", name): value for key, value in load((run / WEIGHTS).read_bytes()).items()}
    forge(run, WEIGHTS, save(tensors))
    with pytest.raises(RunError, match="no plain word"):
        evaluate(run, digits, device="cpu")
    assert not witness.exists()


WEIGHT_FORGERIES: dict[str, Callable[[dict[str, torch.Tensor]], bytes]] = {
    "none": lambda tensors: b"",
    "no safetensors": lambda tensors: b"weights" * 100,
    "a tensor less": lambda tensors: save({name: tensors[name] for name in list(tensors)[1:]}),
    "a tensor more": lambda tensors: save(tensors | {"more": torch.zeros(1)}),
    "another shape": lambda tensors: save({name: tensor.flatten() for name, tensor in tensors.items()}),
    "another type": lambda tensors: save({name: tensor.bfloat16() for name, tensor in tensors.items()}),
    "no numbers": lambda tensors: save({name: tensor * float("nan") for name, tensor in tensors.items()}),
}


@pytest.mark.parametrize("forgery", WEIGHT_FORGERIES)
def test_weights_that_do_not_fit_are_a_run_error_even_with_their_checksum(
    forgery: str, run: Path, digits: LabelledImages
) -> None:
    forge(run, WEIGHTS, WEIGHT_FORGERIES[forgery](load((run / WEIGHTS).read_bytes())))
    with pytest.raises(RunError, match="the weights do not fit the graph"):
        evaluate(run, digits, device="cpu")


def test_a_count_that_was_edited_or_removed_stops_the_evaluation(run: Path, digits: LabelledImages) -> None:
    for damage in (lambda path: path.write_text("{}\n"), Path.unlink):
        damage(run / OPENINGS)
        for part in ("test", "validation"):
            with pytest.raises(RunError, match=r"openings\.jsonl"):
                evaluate(run, digits, part=part, device="cpu")  # type: ignore[arg-type]


def test_a_look_that_ends_half_way_is_counted(run: Path, digits: LabelledImages) -> None:
    class Interrupted(Exception):
        """What ends the look."""

    def end(module: torch.nn.Module, *_: object) -> None:
        if not module.training:
            raise Interrupted

    hook = torch.nn.modules.module.register_module_forward_pre_hook(end)
    try:
        with pytest.raises(Interrupted):
            evaluate(run, digits, device="cpu")
    finally:
        hook.remove()
    assert evaluate(run, digits, device="cpu").opened == 2
