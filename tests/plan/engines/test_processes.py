"""Workers and coordinators that are killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pennyweight.core.run import CHECKPOINT, WEIGHTS
from pennyweight.plan.engines.base import Engine, ImagesByShape
from pennyweight.plan.engines.processes import Processes
from pennyweight.plan.worker import Job, Outcome

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="signals are another matter there")]

MakeJob = Callable[..., Job]
Undisturbed = Callable[[Job], tuple[Outcome, bytes]]
Await = Callable[[Engine, int], dict[int, Outcome]]

COORDINATOR = """
import multiprocessing, sys
from pathlib import Path
from pennyweight.data.digits import read_digits
from pennyweight.fit.recipe import Recipe
from pennyweight.net.zoo import build_network
from pennyweight.plan.engines.processes import Processes
from pennyweight.plan.worker import Job

if __name__ == "__main__":
    with Processes({(8, 8, 1): read_digits()}, 2) as engine:
        graph = build_network("mlp:hidden=16", (8, 8, 1), 10)
        for number in range(2):
            engine.submit(Job(number, Path(sys.argv[1], str(number)), graph, Recipe(epochs=100_000)))
        print(*(each.pid for each in multiprocessing.active_children()), flush=True)
        engine.wait(1000)
"""


def workers() -> list[int]:
    return [process.pid for process in multiprocessing.active_children() if process.pid]


def lives(pid: int) -> bool:
    """Whether a process has not ended, whoever has still to take note of it."""
    told = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return told.stdout.strip()[:1] not in ("", "Z")


def until(true: Callable[[], bool], seconds: float = 60) -> bool:
    """Whether it became true in time."""
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.05)
    return true()


def advance(engine: Engine, folder: Path) -> None:
    """Let the training in a folder come to its first checkpoints."""

    def begun() -> bool:
        assert engine.wait(0.05) == []
        return (folder / CHECKPOINT).is_file()

    assert until(begun)


def test_a_job_whose_worker_is_killed_goes_on_in_another_and_ends_in_the_same_weights(
    images: ImagesByShape, job: MakeJob, outcomes: Await, undisturbed: Undisturbed
) -> None:
    killed, other = job(0, recipe={"epochs": 100}), job(1, recipe={"epochs": 100})
    with Processes(images, 1) as one, Processes(images, 1) as another:
        first, _ = sorted(workers())
        one.submit(killed)
        another.submit(other)
        advance(one, killed.folder)
        os.kill(first, signal.SIGKILL)
        found = outcomes(one, 1) | outcomes(another, 1)
        assert first not in workers()
    for each in (killed, other):
        wanted, weights = undisturbed(each)
        outcome = found[each.number]
        assert (outcome.state, outcome.accuracies) == ("done", wanted.accuracies)
        assert (each.folder / WEIGHTS).read_bytes() == weights


def test_an_idle_worker_that_dies_is_replaced(images: ImagesByShape, job: MakeJob, outcomes: Await) -> None:
    with Processes(images, 1) as engine:
        engine.submit(job(0))
        outcomes(engine, 1)
        (idle,) = workers()
        os.kill(idle, signal.SIGKILL)
        assert until(lambda: not lives(idle))
        engine.submit(job(1))
        assert outcomes(engine, 1)[1].state == "done"


def test_a_job_over_which_three_workers_died_fails_and_the_next_is_done(
    images: ImagesByShape, job: MakeJob, outcomes: Await
) -> None:
    with Processes(images, 1) as engine:
        engine.submit(job(0, recipe={"epochs": 100_000}))
        killed = set()
        found: list[Outcome] = []
        while not found:
            killed |= set(workers())
            for pid in workers():
                os.kill(pid, signal.SIGKILL)
            found = engine.wait(0.5)
        assert len(killed) == 3
        assert (found[0].state, found[0].why) == ("failed", "its worker died 3 times: out of memory?")
        engine.submit(job(1))
        assert outcomes(engine, 1)[1].state == "done"


def test_closing_ends_what_still_runs_and_keeps_its_checkpoint(images: ImagesByShape, job: MakeJob) -> None:
    endless = job(recipe={"epochs": 100_000})
    with Processes(images, 1) as engine:
        engine.submit(endless)
        advance(engine, endless.folder)
        (worker,) = workers()
        began = time.monotonic()
    assert time.monotonic() - began < 5
    assert not lives(worker)
    assert (endless.folder / CHECKPOINT).is_file()


@pytest.mark.parametrize("trained", [True, False], ids=["in training", "while they start"])
def test_workers_end_with_a_coordinator_that_is_killed(trained: bool, tmp_path: Path) -> None:
    (tmp_path / "coordinator.py").write_text(COORDINATOR)
    command = [sys.executable, "coordinator.py", str(tmp_path)]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pids = [int(pid) for pid in process.stdout.readline().split()]
        assert len(pids) == 2
        if trained:
            assert until(lambda: all((tmp_path / str(number) / CHECKPOINT).is_file() for number in range(2)))
        assert all(map(lives, pids))
        process.kill()
        assert until(lambda: not any(map(lives, pids)), 5 if trained else 60)


@pytest.mark.parametrize("trained", [True, False], ids=["in training", "while they start"])
def test_ctrl_c_is_heard_by_the_coordinator_alone_which_ends_its_workers(trained: bool, tmp_path: Path) -> None:
    (tmp_path / "coordinator.py").write_text(COORDINATOR)
    command = [sys.executable, "coordinator.py", str(tmp_path)]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        pids = [int(pid) for pid in process.stdout.readline().split()]
        if trained:
            assert until(lambda: all((tmp_path / str(number) / CHECKPOINT).is_file() for number in range(2)))
        os.killpg(process.pid, signal.SIGINT)
        said = process.stderr.read()
        process.wait(30)
    assert not any(map(lives, pids))
    assert said.count("Traceback") == 1
    assert said.rstrip().endswith("KeyboardInterrupt")


def test_a_script_that_every_worker_would_begin_again_is_told_what_to_write(tmp_path: Path) -> None:
    script = COORDINATOR.replace('if __name__ == "__main__":', "if True:")
    (tmp_path / "coordinator.py").write_text(script)
    command = [sys.executable, "coordinator.py", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 1
    assert "RunError: a worker process could not start" in done.stderr
