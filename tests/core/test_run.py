"""The run folder: whole or absent, checked against what was written, and honest about the test part."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from pennyweight.core.errors import RunError
from pennyweight.core.run import CHECKPOINT, ENVIRONMENT, GRAPH, OPENINGS, RESULTS, SETTINGS, WEIGHTS, Run

FullDisk = Callable[[int], AbstractContextManager[None]]


def begun(folder: Path) -> Run:
    return Run.create(folder, {"source": "digits"}, {"layers": []}, {"python": "3"}, b"checkpoint 0")


def finished(folder: Path) -> Run:
    run = begun(folder)
    run.finish(b"weights", {"epochs": 3})
    return run


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_run_can_be_resumed_from_its_first_moment(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    assert names(run.folder) == {SETTINGS, GRAPH, ENVIRONMENT, CHECKPOINT}
    assert Run.open(run.folder).checkpoint() == b"checkpoint 0"
    assert not run.finished


def test_the_settings_come_last_so_that_a_folder_without_them_is_no_run(tmp_path: Path, full_disk: FullDisk) -> None:
    folder = tmp_path / "run"
    with full_disk(200), pytest.raises(RunError, match=r"settings\.json cannot be written"):
        Run.create(folder, {"class_names": ["name"] * 100}, {}, {}, b"")
    assert CHECKPOINT in names(folder)
    with pytest.raises(RunError, match=r"settings\.json is missing"):
        Run.open(folder)


def test_nothing_is_written_into_a_folder_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path, tmp_path / "file", begun(tmp_path / "run").folder):
        with pytest.raises(RunError, match="exists and is not empty") as caught:
            begun(folder)
        assert "--resume" in caught.value.hint
    assert names(tmp_path) == {"notes.txt", "file", "run"}


def test_an_empty_folder_may_become_a_run(tmp_path: Path) -> None:
    assert Run.open(begun(tmp_path).folder).read(SETTINGS) == {"source": "digits"}


def test_an_ended_run_has_no_checkpoint_and_no_drafts_of_a_killed_one(tmp_path: Path) -> None:
    run = begun(tmp_path)
    (tmp_path / f".{CHECKPOINT}.123.draft").write_bytes(b"half")
    run.finish(b"weights", {"epochs": 3})
    assert names(tmp_path) == {SETTINGS, GRAPH, ENVIRONMENT, WEIGHTS, RESULTS}
    assert run.finished
    assert run.weights() == b"weights"
    assert run.read(RESULTS)["epochs"] == 3


def test_there_is_no_run_where_there_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no run folder"):
        Run.open(tmp_path / "absent")


def test_the_weights_of_a_training_that_has_not_ended_are_refused_with_the_way_on(tmp_path: Path) -> None:
    run = begun(tmp_path)
    (tmp_path / WEIGHTS).write_bytes(b"weights")
    with pytest.raises(RunError, match=r"results\.json is missing") as caught:
        run.weights()
    assert f"--resume {tmp_path}" in caught.value.hint


@pytest.mark.parametrize("name", [SETTINGS, GRAPH, WEIGHTS])
def test_a_file_that_was_changed_after_the_end_is_refused(tmp_path: Path, name: str) -> None:
    run = finished(tmp_path)
    content = bytearray((tmp_path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RunError, match=f"{name} is not what the training wrote"):
        run.weights() if name == WEIGHTS else run.read(name)


@pytest.mark.parametrize("name", [SETTINGS, GRAPH, WEIGHTS, RESULTS])
def test_a_file_that_went_missing_is_refused_by_name(tmp_path: Path, name: str) -> None:
    run = finished(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(RunError, match=f"{name} is missing"):
        run.weights() if name == WEIGHTS else run.read(name)


@pytest.mark.parametrize("results", [{}, {"sha256": None}, {"sha256": "?"}, {"sha256": {}}, {"sha256": {WEIGHTS: 5}}])
def test_results_without_a_checksum_give_no_weights(tmp_path: Path, results: dict[str, object]) -> None:
    run = finished(tmp_path)
    (tmp_path / RESULTS).write_text(json.dumps(results))
    with pytest.raises(RunError, match="is not what the training wrote"):
        run.weights()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b'{"epochs": 3', b"[]", b"3", b"\xff\xfe{}", b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}"],
    ids=["empty", "cut", "cut later", "list", "number", "no UTF-8", "deep", "endless number"],
)
def test_json_that_is_none_is_a_run_error(tmp_path: Path, content: bytes) -> None:
    run = finished(tmp_path)
    (tmp_path / RESULTS).write_bytes(content)
    with pytest.raises(RunError, match=r"results\.json (cannot be read|is not a JSON object)"):
        run.read(RESULTS)


def test_a_folder_in_a_files_place_is_a_run_error(tmp_path: Path) -> None:
    run = begun(tmp_path)
    (tmp_path / CHECKPOINT).unlink()
    (tmp_path / CHECKPOINT).mkdir()
    with pytest.raises(RunError, match="cannot be read"):
        run.checkpoint()
    with pytest.raises(RunError, match="cannot be written"):
        run.save(b"checkpoint 1")


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path: Path, full_disk: FullDisk) -> None:
    run = begun(tmp_path)
    with full_disk(1000), pytest.raises(RunError, match=r"checkpoint\.safetensors cannot be written") as caught:
        run.save(bytes(100_000))
    assert "make room" in caught.value.hint
    assert run.checkpoint() == b"checkpoint 0"
    assert names(tmp_path) == {SETTINGS, GRAPH, ENVIRONMENT, CHECKPOINT}


def test_a_full_disk_at_the_end_leaves_a_run_that_can_be_resumed(tmp_path: Path, full_disk: FullDisk) -> None:
    run = begun(tmp_path)
    for weights, results in ((bytes(100_000), {}), (b"", {"curves": [0.5] * 10_000})):
        with full_disk(1000), pytest.raises(RunError, match="cannot be written"):
            run.finish(weights, results)
        assert not run.finished
        assert run.checkpoint() == b"checkpoint 0"


def test_every_opening_of_the_test_part_is_kept(tmp_path: Path) -> None:
    run = finished(tmp_path)
    assert run.openings() == []
    assert [run.count_opening({"correct": count, "n": 9}) for count in (7, 8)] == [1, 2]
    assert [opening["correct"] for opening in Run.open(tmp_path).openings()] == [7, 8]
    assert all(opening["at"].endswith("+00:00") for opening in run.openings())


def test_an_opening_that_cannot_be_counted_is_an_error_and_the_count_stays(tmp_path: Path, full_disk: FullDisk) -> None:
    run = finished(tmp_path)
    run.count_opening({})
    with full_disk(50), pytest.raises(RunError, match="cannot be written"):
        run.count_opening({"note": "x" * 1000})
    assert len(run.openings()) == 1


@pytest.mark.parametrize("content", ['{"openings": 3}', "{}", "[", "[]"])
def test_openings_that_were_edited_are_not_counted_from_zero(tmp_path: Path, content: str) -> None:
    run = finished(tmp_path)
    (tmp_path / OPENINGS).write_text(content)
    with pytest.raises(RunError, match=r"openings\.json"):
        run.count_opening({})
