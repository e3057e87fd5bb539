"""What a worker does with one trial: train its network in a run folder of its own, and tell what came of it.

A folder that holds a checkpoint is gone on with, one that is finished is read, and anything else is begun anew: so a
job may be done twice, whatever killed it the first time.
"""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from pennyweight.core.errors import PennyweightError, RunError
from pennyweight.core.files import writing
from pennyweight.core.run import Run
from pennyweight.data.images import LabelledImages
from pennyweight.fit.accuracy import Accuracy
from pennyweight.fit.checkpoint import unpacked
from pennyweight.fit.graph import graph_of
from pennyweight.fit.loop import Progress, Row
from pennyweight.fit.recipe import Recipe
from pennyweight.fit.train import Training, finished_training, recipe_of, resume, train
from pennyweight.net.graph import Graph
from pennyweight.plan.trial import State

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a disk says that is full, of a quota, or of a limit to the size of files."""


@dataclass(frozen=True, slots=True)
class Job:
    """A training that a worker is to do in `folder`.

    `floors` holds, epoch for epoch, the
    validation accuracy below which it is stopped; `seconds` is how long it may take, `threads` how many it may use.
    """

    number: int
    folder: Path
    graph: Graph
    recipe: Recipe
    floors: tuple[float, ...] = ()
    seconds: float = float("inf")
    threads: int = 1
    device: str = "auto"
    tensorboard: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a job, in the words of a Trial; it is still `running` where it was cut off and can be gone on with.

    `no_room` says that it failed for want of room on the disk.
    """

    number: int
    state: State
    validation: Accuracy | None = None
    accuracies: tuple[float, ...] = ()
    seconds: float = 0.0
    why: str = ""
    no_room: bool = False


class Stop(Exception):
    """A training is to go on no more for now; whoever watches it may raise this."""


class Hopeless(Stop):
    """A training is to go on no more: it could not reach the Front."""


def work(job: Job, images: LabelledImages, on_progress: Callable[[Progress], None] | None = None) -> Outcome:
    """What came of `job`, trained on `images`, which have its network's input shape.

    It raises nothing but what `on_progress` raises, but for Stop, which ends the training.

    A training that is stopped keeps its checkpoint: `resume` can go on with it.
    """
    began = time.perf_counter()
    seen = 0
    theirs: Exception | None = None

    def watch(progress: Progress) -> None:
        nonlocal seen, theirs
        if progress.validation_accuracy is not None and progress.epoch > seen:
            seen = progress.epoch
            floor = job.floors[seen - 1] if seen <= len(job.floors) else 0.0
            if progress.validation_accuracy < floor:
                raise Hopeless(
                    f"after epoch {seen} of {progress.epochs} its validation accuracy, "
                    f"{progress.validation_accuracy:.2%}, was below {floor:.2%}: it could not reach the front any more"
                )
        if time.perf_counter() - began > job.seconds:
            raise Stop(f"time was over in epoch {progress.epoch + 1} of {progress.epochs}")
        if on_progress is not None:
            try:
                on_progress(progress)
            except Exception as error:
                theirs = error
                raise

    torch.set_num_threads(job.threads)
    state: State = "failed"
    no_room = False
    try:
        done = _trained(job, images, watch)
        return Outcome(job.number, "done", done.validation, _accuracies(done.curves), done.seconds)
    except Stop as stop:
        state, why = "stopped" if isinstance(stop, Hopeless) else "running", str(stop)
    except PennyweightError as error:
        if error is theirs:
            raise
        why, no_room = str(error), is_for_want_of_room(error)
    except MemoryError:
        why = "out of memory"
    except Exception as error:
        if error is theirs:
            raise
        why = f"{type(error).__name__}: {error}"
    return Outcome(job.number, state, None, _accuracies(rows(job.folder)), time.perf_counter() - began, why, no_room)


def is_for_want_of_room(error: PennyweightError) -> bool:
    """Whether the disk had no room: no fault of the network."""
    return getattr(error.__cause__, "errno", None) in NO_ROOM


def _trained(job: Job, images: LabelledImages, watch: Callable[[Progress], None]) -> Training:
    if _is_begun(job):
        return resume(job.folder, images, tensorboard=job.tensorboard, on_progress=watch)
    with writing(job.folder) as folder:
        if folder.exists():
            shutil.rmtree(folder)
    return train(
        images,
        job.graph,
        recipe=job.recipe,
        out=job.folder,
        device=job.device,
        tensorboard=job.tensorboard,
        on_progress=watch,
    )


def _is_begun(job: Job) -> bool:
    """Whether this very training is finished in its folder or can be gone on with; what is damaged cannot."""
    try:
        run = Run.open(job.folder)
        if (graph_of(run), replace(recipe_of(run), teacher=job.recipe.teacher)) != (job.graph, job.recipe):
            return False
        if run.finished:
            finished_training(run)
        else:
            _, _, asked = unpacked(run)
            run.check(asked)
    except RunError:
        return False
    return True


def rows(folder: Path) -> list[Row]:
    """The epochs that the checkpoint in `folder` has behind it."""
    with suppress(RunError):
        _, facts, _ = unpacked(Run.open(folder))
        return list(facts["curves"])
    return []


def _accuracies(rows: Sequence[Row]) -> tuple[float, ...]:
    """The validation accuracy after each epoch; 0 where no images were held out."""
    return tuple(float(row["validation_accuracy"] or 0.0) for row in rows)
