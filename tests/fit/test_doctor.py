from __future__ import annotations

import json
from pathlib import Path

import pytest

from pennyweight.fit.doctor import _tried, doctor


def test_the_processor_of_this_machine_takes_a_training_step_in_a_second() -> None:
    cpu = doctor().devices[0]
    assert cpu.name == "cpu"
    assert cpu.step_ms is not None
    assert 0 < cpu.step_ms < 1000


def test_a_device_that_fails_says_why_and_has_no_time() -> None:
    failed = _tried("mps:7", "no such device")
    assert failed.step_ms is None
    assert failed.failure


def test_a_healthy_machine_has_nothing_broken_and_plain_json() -> None:
    found = doctor()
    assert found.broken == ()
    assert json.loads(json.dumps(found.as_json()))["devices"][0]["failure"] == ""


def test_a_data_folder_that_is_not_there_is_broken(tmp_path: Path) -> None:
    broken = doctor(data_dir=tmp_path / "absent").broken
    assert [str(tmp_path / "absent") in each.says for each in broken] == [True]


def test_named_sets_are_found_where_they_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "svhn").mkdir()
    (tmp_path / "svhn" / "train_32x32.mat").touch()
    (tmp_path / "cifar-10-python.tar.gz").touch()
    found = doctor(data_dir=tmp_path).data_sets
    assert found["svhn"] == tmp_path / "svhn"
    assert found["cifar10"] == tmp_path / "cifar-10-python.tar.gz"
