"""Whatever stands in the files of a run or a search, a page comes out."""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.report.html.conftest import Folders

from pennyweight.core.errors import RunError
from pennyweight.core.run import OWN_CHECKSUM
from pennyweight.report.html.facts import SearchFacts, read, read_run
from pennyweight.report.html.page import page, write_report

FILES = (
    "settings.json",
    "results.json",
    "evaluations/test.json",
    "integer/results.json",
    "integer/firmware-test.json",
    "integer/emulated-microbit-v1.json",
    "failure.json",
    "search.json",
)

NASTY = (
    None, True, -1, 0, 2.5, 5, 7, -(10**30), 10**400, 1e308, -1e308, float("nan"), float("inf"), "", "5", "\ud800",
    "\udce9\x00\x1b[31m", "\u202e</script>", "..", "/", "x" * 300, [], {}, [None], [[]], [9, -3], [5, "x", None],
    {"\ud800": "\ud800"}, [{"n": 3}, {"n": -3}], [{}, {"run": ".."}, {"run": "x" * 300}, {"run": "\0"}],
)  # fmt: skip

ANY_JSON = st.sampled_from(NASTY) | st.recursive(
    st.sampled_from(NASTY) | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)


class Home:
    """A search of two trials, the last of which won and is evaluated, and the run that failed."""

    def __init__(self, root: Path) -> None:
        folders = Folders(root)
        self.search = folders.search(trials=2, class_names="abc")
        self.run = self.search / "trial-02"
        folders.evaluate(self.run)
        folders.deploy(self.run)
        self.failed = folders.run("failed", finished=False, class_names="abc")
        self._last = "failure.json"
        self.paths = {
            name: (self.search if name == "search.json" else self.failed if name == "failure.json" else self.run) / name
            for name in FILES
        }
        self.originals = {
            name: json.loads(path.read_bytes()) if path.exists() else {"epoch": 3, "step": 7, "what": "nan", "hint": ""}
            for name, path in self.paths.items()
        }

    def write(self, name: str, facts: Any) -> None:
        """Put a file in its place, and checksums that agree with it, as far as there is a place for them."""
        for each in {self._last, name, "results.json"}:
            self.paths[each].write_text(json.dumps(self.originals[each]), encoding="ascii")
        self._last = name
        self.paths[name].write_text(json.dumps(facts), encoding="ascii")
        path = self.paths["results.json"]
        results = json.loads(path.read_text(encoding="ascii"))
        if isinstance(results, dict):
            results.pop(OWN_CHECKSUM, None)
            if isinstance(results.get("sha256"), dict):
                results["sha256"]["settings.json"] = _sha256(self.paths["settings.json"].read_bytes())
            told = json.loads(json.dumps(results))
            results[OWN_CHECKSUM] = _sha256(json.dumps(told, sort_keys=True).encode())
            path.write_text(json.dumps(results), encoding="ascii")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("home"))


def places(facts: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value in the JSON; of a list those of its first entry and its last."""
    yield way
    if isinstance(facts, dict):
        for name, value in facts.items():
            yield from places(value, (*way, name))
    elif isinstance(facts, list):
        for index in sorted({0, len(facts) - 1} if facts else ()):
            yield from places(facts[index], (*way, index))


def changed(facts: Any, way: tuple[Any, ...], value: Any) -> Any:
    """The JSON with another value at the end of the way, as far as that leads."""
    if not way:
        return value
    if (isinstance(facts, dict) and way[0] in facts) or (isinstance(facts, list) and way[0] in range(len(facts))):
        facts[way[0]] = changed(facts[way[0]], way[1:], value)
    return facts


def assert_a_page_comes_out(home: Home) -> None:
    """Of the search and of the run that failed, beside each other, in valid UTF-8."""
    text = page([read(home.search), read(home.failed)]).decode("utf-8", "strict")
    assert text.endswith("</html>")
    assert "\x1b" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=16, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_page_comes_out_whatever_the_files_say(home: Home, name: str, data: st.DataObject) -> None:
    facts = copy.deepcopy(home.originals[name])
    ways = [way for way in places(facts) if way]
    for way in data.draw(st.lists(st.sampled_from(ways), min_size=1, max_size=6)):
        facts = changed(facts, way, data.draw(ANY_JSON))
    home.write(name, facts)
    assert_a_page_comes_out(home)


@pytest.mark.parametrize("name", FILES)
def test_a_page_comes_out_with_each_key_of_a_file_gone_wrong(home: Home, name: str) -> None:
    original = home.originals[name]
    ways = [way for way in places(original) if way]
    for turn in range(0, len(NASTY), 2):
        facts = copy.deepcopy(original)
        for place, way in enumerate(reversed(ways)):
            if place % 3 == turn % 3 or turn % 4 == 0:
                facts = changed(facts, way, copy.deepcopy(NASTY[(turn + place) % len(NASTY)]))
        home.write(name, facts)
        assert_a_page_comes_out(home)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("value", [None, 3, "\ud800", [], {}, [[]]])
def test_a_file_that_holds_no_facts_at_all_is_told(home: Home, name: str, value: Any) -> None:
    home.write(name, value)
    if name == "search.json" and value != {}:
        with pytest.raises(RunError, match="cannot be read"):
            write_report([home.search])
    else:
        assert_a_page_comes_out(home)


def test_the_files_are_read_indeed(home: Home) -> None:
    home.write("settings.json", home.originals["settings.json"] | {"source": "elsewhere"})
    assert read_run(home.run).source == "elsewhere"
    home.write("results.json", home.originals["results.json"] | {"validation_correct": 7})
    found = read_run(home.run).validation
    assert found is not None
    assert found.correct == 7


def test_a_deep_list_does_no_harm(home: Home) -> None:
    deep: Any = []
    for _ in range(900):
        deep = [deep]
    for name in FILES:
        home.write(name, dict.fromkeys(home.originals[name], deep))
        assert_a_page_comes_out(home)


def test_one_bad_evaluation_does_not_drop_the_others(home: Home) -> None:
    home.write("settings.json", home.originals["settings.json"])
    folder = home.run / "evaluations"
    (folder / "zz.json").write_text("{", encoding="ascii")
    os.mkfifo(folder / "pipe.json")
    (folder / "zero.json").symlink_to("/dev/zero")
    try:
        text = page([read(home.run)]).decode()
    finally:
        for name in ("zz", "pipe", "zero"):
            (folder / f"{name}.json").unlink()
    assert "On the test part: 90.00\N{NO-BREAK SPACE}%" in text
    for name in ("zz", "pipe", "zero"):
        assert f"evaluations/{name}.json cannot be read" in text


def test_a_trial_outside_of_its_search_is_not_read(home: Home) -> None:
    for run in ("..", ".", "", "/", "trial-01/..", "x" * 300, "\0", "link"):
        facts = copy.deepcopy(home.originals["search.json"])
        facts["trials"][-1]["run"] = facts["winner"]["run"] = run
        home.write("search.json", facts)
        (home.search / "link").symlink_to(home.failed)
        try:
            found = read(home.search)
        finally:
            (home.search / "link").unlink()
        assert isinstance(found, SearchFacts)
        assert found.winner is None, run


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_summary_that_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "search.json"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(RunError):
        write_report([tmp_path])


def test_a_folder_whose_name_is_too_long_is_refused() -> None:
    with pytest.raises(RunError, match="cannot be opened"):
        write_report([Path("x" * 300)])
