"""A Ray cluster of several nodes, one of which is killed."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import pytest

from pennyweight.core.errors import UsageError
from pennyweight.core.run import CHECKPOINT, WEIGHTS
from pennyweight.plan.engines.base import Engine, ImagesByShape
from pennyweight.plan.engines.ray import OnRay, packed, unpack
from pennyweight.plan.worker import Job, Outcome

ray = pytest.importorskip("ray")

pytestmark = pytest.mark.slow

MakeJob = Callable[..., Job]
Undisturbed = Callable[[Job], tuple[Outcome, bytes]]
Await = Callable[[Engine, int], dict[int, Outcome]]


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head that trains nothing, and two nodes of one core each, whose tasks work in `tmp_path`."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_TMPDIR", gettempdir())  # the names of its sockets must be short
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(2):
        made.add_node(num_cpus=1)
    made.wait_for_nodes()
    yield made
    made.shutdown()


def test_a_node_that_dies_loses_only_its_own_training_which_is_done_again(
    cluster: Any, images: ImagesByShape, job: MakeJob, outcomes: Await, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    def under_way() -> set[Path]:
        return set(tmp_path.glob(f"pennyweight-*/run/{CHECKPOINT}"))

    jobs = [job(number, recipe={"epochs": 200}) for number in range(2)]
    with OnRay(images, address=cluster.address) as engine:
        assert engine.workers == 2
        for each in jobs:
            engine.submit(each)
        end = time.monotonic() + 100
        while len(under_way()) < 2 and time.monotonic() < end:
            assert engine.wait(0.1) == []
        before = under_way()
        assert len(before) == 2
        cluster.remove_node(min(cluster.worker_nodes, key=id), allow_graceful=False)
        found = outcomes(engine, 2)
    assert not ray.is_initialized()
    assert len(under_way() & before) == 1  # what the dead node had begun, and nobody went on with
    for each in jobs:
        wanted, weights = undisturbed(each)
        assert (found[each.number].state, found[each.number].accuracies) == ("done", wanted.accuracies)
        assert (each.folder / WEIGHTS).read_bytes() == weights


@pytest.mark.parametrize("address", ["localhost:1", "auto", "head", "head:port"])
def test_an_address_at_which_no_cluster_answers_is_refused_at_once(address: str, images: ImagesByShape) -> None:
    with pytest.raises(UsageError, match=f"no Ray cluster can be joined at '{address}'"):
        OnRay(images, address=address)


def test_a_cluster_that_was_started_for_the_engine_ends_with_it(images: ImagesByShape, job: MakeJob) -> None:
    def children() -> str:
        command = ["ps", "-o", "args=", "--ppid", str(os.getpid())]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    with OnRay(images, workers=1) as engine:
        assert engine.workers == 1
        engine.submit(job(recipe={"epochs": 100_000}))
        assert engine.wait(1) == []
        assert "raylet" in children()
    assert not ray.is_initialized()
    assert "raylet" not in children()


def test_a_cluster_that_was_joined_before_is_used_and_left_running(images: ImagesByShape) -> None:
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        with OnRay(images) as engine:
            assert engine.workers == 1
        assert ray.is_initialized()
    finally:
        ray.shutdown()


def test_a_run_folder_arrives_as_it_left_and_a_finished_one_has_no_checkpoint(tmp_path: Path) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    (there / "tensorboard").mkdir(parents=True)
    for name in ("settings.json", "results.json", "tensorboard/events"):
        (there / name).write_text(name)
    (there / ".weights.safetensors.1.0badcafe.draft").write_text("half")
    here.mkdir()
    (here / "checkpoint.safetensors").write_text("old")
    unpack(packed(there), here)
    assert packed(here) == {name: name.encode() for name in ("results.json", "settings.json", "tensorboard/events")}
