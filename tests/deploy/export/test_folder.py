"""An exported folder is whole or not there, and nothing of anybody else's is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pennyweight.core.errors import RunError, UsageError
from pennyweight.deploy.export.folder import MANIFEST, check_folder, write_folder

FILES = {"model.c": "int x;\n", "src/deep/model.h": "extern int x;\n"}
FACTS = {"name": "model"}


def contents(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("there", [False, True])
def test_the_files_are_there_and_nothing_else(tmp_path: Path, there: bool) -> None:
    folder = tmp_path / "new" / "out" if not there else tmp_path / "out"
    if there:
        folder.mkdir()
    write_folder(folder, FILES, FACTS)
    written = contents(folder)
    assert written.pop(MANIFEST)
    assert written == FILES
    assert [path.name for path in folder.parent.iterdir()] == ["out"]


def test_an_older_export_is_replaced_whole_with_what_was_built_of_it(tmp_path: Path) -> None:
    write_folder(tmp_path / "out", FILES, FACTS)
    (tmp_path / "out" / "model.o").write_text("object")
    (tmp_path / "out" / "model").write_text("program")
    write_folder(tmp_path / "out", {"model.c": "int y;\n"}, FACTS)
    assert set(contents(tmp_path / "out")) == {"model.c", MANIFEST}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda folder: (folder / "model.c").write_text("mine"), "model.c"),
        (lambda folder: (folder / "src" / "notes.txt").write_text("mine"), "src/notes.txt"),
        (lambda folder: (folder / "linked").symlink_to("/"), "linked"),
        (lambda folder: (folder / MANIFEST).unlink(), "nothing that was exported is in it"),
        (lambda folder: (folder / MANIFEST).write_text("[" * 100_000), "nothing that was exported is in it"),
        (lambda folder: (folder / MANIFEST).write_text('{"files": 3, "name": "model"}'), "nothing that was exported"),
    ],
)
def test_what_somebody_changed_or_added_is_not_overwritten(
    tmp_path: Path, change: Callable[[Path], object], told: str
) -> None:
    folder = tmp_path / "out"
    write_folder(folder, FILES, FACTS)
    change(folder)
    before = {path: path.lstat().st_mtime_ns for path in folder.rglob("*")}
    with pytest.raises(UsageError, match=told) as refusal:
        write_folder(folder, {"model.c": "new"}, FACTS)
    assert "choose another --out" in refusal.value.hint
    assert {path: path.lstat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_file_a_link_and_the_current_folder_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for name in ("file", "link"):
        with pytest.raises(UsageError, match="no folder"):
            check_folder(tmp_path / name)
    monkeypatch.chdir(tmp_path / "real")
    with pytest.raises(UsageError, match="that you are in"):
        check_folder(Path())


def test_a_full_disk_leaves_the_older_export(
    tmp_path: Path, full_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    folder = tmp_path / "out"
    write_folder(folder, FILES, FACTS)
    before = contents(folder)
    with full_disk(1000), pytest.raises(RunError, match="cannot be written"):
        write_folder(folder, {"model.c": "x" * 5000}, FACTS)
    assert contents(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner)))
@settings(max_examples=50, deadline=None)
def test_no_manifest_makes_somebody_elses_folder_ours(tmp_path_factory: pytest.TempPathFactory, facts: object) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "thesis.tex").write_text("mine")
    (folder / MANIFEST).write_text(json.dumps(facts))
    with pytest.raises(UsageError):
        check_folder(folder)
