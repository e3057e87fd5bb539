"""Which engine a name and a number of workers make."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from pennyweight.core.errors import MissingExtraError, UsageError
from pennyweight.plan.engines import make_engine
from pennyweight.plan.engines.base import ImagesByShape
from pennyweight.plan.engines.here import Here
from pennyweight.plan.engines.processes import Processes


def test_one_worker_is_this_process_and_several_are_processes_of_their_own(images: ImagesByShape) -> None:
    with make_engine("auto", images) as none_told, make_engine("auto", images, 1) as one:
        assert isinstance(none_told, Here)
        assert isinstance(one, Here)
    with make_engine("auto", images, 2) as two:
        assert isinstance(two, Processes)
        assert two.workers == 2


def test_workers_share_the_cores(images: ImagesByShape) -> None:
    with make_engine("here", images) as alone, make_engine("processes", images, 2) as two:
        assert two.threads == max(1, alone.threads // 2)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"name": "slurm"}, "unknown engine 'slurm'"),
        ({"name": "auto", "workers": 0}, "0 workers"),
        ({"name": "here", "workers": 2}, "one worker, not 2"),
        ({"name": "processes", "workers": 2, "address": "head:6379"}, "no use for the address 'head:6379'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(map(str, value.values())),
)
def test_what_does_not_go_together_is_refused(asked: dict[str, Any], told: str, images: ImagesByShape) -> None:
    with pytest.raises(UsageError, match=told):
        make_engine(images=images, **asked)


def test_without_ray_the_extra_that_brings_it_is_named(images: ImagesByShape, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match="`cluster`"):
        make_engine("auto", images, address="head:6379")
