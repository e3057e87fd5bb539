"""TensorBoard sees the curves: each epoch once, whatever happened in between."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pennyweight.core.errors import MissingExtraError, RunError
from pennyweight.core.run import Run
from pennyweight.data.images import LabelledImages
from pennyweight.fit.loop import Progress
from pennyweight.fit.recipe import Recipe
from pennyweight.fit.tensorboard import EVENTS, TAGS, event_files
from pennyweight.fit.train import Training, resume, train
from pennyweight.net.graph import Graph

RECIPE = Recipe(epochs=4, batch=32, validation=0.2)


class Stop(Exception):
    """What a test interrupts with."""


def stop_in_the_third_epoch(progress: Progress) -> None:
    if progress.epoch == 2:
        raise Stop


def shown(run: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard shows: (step, value) of every tag."""
    events = EventAccumulator(str(run / EVENTS))
    events.Reload()
    return {tag: [(each.step, each.value) for each in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def assert_shown(done: Training) -> None:
    expected = {
        tag: [(row["epoch"], pytest.approx(row[name])) for row in done.curves]
        for name, tag in TAGS.items()
        if done.curves[0][name] is not None
    }
    assert shown(done.run) == expected


def test_tensorboard_shows_the_curves(tmp_path: Path, digits: LabelledImages, mlp: Graph) -> None:
    done = train(digits, mlp, recipe=RECIPE, out=tmp_path / "run", device="cpu", tensorboard=True)
    assert_shown(done)
    assert {"loss/train", "loss/validation", "accuracy/validation", "learning_rate"} <= shown(done.run).keys()
    recipe = replace(RECIPE, validation=0.0)
    done = train(digits, mlp, recipe=recipe, out=tmp_path / "unvalidated", device="cpu", tensorboard=True)
    assert_shown(done)
    assert "loss/validation" not in shown(done.run)


@pytest.mark.parametrize("asked", ["in the beginning", "when it resumes", "both times"])
def test_a_resumed_training_shows_each_epoch_once(
    asked: str, tmp_path: Path, digits: LabelledImages, mlp: Graph
) -> None:
    run = tmp_path / "run"
    first, then = asked != "when it resumes", asked != "in the beginning"
    with pytest.raises(Stop):
        train(
            digits,
            mlp,
            recipe=RECIPE,
            out=run,
            device="cpu",
            tensorboard=first,
            on_progress=stop_in_the_third_epoch,
        )
    if first:
        assert [step for step, _ in shown(run)["loss/train"]] == [1, 2]
    assert_shown(resume(run, digits, tensorboard=then))


def test_an_epoch_that_was_shown_but_not_kept_is_shown_as_it_was_in_the_end(
    tmp_path: Path, digits: LabelledImages, mlp: Graph
) -> None:
    with pytest.raises(Stop):
        train(digits, mlp, recipe=RECIPE, out=tmp_path / "run", device="cpu", on_progress=stop_in_the_third_epoch)
    with event_files(Run(tmp_path / "run"), []) as write:
        for epoch in (1, 2, 3):
            write({"epoch": epoch, "train_loss": 99.0})
    assert_shown(resume(tmp_path / "run", digits))


def test_without_being_asked_nothing_is_written(tmp_path: Path, digits: LabelledImages, mlp: Graph) -> None:
    done = train(digits, mlp, recipe=RECIPE, out=tmp_path / "run", device="cpu")
    assert not (done.run / EVENTS).exists()
    assert resume(done.run, tensorboard=True) == done
    assert_shown(done)


def test_a_missing_tensorboard_is_told_before_the_images_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtraError, match="extra `tensorboard`"):
        train("no-such-source", "no-such-network", tensorboard=True)


def test_a_folder_that_cannot_be_made_is_a_run_error(tmp_path: Path) -> None:
    (tmp_path / EVENTS).write_text("a file, where a folder is needed")
    with pytest.raises(RunError, match="tensorboard cannot be written"), event_files(Run(tmp_path), []):
        pass


def test_nothing_is_deleted_or_written_through_a_link_in_its_place(
    tmp_path: Path, digits: LabelledImages, mlp: Graph
) -> None:
    with pytest.raises(Stop):
        train(digits, mlp, recipe=RECIPE, out=tmp_path / "run", device="cpu", on_progress=stop_in_the_third_epoch)
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "events.out.tfevents.1.mine").write_text("mine")
    (tmp_path / "run" / EVENTS).symlink_to(victim)
    for asked in (True, False):
        with pytest.raises(RunError, match="tensorboard is a link"):
            resume(tmp_path / "run", digits, tensorboard=asked)
    assert [(path.name, path.read_text()) for path in victim.iterdir()] == [("events.out.tfevents.1.mine", "mine")]
    (tmp_path / "run" / EVENTS).unlink()
    assert_shown(resume(tmp_path / "run", digits, tensorboard=True))
