"""Whole searches on a Ray cluster of three nodes: one of these is killed, or the coordinator is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import pytest

from pennyweight.core.run import CHECKPOINT
from pennyweight.data.images import LabelledImages
from pennyweight.plan.coordinator import SearchProgress
from pennyweight.plan.engines.base import ImagesByShape
from pennyweight.plan.found import Entry, Search
from pennyweight.plan.search import resume_search, search
from pennyweight.plan.space import Space
from pennyweight.plan.worker import rows

pytest.importorskip("ray")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

EPOCHS = 60

SPACE = f"""
[networks.mlp]
hidden = ["8", "16", "32", "64", "16-16"]
[recipe]
epochs = [{EPOCHS}]
"""
"""Five networks, each trained in more than a second: a coordinator looks twice a second."""

UNDER_WAY = f"pennyweight-*/run/{CHECKPOINT}"
"""Where a training is that a node is at, within that node's folder for what is temporary."""


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, dict[Any, Path]]]:
    """A cluster of three nodes of one core, of which the first is its head; each with the folder that it works in."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_TMPDIR", gettempdir())  # the names of its sockets must be short
    monkeypatch.setenv("RAY_worker_niceness", "0")  # else they get next to nothing of a busy machine
    cluster, places = Cluster(), dict[Any, Path]()
    for number in range(3):
        place = tmp_path / f"node-{number}"
        place.mkdir()
        with monkeypatch.context() as patch:
            patch.setenv("TMPDIR", str(place))
            places[cluster.add_node(num_cpus=1)] = place
    yield cluster, places
    cluster.shutdown()


@pytest.fixture
def digits(images: ImagesByShape) -> LabelledImages:
    (only,) = images.values()
    return only


@pytest.fixture(scope="module")
def kept() -> list[Search]:
    return []


@pytest.fixture
def undisturbed(digits: LabelledImages, tmp_path: Path, kept: list[Search]) -> Search:
    """What the search comes to in this process, one training after the other."""
    if not kept:
        out = tmp_path / "undisturbed"
        kept.append(search(digits, space=Space.from_toml(SPACE), sampler="grid", engine="here", out=out))
    return kept[0]


def table(entries: tuple[Entry, ...]) -> list[tuple[object, ...]]:
    """What a search did and found, without what differs from one time to the next."""
    return sorted(
        (
            entry.trial.number,
            entry.network,
            entry.trial.state,
            entry.trial.purpose,
            entry.trial.seed,
            entry.trial.accuracies,
            str(entry.validation),
            str(entry.test),
            str(entry.cost),
        )
        for entry in entries
    )


def test_a_node_that_is_killed_in_mid_search_changes_nothing_that_is_found(
    nodes: tuple[Any, dict[Any, Path]], digits: LabelledImages, undisturbed: Search, tmp_path: Path
) -> None:
    cluster, places = nodes
    dead: list[Path] = []

    def kill_one(progress: SearchProgress) -> None:
        if dead or len(progress.trials) < 2:
            return
        for node in cluster.worker_nodes:
            if any(0 < len(rows(path.parent)) < 3 / 4 * EPOCHS for path in places[node].glob(UNDER_WAY)):
                cluster.remove_node(node, allow_graceful=False)
                dead.append(places[node])
                return

    found = search(
        digits,
        space=Space.from_toml(SPACE),
        sampler="grid",
        engine="ray",
        ray_address=cluster.address,
        out=tmp_path / "out",
        on_progress=kill_one,
    )
    assert [list(place.glob(UNDER_WAY)) != [] for place in dead] == [True], "no node died while it trained"
    assert not found.unfinished
    assert table(found.trials) == table(undisturbed.trials)
    assert table(found.front) == table(undisturbed.front)
    assert found.winner.network == undisturbed.winner.network


def test_a_search_whose_coordinator_is_killed_is_resumed_on_the_cluster_and_ends_with_the_same_table(
    nodes: tuple[Any, dict[Any, Path]], digits: LabelledImages, undisturbed: Search, tmp_path: Path
) -> None:
    cluster, places = nodes

    def fall(progress: SearchProgress) -> None:
        if progress.trials and any(list(place.glob(UNDER_WAY)) for place in places.values()):
            raise RuntimeError("killed")

    out, where = tmp_path / "out", {"engine": "ray", "ray_address": cluster.address}
    with pytest.raises(RuntimeError, match="killed"):
        search(digits, space=Space.from_toml(SPACE), sampler="grid", out=out, on_progress=fall, **where)
    found = resume_search(out, digits, **where)
    assert not found.unfinished
    assert table(found.trials) == table(undisturbed.trials)
    assert table(found.front) == table(undisturbed.front)
