"""Real digits, jobs small enough to be done in a blink, and what each would come to undisturbed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from pennyweight.core.run import WEIGHTS
from pennyweight.data.digits import read_digits
from pennyweight.fit.recipe import Recipe
from pennyweight.net.zoo import build_network
from pennyweight.plan.engines.base import Engine, ImagesByShape
from pennyweight.plan.worker import Job, Outcome, work

MakeJob = Callable[..., Job]
Undisturbed = Callable[[Job], tuple[Outcome, bytes]]
Await = Callable[[Engine, int], dict[int, Outcome]]

SHAPE = (8, 8, 1)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def images() -> ImagesByShape:
    return {SHAPE: read_digits()}


@pytest.fixture
def job(tmp_path: Path) -> MakeJob:
    """Three epochs of a perceptron, unless the recipe is told."""

    def made(number: int = 0, *, recipe: dict[str, Any] | None = None, **changes: Any) -> Job:
        usual = Recipe(epochs=3, batch=32, seed=number)
        graph = build_network("mlp:hidden=16", SHAPE, 10)
        return Job(number, tmp_path / f"trial-{number}", graph, usual.with_changes(recipe or {}), **changes)

    return made


@pytest.fixture
def undisturbed(images: ImagesByShape, tmp_path: Path) -> Undisturbed:
    """What a job comes to in this process, and the weights in the end; it leaves the job's own folder alone."""

    def done(job: Job) -> tuple[Outcome, bytes]:
        folder = tmp_path / "undisturbed" / str(job.number)
        outcome = work(replace(job, folder=folder), images[SHAPE])
        return outcome, (folder / WEIGHTS).read_bytes()

    return done


@pytest.fixture(scope="session")
def outcomes() -> Await:
    """The outcomes of so many jobs, by their numbers."""

    def awaited(engine: Engine, count: int) -> dict[int, Outcome]:
        found: list[Outcome] = []
        until = time.monotonic() + 150
        while len(found) < count and time.monotonic() < until:
            found += engine.wait(1)
        assert len(found) == count
        return {outcome.number: outcome for outcome in found}

    return awaited
