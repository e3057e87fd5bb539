"""The run folder: whole or absent, checked against what was written, and honest about the test part."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shlex
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from pennyweight.core.errors import RunError
from pennyweight.core.run import (
    ASKED,
    CHECKPOINT,
    ENVIRONMENT,
    EVALUATIONS,
    GRAPH,
    OPENINGS,
    OWN_CHECKSUM,
    RESULTS,
    SETTINGS,
    TEXT_MAX_BYTES,
    WEIGHTS,
    Run,
    fresh_folder,
)

FullDisk = Callable[[int], AbstractContextManager[None]]


def begun(folder: Path) -> Run:
    run = Run.create(folder, {"source": "digits"}, {"layers": []}, {"python": "3"})
    run.save(b"checkpoint 0")
    return run


def asked(run: Run) -> dict[str, str]:
    return {name: run.checksum(name) for name in ASKED}


def finished(folder: Path) -> Run:
    run = begun(folder)
    run.finish(b"weights", {"epochs": 3, "accuracy": 0.5, "class_names": ["ä"]}, asked(run))
    return run


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_run_has_its_settings_its_graph_and_a_count_of_openings_from_the_start(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    assert names(run.folder) == {SETTINGS, GRAPH, ENVIRONMENT, OPENINGS, CHECKPOINT}
    assert Run.open(run.folder).checkpoint() == b"checkpoint 0"
    assert run.openings() == []
    assert not run.finished


def test_the_settings_come_last_so_that_a_folder_without_them_is_no_run(tmp_path: Path, full_disk: FullDisk) -> None:
    folder = tmp_path / "run"
    with full_disk(200), pytest.raises(RunError, match=r"settings\.json cannot be written"):
        Run.create(folder, {"class_names": ["name"] * 100}, {}, {})
    assert GRAPH in names(folder)
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


def at_once(count: int, act: Callable[[], object]) -> list[object]:
    """What `act` returns to each of `count` threads that call it in the same moment."""
    barrier = Barrier(count)

    def wait_and_act(_: int) -> object:
        barrier.wait()
        return act()

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(wait_and_act, range(count)))


def test_of_two_trainings_that_find_one_folder_empty_the_first_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = Path.iterdir

    def overtaken(folder: Path) -> Iterator[Path]:
        found = list(listed(folder))
        monkeypatch.setattr(Path, "iterdir", listed)
        begun(folder)
        return iter(found)

    monkeypatch.setattr(Path, "iterdir", overtaken)
    with pytest.raises(RunError, match="exists and is not empty"):
        Run.create(tmp_path, {"source": "others"}, {}, {})
    assert Run.open(tmp_path).read(SETTINGS) == {"source": "digits"}


def test_each_fresh_folder_is_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = fresh_folder("digits-mlp")
    assert first == Path("runs/digits-mlp-1")
    assert first.is_dir()
    assert len(set(at_once(8, lambda: fresh_folder("digits-mlp")))) == 8
    assert begun(first).folder == first


@pytest.mark.parametrize("runs", ["a file", "a link to nothing"])
def test_where_no_fresh_folder_can_be_made_is_a_run_error(
    runs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs").touch() if runs == "a file" else Path("runs").symlink_to("nowhere")
    with pytest.raises(RunError, match="runs cannot be written"):
        fresh_folder("digits-mlp")


def test_an_ended_run_has_no_checkpoint_and_no_drafts_of_a_killed_one(tmp_path: Path) -> None:
    run = begun(tmp_path)
    (tmp_path / f".{CHECKPOINT}.{'9' * 50}.0123abcd.draft").write_bytes(b"half")
    run.finish(b"weights", {"epochs": 3}, asked(run))
    assert names(tmp_path) == {SETTINGS, GRAPH, ENVIRONMENT, OPENINGS, WEIGHTS, RESULTS}
    assert run.finished
    assert run.weights() == b"weights"
    assert run.read(RESULTS)["epochs"] == 3


@pytest.mark.parametrize("changed", [[SETTINGS], [GRAPH], [SETTINGS, GRAPH]], ids=" ".join)
def test_a_training_whose_files_were_changed_on_the_way_is_not_certified(tmp_path: Path, changed: list[str]) -> None:
    run = begun(tmp_path)
    at_begin = asked(run)
    run.check(at_begin)
    original = {name: (tmp_path / name).read_bytes() for name in changed}
    for name in changed:
        (tmp_path / name).write_text('{"source": "others"}')
    with pytest.raises(RunError, match=f"{' and '.join(changed)} (is|are) not what the training wrote"):
        run.finish(b"weights", {}, at_begin)
    assert not run.finished
    assert run.checkpoint() == b"checkpoint 0"
    for name, content in original.items():
        (tmp_path / name).write_bytes(content)
    run.finish(b"weights", {}, at_begin)
    assert run.finished


def test_without_the_checksums_of_its_begin_nothing_is_certified(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"settings\.json and graph\.json are not what"):
        begun(tmp_path).finish(b"weights", {}, {})


def test_there_is_no_run_where_there_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no run folder"):
        Run.open(tmp_path / "absent")


def test_the_weights_of_a_training_that_has_not_ended_are_refused_with_the_way_on(tmp_path: Path) -> None:
    run = begun(tmp_path)
    (tmp_path / WEIGHTS).write_bytes(b"weights")
    with pytest.raises(RunError, match=r"results\.json is missing") as caught:
        run.weights()
    assert f"--resume {tmp_path}" in caught.value.hint


def test_the_weights_of_a_training_that_broke_down_are_refused_with_its_reason(tmp_path: Path) -> None:
    run = begun(tmp_path)
    run.note_failure({"epoch": 3, "what": "the loss is nan in epoch 3", "hint": "try a lower one"})
    with pytest.raises(RunError, match="broke down: the loss is nan in epoch 3") as caught:
        run.weights()
    assert caught.value.hint == f"pennyweight diagnose {tmp_path}"


@pytest.mark.parametrize("name", [SETTINGS, GRAPH, WEIGHTS])
def test_a_file_that_was_changed_after_the_end_is_refused(tmp_path: Path, name: str) -> None:
    run = finished(tmp_path)
    content = bytearray((tmp_path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RunError, match=f"{name} is not what the training wrote"):
        run.weights() if name == WEIGHTS else run.read(name)


@pytest.mark.parametrize("name", [SETTINGS, GRAPH, WEIGHTS, RESULTS, OPENINGS])
def test_a_file_that_went_missing_is_refused_by_name(tmp_path: Path, name: str) -> None:
    run = finished(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(RunError, match=f"{name} is missing"):
        {WEIGHTS: run.weights, OPENINGS: run.count_opening}.get(name, lambda: run.read(name))()


CARELESS: dict[str, Callable[[dict[str, Any]], object]] = {
    "another figure": lambda results: results.update(accuracy=1.0),
    "a whole number for a fraction": lambda results: results.update(epochs=3.0),
    "a figure more": lambda results: results.update(parameters=1),
    "a figure less": lambda results: results.pop("accuracy"),
    "another checksum of the weights": lambda results: results["sha256"].update({WEIGHTS: "0"}),
    "no checksums": lambda results: results.pop("sha256"),
    "no checksum of its own": lambda results: results.pop(OWN_CHECKSUM),
    "nothing": lambda results: results.clear(),
}


@pytest.mark.parametrize("edit", CARELESS)
def test_results_that_were_edited_are_refused(tmp_path: Path, edit: str) -> None:
    run = finished(tmp_path)
    results = json.loads((tmp_path / RESULTS).read_text(encoding="utf-8"))
    CARELESS[edit](results)
    (tmp_path / RESULTS).write_text(json.dumps(results))
    for read in (lambda: run.read(RESULTS), run.weights, lambda: run.read(SETTINGS)):
        with pytest.raises(RunError, match=r"results\.json is not what the training wrote"):
            read()


def test_results_may_be_written_in_another_order_and_with_other_spaces(tmp_path: Path) -> None:
    run = finished(tmp_path)
    before = run.read(RESULTS)
    results = json.loads((tmp_path / RESULTS).read_text(encoding="utf-8"))
    (tmp_path / RESULTS).write_text(json.dumps(dict(reversed(results.items())), indent=4))
    assert run.read(RESULTS) == before


@pytest.mark.parametrize("checksums", [None, "?", {}, {WEIGHTS: 5}])
def test_results_without_a_checksum_give_no_weights_even_with_their_own(tmp_path: Path, checksums: object) -> None:
    run = finished(tmp_path)
    forged = {"sha256": checksums}
    own = hashlib.sha256(json.dumps(forged, sort_keys=True).encode()).hexdigest()
    (tmp_path / RESULTS).write_text(json.dumps(forged | {OWN_CHECKSUM: own}))
    with pytest.raises(RunError, match=r"weights\.safetensors is not what the training wrote"):
        run.weights()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b'{"epochs": 3', b"[]", b"3", b"\xff\xfe{}", b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}"],
    ids=["empty", "cut", "cut later", "list", "number", "no UTF-8", "deep", "endless number"],
)
def test_json_that_is_none_is_a_run_error(tmp_path: Path, content: bytes) -> None:
    run = finished(tmp_path)
    (tmp_path / RESULTS).write_bytes(content)
    with pytest.raises(RunError, match=r"results\.json cannot be read") as raised:
        run.read(RESULTS)
    assert "bring the original file back" in raised.value.hint


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
    assert names(tmp_path) == {SETTINGS, GRAPH, ENVIRONMENT, OPENINGS, CHECKPOINT}


def test_only_a_full_disk_is_answered_with_make_room(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="Not a directory") as caught:
        begun(tmp_path / "file" / "run")
    assert "make room" not in caught.value.hint
    assert "choose another folder" in caught.value.hint


def test_a_full_disk_at_the_end_leaves_a_run_that_can_be_resumed(tmp_path: Path, full_disk: FullDisk) -> None:
    run = begun(tmp_path)
    for weights, results in ((bytes(100_000), {}), (b"", {"curves": [0.5] * 10_000})):
        with full_disk(1000), pytest.raises(RunError, match="cannot be written"):
            run.finish(weights, results, asked(run))
        assert not run.finished
        assert run.checkpoint() == b"checkpoint 0"


def test_every_opening_of_the_test_part_is_kept(tmp_path: Path) -> None:
    run = finished(tmp_path)
    assert [run.count_opening() for _ in range(3)] == [1, 2, 3]
    openings = Run.open(tmp_path).openings()
    assert len(openings) == 3
    assert all(opening["at"].endswith("+00:00") for opening in openings)


def test_openings_at_once_are_all_counted(tmp_path: Path) -> None:
    run = finished(tmp_path)

    def open_ten_times() -> None:
        for _ in range(10):
            run.count_opening()

    at_once(4, open_ten_times)
    assert len(run.openings()) == 40


def test_an_opening_that_cannot_be_counted_is_an_error_and_the_count_stays(tmp_path: Path, full_disk: FullDisk) -> None:
    run = finished(tmp_path)
    run.count_opening()
    room = (tmp_path / OPENINGS).stat().st_size + 5
    with full_disk(room), pytest.raises(RunError, match=r"openings\.jsonl cannot be written") as caught:
        run.count_opening()
    assert os.strerror(errno.ENOSPC) in str(caught.value)
    assert "make room" in caught.value.hint
    assert len(run.openings()) == 1
    assert run.count_opening() == 2


@pytest.mark.parametrize(
    "content",
    ["3\n", "{}\n", "[]\n", "{\n", "\n", '{"at": 3}\n', '{"at": "now"}', '{"at": "now"}{"at": "now"}\n', "[" * 100_000],
)
def test_openings_that_were_edited_are_not_counted_from_zero(tmp_path: Path, content: str) -> None:
    run = finished(tmp_path)
    (tmp_path / OPENINGS).write_text(content)
    with pytest.raises(RunError, match=r"openings\.jsonl is not what the training wrote"):
        run.count_opening()
    assert (tmp_path / OPENINGS).read_text() == content


@pytest.mark.timeout(20)
def test_a_file_that_is_a_pipe_a_link_to_elsewhere_or_endless_is_a_run_error(tmp_path: Path) -> None:
    run = finished(tmp_path / "run")
    (tmp_path / "settings.json").write_text("{}")
    damages: tuple[Callable[[Path], object], ...] = (
        os.mkfifo,
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to(tmp_path / "settings.json"),
        lambda path: path.touch() or os.truncate(path, TEXT_MAX_BYTES + 1),
    )
    for name in (SETTINGS, OPENINGS):
        for damage in damages:
            (run.folder / name).unlink()
            damage(run.folder / name)
            with pytest.raises(RunError, match=f"{name} cannot be read"):
                run.count_opening() if name == OPENINGS else run.read(name)


def test_a_name_that_is_too_long_is_a_run_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot be opened: File name too long"):
        Run.open(tmp_path / ("x" * 300))


@pytest.mark.timeout(20)
def test_the_commands_in_hints_lead_to_the_run_wherever_it_lies(tmp_path: Path) -> None:
    run = begun(tmp_path / "it's my run")
    with pytest.raises(RunError) as in_the_way:
        begun(run.folder)
    with pytest.raises(RunError) as not_ended:
        run.weights()
    for caught in (in_the_way, not_ended):
        assert shlex.split("pennyweight" + caught.value.hint.partition("pennyweight")[2])[-1] == str(run.folder)


def test_evaluations_that_cannot_be_read_are_left_out_and_told(tmp_path: Path) -> None:
    run = finished(tmp_path / "run")
    run.keep_evaluation("test", {"n": 1})
    folder = run.folder / EVALUATIONS
    os.mkfifo(folder / "pipe.json")
    (folder / "link.json").symlink_to("/dev/zero")
    (folder / "list.json").write_text("[]")
    (folder / "folder.json").mkdir()
    told: dict[str, str] = {}
    assert run.evaluations(told) == run.evaluations() == {"test": {"n": 1}}
    assert told.keys() == {"pipe", "link", "list", "folder"}
    assert all(f"{name}.json cannot be read" in why for name, why in told.items())


def test_a_new_evaluation_takes_the_contact_sheet_and_the_drafts_of_killed_ones_away(tmp_path: Path) -> None:
    run = finished(tmp_path)
    file = run.keep_evaluation("test", {"n": 1})
    sheet = run.keep_contact_sheet("test", b"png")
    (tmp_path / EVALUATIONS / f".test.json.{'9' * 50}.0123abcd.draft").touch()
    assert names(tmp_path / EVALUATIONS) >= {file.name, sheet.name} == {"test.json", "test.png"}
    run.keep_evaluation("test", {"n": 2})
    assert names(tmp_path / EVALUATIONS) == {"test.json"}


def test_a_new_evaluation_that_cannot_be_written_leaves_the_old_one_its_contact_sheet(
    tmp_path: Path, full_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    run = finished(tmp_path)
    run.keep_evaluation("test", {"n": 1})
    run.keep_contact_sheet("test", b"png")
    with full_disk(100), pytest.raises(RunError, match="cannot be written"):
        run.keep_evaluation("test", {"n": "x" * 1000})
    assert names(tmp_path / EVALUATIONS) == {"test.json", "test.png"}
    assert run.evaluations() == {"test": {"n": 1}}


def test_nothing_is_written_through_a_link_in_the_place_of_the_evaluations(tmp_path: Path) -> None:
    run = finished(tmp_path / "run")
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "test.json").write_text("mine")
    (victim / "test.png").write_text("mine")
    (run.folder / EVALUATIONS).symlink_to(victim)
    for write in (lambda: run.keep_evaluation("test", {}), lambda: run.keep_contact_sheet("test", b"png")):
        with pytest.raises(RunError, match="is a link"):
            write()
    assert run.evaluations() == {}
    assert [path.read_text() for path in victim.iterdir()] == ["mine", "mine"]
