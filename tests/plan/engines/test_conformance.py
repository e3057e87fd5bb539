"""What every engine keeps to, wherever its trainings run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pennyweight.core.run import CHECKPOINT, ENVIRONMENT, WEIGHTS
from pennyweight.fit.loop import Progress
from pennyweight.net.zoo import build_network
from pennyweight.plan.engines import make_engine
from pennyweight.plan.engines.base import Engine, ImagesByShape
from pennyweight.plan.worker import Job, Outcome, Stop, work

MakeJob = Callable[..., Job]
Undisturbed = Callable[[Job], tuple[Outcome, bytes]]
Await = Callable[[Engine, int], dict[int, Outcome]]

DIVERGING = {"optimizer": "sgd", "learning_rate": 100, "schedule": "constant", "batch": 8}


@pytest.fixture(scope="module", params=["here", "processes", pytest.param("ray", marks=pytest.mark.slow)])
def engine(request: pytest.FixtureRequest, images: ImagesByShape) -> Iterator[Engine]:
    if request.param == "ray":
        pytest.importorskip("ray")
    with make_engine(request.param, images, 1 if request.param == "here" else 2) as made:
        yield made


def half_trained(job: Job, images: ImagesByShape) -> None:
    """Leave the job's folder as a kill in the last epoch would."""

    def watch(progress: Progress) -> None:
        if progress.epoch == progress.epochs - 1:
            raise Stop

    work(job, images[job.graph.input_shape], watch)
    assert (job.folder / CHECKPOINT).is_file()


def mark(folder: Path) -> None:
    """Write into a run folder what is there only as long as nothing begins it anew."""
    facts = json.loads((folder / ENVIRONMENT).read_text())
    (folder / ENVIRONMENT).write_text(json.dumps(facts | {"marked": True}))


def is_marked(folder: Path) -> bool:
    return "marked" in json.loads((folder / ENVIRONMENT).read_text())


def results(outcome: Outcome) -> tuple[Any, ...]:
    """All of an outcome that no clock decides."""
    return outcome.state, outcome.validation, outcome.accuracies


def test_every_job_has_one_outcome_and_the_weights_that_it_would_have_anywhere(
    engine: Engine, job: MakeJob, outcomes: Await, undisturbed: Undisturbed
) -> None:
    jobs = [job(number) for number in range(3)]
    found: dict[int, Outcome] = {}
    for start in range(0, len(jobs), engine.workers):
        some = jobs[start : start + engine.workers]
        for each in some:
            engine.submit(each)
        found |= outcomes(engine, len(some))
    assert sorted(found) == [0, 1, 2]
    for each in jobs:
        wanted, weights = undisturbed(each)
        assert results(found[each.number]) == results(wanted)
        assert (each.folder / WEIGHTS).read_bytes() == weights


def test_without_jobs_there_is_nothing_to_wait_for(engine: Engine) -> None:
    began = time.monotonic()
    assert engine.wait(30) == []
    assert time.monotonic() - began < 10


def test_a_training_that_diverges_fails_with_its_reason_and_the_engine_goes_on(
    engine: Engine, job: MakeJob, outcomes: Await
) -> None:
    engine.submit(job(0, recipe=DIVERGING))
    failed = outcomes(engine, 1)[0]
    assert failed.state == "failed"
    assert "the loss is nan" in failed.why
    engine.submit(job(1))
    assert outcomes(engine, 1)[1].state == "done"


def test_a_job_that_raises_what_nobody_foresaw_fails_with_its_reason(
    engine: Engine, job: MakeJob, outcomes: Await
) -> None:
    engine.submit(replace(job(), device=None))  # no text, as a caller's mistake may bring
    failed = outcomes(engine, 1)[0]
    assert failed.state == "failed"
    assert failed.why


def test_a_job_below_its_floor_is_stopped_and_keeps_its_checkpoint(
    engine: Engine, job: MakeJob, outcomes: Await
) -> None:
    asked = job(floors=(0.0, 1.1, 0.0))
    engine.submit(asked)
    stopped = outcomes(engine, 1)[0]
    assert (stopped.state, len(stopped.accuracies)) == ("stopped", 2)
    assert "below 110.00%" in stopped.why
    assert (asked.folder / CHECKPOINT).is_file()


def test_a_job_whose_time_is_over_is_cut_off_and_still_running(engine: Engine, job: MakeJob, outcomes: Await) -> None:
    engine.submit(job(recipe={"epochs": 10_000}, seconds=0.3))
    cut = outcomes(engine, 1)[0]
    assert cut.state == "running"
    assert "time was over" in cut.why


def test_a_finished_run_is_read_and_not_trained_again(engine: Engine, job: MakeJob, outcomes: Await) -> None:
    asked = job()
    engine.submit(asked)
    first = outcomes(engine, 1)[0]
    mark(asked.folder)
    engine.submit(asked)
    assert outcomes(engine, 1)[0] == first
    assert is_marked(asked.folder)


def test_a_half_trained_run_goes_on_and_ends_in_the_same_weights(
    engine: Engine, job: MakeJob, images: ImagesByShape, outcomes: Await, undisturbed: Undisturbed
) -> None:
    asked = job()
    half_trained(asked, images)
    mark(asked.folder)
    engine.submit(asked)
    wanted, weights = undisturbed(asked)
    assert results(outcomes(engine, 1)[0]) == results(wanted)
    assert (asked.folder / WEIGHTS).read_bytes() == weights
    assert is_marked(asked.folder)
    assert not (asked.folder / CHECKPOINT).exists()


def test_a_half_trained_run_that_is_stopped_tells_of_the_epochs_before_too(
    engine: Engine, job: MakeJob, images: ImagesByShape, outcomes: Await
) -> None:
    asked = job(floors=(0.0, 1.1, 0.0))
    half_trained(replace(asked, floors=()), images)
    engine.submit(asked)
    stopped = outcomes(engine, 1)[0]
    assert (stopped.state, len(stopped.accuracies)) == ("stopped", 2)


def test_a_folder_in_which_a_kill_left_no_checkpoint_is_begun_anew(
    engine: Engine, job: MakeJob, outcomes: Await, undisturbed: Undisturbed
) -> None:
    asked = job()
    asked.folder.mkdir()
    (asked.folder / "graph.json").write_text("{")
    engine.submit(asked)
    assert outcomes(engine, 1)[0].state == "done"
    assert (asked.folder / WEIGHTS).read_bytes() == undisturbed(asked)[1]


def test_what_another_training_left_in_the_folder_is_not_taken_for_this_one(
    images: ImagesByShape, job: MakeJob, undisturbed: Undisturbed
) -> None:
    asked = job()
    for other in (
        job(recipe={"learning_rate": 0.3}),
        replace(asked, graph=build_network("mlp:hidden=8", (8, 8, 1), 10)),
    ):
        work(other, images[other.graph.input_shape])
        outcome = work(asked, images[asked.graph.input_shape])
        assert results(outcome) == results(undisturbed(asked)[0])
