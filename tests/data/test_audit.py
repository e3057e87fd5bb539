"""The audit finds what was planted, exactly that, and says it in plain values."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pennyweight.data import audit as audit_module
from pennyweight.data.audit import Audit, audit
from pennyweight.data.folder import read_folder
from pennyweight.data.images import LabelledImages, Part, Unreadable


def noise(count: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 12, 12, channels), dtype=np.uint8)


def labelled(learning: np.ndarray, sealed: np.ndarray, labels: list[int] | None = None) -> LabelledImages:
    alternating = np.arange(len(learning)) % 2
    return LabelledImages(
        name="made",
        learning=Part(learning, np.array(alternating if labels is None else labels, np.int64)),
        sealed=Part(sealed, np.arange(len(sealed)) % 2),
        class_names=("even", "odd"),
        origin="made up",
        notes=("a note",),
        unreadable=(Unreadable("a/1.png", "empty file"),),
    )


def places(found: Audit, kind: str) -> set[tuple[tuple[str, int], tuple[str, int]]]:
    return {
        ((pair.first.part, pair.first.index), (pair.second.part, pair.second.index)) for pair in getattr(found, kind)
    }


def test_a_set_without_copies_has_none() -> None:
    found = audit(labelled(noise(40), noise(10, seed=1)))
    assert found.duplicates == found.near_duplicates == found.leaked == found.findings == ()
    assert found.duplicates_count == found.near_duplicates_count == found.leaked_count == 0


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_planted_exact_copies_are_found_exactly(data: st.DataObject) -> None:
    learning, sealed = noise(20), noise(8, seed=1)
    inside = data.draw(st.sets(st.integers(10, 19), max_size=5))
    across = data.draw(st.sets(st.integers(0, 7), max_size=5))
    for index in inside:
        learning[index] = learning[index - 10]
    for index in across:
        sealed[index] = learning[index]
    found = audit(labelled(learning, sealed))
    leaks = {(("learning", index), ("test", index)) for index in across}
    assert places(found, "duplicates") == leaks | {(("learning", i - 10), ("learning", i)) for i in inside}
    assert places(found, "leaked") == leaks
    assert not found.near_duplicates


def test_a_copy_with_two_labels_is_flagged_and_listed_first() -> None:
    learning = noise(8)
    learning[5], learning[7] = learning[3], learning[0]
    found = audit(labelled(learning, noise(2, seed=1)))
    assert [pair.labels_conflict for pair in found.duplicates] == [True, False]
    assert found.duplicates[0].as_json() == {
        "kind": "exact",
        "first": {"part": "learning", "index": 0, "label": "even"},
        "second": {"part": "learning", "index": 7, "label": "odd"},
        "labels_conflict": True,
    }
    assert any("two different labels" in finding for finding in found.findings)


@pytest.fixture(scope="module")
def photos(real_data: Path) -> LabelledImages:
    return read_folder(real_data / "cats_vs_dogs", (64, 64, 3))


def jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def brighter(picture: np.ndarray) -> np.ndarray:
    return (picture * 0.8 + 40).astype(np.uint8)


def noisy(picture: np.ndarray) -> np.ndarray:
    return np.clip(picture + np.random.default_rng(0).normal(0, 3, picture.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("change", [lambda p: jpeg(p, 90), brighter, noisy], ids=["jpeg", "brighter", "noisy"])
def test_changed_copies_of_photos_are_found_as_leaks_and_strangers_are_not(
    change: object, photos: LabelledImages
) -> None:
    index = np.arange(0, len(photos.learning), 10)
    learning, sealed = photos.learning.take(index), photos.open_test().images[:60].copy()
    planted = range(0, 60, 3)
    for place in planted:
        sealed[place] = change(learning.images[place])  # type: ignore[operator]
    images = LabelledImages("photos", learning, Part(sealed, np.zeros(60, np.int64)), photos.class_names)
    found = audit(images)
    expected = {(("learning", place), ("test", place)) for place in planted}
    assert places(found, "leaked") <= expected
    assert found.leaked_count >= 0.9 * len(expected)
    assert {pair.kind for pair in found.leaked} == {"near"}
    assert any("near" in finding for finding in found.findings)


def test_the_noisy_twin_of_a_digit_is_the_only_copy_among_own_digits(real_data: Path) -> None:
    images = read_folder(real_data / "own_digits", (28, 28, 1))
    found = audit(images)
    assert not found.duplicates
    assert [(pair.first.label, pair.second.label) for pair in found.near_duplicates] == [("6", "6")]


def test_flat_pictures_are_never_near_copies() -> None:
    learning = noise(6)
    learning[2], learning[3] = 10, 200
    assert not audit(labelled(learning, noise(2, seed=1))).near_duplicates


@pytest.mark.parametrize("sealed", [0, 1])
def test_parts_of_one_picture_or_none_are_audited(sealed: int) -> None:
    same = np.repeat(noise(1), 2, axis=0)
    found = audit(labelled(same, noise(sealed, seed=1)))
    assert found.duplicates_count == 1
    assert not found.near_duplicates


def test_counts_and_imbalance_are_told() -> None:
    found = audit(labelled(noise(10), noise(3, seed=1), labels=[0] * 8 + [1] * 2))
    assert found.counts == {"even": {"learning": 8, "test": 2}, "odd": {"learning": 2, "test": 1}}
    assert found.imbalance_ratio == 4
    assert any("'even' has 8" in finding and "'odd' has 2" in finding for finding in found.findings)


def test_a_class_without_images_has_no_ratio_and_a_finding() -> None:
    two = labelled(noise(10), noise(3, seed=1))
    found = audit(LabelledImages("three", two.learning, two.sealed, ("even", "odd", "void")))
    assert found.imbalance_ratio is None
    assert any("'void' has 0" in finding for finding in found.findings)


def test_the_list_of_pairs_is_bounded_and_their_number_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_module, "LISTED_PAIRS", 3)
    found = audit(labelled(np.repeat(noise(2), 5, axis=0), noise(1, seed=1)))
    assert len(found.duplicates) == 3
    assert found.duplicates_count == 8


def test_above_the_limit_near_copies_are_not_sought_and_a_finding_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    learning = noise(6)
    learning[5] = learning[4] // 2
    images = labelled(learning, noise(1, seed=1))
    assert audit(images).near_duplicates_count == 1
    monkeypatch.setattr(audit_module, "NEAR_IMAGES_MAX", 5)
    found = audit(images)
    assert not found.near_duplicates
    assert any("not sought" in finding for finding in found.findings)


def test_the_audit_is_plain_json() -> None:
    images = labelled(noise(10), noise(3, seed=1))
    plain = json.loads(json.dumps(audit(images).as_json()))
    assert plain["classes"] == ["even", "odd"]
    assert plain["unreadable"] == [{"path": "a/1.png", "reason": "empty file"}]
    assert plain["duplicates"] == plain["leaked"] == []
    assert plain["input_shape"] == [12, 12, 1]
    assert plain["fingerprint"] == images.fingerprint
    assert plain["notes"] == ["a note"]
    assert plain["sizes"] == [{"height": 12, "width": 12, "count": 13}]


def test_sizes_are_told_the_most_common_first() -> None:
    sizes = {(9, 8): 1, (20, 30): 40, (8, 9): 1, (64, 64): 2}
    found = audit(dataclasses.replace(labelled(noise(40), noise(4, seed=1)), sizes=sizes))
    assert list(found.sizes.items()) == [((20, 30), 40), ((64, 64), 2), ((8, 9), 1), ((9, 8), 1)]
