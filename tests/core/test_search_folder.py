"""The folder of a search: its file or why not, and no run that lies elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pennyweight.core.errors import RunError
from pennyweight.core.search_folder import run_within, search_facts


def test_what_was_written_is_read(tmp_path: Path) -> None:
    (tmp_path / "search.json").write_text(json.dumps({"trials": []}))
    assert search_facts(tmp_path) == {"trials": []}


@pytest.mark.parametrize("content", ["", "{", "[]", "3", "[" * 100_000])
def test_what_is_no_json_object_is_a_run_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "search.json").write_text(content)
    with pytest.raises(RunError, match=r"search\.json cannot be read"):
        search_facts(tmp_path)


def test_a_folder_without_it_is_no_search(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"is not a search: search\.json is missing"):
        search_facts(tmp_path)


def test_a_run_is_found_beside_the_summary_wherever_both_were_moved_to(tmp_path: Path) -> None:
    (tmp_path / "trial-01").mkdir()
    for told in ("trial-01", "runs/elsewhere/trial-01", "/somewhere/trial-01"):
        assert run_within(tmp_path, told) == tmp_path / "trial-01"


@pytest.mark.parametrize(
    "told", ["..", ".", "", "/", "trial-01/..", "x" * 300, "\0", "link", "loop", "file", "nothing"]
)
def test_what_lies_elsewhere_or_nowhere_is_no_run_of_it(tmp_path: Path, told: str) -> None:
    search = tmp_path / "search"
    (search / "trial-01").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    (search / "link").symlink_to(tmp_path / "other")
    (search / "loop").symlink_to("loop")
    (search / "file").touch()
    with pytest.raises(RunError, match="there is no run"):
        run_within(search, told)
