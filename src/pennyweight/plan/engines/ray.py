"""The engine of many machines: a Ray cluster, each job a task of one processor core.

Nothing need be shared between the machines but the package: the images travel once to each node, and with each job go
its run folder and the one that it begins with. A task trains in a folder of its own and sends the files back.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pennyweight.core.errors import MissingExtraError, RunError, UsageError
from pennyweight.core.files import DRAFT, write_bytes, writing
from pennyweight.core.run import CHECKPOINT, FAILURE, RESULTS
from pennyweight.data.images import LabelledImages
from pennyweight.plan.engines.attempt import Attempt
from pennyweight.plan.engines.base import Engine, ImagesByShape
from pennyweight.plan.worker import Job, Outcome, is_for_want_of_room, work

KNOCK_S = 10
"""How long a cluster may take to answer at all."""

FAREWELL_S = 3
"""How long tasks may take to end when they are asked to."""

Files = Mapping[str, bytes]
"""What lies in a run folder: path within it -> content."""


class OnRay(Engine):
    """The cluster at `address`, or one on this machine that ends with the engine.

    There are as many workers as the cluster has cores, unless told. Raises MissingExtraError without Ray, UsageError
    where no cluster answers.
    """

    threads = 1

    def __init__(self, images: ImagesByShape, workers: int | None = None, address: str | None = None) -> None:
        self._ray = _ray()
        self._joined = not self._ray.is_initialized()
        if self._joined:
            _join(self._ray, address, workers)
        self.workers = workers or max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        for each in images.values():
            _ = each.fingerprint  # it is kept with the images, and no task has to take it again
        self._images = {shape: self._ray.put(each) for shape, each in images.items()}
        self._task = self._ray.remote(num_cpus=1, max_retries=0)(train_on_node)
        self._running: dict[Any, Attempt] = {}

    def submit(self, job: Job) -> None:
        """Hand a job to the cluster."""
        self._begin(Attempt(job))

    def wait(self, seconds: float) -> list[Outcome]:
        """The outcomes since the last call; none where nothing runs."""
        until = time.monotonic() + seconds
        outcomes: list[Outcome] = []
        while self._running:
            self._ray.wait(list(self._running), timeout=max(0.0, until - time.monotonic()))
            ended, _ = self._ray.wait(list(self._running), num_returns=len(self._running), timeout=0)
            outcomes += [outcome for task in ended if (outcome := self._outcome(task))]
            if outcomes or time.monotonic() >= until:
                break
        return outcomes

    def close(self) -> None:
        """End the tasks, and leave the cluster; the one that was started for them ends."""
        tasks = list(self._running)
        for task in tasks:
            self._ray.cancel(task)  # it clears its folder away before it ends
        _, left = self._ray.wait(tasks, num_returns=len(tasks), timeout=FAREWELL_S) if tasks else ([], [])
        for task in left:
            self._ray.cancel(task, force=True)
        self._running, self._images = {}, {}
        if self._joined:
            self._ray.shutdown()
            self._joined = False

    def _begin(self, attempt: Attempt) -> None:
        job = attempt.remaining()
        height, width, channels = job.graph.input_shape
        images = self._images[height, width, channels]
        self._running[self._task.remote(job, images, packed(job.folder))] = attempt

    def _outcome(self, task: Any) -> Outcome | None:
        """What came of an ended task; none where its node or its process died and it is tried again."""
        attempt = self._running.pop(task)
        failures = self._ray.exceptions
        try:
            outcome: Outcome | None
            outcome, files = self._ray.get(task)
            unpack(files, attempt.job.folder)
        except failures.RayTaskError as error:
            return Outcome(attempt.job.number, "failed", why=f"a node cannot do it: {error.cause!r}")
        except failures.RayError:
            outcome = attempt.lost()
            if outcome is None:
                self._begin(attempt)
        except RunError as error:
            return Outcome(attempt.job.number, "failed", why=str(error), no_room=is_for_want_of_room(error))
        return outcome


def train_on_node(job: Job, images: LabelledImages, files: Files) -> tuple[Outcome, Files]:
    """What came of `job`, and the files of its run folder. `files` lie in it before."""
    with TemporaryDirectory(prefix="pennyweight-") as place:
        folder = Path(place, "run")
        unpack(files, folder)
        outcome = work(replace(job, folder=folder), images)
        return outcome, packed(folder)


def packed(folder: Path) -> Files:
    """The files in a run folder; none where there is no such folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(DRAFT)
    }


def unpack(files: Files, folder: Path) -> None:
    """Write `files` into a run folder: those last that say that the others are there. Raises RunError."""
    with writing(folder):
        for name in sorted(files, key=lambda name: (name in (CHECKPOINT, RESULTS), name)):
            write_bytes(folder / name, files[name])
        if RESULTS in files:
            for leftover in (CHECKPOINT, FAILURE):
                (folder / leftover).unlink(missing_ok=True)


def _ray() -> Any:
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise MissingExtraError("a search on a Ray cluster", "cluster") from error
    return ray


def _join(ray: Any, address: str | None, workers: int | None) -> None:
    """Join the cluster at `address`, or start one here that tells nobody of it."""
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(address="local", num_cpus=workers, include_dashboard=False, **quiet)
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        if host:  # Ray itself would knock for minutes at a door that is shut
            socket.create_connection((host, int(port)), KNOCK_S).close()
        ray.init(address=address, **quiet)
    except (OSError, OverflowError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        why = (str(error).splitlines() or [""])[0]
        raise UsageError(
            f"no Ray cluster can be joined at {address!r}: {why}",
            hint="ray start --head tells the address; where it asks for a token, set RAY_AUTH_MODE=token",
        ) from error
