"""What a run's folder of integers tells is read again as it was, and nothing malformed or stale comes through."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pennyweight.core.run import WEIGHTS, Run
from pennyweight.data.images import LabelledImages
from pennyweight.fit.accuracy import Accuracy
from pennyweight.fit.card import CARD, write_card
from pennyweight.fit.compare import compare
from pennyweight.fit.deployed import deployed
from pennyweight.fit.recipe import Recipe
from pennyweight.fit.train import train
from pennyweight.net.graph import Graph

pytestmark = pytest.mark.usefixtures("hasty_clock")

BEFORE, THEN, LATER = (f"2026-11-22T0{hour}:00:00+00:00" for hour in (1, 2, 3))


@pytest.fixture
def run(tmp_path: Path, digits: LabelledImages, mlp: Graph) -> Run:
    recipe = Recipe(epochs=1, validation=0.2)
    return Run.open(train(digits, mlp, recipe=recipe, out=tmp_path / "run", device="cpu").run)


def quantised(run: Run) -> dict[str, Any]:
    return {
        "created": THEN,
        "source": "few digits",
        "part": "validation",
        "n": 40,
        "float_correct": 30,
        "int8_correct": 29,
        "only_float_right": 2,
        "only_int8_right": 1,
        "weight_bytes": 2222,
        "fine_tuned_epochs": 0,
        "sha256": {WEIGHTS: run.checksum(WEIGHTS)},
    }


def answered(**changes: Any) -> dict[str, Any]:
    against = {"correct": 80, "only_float_right": 1, "only_firmware_right": 2}
    facts = {"created": LATER, "source": "few digits", "part": "test", "n": 100, "correct": 81}
    return facts | {"against_float": against} | changes


def emulated(**changes: Any) -> dict[str, Any]:
    flash = {"weights_bytes": 2222, "code_bytes": 3000, "constants_bytes": 0, "initial_values_bytes": 0}
    ram = {"activations_bytes": 88, "variables_bytes": 0, "stack_bytes": 300, "stack_room_bytes": 512}
    layer = {"name": "dense1", "op": "dense", "macs": 1536, "instructions": 4000, "cycles": 5000.0}
    return {
        "created": LATER,
        "board": "microbit-v1",
        "agrees": True,
        "images": 20,
        "macs": 2080,
        "instructions": 9000,
        "latency_ms": 1.5,
        "latency_error": 0.3,
        "flash": flash | {"available_bytes": 1 << 18},
        "ram": ram | {"available_bytes": 1 << 14},
        "layers": [layer | {"weight_bytes": 1600}],
    } | changes


def keep(run: Run, name: str, facts: object) -> None:
    (run.folder / "integer").mkdir(exist_ok=True)
    (run.folder / "integer" / name).write_text(json.dumps(facts))


def test_a_run_that_was_not_quantised_has_nothing(run: Run) -> None:
    assert deployed(run, {}) is None
    assert "int8 was not measured" in (run.folder / CARD).read_text()


def test_card_and_comparison_tell_what_was_kept(run: Run) -> None:
    keep(run, "results.json", quantised(run))
    keep(run, "firmware-test.json", answered())
    keep(run, "emulated-microbit-v1.json", emulated())
    told: dict[str, str] = {}
    found = deployed(run, told)
    assert found is not None
    assert not told
    assert (found.weight_bytes, list(found.accuracies)) == (2222, ["validation", "test"])
    assert found.accuracies["test"].int8 == Accuracy(81, 100)
    (board,) = found.boards
    assert (board.board, board.flash_bytes, board.ram_bytes) == ("microbit-v1", 5222, 388)
    page = write_card(run).read_text()
    for line in (
        "## On a board",
        "| validation | 75.00 % | 72.50 % |",
        "| test | 80.00 % | 81.00 % |",
        "| microbit-v1 | equal to the reference (20 images) | 5,222 bytes (2 %) | 388 bytes (2 %) | 9,000 |",
        "no real time was measured",
    ):
        assert line in page
    assert "int8 was not measured" not in page
    (compared,) = compare([run.folder], device="cpu").runs
    assert (compared.int8_validation, compared.int8_test) == (Accuracy(29, 40), Accuracy(81, 100))
    assert compared.as_json()["int8_test_n"] == 100


def test_bytes_that_differ_are_told(run: Run) -> None:
    keep(run, "results.json", quantised(run))
    keep(run, "emulated-microbit-v1.json", emulated(agrees=False, board="<b>", latency_ms=None, latency_error=None))
    page = write_card(run).read_text()
    assert "| &lt;b&gt; | DIFFER from the reference" in page


def test_what_is_of_other_weights_or_an_older_network_is_left_out(run: Run) -> None:
    keep(run, "results.json", quantised(run) | {"sha256": {WEIGHTS: "0" * 64}})
    told: dict[str, str] = {}
    assert deployed(run, told) is None
    assert "other weights" in told["results.json"]
    keep(run, "results.json", quantised(run))
    keep(run, "firmware-test.json", answered(created=BEFORE))
    keep(run, "emulated-microbit-v1.json", emulated(created=BEFORE))
    told = {}
    found = deployed(run, told)
    assert found is not None
    assert (list(found.accuracies), found.boards) == (["validation"], ())
    assert all("older than the int8 network" in why for why in told.values())
    assert len(told) == 2


NONSENSE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_file_says_card_and_reading_survive(run: Run, data: st.DataObject) -> None:
    files = {
        "results.json": quantised(run),
        "firmware-test.json": answered(),
        "emulated-microbit-v1.json": emulated(),
    }
    name = data.draw(st.sampled_from(sorted(files)))
    facts = files[name]
    key = data.draw(st.sampled_from(sorted(facts)))
    inner = facts[key]
    if isinstance(inner, dict) and data.draw(st.booleans()):
        inner[data.draw(st.sampled_from(sorted(inner)))] = data.draw(NONSENSE)
    else:
        facts[key] = data.draw(NONSENSE)
    for each, content in files.items():
        keep(run, each, content)
    deployed(run, {})
    write_card(run)
