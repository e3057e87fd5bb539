"""The engine of one machine: processes that train one network each.

A pipe joins each worker to the coordinator: down go the images, once, and then jobs; up come outcomes. A worker that
dies is replaced, and takes no other's job with it. One whose coordinator dies ends too, so that nothing trains on in a
folder that a resumed search begins to train in.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import connection, get_context, parent_process
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any

from pennyweight.core.errors import RunError
from pennyweight.core.machine import cores
from pennyweight.plan.engines.attempt import Attempt
from pennyweight.plan.engines.base import Engine, ImagesByShape
from pennyweight.plan.worker import Job, Outcome, work

FAREWELL_S = 5
"""How long a worker that has hung up may take to end by itself."""

GUARD = 'a script that has several workers must begin their work under: if __name__ == "__main__":'
"""Each worker imports the script, and would begin the search once more."""


class Processes(Engine):
    """`workers` processes on this machine, which share its cores."""

    def __init__(self, images: ImagesByShape, workers: int) -> None:
        self.workers, self.threads = workers, max(1, cores() // workers)
        self._images = images
        self._crew = [_Worker(self.threads) for _ in range(workers)]

    def submit(self, job: Job) -> None:
        """Hand a job to a worker that has none."""
        worker = next(each for each in self._crew if each.attempt is None)
        worker.attempt = Attempt(job)
        if worker.ready:
            with suppress(OSError):  # that it has died is heard by `wait`
                worker.begin()

    def wait(self, seconds: float) -> list[Outcome]:
        """The outcomes since the last call; none where nothing runs."""
        until = time.monotonic() + seconds
        outcomes: list[Outcome] = []
        while busy := {worker.pipe: worker for worker in self._crew if worker.attempt}:
            for pipe in connection.wait(list(busy), max(0.0, until - time.monotonic())):
                outcome = self._hear(busy[pipe])  # type: ignore[index]
                if outcome is not None:
                    outcomes.append(outcome)
            if outcomes or time.monotonic() >= until:
                break
        return outcomes

    def close(self) -> None:
        """End the workers at once."""
        for worker in self._crew:
            worker.process.kill()
        for worker in self._crew:
            worker.bury()
        self._crew = []

    def _hear(self, worker: _Worker) -> Outcome | None:
        """What came of the job of a worker that has said something; none where it is but ready, or dies."""
        attempt = worker.attempt
        assert attempt is not None
        try:
            said: Outcome | None = worker.pipe.recv()
            if said is None:
                worker.pipe.send(dict(self._images))
                worker.ready = True
                worker.begin()
            else:
                worker.attempt = None
            return said
        except (EOFError, OSError):
            return self._replace(worker, attempt)

    def _replace(self, worker: _Worker, attempt: Attempt) -> Outcome | None:
        """Let a fresh worker take the dead one's job; or what came of it, after too many deaths.

        Raises RunError where the worker could not even start, which is no job's fault.
        """
        worker.process.join(FAREWELL_S)
        started = worker.ready or worker.process.exitcode != 1
        worker.bury()
        if not started:
            raise RunError("a worker process could not start: see above", hint=GUARD)
        outcome = attempt.lost()
        fresh = self._crew[self._crew.index(worker)] = _Worker(self.threads)
        fresh.attempt = attempt if outcome is None else None
        return outcome


class _Worker:
    """A process, as the coordinator sees it."""

    def __init__(self, threads: int) -> None:
        spawn = get_context("spawn")
        self.pipe, theirs = spawn.Pipe()
        self.process = spawn.Process(target=_live, args=(theirs,), daemon=True)
        with _inherited(threads):
            self.process.start()
        theirs.close()
        self.ready = False
        self.attempt: Attempt | None = None

    def begin(self) -> None:
        """Send it the job that it has."""
        assert self.attempt is not None
        self.pipe.send(self.attempt.remaining())

    def bury(self) -> None:
        """Make sure that it has ended, and leave nothing of it."""
        self.process.kill()
        self.process.join()
        self.process.close()
        self.pipe.close()


@contextmanager
def _inherited(threads: int) -> Iterator[None]:
    """What a process that is started meanwhile has from birth: its number of threads, and no ear for Ctrl-C."""
    name, before = "OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS")
    os.environ[name] = str(threads)
    deaf = os.name == "posix"
    if deaf:
        from multiprocessing import resource_tracker

        resource_tracker.ensure_running()  # the first start would begin it, and that unblocks the signal again
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        if deaf:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.environ.pop(name) if before is None else os.environ.update({name: before})


def _live(pipe: Connection[Any, Any]) -> None:
    """A worker's life: it ends when the coordinator hangs up, or is no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_the_coordinator, daemon=True).start()
    with suppress(EOFError, OSError):
        pipe.send(None)
        images = pipe.recv()
        while True:
            job: Job = pipe.recv()
            pipe.send(work(job, images[job.graph.input_shape]))


def _end_with_the_coordinator() -> None:
    coordinator = parent_process()
    assert coordinator is not None
    coordinator.join()
    os._exit(1)
