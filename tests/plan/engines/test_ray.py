"""A Ray cluster of several nodes, one of which is killed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pennyweight.core.errors import UsageError
from pennyweight.core.run import WEIGHTS
from pennyweight.plan.engines.base import Engine, ImagesByShape
from pennyweight.plan.engines.ray import OnRay, packed, unpack
from pennyweight.plan.worker import Job, Outcome

ray = pytest.importorskip("ray")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:subprocess \\d+ is still running:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Tip. In future versions of Ray:FutureWarning"),
]

MakeJob = Callable[..., Job]
Undisturbed = Callable[[Job], tuple[Outcome, bytes]]
Await = Callable[[Engine, int], dict[int, Outcome]]


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A head that trains nothing, and two nodes of one core each."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(2):
        made.add_node(num_cpus=1)
    made.wait_for_nodes()
    yield made
    made.shutdown()


def test_a_node_that_dies_loses_only_its_own_training_which_is_done_again(
    cluster: Any, images: ImagesByShape, job: MakeJob, outcomes: Await, undisturbed: Undisturbed
) -> None:
    jobs = [job(number, recipe={"epochs": 400}) for number in range(2)]
    with OnRay(images, address=cluster.address) as engine:
        assert engine.workers == 2
        for each in jobs:
            engine.submit(each)
        end = time.monotonic() + 60
        while ray.available_resources().get("CPU", 0) and time.monotonic() < end:
            time.sleep(0.1)
        time.sleep(2)
        assert engine.wait(0) == []
        cluster.remove_node(
            cluster.worker_nodes[0] if isinstance(cluster.worker_nodes, list) else next(iter(cluster.worker_nodes)),
            allow_graceful=False,
        )
        found = outcomes(engine, 2)
    assert not ray.is_initialized()
    for each in jobs:
        wanted, weights = undisturbed(each)
        assert (found[each.number].state, found[each.number].accuracies) == ("done", wanted.accuracies)
        assert (each.folder / WEIGHTS).read_bytes() == weights


def test_an_address_at_which_no_cluster_answers_is_refused(images: ImagesByShape) -> None:
    with pytest.raises(UsageError, match="no Ray cluster can be joined at 'nowhere:1'"):
        OnRay(images, address="nowhere:1")


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
