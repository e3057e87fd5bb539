"""Evaluation: honest about parts and classes, and safe with folders that somebody else made."""

from __future__ import annotations

import json
import shlex
import shutil
from base64 import b64decode
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.torch import load, save
from sklearn.metrics import precision_recall_fscore_support

from pennyweight.core.errors import DataError, RunError, UsageError
from pennyweight.core.run import ASKED, GRAPH, OPENINGS, RESULTS, SETTINGS, WEIGHTS, Run
from pennyweight.data.geometry import Geometry
from pennyweight.data.images import SEALED_NOTE, LabelledImages, Part
from pennyweight.data.source import open_source
from pennyweight.fit.accuracy import Accuracy
from pennyweight.fit.answer import Answer
from pennyweight.fit.card import CARD
from pennyweight.fit.class_figures import class_figures
from pennyweight.fit.contact_sheet import contact_sheet
from pennyweight.fit.evaluate import evaluate
from pennyweight.fit.kept import kept_evaluations
from pennyweight.fit.network import TrainedNetwork
from pennyweight.fit.recipe import Recipe
from pennyweight.fit.train import train
from pennyweight.net.graph import Graph

CPU = torch.device("cpu")

pytestmark = pytest.mark.usefixtures("hasty_clock")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, digits: LabelledImages, mlp: Graph) -> dict[str, bytes]:
    """The files of an ended run."""
    recipe = Recipe(epochs=10, batch=32, validation=0.2)
    done = train(digits, mlp, recipe=recipe, out=tmp_path_factory.mktemp("run"), device="cpu")
    return {path.name: path.read_bytes() for path in done.run.iterdir() if path.is_file()}


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
    source = tmp_path / "my set.npz"
    np.savez(source, images=images, labels=np.arange(60) % 2)
    recipe = Recipe(epochs=1, batch=16, validation=0.2)
    done = train(str(source), "mlp:hidden=4", recipe=recipe, out=tmp_path / "my run", device="cpu")
    assert evaluate(done.run, device="cpu").opened == 1
    images[0, 0, 0, 0] ^= 1
    np.savez(source, images=images, labels=np.arange(60) % 2)
    with pytest.raises(RunError, match="not what this network was trained on") as caught:
        evaluate(done.run, device="cpu")
    *_, verb, run, again = shlex.split(caught.value.hint)
    assert (verb, Path(run), Path(again)) == ("evaluate", done.run, source)
    assert evaluate(run, again, device="cpu").opened == 1


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


@pytest.mark.parametrize("seed", range(20))
def test_precision_recall_and_f1_are_those_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, answers = rng.integers(0, 5, 30), rng.integers(2, 7, 30)
    confusion = np.zeros((8, 8), np.int64)
    np.add.at(confusion, (labels, answers), 1)
    own = class_figures(list("abcdefgh"), confusion)
    reference = precision_recall_fscore_support(labels, answers, labels=range(8), zero_division=np.nan)
    figures = [(each.precision, each.recall, each.f1, each.n) for each in own]
    assert np.array(figures, float) == pytest.approx(np.array(reference).T, abs=1e-15, nan_ok=True)


def test_figures_that_nothing_says_are_none() -> None:
    confusion = np.array([[3, 1, 0, 0], [0, 0, 0, 0], [2, 0, 0, 0], [0, 0, 0, 0]])
    answered, unseen, unanswered, neither = class_figures("abcd", confusion)
    assert (answered.precision, answered.recall, answered.f1, answered.n) == (3 / 5, 3 / 4, 6 / 9, 4)
    assert (unseen.precision, unseen.recall, unseen.f1, unseen.n) == (0, None, 0, 0)
    assert (unanswered.precision, unanswered.recall, unanswered.f1) == (None, 0, 0)
    assert (neither.precision, neither.recall, neither.f1) == (None, None, None)


def pixels(answer: Answer) -> list[Any]:
    with Image.open(BytesIO(answer.png)) as picture:
        shown: list[Any] = np.asarray(picture).tolist()
        return shown


def test_the_mistakes_are_the_most_confident_wrong_answers_as_the_network_saw_them(
    run: Path, digits: LabelledImages
) -> None:
    out = evaluate(run, digits, device="cpu")
    part = digits.sealed
    chances = TrainedNetwork.of(Run.open(run), CPU).logits(part.images).softmax(1)
    wrong = np.flatnonzero(chances.argmax(1).numpy() != part.labels)
    assert len(out.mistakes) == min(len(wrong), 24) > 0
    assert {mistake.index for mistake in out.mistakes} <= set(wrong.tolist())
    confidences = [mistake.confidence for mistake in out.mistakes]
    assert confidences == sorted(confidences, reverse=True)
    assert confidences[0] == pytest.approx(float(chances.amax(1)[wrong].max()), rel=1e-5)
    for mistake in out.mistakes:
        assert pixels(mistake) == part.images[mistake.index, ..., 0].tolist()
        assert mistake.true == str(part.labels[mistake.index]) != mistake.answer
        assert not mistake.right
    facts = json.loads(json.dumps(out.as_json()))["mistakes"][0]
    assert b64decode(facts["png_base64"]) == out.mistakes[0].png
    assert out.photos == ()


def test_time_an_image_time_an_epoch_and_calibration_are_told(run: Path, digits: LabelledImages) -> None:
    out = evaluate(run, digits, device="cpu")
    assert 0 < out.timing.best_batch_ms_per_image <= out.timing.batch1_ms < 100
    seconds = [row["seconds"] for row in Run.open(run).read(RESULTS)["curves"]]
    assert out.seconds_per_epoch == np.median(seconds)
    assert 0 < out.calibration_error < 1
    assert sum(each.n for each in out.reliability) == out.accuracy.n
    assert [each.n for each in out.per_class] == [sum(row) for row in out.confusion]


def test_each_evaluation_is_kept_under_its_part_with_every_answer(run: Path, digits: LabelledImages) -> None:
    for part in ("validation", "test"):
        out = evaluate(run, digits, part=part, device="cpu")
    kept = Run.open(run).evaluations()
    assert list(kept) == ["test", "validation"]
    test = kept["test"]
    assert out.kept == run / "evaluations" / "test.json"
    assert out.as_json().items() <= test.items()
    assert test["labels"] == digits.sealed.labels.tolist()
    assert sum(a == b for a, b in zip(test["labels"], test["answers"], strict=True)) == out.accuracy.correct
    assert test["fingerprint"] != kept["validation"]["fingerprint"]
    evaluate(run, digits, device="cpu")
    assert Run.open(run).evaluations()["test"]["fingerprint"] == test["fingerprint"]


@pytest.mark.parametrize(
    ("name", "word"), [("My Photos (2)", "my-photos-2-"), ("test", "test-"), ("صور", ""), ("../x", "x-")]
)
def test_another_source_never_takes_the_place_of_a_part(
    name: str, word: str, run: Path, digits: LabelledImages
) -> None:
    others = replace(digits, name=name, sealed=digits.learning)
    kept = evaluate(run, others, device="cpu").kept
    ((found, facts),) = Run.open(run).evaluations().items()
    assert found == kept.stem == f"{word}test-{facts['fingerprint'][:8]}"


def test_evaluations_of_other_images_or_parts_never_take_each_others_place(run: Path, digits: LabelledImages) -> None:
    few = digits.sealed.take(np.arange(50))
    kept = [
        evaluate(run, replace(digits, name=name, sealed=sealed), part=part, device="cpu").kept  # type: ignore[arg-type]
        for name, sealed, part in (
            ("photos", few, "test"),
            ("photos", few, "train"),
            ("photos", digits.sealed.take(np.arange(60)), "test"),
            ("数字", few, "test"),
            ("фото", digits.learning, "test"),
            ("photos", few, "test"),
        )
    ]
    assert kept[5] == kept[0]
    assert sorted(path.stem for path in kept[:5]) == list(Run.open(run).evaluations())


@pytest.mark.parametrize("content", ['{"accuracy": 2, "n": "x"}', "{", "[]", '{"correct": 1e999, "n": NaN}'])
def test_a_bad_file_among_the_evaluations_stops_none(run: Path, digits: LabelledImages, content: str) -> None:
    (run / "evaluations").mkdir()
    (run / "evaluations" / "zz.json").write_text(content)
    out = evaluate(run, digits, device="cpu")
    assert out.kept.is_file()
    assert "zz.json" in (run / "model-card.md").read_text()


def test_a_card_or_a_picture_that_cannot_be_written_is_a_note(run: Path, digits: LabelledImages) -> None:
    (run / "model-card.md").unlink()
    (run / "model-card.md").mkdir()
    out = evaluate(run, digits, device="cpu")
    (note,) = out.notes
    assert note.startswith("the model card is not renewed: ")
    assert out.kept.is_file()
    assert out.contact_sheet is not None


def test_the_contact_sheet_is_renewed_with_the_evaluation_and_goes_with_the_last_mistake(
    run: Path, digits: LabelledImages
) -> None:
    out = evaluate(run, digits, device="cpu")
    assert out.contact_sheet == out.kept.with_suffix(".png")
    assert out.contact_sheet.read_bytes() == contact_sheet(out.mistakes)
    tensors = load((run / WEIGHTS).read_bytes())
    last = max(name for name in tensors if name.endswith("bias"))
    forge(run, WEIGHTS, save(tensors | {last: tensors[last] + 1e6 * torch.eye(10)[3]}))  # now all are threes
    threes = replace(digits, sealed=digits.sealed.take(np.flatnonzero(digits.sealed.labels == 3)))
    stale = evaluate(run, threes, device="cpu").kept.with_suffix(".png")
    stale.touch()
    assert evaluate(run, threes, device="cpu").contact_sheet is None
    assert not stale.exists()


def test_no_more_pictures_are_kept_than_can_be_read_again(
    run: Path, digits: LabelledImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_of_them = evaluate(run, digits, device="cpu").mistakes
    room = sum(len(mistake.png) for mistake in all_of_them[:3])
    monkeypatch.setattr("pennyweight.fit.judgement.PICTURES_MAX_BYTES", room)
    assert evaluate(run, digits, device="cpu").mistakes == all_of_them[:3]


def test_curves_of_another_shape_do_not_stop_an_evaluation(run: Path, digits: LabelledImages) -> None:
    folder = Run.open(run)
    results = folder.read(RESULTS) | {"curves": [5, "x", None, {"seconds": "1"}, {"seconds": 2}]}
    (run / RESULTS).unlink()
    folder.finish((run / WEIGHTS).read_bytes(), results, {each: folder.checksum(each) for each in ASKED})
    assert evaluate(run, digits, device="cpu").seconds_per_epoch == 2


def test_another_source_without_a_test_part_of_its_own_is_evaluated_whole(run: Path, digits: LabelledImages) -> None:
    others = replace(digits, sealed=digits.learning)
    assert evaluate(run, others, device="cpu").part == "test"
    cut = replace(others, notes=(SEALED_NOTE,))
    out = evaluate(run, cut, device="cpu")
    assert (out.part, out.accuracy.n) == ("all", 400)


def test_an_evaluation_that_cannot_be_kept_still_tells_the_accuracy(
    run: Path, digits: LabelledImages, full_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    accuracy = evaluate(run, digits, device="cpu").accuracy
    with full_disk(1000), pytest.raises(RunError, match=r"cannot be written") as caught:
        evaluate(run, digits, device="cpu")
    assert f"the accuracy is {accuracy}" in str(caught.value)
    assert "make room" in caught.value.hint


def test_answers_that_are_no_numbers_are_a_run_error(run: Path, digits: LabelledImages) -> None:
    tensors = {name: tensor * 1e30 for name, tensor in load((run / WEIGHTS).read_bytes()).items()}
    forge(run, WEIGHTS, save(tensors))
    with pytest.raises(RunError, match="not a number"):
        evaluate(run, digits, device="cpu")


def sheet(path: Path, name: str) -> None:
    """A photo of a stroke: upright for `bar`, lying for `dash`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    paper = Image.new("L", (120, 90), 225)
    line = [(60, 15), (62, 75)] if name == "bar" else [(20, 44), (100, 48)]
    ImageDraw.Draw(paper).line(line, fill=40, width=8)
    paper.save(path)


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that tells bars from dashes, light on dark, from a folder."""
    folder, rng = tmp_path_factory.mktemp("bars"), np.random.default_rng(0)
    for number in range(80):
        name = ("bar", "dash")[number % 2]
        picture = Image.new("L", (12, 12))
        shift = rng.integers(-1, 2)
        line = [(5 + shift, 2), (5, 9)] if name == "bar" else [(2, 5 + shift), (9, 5)]
        ImageDraw.Draw(picture).line(line, fill=int(rng.integers(230, 256)), width=1)
        (folder / "set" / name).mkdir(parents=True, exist_ok=True)
        picture.save(folder / "set" / name / f"{number}.png")
    recipe = Recipe(epochs=12, batch=16, validation=0.1)
    train(str(folder / "set"), "mlp:hidden=16", recipe=recipe, out=folder / "run", device="cpu")
    return folder


def test_photos_are_answered_in_the_geometry_of_the_training_images(bars: Path, tmp_path: Path) -> None:
    for name in ("bar", "dash"):
        sheet(tmp_path / "photos" / name / "1.jpg", name)
    (tmp_path / "photos" / "bar" / "broken.png").write_bytes(b"no picture")
    out = evaluate(bars / "run", str(tmp_path / "photos"), device="cpu")
    assert (out.part, out.accuracy.correct, out.accuracy.n) == ("all", 2, 2)
    assert [(photo.file, photo.true, photo.right) for photo in out.photos] == [
        ("bar/1.jpg", "bar", True),
        ("dash/1.jpg", "dash", True),
    ]
    upright = np.array(pixels(out.photos[0]))
    assert upright.shape == (12, 12)
    assert upright[0, 0] == 0
    assert np.ptp(np.flatnonzero((upright > 60).any(1))) > np.ptp(np.flatnonzero((upright > 60).any(0)))
    assert any("light on dark" in note for note in out.notes)
    assert any("broken.png" in note for note in out.notes)
    assert Run.open(bars / "run").evaluations()[out.kept.stem]["photos"][1]["file"] == "dash/1.jpg"


def test_photos_of_one_class_and_a_photo_of_nothing_are_answered(bars: Path, tmp_path: Path) -> None:
    (tmp_path / "mine" / "bar").mkdir(parents=True)
    Image.new("L", (40, 50), 220).save(tmp_path / "mine" / "bar" / "blank.png")
    (photo,) = evaluate(bars / "run", str(tmp_path / "mine"), device="cpu").photos
    assert photo.note == "nothing found"


def test_photos_in_which_nothing_was_found_are_counted_and_told_apart(bars: Path, tmp_path: Path) -> None:
    for name in ("bar", "dash"):
        sheet(tmp_path / "mine" / name / "1.jpg", name)
        Image.new("L", (40, 50), 220).save(tmp_path / "mine" / name / "blank.png")  # one of the two is surely wrong
    out = evaluate(bars / "run", str(tmp_path / "mine"), device="cpu")
    assert (out.accuracy, out.not_blank) == (Accuracy(3, 4), Accuracy(2, 2))
    assert out.as_json()["not_blank"] == {"correct": 2, "n": 2}
    assert kept_evaluations(Run.open(bars / "run"), {})[out.kept.stem].not_blank == out.not_blank
    card = (bars / "run" / CARD).read_text()
    assert f"- Nothing was found in 2 of the 4 photos of mine; without them the accuracy is {out.not_blank}." in card
    for name in ("bar", "dash"):
        (tmp_path / "mine" / name / "blank.png").unlink()
    assert evaluate(bars / "run", str(tmp_path / "mine"), device="cpu").not_blank is None


def test_photos_of_a_class_that_the_network_never_saw_are_left_out_and_named(bars: Path, tmp_path: Path) -> None:
    for name in ("across", "bar", "cross", "dash"):
        sheet(tmp_path / "photos" / name / "1.png", name)
    out = evaluate(bars / "run", str(tmp_path / "photos"), device="cpu")
    assert (out.accuracy.n, [photo.true for photo in out.photos]) == (2, ["bar", "dash"])
    assert "2 photos of classes that the network does not know left out: across, cross" in out.notes


def test_photos_of_which_the_network_knows_no_class_are_refused(bars: Path, tmp_path: Path) -> None:
    sheet(tmp_path / "photos" / "cross" / "1.png", "cross")
    with pytest.raises(DataError, match="photos has classes that the network does not know: cross") as caught:
        evaluate(bars / "run", str(tmp_path / "photos"), device="cpu")
    assert "it knows bar, dash" in caught.value.hint


def test_a_folder_without_class_folders_is_refused(bars: Path, tmp_path: Path) -> None:
    sheet(tmp_path / "photos" / "1.png", "bar")
    with pytest.raises(DataError, match="no class folders"):
        evaluate(bars / "run", str(tmp_path / "photos"), device="cpu")
    with pytest.raises(DataError, match="neither a folder nor an") as caught:
        evaluate(bars / "run", str(tmp_path / "photos" / "1.png"), device="cpu")
    assert "a folder named like its class, PHOTOS/bar/" in caught.value.hint


def test_another_set_is_not_brought_to_the_geometry_and_a_note_says_so(bars: Path, tmp_path: Path) -> None:
    labels, images = np.repeat(["bar", "dash"], 5), np.zeros((10, 20, 20), np.uint8)
    np.savez(tmp_path / "set.npz", images=images, labels=labels)
    (note,) = evaluate(bars / "run", str(tmp_path / "set.npz"), device="cpu").notes
    assert "not brought to the geometry of the training images" in note
    assert evaluate(bars / "run", device="cpu").notes == ()


def test_a_copy_of_the_runs_own_folder_is_no_folder_of_photos(bars: Path, tmp_path: Path) -> None:
    shutil.copytree(bars / "set", tmp_path / "copy")
    before = len(Run.open(bars / "run").openings())
    for source in (bars / "set", tmp_path / "copy"):
        out = evaluate(bars / "run", str(source), device="cpu")
        assert (out.part, out.accuracy.n, out.photos) == ("test", 16, ())
    assert out.opened == before + 2


def test_a_run_from_before_geometry_was_measured_has_photos_stretched(bars: Path, tmp_path: Path) -> None:
    shutil.copytree(bars / "run", tmp_path / "run")
    forge_json(tmp_path / "run", SETTINGS, lambda facts: facts.pop("geometry"))
    sheet(tmp_path / "photos" / "bar" / "1.png", "bar")
    (photo,) = evaluate(tmp_path / "run", str(tmp_path / "photos"), device="cpu").photos
    assert pixels(photo)[0][0] > 200
    measured = Run.open(bars / "run").read(SETTINGS)["geometry"]
    for odd in ({"box": 10**9}, measured | {"stroke": 1500}, measured | {"box": 2000, "stroke": 1500}):
        forge_json(tmp_path / "run", SETTINGS, lambda facts, odd=odd: facts.update(geometry=odd))  # type: ignore[misc]
        with pytest.raises(RunError, match="no usable geometry"):
            evaluate(tmp_path / "run", str(tmp_path / "photos"), device="cpu")


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory, real_data: Path) -> Path:
    """A run that reads digits, trained on some of MNIST."""
    mnist = open_source("mnist", data_dir=real_data)
    few = replace(mnist, learning=mnist.learning.take(np.arange(6_000)), sealed=mnist.sealed.take(np.arange(1_000)))
    recipe = Recipe(epochs=4, batch=64, validation=0.1)
    out = tmp_path_factory.mktemp("reader") / "run"
    return train(replace(few, source=""), "mlp:hidden=128", recipe=recipe, out=out, device="cpu").run


def test_digits_of_mnist_are_read_as_well_after_they_were_fitted(reader: Path, real_data: Path) -> None:
    geometry = Geometry.from_json(Run.open(reader).read(SETTINGS)["geometry"])
    network = TrainedNetwork.of(Run.open(reader), CPU)
    part = open_source("mnist", data_dir=real_data).learning.take(np.arange(10_000, 10_800))
    fitted = np.stack([geometry.fitted(picture, (28, 28, 1)) for picture in part.images])
    before, after = (
        float((network.logits(images).argmax(1).numpy() == part.labels).mean()) for images in (part.images, fitted)
    )
    assert before > 0.9
    assert after > before - 0.005


def test_a_persons_own_digits_are_read_in_mnists_geometry(reader: Path, real_data: Path) -> None:
    out = evaluate(reader, str(real_data / "own_digits"), device="cpu")
    assert out.accuracy.n == len(out.photos) == 7
    assert out.accuracy.correct >= 6
