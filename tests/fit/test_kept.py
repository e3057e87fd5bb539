"""Kept evaluations, read again: as they were, or left out with the reason, whatever the file says."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pennyweight.core.run import EVALUATIONS, Run
from pennyweight.data.images import LabelledImages
from pennyweight.fit.evaluate import evaluate
from pennyweight.fit.kept import KeptEvaluation, kept_evaluations
from pennyweight.fit.recipe import Recipe
from pennyweight.fit.train import train
from pennyweight.net.graph import Graph

pytestmark = pytest.mark.usefixtures("hasty_clock")

FACTS: dict[str, Any] = {
    "source": "digits",
    "part": "test",
    "correct": 2,
    "n": 3,
    "loss": 0.5,
    "test_openings": 1,
    "per_class": [{"name": "a", "precision": None, "recall": 0.5, "f1": 1, "n": 3}],
    "calibration_error": 0.25,
    "timing": {"batch1_ms": 0.5, "best_batch": 8, "best_batch_ms_per_image": 0.25, "threads": 1, "device": "cpu"},
    "fingerprint": "ab",
    "labels": [0, 1, 1],
    "answers": [0, 1, 0],
    "classes": ["a", "\x1b[31m"],
    "confusion": [[1, 0], [1, 1]],
    "reliability": [{"confidence": None, "accuracy": None, "n": 0}, {"confidence": 0.5, "accuracy": 1, "n": 3}],
    "mistakes": [{"index": 2, "true": "b", "answer": "a", "confidence": 1, "png_base64": "iVBORw0KGgo="}],
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([10**400, -1, 1e308]) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def test_what_evaluate_kept_is_what_is_read(tmp_path: Path, digits: LabelledImages, mlp: Graph) -> None:
    recipe = Recipe(epochs=2, validation=0.2)
    run = train(digits, mlp, recipe=recipe, out=tmp_path / "run", device="cpu").run
    looked = evaluate(run, digits, device="cpu")
    left_out: dict[str, str] = {}
    kept = kept_evaluations(Run.open(run), left_out)["test"]
    assert left_out == {}
    same = ("source", "part", "accuracy", "loss", "class_names", "confusion", "per_class", "calibration_error")
    for name in (*same, "reliability", "mistakes", "photos", "timing"):
        assert getattr(kept, name) == getattr(looked, name)
    assert kept.test_openings == looked.opened == 1
    assert kept.labels.tolist() == digits.sealed.labels.tolist()
    assert int((kept.labels == kept.answers).sum()) == looked.accuracy.correct


def test_what_an_older_version_did_not_keep_is_none_or_empty() -> None:
    old = {name: FACTS[name] for name in ("source", "part", "correct", "n", "test_openings")}
    kept = KeptEvaluation.of(old)
    assert (kept.loss, kept.timing, kept.calibration_error, kept.per_class, kept.fingerprint) == (None,) * 3 + ((), "")
    assert len(kept.labels) == len(kept.answers) == 0
    assert kept.not_blank is None
    assert (kept.class_names, kept.confusion, kept.reliability, kept.mistakes, kept.photos) == ((),) * 5
    assert KeptEvaluation.of(FACTS).class_names == ("a", "\\x1b[31m")
    timing = KeptEvaluation.of(FACTS).timing
    assert timing is not None
    assert (timing.batch1_ms, timing.batch1_ms_quartiles) == (0.5, None)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"correct": 4}, "4 of 3 images"),
        ({"correct": None}, "correct is no count"),
        ({"correct": 2.0}, "correct is no count"),
        ({"n": True}, "n is no count"),
        ({"n": 0, "correct": 0}, "n is no count"),
        ({"n": 10**400}, "n is no count"),
        ({"correct": 1}, "its answers are not those of"),
        ({"loss": float("nan")}, "loss is no number"),
        ({"loss": 10**400}, "loss is no number"),
        ({"labels": [0, 1]}, "2 labels and 3 answers"),
        ({"answers": ["one", 1, 0]}, "answers is no list of classes"),
        ({"answers": [0.5, 1, 0]}, "answers is no list of classes"),
        ({"per_class": 5}, "per_class is no list"),
        ({"per_class": [5]}, "per_class is no list"),
        ({"per_class": [{"name": "a", "n": 1, "recall": 2.5}]}, "recall is no number from 0 to 1"),
        ({"timing": 3}, "timing is no JSON object"),
        ({"timing": {}}, "timing has no times"),
        ({"timing": FACTS["timing"] | {"batch1_ms_quartiles": [2, 1]}}, "batch1_ms_quartiles are no two numbers"),
        ({"timing": FACTS["timing"] | {"batch1_ms_quartiles": [1]}}, "batch1_ms_quartiles are no two numbers"),
        ({"timing": FACTS["timing"] | {"batch1_ms_quartiles": ["1", 2]}}, "batch1_ms_quartiles is no number"),
        ({"not_blank": 3}, "not_blank is no JSON object"),
        ({"not_blank": {"correct": 2, "n": 3}}, "is no part of"),
        ({"not_blank": {"correct": 3, "n": 2}}, "3 of 2 images"),
        ({"classes": ["a", 3]}, "classes is no list of texts"),
        ({"confusion": [3]}, "confusion is no list of lists"),
        ({"confusion": [[1, 0]]}, "confusion has not a row and a column for each of 2 classes"),
        ({"confusion": [[1], [1, 1]]}, "confusion has not a row and a column"),
        ({"confusion": [[2, -1], [1, 1]]}, "confusion is no count"),
        ({"confusion": [[2, 0], [0, 1]]}, "its confusion is not that of"),
        ({"reliability": [{"confidence": 2, "n": 1}]}, "confidence is no number from 0 to 1"),
        ({"mistakes": [3]}, "mistakes is no list of JSON objects"),
        ({"mistakes": [FACTS["mistakes"][0] | {"png_base64": "PHN2Zz4="}]}, "is no PNG"),
        ({"photos": [FACTS["mistakes"][0] | {"png_base64": "\u00e9"}]}, "is no PNG"),
        ({"photos": [FACTS["mistakes"][0] | {"file": 3}]}, "file is no text"),
        ({"source": None}, "source is no text"),
        ({"fingerprint": 5}, "fingerprint is no text"),
        ({"test_openings": -1}, "test_openings is no count"),
    ],
)
def test_what_cannot_be_an_evaluation_is_left_out_with_the_reason(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    (tmp_path / EVALUATIONS).mkdir()
    for name, facts in (("good", FACTS), ("bad", FACTS | change)):
        (tmp_path / EVALUATIONS / f"{name}.json").write_text(json.dumps(facts))
    left_out: dict[str, str] = {}
    assert list(kept_evaluations(Run(tmp_path), left_out)) == ["good"]
    note = left_out["bad"]
    assert "evaluations/bad.json is malformed" in note
    assert reason in note


@given(change=st.dictionaries(st.sampled_from(sorted(FACTS)), JSON, min_size=1))
def test_any_json_is_an_evaluation_or_a_value_error(change: dict[str, Any]) -> None:
    with suppress(ValueError):
        kept = KeptEvaluation.of(FACTS | change)
        assert 0 <= kept.accuracy.correct <= kept.accuracy.n
        assert len(kept.labels) in (0, kept.accuracy.n)
